//! `tillgate check`: is the configuration good, and does everything that it names answer?

use std::time::Duration;

use super::{ConfigOption, Failed, say};
use crate::app;
use crate::config::StoreUrl;
use crate::kernel::time::earlier;
use crate::kernel::{Clock, SourceName};
use crate::store::postgres;
use crate::store::sled::OpenError;

/// A stretch of a marketplace's list that is asked for: enough to see that it is shown.
const LOOKED_BACK: Duration = Duration::from_secs(60);

pub async fn run(config: &ConfigOption) -> Result<(), Failed> {
    let settings = config.load()?;
    say("ok    configuration");
    let mut failures = 0;
    let mut told = |name: &str, outcome: Result<String, String>| match outcome {
        Ok(text) => say(format_args!("ok    {name}: {text}")),
        Err(text) => {
            failures += 1;
            say(format_args!("FAIL  {name}: {text}"));
        }
    };
    if settings.sources.is_empty() && settings.merchants.is_empty() {
        told("sources", Err("none: add [sources.sm] with protocol = \"sm\" and a token".into()));
    }
    for (name, source) in &settings.sources {
        let count = source.tokens().len();
        let also = if count > 1 {
            format!(", {count} tokens are valid while they are exchanged")
        } else {
            String::new()
        };
        told("source", Ok(format!("{name} posts to {}/hooks/{name}{also}", settings.public_url())));
    }
    told("store", check_store(&settings).await);
    match app::telegram(&settings) {
        Ok(Some(telegram)) => {
            let introduced = telegram.introduce().await;
            told("telegram", introduced.map(|name| format!("the bot is @{name}")));
        }
        Ok(None) => told("telegram", Ok("not configured: pickers are not told".into())),
        Err(why) => told("telegram", Err(why.to_string())),
    }
    match app::gateways(&settings) {
        Ok(gateways) => {
            for (name, gateway) in &gateways {
                let known = gateway.identify().await;
                let account = gateway.account();
                told(
                    "gateway",
                    match known {
                        Ok(()) => Ok(format!("{name} knows us; the shop is {account}")),
                        Err(why) => Err(format!("{name}: {why}")),
                    },
                );
            }
        }
        Err(why) => told("gateway", Err(why.to_string())),
    }
    let clock = Clock::System;
    match app::told_marketplaces(&settings, &clock) {
        Ok(marketplaces) => {
            for (name, marketplace) in &marketplaces {
                let known = marketplace.introduce().await;
                told("outgoing", prefixed(name, known));
            }
        }
        Err(why) => told("outgoing", Err(why.to_string())),
    }
    match app::asked_marketplaces(&settings, &clock) {
        Ok(marketplaces) => {
            let now = clock.now();
            for (name, marketplace) in &marketplaces {
                let listed = marketplace.shipments(earlier(now, LOOKED_BACK), now).await;
                told("shipments", prefixed(name, listed.map(|_| "shows its list of orders".into())));
            }
        }
        Err(why) => told("shipments", Err(why.to_string())),
    }
    for (name, merchant) in &settings.merchants {
        let heard = merchant.heard_at();
        told(
            "merchant",
            Ok(format!(
                "{name} orders by POST {}/v1/orders; told of payments: {heard}",
                settings.public_url()
            )),
        );
    }
    if settings.admin_token.is_none() {
        told("admin", Ok("off: set admin_token to use tillgate orders, hooks, outbox and stock".into()));
    }
    match failures {
        0 => Ok(()),
        _ => Err(Failed::because(format!("{failures} of the checks failed"))),
    }
}

/// What was seen of somebody, with its name.
fn prefixed(name: &SourceName, seen: Result<String, String>) -> Result<String, String> {
    seen.map(|text| format!("{name} {text}")).map_err(|why| format!("{name}: {why}"))
}

async fn check_store(settings: &crate::config::Settings) -> Result<String, String> {
    if let StoreUrl::Sled(path) = &settings.store
        && !path.exists()
    {
        return Ok(format!("{} will be created", settings.store));
    }
    // To look is not to change.
    let looking = crate::config::Settings { store_migrate: false, ..settings.clone() };
    match app::open_store(&looking).await {
        Err(app::StartError::Database(postgres::OpenError::Older { found, known, .. }))
            if settings.store_migrate =>
        {
            Ok(format!(
                "{} answers; serve will bring its schema from version {found} to {known}",
                settings.store
            ))
        }
        Ok(store) => {
            let answer = store.ping().await.map_err(|why| why.to_string());
            store.close().await;
            answer.map(|()| format!("{} opens", settings.store))
        }
        Err(app::StartError::Store(OpenError::InUse { .. })) => {
            Ok(format!("{} is in use by a running tillgate", settings.store))
        }
        Err(why) => Err(why.to_string()),
    }
}
