//! `tillgate bench`: how fast are hooks acknowledged?
//!
//! The gateway runs as it does in production, a process of its own with its log going to a file and a store
//! on the disk of the working directory. Beside it, in the same run and driven by the same generator, a
//! bare hyper server answers the same requests without doing anything: the ratio of the two says what the
//! gateway costs, whatever the machine.

mod echo;
mod generator;
mod target;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};

use self::generator::{Figures, Load};
use self::target::{Kind, Target, Usage};
use super::{Failed, say};

#[derive(Debug, Args)]
pub struct Options {
    /// Connections, one measurement for each number
    #[arg(long, value_delimiter = ',', default_value = "16,128", value_name = "N,…")]
    connections: Vec<usize>,
    /// How long each measurement takes
    #[arg(long, default_value_t = 8, value_name = "N")]
    seconds: u64,
    /// Where the store is put [default: a temporary folder here, removed afterwards]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The store to measure [default: sled, in a new folder]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Measure besides how orders that get a payment link are acknowledged, with a payment system that answers
    /// and with one that is silent
    #[arg(long)]
    payments: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Serve the bare echo on this address, and nothing else
    #[arg(long, hide = true, value_name = "ADDR")]
    echo: Option<std::net::SocketAddr>,
}

/// A measured server at a number of connections.
struct Row {
    server: String,
    connections: usize,
    figures: Figures,
    usage: Usage,
    ratio: Option<f64>,
}

pub async fn run(options: Options) -> Result<(), Failed> {
    if let Some(address) = options.echo {
        return echo::serve(address).await.map_err(Failed::because);
    }
    let folder = target::Folder::new(options.folder.as_deref()).map_err(Failed::because)?;
    let time = Duration::from_secs(options.seconds);
    let kinds: &[Kind] =
        if options.payments { &[Kind::Plain, Kind::Payments, Kind::PaymentsSilent] } else { &[Kind::Plain] };
    let bar = ProgressBar::new((options.connections.len() * (1 + kinds.len())) as u64);
    bar.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").unwrap_or(ProgressStyle::default_bar()),
    );
    let mut rows = Vec::new();
    for &connections in &options.connections {
        bar.set_message(format!("bare hyper, {connections} connections"));
        let echo = target::echo().await.map_err(Failed::because)?;
        let load = Load { address: echo.address, token: echo.token.clone(), connections, time };
        let (bare, usage) = measure(&echo, &load).await;
        drop(echo);
        bar.inc(1);
        let bare_rate = bare.per_second();
        rows.push(Row { server: "bare hyper".into(), connections, figures: bare, usage, ratio: None });
        for kind in kinds {
            bar.set_message(format!("{}, {connections} connections", kind.name()));
            let gateway =
                target::gateway(&folder, *kind, options.store.as_deref()).await.map_err(Failed::because)?;
            let load = Load { address: gateway.address, token: gateway.token.clone(), connections, time };
            let (ours, usage) = measure(&gateway, &load).await;
            drop(gateway);
            bar.inc(1);
            let ratio = (bare_rate > 0.0).then(|| share(ours.per_second(), bare_rate));
            rows.push(Row { server: kind.name().into(), connections, figures: ours, usage, ratio });
        }
    }
    bar.finish_and_clear();
    if options.json {
        print_json(&rows)
    } else {
        print_table(&rows)
    }
    let errors: u64 = rows.iter().map(|row| row.figures.errors).sum();
    if errors == 0 {
        Ok(())
    } else {
        Err(Failed::because(format!("{errors} requests were not answered with 200")))
    }
}

/// Runs the load and says besides what the server used for it.
async fn measure(target: &Target, load: &Load) -> (Figures, Usage) {
    let before = target.usage();
    let figures = generator::run(load).await;
    let after = target.usage();
    let usage = Usage {
        ticks: after.ticks.saturating_sub(before.ticks),
        written_bytes: after.written_bytes.saturating_sub(before.written_bytes),
        resident_bytes: after.resident_bytes,
    };
    (figures, usage)
}

#[expect(clippy::float_arithmetic, reason = "a ratio of rates")]
fn share(ours: f64, bare: f64) -> f64 {
    ours / bare
}

fn milliseconds(micros: u64) -> String {
    format!("{}.{:02}", micros / 1000, micros / 10 % 100)
}

fn print_table(rows: &[Row]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "SERVER",
        "CONNECTIONS",
        "PER SECOND",
        "P50 MS",
        "P99 MS",
        "MAX MS",
        "ERRORS",
        "CPU µS",
        "WRITTEN B",
        "MEMORY MIB",
        "OF BARE HYPER",
    ]);
    for row in rows {
        let figures = &row.figures;
        table.add_row([
            row.server.clone(),
            row.connections.to_string(),
            format!("{:.0}", figures.per_second()),
            milliseconds(figures.micros_at(0.5)),
            milliseconds(figures.micros_at(0.99)),
            milliseconds(figures.micros_max()),
            figures.errors.to_string(),
            (row.usage.ticks * 10_000).checked_div(figures.answers()).unwrap_or(0).to_string(),
            row.usage.written_bytes.checked_div(figures.answers()).unwrap_or(0).to_string(),
            (row.usage.resident_bytes >> 20).to_string(),
            row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        ]);
    }
    say(table.trim_fmt());
    say(
        "\nclosed loop: each connection sends a new order.created of 1.3 kB when the one before is answered;",
    );
    say("the generator runs on the same cores; the gateway answers after flush and sync_data");
}

fn print_json(rows: &[Row]) {
    let rows: Vec<serde_json::Value> = rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "server": row.server,
                "connections": row.connections,
                "per_second": row.figures.per_second(),
                "p50_microseconds": row.figures.micros_at(0.5),
                "p99_microseconds": row.figures.micros_at(0.99),
                "max_microseconds": row.figures.micros_max(),
                "errors": row.figures.errors,
                "ratio_to_bare_hyper": row.ratio,
            })
        })
        .collect();
    super::client::print_json(&serde_json::Value::Array(rows));
}
