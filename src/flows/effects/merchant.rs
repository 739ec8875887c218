//! Callbacks to a merchant's site about its orders.

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

/// The lane of callbacks. Each callback has the whole order, and a site that
/// cannot accept one callback must still get the others, so a queue skips
/// messages that wait for a retry.
pub const CALLBACKS: Lane = Lane::new(3, Ordering::SkipsRetries, "callback");

/// The subject of an event, in addition to the order.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::flows) struct EventSubject {
    pub payment: Option<PaymentId>,
    pub operation: Option<OperationId>,
}

impl EventSubject {
    /// An event about a payment.
    pub fn payment(id: PaymentId) -> EventSubject {
        EventSubject { payment: Some(id), operation: None }
    }

    /// An event about a refund or a capture.
    pub fn operation(id: OperationId) -> EventSubject {
        EventSubject { payment: Some(id.payment), operation: Some(id) }
    }
}

impl Transaction<'_> {
    /// Puts a callback into the outbox, if the merchant of the order receives
    /// any. It is stored as bytes, so that every attempt sends the same.
    /// Returns whether it was added: then the caller must write the order, too.
    pub(in crate::flows) fn notify_merchant(
        &mut self,
        billed: &mut BilledOrder,
        event: Event,
        about: EventSubject,
    ) -> bool {
        let BilledOrder { order, checkout } = billed;
        let is_wanted =
            match self.services.merchants.get(&order.source).map(|profile| profile.callbacks) {
                Some(Callbacks::Always) => true,
                Some(Callbacks::WhereNamed) => checkout.urls.callback.is_some(),
                Some(Callbacks::None) | None => false,
            };
        if !is_wanted {
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
        let body = serde_json::to_string(&Callback { event, timestamp: self.now, data })
            .unwrap_or_default();
        let queue = order.source.as_str().to_owned();
        let (id, created_at, wait) = (order.next_message(), self.now, Duration::ZERO);
        self.send(Message { id, lane: CALLBACKS, queue, body, created_at, wait });
        true
    }
}

/// The event for a payment that ended without money, or was held, between
/// `before` and `after`; `None` if there is none. Whether another payment
/// replaces it follows from the checkout.
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
        PaymentState::Expired { .. } | PaymentState::Cancelled { .. }
            if checkout.next.is_some() =>
        {
            Some(Event::PaymentSuperseded)
        }
        // A buyer who comes to pay gets another payment.
        PaymentState::Expired { .. } | PaymentState::Cancelled { .. }
            if checkout.is_renewable(now) =>
        {
            None
        }
        PaymentState::Expired { .. } => Some(Event::PaymentExpired),
        PaymentState::Cancelled { .. } => Some(Event::PaymentCanceled),
        PaymentState::Planned
        | PaymentState::Sending { .. }
        | PaymentState::Unknown { .. }
        | PaymentState::Linked { .. }
        | PaymentState::Paid { .. }
        | PaymentState::Refused { .. }
        | PaymentState::NeedsReview { .. } => None,
    }
}
