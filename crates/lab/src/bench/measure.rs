//! Starts a server to measure, and takes one measurement.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use hyper::body::Bytes;

use super::error::{BenchError, say};
use super::generator::{Aim, Load, Measurements, send_all};
use super::options::Options;
use super::report::{BARE, Row};
use super::shop::{Asked, Asks, Shop};
use super::target::{Folder, Kind, Money, Target};
use super::usage::Usage;
use super::workload::{Order, Workload};
use super::{generator, target};
use tillgate_kernel::Stopwatch;
use tillgate_kernel::chance::random_bytes;

/// What is sent to the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub workload: Workload,
    pub lines: usize,
    pub shop: Option<Shop>,
}

/// Starts a server to measure, and stores the orders that must exist before.
pub(super) async fn prepare(
    options: &Options,
    folder: &Folder,
    money: Money,
    wanted: Wanted,
) -> Result<(String, Target), BenchError> {
    let Wanted { workload, lines, shop } = wanted;
    let is_paid = workload.wallets() > 0;
    let is_beside = options.beside_sagas.is_some();
    let goods = if is_beside { Workload::Sagas.goods() } else { workload.goods() };
    let is_of_shop = is_paid || goods.is_some();
    if is_of_shop && (options.to.is_some() || options.preload > 0) {
        return Err(BenchError::usage(
            "--workload: a shop is measured in a new store of the bench's own; leave out --to and \
             --preload",
        ));
    }
    if is_beside && (is_paid || workload.goods().is_some()) {
        return Err(BenchError::usage(
            "--beside-sagas: only hooks are measured beside orders of the shop; name their \
             --workload",
        ));
    }
    if let Some(url) = &options.to {
        return Ok((url.clone(), target::given(url, &options.token).map_err(BenchError::usage)?));
    }
    if workload == Workload::HotWalletByVersion {
        let target = target::by_version(folder, options.store.as_deref()).await;
        return Ok(("bare hyper, store".to_owned(), target.map_err(BenchError::because)?));
    }
    if is_of_shop && shop.is_none() {
        return Err(BenchError::usage(
            "--workload: this build has no shop; build with --features shop",
        ));
    }
    let kind = Kind {
        shop: shop.filter(|_| is_of_shop),
        wallets: workload.wallets(),
        goods,
        takes_hooks: is_beside,
        holds_stock: options.holds_stock,
        store: options.store.clone(),
        receivers: options.receivers,
        with_nginx: options.nginx,
        money,
    };
    let mut target = target::gateway(folder, &kind).await.map_err(BenchError::because)?;
    let mut name = kind.name();
    if options.preload > 0 {
        preload(options, folder, lines, &mut target).await?;
        name = format!("{name}, {} stored", options.preload);
    }
    Ok((name, target))
}

/// Stores orders, and starts the server again on them.
async fn preload(
    options: &Options,
    folder: &Folder,
    lines: usize,
    target: &mut Target,
) -> Result<(), BenchError> {
    folder.has_room(options.preload, lines).map_err(BenchError::because)?;
    let run = u32::from_be_bytes(random_bytes());
    let known = move |count| Order::known(run, count, lines).created();
    let failed = send_all(&target.aim, options.preload, known).await;
    if failed > 0 {
        return Err(BenchError::because(format!(
            "could not store {failed} orders before measuring"
        )));
    }
    let watch = Stopwatch::start();
    target.restart().map_err(BenchError::because)?;
    let took = watch.elapsed();
    let started = format!(
        "started on {} orders in {}.{:02} s, memory {} MiB{}",
        options.preload,
        took.as_secs(),
        took.subsec_millis() / 10,
        target.usage().resident_bytes >> 20,
        match target.store_bytes() / options.preload {
            0 => String::new(), // PostgreSQL has its files elsewhere
            bytes => format!(", {bytes} bytes an order on the disk"),
        }
    );
    if options.json {
        eprintln!("{started}");
    } else {
        say(started);
    }
    Ok(())
}

/// Measures a server that does nothing.
pub(super) async fn measure_bare(connections: usize, time: Duration) -> Result<Row, BenchError> {
    let echo = target::echo().await.map_err(BenchError::because)?;
    let load = Load::in_a_closed_loop(echo.aim.clone(), connections, time);
    Ok(measure(BARE, &echo, &load).await)
}

/// Measures a server that only sends so many bytes.
pub(super) async fn measure_bytes(
    connections: usize,
    time: Duration,
    bytes: u64,
) -> Result<Row, BenchError> {
    let echo = target::echo().await.map_err(BenchError::because)?;
    let path = format!("/bytes/{bytes}");
    let asked = move |_, _| Asked {
        method: Method::GET,
        path: path.clone(),
        cookie: String::new(),
        body: Bytes::new(),
    };
    let asks = Some(Asks::Requests(Arc::new(asked)));
    let aim = Aim { asks, ..echo.aim.clone() };
    let load = Load::in_a_closed_loop(aim, connections, time);
    let row = measure(BARE, &echo, &load).await;
    Ok(Row { workload: "as many bytes", ..row })
}

/// Runs the load, and also records the resources that the server used for it.
pub(super) async fn measure(server: &str, target: &Target, load: &Load) -> Row {
    let before = target.usage();
    let measurements = generator::run(load).await;
    let after = target.usage();
    let usage = Usage {
        ticks: after.ticks.saturating_sub(before.ticks),
        database_ticks: after.database_ticks.saturating_sub(before.database_ticks),
        written_bytes: after.written_bytes.saturating_sub(before.written_bytes),
        resident_bytes: after.resident_bytes,
    };
    Row { usage: Some(usage), ..row(server, load, measurements) }
}

fn row(server: &str, load: &Load, measurements: Measurements) -> Row {
    let (server, workload, connections) =
        (server.to_owned(), load.workload.name(), load.connections);
    Row { server, workload, lines: load.lines, connections, measurements, usage: None, ratio: None }
}

/// How many orders of the shop are under way at most beside hooks.
const BESIDE_CONNECTIONS: usize = 32;

/// Runs the load while orders of the shop come at a rate. Returns both.
pub(super) async fn measure_beside(
    server: &str,
    target: &Target,
    load: &Load,
    rate: u32,
) -> Vec<Row> {
    let Some(aim) = target.beside.clone() else { return vec![measure(server, target, load).await] };
    let beside = Load {
        aim,
        workload: Workload::Sagas,
        connections: BESIDE_CONNECTIONS,
        rate: Some(rate),
        ..load.clone()
    };
    let (hooks, orders) = tokio::join!(generator::run(load), generator::run(&beside));
    vec![row(server, load, hooks), row(server, &beside, orders)]
}
