//! What a merchant's site hears: events, put into the outbox in the batch that makes them true.

use serde_json::json;

use super::move_money::OperationDocument;
use super::{Seller, Shop, order_document};
use crate::kernel::{Lane, Message, MessageId, Timestamp};
use crate::orders::Order;
use crate::payments::{Checkout, OperationId, Payment, PaymentId, PaymentState};
use crate::store::Batch;

/// Something that a merchant's site is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The money is set aside: it is taken by a capture.
    PaymentHeld,
    /// The money is there.
    PaymentSucceeded,
    /// The time in which it could be paid is over.
    PaymentExpired,
    /// It can be paid no more, and nothing comes in its stead.
    PaymentCanceled,
    /// It can be paid no more: the order comes to something else now, for which there is another payment.
    PaymentSuperseded,
    /// The order has other lines or prices.
    OrderChanged,
    /// The order was called off.
    OrderCanceled,
    /// Money was paid back.
    RefundSucceeded(OperationId),
    /// The payment system will not pay it back.
    RefundFailed(OperationId),
}

impl Event {
    /// Its name, as sites know it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Event::PaymentHeld => "payment.held",
            Event::PaymentSucceeded => "payment.succeeded",
            Event::PaymentExpired => "payment.expired",
            Event::PaymentCanceled => "payment.canceled",
            Event::PaymentSuperseded => "payment.superseded",
            Event::OrderChanged => "order.changed",
            Event::OrderCanceled => "order.canceled",
            Event::RefundSucceeded(_) => "refund.succeeded",
            Event::RefundFailed(_) => "refund.failed",
        }
    }

    /// What has happened to a payment that ended without money between `before` and `after`, if that is so. Whether another
    /// takes its place is known to the checkout.
    pub(super) fn end_of(before: &Payment, after: &Payment, checkout: &Checkout) -> Option<Event> {
        if before.state == after.state {
            return None;
        }
        match after.state {
            PaymentState::Held { .. } if before.is_held() || after.superseded.is_some() => None,
            PaymentState::Held { .. } => Some(Event::PaymentHeld),
            PaymentState::Expired { .. } => Some(Event::PaymentExpired),
            PaymentState::Cancelled { .. } if checkout.next.is_some() => Some(Event::PaymentSuperseded),
            PaymentState::Cancelled { .. } => Some(Event::PaymentCanceled),
            PaymentState::Planned
            | PaymentState::Sending { .. }
            | PaymentState::Unknown { .. }
            | PaymentState::Linked { .. }
            | PaymentState::Paid { .. }
            | PaymentState::Refused { .. }
            | PaymentState::Frozen { .. } => None,
        }
    }
}

/// Puts an event into the outbox, if the order's merchant wants to hear any: frozen, so that every attempt says the same.
/// The order's count of messages goes up, so the order is to be written as well. Says whether it is.
pub(super) fn call_back(
    shop: &Shop,
    batch: &mut Batch,
    (order, checkout): (&mut Order, &Checkout),
    (event, payment): (Event, Option<PaymentId>),
    now: Timestamp,
) -> bool {
    if !shop.sellers.get(&order.source).is_some_and(|seller: &Seller| seller.is_called_back) {
        return false;
    }
    order.messages += 1;
    let id = MessageId { number: order.number, sequence: order.messages };
    let document = order_document(shop, order, Some(checkout));
    let mut data = serde_json::to_value(document).unwrap_or_default();
    if let Some(fields) = data.as_object_mut() {
        // The merchant knows the order by these names; what is for our own people stays here.
        fields.remove("attention");
        fields.insert("merchant_order_id".into(), json!(order.external_id));
        fields.insert("id".into(), json!(order.number));
        fields.insert("payment_id".into(), json!(payment));
        if let Event::RefundSucceeded(id) | Event::RefundFailed(id) = event {
            let refund = checkout.operations.iter().find(|operation| operation.id == id);
            fields.insert("refund".into(), json!(refund.map(OperationDocument::of)));
        }
    }
    let body = json!({"type": event.name(), "timestamp": now, "data": data}).to_string();
    let queue = order.source.as_str().to_owned();
    batch.send(Message { id, lane: Lane::Callback, queue, body, created_at: now, not_before: None });
    true
}
