//! `tillgate shop import`: the catalogue that another program has written.

use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::{Value, json};
use tillgate_shop::delivery::part::Part;
use tillgate_shop::delivery::plan::Plan;
use tillgate_shop::menu::categories::Categories;
use tillgate_shop::menu::feed::{Broken, Feed, Skipped, yml};
use tillgate_shop::menu::import::{Counts, Stored};
use tillgate_shop::menu::keep::{Changes, Kept};
use tillgate_shop::menu::limits::Limits;
use tillgate_shop::outlets::Outlets;

use super::pictures::{self, Pictures};
use super::tables::{self, Table};
use super::transfer::{decoded, progress};
use crate::cli::client::{Server, ServerOptions};
use crate::cli::show::print_json;
use crate::cli::{Failed, say};
use crate::peer::Client;

#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    server: ServerOptions,
    /// A YML file or its address [default: feed of [shop]]; or a CSV file of
    /// outlets, pickup points, zones, times of couriers or limits of products,
    /// known by its columns
    #[arg(value_name = "FILE|URL")]
    source: Option<String>,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not fetch pictures
    #[arg(long)]
    no_pictures: bool,
    /// Go on although a large part of the products would be taken off sale
    #[arg(long)]
    force: bool,
}

/// A feed by which more than this share of the products would be taken off sale
/// is probably broken.
const VANISHED_PERCENT_MAX: usize = 20;

/// So few may be taken off sale, unless they are all.
const VANISHED_ALWAYS: usize = 10;

/// How long an address may take to send a feed, in seconds.
const FETCH_SECONDS_MAX: u64 = 600;

/// The longest feed that is read from an address, in bytes.
const FEED_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// How many bytes of products are sent in one request. A product has less.
const REQUEST_BYTES: usize = 500 * 1024;

/// How many of the offers that are left out are named.
const NAMED_MAX: usize = 20;

pub async fn run(import: &Import) -> Result<(), Failed> {
    let Import { server: options, source, dry_run, no_pictures, force } = import;
    let source = match source {
        Some(source) => source.clone(),
        None => options.settings()?.shop.and_then(|shop| shop.feed).ok_or_else(|| {
            Failed::usage("name a file or an address, or set feed in [shop] of tillgate.toml")
        })?,
    };
    if Path::new(&source).extension().is_some_and(|end| end.eq_ignore_ascii_case("csv")) {
        return import_table(&source, options, *dry_run).await;
    }
    let feed = read(&source).await?;
    let server = options.connect().await?;
    let stored = stored(&server).await?;
    let skipped = feed.skipped.clone();
    let (counts, changes) = stored.differences(feed);
    let Counts { vanished, on_sale, .. } = counts;
    let is_large = vanished > VANISHED_ALWAYS && vanished * 100 > on_sale * VANISHED_PERCENT_MAX;
    let is_large = is_large || (vanished > 0 && vanished == on_sale);
    if is_large && !dry_run && !force {
        return Err(Failed::because(format!(
            "{source} would take {vanished} of {on_sale} products off sale, {} of its offers are left \
             out. Nothing was changed. Look at it with --dry-run; if it is right, add --force",
            counts.skipped
        )));
    }
    let is_dry = *dry_run;
    if !is_dry {
        send(&server, changes).await?;
    }
    let mut imported = Imported { counts, skipped, pictures: Pictures::default(), is_dry };
    if is_dry || *no_pictures {
        report(&imported, options.json);
        return Ok(());
    }
    let fetched = pictures::fetch(&server).await;
    let failed = match fetched {
        Ok(pictures) => {
            imported.pictures = pictures;
            Ok(())
        }
        // The products are there; what was done is said before the rest is.
        Err(failed) => Err(failed),
    };
    report(&imported, options.json);
    failed
}

/// What an import has changed, or would change.
struct Imported {
    counts: Counts,
    skipped: Vec<Skipped>,
    pictures: Pictures,
    is_dry: bool,
}

