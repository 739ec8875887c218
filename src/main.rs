//! The command `tillgate`.

use std::process::ExitCode;

/// A hook is allocated on the thread that talks to its sender and freed on the
/// committer's thread. With the system's allocator these threads wait for each
/// other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tillgate::cli::run()
}
