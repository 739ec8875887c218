//! The edge: connections, routes, and what statuses mean.
//!
//! - [`server`] drives connections with hyper, so that every limit is ours;
//! - [`hooks`] takes the senders' hooks;
//! - [`notices`] takes payment systems' notifications;
//! - [`api`] serves merchants' sites;
//! - [`embed`] is the pay button on other sites' pages;
//! - [`docs`] serves the API's document and its reference page;
//! - [`buyer`] shows buyers to the payment page and back;
//! - [`admin`] serves the operator and the command line;
//! - [`ops`] serves machines: health, readiness, figures;
//! - [`problem`] is the only place that knows which trouble is which status.

pub mod admin;
pub mod api;
pub mod body;
pub mod buyer;
pub mod docs;
pub mod embed;
mod forwarded;
pub mod hooks;
mod live;
mod log;
pub mod notices;
pub mod ops;
pub mod problem;
pub mod server;
pub mod slip;
pub mod work;

pub use live::LivePages;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;

use self::problem::Problem;
use crate::flows::Shop;
use crate::kernel::{PartyName, Tokens};
use crate::orders::Number;
use crate::orders::is_number_otherwise;
use crate::peer::Guard;
use crate::telemetry::request_id::RequestIds;
use crate::telemetry::{Seldom, metrics};
use crate::webhooks::{Protocol, Verifier};
use crate::workers::clerk::Tally;

/// What a caller bears as proof of who it is.
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, proof) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(proof)
}

/// The number of an order in an address; none if it is no number. Each order has one address, so another spelling of its
/// number is refused.
fn number_in(text: &str) -> Result<Option<Number>, Problem> {
    if is_number_otherwise(text) {
        let detail = format!("{text:?}: write the number as you were given it, twelve digits");
        return Err(Problem::bad_request(detail));
    }
    Ok(text.parse().ok())
}

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
    pub merchants: Vec<api::MerchantDoor>,
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
    pub readiness: ops::Readiness,
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
    hooks: Seldom,
    notices: Seldom,
    unreadable: Seldom,
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

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// All routes, for one listener.
pub fn routes(edge: Arc<Edge>) -> Router {
    let all = public(&edge).merge(operator(&edge)).route("/readyz", get(ops::readyz));
    finished(all, edge)
}

/// The routes that the world may see, where the operator's have a listener of their own.
pub fn public_routes(edge: Arc<Edge>) -> Router {
    finished(public(&edge).route("/readyz", get(ops::readyz_bare)), edge)
}

/// The operator's routes, where they have a listener of their own.
pub fn operator_routes(edge: Arc<Edge>) -> Router {
    let all = operator(&edge).route("/readyz", get(ops::readyz)).route("/healthz", get(ops::healthz));
    finished(all, edge)
}

fn operator(edge: &Arc<Edge>) -> Router<Arc<Edge>> {
    Router::new().route("/metrics", get(ops::figures)).nest("/admin/v1", admin::routes(edge))
}

fn public(edge: &Arc<Edge>) -> Router<Arc<Edge>> {
    let (merchants, _) = api::routes(edge).split_for_parts();
    Router::new()
        .route("/hooks/{name}", post(hooks::receive))
        .route("/hooks/{name}/", post(hooks::receive))
        .route("/healthz", get(ops::healthz))
        .merge(merchants)
        .route("/openapi.json", get(docs::document))
        .route("/docs", get(docs::page))
        .route("/assets/docs.css", get(docs::style))
        .route("/pay/{token}", get(buyer::pay).post(buyer::open))
        .route("/embed.js", get(embed::script))
        .route("/pay/{token}/status", get(embed::status))
        .route("/pay/{token}/qr.svg", get(slip::code))
        .route("/pay/{token}/slip", get(slip::slip))
        .route("/return/{token}", get(buyer::back))
        .route("/return/{token}/events", get(buyer::events))
        .route("/assets/buyer.css", get(buyer::style))
        .route("/assets/buyer.js", get(buyer::script))
}

fn finished(routes: Router<Arc<Edge>>, edge: Arc<Edge>) -> Router {
    routes
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::no_such_page)
        .layer(middleware::from_fn_with_state(Arc::clone(&edge), bear_request_id))
        .with_state(edge)
}

async fn bear_request_id(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let id = edge.request_ids.of(request.headers().get(REQUEST_ID));
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let mut response = next.run(request).await;
    response.headers_mut().insert(REQUEST_ID, id);
    if edge.draining.load(Ordering::Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_of_a_proof_may_be_written_in_any_case() {
        let proof = |text| bearer(&HeaderValue::from_static(text)).map(<[u8]>::to_vec);
        assert_eq!(proof("Bearer key"), Some(b"key".to_vec()));
        assert_eq!(proof("bearer Key"), Some(b"Key".to_vec()));
        assert_eq!((proof("Basic key"), proof("Bearer"), proof("")), (None, None, None));
    }
}
