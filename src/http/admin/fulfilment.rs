//! Sends fulfilment updates to a marketplace: how far an order is.

use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use http::HeaderMap;
use serde::Deserialize;

use super::outbox::MessageEntry;
use crate::flows::update_marketplace::{Refused, update_marketplace};
use crate::http::body::read_plain;
use crate::http::number_in;
use crate::http::problem::Problem;
use crate::http::request::ApiRequest;
use crate::kernel::Quantity;
use crate::kernel::json::tidy;
use crate::orders::{FulfilmentKind, FulfilmentUpdate, Order, Position};
use crate::outbox::Delivery;
use crate::outbox::message_key;
use crate::store::Unavailable;

/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 255;

/// The most lines that an order may have in the end.
const POSITIONS_MAX: usize = 1000;

/// The update to send.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    event: FulfilmentKind,
    /// With `ready`: the final content of the order, if it differs from what
    /// was ordered.
    positions: Option<Vec<Picked>>,
    /// With `canceled`: the reason.
    reason: Option<String>,
}

/// The final quantity of an article.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Picked {
    sku: String,
    quantity: Quantity,
    weight_grams: Option<Quantity>,
    replaced_by: Option<String>,
}

/// `POST /admin/v1/orders/{number}/tell`: sends an update. Repeating an event
/// returns the same message.
pub async fn send_update(
    app: ApiRequest,
    Path(number): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<MessageEntry>, Problem> {
    let missing = || Problem::not_found(format!("there is no order {number}"));
    let order = number_in(&number)?.ok_or_else(missing)?;
    let body = read_plain(&headers, body).await?;
    let wanted: Wanted = serde_json::from_slice(&tidy(&body).text)
        .map_err(|why| Problem::bad_request(why.to_string()))?;
    check(&wanted)?;
    let update = |order: &Order| update_of(&wanted, order);
    let id = match update_marketplace(&app.services, order, update).await? {
        Ok(id) => id,
        Err(Refused::NotFound) => return Err(missing()),
        Err(
            why @ (Refused::NoAddress
            | Refused::TooEarly(_)
            | Refused::TooLate(_)
            | Refused::GivenUp),
        ) => {
            return Err(Problem::conflict(format!("order {number}: {why}")));
        }
    };
    let stored = app.services.store.load(&[message_key(id)]).await?.pop().flatten();
    let stored =
        stored.ok_or_else(|| Problem::unavailable("the message was stored but cannot be read"))?;
    let delivery: Delivery = stored.document().map_err(Unavailable::from)?;
    Ok(Json(MessageEntry::of(delivery, app.language)))
}

fn check(wanted: &Wanted) -> Result<(), Problem> {
    if wanted.positions.is_some() && wanted.event != FulfilmentKind::Ready {
        return Err(Problem::bad_parameter(
            "positions",
            "they are allowed only with the event ready",
        ));
    }
    if wanted
        .positions
        .as_ref()
        .is_some_and(|lines| lines.is_empty() || lines.len() > POSITIONS_MAX)
    {
        return Err(Problem::bad_parameter(
            "positions",
            format!("send from 1 to {POSITIONS_MAX} lines"),
        ));
    }
    if wanted.reason.is_some() && wanted.event != FulfilmentKind::Canceled {
        return Err(Problem::bad_parameter("reason", "it is allowed only with the event canceled"));
    }
    if wanted.reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX) {
        return Err(Problem::bad_parameter(
            "reason",
            format!("at most {REASON_CHARS_MAX} characters"),
        ));
    }
    Ok(())
}

/// The update to send. The request has only quantities, so the prices are taken
/// from the order.
fn update_of(wanted: &Wanted, order: &Order) -> FulfilmentUpdate {
    let known = order.view().map(|view| view.content.positions).unwrap_or_default();
    let position = |picked: &Picked| {
        let line = known.iter().find(|line| line.sku == picked.sku);
        Position {
            sku: picked.sku.clone(),
            name: None,
            quantity: Some(picked.quantity),
            original_quantity: line.and_then(|line| line.original_quantity.or(line.quantity)),
            price: line.and_then(|line| line.price),
            discount_price: line.and_then(|line| line.discount_price),
            // The marketplace calculates them itself.
            total: None,
            discount_total: None,
            has_unread_sum: false,
            replaced_by: picked.replaced_by.clone(),
            weight_grams: picked.weight_grams,
        }
    };
    let positions = wanted.positions.as_ref().map(|lines| lines.iter().map(position).collect());
    FulfilmentUpdate {
        kind: wanted.event,
        external_id: order.external_id.clone(),
        positions,
        reason: wanted.reason.clone(),
    }
}
