//! The contract of the service, over orders and a catalogue that are made up.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tillgate_kernel::Clock;
use tillgate_store::memory::Memory;
use tillgate_store::{Batch, CounterChange, Store};
use tower_service::Service;

use super::{Others, StockKeeper, api};
use crate::bus::inbox::Inbox;
use crate::bus::{Envelope, Service as Addressee, message_id};
use crate::client_orders::ClientOrders;
use crate::contract::trial::{fits, wrong_values};
use crate::formats::OrderCanceled;
use crate::order_id::OrderId;
use crate::outlets::{Outlet, Outlets};
use crate::prices::Prices;
use crate::seal::MasterKeys;
use crate::service_client::ServiceClient;
use crate::sessions::Sessions;
use crate::stock_levels::{PIECE, held, on_hand};
use crate::store::contract::contract;

const ORDER: &str = "482993011752";
const COFFEE_ORDER: &str = "482993011753";
const HOLD_FOR: Duration = Duration::from_secs(900);

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

/// An `order` with two orders: three pieces of milk and one of tea, and one of
/// coffee.
fn orders() -> Router {
    async fn order(RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
        if crate::cookie::find(&headers, "sessionId") != Some("anna") {
            return StatusCode::NOT_FOUND.into_response();
        }
        let item = |id: u64, name: &str, quantity: u64| json!({"id": id, "product": {"id": id, "name": name, "price": 1}, "quantity": quantity});
        if query.is_some_and(|query| query.ends_with(COFFEE_ORDER)) {
            let items = [item(3, "Кофе", 1)];
            let order = json!({"id": COFFEE_ORDER, "status": "NEW", "version": 2, "total": 1, "orderItems": items});
            return axum::Json(order).into_response();
        }
        axum::Json(json!({"id": ORDER, "status": "NEW", "version": 2, "total": 1,
            "orderItems": [item(1, "Молоко", 3), item(2, "Чай", 1)]}))
        .into_response()
    }
    Router::new().route("/get", get(order))
}

/// A `menu` of milk and tea.
fn menu() -> Router {
    async fn prices() -> Response {
        let item = |id: u64, article: &str| {
            json!({"productId": id, "name": article, "article": article, "price": 1,
                "isOnSale": true})
        };
        let mut coffee = item(3, "coffee");
        coffee["stores"] = json!([2]);
        axum::Json(json!({"items": [item(1, "milk"), item(2, "tea"), coffee]})).into_response()
    }
    Router::new().route("/price", post(prices))
}

struct World {
    keeper: Arc<StockKeeper>,
    routes: Router,
}

fn outlet(id: u32) -> Outlet {
    Outlet {
        id, name: format!("№ {id}"), address: "Тверская".into(), stock: format!("s{id}")
    }
}

impl World {
    async fn new() -> World {
        let clock = Clock::manual("2026-11-30T10:00:00Z".parse().expect("a time"));
        let store = Store::Memory(Arc::new(Memory::new(clock.clone())));
        let others = Others {
            sessions: Sessions { auth: ServiceClient::of(auth(), "store") },
            prices: Prices { menu: ServiceClient::of(menu(), "store") },
            orders: ClientOrders { order: ServiceClient::of(orders(), "store") },
        };
        let keys = MasterKeys::new([7; 32], []);
        let url = "https://shop.example".to_owned();
        let keeper = Arc::new(StockKeeper::new(store, clock, HOLD_FOR, &keys, others, url));
        let outlets = Outlets { all: vec![outlet(1), outlet(2)] };
        keeper.set_outlets(outlets).await.expect("set");
        World { routes: api::routes(Arc::clone(&keeper)), keeper }
    }

    async fn stock(&self, id: u32, article: &str, pieces: i64) {
        let mut batch = Batch::new();
        batch.bump(on_hand(&outlet(id).stock, article), CounterChange::Add(pieces * PIECE));
        self.keeper.store.commit(batch).await.expect("committed");
    }

    async fn held(&self, id: u32, article: &str) -> i64 {
        let keys = [held(&outlet(id).stock, article)];
        self.keeper.store.balances(&keys).await.expect("balances")[0] / PIECE
    }

    async fn send(&self, method: &str, path: &str, who: &str, body: &str) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path);
        let request = request
            .header(header::ACCEPT_LANGUAGE, "ru")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::COOKIE, format!("sessionId={who}"));
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let Ok(answer) = self.routes.clone().call(request).await;
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn reserve(&self, who: &str, version: u64, outlet: u64) -> (StatusCode, Value) {
        let body = json!({"orderId": ORDER, "version": version, "storeId": outlet});
        self.send("POST", "/reserve", who, &body.to_string()).await
    }
}

