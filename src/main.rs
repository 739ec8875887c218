//! The command `tillgate`.

use std::process::ExitCode;

/// A hook is allocated on a thread that talks to its sender and freed on the committer's: the system's
/// allocator makes them wait for each other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tillgate::cli::run()
}
