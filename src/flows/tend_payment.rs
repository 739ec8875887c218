//! What the collector writes down around its calls to the payment system.
//!
//! Before a call: that it is about to be made, with the very bytes. After it: what it came to, and in the same batch
//! that the task is settled. Between the two nothing is held but a lease, so a process may die at any point; whoever
//! takes the task over finds a payment that says how far it had come.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::bill_order::{send_alteration, send_task, send_watch, ship, watch_end};
use super::call_back::{Event, call_back};
use super::receive_notice::{of_look_up, pay};
use super::transaction::{self, Staged, transact};
use super::{Dossier, Shop, fetch_bill, load_dossier};
use crate::kernel::time::between;
use crate::kernel::{Number, Private, Timestamp};
use crate::payments::{Again, Answered, Checkout, Payment, PaymentId, PaymentState, Step};
use crate::store::{Batch, CommitError, DocKey, Expect, Settlement, Ticket, Unavailable};

/// Before a payment is looked at again whose money is being taken.
const CAPTURE_LOOK_GAP: Duration = Duration::from_secs(600);

/// How a task is settled, given what is left to do.
pub type Settle<'a> = &'a (dyn Fn(Option<&Again>) -> Settlement + Sync);

/// What one caller is about to write down before a call. When the outcome of that commit is not known, what is stored shows
/// whether it was its own: then nobody has called yet.
#[derive(Debug)]
pub struct Intention<T>(Mutex<Option<T>>);

impl<T> Default for Intention<T> {
    fn default() -> Intention<T> {
        Intention(Mutex::new(None))
    }
}

impl<T: PartialEq> Intention<T> {
    /// It is about to be written.
    pub(super) fn is(&self, intended: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(intended);
    }

    /// Whether this is what was about to be written.
    pub(super) fn was(&self, stored: &T) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(stored)
    }
}

/// Writes down that the request is about to be sent. Returns the bytes to send, which are those of the first attempt, or
/// none if the payment has changed meanwhile and is to be looked at again. After an error it may be asked again, with the same
/// `intention`.
pub async fn note_sending(
    shop: &Shop,
    seen: &Payment,
    request: Private,
    intention: &Intention<Payment>,
) -> Result<Option<Private>, Unavailable> {
    let found = load_dossier(&shop.store, seen.id.number).await?;
    let Some((mut checkout, version)) = found.and_then(|dossier| dossier.checkout) else { return Ok(None) };
    let now = shop.clock.now();
    let Some(payment) = checkout.payment_mut(seen.id) else { return Ok(None) };
    if intention.was(payment) {
        return Ok(payment.request.clone());
    }
    if payment != seen {
        return Ok(None);
    }
    payment.sends(request, now);
    let bytes = payment.request.clone();
    intention.is(payment.clone());
    Ok(keep_sending(shop, &checkout, version, now).await?.then_some(bytes).flatten())
}

/// Commits what is written before a call. Says whether that was still to be done.
pub(super) async fn keep_sending(
    shop: &Shop,
    checkout: &Checkout,
    version: u64,
    now: Timestamp,
) -> Result<bool, Unavailable> {
    let mut batch = Batch::new();
    batch.put(DocKey::checkout(checkout.number), Expect::At(version), checkout, now);
    match shop.store.commit(batch).await {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict | CommitError::LostLease) => Ok(false),
        Err(CommitError::Unavailable(why)) => Err(why),
    }
}

