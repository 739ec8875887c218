//! Takes the measurements that the options describe.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::error::BenchError;
use super::generator::Load;
use super::measure::{Wanted, measure, measure_bare, measure_beside, measure_bytes, prepare};
use super::options::Options;
use super::report::{print_json, print_table};
use super::shop::Shop;
use super::target::{Folder, Money};
use super::{echo, plot, report};

/// Takes the measurements that `options` describe, and prints them.
/// A build with the shop can measure it.
pub async fn run(options: Options, shop: Option<Shop>) -> Result<(), BenchError> {
    if options.is_a_server() {
        return echo::serve(&options, shop).await;
    }
    if options.receivers == 0 || options.receivers > 64 {
        return Err(BenchError::usage("--receivers: from 1 to 64"));
    }
    if options.receivers > 1
        && !options.store.as_deref().is_some_and(|store| store.starts_with("postgres"))
    {
        return Err(BenchError::usage(
            "--receivers: only a database can be shared; \
             give --store postgres://user@host/database",
        ));
    }
    let folder = Folder::new(options.folder.as_deref()).map_err(BenchError::because)?;
    let moneys: &[Money] = if options.payments {
        &[Money::None, Money::Links, Money::SilentLinks]
    } else {
        &[Money::None]
    };
    let of_one = moneys.len() * options.workload.len() * options.lines.len();
    let of_bare = usize::from(options.rate.is_none());
    let measurements = options.connections.len() * (of_bare + of_one);
    let bar = ProgressBar::new(measurements as u64);
    bar.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")
            .unwrap_or(ProgressStyle::default_bar()),
    );
    let mut rows = Vec::new();
    for &connections in &options.connections {
        let time = Duration::from_secs(options.seconds);
        let mut bare_rate = 0.0;
        // At a fixed rate nothing is compared.
        if options.rate.is_none() {
            bar.set_message(format!("bare hyper, {connections} connections"));
            let bare = measure_bare(connections, time).await?;
            bar.inc(1);
            bare_rate = bare.measurements.per_second();
            rows.push(bare);
        }
        for money in moneys {
            let each = options.workload.iter();
            for (&workload, &lines) in
                each.flat_map(|workload| options.lines.iter().map(move |lines| (workload, lines)))
            {
                let wanted = Wanted { workload, lines, shop };
                let (name, target) = prepare(&options, &folder, *money, wanted).await?;
                bar.set_message(format!("{name}, {}, {connections} connections", workload.name()));
                let load = Load {
                    aim: target.aim.clone(),
                    workload,
                    lines,
                    connections,
                    time,
                    rate: options.rate,
                };
                if let Some(rate) = options.beside_sagas {
                    rows.extend(measure_beside(&name, &target, &load, rate).await);
                    bar.inc(1);
                    continue;
                }
                let mut row = measure(&name, &target, &load).await;
                let bytes = row.measurements.bytes_of_an_answer();
                if workload.is_compared_by_bytes() && options.rate.is_none() {
                    // Compared with a server that sends as many bytes.
                    let bare = measure_bytes(connections, time, bytes).await?;
                    let rate = bare.measurements.per_second();
                    row.ratio = Some(report::share(row.measurements.per_second(), rate));
                    rows.push(bare);
                } else if bare_rate > 0.0 {
                    row.ratio = Some(report::share(row.measurements.per_second(), bare_rate));
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
        let lines: Vec<_> = rows.iter().map(|row| (row.title(), &row.measurements)).collect();
        std::fs::write(path, plot::draw(&lines))
            .map_err(|why| BenchError::because(format!("{}: {why}", path.display())))?;
    }
    let errors: u64 = rows.iter().map(|row| row.measurements.errors).sum();
    if errors == 0 {
        return Ok(());
    }
    let why = rows.iter().find_map(|row| row.measurements.error.as_ref());
    let why = why.map_or_else(String::new, |why| format!(". One of them: {why}"));
    Err(BenchError::because(format!("{errors} requests failed or were not answered with 2xx{why}")))
}
