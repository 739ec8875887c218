//! Asks before something is done that cannot be undone.

use std::io::{BufRead, IsTerminal, Write};

use super::Failed;

/// Asks the person at the terminal. `yes` answers for them; without a terminal
/// it is required.
pub(super) fn confirm(question: &str, yes: bool) -> Result<(), Failed> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failed::usage(format!("{question} There is no terminal to ask at: add --yes")));
    }
    let mut terminal = std::io::stderr();
    let _ = write!(terminal, "{question} [y/N] ");
    let _ = terminal.flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    let is_yes = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "д" | "да");
    if read.is_ok() && is_yes { Ok(()) } else { Err(Failed::because("nothing was done")) }
}
