//! Puts fulfilment updates for a marketplace into the outbox: each once, and in
//! the order that the marketplace requires.

use crate::flows::marketplace_update::MARKETPLACES;
use std::time::Duration;

use super::transaction::{Staged, transact};
use super::{OrderRecord, Services, load_kept_record};
use crate::kernel::DocKey;
use crate::orders::Number;
use crate::orders::{FulfilmentKind, FulfilmentUpdate, Order, State};
use crate::outbox::message_key;
use crate::outbox::{Delivery, DeliveryState};
use crate::outbox::{Message, MessageId};
use crate::store::Unavailable;

/// Why an update is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such order.
    #[error("there is no such order")]
    NotFound,
    /// The source has no address for updates.
    #[error("its source has no [sources.….outgoing], so there is no address for updates: add one")]
    NoAddress,
    /// Another update must be sent first.
    #[error("send {} first: the marketplace accepts nothing else before it", .0.as_str())]
    TooEarly(FulfilmentKind),
    /// The order is already in a later state.
    #[error("it is already {0}")]
    TooLate(State),
    /// The marketplace has been informed that the order is cancelled.
    #[error("the marketplace has already received that the order is cancelled")]
    GivenUp,
}

/// Puts an update into the outbox, unless it is already there. Returns the
/// message.
pub async fn update_marketplace(
    services: &Services,
    number: Number,
    wish: impl Fn(&Order) -> FulfilmentUpdate,
) -> Result<Result<MessageId, Refused>, Unavailable> {
    let wish = &wish;
    transact(services, "tell_marketplace", |mut tx| async move {
        let Some(OrderRecord { mut order, .. }) = load_kept_record(&services.store, number).await?
        else {
            return Ok(Staged::Unchanged(Err(Refused::NotFound)));
        };
        let update = wish(&order);
        if !services.listeners.contains(&order.source) {
            return Ok(Staged::Unchanged(Err(Refused::NoAddress)));
        }
        let known = updates_before(services, &order).await?;
        if let Some((id, _)) = known.iter().find(|(_, kind)| *kind == update.kind) {
            return Ok(Staged::Unchanged(Ok(*id)));
        }
        let has = |kind| known.iter().any(|(_, known)| *known == kind);
        if let Err(why) = check_turn(&order, update.kind, has) {
            return Ok(Staged::Unchanged(Err(why)));
        }
        let (id, created_at, wait) = (order.next_message(), tx.now, Duration::ZERO);
        let body = serde_json::to_string(&update).unwrap_or_default();
        let queue = order.source.as_str().to_owned();
        tx.send(Message { id, lane: MARKETPLACES, queue, body, created_at, wait });
        order.stage(tx.batch());
        Ok(tx.commit(Ok(id)))
    })
    .await
}

/// The updates of an order that were sent to the marketplace or are waiting.
/// Those that a person has dropped do not count, nor do dead ones.
async fn updates_before(
    services: &Services,
    order: &Order,
) -> Result<Vec<(MessageId, FulfilmentKind)>, Unavailable> {
    let ids = (1..=order.messages)
        .map(|sequence| MessageId { subject: order.number.partition(), sequence });
    let keys: Vec<DocKey> = ids.map(message_key).collect();
    let mut update = Vec::new();
    for stored in services.store.load(&keys).await?.into_iter().flatten() {
        let delivery: Delivery = stored.document()?;
        let counts = delivery.lane == MARKETPLACES
            && !matches!(
                delivery.state,
                DeliveryState::Dropped { .. } | DeliveryState::Dead { .. }
            );
        if let Some(known) =
            serde_json::from_str::<FulfilmentUpdate>(&delivery.body).ok().filter(|_| counts)
        {
            update.push((delivery.id, known.kind));
        }
    }
    Ok(update)
}

/// The rules of the marketplace: `in work`, then `ready`; `canceled` at any
/// time before the order is delivered.
fn check_turn(
    order: &Order,
    kind: FulfilmentKind,
    has: impl Fn(FulfilmentKind) -> bool,
) -> Result<(), Refused> {
    let view = order.view().ok_or(Refused::NotFound)?;
    if has(FulfilmentKind::Canceled) {
        return Err(Refused::GivenUp);
    }
    if view.cancelled.is_some() || view.delivered.is_some() {
        return Err(Refused::TooLate(view.state()));
    }
    match kind {
        FulfilmentKind::InWork if has(FulfilmentKind::Ready) || view.shipped.is_some() => {
            Err(Refused::TooLate(view.state()))
        }
        FulfilmentKind::Ready if view.shipped.is_some() => Err(Refused::TooLate(view.state())),
        FulfilmentKind::Ready if !has(FulfilmentKind::InWork) => {
            Err(Refused::TooEarly(FulfilmentKind::InWork))
        }
        FulfilmentKind::InWork | FulfilmentKind::Ready | FulfilmentKind::Canceled => Ok(()),
    }
}
