//! Puts everything together: the only file that names every concrete part.
//!
//! Read from top to bottom it shows the running process: a store, the use cases
//! on top of it, the workers, and the HTTP server in front. It also defines the
//! shutdown: stop accepting work, finish what was begun, close the store.

mod endpoints;
mod listeners;
mod peers;
#[cfg(feature = "shop")]
pub mod shop;

use crate::payments;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Endpoint, Settings, StoreUrl};
use crate::flows::parked_orders::ParkedOrders;
use crate::flows::quotas::Quotas;
use crate::flows::{Alarms, ChangeFeed, ClockSkew, Hints, PausedGateways, Services};
use crate::gateway::Provider;
use crate::http::Readiness;
use crate::http::{
    AppState, HOOKS_AT_ONCE_MAX, LivePages, Mounts, NOTIFICATIONS_AT_ONCE_MAX, ORDERS_AT_ONCE_MAX,
    OutboxCount, Refusals, operator_routes, other_routes, public_routes, routes, server,
};
use crate::kernel::chance::random_bytes;
use crate::kernel::{Clock, PartyName, Tokens};
use crate::marketplace::Sm;
use crate::notify::Audience;
use crate::notify::channel::telegram::Telegram;
use crate::peer::{ANSWER_BYTES_MAX, Client, ClientError, Guard};
use crate::store::postgres::Migration;
use crate::store::{Store, memory, postgres, sled};
use crate::workers::callback_sender::{self, CallbackSender};
use crate::workers::clock_watch;
use crate::workers::duplicate_recorder::{self, DuplicateCounter};
use crate::workers::notification_channel::NotificationChannel;
use crate::workers::payment_worker::PaymentWorker;
use crate::workers::picker_sender::{HANDOVER_SECONDS_MAX, PickerSender};
use crate::workers::quota_keeper;
use crate::workers::reconciler::Reconciler;
use crate::workers::survey;
use crate::workers::sweeper;
use crate::workers::update_sender::UpdateSender;

use self::endpoints::{
    merchant_of, quotas_of, retention_of, shop_of, source_endpoints, stock_holders_of,
};
use self::listeners::{Listeners, limits_of, listen_at, listen_for_shop};
pub use self::peers::{asked_marketplaces, gateways, marketplaces_to_update};
use self::peers::{endpoints, merchants, payment_pages};

