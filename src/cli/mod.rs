//! The command line.
//!
//! Exit codes: 0 success, 1 failure, 2 wrong usage or configuration. An error
//! is one line on stderr that says what to do.

#[cfg(feature = "shop")]
mod bench;
mod check;
mod client;
mod cluster;
mod command;
mod confirm;
mod demo;
mod failed;
mod init;
mod listen;
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
use self::confirm::confirm;
use self::failed::{Failed, report, say};
use self::options::{ConfigOption, Overrides};

/// The shop whose wallets the bench can measure, if this build has one.
#[cfg(feature = "shop")]
const SHOP_OF_THE_BENCH: Option<tillgate_lab::bench::Shop> = Some(bench::SHOP);
#[cfg(not(feature = "shop"))]
const SHOP_OF_THE_BENCH: Option<tillgate_lab::bench::Shop> = None;

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    // The files that this process writes hold customers' data: nobody else on
    // this machine may read them.
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
    // Nothing is left that must be waited for. A blocked thread must not delay
    // the exit.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => report(&failed),
    }
}
