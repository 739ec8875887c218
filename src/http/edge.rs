//! What the handlers share.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use tillgate_web::Seldom;
use tillgate_web::request_id::RequestIds;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::api::MerchantDoor;
use super::live::LivePages;
use super::problem::Problem;
use super::{REQUEST_ID, Readiness, body, forwarded};
use crate::flows::Shop;
use crate::kernel::{PartyName, Tokens};
use crate::peer::Guard;
use crate::telemetry::metrics;
use crate::webhooks::{Protocol, Verifier};
use crate::workers::clerk::Tally;

/// A configured source, as the edge knows it.
#[derive(Debug)]
pub struct SourceEndpoint {
    /// Its name.
    pub source: PartyName,
    /// Who we are there, if it is a payment system.
    pub account: Option<String>,
    /// How it proves itself.
    pub verifier: Verifier,
    /// How it speaks.
    pub protocol: Arc<dyn Protocol>,
}

/// What the handlers share.
#[derive(Debug)]
pub struct Edge {
    /// Where things are kept, and whom to tell.
    pub shop: Shop,
    /// Those who send hooks and notifications, by name.
    pub sources: BTreeMap<String, Arc<SourceEndpoint>>,
    /// The keys of merchants' sites.
    pub merchants: Vec<MerchantDoor>,
    /// Where copies are noted.
    pub tally: Tally,
    /// Proxies whose word about the sender's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Which addresses may be called that come in requests.
    pub guard: Guard,
    /// Where each payment system's API is, and the hosts besides that its payment pages may be on.
    pub payment_pages: BTreeMap<PartyName, (String, Vec<String>)>,
    /// What opens the admin API; none when it is off.
    pub admin: Option<Tokens>,
    /// What secrets are compared under, drawn when the process began.
    pub key: [u8; 32],
    /// Places for buyers' pages that are followed live.
    pub live_pages: LivePages,
    /// The figures.
    pub metrics: PrometheusHandle,
    /// Ids for requests.
    pub request_ids: RequestIds,
    /// Which store this is a receiver of, for programs of this machine.
    pub store_mark: Option<HeaderValue>,
    /// What the last look at the store has shown.
    pub readiness: Readiness,
    /// Set when no new work should come.
    pub draining: AtomicBool,
    /// What is said of those who are not let in.
    pub refusals: Refusals,
    /// Places for hooks that are being worked on, whether or not their senders still wait.
    pub hooks_at_once: Arc<Semaphore>,
    /// Places for notifications. Apart from the hooks', because a stranger's body is read before its proof can be looked at.
    pub notices_at_once: Arc<Semaphore>,
    /// Places for sites' orders that are being placed. Apart from the hooks', because each may wait for its link.
    pub orders_at_once: Arc<Semaphore>,
}

/// Strangers can knock as often as they like, and the log says so once a second.
#[derive(Debug, Default)]
pub struct Refusals {
    pub(super) hooks: Seldom,
    pub(super) notices: Seldom,
    pub(super) unreadable: Seldom,
    log_ins: Seldom,
}

impl Edge {
    /// Counts a request that did not prove whose it is, at the door `v1` or `admin`.
    pub(crate) fn refuse_log_in(&self, door: &'static str, headers: &HeaderMap) {
        metrics::log_in_refused(door);
        if let Some(times) = self.refusals.log_ins.tells() {
            let request = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
            tracing::warn!(door, times, request.id = request, "requests without a valid key were refused");
        }
    }

    /// A place for an order that is placed or changed.
    pub(super) fn order_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.orders_at_once).try_acquire_owned();
        place.map_err(|_| Problem::unavailable("too many orders are under way; send the same request again"))
    }

    /// Whose request it is that came over a connection from `peer`, as far as trusted proxies say. None when what one of
    /// them says cannot be read.
    pub(crate) fn sender_behind(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        forwarded::sender(&self.trusted_proxies, peer, headers)
    }
}

/// Hooks that are worked on at the same moment. More are answered 503 at once: when the disk hangs, senders who
/// have given up must not leave their hooks in memory without end.
pub const HOOKS_AT_ONCE_MAX: usize = 2048;
const _: () = assert!(HOOKS_AT_ONCE_MAX * body::BODY_BYTES_MAX <= 4 << 30); // the memory that they may take

/// Notifications that are worked on at the same moment.
pub const NOTICES_AT_ONCE_MAX: usize = 256;

/// Sites' orders that are placed at the same moment: when the payment system is slow each
/// takes three seconds, and the marketplaces' hooks must not feel that.
pub const ORDERS_AT_ONCE_MAX: usize = 512;