/// Writes down what a call came to, or that there was nothing to do, and settles the task in the same batch.
/// `settle` says how, given what is left to do.
pub async fn record(
    shop: &Shop,
    id: PaymentId,
    ticket: Ticket,
    answered: Option<&Answered>,
    settle: Settle<'_>,
) -> Result<Settlement, CommitError> {
    let change = |payment: &mut Payment, now| match answered {
        Some(answered) => payment.answered(answered.clone(), now),
        None => Ok(()),
    };
    let unchanged = |_: &mut Payment, _| {
        // The watch goes on: should nothing come of the capture, somebody must look again.
        let why = "its money is being taken".to_owned();
        Err(Again { after: Some(CAPTURE_LOOK_GAP), why })
    };
    let stage = |batch: &mut Batch, mut dossier: Dossier, now| {
        if let (Some(answered), Some((checkout, _))) = (answered, &mut dossier.checkout) {
            remark(checkout, id, answered, now);
        }
        // A look that was under way when a capture was planned: the capture's own outcome says what was taken.
        let is_being_captured =
            dossier.checkout.as_ref().is_some_and(|(checkout, _)| checkout.is_being_captured(id));
        let change: Change<'_> = if is_being_captured { &unchanged } else { &change };
        stage(shop, batch, dossier, (id, change), (settle, now))
    };
    settle_about(shop, id.number, Some(id), (ticket, settle), stage).await
}

/// A person has made sure that a payment which was put before them can never be paid. Says whether there was one that waited
/// for that word.
pub async fn drop_by_hand(shop: &Shop, id: PaymentId) -> Result<bool, Unavailable> {
    let waits = |checkout: &Checkout| {
        let found = checkout.payments.iter().find(|payment| payment.id == id);
        found.is_some_and(|payment| matches!(payment.state, PaymentState::Frozen { .. }))
    };
    let change = |payment: &mut Payment, now| {
        payment.state = PaymentState::Cancelled { at: now };
        Ok(())
    };
    let stage = |batch: &mut Batch, mut dossier: Dossier, settle: Settle<'_>, now| {
        if let Some((checkout, _)) = &mut dossier.checkout {
            checkout.resolve(id);
        }
        stage(shop, batch, dossier, (id, &change), (settle, now))
    };
    by_hand(shop, id.number, waits, stage).await
}

