//! The HTTP contract of the service.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::{get, post, put};
use serde::{Deserialize, Serialize};
use tillgate_kernel::Timestamp;
use tillgate_store::Cursor;

use super::StockKeeper;
use super::audit::{Holds, Promised};
use super::places::Places;
use crate::Refusal;
use crate::asked::{ForClients, Served};
use crate::assertion::Assertions;
use crate::client_orders::{ORDER_CHARACTERS_MAX, OfOrder};
use crate::form::{Fault, Form};
use crate::order_id::OrderId;
use crate::outlets::Outlets;
use crate::product_id::ProductId;
use crate::reservation::State;
use crate::reservation::extend::{Extended, Extension};
use crate::sessions::Sessions;

impl Served for StockKeeper {
    const NAME: &'static str = "store";

    fn public_url(&self) -> &str {
        &self.public_url
    }

    fn assertions(&self) -> &Assertions {
        &self.assertions
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl ForClients for StockKeeper {
    fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

type Asked = crate::asked::Asked<StockKeeper>;

/// The routes of the service, without a prefix.
pub fn routes(keeper: Arc<StockKeeper>) -> Router {
    Router::new()
        .route("/get", get(places))
        .route("/reserve", get(held).post(reserve).delete(release))
        .route("/extend", post(extend))
        .with_state(keeper)
}

/// The routes for the operator, who has been authenticated.
pub fn routes_for_operator(keeper: Arc<StockKeeper>) -> Router {
    Router::new()
        .route("/store/outlets", get(outlets).merge(put(set_outlets)))
        .route("/store/holds", get(holds))
        .route("/store/promised", get(promised))
        .route("/store/taken", get(taken))
        .route("/store/cases/{order}/take", post(take_case))
        .with_state(keeper)
}

/// Lets clients and services pass.
async fn known(asked: &mut Asked) -> Result<(), Refusal> {
    if asked.calling_for_itself().is_some() {
        return Ok(());
    }
    asked.client().await.map(drop)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Named {
    product_id: Option<String>,
}

/// `GET /get`
async fn places(query: Result<Query<Named>, QueryRejection>, mut asked: Asked) -> Response {
    let outcome = places_of(query, &mut asked).await;
    asked.shared(outcome)
}

async fn places_of(
    query: Result<Query<Named>, QueryRejection>,
    asked: &mut Asked,
) -> Result<Places, Refusal> {
    known(asked).await?;
    let Query(Named { product_id }) =
        query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    let text = product_id.filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| Refusal::of_field("productId", Fault::Missing))?;
    let product = text.parse().ok().and_then(ProductId::new);
    let product = product
        .ok_or_else(|| Refusal::of_field("productId", Fault::NotWhole(1, ProductId::MAX)))?;
    asked.service.places_of(product).await
}

struct Reservation {
    order: String,
    version: u64,
    outlet: u64,
}

impl Reservation {
    fn read(mut form: Form) -> Result<Reservation, Refusal> {
        let order = form.optional_id("orderId", ORDER_CHARACTERS_MAX);
        form.need("orderId", order.is_some());
        let version = form.optional_whole("version", 0, u64::from(u32::MAX));
        form.need("version", version.is_some());
        let outlet = form.optional_whole("storeId", 1, u64::from(u32::MAX));
        form.need("storeId", outlet.is_some());
        let all = order.zip(version.zip(outlet));
        let read = all.map(|(order, (version, outlet))| Reservation { order, version, outlet });
        form.whole(read).map_err(Refusal::Fields)
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reserved {
    /// Twelve digits.
    order_id: String,
    /// Of the order.
    version: u64,
    store_id: u32,
    until: Timestamp,
}

/// `POST /reserve`
async fn reserve(mut asked: Asked) -> Response {
    let outcome = reserved(&mut asked).await;
    asked.personal(outcome)
}

async fn reserved(asked: &mut Asked) -> Result<Reserved, Refusal> {
    // The service `order` checks the session.
    let person = asked.person();
    let Reservation { order, version, outlet } = asked.change(Reservation::read).await?;
    let keeper = &asked.service;
    let (wanted, outlet) = keeper.wanted(&person, &order, version, outlet).await?;
    let until = keeper.reserve(&wanted, &outlet).await?;
    let order_id = wanted.order.to_string();
    Ok(Reserved { order_id, version, store_id: outlet.id, until })
}

/// `GET /reserve`
async fn held(query: Result<Query<OfOrder>, QueryRejection>, mut asked: Asked) -> Response {
    let outcome = held_for(query, &mut asked).await;
    asked.personal(outcome)
}

async fn held_for(
    query: Result<Query<OfOrder>, QueryRejection>,
    asked: &mut Asked,
) -> Result<Reserved, Refusal> {
    let person = asked.person();
    let order = asked.service.orders.id_of(&person, &OfOrder::read(query)?).await?;
    let hold = asked.service.holds.of(order).await?.ok_or(Refusal::NotFound)?;
    let State::Preliminary { until } = hold.state else { return Err(Refusal::NotFound) };
    Ok(Reserved {
        order_id: order.to_string(),
        version: hold.version,
        store_id: hold.outlet,
        until,
    })
}

/// `DELETE /reserve`
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
    asked.service.holds.release(order).await
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
    asked.service.holds.extend(&extension).await
}

/// `POST /store/cases/{order}/take`: begins to pick an order.
async fn take_case(Path(order): Path<String>, asked: Asked) -> Response {
    let outcome = async {
        let order = OrderId::parse(&order).ok_or(Refusal::NotFound)?;
        asked.service.begin_picking(order).await
    };
    let outcome = outcome.await;
    asked.done(outcome)
}

/// `GET /store/outlets`
async fn outlets(asked: Asked) -> Response {
    let outcome = asked.service.outlets().await.map_err(Refusal::from);
    asked.personal(outcome)
}

/// `PUT /store/outlets`
async fn set_outlets(mut asked: Asked) -> Response {
    let outcome = outlets_set(&mut asked).await;
    asked.done(outcome)
}

async fn outlets_set(asked: &mut Asked) -> Result<(), Refusal> {
    let outlets: Outlets = asked.json().await?;
    asked.service.set_outlets(outlets).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    after: Option<String>,
}

/// `GET /store/holds`
async fn holds(query: Result<Query<After>, QueryRejection>, asked: Asked) -> Response {
    let keeper = Arc::clone(&asked.service);
    let outcome = holds_after(query, &keeper).await;
    asked.personal(outcome)
}

async fn holds_after(
    query: Result<Query<After>, QueryRejection>,
    keeper: &StockKeeper,
) -> Result<Holds, Refusal> {
    let Query(After { after }) = query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    let after = after
        .map(|text| {
            text.parse::<Cursor>().map_err(|_| Refusal::of_field("after", Fault::NotACursor))
        })
        .transpose()?;
    keeper.holds(after).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfStock {
    stock: String,
    after: Option<String>,
}

/// `GET /store/promised`
async fn promised(query: Result<Query<OfStock>, QueryRejection>, asked: Asked) -> Response {
    let keeper = Arc::clone(&asked.service);
    let outcome = promised_in(query, &keeper).await;
    asked.personal(outcome)
}

async fn promised_in(
    query: Result<Query<OfStock>, QueryRejection>,
    keeper: &StockKeeper,
) -> Result<Promised, Refusal> {
    let Query(OfStock { stock, after }) =
        query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    keeper.promised(&stock, after.as_deref()).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfArticle {
    stock: String,
    article: String,
}

/// `GET /store/taken`
async fn taken(query: Result<Query<OfArticle>, QueryRejection>, asked: Asked) -> Response {
    let keeper = Arc::clone(&asked.service);
    let outcome = async {
        let Query(OfArticle { stock, article }) =
            query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
        keeper.taken(&stock, &article).await
    };
    let outcome = outcome.await;
    asked.personal(outcome)
}
