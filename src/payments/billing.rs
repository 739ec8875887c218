//! Decides what the buyer is asked to pay: exactly the order's total, by one
//! payment at a time.

use super::bill::Bill;
use super::checkout::{ATTEMPTS_MAX, Checkout};
use super::note::{PaymentNote, RetryReason, Superseded};
use super::operation_id::OperationKind;
use super::payment::{Payment, PaymentState, PendingUpdate, Step};
use super::payment_id::PaymentId;
use crate::kernel::Timestamp;

impl Checkout {
    /// Makes sure that exactly `wanted` can be paid, or nothing if it is
    /// `None`: plans a payment, or first requests the cancellation of the live
    /// one. Returns the payments that have work left to do.
    pub fn set_bill(&mut self, wanted: Option<(u32, Bill)>, now: Timestamp) -> Vec<PaymentId> {
        // Once money was taken, for any revision, the buyer is not asked for
        // more until a person decides so.
        if let Some(paid) = self.payments.iter().find(|payment| self.has_unrefunded_money(payment))
        {
            let differs = wanted.as_ref().is_some_and(|(_, bill)| bill.total != paid.taken());
            if let (true, Some((_, bill))) = (differs, &wanted) {
                let note = PaymentNote::PaidOtherTotal { paid: paid.taken(), total: bill.total };
                self.flag(now, None, note);
            }
            let stopped = self.cancel_open_payments(now);
            self.withheld = wanted.or(self.withheld.take());
            return stopped;
        }
        let is_held =
            |id| self.payments.iter().any(|payment| payment.id == id && payment.is_held());
        if let Some(capture) = self.operations.iter().find(|known| {
            known.kind == OperationKind::Capture && known.counts() && is_held(known.id.payment)
        }) {
            if wanted.as_ref().is_none_or(|(_, bill)| bill.total != capture.total) {
                let note =
                    PaymentNote::CapturedOtherTotal { capture: capture.id, amount: capture.total };
                self.flag(now, None, note);
            }
            self.withheld = wanted.or(self.withheld.take());
            return Vec::new();
        }
        let live = self.payments.iter_mut().find(|payment| payment.is_live());
        let Some(live) = live else {
            if wanted.is_none()
                && let Some(last) = self.payments.last_mut()
                && !last.was_paid()
            {
                // It has ended already; now no payment replaces it either.
                last.supersede(Superseded::NotPayable);
            }
            self.next = wanted.map(|(revision, bill)| (revision, self.with_end_of_before(bill)));
            return self.follow_up(now).into_iter().collect();
        };
        if live.is_held()
            && live.superseded.is_none()
            && let Some((revision, bill)) = &wanted
            && bill.total <= live.bill.total
        {
            // Enough is held: the new total is captured from it.
            let (id, held) = (live.id, live.bill.total);
            let is_all = bill.lines == live.bill.lines;
            let known = self.next.as_ref().map_or(&live.bill, |(_, next)| next);
            if bill.lines != known.lines {
                self.note(now, Some(id), PaymentNote::CaptureLess { held, amount: bill.total });
                self.next = (!is_all).then(|| (*revision, bill.clone()));
            }
            return Vec::new();
        }
        let same = wanted.as_ref().is_some_and(|(_, bill)| {
            bill.total == live.bill.total && bill.lines == live.bill.lines
        });
        if same && live.superseded.is_none() {
            return Vec::new();
        }
        let id = live.id;
        let reason =
            if wanted.is_some() { Superseded::OrderChanged } else { Superseded::NotPayable };
        let is_new = live.superseded.is_none();
        live.supersede(reason.clone());
        if live.state == PaymentState::Planned {
            // Nothing was sent, so there is nothing to cancel.
            live.state = PaymentState::Cancelled { at: now };
            self.note(now, Some(id), PaymentNote::PaymentDropped { reason });
            self.next = wanted;
            return self.follow_up(now).into_iter().collect();
        }
        if is_new {
            self.note(now, Some(id), PaymentNote::CancelRequested { reason });
        }
        self.next = wanted;
        if is_new { vec![id] } else { Vec::new() }
    }

    /// The bill, with the previous expiry if the same lines are waiting
    /// already.
    fn with_end_of_before(&self, bill: Bill) -> Bill {
        match &self.next {
            Some((_, before)) if before.lines == bill.lines => {
                Bill { expires_at: before.expires_at, ..bill }
            }
            Some(_) | None => bill,
        }
    }

    /// Whether a payment will be created as soon as the buyer asks to pay: the
    /// payment system has no payment, and nothing prevents one.
    #[must_use]
    pub fn waits_for_buyer(&self, now: Timestamp) -> bool {
        let is_free = || {
            !self
                .payments
                .iter()
                .any(|payment| payment.is_live() || self.has_unrefunded_money(payment))
        };
        self.on_demand
            && self.next.as_ref().is_some_and(|(_, bill)| now < bill.expires_at)
            && is_free()
    }

