//! How a command says what it has found, and that it did not go well.

use std::io::Write;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::kernel::text::{shown, shown_in_line};
use tillgate_lab::bench::BenchError;

/// A command that did not go well.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) code: u8,
    pub(super) text: String,
}

impl Failed {
    /// It was tried and did not work.
    pub(super) fn because(text: impl std::fmt::Display) -> Failed {
        Failed { code: 1, text: text.to_string() }
    }

    /// It was asked for wrongly.
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

/// Prints a line to stdout, with everything shown that a terminal would obey. A reader who has gone (`tillgate orders list | head`) ends the command quietly.
pub(super) fn say(line: impl std::fmt::Display) {
    if writeln!(std::io::stdout(), "{}", shown(&line.to_string())).is_err() {
        std::process::exit(0);
    }
}

/// Tells on stderr what went wrong.
pub(super) fn report(failed: &Failed) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "tillgate: {}", shown_in_line(&failed.text));
    ExitCode::from(failed.code)
}
