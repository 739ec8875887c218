//! What is measured.

use std::path::PathBuf;

use clap::Args;

use super::workload::Workload;

/// The options of the command.
#[derive(Debug, Args)]
pub struct Options {
    /// Connections, one measurement for each number
    #[arg(long, value_delimiter = ',', default_value = "16,128", value_name = "N,…")]
    pub(super) connections: Vec<usize>,
    /// Ways in which hooks come
    #[arg(long, value_delimiter = ',', default_value = "fresh", value_name = "NAME,…")]
    pub(super) workload: Vec<Workload>,
    /// Send so many hooks a second, whether or not the answers keep up [default: a closed loop]
    #[arg(long, value_name = "N")]
    pub(super) rate: Option<u32>,
    /// How long each measurement takes
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub(super) seconds: u64,
    /// The store to measure [default: sled, in a new folder]
    #[arg(long, value_name = "URL", env = "TILLGATE_BENCH_STORE", hide_env_values = true)]
    pub(super) store: Option<String>,
    /// How many receivers share the store
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) receivers: usize,
    /// Put nginx in front of them
    #[arg(long)]
    pub(super) nginx: bool,
    /// Store so many orders first, and restart the gateway on them
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(super) preload: u64,
    /// Measure a server that is running already, by the address that takes hooks
    #[arg(long, value_name = "URL", conflicts_with_all = ["store", "nginx", "payments"])]
    pub(super) to: Option<String>,
    /// Its token
    #[arg(
        long,
        default_value = "bench",
        value_name = "TOKEN",
        env = "TILLGATE_BENCH_TOKEN",
        hide_env_values = true
    )]
    pub(super) token: String,
    /// Where stores are put [default: a temporary folder here, removed afterwards]
    #[arg(long, value_name = "DIR")]
    pub(super) folder: Option<PathBuf>,
    /// Measure besides how orders that get a payment link are acknowledged, with a payment system that answers
    /// and with one that is silent
    #[arg(long)]
    pub(super) payments: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Draw the latencies into this SVG file
    #[arg(long, value_name = "FILE")]
    pub(super) plot: Option<PathBuf>,
    /// Serve the bare echo on this address, and nothing else
    #[arg(long, hide = true, value_name = "ADDR")]
    pub(super) echo: Option<std::net::SocketAddr>,
}