    /// Returns the end of the time to pay that must be watched, if it is not
    /// watched yet. That is needed when nobody has asked to pay, so there is no
    /// payment that could expire.
    pub fn watch_end(&mut self) -> Option<(PaymentId, Timestamp)> {
        let end = self.next.as_ref().filter(|_| self.on_demand).map(|(_, bill)| bill.expires_at)?;
        if self.watched_end == Some(end) {
            return None;
        }
        self.watched_end = Some(end);
        Some((self.id_of(self.payments.len() + 1), end))
    }

    /// Whether the time to pay has ended without anybody asking to pay, and
    /// this has not been reported yet. Marks the end as reported.
    pub fn ends_unpaid(&mut self, now: Timestamp) -> bool {
        let Some(end) =
            self.next.as_ref().filter(|_| self.on_demand).map(|(_, bill)| bill.expires_at)
        else {
            return false;
        };
        let is_free = !self
            .payments
            .iter()
            .any(|payment| payment.is_live() || self.has_unrefunded_money(payment));
        if now < end || !is_free || self.reported_end == Some(end) {
            return false;
        }
        self.reported_end = Some(end);
        true
    }

    pub(super) fn id_of(&self, attempt: usize) -> PaymentId {
        PaymentId { number: self.number, attempt: u32::try_from(attempt).unwrap_or(u32::MAX) }
    }

    /// Replaces the details of a bill: `bill` has the same sums, with another
    /// description, payer or expiry. Returns the payments that have work left
    /// to do.
    pub fn update_bill(&mut self, revision: u32, bill: Bill, now: Timestamp) -> Vec<PaymentId> {
        self.updates += 1;
        if self.next.is_some() {
            self.next = Some((revision, bill));
            return Vec::new();
        }
        let Some(live) = self.payments.iter_mut().find(|payment| payment.is_live()) else {
            // A refused payment is requested again with the new details.
            let refused = self.payments.last().map(|last| last.id);
            refused.into_iter().for_each(|id| self.resolve(id));
            return self.set_bill(Some((revision, bill)), now);
        };
        let id = live.id;
        if live.state == PaymentState::Planned && live.request.is_none() {
            live.bill = bill;
        } else {
            live.plan_update(bill);
        }
        let is_next = live.step(now) == Step::Update;
        self.note(now, Some(id), PaymentNote::UpdatePlanned);
        // If it is being created, the process that creates it makes the update
        // too.
        if is_next { vec![id] } else { Vec::new() }
    }

    /// Ends a pending update of a payment that has got too far to be updated.
    /// If the payment ended without money, the next payment gets the updated
    /// bill.
    pub fn end_pending_update(&mut self, id: PaymentId, now: Timestamp) {
        let Some(payment) = self.payment_mut(id) else { return };
        let (revision, has_money) = (payment.revision, payment.was_paid() || payment.is_held());
        if payment.is_live() && !has_money {
            return;
        }
        let Some(PendingUpdate { bill, .. }) = payment.pending_update.take() else { return };
        if has_money {
            // Its refund and its shipment use the payer that the site named
            // last.
            payment.bill = bill;
            self.flag(now, Some(id), PaymentNote::UpdatedTooLate);
        } else {
            self.next.get_or_insert((revision, bill));
        }
    }

    /// Records that the payment system refused an update, and why.
    pub fn update_refused(&mut self, id: PaymentId, reason: RetryReason, now: Timestamp) {
        self.flag(now, Some(id), PaymentNote::UpdateRefused { reason });
    }

    /// Records that the payment system has made an update.
    pub fn update_done(&mut self, id: PaymentId, now: Timestamp) {
        self.attention.retain(|known| !(known.payment == Some(id) && known.note.is_about_update()));
        self.note(now, Some(id), PaymentNote::Updated);
    }

    /// Whether the payment system must still be sent an update of a payment
    /// that is open.
    #[must_use]
    pub fn has_pending_update(&self) -> bool {
        self.payments.iter().any(|payment| payment.is_open() && payment.pending_update.is_some())
    }

    /// Money was taken, so no other payment of this order may take any. Returns
    /// the payments to cancel.
    pub fn cancel_open_payments(&mut self, now: Timestamp) -> Vec<PaymentId> {
        self.withhold_bill();
        let mut stopped = Vec::new();
        for payment in self
            .payments
            .iter_mut()
            .filter(|payment| payment.is_live() && payment.superseded.is_none())
            .filter(|payment| payment.money_under_review().is_none())
        {
            payment.supersede(Superseded::PaidByAnother);
            stopped.push(payment.id);
        }
        for id in &stopped {
            self.note(
                now,
                Some(*id),
                PaymentNote::CancelRequested { reason: Superseded::PaidByAnother },
            );
        }
        stopped
    }

    /// Withholds the waiting bill, because money has come.
    pub fn withhold_bill(&mut self) {
        self.withheld = self.next.take().or(self.withheld.take());
    }

