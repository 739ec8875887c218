//! `tillgate bench`: how fast are hooks acknowledged?
//!
//! The gateway runs as it does in production, in processes of its own with their logs going to files and a store on a
//! disk. Beside it, in the same run and driven by the same generator, a bare hyper server answers the same requests
//! without doing anything: the ratio of the two says what the gateway costs, whatever the machine.

mod echo;
mod generator;
mod plot;
mod target;
mod workload;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};

use self::generator::{Figures, Load, send_all};
use self::target::{Folder, Kind, Money, Target, Usage};
use self::workload::{Order, Workload};
use super::{Failed, say};
use crate::kernel::Stopwatch;
use crate::kernel::chance::random_bytes;

#[derive(Debug, Args)]
pub struct Options {
    /// Connections, one measurement for each number
    #[arg(long, value_delimiter = ',', default_value = "16,128", value_name = "N,…")]
    connections: Vec<usize>,
    /// Ways in which hooks come
    #[arg(long, value_delimiter = ',', default_value = "fresh", value_name = "NAME,…")]
    workload: Vec<Workload>,
    /// Send so many hooks a second, whether or not the answers keep up [default: a closed loop]
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// How long each measurement takes
    #[arg(long, default_value_t = 8, value_name = "N")]
    seconds: u64,
    /// The store to measure [default: sled, in a new folder]
    #[arg(long, value_name = "URL", env = "TILLGATE_BENCH_STORE", hide_env_values = true)]
    store: Option<String>,
    /// How many receivers share the store
    #[arg(long, default_value_t = 1, value_name = "N")]
    receivers: usize,
    /// Put nginx in front of them
    #[arg(long)]
    nginx: bool,
    /// Store so many orders first, and start the gateway anew on them
    #[arg(long, default_value_t = 0, value_name = "N")]
    preload: u64,
    /// Measure a server that is running already, by the address that takes hooks
    #[arg(long, value_name = "URL", conflicts_with_all = ["store", "nginx", "payments"])]
    to: Option<String>,
    /// Its token
    #[arg(
        long,
        default_value = "bench",
        value_name = "TOKEN",
        env = "TILLGATE_BENCH_TOKEN",
        hide_env_values = true
    )]
    token: String,
    /// Where stores are put [default: a temporary folder here, removed afterwards]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Measure besides how orders that get a payment link are acknowledged, with a payment system that answers
    /// and with one that is silent
    #[arg(long)]
    payments: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw the latencies into this SVG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Serve the bare echo on this address, and nothing else
    #[arg(long, hide = true, value_name = "ADDR")]
    echo: Option<std::net::SocketAddr>,
}

/// A measured server under a load.
struct Row {
    server: String,
    workload: &'static str,
    connections: usize,
    figures: Figures,
    usage: Usage,
    ratio: Option<f64>,
}

