//! The commands that there are, and which module runs each.

use std::io::Write;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use super::{ConfigOption, Failed, check, cluster, demo, migrate, sandbox, send, serve, show, store};
use tillgate_lab::bench;

/// A gateway between order marketplaces, merchants' sites and payment systems.
#[derive(Debug, Parser)]
#[command(name = "tillgate", version, propagate_version = true, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
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

pub(super) async fn dispatch(command: Command) -> Result<(), Failed> {
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
        Command::Bench(options) => bench::run(options).await.map_err(Failed::from),
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
