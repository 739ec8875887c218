//! Errors and output of the bench.

use std::io::Write;

/// Why there is no measurement, or why it is not valid.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// An option has an invalid value, alone or together with the others.
    #[error("{0}")]
    Usage(String),
    /// The measurement failed, or some requests failed.
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

/// Prints a line to stdout. If the reader is gone, the command exits quietly.
pub(super) fn say(line: impl std::fmt::Display) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}