pub async fn run(options: Options) -> Result<(), Failed> {
    if let Some(address) = options.echo {
        return echo::serve(address).await.map_err(Failed::because);
    }
    if options.receivers == 0 || options.receivers > 64 {
        return Err(Failed::usage("--receivers: from 1 to 64"));
    }
    if options.receivers > 1 && !options.store.as_deref().is_some_and(|store| store.starts_with("postgres")) {
        return Err(Failed::usage(
            "--receivers: only a database can be shared, as in --store postgres://user@host/database",
        ));
    }
    let folder = Folder::new(options.folder.as_deref()).map_err(Failed::because)?;
    let moneys: &[Money] =
        if options.payments { &[Money::None, Money::Links, Money::SilentLinks] } else { &[Money::None] };
    let measurements = options.connections.len() * (1 + moneys.len() * options.workload.len());
    let bar = ProgressBar::new(measurements as u64);
    bar.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").unwrap_or(ProgressStyle::default_bar()),
    );
    let mut rows = Vec::new();
    for &connections in &options.connections {
        let time = Duration::from_secs(options.seconds);
        bar.set_message(format!("bare hyper, {connections} connections"));
        let echo = target::echo().await.map_err(Failed::because)?;
        let load = Load { aim: echo.aim.clone(), workload: Workload::Fresh, connections, time, rate: None };
        let bare = measure("bare hyper", &echo, &load).await;
        drop(echo);
        bar.inc(1);
        let bare_rate = bare.figures.per_second();
        rows.push(bare);
        for money in moneys {
            for &workload in &options.workload {
                let (name, target) = prepare(&options, &folder, *money).await?;
                bar.set_message(format!("{name}, {}, {connections} connections", workload.name()));
                let load = Load { aim: target.aim.clone(), workload, connections, time, rate: options.rate };
                let mut row = measure(&name, &target, &load).await;
                if bare_rate > 0.0 && options.rate.is_none() {
                    row.ratio = Some(share(row.figures.per_second(), bare_rate));
                }
                rows.push(row);
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    if options.json {
        print_json(&rows);
    } else {
        print_table(&rows, options.rate);
    }
    if let Some(path) = &options.plot {
        let lines: Vec<_> = rows.iter().map(|row| (row.title(), &row.figures)).collect();
        std::fs::write(path, plot::draw(&lines))
            .map_err(|why| Failed::because(format!("{}: {why}", path.display())))?;
    }
    let errors: u64 = rows.iter().map(|row| row.figures.errors).sum();
    if errors == 0 {
        Ok(())
    } else {
        Err(Failed::because(format!("{errors} requests were not answered with 200")))
    }
}

/// A server to measure, with what is to be stored before.
async fn prepare(options: &Options, folder: &Folder, money: Money) -> Result<(String, Target), Failed> {
    if let Some(url) = &options.to {
        return Ok((url.clone(), target::given(url, &options.token).map_err(Failed::usage)?));
    }
    let kind =
        Kind { store: options.store.clone(), receivers: options.receivers, with_nginx: options.nginx, money };
    let mut target = target::gateway(folder, &kind).await.map_err(Failed::because)?;
    let mut name = kind.name();
    if options.preload > 0 {
        let run = u32::from_be_bytes(random_bytes());
        let failed =
            send_all(&target.aim, options.preload, move |count| Order::known(run, count).created()).await;
        if failed > 0 {
            return Err(Failed::because(format!("{failed} orders were not stored before measuring")));
        }
        let watch = Stopwatch::start();
        target.restart().map_err(Failed::because)?;
        let took = watch.elapsed();
        name = format!("{name}, {} stored", options.preload);
        let started = format!(
            "started on {} orders in {}.{:02} s, memory {} MiB",
            options.preload,
            took.as_secs(),
            took.subsec_millis() / 10,
            target.usage().resident_bytes >> 20
        );
        if options.json {
            eprintln!("{started}");
        } else {
            say(started);
        }
    }
    Ok((name, target))
}

/// Runs the load and says besides what the server used for it.
async fn measure(server: &str, target: &Target, load: &Load) -> Row {
    let before = target.usage();
    let figures = generator::run(load).await;
    let after = target.usage();
    let usage = Usage {
        ticks: after.ticks.saturating_sub(before.ticks),
        written_bytes: after.written_bytes.saturating_sub(before.written_bytes),
        resident_bytes: after.resident_bytes,
    };
    let (server, workload, connections) = (server.to_owned(), load.workload.name(), load.connections);
    Row { server, workload, connections, figures, usage, ratio: None }
}

impl Row {
    fn title(&self) -> String {
        format!("{}, {}, {} connections", self.server, self.workload, self.connections)
    }

    /// Microseconds of processor time for a hook.
    fn cpu_micros(&self) -> u64 {
        (self.usage.ticks * 10_000).checked_div(self.figures.answers()).unwrap_or(0)
    }

    /// Bytes that went to the disk for a hook.
    fn written_bytes(&self) -> u64 {
        self.usage.written_bytes.checked_div(self.figures.answers()).unwrap_or(0)
    }
}

#[expect(clippy::float_arithmetic, reason = "a ratio of rates")]
fn share(ours: f64, bare: f64) -> f64 {
    ours / bare
}

fn milliseconds(micros: u64) -> String {
    format!("{}.{:02}", micros / 1000, micros / 10 % 100)
}

fn print_table(rows: &[Row], rate: Option<u32>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "SERVER",
        "HOOKS",
        "CONN.",
        "PER SECOND",
        "P50 MS",
        "P99",
        "P99.9",
        "MAX",
        "ERRORS",
        "CPU S/10K",
        "MIB",
        "WRITTEN B",
        "OF BARE HYPER",
    ]);
    for row in rows {
        let figures = &row.figures;
        let cpu = row.cpu_micros();
        table.add_row([
            row.server.clone(),
            row.workload.to_owned(),
            row.connections.to_string(),
            format!("{:.0}", figures.per_second()),
            milliseconds(figures.micros_at(0.5)),
            milliseconds(figures.micros_at(0.99)),
            milliseconds(figures.micros_at(0.999)),
            milliseconds(figures.micros_max()),
            figures.errors.to_string(),
            format!("{}.{:02}", cpu / 100, cpu % 100),
            (row.usage.resident_bytes >> 20).to_string(),
            row.written_bytes().to_string(),
            row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        ]);
    }
    say(table.trim_fmt());
    match rate {
        None => say("\nclosed loop: each connection sends its next hook when the one before is answered;"),
        Some(rate) => say(format_args!(
            "\nopen loop: {rate} hooks a second whether or not the answers keep up, latencies from each hook's moment (bare \
             hyper: closed loop);"
        )),
    }
    say(
        "hooks of 1.3 kB; the generator runs on the same cores; every answer is durable (flush and sync_data, or commit",
    );
    say("with synchronous_commit=on); CPU, memory and bytes are those of the receivers alone");
}

fn print_json(rows: &[Row]) {
    let rows: Vec<serde_json::Value> = rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "server": row.server,
                "workload": row.workload,
                "connections": row.connections,
                "per_second": row.figures.per_second(),
                "p50_microseconds": row.figures.micros_at(0.5),
                "p99_microseconds": row.figures.micros_at(0.99),
                "p999_microseconds": row.figures.micros_at(0.999),
                "max_microseconds": row.figures.micros_max(),
                "errors": row.figures.errors,
                "cpu_microseconds_per_hook": row.cpu_micros(),
                "resident_bytes": row.usage.resident_bytes,
                "written_bytes_per_hook": row.written_bytes(),
                "ratio_to_bare_hyper": row.ratio,
            })
        })
        .collect();
    super::client::print_json(&serde_json::Value::Array(rows));
}
