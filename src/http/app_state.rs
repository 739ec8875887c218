//! The state that the handlers share.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, HeaderValue, header};
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use tillgate_web::Seldom;
use tillgate_web::request_id::RequestIds;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::api::MerchantAccess;
use super::live::LivePages;
use super::problem::Problem;
use super::{OutboxCount, REQUEST_ID, Readiness, body, forwarded};
use crate::flows::Services;
use crate::kernel::image::Image;
use crate::kernel::{PartyName, Tokens};
use crate::peer::Guard;
use crate::telemetry::metrics::{self, HookMetrics};
use crate::webhooks::{Protocol, Verifier};
use crate::workers::duplicate_recorder::DuplicateCounter;

/// A configured source or payment system, as the HTTP handlers see it.
#[derive(Debug)]
pub struct SourceEndpoint {
    pub source: PartyName,
    pub kind: SenderKind,
    /// Verifies the sender of a request.
    pub verifier: Verifier,
    /// Reads the sender's requests and builds its answers.
    pub protocol: Arc<dyn Protocol>,
}

impl SourceEndpoint {
    #[must_use]
    pub fn is_payment_system(&self) -> bool {
        matches!(self.kind, SenderKind::PaymentSystem { .. })
    }
}

/// What a sender sends.
#[derive(Debug)]
pub enum SenderKind {
    /// A marketplace: hooks about orders.
    Marketplace { metrics: HookMetrics },
    /// A payment system: notifications about payments.
    PaymentSystem {
        /// Our account there.
        account: String,
    },
}

/// The name and the logo of a merchant, as buyers see them.
#[derive(Debug, Clone)]
pub struct Shop {
    pub name: String,
    pub logo: Option<Image>,
}

/// The state that the handlers share.
#[derive(Debug)]
pub struct AppState {
    /// The store, the clock, and what else the use cases need.
    pub services: Services,
    /// Senders of hooks and notifications, by name.
    pub sources: BTreeMap<String, Arc<SourceEndpoint>>,
    /// The merchants, with the keys and rate limits of their sites.
    pub merchants: Vec<MerchantAccess>,
    /// How buyers' pages call the merchants.
    pub shops: BTreeMap<PartyName, Shop>,
    /// Counts duplicates of hooks.
    pub duplicates: DuplicateCounter,
    /// Proxies that are trusted to report the address of the sender.
    pub trusted_proxies: Vec<IpNet>,
    /// Decides which addresses from requests tillgate may call.
    pub guard: Guard,
    /// The API address of each payment system, and the additional hosts on
    /// which its payment pages may be.
    pub payment_pages: BTreeMap<PartyName, (String, Vec<String>)>,
    /// The tokens for the admin API; `None` when it is off.
    pub admin: Option<Tokens>,
    /// The key under which secrets are compared. It is generated when the
    /// process starts.
    pub key: [u8; 32],
    /// Slots for buyers' pages that receive live updates.
    pub live_pages: LivePages,
    /// Renders the metrics page.
    pub metrics: PrometheusHandle,
    /// Assigns request ids.
    pub request_ids: RequestIds,
    /// Identifies the store of this receiver to programs on the same machine.
    pub store_mark: Option<HeaderValue>,
    /// The result of the last check of the store.
    pub readiness: Readiness,
    pub outbox_count: OutboxCount,
    /// Set when the receiver is shutting down and accepts no new work.
    pub draining: AtomicBool,
    /// Limits the log lines about refused requests.
    pub refusals: Refusals,
    /// Slots for hooks that are being processed, whether or not their senders
    /// still wait.
    pub hooks_at_once: Arc<Semaphore>,
    /// Slots for notifications. They are separate from those for hooks, because
    /// the body of an unknown sender is read before its signature can be
    /// verified.
    pub notifications_at_once: Arc<Semaphore>,
    /// Slots for orders of sites that are being placed. They are separate from
    /// those for hooks, because each order may wait for its link.
    pub orders_at_once: Arc<Semaphore>,
}

/// Limits the log lines about refused requests to one per second, because
/// unknown senders can send any number of them.
#[derive(Debug, Default)]
pub struct Refusals {
    pub(super) hooks: Seldom,
    pub(super) notifications: Seldom,
    pub(super) unreadable: Seldom,
    pub(super) parked: Seldom,
    log_ins: Seldom,
}

impl AppState {
    /// Gives a request its id, in its own header.
    pub(super) fn receive_id(&self, headers: &mut HeaderMap) -> HeaderValue {
        let id = self.request_ids.of(headers.get(REQUEST_ID));
        headers.insert(REQUEST_ID, id.clone());
        id
    }

    /// Puts the id of a request into its answer, which also says that the
    /// connection closes while the receiver is shutting down.
    pub(super) fn send_id(&self, id: HeaderValue, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, id);
        if self.draining.load(Ordering::Relaxed) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// Counts a request without valid credentials. `api` is the API, `v1` or
    /// `admin`.
    pub(crate) fn refuse_log_in(&self, api: &'static str, headers: &HeaderMap) {
        metrics::unauthorized(api);
        if let Some(times) = self.refusals.log_ins.due_times() {
            let request = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
            tracing::warn!(
                api,
                times,
                request.id = request,
                "requests without a valid key were refused"
            );
        }
    }

    /// Takes a slot for placing or changing an order.
    pub(super) fn order_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.orders_at_once).try_acquire_owned();
        place.map_err(|_| {
            Problem::unavailable("too many orders are being processed; send the same request again")
        })
    }

    /// The address of the sender of a request that arrived from `peer`, as far
    /// as trusted proxies report it. `None` when a trusted proxy sent a header
    /// that cannot be read.
    pub(crate) fn sender_behind(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        forwarded::sender(&self.trusted_proxies, peer, headers)
    }
}

/// The most hooks that are processed at the same time. Further hooks get 503 at
/// once: when the disk hangs, hooks whose senders have given up must not fill
/// the memory.
pub const HOOKS_AT_ONCE_MAX: usize = 2048;
// The memory that they can take.
const _: () = assert!(HOOKS_AT_ONCE_MAX * body::BODY_BYTES_MAX <= 4 << 30);

/// The most notifications that are processed at the same time.
pub const NOTIFICATIONS_AT_ONCE_MAX: usize = 256;

/// The most orders of sites that are placed at the same time. When the payment
/// system is slow, each takes three seconds; that must not delay the hooks of
/// marketplaces.
pub const ORDERS_AT_ONCE_MAX: usize = 512;