fn kind(answer: &Value) -> &str {
    answer["type"].as_str().and_then(|kind| kind.rsplit(':').next()).unwrap_or_default()
}

#[tokio::test]
async fn goods_are_held_in_one_outlet_or_not_at_all() {
    let world = World::new().await;
    world.stock(1, "milk", 2).await;
    world.stock(2, "milk", 5).await;
    world.stock(2, "tea", 1).await;
    let (status, short) = world.reserve("anna", 2, 1).await;
    assert_eq!((status.as_u16(), kind(&short)), (409, "insufficient-stock"), "{short}");
    let lines = json!([
        {"productId": 1, "name": "Молоко", "wanted": 3, "available": 2},
        {"productId": 2, "name": "Чай", "wanted": 1, "available": 0}]);
    assert_eq!((&short["lines"], &short["stores"]), (&lines, &json!([2])));
    assert_eq!((world.held(1, "milk").await, world.held(1, "tea").await), (0, 0));
    let (status, reserved) = world.reserve("anna", 2, 2).await;
    assert_eq!(status, StatusCode::OK, "{reserved}");
    fits(&contract(), "Reserved", &reserved);
    assert_eq!(reserved["until"], "2026-11-30T10:15:00Z");
    // Again: the same, and for longer.
    world.keeper.clock.advance(Duration::from_secs(60));
    let (_, again) = world.reserve("anna", 2, 2).await;
    assert_eq!(again["until"], "2026-11-30T10:16:00Z");
    assert_eq!((world.held(2, "milk").await, world.held(2, "tea").await), (3, 1));
    // What the buyer holds is no obstacle for the buyer.
    world.stock(1, "milk", 1).await;
    world.stock(1, "tea", 1).await;
    let (status, _) = world.reserve("anna", 2, 1).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((world.held(1, "milk").await, world.held(2, "milk").await), (3, 0));
    let (_, places) = world.send("GET", "/get?productId=1", "anna", "").await;
    fits(&contract(), "ProductPlaces", &places);
    let quantities: Vec<&Value> = places["productPlaces"]
        .as_array()
        .expect("places")
        .iter()
        .map(|place| &place["quantity"])
        .collect();
    assert_eq!(quantities, [&json!(0), &json!(5)]);
    let (status, _) = world.send("DELETE", &format!("/reserve?orderId={ORDER}"), "anna", "").await;
    assert_eq!((status, world.held(1, "milk").await), (StatusCode::NO_CONTENT, 0));
}

#[tokio::test]
async fn nobody_holds_for_another_order_or_version() {
    let world = World::new().await;
    world.stock(1, "milk", 9).await;
    world.stock(1, "tea", 9).await;
    let (status, said) = world.reserve("anna", 1, 1).await;
    assert_eq!((status.as_u16(), kind(&said), &said["version"]), (409, "stale-version", &json!(2)));
    assert_eq!(world.reserve("boris", 2, 1).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.reserve("anna", 2, 3).await.0, StatusCode::NOT_FOUND);
    world.reserve("anna", 2, 1).await;
    let path = format!("/reserve?orderId={ORDER}");
    assert_eq!(world.send("DELETE", &path, "boris", "").await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.held(1, "milk").await, 3);
    // What is reversed is never held again.
    let order = OrderId::parse(ORDER).expect("a number");
    world.keeper.holds.reverse(order, |_| true, None, None).await.expect("reversed");
    let (status, said) = world.reserve("anna", 2, 1).await;
    assert_eq!((status.as_u16(), kind(&said)), (409, "wrong-state"));
    assert_eq!(world.held(1, "milk").await, 0);
}

#[tokio::test]
async fn a_hold_that_is_renewed_ends_all_the_same() {
    let world = World::new().await;
    world.stock(1, "milk", 9).await;
    world.stock(1, "tea", 9).await;
    let mut times = 0;
    let said = loop {
        let (status, said) = world.reserve("anna", 2, 1).await;
        if status != StatusCode::OK {
            break said;
        }
        times += 1;
        world.keeper.clock.advance(Duration::from_secs(840));
    };
    assert_eq!((kind(&said), times), ("hold-expired", 9), "{said}");
    world.keeper.holds.expire_step().await.expect("a step");
    assert_eq!(world.held(1, "milk").await, 0);
    assert_eq!(world.reserve("anna", 2, 1).await.0, StatusCode::OK);
}

