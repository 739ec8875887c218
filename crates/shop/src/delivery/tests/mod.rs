//! The contract of the service, over orders that are made up.

mod booking;
mod fields;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use jiff::civil::time;
use serde::Deserialize;
use serde_json::{Value, json};
use tillgate_kernel::{Clock, Money};
use tillgate_store::memory::Memory;
use tillgate_store::{Store, Unavailable};
use tower_service::Service;

use super::contract::contract;
use super::part::Part;
use super::plan::{Area, CourierTime, Point, Zone};
use super::{Delivery, Settings, api};
use crate::client_orders::ClientOrders;
use crate::contract::trial::fits;
use crate::order_id::OrderId;
use crate::reservation::participant::Answer;
use crate::seal::MasterKeys;
use crate::service_client::ServiceClient;
use crate::sessions::Sessions;

/// The orders of Anna and Boris.
const ANNAS: [&str; 2] = ["100000000001", "100000000002"];
const BORISES: &str = "200000000001";

const ADDRESS: &str = "125009, Москва, Тверская, 1";

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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    order_id: String,
}

/// An `order` with orders of a piece of milk, at version 2.
fn orders() -> Router {
    async fn order(Query(Named { order_id }): Query<Named>, headers: HeaderMap) -> Response {
        let is_own = match crate::cookie::find(&headers, "sessionId") {
            Some("anna") => ANNAS.contains(&order_id.as_str()),
            Some("boris") => order_id == BORISES,
            _ => false,
        };
        if !is_own {
            return StatusCode::NOT_FOUND.into_response();
        }
        axum::Json(json!({"id": order_id, "status": "NEW", "version": 2, "total": 1,
            "orderItems": [{"id": 1, "product": {"id": 1, "name": "Молоко", "price": 1},
                "quantity": 1}]}))
        .into_response()
    }
    Router::new().route("/get", get(order))
}

struct World {
    delivery: Arc<Delivery>,
    routes: Router,
}

fn point(id: u32, name: &str, address: &str) -> Point {
    Point { id, name: name.into(), address: address.into(), days: 2 }
}

impl World {
    /// A Monday morning: couriers for Moscow, with room for one order from 9 to
    /// 11 and for two from 13 to 15, and a carrier that keeps no times.
    async fn new() -> World {
        let clock = Clock::manual("2026-11-30T07:30:00Z".parse().expect("a time"));
        let store = Store::Memory(Arc::new(Memory::new(clock.clone())));
        let settings = Settings {
            hold_for: Duration::from_secs(900),
            time_zone: jiff::tz::TimeZone::get("Europe/Moscow").expect("a zone"),
            public_url: "https://shop.example".into(),
        };
        let sessions = Sessions { auth: ServiceClient::of(auth(), "delivery") };
        let orders = ClientOrders { order: ServiceClient::of(orders(), "delivery") };
        let keys = MasterKeys::new([7; 32], []);
        let delivery = Delivery::new(store, clock, keys, sessions, orders, settings);
        let delivery = Arc::new(delivery);
        let points = vec![
            point(120, "У метро", "Москва, ул. Академика Королёва, 12"),
            point(7, "На вокзале", "Тверь, пл. Гагарина, 1"),
        ];
        let zone = |company: &str, areas, rubles: i64, days| Zone {
            company: company.into(),
            areas,
            cost: Money::from_kopecks(rubles * 100),
            days,
        };
        let moscow = Area::Place("Москва".into());
        let zones = vec![
            zone("Свои курьеры", vec![Area::Codes(101_000, 129_999), moscow.clone()], 199, 0),
            zone("Дальние", vec![moscow, Area::Place("Клин".into())], 0, 3),
            zone("Дальние", vec![Area::Codes(140_000, 144_999)], 450, 5),
        ];
        let at = |from, until, capacity| CourierTime {
            company: "Свои курьеры".into(),
            weekdays: vec![1, 2, 3, 4, 5],
            begin: time(from, 0, 0, 0),
            end: time(until, 0, 0, 0),
            capacity,
        };
        let parts = [
            Part::Points(points),
            Part::Zones(zones),
            Part::Times(vec![at(9, 11, 1), at(13, 15, 2)]),
        ];
        for part in parts {
            delivery.set(part).await.expect("set");
        }
        World { routes: api::routes(Arc::clone(&delivery)), delivery }
    }

    /// What the delivery answers to the agreement on an order.
    async fn confirm(&self, order: OrderId, version: u64) -> Result<Answer, Unavailable> {
        let confirmed = self.delivery.confirmed(version);
        self.delivery.bookings.confirm(order, confirmed, None, None).await
    }

