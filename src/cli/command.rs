//! The commands, and the modules that run them.

use std::io::Write;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::{
    ConfigOption, Failed, check, cluster, demo, init, listen, migrate, sandbox, say, send, serve,
    show, store,
};
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
    /// Write a commented configuration with fresh secrets
    Init(init::Options),
    /// Run the gateway
    Serve(serve::Options),
    /// Run a demonstration on this machine; no configuration is needed
    Demo(demo::Options),
    /// Run a simulated payment system for tests: no money moves
    Sandbox(sandbox::Options),
    /// Simulate the marketplace: post hook files and print every answer
    Send(send::Options),
    /// Check the configuration, and whether every configured peer can be
    /// reached
    Check(ConfigOption),
    /// Orders: list them, show one with its journal, dismiss warnings, update
    /// the marketplace
    #[command(subcommand)]
    Orders(show::orders::Command),
    /// Hooks: list them, show one with its body, process one again
    #[command(subcommand)]
    Hooks(show::hooks::Command),
    /// The outbox: list pending and dead messages, retry one, drop one
    #[command(subcommand)]
    Outbox(show::outbox::Command),
    /// Decide about payments that need an operator
    #[command(subcommand)]
    Payments(show::payments::Command),
    /// Stock: show stock levels, import counted ones
    #[command(subcommand)]
    Stock(show::stock::Command),
    /// The online shop: its staff, its money, its state
    #[cfg(feature = "shop")]
    #[command(subcommand)]
    Shop(show::shop::Command),
    /// Show hooks, payments and messages of a running gateway as they happen
    Listen(listen::Options),
    /// Measure how fast hooks are acknowledged, compared with a bare HTTP
    /// server in the same run
    Bench(bench::Options),
    /// Update the database's schema, or copy all data from one store into
    /// another
    Migrate(migrate::Options),
    /// Inspect a damaged store in a directory, or continue with what is left of
    /// it
    #[command(subcommand)]
    Store(store::Command),
    /// Run many receivers on one database behind nginx, for tests: see
    /// scripts/cluster
    #[command(hide = true)]
    Cluster(cluster::Options),
    /// Print the OpenAPI 3.1 document of the merchants' API
    Openapi,
    /// Print a page of the documentation that is made from the code
    #[command(hide = true)]
    Reference {
        #[arg(value_enum)]
        page: Page,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell to complete for
        shell: Shell,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Page {
    /// docs/configuration.md
    Configuration,
    /// docs/metrics.md
    Metrics,
}

pub(super) async fn dispatch(command: Command) -> Result<(), Failed> {
    match command {
        Command::Init(options) => init::run(&options),
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
        #[cfg(feature = "shop")]
        Command::Shop(command) => show::shop::run(command).await,
        Command::Listen(options) => listen::run(options).await,
        Command::Bench(options) => {
            bench::run(options, super::SHOP_OF_THE_BENCH).await.map_err(Failed::from)
        }
        Command::Migrate(options) => migrate::run(options).await,
        Command::Store(command) => store::run(command).await,
        Command::Cluster(options) => cluster::run(options).await,
        Command::Openapi => {
            let _ = std::io::stdout().write_all(crate::http::docs::text().as_bytes());
            Ok(())
        }
        Command::Reference { page } => {
            match page {
                Page::Configuration => say(crate::config::reference::markdown().trim_end()),
                Page::Metrics => say(crate::telemetry::metrics::markdown().trim_end()),
            }
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
