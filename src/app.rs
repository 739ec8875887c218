//! Where everything is put together: the only file that names every concrete part.
//!
//! Read from top to bottom it is the picture of the running process: a store, the flows over it, the workers
//! beside it, the edge in front. It also knows the end: stop taking work, finish what was begun, let go.

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

use crate::config::{
    Endpoint, Gateway, GatewayProtocol, Merchant, Outgoing, Payment, Settings, Source, SourceProtocol,
    StoreUrl,
};
use crate::dedup::retention;
use crate::flows::sweep::Retention;
use crate::flows::{Alarms, Callbacks, ClockSkew, Hints, News, Rates, Resting, Seller, Shop};
use crate::gateway::{Provider, invoicebox, yookassa};
use crate::http::api::{MerchantDoor, Pace};
use crate::http::channel::Channel;
use crate::http::ops::Readiness;
use crate::http::server::{Limits, Listener};
use crate::http::watchman::Watchman;
use crate::http::{
    Door, Edge, HOOKS_AT_ONCE_MAX, LivePages, NOTICES_AT_ONCE_MAX, NoticeDoor, OLD_ADDRESSES_AT_ONCE_MAX,
    ORDERS_AT_ONCE_MAX, Refusals, operator_routes, public_routes, routes, server,
};
use crate::kernel::chance::random_bytes;
use crate::kernel::{Clock, Lane, Secret, SourceName, Tokens};
use crate::marketplace::Sm;
use crate::notify::Audience;
use crate::notify::channel::telegram::Telegram;
use crate::payments::VatCode;
use crate::peer::{ANSWER_BYTES_MAX, Client, ClientError, Guard};
use crate::store::postgres::Migration;
use crate::store::{Store, memory, postgres, sled};
use crate::webhooks::{self, NoticeProtocol, Protocol};
use crate::workers::clerk::{self, Tally};
use crate::workers::clock_watch;
use crate::workers::collector::Collector;
use crate::workers::courier::{Courier, HANDOVER_SECONDS_MAX};
use crate::workers::envoy::{self, Envoy};
use crate::workers::herald::{self, Ear, Herald};
use crate::workers::sweeper;

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

/// The most of a marketplace's answer that is read, in bytes: a page of a hundred orders.
const SHIPMENTS_BYTES_MAX: usize = 8 * 1024 * 1024;

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

