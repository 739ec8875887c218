//! The HTTP contract of the service.

use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use tillgate_kernel::text::is_obeyed;
use tillgate_kernel::{Money, Timestamp};
use tillgate_store::Cursor;

use super::Delivery;
use super::asked::{ADDRESS_CHARACTERS_MAX, Wish};
use super::audit::{Bookings, Rooms};
use super::booking::Way;
use super::case::Case;
use super::part::Part;
use super::slots::day;
use super::variants::{Points, Variants};
use crate::Refusal;
use crate::asked::{ForClients, Served};
use crate::assertion::Assertions;
use crate::client_orders::OfOrder;
use crate::form::Fault;
use crate::order_id::OrderId;
use crate::reservation::extend::{Extended, Extension};
use crate::roubles::Roubles;
use crate::sessions::Sessions;
use crate::username::ClientNumber;

impl Served for Delivery {
    const NAME: &'static str = "delivery";

    fn public_url(&self) -> &str {
        &self.settings.public_url
    }

    fn assertions(&self) -> &Assertions {
        &self.assertions
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl ForClients for Delivery {
    fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

type Asked = crate::asked::Asked<Delivery>;

/// The routes of the service, without a prefix.
pub fn routes(delivery: Arc<Delivery>) -> Router {
    Router::new()
        .route("/points", get(points))
        .route("/variants", get(variants))
        .route("/book", post(book).delete(release))
        .route("/case", get(case))
        .route("/extend", post(extend))
        .with_state(delivery)
}

/// The routes for the operator, who has been authenticated.
pub fn routes_for_operator(delivery: Arc<Delivery>) -> Router {
    Router::new()
        .route("/delivery/plan", get(plan).put(set_part))
        .route("/delivery/bookings", get(bookings))
        .route("/delivery/rooms", get(rooms))
        .with_state(delivery)
}

/// Lets clients and services pass.
async fn known(asked: &mut Asked) -> Result<(), Refusal> {
    if asked.calling_for_itself().is_some() {
        return Ok(());
    }
    asked.client().await.map(drop)
}

/// The text of a parameter, trimmed.
fn parameter(name: &str, text: Option<String>) -> Result<String, Refusal> {
    let text = text.unwrap_or_default().trim().to_owned();
    if text.chars().count() > ADDRESS_CHARACTERS_MAX {
        return Err(Refusal::of_field(name, Fault::TooLong(ADDRESS_CHARACTERS_MAX)));
    }
    if text.contains(is_obeyed) {
        return Err(Refusal::of_field(name, Fault::HasControlCharacters));
    }
    Ok(text)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Filter {
    address_filter: Option<String>,
}

/// `GET /points`
async fn points(query: Result<Query<Filter>, QueryRejection>, mut asked: Asked) -> Response {
    let outcome = points_found(query, &mut asked).await;
    asked.shared(outcome)
}

async fn points_found(
    query: Result<Query<Filter>, QueryRejection>,
    asked: &mut Asked,
) -> Result<Points, Refusal> {
    known(asked).await?;
    let Query(Filter { address_filter }) =
        query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    asked.service.points(&parameter("addressFilter", address_filter)?).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct To {
    address: Option<String>,
    order_id: Option<String>,
}

/// `GET /variants`
async fn variants(query: Result<Query<To>, QueryRejection>, mut asked: Asked) -> Response {
    let outcome = variants_of(query, &mut asked).await;
    asked.personal(outcome)
}

async fn variants_of(
    query: Result<Query<To>, QueryRejection>,
    asked: &mut Asked,
) -> Result<Variants, Refusal> {
    known(asked).await?;
    let Query(To { address, order_id }) =
        query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    let address = parameter("address", address)?;
    if address.is_empty() {
        return Err(Refusal::of_field("address", Fault::Missing));
    }
    let order = match order_id.filter(|id| !id.is_empty()) {
        Some(id) => Some(order_named(asked, &id).await?),
        None => None,
    };
    asked.service.variants(&address, order).await
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Booked {
    /// Twelve digits.
    order_id: String,
    until: Timestamp,
    cost: Roubles,
    delivery_date: String,
}

/// `POST /book`
async fn book(mut asked: Asked) -> Response {
    let outcome = booked(&mut asked).await;
    asked.personal(outcome)
}

async fn booked(asked: &mut Asked) -> Result<Booked, Refusal> {
    let client = asked.client().await?;
    let person = asked.person();
    let Wish { order, version, way } = asked.change(Wish::read).await?;
    let delivery = &asked.service;
    let order = delivery.orders.at(&person, &order, version).await?;
    let (way, until) = delivery.book(ClientNumber::of(&client), &order, way).await?;
    let (cost, date) = match way {
        Way::Point { date, .. } => (Money::from_kopecks(0), date),
        Way::Courier { cost, date, .. } => (cost, date),
    };
    Ok(Booked {
        order_id: order.id.to_string(),
        until,
        cost: Roubles(cost),
        delivery_date: day(date),
    })
}

/// The order that a service names by its number; a client, an own one.
async fn order_named(asked: &mut Asked, id: &str) -> Result<OrderId, Refusal> {
    if asked.calling_for_itself().is_some() {
        return OrderId::parse(id).ok_or(Refusal::NotFound);
    }
    let person = asked.person();
    asked.service.orders.id_of(&person, id).await
}

/// `DELETE /book`
async fn release(query: Result<Query<OfOrder>, QueryRejection>, mut asked: Asked) -> Response {
    let outcome = released(query, &mut asked).await;
    asked.done(outcome)
}

async fn released(
    query: Result<Query<OfOrder>, QueryRejection>,
    asked: &mut Asked,
) -> Result<(), Refusal> {
    let person = asked.person();
    asked.same_site()?;
    let id = OfOrder::read(query)?;
    let order = asked.service.orders.id_of(&person, &id).await?;
    asked.service.bookings.release(order).await
}

/// `GET /case`
async fn case(query: Result<Query<OfOrder>, QueryRejection>, mut asked: Asked) -> Response {
    let outcome = case_of(query, &mut asked).await;
    asked.personal(outcome)
}

async fn case_of(
    query: Result<Query<OfOrder>, QueryRejection>,
    asked: &mut Asked,
) -> Result<Case, Refusal> {
    let id = OfOrder::read(query)?;
    let order = order_named(asked, &id).await?;
    asked.service.case_of(order).await
}

/// `POST /extend`
async fn extend(mut asked: Asked) -> Response {
    let outcome = extended(&mut asked).await;
    asked.personal(outcome)
}

async fn extended(asked: &mut Asked) -> Result<Extended, Refusal> {
    if asked.calling_for_itself().is_none() {
        asked.client().await?;
        return Err(Refusal::ForServices);
    }
    let extension = asked.change(Extension::read).await?;
    asked.service.bookings.extend(&extension).await
}

/// `GET /delivery/plan`
async fn plan(asked: Asked) -> Response {
    let outcome = asked.service.whole_plan().await;
    asked.personal(outcome)
}

/// `PUT /delivery/plan`: a part of it.
async fn set_part(mut asked: Asked) -> Response {
    let outcome = part_set(&mut asked).await;
    asked.done(outcome)
}

async fn part_set(asked: &mut Asked) -> Result<(), Refusal> {
    let part: Part = asked.json().await?;
    part.check().map_err(Refusal::NotAccepted)?;
    asked.service.set(part).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    after: Option<String>,
}

/// `GET /delivery/bookings`
async fn bookings(query: Result<Query<After>, QueryRejection>, asked: Asked) -> Response {
    let outcome = bookings_after(query, &asked.service).await;
    asked.personal(outcome)
}

async fn bookings_after(
    query: Result<Query<After>, QueryRejection>,
    delivery: &Delivery,
) -> Result<Bookings, Refusal> {
    let Query(After { after }) = query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    let read = |text: String| {
        text.parse::<Cursor>().map_err(|_| Refusal::of_field("after", Fault::NotACursor))
    };
    delivery.live_bookings(after.map(read).transpose()?).await
}

/// `GET /delivery/rooms`
async fn rooms(query: Result<Query<After>, QueryRejection>, asked: Asked) -> Response {
    let outcome = rooms_after(query, &asked.service).await;
    asked.personal(outcome)
}

async fn rooms_after(
    query: Result<Query<After>, QueryRejection>,
    delivery: &Delivery,
) -> Result<Rooms, Refusal> {
    let Query(After { after }) = query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    delivery.rooms(after.as_deref()).await
}
