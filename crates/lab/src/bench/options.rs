//! The options of `tillgate bench`.

use std::path::PathBuf;

use clap::Args;

use super::workload::{LINES_DEFAULT, Workload};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Options {
    /// Number of connections; one measurement for each number
    #[arg(long, value_delimiter = ',', default_value = "16,128", value_name = "N,…")]
    pub(super) connections: Vec<usize>,
    /// Kinds of hooks to send; one measurement for each kind
    #[arg(long, value_delimiter = ',', default_value = "fresh", value_name = "NAME,…")]
    pub(super) workload: Vec<Workload>,
    /// Number of lines of each order; one measurement for each number
    #[arg(long, value_delimiter = ',', default_values_t = [LINES_DEFAULT], value_name = "N,…")]
    pub(super) lines: Vec<usize>,
    /// Send this many hooks per second, whether or not the answers keep up
    /// [default: a closed loop]
    #[arg(long, value_name = "N")]
    pub(super) rate: Option<u32>,
    /// Duration of each measurement, in seconds
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub(super) seconds: u64,
    /// Store to measure [default: sled, in a new folder]
    #[arg(long, value_name = "URL", env = "TILLGATE_BENCH_STORE", hide_env_values = true)]
    pub(super) store: Option<String>,
    /// Number of receivers that share the store
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) receivers: usize,
    /// Put nginx in front of the receivers
    #[arg(long)]
    pub(super) nginx: bool,
    /// At the same time place so many orders of the shop a second, which are
    /// paid from wallets and agreed on
    #[arg(long, value_name = "N", conflicts_with_all = ["to", "preload", "payments"])]
    pub(super) beside_sagas: Option<u32>,
    /// Store this many orders first, and restart the gateway on them
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(super) preload: u64,
    /// Let the source hold stock, as beside a shop
    #[arg(long)]
    pub(super) holds_stock: bool,
    /// Measure a server that is already running, given by the address that
    /// accepts hooks
    #[arg(long, value_name = "URL", conflicts_with_all = ["store", "nginx", "payments"])]
    pub(super) to: Option<String>,
    /// Token of the server at --to
    #[arg(
        long,
        default_value = "bench",
        value_name = "TOKEN",
        env = "TILLGATE_BENCH_TOKEN",
        hide_env_values = true
    )]
    pub(super) token: String,
    /// Folder for the stores [default: a temporary folder in the working
    /// directory, removed afterwards]
    #[arg(long, value_name = "DIR")]
    pub(super) folder: Option<PathBuf>,
    /// Also measure how orders that get a payment link are acknowledged, with a
    /// payment system that answers and with one that never answers
    #[arg(long)]
    pub(super) payments: bool,
    /// Print the results as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Draw the latencies into this SVG file
    #[arg(long, value_name = "FILE")]
    pub(super) plot: Option<PathBuf>,
    /// Run only the server that pays by the version of a document, on this
    /// address
    #[arg(long, hide = true, value_name = "ADDR")]
    pub(super) by_version: Option<std::net::SocketAddr>,
    /// Run only the bare echo server, on this address
    #[arg(long, hide = true, value_name = "ADDR")]
    pub(super) echo: Option<std::net::SocketAddr>,
}

impl Options {
    /// Whether the command only runs a server that others are compared with.
    pub(super) const fn is_a_server(&self) -> bool {
        self.echo.is_some() || self.by_version.is_some()
    }
}
