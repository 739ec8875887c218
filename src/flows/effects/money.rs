//! Consequences of payments, refunds and shipments, and what the payment system
//! has to do then.

use std::time::Duration;

use super::super::BilledOrder;
use super::super::transaction::Transaction;
use super::{EventSubject, Task};
use crate::kernel::HookId;
use crate::kernel::time::between;
use crate::orders::{Event, EventKind, Incoming, Patch, decide};
use crate::payments::{Attention, PaymentFact, PaymentId, PaymentNote, PaymentState, Superseded};
use crate::views::callback::Event as CallbackEvent;

/// Money that has certainly come.
#[derive(Debug, Clone)]
pub(in crate::flows) struct MoneyCame {
    /// The payment by which it came.
    pub payment: PaymentId,
    /// The id of the event in the order.
    pub event: HookId,
    /// The id under which the payment system has it, if it is known.
    pub remote_id: Option<String>,
}

impl Transaction<'_> {
    /// Marks the payment and its order as paid, sends the callback to the
    /// merchant, and writes both.
    pub(in crate::flows) fn pay(&mut self, mut billed: BilledOrder, money: MoneyCame) {
        let MoneyCame { payment: id, event: hook, remote_id } = money;
        let now = self.now;
        let Some(payment) = billed.checkout.payment_mut(id) else { return };
        payment.state = PaymentState::Paid { at: now };
        payment.paid_under.clone_from(&remote_id);
        let amount = payment.taken();
        billed.checkout.end_pending_update(id, now);
        self.note_fact(&PaymentFact::MoneyCame { payment: id, amount });
        billed.checkout.withhold_bill();
        billed.checkout.note(now, Some(id), PaymentNote::PaymentPaid { amount, remote_id });
        // The payment is for the current order, so its event comes after all
        // events that led to it, whatever the clocks of the senders say. It
        // changes only the state: no goods move, and pickers have nothing to
        // do.
        let order = &billed.order;
        let event = Event {
            kind: EventKind::Paid,
            at: Some(order.after_all(now)),
            wall: None,
            is_ahead: false,
            arrived: now,
            fingerprint: hook.fingerprint,
            hook,
            patch: Patch::default(),
            reason: None,
            notes: Vec::new(),
        };
        let (number, source, external_id) =
            (order.number, order.source.clone(), order.external_id.clone());
        let decision = decide(Some(order), Incoming { number, source, external_id, event });
        self.note_facts(decision.facts);
        if let Some(decided) = decision.order {
            billed.order = billed.order.replaced(decided);
        }
        self.ship(&mut billed);
        self.notify_merchant(
            &mut billed,
            CallbackEvent::PaymentSucceeded,
            EventSubject::payment(id),
        );
        self.watch_for_refunds(&mut billed, id);
        billed.write(self);
    }

    /// Handles money that should not have come: a person decides about it. All
    /// other payments of the order are cancelled. Writes both.
    pub(in crate::flows) fn keep_money(
        &mut self,
        mut billed: BilledOrder,
        id: PaymentId,
        remote_id: &str,
        reason: Superseded,
    ) {
        let now = self.now;
        if let Some(payment) = billed.checkout.payment_mut(id) {
            payment.state = PaymentState::Paid { at: now };
            payment.paid_under = Some(remote_id.to_owned());
            payment.superseded.get_or_insert_with(|| reason.clone());
            let amount = payment.bill.total;
            self.note_fact(&PaymentFact::MoneyCame { payment: id, amount });
        }
        billed.checkout.end_pending_update(id, now);
        for payment in billed.checkout.cancel_open_payments(now) {
            self.start(&mut billed, Task::Payment { payment });
        }
        self.flag_payment(&mut billed, Some(id), PaymentNote::UnwantedMoney { reason });
        self.notify_merchant(&mut billed, CallbackEvent::PaymentReview, EventSubject::payment(id));
        self.watch_for_refunds(&mut billed, id);
        billed.write(self);
    }

    /// Flags something for a person, once. Returns whether it is new; then the
    /// caller must write the checkout.
    pub(in crate::flows) fn flag_payment(
        &mut self,
        billed: &mut BilledOrder,
        payment: Option<PaymentId>,
        note: PaymentNote,
    ) -> bool {
        let attention = Attention { at: self.now, payment, note };
        self.note_fact(&PaymentFact::PaymentAttention { attention: attention.clone() });
        let Attention { payment, note, .. } = attention;
        if billed.checkout.is_flagged(payment, &note) {
            return false;
        }
        billed.checkout.flag(self.now, payment, note);
        true
    }

    /// Schedules regular look-ups of refunds for a payment system that does not
    /// send notifications about them.
    fn watch_for_refunds(&mut self, billed: &mut BilledOrder, payment: PaymentId) {
        if !self.services.notifies_of_refunds(&billed.checkout.gateway) {
            self.watch(billed, Task::Refunds { payment }, LOOK_GAP_MIN);
        }
    }

    /// After a refund: if the money was for another content of the order, the
    /// buyer owes the current total. Returns whether anything was staged.
    pub(in crate::flows) fn ask_after_refund(&mut self, billed: &mut BilledOrder) -> bool {
        if billed.order.view().is_none_or(|view| view.paid.is_some() || view.cancelled.is_some()) {
            return false;
        }
        let planned = billed.checkout.plan_after_refund(self.now);
        if let Some(payment) = planned {
            self.start(billed, Task::Payment { payment });
        }
        self.watch_end(billed) || planned.is_some()
    }

    /// Schedules a check for the end of the time in which a buyer can ask to
    /// pay, unless it is scheduled already.
    pub(in crate::flows) fn watch_end(&mut self, billed: &mut BilledOrder) -> bool {
        let Some((payment, end)) = billed.checkout.watch_end() else { return false };
        let wait: Duration = between(self.now, end);
        self.watch(billed, Task::Payment { payment }, wait);
        true
    }

    /// After a shipment, captures the held money, or reports the shipment to
    /// the payment system once the money was taken, if that creates the
    /// receipts. Either may come first: an order can be paid at the door.
    /// Returns whether there was something to do.
    pub(in crate::flows) fn ship(&mut self, billed: &mut BilledOrder) -> bool {
        if billed.order.view().is_none_or(|view| view.shipped.is_none()) {
            return false;
        }
        let (now, shipment_report) =
            (self.now, self.services.shipment_report(&billed.checkout.gateway));
        let checkout = &mut billed.checkout;
        let planned = checkout
            .plan_capture(&[], None, now)
            .ok()
            .or_else(|| checkout.plan_shipment(shipment_report, now));
        if let Some(operation) = planned {
            self.start(billed, Task::Operation { operation });
        }
        planned.is_some()
    }
}

/// The shortest time between two look-ups of refunds at a payment system that
/// sends no notifications about them, and the time until the first one.
pub(in crate::flows) const LOOK_GAP_MIN: Duration = Duration::from_secs(3600);
