//! Where everything is put together: the only file that names every concrete part.
//!
//! Read from top to bottom it is the picture of the running process: a store, the flows over it, the workers
//! beside it, the edge in front. It also knows the end: stop taking work, finish what was begun, let go.

mod endpoints;
mod peers;

use crate::payments;
use std::collections::BTreeMap;
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
use crate::flows::{Alarms, ClockSkew, Hints, News, Resting, Shop};
use crate::gateway::Provider;
use crate::http::Readiness;
use crate::http::server::{Limits, Listener};
use crate::http::{
    Edge, HOOKS_AT_ONCE_MAX, LivePages, NOTICES_AT_ONCE_MAX, ORDERS_AT_ONCE_MAX, Refusals, operator_routes,
    public_routes, routes, server,
};
use crate::kernel::chance::random_bytes;
use crate::kernel::{Clock, PartyName, Tokens};
use crate::marketplace::Sm;
use crate::notify::Audience;
use crate::notify::channel::telegram::Telegram;
use crate::peer::{ANSWER_BYTES_MAX, Client, ClientError, Guard};
use crate::store::postgres::Migration;
use crate::store::{Store, memory, postgres, sled};
use crate::workers::clerk::{self, Tally};
use crate::workers::clock_watch;
use crate::workers::collector::Collector;
use crate::workers::courier::{Courier, HANDOVER_SECONDS_MAX};
use crate::workers::envoy::Envoy;
use crate::workers::herald::{self, Herald};
use crate::workers::notice_channel::NoticeChannel;
use crate::workers::reconciler::Reconciler;
use crate::workers::sweeper;

use self::endpoints::{merchant_of, retention_of, source_endpoints};
pub use self::peers::{asked_marketplaces, gateways, told_marketplaces};
use self::peers::{ears, payment_pages, sellers};

