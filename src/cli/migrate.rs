//! `tillgate migrate`: updates the schema of a database, or copies all data
//! from one store into another.

use crate::kernel::Partition;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use super::{ConfigOption, Failed, say, secret};
use crate::app;
use crate::config::{Settings, StoreUrl};
use crate::flows::stored::named;
use crate::kernel::Clock;
use crate::store::Store;
use crate::store::copy::{
    CopyError, PARTITIONS_STEP, Totals, copy_counters, copy_partition, count_counters,
    count_partition, nothing_else_is_there,
};

#[derive(Debug, Args)]
pub struct Options {
    /// Copy all data: the store to read from
    #[arg(long, value_name = "URL", env = "TILLGATE_MIGRATE_FROM", hide_env_values = true)]
    from: Option<String>,
    /// A file that contains the value of --from, so that the list of processes
    /// does not show its password
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    from_file: Option<PathBuf>,
    /// Copy all data: the store to write to
    #[arg(long, value_name = "URL", env = "TILLGATE_MIGRATE_TO", hide_env_values = true)]
    to: Option<String>,
    /// A file that contains the value of --to
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    to_file: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigOption,
}

/// Partitions that are copied at the same time.
const AT_ONCE: usize = 64;

pub async fn run(options: Options) -> Result<(), Failed> {
    let settings = options.config.load()?;
    let from = secret::given(options.from.as_deref(), options.from_file.as_deref(), "--from-file")?;
    let to = secret::given(options.to.as_deref(), options.to_file.as_deref(), "--to-file")?;
    if from.is_some() != to.is_some() {
        return Err(Failed::usage(
            "to copy a store, give both --from (or --from-file) and --to (or --to-file)",
        ));
    }
    let (Some(from), Some(to)) = (from, to) else {
        let StoreUrl::Postgres(_) = &settings.store else {
            return Err(Failed::usage(format!(
                "{} has no schema. To copy its data: tillgate migrate --from {} --to \
                 postgres://user@host/database",
                settings.store, settings.store
            )));
        };
        app::open_store(&Settings { store_migrate: true, ..settings.clone() }, &Clock::System)
            .await
            .map_err(Failed::because)?;
        say(format_args!("{}: the schema is up to date", settings.store));
        return Ok(());
    };
    // Not parsed by clap: its errors would quote the value, which may contain a
    // password.
    let parse = |name: &str, text: &str| -> Result<StoreUrl, Failed> {
        text.parse().map_err(|why| Failed::usage(format!("{name}: {why}")))
    };
    let (from, to) = (parse("--from", &from)?, parse("--to", &to)?);
    if let StoreUrl::Sled(path) = &from
        && !path.join("db").exists()
    {
        return Err(Failed::usage(format!("{from}: there is no store in this directory")));
    }
    // The source is not changed: it may have to be used again.
    let open = async |store: &StoreUrl, store_migrate| {
        let settings = Settings { store: store.clone(), store_migrate, ..settings.clone() };
        app::open_store(&settings, &Clock::System).await.map_err(Failed::because)
    };
    let (source, target) = (open(&from, false).await?, open(&to, true).await?);
    let copied = copy(&source, &target).await;
    source.close().await;
    target.close().await;
    let totals = copied?;
    let documents: Vec<String> =
        totals.documents.iter().map(|(kind, count)| format!("{count} {}", named(*kind))).collect();
    say(format_args!(
        "{from} and {to} hold the same: {}, {} stock levels; digest {:032x}",
        documents.join(", "),
        totals.counters,
        totals.digest
    ));
    Ok(())
}

async fn copy(source: &Store, target: &Store) -> Result<Totals, Failed> {
    let partitions = all_partitions(source).await?;
    nothing_else_is_there(&partitions, target).await.map_err(stopped)?;
    let bar = progress(partitions.len(), "copied");
    let mut copying = JoinSet::new();
    for partition in &partitions {
        if copying.len() >= AT_ONCE {
            finish(copying.join_next().await, &bar)?;
        }
        let (source, target, partition) = (source.clone(), target.clone(), *partition);
        copying.spawn(async move { copy_partition(&source, &target, partition).await });
    }
    while let Some(one) = copying.join_next().await {
        finish(Some(one), &bar)?;
    }
    copy_counters(source, target).await.map_err(stopped)?;
    bar.finish_and_clear();
    let (here, there) = (
        totals(source, "counted in the source").await?,
        totals(target, "counted in the target").await?,
    );
    if here == there {
        Ok(here)
    } else {
        Err(Failed::because(format!(
            "the stores differ: {} documents and {} stock levels in the source, {} and {} in the \
             target. Make sure that the target was empty and that nothing writes to either store, \
             then copy again",
            here.of_all_kinds(),
            here.counters,
            there.of_all_kinds(),
            there.counters
        )))
    }
}

fn finish(
    one: Option<Result<Result<(), CopyError>, tokio::task::JoinError>>,
    bar: &ProgressBar,
) -> Result<(), Failed> {
    match one {
        Some(Ok(Ok(()))) => bar.inc(1),
        Some(Ok(Err(why))) => return Err(stopped(why)),
        Some(Err(panic)) => return Err(Failed::because(panic)),
        None => {}
    }
    Ok(())
}

fn stopped(why: CopyError) -> Failed {
    Failed::because(format!("{why}. What was copied is kept; run the command again to continue"))
}

async fn totals(store: &Store, what: &str) -> Result<Totals, Failed> {
    let partitions = all_partitions(store).await?;
    let bar = progress(partitions.len(), what);
    let mut totals = Totals::default();
    let store = Arc::new(store.clone());
    let mut counting = JoinSet::new();
    for some in partitions.chunks(PARTITIONS_STEP) {
        let (store, some) = (Arc::clone(&store), some.to_vec());
        counting.spawn(async move {
            let mut totals = Totals::default();
            for partition in some {
                count_partition(&store, partition, &mut totals).await?;
            }
            Ok::<_, crate::store::Unavailable>(totals)
        });
        if counting.len() >= AT_ONCE {
            add(&mut totals, counting.join_next().await)?;
            bar.inc(PARTITIONS_STEP as u64);
        }
    }
    while let Some(one) = counting.join_next().await {
        add(&mut totals, Some(one))?;
        bar.inc(PARTITIONS_STEP as u64);
    }
    count_counters(&store, &mut totals).await.map_err(Failed::because)?;
    bar.finish_and_clear();
    Ok(totals)
}

fn add(
    totals: &mut Totals,
    one: Option<Result<Result<Totals, crate::store::Unavailable>, tokio::task::JoinError>>,
) -> Result<(), Failed> {
    let Some(one) = one else { return Ok(()) };
    let more = one.map_err(Failed::because)?.map_err(Failed::because)?;
    for (kind, count) in more.documents {
        *totals.documents.entry(kind).or_insert(0) += count;
    }
    totals.digest = totals.digest.wrapping_add(more.digest);
    Ok(())
}

async fn all_partitions(store: &Store) -> Result<Vec<Partition>, Failed> {
    let mut all: Vec<Partition> = Vec::new();
    loop {
        let some = store
            .partitions(all.last().copied(), PARTITIONS_STEP)
            .await
            .map_err(Failed::because)?;
        if some.is_empty() {
            return Ok(all);
        }
        all.extend(some);
    }
}

/// A progress bar on a terminal; nothing elsewhere.
fn progress(length: usize, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} orders {msg}, {eta} left");
    bar.set_style(style.unwrap_or(ProgressStyle::default_bar()));
    bar.set_message(what.to_owned());
    bar
}
