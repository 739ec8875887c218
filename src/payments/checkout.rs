//! Everything about an order's being paid.

use serde::{Deserialize, Serialize};

use super::bill::{Bill, Customer};
use super::operation::{Operation, OperationKind};
use super::payment::{Alteration, Payment, PaymentId, PaymentState, Step};
use crate::kernel::document::{decode_json, encode_json};
use crate::kernel::{Document, Fingerprint, Kind, Money, Number, Private, SourceName, Timestamp, Unreadable};

/// The checkout of an order: its payments, and the way back for its buyer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// The order.
    pub number: Number,
    /// The configured payment system.
    pub gateway: SourceName,
    /// Who we are there.
    pub account: String,
    /// What the buyer's addresses bear, so that nobody can guess them.
    pub secret: Private,
    /// Where the buyer goes afterwards, and the site hears.
    pub ways: Ways,
    /// Of what the merchant asked for, to tell a repeat from another order under the same number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Fingerprint>,
    /// The payments, oldest first.
    pub payments: Vec<Payment>,
    /// How often something was said anew of what is asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub alterations: u32,
    /// How often its site has changed it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub changes: u32,
    /// What was done with the money that came, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Operation>,
    /// What is to be paid next: when the payment before it is certainly dead and, if payments are made on demand, when the
    /// buyer asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<(u32, Bill)>,
    /// A payment is made when the buyer asks to pay, not before: the payment system cannot cancel one that waits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_demand: bool,
    /// Until when the order can be paid for which nobody has asked to pay: that end is being watched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_end: Option<Timestamp>,
    /// That end was told to the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_end: Option<Timestamp>,
    /// How the buyer of a marketplace's order is reached, as its hooks say: for the bill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Customer>,
    /// When the hooks were sent that say so: the e-mail, the telephone.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub contact_said_at: [Option<Timestamp>; 2],
    /// What the order came to last, if no payment asks for it because money had come for another bill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unasked: Option<(u32, Bill)>,
    /// What happened, for the journal.
    #[serde(default)]
    pub history: Vec<Entry>,
    /// What a person should look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attention: Vec<String>,
}

fn is_unset(moments: &[Option<Timestamp>; 2]) -> bool {
    moments.iter().all(Option::is_none)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Addresses of the merchant's site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ways {
    /// After a payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<String>,
    /// When it did not come to a payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail: Option<String>,
    /// Back to the shop, at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
    /// Where the site hears of this order, if not where it hears of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
}

/// An entry of a checkout's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Which payment.
    pub payment: Option<PaymentId>,
    /// What.
    pub text: String,
}

/// Entries that a history keeps; the first and the latest stay.
const HISTORY_MAX: usize = 200;

/// Things that are put before a person; what comes then stands in the history and the journal.
const ATTENTION_MAX: usize = 50;

/// Payments that an order may have.
const ATTEMPTS_MAX: usize = 50;

impl Checkout {
    /// The payment that counts: the paid one, else one whose money has come for something else and is still there, else the
    /// latest.
    #[must_use]
    pub fn current(&self) -> Option<&Payment> {
        let paid = self.payments.iter().find(|payment| payment.is_paid());
        paid.or_else(|| self.payments.iter().find(|payment| self.keeps_money(payment)))
            .or(self.payments.last())
    }

    /// The payment with this number.
    pub fn payment_mut(&mut self, id: PaymentId) -> Option<&mut Payment> {
        self.payments.iter_mut().find(|payment| payment.id == id)
    }

    /// Writes down what happened.
    pub fn note(&mut self, at: Timestamp, payment: Option<PaymentId>, text: impl Into<String>) {
        if self.history.len() >= HISTORY_MAX {
            self.history.remove(HISTORY_MAX / 2);
        }
        self.history.push(Entry { at, payment, text: text.into() });
    }

    /// Puts something before a person, once.
    pub fn flag(&mut self, at: Timestamp, payment: Option<PaymentId>, text: impl Into<String>) {
        let text = text.into();
        self.note(at, payment, text.clone());
        if !self.attention.contains(&text) && self.attention.len() < ATTENTION_MAX {
            self.attention.push(text);
        }
    }

    /// A person has looked at all of it.
    pub fn see(&mut self, now: Timestamp) {
        for text in std::mem::take(&mut self.attention) {
            self.note(now, None, format!("seen by a person: {text}"));
        }
    }

    /// What a person was to look at about a payment is done with.
    pub fn resolve(&mut self, payment: PaymentId) {
        let number = payment.to_string();
        // `…-1` is no part of `…-12`.
        let is_about = |text: &str| {
            text.match_indices(&number).any(|(place, found)| {
                !text[place + found.len()..].starts_with(|next: char| next.is_ascii_digit())
            })
        };
        self.attention.retain(|text| !is_about(text));
    }

