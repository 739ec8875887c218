//! The shop says how far an order is, and the marketplace is to hear it: once each, and in the order in which the
//! marketplace takes it.

use crate::flows::marketplace_update::MARKETPLACES;
use std::time::Duration;

use super::transaction::{Staged, transact};
use super::{OrderRecord, Shop, load_kept_record};
use crate::kernel::DocKey;
use crate::orders::Number;
use crate::orders::{Order, State, Tiding, Told};
use crate::outbox::message_key;
use crate::outbox::{Delivery, DeliveryState};
use crate::outbox::{Message, MessageId};
use crate::store::Unavailable;

/// Why it is not told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such order.
    #[error("there is no such order")]
    NotFound,
    /// Its source cannot be told anything.
    #[error("its source has no [sources.….outgoing]: there is no address to tell")]
    NoAddress,
    /// Something else has to be told first.
    #[error("tell {} first: the marketplace takes nothing else before", .0.as_str())]
    TooEarly(Tiding),
    /// It has gone too far.
    #[error("it is {0}")]
    TooLate(State),
    /// It was told that the order cannot be had.
    #[error("the marketplace was told that it cannot be had")]
    GivenUp,
}

/// Puts into the outbox what is to be told, unless it is there already. Returns the message.
pub async fn tell_marketplace(
    shop: &Shop,
    number: Number,
    wish: impl Fn(&Order) -> Told,
) -> Result<Result<MessageId, Refused>, Unavailable> {
    let wish = &wish;
    transact(shop, "tell_marketplace", |mut tx| async move {
        let Some(OrderRecord { mut order, .. }) = load_kept_record(&shop.store, number).await? else {
            return Ok(Staged::Unchanged(Err(Refused::NotFound)));
        };
        let told = wish(&order);
        if !shop.listeners.contains(&order.source) {
            return Ok(Staged::Unchanged(Err(Refused::NoAddress)));
        }
        let known = told_before(shop, &order).await?;
        if let Some((id, _)) = known.iter().find(|(_, tiding)| *tiding == told.tiding) {
            return Ok(Staged::Unchanged(Ok(*id)));
        }
        let has = |tiding| known.iter().any(|(_, known)| *known == tiding);
        if let Err(why) = may_be_told(&order, told.tiding, has) {
            return Ok(Staged::Unchanged(Err(why)));
        }
        let (id, created_at, wait) = (order.next_message(), tx.now, Duration::ZERO);
        let body = serde_json::to_string(&told).unwrap_or_default();
        let queue = order.source.as_str().to_owned();
        tx.send(Message { id, lane: MARKETPLACES, queue, body, created_at, wait });
        order.stage(tx.batch());
        Ok(tx.commit(Ok(id)))
    })
    .await
}

/// What the marketplace was told of an order, or is about to be. What a person has dropped was not.
async fn told_before(shop: &Shop, order: &Order) -> Result<Vec<(MessageId, Tiding)>, Unavailable> {
    let ids = (1..=order.messages).map(|sequence| MessageId { subject: order.number.partition(), sequence });
    let keys: Vec<DocKey> = ids.map(message_key).collect();
    let mut told = Vec::new();
    for stored in shop.store.load(&keys).await?.into_iter().flatten() {
        let delivery: Delivery = stored.document()?;
        let counts = delivery.lane == MARKETPLACES
            && !matches!(delivery.state, DeliveryState::Dropped { .. } | DeliveryState::Dead { .. });
        if let Some(known) = serde_json::from_str::<Told>(&delivery.body).ok().filter(|_| counts) {
            told.push((delivery.id, known.tiding));
        }
    }
    Ok(told)
}

/// The marketplace's own rules: in work, then ready; given up at any time before it is delivered.
fn may_be_told(order: &Order, tiding: Tiding, has: impl Fn(Tiding) -> bool) -> Result<(), Refused> {
    let view = order.view().ok_or(Refused::NotFound)?;
    if has(Tiding::Canceled) {
        return Err(Refused::GivenUp);
    }
    if view.cancelled.is_some() || view.delivered.is_some() {
        return Err(Refused::TooLate(view.state()));
    }
    match tiding {
        Tiding::InWork if has(Tiding::Ready) || view.shipped.is_some() => Err(Refused::TooLate(view.state())),
        Tiding::Ready if view.shipped.is_some() => Err(Refused::TooLate(view.state())),
        Tiding::Ready if !has(Tiding::InWork) => Err(Refused::TooEarly(Tiding::InWork)),
        Tiding::InWork | Tiding::Ready | Tiding::Canceled => Ok(()),
    }
}
