//! The command line.
//!
//! Exit codes: 0 well, 1 failed, 2 bad usage or configuration. Errors are one line on stderr that says what
//! to do.

mod check;
mod client;
mod cluster;
mod command;
mod demo;
mod failed;
mod migrate;
mod options;
mod receiver;
mod sandbox;
mod secret;
mod send;
mod serve;
mod show;
mod store;

use std::process::ExitCode;

use clap::Parser;

use self::command::{Cli, dispatch};
use self::failed::{Failed, report, say};
use self::options::{ConfigOption, Overrides};

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    // What this process writes is customers' data or about them: for nobody else on this machine.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(why) => {
            let _ = why.print();
            return ExitCode::from(if why.use_stderr() { 2 } else { 0 });
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => return report(&Failed::because(format!("no threads can be started: {why}"))),
    };
    let outcome = runtime.block_on(Box::pin(dispatch(cli.command)));
    // Nothing is left that must be waited for; what is stuck must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => report(&failed),
    }
}