    /// Sees to it that exactly `wanted` can be paid, and nothing when there is none: plans a payment, or has the
    /// one that is live called off first. Returns the payments that must be looked after.
    pub fn wants(&mut self, wanted: Option<(u32, Bill)>, now: Timestamp) -> Vec<PaymentId> {
        // When money was taken, for whatever revision, nobody is asked for more without a person's word.
        if let Some(paid) = self.payments.iter().find(|payment| self.keeps_money(payment)) {
            let differs = wanted.as_ref().is_some_and(|(_, bill)| bill.total != paid.taken());
            if let (true, Some((_, bill))) = (differs, &wanted) {
                let text = format!("{} were paid, and the order now comes to {}", paid.taken(), bill.total);
                self.flag(now, None, text);
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
                let (id, total) = (capture.id, capture.total);
                self.flag(
                    now,
                    None,
                    format!("{total} are being taken by capture {id}, and the order has changed since"),
                );
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
                last.supersede("the order is not to be paid any more");
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
                self.note(now, Some(id), format!("{held} are held, {} of it is to be taken now", bill.total));
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
        let why =
            if wanted.is_some() { "the order has changed" } else { "the order is not to be paid any more" };
        let is_new = live.superseded.is_none();
        live.supersede(why);
        if live.state == PaymentState::Planned {
            // Nothing was sent, so there is nothing to call off.
            live.state = PaymentState::Cancelled { at: now };
            self.note(now, Some(id), format!("dropped before it was sent: {why}"));
            self.next = wanted;
            return self.follow_up(now).into_iter().collect();
        }
        if is_new {
            self.note(now, Some(id), format!("to be called off: {why}"));
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

    /// What the buyer is to pay now: the sum that a page shows.
    #[must_use]
    pub fn sum_to_pay(&self) -> Option<Money> {
        let current = self.current();
        if current.is_some_and(|payment| self.keeps_money(payment)) {
            return current.map(Payment::taken);
        }
        self.next.as_ref().map(|(_, bill)| bill.total).or_else(|| current.map(Payment::taken))
    }

    fn id_of(&self, attempt: usize) -> PaymentId {
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
        self.note(now, Some(id), "its description, payer or time is to be another");
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
            self.flag(now, Some(id), format!("the buyer was quicker: {}", not_altered(id)));
        } else {
            self.next.get_or_insert((revision, bill));
        }
    }

    /// The payment system would not have what was to be said anew, and why.
    pub fn was_not_altered(&mut self, id: PaymentId, why: &str, now: Timestamp) {
        self.flag(now, Some(id), format!("{}: {why}", not_altered(id)));
    }

    /// The payment system has taken over what was to be said anew.
    pub fn was_altered(&mut self, id: PaymentId, now: Timestamp) {
        let earlier = not_altered(id);
        self.attention.retain(|text| !text.contains(&earlier));
        self.note(now, Some(id), "altered at the payment system");
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
            payment.supersede("money came by another payment");
            stopped.push(payment.id);
        }
        for id in &stopped {
            self.note(now, Some(*id), "to be called off: money came by another payment");
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

    /// What the order comes to at a revision: as it is asked for, or waits to be, or as it would be had no money come.
    #[must_use]
    pub fn bill_of(&self, revision: u32) -> Option<&Bill> {
        let next = self.next.iter().map(|(of, bill)| (*of, bill));
        let unasked = self.unasked.iter().map(|(of, bill)| (*of, bill));
        let live = self.payments.iter().filter(|payment| payment.is_live());
        let altered = live.filter_map(|payment| Some((payment.revision, &payment.alteration.as_ref()?.bill)));
        let asked = self.payments.iter().rev().map(|payment| (payment.revision, &payment.bill));
        let known = next.chain(altered).chain(asked).chain(unasked);
        let known = known.filter(|(of, _)| *of <= revision);
        // Of one revision the first that was found, which is why there is no `max_by_key`.
        known.reduce(|best, other| if other.0 > best.0 { other } else { best }).map(|(_, bill)| bill)
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
            self.flag(
                now,
                None,
                format!("the order has had {ATTEMPTS_MAX} payments; no further one is made"),
            );
            return None;
        }
        if self.unasked.as_ref().is_some_and(|(of, _)| *of <= revision) {
            self.unasked = None; // it is asked for now
        }
        let id = self.id_of(self.payments.len() + 1);
        let attempt = id.attempt;
        for earlier in 1..attempt {
            // Whatever was not said of it, this one says it.
            let unsaid = not_altered(PaymentId { number: self.number, attempt: earlier });
            self.attention.retain(|text| !text.contains(&unsaid));
        }
        self.note(now, Some(id), format!("{} to be asked for revision {revision}", bill.total));
        self.payments.push(Payment::planned(id, revision, self.account.clone(), bill, now));
        Some(id)
    }
}

/// What a person reads of a payment that stays what it was.
fn not_altered(id: PaymentId) -> String {
    format!(
        "of payment {id} the payment system may not have taken over all that the site changed of its description, payer or time"
    )
}

impl Document for Checkout {
    const KIND: Kind = Kind::Checkout;
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        encode_json(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Checkout, Unreadable> {
        decode_json(schema, bytes)
    }
}