/// Commits what `stage` makes of a person's word, if something of the order `waits` for it. There is no task to settle.
pub(super) async fn by_hand(
    shop: &Shop,
    number: Number,
    waits: impl Fn(&Checkout) -> bool,
    stage: impl Fn(&mut Batch, Dossier, Settle<'_>, Timestamp) -> Settlement,
) -> Result<bool, Unavailable> {
    let settle = |_: Option<&Again>| Settlement::Sent;
    let (waits, stage, settle) = (&waits, &stage, &settle);
    transact(shop, "decide_by_hand", |mut tx| async move {
        let Some(dossier) = load_dossier(&shop.store, number).await? else {
            return Ok(Staged::Unchanged(false));
        };
        if !dossier.checkout.as_ref().is_some_and(|(checkout, _)| waits(checkout)) {
            return Ok(Staged::Unchanged(false));
        }
        let now = tx.now;
        stage(tx.batch(), dossier, settle, now);
        tx.tell_followers(number);
        Ok(tx.commit(true))
    })
    .await
}

/// Commits what `stage` puts into a batch, with the task's settlement, until nobody else is quicker.
pub(super) async fn settle_with(
    shop: &Shop,
    number: Number,
    (ticket, settle): (Ticket, Settle<'_>),
    stage: impl Fn(&mut Batch, Dossier, Timestamp) -> Settlement,
) -> Result<Settlement, CommitError> {
    settle_about(shop, number, None, (ticket, settle), stage).await
}

/// The same about a payment, whose bill is fetched if it lies apart.
async fn settle_about(
    shop: &Shop,
    number: Number,
    payment: Option<PaymentId>,
    (ticket, settle): (Ticket, Settle<'_>),
    stage: impl Fn(&mut Batch, Dossier, Timestamp) -> Settlement,
) -> Result<Settlement, CommitError> {
    let stage = &stage;
    transaction::settle(shop, "settle_task", |mut tx| async move {
        let now = tx.now;
        let settlement = match load_dossier(&shop.store, number).await? {
            Some(mut dossier) => {
                if let Some(payment) = payment {
                    fetch_bill(&shop.store, &mut dossier, payment).await?;
                }
                stage(tx.batch(), dossier, now)
            }
            None => settle(None),
        };
        tx.settle(ticket, settlement.clone());
        tx.tell_followers(number);
        Ok(tx.commit(settlement))
    })
    .await
}

/// What happens to a payment. The error says what is left to do.
type Change<'a> = &'a (dyn Fn(&mut Payment, Timestamp) -> Result<(), Again> + Sync);

fn stage(
    shop: &Shop,
    batch: &mut Batch,
    mut dossier: Dossier,
    (id, change): (PaymentId, Change<'_>),
    (settle, now): (Settle<'_>, Timestamp),
) -> Settlement {
    let Some((checkout, version)) = &mut dossier.checkout else { return settle(None) };
    let version = *version;
    if checkout.payment_mut(id).is_none() {
        // It was to be made when its buyer asked to pay, and the time for that may be over.
        if checkout.ends_unasked(now) {
            checkout.note(now, None, "the time to pay is over, and nobody asked to");
            let mut order = dossier.order;
            call_back(shop, batch, (&mut order, checkout), (Event::PaymentExpired, None, None), now);
            let stored = dossier.order_stored;
            batch.put(DocKey::order(id.number), Expect::At(stored.version), &order, stored.body.listed_at);
            batch.put(DocKey::checkout(id.number), Expect::At(version), checkout, now);
        }
        return settle(None);
    }
    let Some(payment) = checkout.payment_mut(id) else { return settle(None) };
    let before = payment.clone();
    let outcome = change(payment, now);
    let after = payment.clone();
    let settlement = settle(outcome.as_ref().err());
    let is_given_up = matches!(settlement, Settlement::Dead { .. });
    let is_over = before.state == after.state && checkout.is_over_unheard(id, now);
    if after == before && !is_given_up && !is_over {
        return settlement;
    }
    if let Settlement::Dead { error, .. } = &settlement {
        checkout.flag(now, Some(id), format!("payment {id} was given up, see to it by hand: {error}"));
    }
    if before.state != after.state {
        note(checkout, &after, outcome.as_ref().err(), now);
    }
    checkout.end_alteration(id, now);
    let (mut stopped, mut review) = (Vec::new(), None);
    if after.took_money() && !before.took_money() {
        match after.superseded.clone() {
            None => {
                let remote_id = after.remote.map(|remote| remote.id);
                pay(shop, batch, dossier, id, (of_look_up(id), remote_id), now, &mut Vec::new());
                return settlement;
            }
            Some(why) => {
                let text = format!("money came by payment {id}, which should not have taken it: {why}");
                stopped = checkout.stop_asking(now);
                checkout.flag(now, Some(id), text);
                review = Some(Event::PaymentReview);
            }
        }
    }
    if before.state != after.state && after.is_frozen_with_money() {
        review = Some(Event::PaymentReview);
    }
    let mut order = dossier.order;
    let end = review.or_else(|| {
        if is_over { Some(Event::PaymentExpired) } else { Event::end_of(&before, &after, checkout, now) }
    });
    if end == Some(Event::PaymentExpired)
        && let Some(payment) = checkout.payment_mut(id)
    {
        payment.end_is_told = true;
    }
    // It has died before its order's time was over: who comes to pay gets another. If nobody does, it is over then.
    let sleeps = before.state != after.state && checkout.is_renewable(now);
    // Whoever can pay is looked after from then on, whatever else is to be done.
    let waits = |payment: &Payment| {
        let is_open = matches!(payment.state, PaymentState::Linked { .. } | PaymentState::Held { .. });
        is_open && payment.superseded.is_none()
    };
    let begins = waits(&after) && !waits(&before);
    // Its end has come nearer than the next look may be.
    let ends_earlier = waits(&after) && after.bill.expires_at < before.bill.expires_at;
    let watch = (begins || ends_earlier).then(|| after.look_gap(Duration::ZERO, now));
    let is_news = before.step(now) != Step::Alter || after.alteration != before.alteration;
    let alters = after.step(now) == Step::Alter && is_news;
    let tend: Vec<PaymentId> = stopped.into_iter().chain(checkout.follow_up(now)).collect();
    let is_told =
        end.is_some_and(|event| call_back(shop, batch, (&mut order, checkout), (event, Some(id), None), now));
    let is_shipped = ship(shop, batch, &mut order, checkout, now);
    let is_watched = watch_end(batch, &mut order, checkout, now);
    if is_watched || !tend.is_empty() || watch.is_some() || alters || sleeps || is_told || is_shipped {
        if let Some(gap) = watch {
            let gateway = checkout.gateway.clone();
            send_watch(batch, &mut order, gateway.as_str(), id, (now, gap));
        }
        if sleeps {
            let gateway = checkout.gateway.clone();
            send_watch(batch, &mut order, gateway.as_str(), id, (now, between(now, after.bill.expires_at)));
        }
        if alters {
            send_alteration(batch, &mut order, checkout.gateway.as_str(), id, now);
        }
        for payment in tend {
            send_task(batch, &mut order, checkout.gateway.as_str(), payment, now);
        }
        let stored = dossier.order_stored;
        batch.put(DocKey::order(id.number), Expect::At(stored.version), &order, stored.body.listed_at);
    }
    batch.put(DocKey::checkout(id.number), Expect::At(version), checkout, now);
    settlement
}

/// Writes down what became of an alteration, if the answer is about one.
fn remark(checkout: &mut Checkout, id: PaymentId, answered: &Answered, now: Timestamp) {
    match answered {
        Answered::Altered(..) => checkout.was_altered(id, now),
        Answered::Unaltered(None, _) => {
            let text = "nothing can be altered at the payment system: the next link, if there is one, will be as it should";
            checkout.note(now, Some(id), text);
        }
        Answered::Unaltered(Some(why), _) => checkout.was_not_altered(id, why, now),
        Answered::NotDone(_)
        | Answered::Refused(_)
        | Answered::Duplicate
        | Answered::Unknown(_)
        | Answered::Created(_)
        | Answered::Dropped
        | Answered::NotSeen(_)
        | Answered::Found(_)
        | Answered::Stands(_) => {}
    }
}

fn note(checkout: &mut Checkout, payment: &Payment, again: Option<&Again>, now: Timestamp) {
    let id = Some(payment.id);
    let remote =
        payment.remote.as_ref().map_or_else(String::new, |remote| format!(" under the id {}", remote.id));
    match &payment.state {
        PaymentState::Planned | PaymentState::Sending { .. } => {}
        PaymentState::Unknown { looks: 0, .. } => {
            let why = again.map_or_else(String::new, |again| format!(": {}", again.why));
            checkout.note(now, id, format!("whether the payment system has it is not known{why}"));
        }
        PaymentState::Unknown { looks, .. } => {
            checkout.note(
                now,
                id,
                format!("looked for at the payment system and not found, {looks} times so far"),
            );
        }
        PaymentState::Linked { .. } => checkout.note(now, id, format!("can be paid{remote}")),
        PaymentState::Held { .. } => checkout.note(now, id, format!("its money is held{remote}")),
        PaymentState::Paid { .. } => checkout.note(now, id, format!("found to be paid{remote}")),
        PaymentState::Refused { why, .. } => {
            checkout.flag(
                now,
                id,
                format!("payment {} was refused by the payment system: {why}", payment.id),
            );
        }
        PaymentState::Frozen { why, .. } => {
            checkout.flag(now, id, format!("payment {} is frozen, see to it by hand: {why}", payment.id));
        }
        PaymentState::Cancelled { .. } => checkout.note(now, id, "called off: it can be paid no more"),
        PaymentState::Expired { .. } => checkout.note(now, id, "its time has run out"),
    }
}
