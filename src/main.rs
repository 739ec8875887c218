//! The command `tillgate`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tillgate::cli::run()
}