    async fn send(&self, method: &str, path: &str, who: &str, body: &str) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT_LANGUAGE, "ru")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::COOKIE, format!("sessionId={who}"));
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let Ok(answer) = self.routes.clone().call(request).await;
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send("GET", path, "anna", "").await
    }

    async fn book(&self, who: &str, body: &Value) -> (StatusCode, Value) {
        self.send("POST", "/book", who, &body.to_string()).await
    }

    async fn variants(&self, address: &str) -> (StatusCode, Value) {
        self.get(&format!("/variants?address={}", encoded(address))).await
    }

    /// How many orders each time has room for, as clients see it.
    async fn room(&self) -> Vec<(String, u64)> {
        let (_, answer) = self.variants(ADDRESS).await;
        let slots = answer["variants"][0]["slots"].as_array().expect("slots").iter();
        let each = slots.map(|slot| {
            let day = slot["deliveryDate"].as_str().expect("a day");
            let begin = slot["timeSlot"]["beginTime"].as_str().expect("a time");
            (format!("{day} {begin}"), slot["free"].as_u64().expect("a number"))
        });
        each.take(3).collect()
    }
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02X}"))
}

fn kind(answer: &Value) -> &str {
    answer["type"].as_str().and_then(|kind| kind.rsplit(':').next()).unwrap_or_default()
}

fn courier(order: &str, day: &str, begin: &str, end: &str, cost: Value) -> Value {
    json!({"orderId": order, "version": 2, "address": ADDRESS, "companyName": "Свои курьеры",
        "deliveryDate": day, "timeSlot": {"beginTime": begin, "endTime": end}, "cost": cost})
}

#[tokio::test]
async fn points_are_found_by_what_people_write() {
    let world = World::new().await;
    for (filter, count) in [("", 2), ("королева улица", 1), ("ТВЕРЬ площадь", 1), ("Омск", 0)]
    {
        let (status, found) =
            world.get(&format!("/points?addressFilter={}", encoded(filter))).await;
        assert_eq!(status, StatusCode::OK, "{filter}");
        fits(&contract(), "PickupPoints", &found);
        assert_eq!(found["pickupPoints"].as_array().map(Vec::len), Some(count), "{filter}");
    }
}

#[tokio::test]
async fn companies_offer_what_they_can_still_do() {
    let world = World::new().await;
    let (status, found) = world.variants(ADDRESS).await;
    assert_eq!(status, StatusCode::OK, "{found}");
    fits(&contract(), "DeliveryVariants", &found);
    let variants = found["variants"].as_array().expect("variants");
    let offers: Vec<_> = variants
        .iter()
        .map(|one| (&one["companyName"], &one["cost"], &one["estimatedDate"]))
        .collect();
    let (own, far) = (json!("Свои курьеры"), json!("Дальние"));
    let (today, later) = (json!("30.11.2026"), json!("03.12.2026"));
    assert_eq!(offers, [(&own, &json!(199.00), &today), (&far, &json!(0.00), &later)]);
    assert_eq!(variants[1]["slots"], json!([]), "it keeps no times");
    // It is 10:30 in Moscow: the first time of today has begun.
    let room = world.room().await;
    let names: Vec<&str> = room.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["30.11.2026 13:00", "01.12.2026 09:00", "01.12.2026 13:00"]);
    // A town without a postal code, and a postal code that decides.
    let (_, found) = world.variants("г. Клин, Ленина, 5").await;
    assert_eq!(found["variants"][0]["companyName"], "Дальние");
    let (_, found) = world.variants("143500, Истра, Ленина, 5").await;
    assert_eq!(found["variants"][0]["cost"], json!(450.00));
    let (status, said) = world.variants("170100, Тверь, Советская, 1").await;
    assert_eq!((status.as_u16(), kind(&said)), (422, "outside-zone"));
    assert_eq!(said["pickupPoints"][0]["id"], 7, "{said}");
}

#[tokio::test]
async fn a_plan_that_contradicts_itself_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let before = world.delivery.whole_plan().await.expect("a plan");
    let operator = api::routes_for_operator(Arc::clone(&world.delivery));
    let put = async |part: &Part| {
        let request = Request::builder()
            .method("PUT")
            .uri("/delivery/plan")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(serde_json::to_string(part).expect("JSON")))
            .expect("a request");
        let Ok(answer) = operator.clone().call(request).await;
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        (status, serde_json::from_slice::<Value>(&body).unwrap_or(Value::Null))
    };
    let twice = Part::Points(vec![point(7, "a", "b"), point(7, "c", "d")]);
    let (status, said) = put(&twice).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{said}");
    let expected = "This is not accepted: the point 7 is there twice, or its number \
                    is zero. Nothing was changed";
    assert_eq!(said["detail"], expected);
    assert_eq!(world.delivery.whole_plan().await.as_ref(), Ok(&before));
    let (status, _) = put(&Part::Points(vec![point(7, "a", "b")])).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}