/// Why the gateway cannot start. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store does not open.
    #[error("{0}")]
    Store(#[from] sled::OpenError),
    /// The database cannot be used.
    #[error("{0}")]
    Database(#[from] postgres::OpenError),
    /// The database's address is invalid.
    #[error("store: {0}")]
    Address(#[from] postgres::BadAddress),
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {why}. Is another program there? Choose another with {setting}"
    )]
    Listen {
        address: String,
        /// The setting that names the address.
        setting: &'static str,
        /// The error of the operating system.
        why: std::io::Error,
    },
    /// Letters cannot be sent with these settings.
    #[error("shop.mail.{0}")]
    Mail(String),
    /// The HTTP client cannot be built.
    #[error("{0}")]
    Client(#[from] ClientError),
}

/// A running gateway.
#[derive(Debug)]
pub struct App {
    address: SocketAddr,
    admin_endpoint: Endpoint,
    shop_address: Option<SocketAddr>,
    app_state: Arc<AppState>,
    drain_edge: CancellationToken,
    drain_workers: CancellationToken,
    serving: Vec<JoinHandle<()>>,
    workers: TaskTracker,
}

/// How long the workers may take to finish what they are doing.
const WORKERS_DRAIN: Duration = Duration::from_secs(HANDOVER_SECONDS_MAX + 2);

/// Opens the store of the settings. Fails if it cannot be used yet.
pub async fn open_store(settings: &Settings, clock: &Clock) -> Result<Store, StartError> {
    if let StoreUrl::Postgres(url) = &settings.store {
        let opened =
            postgres::Postgres::open(&url.expose().parse()?, migration_of(settings), clock).await?;
        return Ok(Store::Postgres(Arc::new(opened)));
    }
    open_store_or_wait(settings, clock).await
}

fn migration_of(settings: &Settings) -> Migration {
    if settings.store_migrate { Migration::Apply } else { Migration::Refuse }
}

/// Opens the store of the settings. If a database accepts no writes yet, the
/// store is unavailable until it does.
async fn open_store_or_wait(settings: &Settings, clock: &Clock) -> Result<Store, StartError> {
    match settings.store.clone() {
        StoreUrl::Memory => Ok(Store::Memory(Arc::new(memory::Memory::new(clock.clone())))),
        StoreUrl::Sled(path) => {
            let cache_bytes = u64::from(settings.store_cache_mebibytes) * 1024 * 1024;
            Ok(Store::Sled(Arc::new(sled::Sled::open_in_time(&path, cache_bytes, clock).await?)))
        }
        StoreUrl::Postgres(url) => {
            let address = url.expose().parse()?;
            let opened =
                postgres::Postgres::open_or_wait(&address, migration_of(settings), clock).await?;
            Ok(Store::Postgres(Arc::new(opened)))
        }
    }
}

/// The Telegram bot of the settings, if they have one.
pub fn telegram(settings: &Settings) -> Result<Option<Telegram>, StartError> {
    let Some(telegram) = &settings.notify.telegram else { return Ok(None) };
    let client = Client::new(Duration::from_secs(HANDOVER_SECONDS_MAX), ANSWER_BYTES_MAX)?;
    Ok(Some(Telegram::new(client, &telegram.url, telegram.token.clone())))
}

/// The peers that we call.
struct Peers {
    telegram: Option<Telegram>,
    gateways: BTreeMap<PartyName, Arc<dyn Provider>>,
    /// Marketplaces that receive fulfilment updates.
    updated: BTreeMap<PartyName, Sm>,
    /// Marketplaces whose lists of orders are searched for lost hooks.
    watched: BTreeMap<PartyName, Sm>,
    /// For callbacks to addresses of the configuration.
    sites: Client,
    /// For callbacks to addresses that came with an order.
    guarded: Client,
    guard: Guard,
}

impl Peers {
    fn of(settings: &Settings, clock: &Clock) -> Result<Peers, StartError> {
        let deadline = Duration::from_secs(callback_sender::CALL_SECONDS_MAX);
        let guard = Guard::new(settings.callback_networks.0.iter().copied());
        Ok(Peers {
            telegram: telegram(settings)?,
            gateways: gateways(settings)?,
            updated: marketplaces_to_update(settings, clock)?,
            watched: asked_marketplaces(settings, clock)?,
            sites: Client::new(deadline, ANSWER_BYTES_MAX)?,
            guarded: Client::guarded(deadline, ANSWER_BYTES_MAX, guard.clone())?,
            guard,
        })
    }
}

/// The names of everybody who sends us something.
fn parties_of(settings: &Settings) -> BTreeSet<PartyName> {
    let sources = settings.sources.keys();
    let names = sources.chain(settings.merchants.keys()).chain(settings.gateways.keys());
    names.cloned().map(PartyName::new).collect()
}

/// Builds what every use case needs.
fn services_of(
    settings: &Settings,
    store: Store,
    clock: Clock,
    peers: &Peers,
    address: SocketAddr,
) -> Services {
    let chats = settings
        .notify
        .telegram
        .as_ref()
        .map(|telegram| telegram.chats.clone())
        .unwrap_or_default();
    let public_url = match &settings.public_url {
        Some(_) => settings.public_url(),
        None => format!("http://{address}"), // the system may have chosen the port
    };
    let shipment_report =
        |(name, known): (&PartyName, &Arc<dyn Provider>)| (name.clone(), known.shipment_report());
    Services {
        store,
        clock,
        audience: Audience { language: settings.notify.language, chats },
        recent: Arc::default(),
        parties: Arc::new(parties_of(settings)),
        listeners: Arc::new(peers.updated.keys().cloned().collect()),
        stock_holders: Arc::new(stock_holders_of(settings)),
        merchants: Arc::new(merchants(settings, &peers.gateways)),
        shipment_reports: Arc::new(peers.gateways.iter().map(shipment_report).collect()),
        public_url: public_url.into(),
        change_feed: ChangeFeed::default(),
        alarms: Alarms::default(),
        clock_skew: ClockSkew::default(),
        quotas: Quotas::of(quotas_of(settings)),
        parked_orders: ParkedOrders::default(),
        paused_gateways: PausedGateways::default(),
        hints: Hints::default(),
        shop_key: Arc::default(),
    }
}

/// Builds what the handlers share.
fn state_of(
    settings: &Settings,
    services: Services,
    duplicates: DuplicateCounter,
    guard: Guard,
    metrics: PrometheusHandle,
) -> AppState {
    let key = random_bytes();
    let merchants =
        settings.merchants.iter().map(|(name, merchant)| merchant_of(name, merchant, key));
    let pages = settings.gateways.iter().map(|(name, gateway)| payment_pages(name, gateway));
    AppState {
        services,
        sources: source_endpoints(settings, key),
        merchants: merchants.collect(),
        shops: settings.merchants.iter().map(|(name, merchant)| shop_of(name, merchant)).collect(),
        duplicates,
        trusted_proxies: settings.trusted_proxies.0.clone(),
        guard,
        payment_pages: pages.collect(),
        admin: settings.admin_token.as_ref().map(|token| Tokens::new([token], key)),
        key,
        live_pages: LivePages::default(),
        metrics,
        request_ids: tillgate_web::request_id::RequestIds::default(),
        store_mark: http::HeaderValue::from_str(&settings.store.mark()).ok(),
        readiness: Readiness::default(),
        outbox_count: OutboxCount::default(),
        draining: AtomicBool::new(false),
        refusals: Refusals::default(),
        notifications_at_once: Arc::new(Semaphore::new(NOTIFICATIONS_AT_ONCE_MAX)),
        hooks_at_once: Arc::new(Semaphore::new(HOOKS_AT_ONCE_MAX)),
        orders_at_once: Arc::new(Semaphore::new(ORDERS_AT_ONCE_MAX)),
    }
}

/// Starts the shop's services. Returns their routes.
#[cfg(feature = "shop")]
fn shop_mounts(
    settings: &Settings,
    own_url: &str,
    address: SocketAddr,
    workers: &Workers,
) -> Result<Mounts, StartError> {
    shop::start(settings, own_url, &shop::loopback(address), workers)
}

#[cfg(feature = "shop")]
use shop::with_callbacks;

#[cfg(not(feature = "shop"))]
fn with_callbacks(settings: &Settings, _: SocketAddr) -> Settings {
    settings.clone()
}

#[cfg(not(feature = "shop"))]
#[expect(clippy::unnecessary_wraps, reason = "with the shop it can fail")]
fn shop_mounts(_: &Settings, _: &str, _: SocketAddr, _: &Workers) -> Result<Mounts, StartError> {
    Ok(Mounts::default())
}

/// The workers, and the signal that ends them.
struct Workers {
    services: Services,
    drain: CancellationToken,
    workers: TaskTracker,
}

impl Workers {
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.workers.spawn(work);
    }

    /// Starts the workers that the settings need. Returns the marketplaces to
    /// search for lost hooks when the server is ready.
    fn begin(&self, settings: &Settings, peers: Peers) -> BTreeMap<PartyName, Sm> {
        let Peers { telegram, gateways, updated, watched, sites, guarded, guard: _ } = peers;
        let Workers { services, drain, .. } = self;
        self.spawn(clock_watch::run(services.clone(), drain.clone()));
        self.spawn(survey::run(services.clone(), drain.clone()));
        self.spawn(quota_keeper::run(services.clone(), drain.clone()));
        self.spawn(sweeper::run(services.clone(), retention_of(settings), drain.clone()));
        if let (Some(telegram), Some(set)) = (telegram, &settings.notify.telegram) {
            let gap = Duration::from_millis(u64::from(set.gap_milliseconds));
            self.spawn(
                PickerSender { services: services.clone(), telegram, gap }.run(drain.clone()),
            );
        }
        if !updated.is_empty() {
            let update_sender =
                UpdateSender { services: services.clone(), marketplaces: Arc::new(updated) };
            self.spawn(update_sender.run(drain.clone()));
        }
        for (name, gateway) in &settings.gateways {
            let Some(open) = gateway.channel() else { continue };
            let channel = NotificationChannel {
                services: services.clone(),
                gateway: PartyName::new(name.clone()),
                account: gateway.account().to_owned(),
                url: open.url,
                calls: open.calls,
                protocol: gateway.protocol(),
            };
            self.spawn(channel.run(drain.clone()));
        }
        if !gateways.is_empty() {
            let gateways = Arc::new(gateways);
            let payment_worker =
                PaymentWorker { services: services.clone(), gateways, breakers: Arc::default() };
            self.spawn(payment_worker.clone().run(payments::LANE, drain.clone()));
            self.spawn(payment_worker.run(payments::WATCH_LANE, drain.clone()));
            let endpoints = Arc::new(endpoints(settings));
            let callback_sender =
                CallbackSender { services: services.clone(), client: sites, guarded, endpoints };
            self.spawn(callback_sender.run(drain.clone()));
        }
        watched
    }

    /// Starts to search for lost hooks.
    fn reconcile(&self, watched: BTreeMap<PartyName, Sm>, app_state: &AppState) {
        for (source, marketplace) in watched {
            let Some(endpoint) = app_state.sources.get(source.as_str()) else { continue };
            let protocol = Arc::clone(&endpoint.protocol);
            let reconciler =
                Reconciler { services: self.services.clone(), source, protocol, marketplace };
            self.spawn(reconciler.run(self.drain.clone()));
        }
    }
}