#[tokio::test]
async fn every_wrong_field_is_refused_with_its_name_and_what_to_do() {
    let world = World::new().await;
    let contract = contract();
    let reserve = contract.operations.iter().find(|one| one.id == "reserve").expect("one");
    let fields = reserve.body.expect("fields");
    for field in fields {
        for (what, value, expected) in wrong_values(field) {
            let mut body = json!({"orderId": ORDER, "version": 2, "storeId": 1});
            body[field.name] = value;
            let (status, said) = world.send("POST", "/reserve", "anna", &body.to_string()).await;
            let error = &said["errors"][0];
            assert_eq!(status, StatusCode::BAD_REQUEST, "{}: {what}: {said}", field.name);
            assert_eq!(error["pointer"], format!("/{}", field.name), "{what}");
            assert_eq!(error["detail"], expected.as_str(), "{}: {what}", field.name);
        }
    }
}

#[tokio::test]
async fn a_request_about_an_older_version_does_not_replace_the_hold_of_a_newer_one() {
    let world = World::new().await;
    world.stock(1, "milk", 9).await;
    world.stock(1, "tea", 9).await;
    let caller = crate::service_client::Caller {
        cookies: vec!["sessionId=anna".parse().expect("a cookie")],
        ..Default::default()
    };
    let newer = world.keeper.wanted(&caller, ORDER, 2, 1).await.expect("an order").0;
    let older = super::reserve::Wanted { version: 1, ..newer.clone() };
    world.keeper.reserve(&newer, &outlet(1)).await.expect("held");
    let refused = world.keeper.reserve(&older, &outlet(1)).await;
    let stale = crate::order_problem::OrderProblem::StaleVersion(2);
    assert_eq!(refused, Err(crate::Refusal::Order(stale)));
    assert_eq!(world.held(1, "milk").await, 3);
}

#[tokio::test]
async fn a_stock_of_which_something_is_held_is_not_left_out() {
    let world = World::new().await;
    world.stock(1, "milk", 9).await;
    world.stock(1, "tea", 9).await;
    world.reserve("anna", 2, 1).await;
    let second = Outlets { all: vec![outlet(2)] };
    let refused = world.keeper.set_outlets(second.clone()).await;
    let in_use = crate::order_problem::OrderProblem::StockInUse("s1".into());
    assert_eq!(refused, Err(crate::Refusal::Order(in_use)));
    let renamed = Outlet { name: "Another".into(), ..outlet(1) };
    world.keeper.set_outlets(Outlets { all: vec![renamed] }).await.expect("the stock stays");
    world.keeper.holds.release(OrderId::parse(ORDER).expect("a number")).await.expect("released");
    world.keeper.set_outlets(second).await.expect("nothing is held any more");
}

#[tokio::test]
async fn a_cancelled_order_gives_back_its_goods_for_good() {
    let world = World::new().await;
    world.stock(1, "milk", 3).await;
    world.stock(1, "tea", 1).await;
    assert_eq!(world.reserve("anna", 2, 1).await.0, StatusCode::OK);
    let keys = MasterKeys::new([7; 32], []);
    let order_id = OrderId::parse(ORDER).expect("a number");
    let id = message_id(Addressee::Order, order_id.partition(), 1);
    let message = Envelope::of(id, &OrderCanceled { order_id }, &keys);
    let consumer = Arc::clone(&world.keeper);
    let inbox = Inbox { consumer, store: world.keeper.store.clone(), keys };
    for _ in 0..2 {
        inbox.take_one(id, &message).await.expect("taken");
        assert_eq!((world.held(1, "milk").await, world.held(1, "tea").await), (0, 0));
    }
    // A request that had read the order before takes nothing any more.
    let (status, said) = world.reserve("anna", 2, 1).await;
    assert_eq!((status.as_u16(), kind(&said)), (409, "wrong-state"), "{said}");
    assert_eq!(said["orderStatus"], "CANCELED");
}

/// The catalogue says that coffee is sold in the second shop only.
#[tokio::test]
async fn an_outlet_sells_what_it_may() {
    let world = World::new().await;
    for id in [1, 2] {
        world.stock(id, "coffee", 9).await;
    }
    let (status, said) = world.send("GET", "/get?productId=3", "anna", "").await;
    assert_eq!(status, StatusCode::OK, "{said}");
    let places = said["productPlaces"].as_array().expect("places");
    assert_eq!(places.iter().map(|place| &place["store"]["id"]).collect::<Vec<_>>(), [&json!(2)]);
    let reserve = async |outlet: u64| {
        let body = json!({"orderId": COFFEE_ORDER, "version": 2, "storeId": outlet});
        world.send("POST", "/reserve", "anna", &body.to_string()).await
    };
    let (status, said) = reserve(1).await;
    assert_eq!((status.as_u16(), kind(&said)), (409, "not-sold-there"), "{said}");
    assert_eq!((&said["stores"], world.held(1, "coffee").await), (&json!([2]), 0));
    assert_eq!(reserve(2).await.0, StatusCode::OK);
    assert_eq!(world.held(2, "coffee").await, 1);
}
