//! Where everything is put together: the only file that names every concrete part.
//!
//! Read from top to bottom it is the picture of the running process: a store, the flows over it, the workers
//! beside it, the edge in front. It also knows the end: stop taking work, finish what was begun, let go.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Settings, Source, SourceProtocol, StoreUrl};
use crate::dedup::retention;
use crate::flows::Shop;
use crate::flows::sweep::Retention;
use crate::http::{Door, Edge, HOOKS_AT_ONCE_MAX, routes, server};
use crate::kernel::chance::random_bytes;
use crate::kernel::{Clock, SourceName, Tokens};
use crate::notify::Audience;
use crate::notify::channel::telegram::Telegram;
use crate::peer::{ANSWER_BYTES_MAX, Client, ClientError};
use crate::store::{Store, memory, sled};
use crate::webhooks::Protocol;
use crate::webhooks::sm::Sm;
use crate::workers::clerk::{self, Tally};
use crate::workers::courier::{Courier, HANDOVER_SECONDS_MAX};
use crate::workers::sweeper;

/// Why the gateway cannot start. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store does not open.
    #[error("{0}")]
    Store(#[from] sled::OpenError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {why}. Is another program there? Choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
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
    edge: Arc<Edge>,
    drain_edge: CancellationToken,
    drain_workers: CancellationToken,
    serving: JoinHandle<()>,
    workers: TaskTracker,
}

/// How long the workers may take to finish what they are at.
const WORKERS_DRAIN: Duration = Duration::from_secs(HANDOVER_SECONDS_MAX + 2);

/// Opens the store that the settings name.
pub async fn open_store(settings: &Settings) -> Result<Store, StartError> {
    match settings.store.clone() {
        StoreUrl::Memory => Ok(Store::Memory(Arc::new(memory::Memory::default()))),
        StoreUrl::Sled(path) => {
            let cache_bytes = u64::from(settings.store_cache_mebibytes) * 1024 * 1024;
            // Recovery reads the disk: not on a thread that others wait for.
            let opened = tokio::task::spawn_blocking(move || sled::Sled::open(&path, cache_bytes)).await;
            match opened {
                Ok(opened) => Ok(Store::Sled(Arc::new(opened?))),
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
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
        let listener = server::listen(settings.listen).await;
        let listener = listener.map_err(|why| StartError::Listen { address: settings.listen, why })?;
        let address =
            listener.local_addr().map_err(|why| StartError::Listen { address: settings.listen, why })?;
        let store = open_store(settings).await?;

        let chats =
            settings.notify.telegram.as_ref().map(|telegram| telegram.chats.clone()).unwrap_or_default();
        let audience = Audience { language: settings.notify.language, chats };
        let shop = Shop { store, clock, audience, seen: Arc::default() };
        let tally = Tally::default();

        let drain_workers = CancellationToken::new();
        let workers = TaskTracker::new();
        workers.spawn(clerk::run(shop.clone(), tally.clone(), drain_workers.clone()));
        workers.spawn(sweeper::run(shop.clone(), retention_of(settings), drain_workers.clone()));
        if let (Some(telegram), Some(set)) = (telegram, &settings.notify.telegram) {
            let gap = Duration::from_millis(u64::from(set.gap_milliseconds));
            let courier = Courier { shop: shop.clone(), telegram, gap };
            workers.spawn(courier.run(drain_workers.clone()));
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
            tally,
            admin: settings.admin_token.as_ref().map(|token| Tokens::new([token], key)),
            metrics,
            request_ids: crate::telemetry::request_id::RequestIds::default(),
            draining: AtomicBool::new(false),
            hooks_at_once: Arc::new(Semaphore::new(HOOKS_AT_ONCE_MAX)),
        });
        let drain_edge = CancellationToken::new();
        let serving = tokio::spawn(server::serve(listener, routes(Arc::clone(&edge)), drain_edge.clone()));
        Ok(App { address, edge, drain_edge, drain_workers, serving, workers })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The store that it works on.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.edge.shop.store
    }

    /// Returns when the store has failed for good, with the reason. The process must end then, and start
    /// anew from what the disk really has.
    pub async fn failed(&self) -> String {
        self.edge.shop.store.stopped().await
    }

    /// Stops taking work, finishes what was begun, and lets go of the store.
    pub async fn drain(self) {
        self.edge.draining.store(true, Ordering::Relaxed);
        self.drain_edge.cancel();
        if let Err(panic) = self.serving.await {
            tracing::error!(error = %panic, "serving ended badly");
        }
        self.drain_workers.cancel();
        self.workers.close();
        if tokio::time::timeout(WORKERS_DRAIN, self.workers.wait()).await.is_err() {
            tracing::warn!("a worker did not finish in time; what it was at will be done again");
        }
        self.edge.shop.store.close().await;
    }
}

fn protocol_of(source: &Source, key: [u8; 32]) -> Box<dyn Protocol> {
    match source.protocol {
        SourceProtocol::Sm => Box::new(Sm::new(Tokens::new(source.tokens(), key))),
    }
}

fn retention_of(settings: &Settings) -> Retention {
    let days = |source: &Source| retention::days(source.retention_days);
    let sources: std::collections::BTreeMap<_, _> =
        settings.sources.iter().map(|(name, source)| (SourceName::new(name.clone()), days(source))).collect();
    let longest = sources.values().max().copied();
    let otherwise = longest.unwrap_or_else(|| retention::days(retention::RETENTION_DAYS_DEFAULT));
    Retention { sources, otherwise }
}