impl App {
    /// Builds everything and starts to serve.
    pub async fn start(
        settings: &Settings,
        clock: Clock,
        metrics: PrometheusHandle,
    ) -> Result<App, StartError> {
        let peers = Peers::of(settings, &clock)?;
        let listener = server::listen_or_inherit(settings.listen).await;
        let not_listening = |why| StartError::Listen {
            address: settings.listen.to_string(),
            setting: "--listen",
            why,
        };
        let listener = listener.map_err(not_listening)?;
        let address = listener.local_addr().map_err(not_listening)?;
        let admin_listener = match &settings.admin_listen {
            Some(endpoint) => Some(listen_at(endpoint).await?),
            None => None,
        };
        let shop_listener = listen_for_shop(settings).await?;
        let shop_address = shop_listener.as_ref().map_or(address, |(_, address)| *address);
        let settings = &with_callbacks(settings, shop_address);
        let store = open_store_or_wait(settings, &clock).await?;
        let services = services_of(settings, store, clock, &peers, address);
        clock_watch::look(&services).await;
        let duplicates = DuplicateCounter::default();
        let staff = Workers {
            services: services.clone(),
            drain: CancellationToken::new(),
            workers: TaskTracker::new(),
        };
        let own_url = match &shop_listener {
            Some((_, address)) => format!("http://{address}"),
            None => services.public_url.to_string(),
        };
        let mut mounts = shop_mounts(settings, &own_url, address, &staff)?;
        let recorder =
            duplicate_recorder::run(services.clone(), duplicates.clone(), staff.drain.clone());
        staff.spawn(recorder);
        staff.spawn(crate::telemetry::metrics::keep_up(metrics.clone(), staff.drain.clone()));
        let guard = peers.guard.clone();
        let watched = staff.begin(settings, peers);
        let app_state = Arc::new(state_of(settings, services, duplicates, guard, metrics));
        staff.reconcile(watched, &app_state);
        let Workers { drain: drain_workers, workers, .. } = staff;
        let drain_edge = CancellationToken::new();
        let idle_drain = Duration::from_secs(u64::from(settings.idle_drain_seconds));
        let limits = limits_of(settings);
        let listeners = Listeners { limits, drain: drain_edge.clone(), idle_drain };
        let (mut serving, mut admin_endpoint) = (Vec::new(), Endpoint::Tcp(address));
        let shop_address = shop_listener.as_ref().map(|(_, address)| *address);
        if let Some((shop_listener, _)) = shop_listener {
            let public = std::mem::take(&mut mounts.public);
            serving
                .push(listeners.serve(shop_listener, other_routes(Arc::clone(&app_state), public)));
        }
        match admin_listener {
            None => serving.push(listeners.serve(listener, routes(Arc::clone(&app_state), mounts))),
            Some((admin_listener, endpoint)) => {
                serving.push(
                    listeners.serve(listener, public_routes(Arc::clone(&app_state), mounts.public)),
                );
                serving.push(listeners.serve(
                    admin_listener,
                    operator_routes(Arc::clone(&app_state), mounts.operator),
                ));
                admin_endpoint = endpoint;
            }
        }
        Ok(App {
            address,
            admin_endpoint,
            shop_address,
            app_state,
            drain_edge,
            drain_workers,
            serving,
            workers,
        })
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its admin API.
    #[must_use]
    pub fn admin_endpoint(&self) -> Endpoint {
        self.admin_endpoint.clone()
    }

    /// The address of the shop, if it has one of its own.
    #[must_use]
    pub const fn shop_address(&self) -> Option<SocketAddr> {
        self.shop_address
    }

    /// The store that it uses.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.app_state.services.store
    }

    /// Why nothing can be stored yet: the database does not accept writes.
    /// `None` if it does.
    #[must_use]
    pub fn waits_for(&self) -> Option<String> {
        self.app_state.services.store.waits_for()
    }

    /// Returns when the store has failed for good, with the reason. The process
    /// must end then, and be restarted from what is on the disk.
    pub async fn failed(&self) -> String {
        self.app_state.services.store.stopped().await
    }

    /// Stops accepting work, finishes what was begun, and closes the store.
    pub async fn drain(self) {
        self.app_state.draining.store(true, Ordering::Relaxed);
        // Both at the same time: no request in progress waits for a worker, and
        // the next process waits for both.
        self.drain_edge.cancel();
        self.drain_workers.cancel();
        self.workers.close();
        for serving in self.serving {
            if let Err(panic) = serving.await {
                tracing::error!(error = %panic, "a server task panicked");
            }
        }
        if tokio::time::timeout(WORKERS_DRAIN, self.workers.wait()).await.is_err() {
            tracing::warn!("a worker did not finish in time; its unfinished work will be repeated");
        }
        self.app_state.services.store.close().await;
    }
}