/// Why the gateway cannot start. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store does not open.
    #[error("{0}")]
    Store(#[from] sled::OpenError),
    /// The database cannot be used.
    #[error("{0}")]
    Database(#[from] postgres::OpenError),
    /// The database's address makes no sense.
    #[error("store: {0}")]
    Address(#[from] postgres::BadAddress),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {why}. Is another program there? Choose another with {setting}")]
    Listen {
        /// The address.
        address: String,
        /// Where it is set.
        setting: &'static str,
        /// What the system said.
        why: std::io::Error,
    },
    /// Peers cannot be called.
    #[error("{0}")]
    Client(#[from] ClientError),
}

/// A running gateway.
#[derive(Debug)]
pub struct App {
    address: SocketAddr,
    admin_endpoint: Endpoint,
    edge: Arc<Edge>,
    drain_edge: CancellationToken,
    drain_workers: CancellationToken,
    serving: Vec<JoinHandle<()>>,
    workers: TaskTracker,
}

/// How long the workers may take to finish what they are at.
const WORKERS_DRAIN: Duration = Duration::from_secs(HANDOVER_SECONDS_MAX + 2);

/// Opens the store that the settings name, which must be fit for use.
pub async fn open_store(settings: &Settings, clock: &Clock) -> Result<Store, StartError> {
    if let StoreUrl::Postgres(url) = &settings.store {
        let opened = postgres::Postgres::open(&url.expose().parse()?, migration_of(settings), clock).await?;
        return Ok(Store::Postgres(Arc::new(opened)));
    }
    open_store_or_wait(settings, clock).await
}

fn migration_of(settings: &Settings) -> Migration {
    if settings.store_migrate { Migration::Apply } else { Migration::Refuse }
}

/// Opens the store that the settings name. A database that takes no writes yet is waited for: the store is unavailable
/// meanwhile.
async fn open_store_or_wait(settings: &Settings, clock: &Clock) -> Result<Store, StartError> {
    match settings.store.clone() {
        StoreUrl::Memory => Ok(Store::Memory(Arc::new(memory::Memory::new(clock.clone())))),
        StoreUrl::Sled(path) => {
            let cache_bytes = u64::from(settings.store_cache_mebibytes) * 1024 * 1024;
            Ok(Store::Sled(Arc::new(sled::Sled::open_in_time(&path, cache_bytes, clock).await?)))
        }
        StoreUrl::Postgres(url) => {
            let address = url.expose().parse()?;
            let opened = postgres::Postgres::open_or_wait(&address, migration_of(settings), clock).await?;
            Ok(Store::Postgres(Arc::new(opened)))
        }
    }
}

/// The bot that the settings name, if they name one.
pub fn telegram(settings: &Settings) -> Result<Option<Telegram>, StartError> {
    let Some(telegram) = &settings.notify.telegram else { return Ok(None) };
    let client = Client::new(Duration::from_secs(HANDOVER_SECONDS_MAX), ANSWER_BYTES_MAX)?;
    Ok(Some(Telegram::new(client, &telegram.url, telegram.token.clone())))
}

/// Those whom we call.
struct Peers {
    telegram: Option<Telegram>,
    gateways: BTreeMap<PartyName, Arc<dyn Provider>>,
    /// Marketplaces that hear how far their orders are.
    told: BTreeMap<PartyName, Sm>,
    /// Marketplaces that are asked for their orders.
    watched: BTreeMap<PartyName, Sm>,
    /// For merchants' sites at addresses of the configuration.
    sites: Client,
    /// For addresses that came with an order.
    guarded: Client,
    guard: Guard,
}

impl Peers {
    fn of(settings: &Settings, clock: &Clock) -> Result<Peers, StartError> {
        let deadline = Duration::from_secs(herald::CALL_SECONDS_MAX);
        let guard = Guard::new(settings.callback_networks.0.iter().copied());
        Ok(Peers {
            telegram: telegram(settings)?,
            gateways: gateways(settings)?,
            told: told_marketplaces(settings, clock)?,
            watched: asked_marketplaces(settings, clock)?,
            sites: Client::new(deadline, ANSWER_BYTES_MAX)?,
            guarded: Client::guarded(deadline, ANSWER_BYTES_MAX, guard.clone())?,
            guard,
        })
    }
}

/// What every use case works with.
fn shop_of(settings: &Settings, store: Store, clock: Clock, peers: &Peers, address: SocketAddr) -> Shop {
    let chats = settings.notify.telegram.as_ref().map(|telegram| telegram.chats.clone()).unwrap_or_default();
    let public_url = match &settings.public_url {
        Some(_) => settings.public_url(),
        None => format!("http://{address}"), // the port may have been the system's choice
    };
    let handover = |(name, known): (&PartyName, &Arc<dyn Provider>)| (name.clone(), known.handover());
    Shop {
        store,
        clock,
        audience: Audience { language: settings.notify.language, chats },
        recent: Arc::default(),
        listeners: Arc::new(peers.told.keys().cloned().collect()),
        sellers: Arc::new(sellers(settings, &peers.gateways)),
        handovers: Arc::new(peers.gateways.iter().map(handover).collect()),
        public_url: public_url.into(),
        news: News::default(),
        alarms: Alarms::default(),
        clock_skew: ClockSkew::default(),
        resting: Resting::default(),
        hints: Hints::default(),
        shop_key: Arc::default(),
    }
}

/// What the handlers share.
fn edge_of(settings: &Settings, shop: Shop, tally: Tally, guard: Guard, metrics: PrometheusHandle) -> Edge {
    let key = random_bytes();
    let merchants = settings.merchants.iter().map(|(name, merchant)| merchant_of(name, merchant, key));
    let pages = settings.gateways.iter().map(|(name, gateway)| payment_pages(name, gateway));
    Edge {
        shop,
        sources: source_endpoints(settings, key),
        merchants: merchants.collect(),
        tally,
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
        draining: AtomicBool::new(false),
        refusals: Refusals::default(),
        notices_at_once: Arc::new(Semaphore::new(NOTICES_AT_ONCE_MAX)),
        hooks_at_once: Arc::new(Semaphore::new(HOOKS_AT_ONCE_MAX)),
        orders_at_once: Arc::new(Semaphore::new(ORDERS_AT_ONCE_MAX)),
    }
}

/// The workers, and how they are told to end.
struct Staff {
    shop: Shop,
    drain: CancellationToken,
    workers: TaskTracker,
}

impl Staff {
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.workers.spawn(work);
    }

    /// Begins what the settings ask for. Returns the marketplaces that are looked through when the edge stands.
    fn begin(&self, settings: &Settings, peers: Peers) -> BTreeMap<PartyName, Sm> {
        let Peers { telegram, gateways, told, watched, sites, guarded, guard: _ } = peers;
        let Staff { shop, drain, .. } = self;
        self.spawn(clock_watch::run(shop.clone(), drain.clone()));
        self.spawn(sweeper::run(shop.clone(), retention_of(settings), drain.clone()));
        if let (Some(telegram), Some(set)) = (telegram, &settings.notify.telegram) {
            let gap = Duration::from_millis(u64::from(set.gap_milliseconds));
            self.spawn(Courier { shop: shop.clone(), telegram, gap }.run(drain.clone()));
        }
        if !told.is_empty() {
            let envoy = Envoy { shop: shop.clone(), marketplaces: Arc::new(told) };
            self.spawn(envoy.run(drain.clone()));
        }
        for (name, gateway) in &settings.gateways {
            let Some(open) = gateway.channel() else { continue };
            let channel = NoticeChannel {
                shop: shop.clone(),
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
            let collector = Collector { shop: shop.clone(), gateways, breakers: Arc::default() };
            self.spawn(collector.clone().run(payments::LANE, drain.clone()));
            self.spawn(collector.run(payments::WATCH_LANE, drain.clone()));
            let ears = Arc::new(ears(settings));
            let herald = Herald { shop: shop.clone(), client: sites, guarded, ears };
            self.spawn(herald.run(drain.clone()));
        }
        watched
    }

    /// Begins to look for hooks that never came.
    fn reconcile(&self, watched: BTreeMap<PartyName, Sm>, edge: &Edge) {
        for (source, marketplace) in watched {
            let Some(endpoint) = edge.sources.get(source.as_str()) else { continue };
            let protocol = Arc::clone(&endpoint.protocol);
            let reconciler = Reconciler { shop: self.shop.clone(), source, protocol, marketplace };
            self.spawn(reconciler.run(self.drain.clone()));
        }
    }
}

impl App {
    /// Builds everything and begins to serve.
    pub async fn start(
        settings: &Settings,
        clock: Clock,
        metrics: PrometheusHandle,
    ) -> Result<App, StartError> {
        let peers = Peers::of(settings, &clock)?;
        let listener = server::listen_or_inherit(settings.listen).await;
        let not_listening =
            |why| StartError::Listen { address: settings.listen.to_string(), setting: "--listen", why };
        let listener = listener.map_err(not_listening)?;
        let address = listener.local_addr().map_err(not_listening)?;
        let admin_listener = match &settings.admin_listen {
            Some(endpoint) => Some(listen_at(endpoint).await?),
            None => None,
        };
        let store = open_store_or_wait(settings, &clock).await?;
        let shop = shop_of(settings, store, clock, &peers, address);
        clock_watch::look(&shop).await;
        let tally = Tally::default();
        let staff =
            Staff { shop: shop.clone(), drain: CancellationToken::new(), workers: TaskTracker::new() };
        staff.spawn(clerk::run(shop.clone(), tally.clone(), staff.drain.clone()));
        staff.spawn(crate::telemetry::metrics::keep_up(metrics.clone(), staff.drain.clone()));
        let guard = peers.guard.clone();
        let watched = staff.begin(settings, peers);
        let edge = Arc::new(edge_of(settings, shop, tally, guard, metrics));
        staff.reconcile(watched, &edge);
        let Staff { drain: drain_workers, workers, .. } = staff;
        let drain_edge = CancellationToken::new();
        let idle_drain = Duration::from_secs(u64::from(settings.idle_drain_seconds));
        let limits = Limits {
            per_address_max: usize::try_from(settings.connections_per_address_max.get())
                .unwrap_or(usize::MAX),
            exempt: settings.trusted_proxies.0.clone(),
            ..Limits::default()
        };
        let serve = |listener, routes| {
            tokio::spawn(server::serve(listener, routes, limits.clone(), drain_edge.clone(), idle_drain))
        };
        let (mut serving, mut admin_endpoint) = (Vec::new(), Endpoint::Tcp(address));
        match admin_listener {
            None => serving.push(serve(listener, routes(Arc::clone(&edge)))),
            Some((admin_listener, endpoint)) => {
                serving.push(serve(listener, public_routes(Arc::clone(&edge))));
                serving.push(serve(admin_listener, operator_routes(Arc::clone(&edge))));
                admin_endpoint = endpoint;
            }
        }
        Ok(App { address, admin_endpoint, edge, drain_edge, drain_workers, serving, workers })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its admin API is.
    #[must_use]
    pub fn admin_endpoint(&self) -> Endpoint {
        self.admin_endpoint.clone()
    }

    /// The store that it works on.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.edge.shop.store
    }

    /// Why nothing can be kept yet, if that is so: the database takes no writes yet.
    #[must_use]
    pub fn waits_for(&self) -> Option<String> {
        self.edge.shop.store.waits_for()
    }

    /// Returns when the store has failed for good, with the reason. The process must end then, and start
    /// anew from what the disk really has.
    pub async fn failed(&self) -> String {
        self.edge.shop.store.stopped().await
    }

    /// Stops taking work, finishes what was begun, and lets go of the store.
    pub async fn drain(self) {
        self.edge.draining.store(true, Ordering::Relaxed);
        // Both at once: nothing that is still answered waits for a worker, and the successor waits for both.
        self.drain_edge.cancel();
        self.drain_workers.cancel();
        self.workers.close();
        for serving in self.serving {
            if let Err(panic) = serving.await {
                tracing::error!(error = %panic, "serving ended badly");
            }
        }
        if tokio::time::timeout(WORKERS_DRAIN, self.workers.wait()).await.is_err() {
            tracing::warn!("a worker did not finish in time; what it was at will be done again");
        }
        self.edge.shop.store.close().await;
    }
}

/// Listens where the admin API is to be. A port may be the system's choice.
async fn listen_at(endpoint: &Endpoint) -> Result<(Listener, Endpoint), StartError> {
    let not_listening =
        |why| StartError::Listen { address: endpoint.to_string(), setting: "admin_listen", why };
    match endpoint {
        Endpoint::Tcp(address) => {
            let listener = server::listen(*address).await.map_err(not_listening)?;
            let address = listener.local_addr().map_err(not_listening)?;
            Ok((listener, Endpoint::Tcp(address)))
        }
        Endpoint::Unix(path) => {
            let listener = server::listen_at(path).await.map_err(not_listening)?;
            Ok((listener, endpoint.clone()))
        }
    }
}
