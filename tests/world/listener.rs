//! The marketplace as one who is told: it knows how far each order is, takes nothing twice and nothing out of turn, and gives
//! tokens for a client's id and secret.

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

/// What it has heard, and what goes wrong next.
#[derive(Debug, Default)]
pub struct Heard {
    /// How far each order is.
    pub states: BTreeMap<String, &'static str>,
    /// What it took in, in order.
    pub taken: Vec<Value>,
    /// How often it answered 422.
    pub out_of_turn: usize,
    /// How often a token was given.
    pub tokens: usize,
    /// For how long, as it says it; 300 seconds if that is nothing.
    pub lifetime: Option<Value>,
    /// So many calls are refused although the token is right.
    pub refusals: usize,
    /// So many are taken in, and answered with 500.
    pub lost_answers: usize,
    /// The orders that it has, with when they changed.
    pub shipments: Vec<(Timestamp, Value)>,
    /// How often it was asked for them.
    pub lists: usize,
}

pub struct Listener {
    address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
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
        let (heard, stop) = (Arc::<Mutex<Heard>>::default(), CancellationToken::new());
        let routes = Router::new()
            .route("/notifications", post(told))
            .route("/auth/token", post(token))
            .route("/shipments", get(shipments))
            .with_state(Arc::clone(&heard));
        tokio::spawn(server::serve(
            listener,
            routes,
            server::Limits::default(),
            stop.clone(),
            Duration::ZERO,
        ));
        Listener { address, heard, stop }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn heard<T>(&self, look: impl FnOnce(&mut Heard) -> T) -> T {
        look(&mut self.heard.lock().expect("unbroken"))
    }
}

async fn token(State(heard): State<Arc<Mutex<Heard>>>, body: String) -> (StatusCode, String) {
    if body != "client_id=shop&client_secret=s%26cret&grant_type=client_credentials" {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let mut heard = heard.lock().expect("unbroken");
    heard.tokens += 1;
    let mut token = json!({"access_token": "fresh", "token_type": "Bearer"});
    match heard.lifetime.clone() {
        Some(Value::Null) => {}
        Some(lifetime) => token["expires_in"] = lifetime,
        None => token["expires_in"] = json!(300),
    }
    (StatusCode::OK, token.to_string())
}

async fn told(
    State(heard): State<Arc<Mutex<Heard>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    if !is_known(&headers) {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let body: Value = serde_json::from_str(&body).expect("json");
    let (kind, payload) = (body["event"]["type"].as_str().expect("a type"), &body["event"]["payload"]);
    let id = payload["order"]["originalOrderId"].as_str().expect("a number").to_owned();
    assert_eq!(payload["order_id"], id.as_str(), "both are required");
    let mut heard = heard.lock().expect("unbroken");
    if heard.refusals > 0 {
        heard.refusals -= 1;
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let state = heard.states.get(&id).copied().unwrap_or("created");
    let next = match (state, kind) {
        ("created", "order.in_work") => "in_work",
        ("in_work", "order.ready_for_delivery") => "ready",
        ("created" | "in_work" | "ready", "order.canceled") => "canceled",
        _ => {
            heard.out_of_turn += 1;
            let why = json!({"errors": [{"type": "invalid", "field": "event", "message": "illegal transition"}], "code": 422});
            return (StatusCode::UNPROCESSABLE_ENTITY, why.to_string());
        }
    };
    heard.states.insert(id, next);
    heard.taken.push(body);
    if heard.lost_answers > 0 {
        heard.lost_answers -= 1;
        return (StatusCode::INTERNAL_SERVER_ERROR, String::new());
    }
    (StatusCode::OK, String::new())
}

fn is_known(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|known| known == value);
    is("authorization", "Bearer fresh") || (is("client-token", "told-token") && is("api-version", "3.0"))
}

/// The orders that changed in a time, two on a page.
async fn shipments(
    State(heard): State<Arc<Mutex<Heard>>>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> (StatusCode, String) {
    if !is_known(&headers) {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let time = |name: &str| query[name].parse::<Timestamp>().expect("a time");
    let (since, until) = (time("filters[updatedFrom]"), time("filters[updatedTo]"));
    let start: usize = query.get("nextPageToken").map_or(0, |token| token.parse().expect("a token"));
    let mut heard = heard.lock().expect("unbroken");
    heard.lists += 1;
    let fits = heard.shipments.iter().filter(|(at, _)| (since..=until).contains(at));
    let found: Vec<&Value> = fits.map(|(_, shipment)| shipment).collect();
    let page: Vec<&&Value> = found.iter().skip(start).take(2).collect();
    let next = (found.len() > start + 2).then(|| (start + 2).to_string());
    (StatusCode::OK, json!({"data": page, "nextPageToken": next, "status": "success"}).to_string())
}
