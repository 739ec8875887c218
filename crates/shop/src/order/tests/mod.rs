//! Orders through their contract, over a catalogue of a few products.

mod changes;
mod fields;
mod limits;
mod stored;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tillgate_kernel::{Clock, Money};
use tillgate_store::Store;
use tillgate_store::memory::Memory;
use tower_service::Service;

use super::{Orders, Others, api};
use crate::booked::Bookings;
use crate::menu::categories::{Categories, Category};
use crate::menu::category_id::CategoryId;
use crate::menu::keep::Changes;
use crate::menu::product::Offer;
use crate::menu::{self, Menu};
use crate::prices::Prices;
use crate::seal::MasterKeys;
use crate::service_client::ServiceClient;
use crate::sessions::Sessions;

/// An `auth` that takes the session for the name.
fn auth() -> Router {
    async fn whose(headers: HeaderMap) -> Response {
        match crate::cookie::find(&headers, "sessionId") {
            Some(name) => axum::Json(json!({"username": name})).into_response(),
            None => StatusCode::UNAUTHORIZED.into_response(),
        }
    }
    Router::new().route("/auth", get(whose))
}

/// A `delivery` that has booked version 1 of every order for 199 roubles.
fn delivery() -> Router {
    async fn case() -> Response {
        let until = "2026-11-30T10:15:00Z";
        let case = json!({"status": "PRELIMINARY", "version": 1, "until": until, "cost": 199});
        axum::Json(case).into_response()
    }
    Router::new().route("/case", get(case))
}

struct World {
    menu: Arc<Menu>,
    service: Arc<Orders>,
    orders: Router,
    clock: Clock,
}

/// A product of the catalogue: its number, and what it costs in kopecks.
const MILK: (u64, i64) = (1, 8990);
const BREAD: (u64, i64) = (2, 4500);
const TEA: (u64, i64) = (3, 25_000);

impl World {
    async fn new() -> World {
        let clock = Clock::manual("2026-11-30T10:00:00Z".parse().expect("a time"));
        let keys = MasterKeys::new([7; 32], []);
        let store = Store::Memory(Arc::new(Memory::new(clock.clone())));
        let url = "https://shop.example";
        let menu =
            Arc::new(Menu::new(store.clone(), clock.clone(), &keys, url.into(), TimeZone::UTC));
        let prices =
            Prices { menu: ServiceClient::of(menu::api::routes(Arc::clone(&menu)), "order") };
        let sessions = Sessions { auth: ServiceClient::of(auth(), "order") };
        let settings = crate::order::Settings { unpaid_max: 4, public_url: url.into() };
        let bookings = Bookings { delivery: ServiceClient::of(delivery(), "order") };
        let others = Others { sessions, prices, bookings };
        let orders = Orders::new(store, clock.clone(), keys, others, settings);
        let service = Arc::new(orders);
        let world = World { menu, orders: api::routes(Arc::clone(&service)), service, clock };
        for (product, kopecks) in [MILK, BREAD, TEA] {
            world.sells(product, kopecks, true).await;
        }
        world
    }

    /// Puts a product on sale, or takes it off.
    async fn sells(&self, product: u64, kopecks: i64, is_available: bool) {
        let category = CategoryId::new(1).expect("a number");
        let all = vec![Category { id: category, parent: None, name: "Еда".into() }];
        let offer = Offer {
            article: product.to_string(),
            name: format!("Товар {product}"),
            category,
            price: Money::from_kopecks(kopecks),
            old_price: None,
            vat: None,
            vendor: None,
            vendor_code: None,
            barcodes: Vec::new(),
            description: String::new(),
            pictures: Vec::new(),
            is_available,
        };
        let categories = Some(Categories { all });
        let changes = Changes { offers: vec![offer], categories, ..Changes::default() };
        self.menu.keep(changes).await.expect("kept");
    }

    async fn send_text(
        &self,
        who: &str,
        method: Method,
        path: &str,
        body: Option<&str>,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::ACCEPT_LANGUAGE, "ru");
        if !who.is_empty() {
            request = request.header(header::COOKIE, format!("sessionId={who}"));
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_owned()));
        let request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        let Ok(answer) = self.orders.clone().call(request.expect("a request")).await;
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn post(&self, who: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        self.send_text(who, Method::POST, path, Some(&body.to_string())).await
    }

    async fn put(&self, who: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        self.send_text(who, Method::PUT, path, Some(&body.to_string())).await
    }

    async fn get(&self, who: &str, path: &str) -> (StatusCode, Value) {
        self.send_text(who, Method::GET, path, None).await
    }

    /// Begins an order with these products and quantities.
    async fn place(
        &self,
        who: &str,
        id: Option<&str>,
        lines: &[(u64, u64)],
    ) -> (StatusCode, Value) {
        self.post(who, "/place", &json!({"id": id, "orderItems": items(lines)})).await
    }
}

fn items(lines: &[(u64, u64)]) -> Value {
    let item = |(product, quantity): &(u64, u64)| json!({"product": {"id": product}, "quantity": quantity});
    lines.iter().map(item).collect()
}

/// The products and quantities of an order.
fn lines_of(order: &Value) -> Vec<(u64, u64)> {
    let items = order["orderItems"].as_array().expect("lines");
    let line = |item: &Value| {
        (item["product"]["id"].as_u64().expect("a number"), item["quantity"].as_u64().expect("one"))
    };
    items.iter().map(line).collect()
}

/// The kind of a refusal.
fn kind(answer: &Value) -> &str {
    answer["type"].as_str().and_then(|kind| kind.rsplit(':').next()).unwrap_or_default()
}

/// The time for which prices hold, and a little more.
const LOCK_RUNS_OUT: Duration = Duration::from_secs(15 * 60 + 1);
