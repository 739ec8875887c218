//! What a measurement says, and why there is none.

use std::io::Write;

/// Why nothing could be measured, or not everything went well.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// An option has a value that cannot be used, alone or with the others.
    #[error("{0}")]
    Usage(String),
    /// It was tried and did not work.
    #[error("{0}")]
    Failed(String),
}

impl BenchError {
    pub(super) fn because(why: impl std::fmt::Display) -> BenchError {
        BenchError::Failed(why.to_string())
    }

    pub(super) fn usage(why: impl std::fmt::Display) -> BenchError {
        BenchError::Usage(why.to_string())
    }
}

/// Prints a line to stdout. A reader who has gone ends the command quietly.
pub(super) fn say(line: impl std::fmt::Display) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}