    /// Plans the next payment after money for another bill has been refunded:
    /// for the order's latest bill, if there is still time to pay it.
    pub fn plan_after_refund(&mut self, now: Timestamp) -> Option<PaymentId> {
        if self
            .payments
            .iter()
            .any(|payment| payment.is_live() || self.has_unrefunded_money(payment))
        {
            return None;
        }
        let withheld = || self.withheld.clone().filter(|(_, bill)| now < bill.expires_at);
        self.next = self.next.take().or_else(withheld);
        self.follow_up(now)
    }

    /// Plans the waiting payment if the one before it has ended and nothing
    /// else prevents it. A payment that is made on demand keeps waiting.
    pub fn follow_up(&mut self, now: Timestamp) -> Option<PaymentId> {
        if self.on_demand { None } else { self.make_next(now) }
    }

    fn make_next(&mut self, now: Timestamp) -> Option<PaymentId> {
        if self
            .payments
            .iter()
            .any(|payment| payment.is_live() || self.has_unrefunded_money(payment))
        {
            return None;
        }
        let (revision, bill) = self.next.take()?;
        self.plan(revision, bill, now)
    }

    /// Whether the current payment has ended at the payment system while its
    /// order can still be paid.
    #[must_use]
    pub fn is_renewable(&self, now: Timestamp) -> bool {
        let has_died = |payment: &Payment| {
            let is_over = matches!(
                payment.state,
                PaymentState::Cancelled { .. } | PaymentState::Expired { .. }
            );
            is_over && payment.superseded.is_none() && now < payment.bill.expires_at
        };
        let may_be_paid = self.payments.len() < ATTEMPTS_MAX
            && !self
                .payments
                .iter()
                .any(|payment| payment.is_live() || self.has_unrefunded_money(payment));
        may_be_paid && self.next.is_none() && self.payments.last().is_some_and(has_died)
    }

    /// Whether the time is over in which an ended payment could have been
    /// replaced, and this has not been reported yet.
    #[must_use]
    pub fn ended_without_callback(&self, id: PaymentId, now: Timestamp) -> bool {
        let has_ended = |payment: &Payment| {
            let is_dead = matches!(
                payment.state,
                PaymentState::Cancelled { .. } | PaymentState::Expired { .. }
            );
            payment.id == id
                && is_dead
                && payment.superseded.is_none()
                && now >= payment.bill.expires_at
        };
        let last = self.payments.last().filter(|last| has_ended(last) && !last.end_is_reported);
        last.is_some() && !self.payments.iter().any(|payment| self.has_unrefunded_money(payment))
    }

    /// Whether a person may request the current payment again: the payment
    /// system refused it, or it has ended there.
    #[must_use]
    pub fn is_repeatable(&self, now: Timestamp) -> bool {
        let was_refused = |payment: &Payment| {
            let is_refused = matches!(payment.state, PaymentState::Refused { .. });
            is_refused && payment.superseded.is_none() && now < payment.bill.expires_at
        };
        let is_free = self.payments.len() < ATTEMPTS_MAX
            && !self
                .payments
                .iter()
                .any(|payment| payment.is_live() || self.has_unrefunded_money(payment));
        self.is_renewable(now)
            || (is_free && self.next.is_none() && self.payments.last().is_some_and(was_refused))
    }

    /// Plans the payment for a buyer who asks to pay: one that is made on
    /// demand, or a replacement for one that has ended, if
    /// [`Checkout::is_renewable`] or, when an operator asks (`by_hand`),
    /// [`Checkout::is_repeatable`].
    pub fn renew(&mut self, by_hand: bool, now: Timestamp) -> Option<PaymentId> {
        if self.waits_for_buyer(now) {
            return self.make_next(now);
        }
        if !(self.is_renewable(now) || (by_hand && self.is_repeatable(now))) {
            return None;
        }
        let (revision, bill) =
            self.payments.last().map(|died| (died.revision, died.bill.clone()))?;
        self.plan(revision, bill, now)
    }

    fn plan(&mut self, revision: u32, bill: Bill, now: Timestamp) -> Option<PaymentId> {
        if self.payments.len() >= ATTEMPTS_MAX {
            self.flag(now, None, PaymentNote::TooManyPayments { payments_max: ATTEMPTS_MAX });
            return None;
        }
        if self.withheld.as_ref().is_some_and(|(of, _)| *of <= revision) {
            self.withheld = None; // this payment asks for it
        }
        let id = self.id_of(self.payments.len() + 1);
        // This payment carries every update that the earlier ones did not get.
        self.attention.retain(|known| !known.note.is_about_update());
        self.note(now, Some(id), PaymentNote::PaymentPlanned { amount: bill.total, revision });
        self.payments.push(Payment::planned(id, revision, self.account.clone(), bill, now));
        Some(id)
    }
}