fn report(imported: &Imported, is_json: bool) {
    let Imported { counts, skipped, pictures: Pictures { new: new_pictures, dead }, is_dry } =
        imported;
    if is_json {
        let skipped: Vec<Value> = skipped.iter().map(named).collect();
        let dead = dead.iter().map(|(address, why)| json!({"address": address, "why": why}));
        let dead: Vec<Value> = dead.collect();
        print_json(&json!({"dry_run": is_dry, "counts": counts, "skipped": skipped,
            "new_pictures": new_pictures, "dead_pictures": dead}));
        return;
    }
    for (address, why) in dead.iter().take(NAMED_MAX) {
        say(format_args!("  no picture at {address}: {why}"));
    }
    if dead.len() > NAMED_MAX {
        say(format_args!("  and {} more; --json names all", dead.len() - NAMED_MAX));
    }
    for one in skipped.iter().take(NAMED_MAX) {
        let Skipped { line, article, why } = one;
        say(format_args!("  line {line}: offer {article} is left out: {why}"));
    }
    if skipped.len() > NAMED_MAX {
        say(format_args!("  and {} more; --json names all", skipped.len() - NAMED_MAX));
    }
    let Counts { new, changed, same, vanished, skipped, .. } = *counts;
    let would = if *is_dry { "would be " } else { "" };
    say(format_args!(
        "{new} products {would}new, {changed} {would}changed, {vanished} {would}taken off sale, \
         {same} the same, {skipped} left out; {} categories{}",
        counts.categories,
        if counts.categories_changed { "" } else { ", the same" },
    ));
    if new_pictures + dead.len() > 0 {
        say(format_args!(
            "products with a new picture: {new_pictures}; addresses without one, which the next \
             import tries again: {}",
            dead.len()
        ));
    }
}

/// Replaces what a table has: outlets, points, zones, times of couriers or
/// limits of products.
async fn import_table(source: &str, options: &ServerOptions, is_dry: bool) -> Result<(), Failed> {
    let bytes = std::fs::read(source)
        .map_err(|why| Failed::because(format!("cannot read {source}: {why}")))?;
    let table = tables::read(&bytes)
        .map_err(|why| Failed::because(format!("{source}, {why}. Nothing was changed")))?;
    let server = options.connect().await?;
    let (plural, count) = size(&table);
    let mut warnings = Vec::new();
    let is_same = match &table {
        Table::Outlets(new) => {
            let old: Outlets = decoded(server.get(OUTLETS, &[]).await?)?;
            old == *new
        }
        Table::Delivery(part) => {
            let old: Plan = decoded(server.get(DELIVERY_PLAN, &[]).await?)?;
            part.check()
                .map_err(|why| Failed::because(format!("{source}: {why}. Nothing was changed")))?;
            let new = part.clone().set_in(old.clone());
            warnings = new.warnings();
            new == old
        }
        Table::Limits(new) => {
            let old: Limits = decoded(server.get(LIMITS, &[]).await?)?;
            new.check()
                .map_err(|why| Failed::because(format!("{source}: {why}. Nothing was changed")))?;
            let outlets: Outlets = decoded(server.get(OUTLETS, &[]).await?)?;
            let stored = stored(&server).await?;
            warnings = new.warnings(|article| stored.has(article), &outlets);
            old == *new
        }
    };
    if !is_same && !is_dry {
        put(&server, &table).await?;
    }
    if options.json {
        print_json(&json!({"dry_run": is_dry, plural: count, "changed": !is_same,
            "warnings": warnings}));
        return Ok(());
    }
    let done = match (is_same, is_dry) {
        (true, _) => "the same",
        (false, true) => "would be replaced",
        (false, false) => "replaced",
    };
    say(format_args!("{count} {plural}, {done}"));
    for warning in warnings {
        say(format_args!("  {warning}"));
    }
    Ok(())
}

const OUTLETS: &str = "/shop/store/outlets";
const DELIVERY_PLAN: &str = "/shop/delivery/plan";
const LIMITS: &str = "/shop/menu/limits";

/// What the lines of a table are called, and how many there are.
fn size(table: &Table) -> (&'static str, usize) {
    match table {
        Table::Outlets(outlets) => ("outlets", outlets.all.len()),
        Table::Delivery(Part::Points(points)) => ("points", points.len()),
        Table::Delivery(Part::Zones(zones)) => ("zones", zones.len()),
        Table::Delivery(Part::Times(times)) => ("times", times.len()),
        Table::Limits(limits) => ("products with limits", limits.all.len()),
    }
}

async fn put(server: &Server, table: &Table) -> Result<(), Failed> {
    let (path, body) = match table {
        Table::Outlets(outlets) => (OUTLETS, serde_json::to_vec(outlets)),
        Table::Delivery(part) => (DELIVERY_PLAN, serde_json::to_vec(part)),
        Table::Limits(limits) => (LIMITS, serde_json::to_vec(limits)),
    };
    let body = body.map_err(Failed::because)?;
    server.put(path, "application/json", body).await.map(drop)
}

/// What a shop is filled with.
#[derive(Debug)]
pub struct Filling<'a> {
    /// A catalogue in YML.
    pub feed: &'a str,
    /// Tables, as [`tables`] reads them.
    pub tables: &'a [&'a str],
    /// What is in stock.
    pub stock: &'a str,
}

