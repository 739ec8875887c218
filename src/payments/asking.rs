//! What is asked of a buyer: exactly what the order comes to, by one payment at a time.

use super::bill::Bill;
use super::checkout::{ATTEMPTS_MAX, Checkout};
use super::note::{PaymentNote, RetryReason, Superseded};
use super::operation_id::OperationKind;
use super::payment::{Alteration, Payment, PaymentState, Step};
use super::payment_id::PaymentId;
use crate::kernel::Timestamp;

impl Checkout {
    /// Sees to it that exactly `wanted` can be paid, and nothing when there is none: plans a payment, or has the
    /// one that is live called off first. Returns the payments that must be looked after.
    pub fn wants(&mut self, wanted: Option<(u32, Bill)>, now: Timestamp) -> Vec<PaymentId> {
        // When money was taken, for whatever revision, nobody is asked for more without a person's word.
        if let Some(paid) = self.payments.iter().find(|payment| self.keeps_money(payment)) {
            let differs = wanted.as_ref().is_some_and(|(_, bill)| bill.total != paid.taken());
            if let (true, Some((_, bill))) = (differs, &wanted) {
                let note = PaymentNote::PaidOtherTotal { paid: paid.taken(), total: bill.total };
                self.flag(now, None, note);
            }
            let stopped = self.stop_asking(now);
            self.unasked = wanted.or(self.unasked.take());
            return stopped;
        }
        let is_held = |id| self.payments.iter().any(|payment| payment.id == id && payment.is_held());
        if let Some(capture) = self
            .operations
            .iter()
            .find(|known| known.kind == OperationKind::Capture && known.counts() && is_held(known.id.payment))
        {
            if wanted.as_ref().is_none_or(|(_, bill)| bill.total != capture.total) {
                let note = PaymentNote::CapturedOtherTotal { capture: capture.id, amount: capture.total };
                self.flag(now, None, note);
            }
            self.unasked = wanted.or(self.unasked.take());
            return Vec::new();
        }
        let live = self.payments.iter_mut().find(|payment| payment.is_live());
        let Some(live) = live else {
            if wanted.is_none()
                && let Some(last) = self.payments.last_mut()
                && !last.took_money()
            {
                // It is dead already; now nothing comes in its stead either.
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
            // Enough is held: what the order comes to is taken of it.
            let (id, held) = (live.id, live.bill.total);
            let is_all = bill.lines == live.bill.lines;
            let known = self.next.as_ref().map_or(&live.bill, |(_, next)| next);
            if bill.lines != known.lines {
                self.note(now, Some(id), PaymentNote::CaptureLess { held, amount: bill.total });
                self.next = (!is_all).then(|| (*revision, bill.clone()));
            }
            return Vec::new();
        }
        let same = wanted
            .as_ref()
            .is_some_and(|(_, bill)| bill.total == live.bill.total && bill.lines == live.bill.lines);
        if same && live.superseded.is_none() {
            return Vec::new();
        }
        let id = live.id;
        let reason = if wanted.is_some() { Superseded::OrderChanged } else { Superseded::NotPayable };
        let is_new = live.superseded.is_none();
        live.supersede(reason.clone());
        if live.state == PaymentState::Planned {
            // Nothing was sent, so there is nothing to call off.
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

    /// The bill, to be paid until when it was to be paid before, if it is the same that waits already.
    fn with_end_of_before(&self, bill: Bill) -> Bill {
        match &self.next {
            Some((_, before)) if before.lines == bill.lines => Bill { expires_at: before.expires_at, ..bill },
            Some(_) | None => bill,
        }
    }

    /// Whether the buyer can pay as soon as they ask to: nothing is at the payment system, and nothing stands in the way.
    #[must_use]
    pub fn waits_for_buyer(&self, now: Timestamp) -> bool {
        let is_free = || !self.payments.iter().any(|payment| payment.is_live() || self.keeps_money(payment));
        self.on_demand && self.next.as_ref().is_some_and(|(_, bill)| now < bill.expires_at) && is_free()
    }

    /// The end of the time to pay that is to be watched for, if it is not watched yet: nobody has asked to pay.
    pub fn watch_end(&mut self) -> Option<(PaymentId, Timestamp)> {
        let end = self.next.as_ref().filter(|_| self.on_demand).map(|(_, bill)| bill.expires_at)?;
        if self.watched_end == Some(end) {
            return None;
        }
        self.watched_end = Some(end);
        Some((self.id_of(self.payments.len() + 1), end))
    }

    /// Whether the time to pay is over without anybody's having asked to pay, and nobody has heard so yet.
    pub fn ends_unasked(&mut self, now: Timestamp) -> bool {
        let Some(end) = self.next.as_ref().filter(|_| self.on_demand).map(|(_, bill)| bill.expires_at) else {
            return false;
        };
        let is_free = !self.payments.iter().any(|payment| payment.is_live() || self.keeps_money(payment));
        if now < end || !is_free || self.told_end == Some(end) {
            return false;
        }
        self.told_end = Some(end);
        true
    }

    pub(super) fn id_of(&self, attempt: usize) -> PaymentId {
        PaymentId { number: self.number, attempt: u32::try_from(attempt).unwrap_or(u32::MAX) }
    }

    /// What is asked for stays, and other things are said of it: `bill` has the sums that are asked for, with other words,
    /// another payer or another time. Returns the payments that must be looked after.
    pub fn alter(&mut self, revision: u32, bill: Bill, now: Timestamp) -> Vec<PaymentId> {
        self.alterations += 1;
        if self.next.is_some() {
            self.next = Some((revision, bill));
            return Vec::new();
        }
        let Some(live) = self.payments.iter_mut().find(|payment| payment.is_live()) else {
            // What the payment system would not have is asked for otherwise.
            let refused = self.payments.last().map(|last| last.id);
            refused.into_iter().for_each(|id| self.resolve(id));
            return self.wants(Some((revision, bill)), now);
        };
        let id = live.id;
        if live.state == PaymentState::Planned && live.request.is_none() {
            live.bill = bill;
        } else {
            live.is_to_say(bill);
        }
        let is_next = live.step(now) == Step::Alter;
        self.note(now, Some(id), PaymentNote::AlterationPlanned);
        // While it is being made whoever makes it goes on from there.
        if is_next { vec![id] } else { Vec::new() }
    }

    /// A payment has come so far that nothing can be said of it anew. If it has ended without money the next will be what it
    /// was to become.
    pub fn end_alteration(&mut self, id: PaymentId, now: Timestamp) {
        let Some(payment) = self.payment_mut(id) else { return };
        let (revision, has_money) = (payment.revision, payment.took_money() || payment.is_held());
        if payment.is_live() && !has_money {
            return;
        }
        let Some(Alteration { bill, .. }) = payment.alteration.take() else { return };
        if has_money {
            // Its refund and its shipment are told of the payer that the site named last.
            payment.bill = bill;
            self.flag(now, Some(id), PaymentNote::AlteredTooLate);
        } else {
            self.next.get_or_insert((revision, bill));
        }
    }

    /// The payment system would not have what was to be said anew, and why.
    pub fn was_not_altered(&mut self, id: PaymentId, reason: RetryReason, now: Timestamp) {
        self.flag(now, Some(id), PaymentNote::AlterationRefused { reason });
    }

    /// The payment system has taken over what was to be said anew.
    pub fn was_altered(&mut self, id: PaymentId, now: Timestamp) {
        self.attention.retain(|known| !(known.payment == Some(id) && known.note.is_about_alteration()));
        self.note(now, Some(id), PaymentNote::Altered);
    }

    /// Whether a payment system is to be told something else about a payment that can be made.
    #[must_use]
    pub fn is_to_be_altered(&self) -> bool {
        self.payments.iter().any(|payment| payment.is_open() && payment.alteration.is_some())
    }

    /// Money was taken: nothing else of this order may take any. Returns the payments that must be called off.
    pub fn stop_asking(&mut self, now: Timestamp) -> Vec<PaymentId> {
        self.ask_no_more();
        let mut stopped = Vec::new();
        for payment in
            self.payments.iter_mut().filter(|payment| payment.is_live() && payment.superseded.is_none())
        {
            payment.supersede(Superseded::PaidByAnother);
            stopped.push(payment.id);
        }
        for id in &stopped {
            self.note(now, Some(*id), PaymentNote::CancelRequested { reason: Superseded::PaidByAnother });
        }
        stopped
    }

    /// What waits to be asked for is not asked for, as money has come.
    pub fn ask_no_more(&mut self) {
        self.unasked = self.next.take().or(self.unasked.take());
    }

    /// Money that had come for another bill has gone back: plans the payment for what the order came to since, if it can be
    /// paid still.
    pub fn ask_again(&mut self, now: Timestamp) -> Option<PaymentId> {
        if self.payments.iter().any(|payment| payment.is_live() || self.keeps_money(payment)) {
            return None;
        }
        let unasked = || self.unasked.clone().filter(|(_, bill)| now < bill.expires_at);
        self.next = self.next.take().or_else(unasked);
        self.follow_up(now)
    }

    /// Plans the payment that waited for the one before it to die, if nothing stands in its way any more. One that is made on
    /// demand goes on waiting.
    pub fn follow_up(&mut self, now: Timestamp) -> Option<PaymentId> {
        if self.on_demand { None } else { self.make_next(now) }
    }

    fn make_next(&mut self, now: Timestamp) -> Option<PaymentId> {
        if self.payments.iter().any(|payment| payment.is_live() || self.keeps_money(payment)) {
            return None;
        }
        let (revision, bill) = self.next.take()?;
        self.plan(revision, bill, now)
    }

    /// Whether the payment that counts has died at the payment system while its order can still be paid.
    #[must_use]
    pub fn is_renewable(&self, now: Timestamp) -> bool {
        let has_died = |payment: &Payment| {
            let is_over =
                matches!(payment.state, PaymentState::Cancelled { .. } | PaymentState::Expired { .. });
            is_over && payment.superseded.is_none() && now < payment.bill.expires_at
        };
        let may_be_paid = self.payments.len() < ATTEMPTS_MAX
            && !self.payments.iter().any(|payment| payment.is_live() || self.keeps_money(payment));
        may_be_paid && self.next.is_none() && self.payments.last().is_some_and(has_died)
    }

    /// Whether the time is over in which a payment could have been made anew that had died before at the payment system, and
    /// nobody has heard so yet.
    #[must_use]
    pub fn is_over_unheard(&self, id: PaymentId, now: Timestamp) -> bool {
        let has_ended = |payment: &Payment| {
            let is_dead =
                matches!(payment.state, PaymentState::Cancelled { .. } | PaymentState::Expired { .. });
            payment.id == id && is_dead && payment.superseded.is_none() && now >= payment.bill.expires_at
        };
        let last = self.payments.last().filter(|last| has_ended(last) && !last.end_is_told);
        last.is_some() && !self.payments.iter().any(|payment| self.keeps_money(payment))
    }

    /// Whether a person may have the payment that counts asked for again: the payment system would not have it, or it has
    /// died there.
    #[must_use]
    pub fn is_repeatable(&self, now: Timestamp) -> bool {
        let was_refused = |payment: &Payment| {
            let is_refused = matches!(payment.state, PaymentState::Refused { .. });
            is_refused && payment.superseded.is_none() && now < payment.bill.expires_at
        };
        let is_free = self.payments.len() < ATTEMPTS_MAX
            && !self.payments.iter().any(|payment| payment.is_live() || self.keeps_money(payment));
        self.is_renewable(now)
            || (is_free && self.next.is_none() && self.payments.last().is_some_and(was_refused))
    }

    /// Plans the payment that a buyer asks for who has come to pay: one that is made on demand, or another in the stead of one
    /// that has died, if [`Checkout::is_renewable`], or by a person's word [`Checkout::is_repeatable`].
    pub fn renew(&mut self, by_hand: bool, now: Timestamp) -> Option<PaymentId> {
        if self.waits_for_buyer(now) {
            return self.make_next(now);
        }
        if !(self.is_renewable(now) || (by_hand && self.is_repeatable(now))) {
            return None;
        }
        let (revision, bill) = self.payments.last().map(|died| (died.revision, died.bill.clone()))?;
        self.plan(revision, bill, now)
    }

    fn plan(&mut self, revision: u32, bill: Bill, now: Timestamp) -> Option<PaymentId> {
        if self.payments.len() >= ATTEMPTS_MAX {
            self.flag(now, None, PaymentNote::TooManyPayments { payments_max: ATTEMPTS_MAX });
            return None;
        }
        if self.unasked.as_ref().is_some_and(|(of, _)| *of <= revision) {
            self.unasked = None; // it is asked for now
        }
        let id = self.id_of(self.payments.len() + 1);
        // Whatever was not said of those before it, this one says it.
        self.attention.retain(|known| !known.note.is_about_alteration());
        self.note(now, Some(id), PaymentNote::PaymentPlanned { amount: bill.total, revision });
        self.payments.push(Payment::planned(id, revision, self.account.clone(), bill, now));
        Some(id)
    }
}
