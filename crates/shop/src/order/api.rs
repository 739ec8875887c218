//! The HTTP contract of the service.

use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use axum::routing::{get, post, put};
use serde::Deserialize;
use tillgate_kernel::Timestamp;

use super::Orders;
use super::asked::{Change, Place, REFERENCE_CHARACTERS_MAX};
use super::shop_order::ShopOrder;
use super::shown::{ShownOrder, ShownOrders};
use crate::Refusal;
use crate::asked::{ForClients, Served};
use crate::assertion::Assertions;
use crate::form::Fault;
use crate::sessions::Sessions;
use crate::username::{ClientNumber, Username};

impl Served for Orders {
    const NAME: &'static str = "order";

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

impl ForClients for Orders {
    fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

type Asked = crate::asked::Asked<Orders>;

/// The routes of the service, without a prefix.
pub fn routes(orders: Arc<Orders>) -> Router {
    Router::new()
        .route("/place", post(place))
        .route("/adjust", put(adjust))
        .route("/cancel", put(cancel))
        .route("/check", put(check))
        .route("/process", put(process))
        .route("/get", get(show))
        .route("/list", get(list))
        .with_state(orders)
}

/// The client who is logged in.
async fn client(asked: &mut Asked) -> Result<Username, Refusal> {
    asked.client().await
}

fn shown(outcome: Result<ShopOrder, Refusal>) -> Result<ShownOrder, Refusal> {
    outcome.map(ShownOrder::from)
}

/// `POST /place`
async fn place(mut asked: Asked) -> Response {
    let outcome = placed(&mut asked).await;
    asked.personal(shown(outcome))
}

async fn placed(asked: &mut Asked) -> Result<ShopOrder, Refusal> {
    let client = client(asked).await?;
    let place = asked.change(Place::read).await?;
    asked.service.place(&client, place).await
}

/// `PUT /adjust`
async fn adjust(mut asked: Asked) -> Response {
    let outcome = adjusted(&mut asked).await;
    asked.personal(shown(outcome))
}

async fn adjusted(asked: &mut Asked) -> Result<ShopOrder, Refusal> {
    let client = ClientNumber::of(&client(asked).await?);
    let change = asked.change(Change::of_lines).await?;
    asked.service.adjust(client, change).await
}

/// `PUT /cancel`
async fn cancel(mut asked: Asked) -> Response {
    let outcome = canceled(&mut asked).await;
    asked.personal(shown(outcome))
}

async fn canceled(asked: &mut Asked) -> Result<ShopOrder, Refusal> {
    let client = ClientNumber::of(&client(asked).await?);
    let change = asked.change(Change::of_order).await?;
    asked.service.cancel(client, change).await
}

/// `PUT /process`
async fn process(mut asked: Asked) -> Response {
    let outcome = processed(&mut asked).await;
    asked.personal(shown(outcome))
}

async fn processed(asked: &mut Asked) -> Result<ShopOrder, Refusal> {
    let client = ClientNumber::of(&client(asked).await?);
    let change = asked.change(Change::of_order).await?;
    asked.service.process(client, change).await
}

/// `PUT /check`
async fn check(mut asked: Asked) -> Response {
    let outcome = checked(&mut asked).await;
    asked.personal(shown(outcome))
}

async fn checked(asked: &mut Asked) -> Result<ShopOrder, Refusal> {
    let client = ClientNumber::of(&client(asked).await?);
    let change = asked.change(Change::of_order).await?;
    asked.service.check(client, change).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Named {
    order_id: Option<String>,
}

/// `GET /get`
async fn show(query: Result<Query<Named>, QueryRejection>, mut asked: Asked) -> Response {
    let outcome = found(query, &mut asked).await;
    asked.personal(shown(outcome))
}

async fn found(
    query: Result<Query<Named>, QueryRejection>,
    asked: &mut Asked,
) -> Result<ShopOrder, Refusal> {
    let client = ClientNumber::of(&client(asked).await?);
    let Query(Named { order_id }) =
        query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    match order_id.filter(|id| !id.is_empty()) {
        Some(id) if id.chars().count() > REFERENCE_CHARACTERS_MAX => {
            Err(Refusal::of_field("orderId", Fault::TooLong(REFERENCE_CHARACTERS_MAX)))
        }
        Some(id) => asked.service.order(client, &id).await,
        None => asked.service.basket(client).await?.order.ok_or(Refusal::NotFound),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    cursor: Option<String>,
}

/// `GET /list`
async fn list(query: Result<Query<Part>, QueryRejection>, mut asked: Asked) -> Response {
    let outcome = listed(query, &mut asked).await;
    asked.personal(outcome)
}

async fn listed(
    query: Result<Query<Part>, QueryRejection>,
    asked: &mut Asked,
) -> Result<ShownOrders, Refusal> {
    let client = ClientNumber::of(&client(asked).await?);
    let Query(Part { cursor }) = query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    let cursor = cursor.filter(|cursor| !cursor.is_empty());
    let after =
        cursor.map(|text| text.parse().map_err(|_| Refusal::of_field("cursor", Fault::NotACursor)));
    asked.service.orders_of(client, after.transpose()?).await.map(ShownOrders::from)
}
