//! A marketplace that receives fulfilment updates. It keeps the status of each
//! order, answers 422 to a duplicate or out-of-order update, and issues tokens
//! for a client's id and secret.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tillgate::http::server;
use tillgate::kernel::Timestamp;
use tokio_util::sync::CancellationToken;

/// What the marketplace has received, and which failures come next.
#[derive(Debug, Default)]
pub struct Received {
    /// The status of each order.
    pub states: BTreeMap<String, &'static str>,
    /// The updates that it accepted, in order.
    pub taken: Vec<Value>,
    /// How many updates it answered with 422.
    pub out_of_turn: usize,
    /// How many tokens it issued.
    pub tokens: usize,
    /// The `expires_in` of a token as it is sent; 300 seconds if `None`, and
    /// left out if `Null`.
    pub lifetime: Option<Value>,
    /// This many calls are refused with 401 although the token is right.
    pub refusals: usize,
    /// This many updates are accepted and answered with 500.
    pub lost_answers: usize,
    /// Its orders, each with the time of its last change.
    pub shipments: Vec<(Timestamp, Value)>,
    /// How often the list of orders was read.
    pub lists: usize,
}

pub struct Listener {
    address: SocketAddr,
    received: Arc<Mutex<Received>>,
    stop: CancellationToken,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Listener {
    pub async fn start() -> Listener {
        let listener = server::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (received, stop) = (Arc::<Mutex<Received>>::default(), CancellationToken::new());
        let routes = Router::new()
            .route("/notifications", post(receive_update))
            .route("/auth/token", post(token))
            .route("/shipments", get(shipments))
            .with_state(Arc::clone(&received));
        tokio::spawn(server::serve(
            listener,
            routes,
            server::Limits::default(),
            stop.clone(),
            Duration::ZERO,
        ));
        Listener { address, received, stop }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn received<T>(&self, look: impl FnOnce(&mut Received) -> T) -> T {
        look(&mut self.received.lock().expect("unbroken"))
    }
}

async fn token(State(received): State<Arc<Mutex<Received>>>, body: String) -> (StatusCode, String) {
    if body != "client_id=shop&client_secret=s%26cret&grant_type=client_credentials" {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let mut received = received.lock().expect("unbroken");
    received.tokens += 1;
    let mut token = json!({"access_token": "fresh", "token_type": "Bearer"});
    match received.lifetime.clone() {
        Some(Value::Null) => {}
        Some(lifetime) => token["expires_in"] = lifetime,
        None => token["expires_in"] = json!(300),
    }
    (StatusCode::OK, token.to_string())
}

async fn receive_update(
    State(received): State<Arc<Mutex<Received>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    if !is_known(&headers) {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let body: Value = serde_json::from_str(&body).expect("json");
    let (kind, payload) =
        (body["event"]["type"].as_str().expect("a type"), &body["event"]["payload"]);
    let id = payload["order"]["originalOrderId"].as_str().expect("a number").to_owned();
    assert_eq!(payload["order_id"], id.as_str(), "the two fields must be equal");
    let mut received = received.lock().expect("unbroken");
    if received.refusals > 0 {
        received.refusals -= 1;
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let state = received.states.get(&id).copied().unwrap_or("created");
    let next = match (state, kind) {
        ("created", "order.in_work") => "in_work",
        ("in_work", "order.ready_for_delivery") => "ready",
        ("created" | "in_work" | "ready", "order.canceled") => "canceled",
        _ => {
            received.out_of_turn += 1;
            let why = json!({"errors": [{"type": "invalid", "field": "event",
                "message": "illegal transition"}], "code": 422});
            return (StatusCode::UNPROCESSABLE_ENTITY, why.to_string());
        }
    };
    received.states.insert(id, next);
    received.taken.push(body);
    if received.lost_answers > 0 {
        received.lost_answers -= 1;
        return (StatusCode::INTERNAL_SERVER_ERROR, String::new());
    }
    (StatusCode::OK, String::new())
}

fn is_known(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|known| known == value);
    is("authorization", "Bearer fresh")
        || (is("client-token", "update-token") && is("api-version", "3.0"))
}

/// The orders that changed in a period, two on a page.
async fn shipments(
    State(received): State<Arc<Mutex<Received>>>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> (StatusCode, String) {
    if !is_known(&headers) {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let time = |name: &str| query[name].parse::<Timestamp>().expect("a time");
    let (since, until) = (time("filters[updatedFrom]"), time("filters[updatedTo]"));
    let start: usize =
        query.get("nextPageToken").map_or(0, |token| token.parse().expect("a token"));
    let mut received = received.lock().expect("unbroken");
    received.lists += 1;
    let fits = received.shipments.iter().filter(|(at, _)| (since..=until).contains(at));
    let found: Vec<&Value> = fits.map(|(_, shipment)| shipment).collect();
    let page: Vec<&&Value> = found.iter().skip(start).take(2).collect();
    let next = (found.len() > start + 2).then(|| (start + 2).to_string());
    (StatusCode::OK, json!({"data": page, "nextPageToken": next, "status": "success"}).to_string())
}
