//! Output and errors of commands.

use std::io::Write;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::kernel::text::{shown, shown_in_line};
use tillgate_lab::bench::BenchError;

/// A command that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) code: u8,
    pub(super) text: String,
}

impl Failed {
    /// The command was tried and failed (exit code 1).
    pub(super) fn because(text: impl std::fmt::Display) -> Failed {
        Failed { code: 1, text: text.to_string() }
    }

    /// The command was called wrongly (exit code 2).
    pub(super) fn usage(text: impl std::fmt::Display) -> Failed {
        Failed { code: 2, text: text.to_string() }
    }
}

impl From<BenchError> for Failed {
    fn from(why: BenchError) -> Failed {
        match why {
            BenchError::Usage(text) => Failed::usage(text),
            BenchError::Failed(text) => Failed::because(text),
        }
    }
}

impl From<ConfigError> for Failed {
    fn from(why: ConfigError) -> Failed {
        Failed::usage(why)
    }
}

/// Prints a line to stdout, with control characters made visible, as a terminal
/// would obey them. When the reader has gone (`tillgate orders list | head`),
/// the process exits quietly.
pub(super) fn say(line: impl std::fmt::Display) {
    if writeln!(std::io::stdout(), "{}", shown(&line.to_string())).is_err() {
        std::process::exit(0);
    }
}

/// Prints to stderr what went wrong.
pub(super) fn report(failed: &Failed) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "tillgate: {}", shown_in_line(&failed.text));
    ExitCode::from(failed.code)
}
