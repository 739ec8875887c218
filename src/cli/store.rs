//! `tillgate store`: a store that does not open because it lacks what was acknowledged.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{ConfigOption, Failed, say};
use crate::config::StoreUrl;
use crate::flows::stored::named;
use crate::kernel::Document;
use crate::orders::Order;
use crate::store::sled::{Inspection, Kinds, OpenError, accept_loss, inspect, open_seconds_max};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what is in the store, and what it lacks. The gateway must not be running
    Inspect(Options),
    /// Go on with what is left of a damaged store
    AcceptLoss(Options),
}

#[derive(Debug, Args)]
pub struct Options {
    /// The store's directory, as sled:<directory> [default: the configuration's]
    #[arg(long, value_name = "URL")]
    store: Option<StoreUrl>,
    #[command(flatten)]
    config: ConfigOption,
}

pub async fn run(command: Command) -> Result<(), Failed> {
    let (options, accepts) = match command {
        Command::Inspect(options) => (options, false),
        Command::AcceptLoss(options) => (options, true),
    };
    let settings = options.config.load()?;
    let store = options.store.unwrap_or_else(|| settings.store.clone());
    let StoreUrl::Sled(path) = &store else {
        return Err(Failed::usage(format!(
            "{store} is looked after by its own tools; this is for stores in a directory (sled:…)"
        )));
    };
    if !path.join("db").exists() {
        return Err(Failed::usage(format!("{store}: there is no store in this directory")));
    }
    let (place, cache_bytes) = (path.clone(), u64::from(settings.store_cache_mebibytes) * 1024 * 1024);
    let look = if accepts { accept_loss } else { inspect };
    // On a thread of its own, and not of the runtime: one that hangs must not keep the command from ending.
    let (tell, told) = tokio::sync::oneshot::channel();
    let looking = move || drop(tell.send(look(&place, cache_bytes, Kinds { newest: Order::KIND, named })));
    std::thread::Builder::new().name("looking".into()).spawn(looking).map_err(Failed::because)?;
    // It is opened, and all of it is read.
    let seconds = 2 * open_seconds_max(path);
    let found = match tokio::time::timeout(Duration::from_secs(seconds), told).await {
        Ok(Ok(looked)) => looked.map_err(Failed::because)?,
        Ok(Err(_)) => return Err(Failed::because("looking at the store broke off")),
        Err(_) => return Err(Failed::because(OpenError::Hangs { path: path.clone(), seconds })),
    };
    show(&store, &found);
    if accepts && found.is_whole() {
        say("nothing is missing: the store was left as it is");
    } else if accepts {
        say("accepted: the gateway opens it as it is from now on");
    }
    Ok(())
}

fn show(store: &StoreUrl, found: &Inspection) {
    say(format_args!("{store}"));
    let documents: Vec<String> =
        found.documents.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    say(format_args!(
        "  holds      {}",
        if documents.is_empty() { "nothing".into() } else { documents.join(", ") }
    ));
    if let Some(newest) = found.newest {
        say(format_args!("  newest     an order of {newest}"));
    }
    say(format_args!("  changes    up to group {}", found.last_group));
    match &found.noted {
        Ok(Some(noted)) if *noted > found.last_group => {
            let lost = noted - found.last_group;
            say(format_args!(
                "  lacks      {lost} groups of changes that were durable: up to {noted} was noted. Each holds what was \
                 acknowledged at one moment. Compare with the marketplace's list of orders, and with the payment system's"
            ));
        }
        Ok(Some(noted)) => say(format_args!("  lacks      nothing: up to {noted} was noted as durable")),
        Ok(None) => say("  lacks      nothing that is known: no note of what was durable was ever made"),
        Err(why) => say(format_args!("  lacks      unknown: {why}")),
    }
    for damaged in &found.damaged {
        say(format_args!("  damaged    {damaged}"));
    }
}
