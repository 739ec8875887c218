//! A merchant's site is told what has become of its order.

use std::time::Duration;

use super::super::transaction::Transaction;
use super::super::{BilledOrder, Callbacks};
use crate::kernel::Timestamp;
use crate::outbox::Ordering;
use crate::outbox::{Lane, Message};
use crate::payments::{Checkout, OperationId, OperationKind, Payment, PaymentId, PaymentState};
use crate::texts::Language;
use crate::views::callback::{Callback, CallbackData, Event};
use crate::views::{OperationDocument, merchant_order};

/// What merchants' sites hear of their orders. Each callback bears all that there is to say, and a site that cannot take one must
/// hear of the payment all the same.
pub const CALLBACKS: Lane = Lane::new(3, Ordering::SkipsRetries, "callback");

/// What an event is about, beside the order.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::flows) struct About {
    /// The payment.
    pub payment: Option<PaymentId>,
    /// The refund or the capture.
    pub operation: Option<OperationId>,
}

impl About {
    /// A payment.
    pub fn payment(id: PaymentId) -> About {
        About { payment: Some(id), operation: None }
    }

    /// A refund or a capture.
    pub fn operation(id: OperationId) -> About {
        About { payment: Some(id.payment), operation: Some(id) }
    }
}

impl Transaction<'_> {
    /// Puts an event into the outbox, if the order's merchant wants to hear any, as bytes, so that every attempt says the
    /// same. Returns whether it was put there: then the order must be written too.
    pub(in crate::flows) fn notify_merchant(
        &mut self,
        billed: &mut BilledOrder,
        event: Event,
        about: About,
    ) -> bool {
        let BilledOrder { order, checkout } = billed;
        let hears = match self.services.sellers.get(&order.source).map(|seller| seller.callbacks) {
            Some(Callbacks::Always) => true,
            Some(Callbacks::WhereNamed) => checkout.ways.callback.is_some(),
            Some(Callbacks::None) | None => false,
        };
        if !hears {
            return false;
        }
        let frame = self.services.frame(Language::En);
        let Some(document) = merchant_order(frame, order, checkout) else { return false };
        let operation = checkout.operations.iter().find(|known| Some(known.id) == about.operation);
        let of = |kind| {
            operation
                .filter(|known| known.kind == kind)
                .map(|operation| OperationDocument::of(operation, frame.language))
        };
        let data = CallbackData {
            order: document,
            payment_id: about.payment,
            refund: of(OperationKind::Refund),
            capture: of(OperationKind::Capture),
        };
        let body = serde_json::to_string(&Callback { event, timestamp: self.now, data }).unwrap_or_default();
        let queue = order.source.as_str().to_owned();
        let (id, created_at, wait) = (order.next_message(), self.now, Duration::ZERO);
        self.send(Message { id, lane: CALLBACKS, queue, body, created_at, wait });
        true
    }
}

/// What has happened to a payment that ended without money between `before` and `after`, if that is so. Whether another
/// takes its place is known to the checkout.
pub(in crate::flows) fn end_of(
    before: &Payment,
    after: &Payment,
    checkout: &Checkout,
    now: Timestamp,
) -> Option<Event> {
    if before.state == after.state {
        return None;
    }
    match after.state {
        PaymentState::Held { .. } if before.is_held() || after.superseded.is_some() => None,
        PaymentState::Held { .. } => Some(Event::PaymentHeld),
        PaymentState::Expired { .. } | PaymentState::Cancelled { .. } if checkout.next.is_some() => {
            Some(Event::PaymentSuperseded)
        }
        // Who comes to pay gets another.
        PaymentState::Expired { .. } | PaymentState::Cancelled { .. } if checkout.is_renewable(now) => None,
        PaymentState::Expired { .. } => Some(Event::PaymentExpired),
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
