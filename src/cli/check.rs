//! `tillgate check`: checks the configuration, and whether everything that it
//! names can be reached.

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

/// The interval of a marketplace's list that is requested: enough to see that
/// the list is available.
const LOOKED_BACK: Duration = Duration::from_secs(60);

pub async fn run(config: &ConfigOption) -> Result<(), Failed> {
    let settings = config.load()?;
    match &settings.file {
        Some(file) => say(format_args!("ok    configuration: {}", file.display())),
        None => say(format_args!(
            "ok    configuration: the defaults, as neither {} exists",
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
    let mut report = Report::default();
    let has_no_senders = settings.sources.is_empty() && settings.merchants.is_empty();
    if has_no_senders && settings.shop.is_none() {
        let why = "none: add [sources.sm] with protocol = \"sm\" and a token, or a merchant; \
                   tillgate init writes both";
        report.add("sources", Err(why.into()));
    }
    report.sources(&settings);
    report.add("listen", check_listen(&settings, running.as_ref()).await);
    report.add("store", check_store(&settings, running.as_ref()).await);
    report.telegram(&settings).await;
    report.gateways(&settings).await;
    report.marketplaces(&settings).await;
    report.merchants(&settings).await;
    #[cfg(feature = "shop")]
    report.mail(&settings).await;
    if settings.admin_token.is_none() {
        let text = "off: set admin_token to use tillgate orders, hooks, outbox and stock";
        report.add("admin", Ok(text.into()));
    }
    match report.failures {
        0 => Ok(()),
        failures => Err(Failed::because(format!("{failures} of the checks failed"))),
    }
}

/// Prints the checks, and counts those that failed.
#[derive(Default)]
struct Report {
    failures: usize,
}

impl Report {
    fn add(&mut self, name: &str, outcome: Result<String, String>) {
        match outcome {
            Ok(text) => say(format_args!("ok    {name}: {text}")),
            Err(text) => {
                self.failures += 1;
                say(format_args!("FAIL  {name}: {text}"));
            }
        }
    }

    fn sources(&mut self, settings: &Settings) {
        for (name, source) in &settings.sources {
            let count = source.tokens().len();
            let also = if count > 1 {
                format!(", {count} tokens are valid at the same time")
            } else {
                String::new()
            };
            let text = format!("{name} posts to {}/hooks/{name}{also}", settings.public_url());
            self.add("source", Ok(text));
        }
    }

    async fn telegram(&mut self, settings: &Settings) {
        let telegram = match app::telegram(settings) {
            Ok(Some(telegram)) => telegram,
            Ok(None) => {
                return self.add("telegram", Ok("not configured: pickers get no messages".into()));
            }
            Err(why) => return self.add("telegram", Err(why.to_string())),
        };
        let introduced = telegram.introduce().await;
        self.add("telegram", introduced.map(|name| format!("the bot is @{name}")));
        for (store, chat) in settings.notify.telegram.iter().flat_map(|set| &set.chats) {
            let seen = telegram.look_at(chat).await;
            let seen = seen.map(|()| format!("{store} = {chat} can be written to"));
            self.add("chat", seen.map_err(|why| format!("{store} = {chat}: {why}")));
        }
    }

    async fn gateways(&mut self, settings: &Settings) {
        let gateways = match app::gateways(settings) {
            Ok(gateways) => gateways,
            Err(why) => return self.add("gateway", Err(why.to_string())),
        };
        for (name, gateway) in &gateways {
            let account = gateway.account();
            let known = gateway.identify().await;
            let known =
                known.map(|()| format!("{name} accepts our token; the account is {account}"));
            self.add("gateway", known.map_err(|why| format!("{name}: {why}")));
        }
    }

    async fn marketplaces(&mut self, settings: &Settings) {
        let clock = Clock::System;
        match app::marketplaces_to_update(settings, &clock) {
            Ok(marketplaces) => {
                for (name, marketplace) in &marketplaces {
                    self.add("outgoing", prefixed(name, marketplace.introduce().await));
                }
            }
            Err(why) => self.add("outgoing", Err(why.to_string())),
        }
        match app::asked_marketplaces(settings, &clock) {
            Ok(marketplaces) => {
                let now = clock.now();
                for (name, marketplace) in &marketplaces {
                    let listed = marketplace.shipments(earlier(now, LOOKED_BACK), now).await;
                    let listed = listed.map(|_| "shows its list of orders".into());
                    self.add("shipments", prefixed(name, listed));
                }
            }
            Err(why) => self.add("shipments", Err(why.to_string())),
        }
    }

    #[cfg(feature = "shop")]
    async fn mail(&mut self, settings: &Settings) {
        let Some(shop) = &settings.shop else { return };
        let Some(mail) = &shop.mail else {
            let text = "not configured: letters to clients wait, and forgotten passwords cannot \
                        be replaced";
            return self.add("mail", Ok(text.into()));
        };
        let reached = match app::shop::mailer_of(mail) {
            Ok(mailer) => mailer.look().await,
            Err(why) => Err(why.to_string()),
        };
        let reached = reached.map(|()| format!("{} takes letters", mail.url));
        self.add("mail", reached.map_err(|why| format!("{}: {why}", mail.url)));
    }

    async fn merchants(&mut self, settings: &Settings) {
        for (name, merchant) in &settings.merchants {
            let (callbacks, url) = (merchant.callbacks_to(), settings.public_url());
            let text =
                format!("{name} orders by POST {url}/v1/orders; callbacks go to {callbacks}");
            self.add("merchant", Ok(text));
        }
        for (name, merchant) in &settings.merchants {
            if let Some(url) = &merchant.callback_url {
                let reached = reach(url).await;
                let reached = reached.map(|text| format!("{name} {text}"));
                self.add("callback", reached.map_err(|why| format!("{name}: {why}")));
            }
        }
    }
}

/// Settings that work, but could be safer.
fn warnings(settings: &Settings) -> Vec<String> {
    let mut warnings = settings.warnings();
    let mode =
        |path: &Path| std::fs::metadata(path).ok().map(|found| found.permissions().mode() & 0o777);
    if let Some(file) = &settings.file
        && let Some(mode) = mode(file).filter(|mode| mode & OTHERS != 0)
    {
        warnings.push(format!(
            "configuration: every user of this machine may read or change it (mode {mode:04o}), \
             and it leads to secrets: chmod 0640 {}",
            file.display()
        ));
    }
    if let StoreUrl::Sled(folder) = &settings.store
        && let Some(mode) = mode(folder).filter(|mode| mode & GROUP_AND_OTHERS != 0)
    {
        warnings.push(format!(
            "store: other users of this machine may read it (mode {mode:04o}), and it holds \
             customers' names and addresses: chmod 0700 {}",
            folder.display()
        ));
    }
    if let Some(shop) = &settings.shop
        && shop.mail.is_some()
        && shop.public_url.is_none()
        && settings.public_url.is_none()
    {
        warnings.push(
            "shop: links in letters lead to the address that the shop listens on, which buyers \
             cannot reach from elsewhere: set shop.public_url"
                .into(),
        );
    }
    warnings
}

/// The permission bits of a file for other users.
const OTHERS: u32 = 0o007;
const GROUP_AND_OTHERS: u32 = 0o077;

/// The networks from which requests are accepted, where the address is the only
/// proof: some payment systems sign nothing.
fn believed(settings: &Settings) -> Vec<String> {
    let proxies = match settings.trusted_proxies.to_string().as_str() {
        "" => "by the address of the connection; if there is a proxy in front, name it in \
             trusted_proxies"
            .to_owned(),
        proxies => format!("by the address that the proxies {proxies} report"),
    };
    let by_network = |(name, gateway): (&String, &Gateway)| match gateway.verifier() {
        Verifier::Networks(networks) => Some(format!(
            "notifications: {name} signs nothing; requests are accepted from {networks}, {proxies}"
        )),
        Verifier::Token(_)
        | Verifier::SignedBody(_)
        | Verifier::Standard(_)
        | Verifier::Basic(_) => None,
    };
    let by_address = |(name, source): (&String, &Source)| {
        let verify = source.verify.as_ref().filter(|verify| verify.by == Way::Networks)?;
        Some(format!("hooks: those of {name} are accepted from {verify}, {proxies}"))
    };
    let of_gateways = settings.gateways.iter().filter_map(by_network);
    of_gateways.chain(settings.sources.iter().filter_map(by_address)).collect()
}

/// A result with the name of its peer.
fn prefixed(name: &PartyName, seen: Result<String, String>) -> Result<String, String> {
    seen.map(|text| format!("{name} {text}")).map_err(|why| format!("{name}: {why}"))
}

/// Whether the address to listen on is free, or taken by a receiver of this
/// store.
async fn check_listen(settings: &Settings, running: Option<&Running>) -> Result<String, String> {
    let listen = settings.listen;
    match tokio::net::TcpListener::bind(listen).await {
        Ok(_) => return Ok(format!("{listen} is free")),
        Err(why) if why.kind() == std::io::ErrorKind::AddrInUse => {}
        Err(why) => return Err(format!("{listen} cannot be listened on: {why}")),
    }
    // Not only `running`: a store in PostgreSQL may have several receivers on
    // one machine.
    let there = receiver::reachable(Endpoint::Tcp(listen));
    let other = match receiver::ask(there.clone()).await {
        Some(ours) if ours.is_of(&settings.store) => {
            return Ok(format!("{there} is taken by {}", ours.says));
        }
        Some(other) => format!("{}, which has another store", other.says),
        None => "another program".to_owned(),
    };
    let where_ours =
        running.map(|ours| format!("; the receiver of this store is at {}", ours.endpoint));
    Err(format!(
        "{listen} is taken by {other}: choose another address with listen, or stop that program{}",
        where_ours.unwrap_or_default()
    ))
}

/// Whether an address answers at all; its status does not matter.
async fn reach(url: &str) -> Result<String, String> {
    let client = Client::new(REACH_WAIT, ANSWER_BYTES_MAX).map_err(|why| why.to_string())?;
    let status = client.look(url).await.map_err(|why| format!("{url} is not reached: {why}"))?;
    Ok(format!("is reached at {url}, which answers {}", status.as_u16()))
}

/// How long an address may take to answer.
const REACH_WAIT: Duration = Duration::from_secs(10);

/// Whether files can be written where the store is, or will be.
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
    // A check must not change anything.
    let looking = Settings { store_migrate: false, ..settings.clone() };
    match app::open_store(&looking, &Clock::System).await {
        Err(app::StartError::Database(postgres::OpenError::Older { found, known, .. }))
            if settings.store_migrate =>
        {
            let StoreUrl::Postgres(url) = &settings.store else { return Err("no database".into()) };
            let address =
                url.expose().parse().map_err(|why: postgres::BadAddress| why.to_string())?;
            if !postgres::may_migrate(&address).await? {
                return Err(format!(
                    "{} answers, but its schema must be updated from version {found} to {known}, \
                     which this user may not do: run tillgate migrate as a user who may create \
                     tables, or grant CREATE on the database",
                    settings.store
                ));
            }
            Ok(format!(
                "{} answers; serve will update its schema from version {found} to {known}",
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
                "{} is in use by a process that does not answer at {}: is it another program, or \
                 does it hang?",
                settings.store,
                receiver::configured(settings)
            )),
        },
        Err(why) => Err(why.to_string()),
    }
}

/// The condition of an open store.
async fn check_opened(store: &Store) -> Result<String, String> {
    if let Err(why) = store.probe().await {
        // The condition explains why, if the store can report it at all.
        let condition = store.condition().await.ok().flatten();
        let broken = condition.into_iter().flat_map(|condition| {
            std::iter::once(condition.text).chain(condition.broken).chain(condition.missing)
        });
        return Err(std::iter::once(why.to_string()).chain(broken).collect::<Vec<_>>().join("; "));
    }
    let unwritable = store.unwritable().await.map_err(|why| why.to_string())?;
    if !unwritable.is_empty() {
        return Err(format!(
            "this user may not write to {}: GRANT SELECT, INSERT, UPDATE, DELETE on these tables \
             to it",
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
