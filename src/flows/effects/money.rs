//! Money has come or gone back, or goods were handed over: what the payment system has to do then.

use std::time::Duration;

use super::super::BilledOrder;
use super::super::transaction::Transaction;
use super::{About, Task};
use crate::kernel::HookId;
use crate::kernel::time::between;
use crate::orders::{Event, EventKind, Incoming, Patch, decide};
use crate::payments::{Attention, PaymentFact, PaymentId, PaymentNote, PaymentState, Superseded};
use crate::views::callback::Event as Told;

/// Money that has come, for certain.
#[derive(Debug, Clone)]
pub(in crate::flows) struct MoneyCame {
    /// By which payment.
    pub payment: PaymentId,
    /// What the order's events call it.
    pub event: HookId,
    /// Under which id the payment system took it, if it is known.
    pub remote_id: Option<String>,
}

impl Transaction<'_> {
    /// Marks the payment and its order paid, tells the merchant, and writes both.
    pub(in crate::flows) fn pay(&mut self, mut billed: BilledOrder, money: MoneyCame) {
        let MoneyCame { payment: id, event: hook, remote_id } = money;
        let now = self.now;
        let Some(payment) = billed.checkout.payment_mut(id) else { return };
        payment.state = PaymentState::Paid { at: now };
        payment.paid_under.clone_from(&remote_id);
        let amount = payment.taken();
        billed.checkout.end_alteration(id, now);
        self.note_fact(&PaymentFact::MoneyCame { payment: id, amount });
        billed.checkout.ask_no_more();
        billed.checkout.note(now, Some(id), PaymentNote::PaymentPaid { amount, remote_id });
        // The payment is for the order as it stands, so it comes after everything that has made it so, whatever the
        // senders' clocks say. It changes nothing but the state: no goods move and pickers have nothing to do.
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
        let (number, source, external_id) = (order.number, order.source.clone(), order.external_id.clone());
        let decision = decide(Some(order), Incoming { number, source, external_id, event });
        self.note_facts(decision.facts);
        if let Some(decided) = decision.order {
            billed.order = billed.order.replaced(decided);
        }
        self.ship(&mut billed);
        self.notify_merchant(&mut billed, Told::PaymentSucceeded, About::payment(id));
        self.watch_for_refunds(&mut billed, id);
        billed.write(self);
    }

    /// Money has come that should not have: a person decides about it. Nothing else of the order may take any. Writes both.
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
        billed.checkout.end_alteration(id, now);
        for payment in billed.checkout.stop_asking(now) {
            self.start(&mut billed, Task::Payment { payment });
        }
        self.flag_payment(&mut billed, Some(id), PaymentNote::UnwantedMoney { reason });
        self.notify_merchant(&mut billed, Told::PaymentReview, About::payment(id));
        self.watch_for_refunds(&mut billed, id);
        billed.write(self);
    }

    /// Puts something before a person, once. Says whether it is new; then the checkout is to be written.
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

    /// A payment system that notifies of no refunds is looked at for them, now and then.
    fn watch_for_refunds(&mut self, billed: &mut BilledOrder, payment: PaymentId) {
        if !self.services.tells_of_refunds(&billed.checkout.gateway) {
            self.watch(billed, Task::Refunds { payment }, LOOK_GAP_MIN);
        }
    }

    /// Money has gone back. If it had come for something else the buyer owes what the order comes to now. Says whether
    /// something is to be done.
    pub(in crate::flows) fn ask_after_refund(&mut self, billed: &mut BilledOrder) -> bool {
        if billed.order.view().is_none_or(|view| view.paid.is_some() || view.cancelled.is_some()) {
            return false;
        }
        let planned = billed.checkout.ask_again(self.now);
        if let Some(payment) = planned {
            self.start(billed, Task::Payment { payment });
        }
        self.watch_end(billed) || planned.is_some()
    }

    /// Has somebody look when the time is over to pay what nobody has asked to pay yet, unless that is so already.
    pub(in crate::flows) fn watch_end(&mut self, billed: &mut BilledOrder) -> bool {
        let Some((payment, end)) = billed.checkout.watch_end() else { return false };
        let wait: Duration = between(self.now, end);
        self.watch(billed, Task::Payment { payment }, wait);
        true
    }

    /// What was shipped is taken of the money that is held, or told to the payment system once it was taken, if that makes
    /// the receipts. Either may come first: an order can be paid at the door. Says whether there was something to do.
    pub(in crate::flows) fn ship(&mut self, billed: &mut BilledOrder) -> bool {
        if billed.order.view().is_none_or(|view| view.shipped.is_none()) {
            return false;
        }
        let (now, handover) = (self.now, self.services.handover(&billed.checkout.gateway));
        let checkout = &mut billed.checkout;
        let planned =
            checkout.plan_capture(&[], None, now).ok().or_else(|| checkout.plan_shipment(handover, now));
        if let Some(operation) = planned {
            self.start(billed, Task::Operation { operation });
        }
        planned.is_some()
    }
}

/// Between two looks at the refunds of a payment system that tells of none, and how long after the payment the last is.
pub(in crate::flows) const LOOK_GAP_MIN: Duration = Duration::from_secs(3600);