/// Gives a shop products, outlets with what they have, and delivery.
///
/// # Errors
/// Why it was not done.
pub async fn fill(server: &Server, filling: &Filling<'_>) -> Result<(), Failed> {
    let feed = yml::read(filling.feed.as_bytes()).map_err(Failed::because)?;
    let (_, changes) = stored(server).await?.differences(feed);
    send(server, changes).await?;
    for text in filling.tables {
        put(server, &tables::read(text.as_bytes()).map_err(Failed::because)?).await?;
    }
    server.put("/stock", "text/csv", filling.stock.as_bytes().to_vec()).await.map(drop)
}

fn named(skipped: &Skipped) -> Value {
    json!({"line": skipped.line, "article": skipped.article, "why": skipped.why.to_string()})
}

async fn read(source: &str) -> Result<Feed, Failed> {
    let broken = |why: Broken| Failed::because(format!("{source}, {why}. Nothing was changed"));
    if !source.starts_with("http://") && !source.starts_with("https://") {
        return read_file(Path::new(source))?.map_err(broken);
    }
    let deadline = Duration::from_secs(FETCH_SECONDS_MAX);
    let client = Client::new(deadline, FEED_BYTES_MAX).map_err(Failed::because)?;
    let answer = client
        .call(Method::GET, source, http::HeaderMap::new(), Vec::new())
        .await
        .map_err(|why| Failed::because(format!("{source}: {why}")))?;
    if !answer.status.is_success() {
        return Err(Failed::because(format!("{source} answers {}", answer.status)));
    }
    if answer.body.len() == FEED_BYTES_MAX {
        return Err(Failed::because(format!("{source} is longer than {FEED_BYTES_MAX} bytes")));
    }
    yml::read(Cursor::new(answer.body)).map_err(broken)
}

fn read_file(path: &Path) -> Result<Result<Feed, Broken>, Failed> {
    let cannot = |why| Failed::because(format!("cannot read {}: {why}", path.display()));
    let file = File::open(path).map_err(cannot)?;
    let bar = progress(file.metadata().map_err(cannot)?.len(), "reading {bytes}/{total_bytes}");
    let feed = yml::read(BufReader::new(bar.wrap_read(file)));
    bar.finish_and_clear();
    Ok(feed)
}

/// What the shop has.
async fn stored(server: &Server) -> Result<Stored, Failed> {
    let categories: Categories = decoded(server.get("/shop/menu/categories", &[]).await?)?;
    let mut stored = Stored::new(categories);
    let mut after: Option<String> = None;
    loop {
        let query = [("after", after.as_deref())];
        let page: Kept = decoded(server.get("/shop/menu/products", &query).await?)?;
        stored.add(page.items);
        after = page.cursor;
        if after.is_none() {
            return Ok(stored);
        }
    }
}

/// Sends what is to be changed, in several requests.
async fn send(server: &Server, changes: Changes) -> Result<(), Failed> {
    let Changes { offers, vanished, categories } = changes;
    let bar = progress((offers.len() + vanished.len()) as u64, "writing {pos}/{len}");
    if categories.is_some() {
        post(server, &Changes { categories, ..Changes::default() }).await?;
    }
    let mut part = Changes::default();
    let mut bytes = 0;
    for offer in offers {
        let length = serde_json::to_vec(&offer).map_err(Failed::because)?.len();
        if bytes + length > REQUEST_BYTES && !part.offers.is_empty() {
            bar.inc(part.offers.len() as u64);
            post(server, &std::mem::take(&mut part)).await?;
            bytes = 0;
        }
        bytes += length;
        part.offers.push(offer);
    }
    for article in vanished {
        if bytes > REQUEST_BYTES {
            post(server, &std::mem::take(&mut part)).await?;
            bytes = 0;
        }
        bytes += article.len();
        part.vanished.push(article);
        bar.inc(1);
    }
    if !part.offers.is_empty() || !part.vanished.is_empty() {
        post(server, &part).await?;
    }
    bar.finish_and_clear();
    Ok(())
}

async fn post(server: &Server, changes: &Changes) -> Result<(), Failed> {
    let body = serde_json::to_vec(changes).map_err(Failed::because)?;
    let body = Some(("application/json", body));
    let sent = server.ask(Method::POST, "/shop/menu/changes", &[], body, &[]).await;
    sent.map(drop).map_err(|failed| Failed {
        text: format!(
            "{}. What was sent before it is changed; repeat the command to continue",
            failed.text
        ),
        ..failed
    })
}