impl App {
    /// Builds everything and begins to serve.
    pub async fn start(
        settings: &Settings,
        clock: Clock,
        metrics: PrometheusHandle,
    ) -> Result<App, StartError> {
        let telegram = telegram(settings)?;
        let gateways = gateways(settings)?;
        let (marketplaces, watched) =
            (told_marketplaces(settings, &clock)?, asked_marketplaces(settings, &clock)?);
        let herald_deadline = Duration::from_secs(herald::CALL_SECONDS_MAX);
        let herald_client = Client::new(herald_deadline, ANSWER_BYTES_MAX)?;
        let guard = Guard::new(settings.callback_networks.iter().copied());
        let guarded_client = Client::guarded(herald_deadline, ANSWER_BYTES_MAX, guard.clone())?;
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

        let chats =
            settings.notify.telegram.as_ref().map(|telegram| telegram.chats.clone()).unwrap_or_default();
        let audience = Audience { language: settings.notify.language, chats };
        let public_url = match &settings.public_url {
            Some(_) => settings.public_url(),
            None => format!("http://{address}"), // the port may have been the system's choice
        };
        let shop = Shop {
            store,
            clock,
            audience,
            recent: Arc::default(),
            listeners: Arc::new(marketplaces.keys().cloned().collect()),
            sellers: Arc::new(sellers(settings, &gateways)),
            handovers: Arc::new(
                gateways.iter().map(|(name, known)| (name.clone(), known.handover())).collect(),
            ),
            public_url: public_url.into(),
            news: News::default(),
            alarms: Alarms::default(),
            clock_skew: ClockSkew::default(),
            resting: Resting::default(),
            hints: Hints::default(),
            shop_key: Arc::default(),
        };
        clock_watch::look(&shop).await;
        let tally = Tally::default();

        let drain_workers = CancellationToken::new();
        let workers = TaskTracker::new();
        workers.spawn(clerk::run(shop.clone(), tally.clone(), drain_workers.clone()));
        workers.spawn(clock_watch::run(shop.clone(), drain_workers.clone()));
        workers.spawn(sweeper::run(shop.clone(), retention_of(settings), drain_workers.clone()));
        if let (Some(telegram), Some(set)) = (telegram, &settings.notify.telegram) {
            let gap = Duration::from_millis(u64::from(set.gap_milliseconds));
            let courier = Courier { shop: shop.clone(), telegram, gap };
            workers.spawn(courier.run(drain_workers.clone()));
        }
        if !marketplaces.is_empty() {
            let envoy = Envoy { shop: shop.clone(), marketplaces: Arc::new(marketplaces) };
            workers.spawn(envoy.run(drain_workers.clone()));
        }
        for (name, gateway) in &settings.gateways {
            let Some(url) = &gateway.channel_url else { continue };
            let channel = Channel {
                shop: shop.clone(),
                gateway: SourceName::new(name.clone()),
                account: gateway.merchant_id.clone(),
                url: Secret::new(format!("{}?token={}", url.expose(), gateway.token.expose())),
                protocol: notice_protocol(gateway).into(),
            };
            workers.spawn(channel.run(drain_workers.clone()));
        }
        let gateways = Arc::new(gateways);
        if !gateways.is_empty() {
            let collector =
                Collector { shop: shop.clone(), gateways: Arc::clone(&gateways), breakers: Arc::default() };
            workers.spawn(collector.clone().run(Lane::Payment, drain_workers.clone()));
            workers.spawn(collector.run(Lane::Watch, drain_workers.clone()));
            let herald = Herald {
                shop: shop.clone(),
                client: herald_client,
                guarded: guarded_client,
                ears: Arc::new(ears(settings)),
            };
            workers.spawn(herald.run(drain_workers.clone()));
        }

        workers.spawn(crate::telemetry::metrics::keep_up(metrics.clone(), drain_workers.clone()));

        let key = random_bytes();
        let door = |(name, source): (&String, &Source)| {
            let door = Door { source: SourceName::new(name.clone()), protocol: protocol_of(source, key) };
            (name.clone(), Arc::new(door))
        };
        let edge = Arc::new(Edge {
            shop,
            doors: settings.sources.iter().map(door).collect(),
            notice_doors: settings.gateways.iter().map(notice_door).collect(),
            merchants: settings.merchants.iter().map(|merchant| merchant_of(merchant, key)).collect(),
            tally,
            trusted_proxies: settings.trusted_proxies.clone(),
            guard,
            payment_pages: settings.gateways.iter().map(payment_pages).collect(),
            admin: settings.admin_token.as_ref().map(|token| Tokens::new([token], key)),
            key,
            live_pages: LivePages::default(),
            old_addresses_at_once: Arc::new(Semaphore::new(OLD_ADDRESSES_AT_ONCE_MAX)),
            metrics,
            request_ids: crate::telemetry::request_id::RequestIds::default(),
            store_mark: http::HeaderValue::from_str(&settings.store.mark()).ok(),
            readiness: Readiness::default(),
            draining: AtomicBool::new(false),
            refusals: Refusals::default(),
            notices_at_once: Arc::new(Semaphore::new(NOTICES_AT_ONCE_MAX)),
            hooks_at_once: Arc::new(Semaphore::new(HOOKS_AT_ONCE_MAX)),
            orders_at_once: Arc::new(Semaphore::new(ORDERS_AT_ONCE_MAX)),
        });
        for (source, marketplace) in watched {
            let Some(door) = edge.doors.get(source.as_str()).cloned() else { continue };
            let watchman = Watchman { edge: Arc::clone(&edge), door, marketplace };
            workers.spawn(watchman.run(drain_workers.clone()));
        }
        let drain_edge = CancellationToken::new();
        let idle_drain = Duration::from_secs(u64::from(settings.idle_drain_seconds));
        let limits = Limits {
            per_address_max: usize::try_from(settings.connections_per_address_max.get())
                .unwrap_or(usize::MAX),
            exempt: settings.trusted_proxies.clone(),
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

/// The payment systems that the settings name.
pub fn gateways(settings: &Settings) -> Result<BTreeMap<SourceName, Arc<dyn Provider>>, StartError> {
    let mut gateways: BTreeMap<SourceName, Arc<dyn Provider>> = BTreeMap::new();
    for (name, gateway) in &settings.gateways {
        let provider: Arc<dyn Provider> = match gateway.protocol {
            GatewayProtocol::Invoicebox => {
                let deadline = Duration::from_secs(invoicebox::CALL_SECONDS_MAX);
                let client = Client::new(deadline, invoicebox::ANSWER_BYTES_MAX)?;
                let setup = invoicebox::Setup {
                    url: gateway.url().to_owned(),
                    version: gateway.version,
                    token: gateway.token.clone(),
                    merchant_id: gateway.merchant_id.clone(),
                    payment_hosts: gateway.payment_hosts(),
                    receipts: gateway.receipts,
                    payment_mode: gateway.payment_mode,
                };
                Arc::new(invoicebox::Invoicebox::new(client, setup))
            }
            GatewayProtocol::Yookassa => {
                let deadline = Duration::from_secs(yookassa::CALL_SECONDS_MAX);
                let client = Client::new(deadline, yookassa::ANSWER_BYTES_MAX)?;
                let setup = yookassa::Setup {
                    url: gateway.url().to_owned(),
                    shop_id: gateway.merchant_id.clone(),
                    secret_key: gateway.token.clone(),
                    two_steps: gateway.two_steps,
                    receipts: gateway.receipts,
                    payment_mode: gateway.payment_mode,
                    tax_system_code: gateway.tax_system_code,
                    payment_hosts: gateway.payment_hosts(),
                };
                Arc::new(yookassa::Yookassa::new(client, setup))
            }
        };
        gateways.insert(SourceName::new(name.clone()), provider);
    }
    Ok(gateways)
}

fn payment_pages((name, gateway): (&String, &Gateway)) -> (SourceName, (String, Vec<String>)) {
    (SourceName::new(name.clone()), (gateway.url().to_owned(), gateway.payment_hosts()))
}

/// The marketplaces that hear how far their orders are.
pub fn told_marketplaces(settings: &Settings, clock: &Clock) -> Result<BTreeMap<SourceName, Sm>, StartError> {
    marketplaces(settings, clock, |outgoing| Some(outgoing.url.clone()))
}

/// The marketplaces whose lists of orders are looked through.
pub fn asked_marketplaces(
    settings: &Settings,
    clock: &Clock,
) -> Result<BTreeMap<SourceName, Sm>, StartError> {
    marketplaces(settings, clock, |outgoing| outgoing.shipments_url.clone())
}

/// The marketplaces that are told or asked, at the address that `url` picks. The configuration has checked how we prove
/// ourselves.
fn marketplaces(
    settings: &Settings,
    clock: &Clock,
    url: impl Fn(&Outgoing) -> Option<String>,
) -> Result<BTreeMap<SourceName, Sm>, StartError> {
    let mut marketplaces = BTreeMap::new();
    for (name, source) in &settings.sources {
        let Some(outgoing) = &source.outgoing else { continue };
        let (Ok(access), Some(url)) = (outgoing.access(), url(outgoing)) else { continue };
        let client = Client::new(Duration::from_secs(envoy::TELL_SECONDS_MAX), SHIPMENTS_BYTES_MAX)?;
        let marketplace = match source.protocol {
            SourceProtocol::Sm => Sm::new(client, url, access, clock.clone()),
        };
        marketplaces.insert(SourceName::new(name.clone()), marketplace);
    }
    Ok(marketplaces)
}

/// Whose orders are paid through us. The configuration has checked that each has its payment system.
fn sellers(
    settings: &Settings,
    gateways: &BTreeMap<SourceName, Arc<dyn Provider>>,
) -> BTreeMap<SourceName, Seller> {
    let seller = |named: Option<&str>, rates, callbacks| {
        let (name, gateway) = settings.gateway_of(named).ok()?;
        let (name, account) = (SourceName::new(name), gateway.merchant_id.clone());
        let terms = gateways.get(&name)?.terms();
        Some(Seller { gateway: name, account, rates, callbacks, terms })
    };
    let marketplaces = settings.sources.iter().filter(|(_, source)| source.payment == Payment::Link);
    let marketplaces = marketplaces.filter_map(|(name, source)| {
        let rates = Rates { goods: source.vat, delivery: source.delivery_vat.unwrap_or(source.vat) };
        Some((SourceName::new(name.clone()), seller(source.gateway.as_deref(), rates, Callbacks::None)?))
    });
    let merchants = settings.merchants.iter().filter_map(|(name, merchant)| {
        let callbacks = match (&merchant.callback_url, &merchant.callback_secret) {
            (Some(_), _) => Callbacks::Always,
            (None, Some(_)) => Callbacks::WhereNamed,
            (None, None) => Callbacks::None,
        };
        // A site names the rate of each line.
        let rates = Rates { goods: VatCode::None, delivery: VatCode::None };
        let seller = seller(merchant.gateway.as_deref(), rates, callbacks)?;
        Some((SourceName::new(name.clone()), seller))
    });
    marketplaces.chain(merchants).collect()
}

/// Where merchants want to hear of their orders.
fn ears(settings: &Settings) -> BTreeMap<SourceName, Ear> {
    let ear = |(name, merchant): (&String, &Merchant)| {
        let (url, secret) = (merchant.callback_url.clone(), merchant.callback_secret.clone()?);
        Some((SourceName::new(name.clone()), Ear { url, secret }))
    };
    settings.merchants.iter().filter_map(ear).collect()
}

fn notice_door((name, gateway): (&String, &Gateway)) -> (String, Arc<NoticeDoor>) {
    let protocol = notice_protocol(gateway);
    let door =
        NoticeDoor { gateway: SourceName::new(name.clone()), account: gateway.merchant_id.clone(), protocol };
    (name.clone(), Arc::new(door))
}

fn notice_protocol(gateway: &Gateway) -> Box<dyn NoticeProtocol> {
    match gateway.protocol {
        GatewayProtocol::Invoicebox => {
            // The configuration has checked that it is there; without it nothing must verify.
            let nobodys = || Secret::new(u128::from_be_bytes(random_bytes()).to_string());
            let key = gateway.signing_key.clone().unwrap_or_else(nobodys);
            Box::new(webhooks::invoicebox::Invoicebox::new(key, gateway.signing_algorithm))
        }
        GatewayProtocol::Yookassa => Box::new(webhooks::yookassa::Yookassa::new(gateway.notice_networks())),
    }
}

fn merchant_of((name, merchant): (&String, &Merchant), key: [u8; 32]) -> MerchantDoor {
    MerchantDoor {
        name: SourceName::new(name.clone()),
        keys: Tokens::new(merchant.api_keys(), key),
        pace: Pace::per_minute(merchant.requests_per_minute_max),
    }
}

fn protocol_of(source: &Source, key: [u8; 32]) -> Box<dyn Protocol> {
    match source.protocol {
        SourceProtocol::Sm => {
            Box::new(webhooks::sm::Sm::new(Tokens::new(source.tokens(), key), source.time_zone.clone()))
        }
    }
}

fn retention_of(settings: &Settings) -> Retention {
    let days = |source: &Source| retention::days(source.retention_days);
    let sources: BTreeMap<_, _> =
        settings.sources.iter().map(|(name, source)| (SourceName::new(name.clone()), days(source))).collect();
    let longest = sources.values().max().copied();
    let otherwise = longest.unwrap_or_else(|| retention::days(retention::RETENTION_DAYS_DEFAULT));
    Retention { sources, otherwise }
}
