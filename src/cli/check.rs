//! `tillgate check`: is the configuration good, and does everything that it names answer?

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::receiver::{self, Running};
use super::{ConfigOption, Failed, say};
use crate::app;
use crate::config::{Endpoint, Settings, Source, StoreUrl};
use crate::gateway::Gateway;
use crate::kernel::time::earlier;
use crate::kernel::{Clock, PartyName, clock_skew};
use crate::peer::{ANSWER_BYTES_MAX, Client};
use crate::store::sled::OpenError;
use crate::store::{Store, postgres};
use crate::webhooks::Verifier;
use crate::webhooks::verify::Way;

/// A stretch of a marketplace's list that is asked for: enough to see that it is shown.
const LOOKED_BACK: Duration = Duration::from_secs(60);

pub async fn run(config: &ConfigOption) -> Result<(), Failed> {
    let settings = config.load()?;
    match &settings.file {
        Some(file) => say(format_args!("ok    configuration: {}", file.display())),
        None => say(format_args!(
            "ok    configuration: the defaults, as neither {} is there",
            crate::config::FILES.join(" nor ")
        )),
    }
    for warning in warnings(&settings) {
        say(format_args!("warn  {warning}"));
    }
    for believed in believed(&settings) {
        say(format_args!("ok    {believed}"));
    }
    let running = receiver::find(&settings).await;
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
    told("listen", check_listen(&settings, running.as_ref()).await);
    told("store", check_store(&settings, running.as_ref()).await);
    match app::telegram(&settings) {
        Ok(Some(telegram)) => {
            let introduced = telegram.introduce().await;
            told("telegram", introduced.map(|name| format!("the bot is @{name}")));
            let chats = settings.notify.telegram.iter().flat_map(|telegram| &telegram.chats);
            for (store, chat) in chats {
                let seen = telegram.look_at(chat).await;
                let seen = seen.map(|()| "can be written to".to_owned());
                told(
                    "chat",
                    seen.map(|text| format!("{store} = {chat} {text}"))
                        .map_err(|why| format!("{store} = {chat}: {why}")),
                );
            }
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
    for (name, merchant) in &settings.merchants {
        if let Some(url) = &merchant.callback_url {
            told(
                "callback",
                reach(url).await.map(|text| format!("{name} {text}")).map_err(|why| format!("{name}: {why}")),
            );
        }
    }
    if settings.admin_token.is_none() {
        told("admin", Ok("off: set admin_token to use tillgate orders, hooks, outbox and stock".into()));
    }
    match failures {
        0 => Ok(()),
        _ => Err(Failed::because(format!("{failures} of the checks failed"))),
    }
}

/// What could be safer, and works as it is.
fn warnings(settings: &Settings) -> Vec<String> {
    let mut warnings = settings.warnings();
    let mode = |path: &Path| std::fs::metadata(path).ok().map(|found| found.permissions().mode() & 0o777);
    if let Some(file) = &settings.file
        && let Some(mode) = mode(file).filter(|mode| mode & OTHERS != 0)
    {
        warnings.push(format!(
            "configuration: every user of this machine may read or change it (mode {mode:04o}), and it leads to secrets:              chmod 0640 {}",
            file.display()
        ));
    }
    if let StoreUrl::Sled(folder) = &settings.store
        && let Some(mode) = mode(folder).filter(|mode| mode & GROUP_AND_OTHERS != 0)
    {
        warnings.push(format!(
            "store: other users of this machine may look into it (mode {mode:04o}), and it holds customers' names and              addresses: chmod 0700 {}",
            folder.display()
        ));
    }
    warnings
}

/// What a file's mode lets others do.
const OTHERS: u32 = 0o007;
const GROUP_AND_OTHERS: u32 = 0o077;

/// Whose word counts of where a request comes from, where that decides something: some payment systems sign nothing.
fn believed(settings: &Settings) -> Vec<String> {
    let proxies = match settings.trusted_proxies.to_string().as_str() {
        "" => {
            "as their connection shows it; if a proxy stands in front, name it in trusted_proxies".to_owned()
        }
        proxies => format!("by the word of the proxies {proxies}"),
    };
    let told = |(name, gateway): (&String, &Gateway)| match gateway.verifier() {
        Verifier::Networks(networks) => {
            Some(format!("notices: {name} signs nothing and is believed from {networks}, {proxies}"))
        }
        Verifier::Token(_) | Verifier::SignedBody(_) | Verifier::Standard(_) | Verifier::Basic(_) => None,
    };
    let by_address = |(name, source): (&String, &Source)| {
        let verify = source.verify.as_ref().filter(|verify| verify.by == Way::Networks)?;
        Some(format!("hooks: {name} is believed from {verify}, {proxies}"))
    };
    let of_gateways = settings.gateways.iter().filter_map(told);
    of_gateways.chain(settings.sources.iter().filter_map(by_address)).collect()
}

/// What was seen of somebody, with its name.
fn prefixed(name: &PartyName, seen: Result<String, String>) -> Result<String, String> {
    seen.map(|text| format!("{name} {text}")).map_err(|why| format!("{name}: {why}"))
}

/// Whether the port can be listened on, or is listened on by a receiver of this store.
async fn check_listen(settings: &Settings, running: Option<&Running>) -> Result<String, String> {
    let listen = settings.listen;
    match tokio::net::TcpListener::bind(listen).await {
        Ok(_) => return Ok(format!("{listen} is free")),
        Err(why) if why.kind() == std::io::ErrorKind::AddrInUse => {}
        Err(why) => return Err(format!("{listen} cannot be listened on: {why}")),
    }
    // Not only `running`: a store in PostgreSQL may have several receivers on one machine.
    let there = receiver::reachable(Endpoint::Tcp(listen));
    let other = match receiver::ask(there.clone()).await {
        Some(ours) if ours.is_of(&settings.store) => {
            return Ok(format!("{there} is taken by {}", ours.says));
        }
        Some(other) => format!("{}, which has another store", other.says),
        None => "another program".to_owned(),
    };
    let where_ours = running.map(|ours| format!("; the receiver of this store is at {}", ours.endpoint));
    Err(format!(
        "{listen} is taken by {other}: choose another address with listen, or end that one{}",
        where_ours.unwrap_or_default()
    ))
}

/// Whether an address answers at all; what it answers is its own affair.
async fn reach(url: &str) -> Result<String, String> {
    let client = Client::new(REACH_WAIT, ANSWER_BYTES_MAX).map_err(|why| why.to_string())?;
    let status = client.look(url).await.map_err(|why| format!("{url} is not reached: {why}"))?;
    Ok(format!("is reached at {url}, which answers {}", status.as_u16()))
}

/// How long an address may take to answer.
const REACH_WAIT: Duration = Duration::from_secs(10);

/// Whether a file can be written where the store is, or will be.
fn check_folder(folder: &Path) -> Result<(), String> {
    let there = folder.ancestors().find(|folder| folder.as_os_str().is_empty() || folder.exists());
    let there = match there {
        Some(there) if !there.as_os_str().is_empty() => there,
        Some(_) | None => Path::new("."),
    };
    let trial = there.join(format!(".tillgate-check-{}", std::process::id()));
    let written = std::fs::write(&trial, b"x").and_then(|()| std::fs::remove_file(&trial));
    written.map_err(|why| format!("nothing can be written in {}: {why}", there.display()))
}

async fn check_store(settings: &Settings, running: Option<&Running>) -> Result<String, String> {
    if let StoreUrl::Sled(path) = &settings.store {
        check_folder(path)?;
        if !path.exists() {
            return Ok(format!("{} will be created", settings.store));
        }
    }
    // To look is not to change.
    let looking = Settings { store_migrate: false, ..settings.clone() };
    match app::open_store(&looking, &Clock::System).await {
        Err(app::StartError::Database(postgres::OpenError::Older { found, known, .. }))
            if settings.store_migrate =>
        {
            let StoreUrl::Postgres(url) = &settings.store else { return Err("no database".into()) };
            let address = url.expose().parse().map_err(|why: postgres::BadAddress| why.to_string())?;
            if !postgres::may_migrate(&address).await? {
                return Err(format!(
                    "{} answers, and its schema must be brought from version {found} to {known}, which this user may \
                     not do: run tillgate migrate as one who may create tables, or grant CREATE on the database",
                    settings.store
                ));
            }
            Ok(format!(
                "{} answers; serve will bring its schema from version {found} to {known}",
                settings.store
            ))
        }
        Ok(store) => {
            let answer = check_opened(&store).await;
            store.close().await;
            answer.map(|says| format!("{} opens{says}", settings.store))
        }
        Err(app::StartError::Store(OpenError::InUse { .. })) => match running {
            Some(Running { endpoint, says, .. }) => {
                Ok(format!("{} is in use by {says}, at {endpoint}", settings.store))
            }
            None => Err(format!(
                "{} is in use by a process that does not answer at {}: is it another program, or does it hang?",
                settings.store,
                receiver::configured(settings)
            )),
        },
        Err(why) => Err(why.to_string()),
    }
}

/// What an open store says of itself.
async fn check_opened(store: &Store) -> Result<String, String> {
    if let Err(why) = store.probe().await {
        // What it says of itself tells why, where it can be asked at all.
        let condition = store.condition().await.ok().flatten();
        let broken = condition.into_iter().flat_map(|condition| {
            std::iter::once(condition.text).chain(condition.broken).chain(condition.missing)
        });
        return Err(std::iter::once(why.to_string()).chain(broken).collect::<Vec<_>>().join("; "));
    }
    let unwritable = store.unwritable().await.map_err(|why| why.to_string())?;
    if !unwritable.is_empty() {
        return Err(format!(
            "this user may not write to {}: GRANT SELECT, INSERT, UPDATE, DELETE on these tables to it",
            unwritable.join(", ")
        ));
    }
    if let Some(of_store) = store.now().await.map_err(|why| why.to_string())?
        && let Some(skew) = clock_skew::between(Clock::System.now(), of_store)
    {
        return Err(skew);
    }
    let Some(condition) = store.condition().await.map_err(|why| why.to_string())? else {
        return Ok(String::new());
    };
    if !condition.broken.is_empty() {
        return Err(condition.broken.join("; "));
    }
    let missing = condition.missing.iter().map(|missing| format!("\n      but   {missing}"));
    Ok(format!("; {}{}", condition.text, missing.collect::<String>()))
}
