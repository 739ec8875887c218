//! `tillgate store`: for a store that does not open because acknowledged
//! changes are missing.

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
    /// Show what is in the store, and what is missing. The gateway must not be
    /// running
    Inspect(Options),
    /// Continue with what is left of a damaged store
    AcceptLoss(Options),
}

#[derive(Debug, Args)]
pub struct Options {
    /// The store's directory, as sled:<directory> [default: the configuration's
    /// store]
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
            "{store} has tools of its own; this command is for stores in a directory (sled:…)"
        )));
    };
    if !path.join("db").exists() {
        return Err(Failed::usage(format!("{store}: there is no store in this directory")));
    }
    let (place, cache_bytes) =
        (path.clone(), u64::from(settings.store_cache_mebibytes) * 1024 * 1024);
    let look = if accepts { accept_loss } else { inspect };
    // On a thread outside the runtime: one that hangs must not keep the command
    // from ending.
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let looking =
        move || drop(sender.send(look(&place, cache_bytes, Kinds { newest: Order::KIND, named })));
    std::thread::Builder::new().name("looking".into()).spawn(looking).map_err(Failed::because)?;
    // The store is opened, and all of it is read.
    let seconds = 2 * open_seconds_max(path);
    let found = match tokio::time::timeout(Duration::from_secs(seconds), receiver).await {
        Ok(Ok(looked)) => looked.map_err(Failed::because)?,
        Ok(Err(_)) => {
            return Err(Failed::because("the inspection of the store ended unexpectedly"));
        }
        Err(_) => return Err(Failed::because(OpenError::Hangs { path: path.clone(), seconds })),
    };
    show(&store, &found);
    if accepts && found.is_whole() {
        say("nothing is missing: the store was not changed");
    } else if accepts {
        say("accepted: from now on the gateway opens the store in this state");
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
                "  missing    {lost} groups of changes that were durable: group {noted} was \
                 recorded last. Each holds what was acknowledged at one moment. Compare with the \
                 marketplace's list of orders, and with the payment system's"
            ));
        }
        Ok(Some(noted)) => {
            say(format_args!("  missing    nothing: group {noted} was recorded last as durable"))
        }
        Ok(None) => {
            say("  missing    nothing that is known: no group was ever recorded as durable")
        }
        Err(why) => say(format_args!("  missing    unknown: {why}")),
    }
    for damaged in &found.damaged {
        say(format_args!("  damaged    {damaged}"));
    }
}
