//! The command line.
//!
//! Exit codes: 0 well, 1 failed, 2 bad usage or configuration. Errors are one line on stderr that says what
//! to do.

mod bench;
mod check;
mod client;
mod cluster;
mod demo;
mod migrate;
mod receiver;
mod sandbox;
mod secret;
mod send;
mod serve;
mod show;
mod store;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::{ConfigError, Settings, StoreUrl};
use crate::kernel::text::{shown, shown_in_line};

/// A gateway between order marketplaces, merchants' sites and payment systems.
#[derive(Debug, Parser)]
#[command(name = "tillgate", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Serve(serve::Options),
    /// Show the whole story on this machine, with nothing configured
    Demo(demo::Options),
    /// Run a payment system to try things on: no money moves
    Sandbox(sandbox::Options),
    /// Play the marketplace: post hook files and print every answer
    Send(send::Options),
    /// Check the configuration and reach every configured peer
    Check(ConfigOption),
    /// Orders: list them, show one with its journal
    #[command(subcommand)]
    Orders(show::orders::Command),
    /// Hooks: list them, show one with its bytes, take one through the door again
    #[command(subcommand)]
    Hooks(show::hooks::Command),
    /// The outbox: list messages that wait or have died, try one again, drop one
    #[command(subcommand)]
    Outbox(show::outbox::Command),
    /// Decide about money that came and did not fit
    #[command(subcommand)]
    Payments(show::payments::Command),
    /// Stock: show balances, import counted ones
    #[command(subcommand)]
    Stock(show::stock::Command),
    /// Measure how fast hooks are acknowledged, beside a bare HTTP server in the same run
    Bench(bench::Options),
    /// Bring the database's schema up to date, or copy a shop from one store into another
    Migrate(migrate::Options),
    /// A store in a directory that is damaged: see what is left, go on with that
    #[command(subcommand)]
    Store(store::Command),
    /// Run many receivers on one database behind nginx, to try things on: see scripts/cluster
    #[command(hide = true)]
    Cluster(cluster::Options),
    /// Print the OpenAPI 3.1 document of the merchants' API
    Openapi,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Where the configuration is.
#[derive(Debug, Clone, Args)]
struct ConfigOption {
    /// The configuration file [default: tillgate.toml in this directory, else /etc/tillgate/tillgate.toml]
    #[arg(long, value_name = "FILE", env = "TILLGATE_CONFIG")]
    config: Option<PathBuf>,
}

impl ConfigOption {
    fn load(&self) -> Result<Settings, Failed> {
        let settings = crate::config::load(self.config.as_deref(), variables())?;
        for name in &settings.unknown_variables {
            let _ = writeln!(
                std::io::stderr(),
                "tillgate: {name} in the environment names no setting, and is passed over"
            );
        }
        Ok(settings)
    }
}

/// The environment, as far as it is text: others may have put anything there.
fn variables() -> impl Iterator<Item = (String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// What `serve` may be told besides the configuration.
#[derive(Debug, Clone, Args)]
struct Overrides {
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", value_parser = crate::config::listen_address)]
    listen: Option<SocketAddr>,
    /// Where to keep things: sled:<directory>, postgres://user@host/database or memory: [default: sled:data]
    /// A password in it is seen by every user of this machine
    #[arg(long, value_name = "URL", conflicts_with = "store_file")]
    store: Option<StoreUrl>,
    /// A file that holds what --store would say
    #[arg(long, value_name = "FILE")]
    store_file: Option<PathBuf>,
}

impl Overrides {
    /// Lays them over the configuration.
    fn apply(&self, settings: &mut Settings) -> Result<(), Failed> {
        settings.listen = self.listen.unwrap_or(settings.listen);
        if let Some(store) = &self.store {
            settings.store = store.clone();
        }
        if let Some(url) = secret::given(None, self.store_file.as_deref(), "--store-file")? {
            settings.store = url.parse().map_err(|why| Failed::usage(format!("--store-file: {why}")))?;
        }
        Ok(())
    }
}

/// A command that did not go well.
#[derive(Debug)]
struct Failed {
    code: u8,
    text: String,
}

impl Failed {
    /// It was tried and did not work.
    fn because(text: impl std::fmt::Display) -> Failed {
        Failed { code: 1, text: text.to_string() }
    }

    /// It was asked for wrongly.
    fn usage(text: impl std::fmt::Display) -> Failed {
        Failed { code: 2, text: text.to_string() }
    }
}

impl From<ConfigError> for Failed {
    fn from(why: ConfigError) -> Failed {
        Failed::usage(why)
    }
}

/// Prints a line to stdout, with everything shown that a terminal would obey. A reader who has gone (`tillgate orders list | head`) ends the command quietly.
fn say(line: impl std::fmt::Display) {
    if writeln!(std::io::stdout(), "{}", shown(&line.to_string())).is_err() {
        std::process::exit(0);
    }
}

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

fn report(failed: &Failed) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "tillgate: {}", shown_in_line(&failed.text));
    ExitCode::from(failed.code)
}

async fn dispatch(command: Command) -> Result<(), Failed> {
    match command {
        Command::Serve(options) => serve::run(options).await,
        Command::Demo(options) => demo::run(options).await,
        Command::Sandbox(options) => sandbox::run(options).await,
        Command::Send(options) => send::run(options).await,
        Command::Check(config) => check::run(&config).await,
        Command::Orders(command) => show::orders::run(command).await,
        Command::Hooks(command) => show::hooks::run(command).await,
        Command::Outbox(command) => show::outbox::run(command).await,
        Command::Payments(command) => show::payments::run(command).await,
        Command::Stock(command) => show::stock::run(command).await,
        Command::Bench(options) => bench::run(options).await,
        Command::Migrate(options) => migrate::run(options).await,
        Command::Store(command) => store::run(command).await,
        Command::Cluster(options) => cluster::run(options).await,
        Command::Openapi => {
            let _ = std::io::stdout().write_all(crate::http::docs::text().as_bytes());
            Ok(())
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tillgate", &mut script);
            let _ = std::io::stdout().write_all(&script);
            Ok(())
        }
    }
}
