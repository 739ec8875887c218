//! Prints the measurements as a table or as JSON.

use comfy_table::{Table, presets};

use super::error::say;
use super::generator::Measurements;
use super::usage::Usage;
use super::workload::{LINES_DEFAULT, Workload};

/// The measurement of a server under a load.
pub(super) struct Row {
    pub(super) server: String,
    pub(super) workload: &'static str,
    pub(super) lines: usize,
    pub(super) connections: usize,
    pub(super) measurements: Measurements,
    /// `None` if the server did other work at the same time.
    pub(super) usage: Option<Usage>,
    pub(super) ratio: Option<f64>,
}

impl Row {
    pub(super) fn title(&self) -> String {
        format!("{}, {}, {} connections", self.server, self.hooks(), self.connections)
    }

    /// The kind of hooks, with the number of lines if it is not the usual one.
    fn hooks(&self) -> String {
        match self.lines {
            LINES_DEFAULT => self.workload.to_owned(),
            1 => format!("{}, 1 line", self.workload),
            lines => format!("{}, {lines} lines", self.workload),
        }
    }

    /// Processor time of the receivers per hook, in microseconds.
    fn cpu_micros(&self) -> u64 {
        self.micros_a_hook(self.usage().ticks)
    }

    /// Processor time of the database per hook, in microseconds.
    fn database_micros(&self) -> u64 {
        self.micros_a_hook(self.usage().database_ticks)
    }

    /// A figure of the usage in the table, empty if there is none.
    fn used(&self, figure: u64) -> String {
        self.usage.map_or_else(String::new, |_| figure.to_string())
    }

    fn usage(&self) -> Usage {
        self.usage.unwrap_or_default()
    }

    fn micros_a_hook(&self, ticks: u64) -> u64 {
        (ticks * 10_000).checked_div(self.measurements.answers()).unwrap_or(0)
    }

    /// Bytes written to the disk per hook.
    fn written_bytes(&self) -> u64 {
        self.usage().written_bytes.checked_div(self.measurements.answers()).unwrap_or(0)
    }
}

fn milliseconds(micros: u64) -> String {
    format!("{}.{:02}", micros / 1000, micros / 10 % 100)
}

pub(super) fn print_table(rows: &[Row], rate: Option<u32>) {
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
        "CPU US",
        "DATABASE",
        "MIB",
        "WRITTEN B",
        "OF BARE HYPER",
    ]);
    for row in rows {
        let measurements = &row.measurements;
        table.add_row([
            row.server.clone(),
            row.hooks(),
            row.connections.to_string(),
            format!("{:.0}", measurements.per_second()),
            milliseconds(measurements.micros_at(0.5)),
            milliseconds(measurements.micros_at(0.99)),
            milliseconds(measurements.micros_at(0.999)),
            milliseconds(measurements.micros_max()),
            measurements.errors.to_string(),
            row.used(row.cpu_micros()),
            row.used(row.database_micros()),
            row.used(row.usage().resident_bytes >> 20),
            row.used(row.written_bytes()),
            row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        ]);
    }
    say(table.trim_fmt());
    rows.iter().filter_map(|row| comparison(rows, row)).for_each(say);
    match rate {
        None => say(
            "\nclosed loop: each connection sends its next hook when the previous one is answered;",
        ),
        Some(rate) => say(format_args!(
            "\nopen loop: {rate} hooks a second whether or not the answers keep up, \
             latencies from each hook's scheduled time (bare hyper: closed loop);"
        )),
    }
    say("hooks of 1.3 kB with three lines; the generator runs on the same cores; \
         answers to hooks, payments and holds are durable (flush");
    say(
        "and sync_data, or commit with synchronous_commit=on); CPU US: microseconds of the receivers' processors for a hook,",
    );
    say("DATABASE: of all PostgreSQL processes here; memory and bytes are those of the receivers");
}

#[expect(clippy::float_arithmetic, reason = "a ratio of rates")]
pub(super) fn share(ours: f64, bare: f64) -> f64 {
    ours / bare
}

/// The name of the server that does nothing.
pub(super) const BARE: &str = "bare hyper";

/// How payments and orders of the shop compare with what they are measured
/// beside: many wallets with new orders, one wallet with many, and with the
/// same by version; orders of the shop with new orders by hook.
fn comparison(rows: &[Row], row: &Row) -> Option<String> {
    let beside = |workload: Workload| {
        let is_beside = |other: &&Row| {
            let is_bare = other.ratio.is_none() && other.server == BARE;
            !is_bare && (other.workload, other.connections) == (workload.name(), row.connections)
        };
        let other = rows.iter().find(is_beside)?;
        let ratio = share(row.measurements.per_second(), other.measurements.per_second());
        Some(format!("{ratio:.2} of {}", workload.name()))
    };
    let compared: Vec<String> = if row.workload == Workload::Ledger.name() {
        beside(Workload::Fresh).into_iter().collect()
    } else if row.workload == Workload::HotWallet.name() {
        let others = [Workload::Ledger, Workload::HotWalletByVersion];
        others.into_iter().filter_map(beside).collect()
    } else if row.workload == Workload::Sagas.name() {
        beside(Workload::Fresh).into_iter().chain(commits(rows, row)).collect()
    } else {
        return None;
    };
    if compared.is_empty() {
        return None;
    }
    Some(format!("{}, {} connections: {}", row.workload, row.connections, compared.join(", ")))
}

/// How many commits an order of the shop takes from the button to its end, if
/// both were measured alone: an answer to a hook waits for one.
fn commits(rows: &[Row], row: &Row) -> Option<String> {
    const TENTHS: u64 = 10;
    let is_alone = |other: &&Row| {
        (other.workload, other.connections) == (Workload::Fresh.name(), 1) && other.server != BARE
    };
    let commit_micros = rows.iter().find(is_alone)?.measurements.micros_at(0.5);
    if row.connections != 1 {
        return None;
    }
    let tenths = (row.measurements.micros_at(0.5) * TENTHS).checked_div(commit_micros)?;
    Some(format!("{}.{} medians of a commit", tenths / TENTHS, tenths % TENTHS))
}

pub(super) fn print_json(rows: &[Row]) {
    let rows: Vec<serde_json::Value> = rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "server": row.server,
                "workload": row.workload,
                "lines": row.lines,
                "connections": row.connections,
                "per_second": row.measurements.per_second(),
                "p50_microseconds": row.measurements.micros_at(0.5),
                "p99_microseconds": row.measurements.micros_at(0.99),
                "p999_microseconds": row.measurements.micros_at(0.999),
                "max_microseconds": row.measurements.micros_max(),
                "errors": row.measurements.errors,
                "cpu_microseconds_per_hook": row.cpu_micros(),
                "database_cpu_microseconds_per_hook": row.database_micros(),
                "resident_bytes": row.usage().resident_bytes,
                "written_bytes_per_hook": row.written_bytes(),
                "ratio_to_bare_hyper": row.ratio,
            })
        })
        .collect();
    say(format_args!("{:#}", serde_json::Value::Array(rows)));
}
