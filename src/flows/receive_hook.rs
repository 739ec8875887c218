//! A hook comes in: recognise it, or judge it and keep it with all that follows, in one commit.

use std::borrow::Cow;
use std::time::Duration;

use super::alarm::{Alarm, raise};
use super::bill_order::bill;
use super::transaction::{Staged, Transaction, transact};
use super::{Hook, Received, Seller, Shop, load_kept_receipt, load_receipt, receipt_key};
use crate::dedup::{Answer, Answered, Receipt, Verdict};
use crate::kernel::time::{Timestamp, later};
use crate::kernel::{
    ExternalId, Fingerprint, HookId, Kind, Lane, LocalTime, Message, MessageId, Number, Quantity, ShopKey,
    card,
};
use crate::notify::{Letter, Subject, render};
use crate::orders::{
    AHEAD_MAX, Decision, Event, EventKind, Fact, Incoming, Movement, Order, RepeatReading, Report, Standing,
    decide, flag_repeat, reading_of_repeat,
};
use crate::payments::Checkout;
use crate::store::{Batch, Bump, CommitError, CounterKey, DocKey, Expect, Stored, Unavailable};

/// The sender's words for a verdict on a hook of an order.
pub type Acknowledge<'a> = &'a (dyn Fn(Verdict, Option<Number>) -> Answer + Sync);

/// Looks whether this very hook has come before: in what is at hand, or else by one read. This is the way of every
/// ordinary retry. For a creation that has not come lately it is not worth the read: its commit would find out.
pub async fn recognise(shop: &Shop, hook: &Hook) -> Result<Option<Received>, Unavailable> {
    let id = hook.first_id;
    let came_lately = shop.recent.mark(id);
    if let Some(answered) = shop.recent.answer(id) {
        return Ok(Some(replayed(&answered)));
    }
    if hook.kind == Some(EventKind::Created) && !came_lately {
        return Ok(None);
    }
    // Most have not come before, and their order is there: a look that need not be kept finds that out.
    if load_receipt(&shop.store, id).await?.is_none() {
        return Ok(None);
    }
    let Some((receipt, _)) = load_kept_receipt(&shop.store, id).await? else { return Ok(None) };
    let Some(answered) = Answered::of(&receipt) else { return Ok(None) };
    if hook.kind == Some(EventKind::Changed) && receipt.is_timeless() {
        // The answer is certain whatever comes of this.
        if let Err(why) = Box::pin(look_for_a_change_back(shop, id, &receipt)).await {
            tracing::warn!(hook.id = %id, error = %why, "whether a repeated change is a change back was not looked into");
        }
    } else {
        shop.recent.keep(answered.clone());
    }
    Ok(Some(replayed(&answered)))
}

/// Takes in a hook that [`recognise`] did not know. One that is kept as ignored is looked at again when its first arrival is
/// named.
pub async fn receive(
    shop: &Shop,
    hook: &Hook,
    report: Report,
    acknowledge: Acknowledge<'_>,
    again: Option<Timestamp>,
) -> Result<Received, Unavailable> {
    match (hook.kind, &hook.external_id) {
        (Some(kind), Some(external_id)) => {
            let arrived = again.unwrap_or_else(|| shop.clock.now());
            let earliest = report.at.and_then(LocalTime::earliest);
            let is_ahead = earliest.is_some_and(|at| at > later(arrived, AHEAD_MAX))
                && shop.clock_skew.trouble().is_none();
            let alarm = Box::pin(look_at_its_clock(shop, hook, &report, (arrived, is_ahead))).await?;
            let again = again.is_some();
            let seller = match shop.sellers.get(&hook.source) {
                Some(seller) => Some((seller, shop.key().await?)),
                None => None,
            };
            let taken = OrderHook {
                shop,
                hook,
                kind,
                external_id,
                report,
                acknowledge,
                again,
                arrived,
                is_ahead,
                alarm,
                seller,
            };
            taken.receive().await
        }
        (Some(_) | None, _) => Box::pin(ignore(shop, hook, acknowledge)).await,
    }
}

/// Tells a person, once an hour, when the sender's times cannot be what they should be. Returns what is to stand on the order.
async fn look_at_its_clock(
    shop: &Shop,
    hook: &Hook,
    report: &Report,
    (arrived, is_ahead): (Timestamp, bool),
) -> Result<Option<String>, Unavailable> {
    let Some(at) = report.at else { return Ok(None) };
    let source = &hook.source;
    if is_ahead {
        let text = format!(
            "the clock of {source} is ahead: its hook of {at} came at {arrived}. Such hooks count from their arrival; tell the sender"
        );
        let is_first = raise(shop, source, (Alarm::ClockAhead, ""), &text, arrived).await?;
        return Ok(is_first.then_some(text));
    }
    if at.timestamp().is_none() {
        let text = format!(
            "the times of {source} name no offset, so they only order its own hooks: set time_zone in [sources.{source}]"
        );
        raise(shop, source, (Alarm::NoTimeZone, ""), &text, arrived).await?;
    }
    Ok(None)
}

fn replayed(answered: &Answered) -> Received {
    Received {
        id: answered.id,
        verdict: Verdict::Replayed,
        reason: Some(format!("it came at {} and was {}", answered.received_at, answered.verdict)),
        number: answered.number,
        answer: answered.answer.clone(),
        is_copy: true,
    }
}

/// Keeps a hook of a kind that does not concern us.
async fn ignore(shop: &Shop, hook: &Hook, acknowledge: Acknowledge<'_>) -> Result<Received, Unavailable> {
    let id = hook.first_id;
    let answer = acknowledge(Verdict::Ignored, None);
    let reason = Some(format!("hooks of the kind {} have no part in an order", hook.event_type));
    let mut receipt = receipt_of(hook, id, shop.clock.now());
    receipt.verdict = Verdict::Ignored;
    receipt.reason.clone_from(&reason);
    receipt.answer = Some(answer.clone());
    let mut batch = Batch::new();
    batch.put(receipt_key(id), Expect::Absent, &receipt, receipt.received_at);
    match shop.store.commit(batch).await {
        Ok(()) => {
            Ok(Received { id, verdict: Verdict::Ignored, reason, number: None, answer, is_copy: false })
        }
        // A copy of it was taken in at the same moment.
        Err(CommitError::Conflict | CommitError::LostLease) => {
            load_kept_receipt(&shop.store, id).await?;
            let (number, received_at, verdict) = (None, receipt.received_at, receipt.verdict);
            Ok(replayed(&Answered { id, number, received_at, verdict, answer }))
        }
        Err(CommitError::Unavailable(why)) => Err(why),
    }
}

pub(super) fn receipt_of(hook: &Hook, id: HookId, received_at: Timestamp) -> Receipt {
    let body = card::mask_body(&hook.body);
    let is_masked = matches!(body, Cow::Owned(_));
    Receipt {
        id,
        source: hook.source.clone(),
        event_type: Some(hook.event_type.clone()),
        external_id: hook.external_id.clone(),
        number: None,
        received_at,
        sent_at: None,
        sent_at_by_the_wall: None,
        verdict: Verdict::Ignored,
        reason: None,
        facts: Vec::new(),
        answer: None,
        copy_of: None,
        copies: None,
        last_copy_at: None,
        body_bytes: hook.body.len() as u64,
        masked_from: is_masked.then(|| Fingerprint::of(&[&hook.body])),
        body: body.into_owned(),
    }
}

/// A change without a time has come a second time: a retry, unless the order has moved on meanwhile and may
/// now be back where it was. Nothing in the bytes tells, so a person is asked.
async fn look_for_a_change_back(shop: &Shop, id: HookId, receipt: &Receipt) -> Result<(), Unavailable> {
    let Some(number) = receipt.number else { return Ok(()) };
    transact(shop, "flag_repeated_change", |mut tx| async move {
        let key = DocKey::order(number);
        let Some(order) = tx.read::<Order>(key).await? else { return Ok(Staged::Unchanged(())) };
        let flagged = match reading_of_repeat(&order, id) {
            RepeatReading::Retry => None,
            RepeatReading::Ambiguous => flag_repeat(&order, id),
        };
        let Some(flagged) = flagged else { return Ok(Staged::Unchanged(())) };
        tx.write(key, &order.replaced(flagged));
        Ok(tx.commit(()))
    })
    .await
}

/// A hook about an order, on its way in.
struct OrderHook<'a> {
    shop: &'a Shop,
    hook: &'a Hook,
    kind: EventKind,
    external_id: &'a ExternalId,
    report: Report,
    acknowledge: Acknowledge<'a>,
    again: bool,
    /// When it came first.
    arrived: Timestamp,
    /// It is dated so far after its arrival that it counts from that.
    is_ahead: bool,
    /// What a person is to be told with it.
    alarm: Option<String>,
    /// Who sells what it is about through us, with the key for the buyer's address.
    seller: Option<(&'a Seller, &'a ShopKey)>,
}

/// What is stored of the hook and its order.
struct Known {
    number: Number,
    id: HookId,
    order: Option<(Order, Stored)>,
    receipt: Option<(Receipt, u64)>,
}

/// A hook that was judged, with what it was judged against.
struct Judged {
    number: Number,
    id: HookId,
    now: Timestamp,
    was_born: bool,
    /// The order as it was read.
    stored: Option<Stored>,
    /// The version of the receipt that is kept of the hook already.
    kept: Option<u64>,
    decision: Decision,
}

/// Documents beside the order that some hooks change as well.
#[derive(Default)]
struct Beside {
    parked: Vec<(Receipt, u64)>,
    checkout: Option<(Checkout, u64)>,
}

impl OrderHook<'_> {
    async fn receive(&self) -> Result<Received, Unavailable> {
        let (received, judged_at) =
            transact(self.shop, "receive_hook", |tx| async move { self.decide(tx).await }).await?;
        if let Some(judged_at) = judged_at {
            self.keep_at_hand(&received, judged_at);
        }
        Ok(received)
    }

    /// One run: what becomes of the hook, and when that was decided, if it is news.
    async fn decide<'a>(
        &'a self,
        mut tx: Transaction<'a>,
    ) -> Result<Staged<'a, (Received, Option<Timestamp>)>, Unavailable> {
        // Nearly every creation is of an order that nobody has heard of, so the first run believes
        // that and reads nothing; the commit finds out if it is wrong.
        let known = if tx.is_first() && self.kind == EventKind::Created && !self.again {
            let number = Number::from_u64(self.hook.first_id.partition);
            let number = number.unwrap_or_else(|| Number::derive(&self.hook.source, self.external_id, 0));
            Known { number, id: self.hook.first_id, order: None, receipt: None }
        } else {
            Box::pin(self.look_up()).await?
        };
        if let Some((receipt, _)) = &known.receipt
            && Answered::of(receipt).is_some()
            && !(self.again && receipt.verdict == Verdict::Ignored)
        {
            let kept = Box::pin(load_kept_receipt(&self.shop.store, known.id)).await?;
            return Ok(match kept.and_then(|(receipt, _)| Answered::of(&receipt)) {
                Some(answered) => Staged::Unchanged((replayed(&answered), None)),
                None => Staged::Again,
            });
        }
        let judged = self.judge(known);
        let beside = if self.needs_more(&judged) {
            Box::pin(self.look_beside(&judged)).await?
        } else {
            Beside::default()
        };
        let judged_at = judged.now;
        let (batch, received) = self.stage(judged, beside);
        *tx.batch() = batch;
        Ok(tx.commit((received, Some(judged_at))))
    }

    /// A copy need not be looked up. A change without a time must: a second one may be a change back.
    fn keep_at_hand(&self, received: &Received, received_at: Timestamp) {
        if self.kind != EventKind::Changed || self.report.at.is_some() {
            let Received { id, number, verdict, .. } = *received;
            let answer = received.answer.clone();
            self.shop.recent.keep(Answered { id, number, received_at, verdict, answer });
        }
    }

    /// Finds the order's number, which is the first that no other order holds, and what is stored under it.
    async fn look_up(&self) -> Result<Known, Unavailable> {
        for slot in 0..Number::SLOTS_MAX {
            let number = self.shop.number_in(&self.hook.source, self.external_id, slot).await?;
            let hook = self.hook;
            let id = HookId { partition: number.get(), ..hook.first_id };
            let mut found = self.shop.store.load(&[DocKey::order(number), receipt_key(id)]).await?;
            let receipt = match found.pop().flatten() {
                Some(stored) => Some((stored.document()?, stored.version)),
                None => None,
            };
            let order = match found.pop().flatten() {
                Some(stored) => {
                    let order: Order = stored.document()?;
                    if order.source != self.hook.source || order.external_id != *self.external_id {
                        continue;
                    }
                    Some((order, stored))
                }
                None => None,
            };
            return Ok(Known { number, id, order, receipt });
        }
        Err(Unavailable::NoNumberLeft { external_id: self.external_id.to_string() })
    }

    /// Decides what becomes of the hook and its order.
    fn judge(&self, known: Known) -> Box<Judged> {
        let Known { number, id, order, receipt } = known;
        let now = self.shop.clock.now();
        let at = self.report.at;
        let event = Event {
            kind: self.kind,
            at: at.and_then(LocalTime::timestamp),
            wall: at.filter(|at| at.timestamp().is_none()).map(LocalTime::on_the_wall),
            is_ahead: self.is_ahead,
            arrived: self.arrived,
            fingerprint: id.fingerprint,
            hook: id,
            patch: self.report.patch.clone(),
            reason: self.report.reason.clone(),
            notes: self.report.notes.clone(),
        };
        let incoming = Incoming {
            number,
            source: self.hook.source.clone(),
            external_id: self.external_id.clone(),
            event,
        };
        let was_born = order.as_ref().is_some_and(|(order, _)| order.view().is_some());
        let decision = decide(order.as_ref().map(|(order, _)| order), incoming);
        let stored = order.map(|(_, stored)| stored);
        Box::new(Judged {
            number,
            id,
            now,
            was_born,
            stored,
            kept: receipt.map(|(_, version)| version),
            decision,
        })
    }

    /// The time by which what it says is newer or older than what others say.
    fn said_at(&self) -> Timestamp {
        let at = self.report.at.filter(|_| !self.is_ahead);
        at.and_then(LocalTime::nominal).unwrap_or(self.arrived)
    }

    /// Whether documents beside the order must be read before staging: nearly no hook needs them.
    fn needs_more(&self, judged: &Judged) -> bool {
        let is_billed = self.shop.sellers.contains_key(&self.hook.source);
        !judged.decision.unparked.is_empty() || (is_billed && judged.stored.is_some())
    }

    async fn look_beside(&self, judged: &Judged) -> Result<Beside, Unavailable> {
        let mut beside = Beside::default();
        for (parked, _) in &judged.decision.unparked {
            // One that was swept has waited too long.
            beside.parked.extend(load_receipt(&self.shop.store, *parked).await?);
        }
        let found = self.shop.store.load(&[DocKey::checkout(judged.number)]).await?.pop().flatten();
        if let Some(stored) = found {
            beside.checkout = Some((stored.document()?, stored.version));
        }
        Ok(beside)
    }

    /// Puts everything that follows into a batch.
    fn stage(&self, judged: Box<Judged>, beside: Beside) -> (Batch, Received) {
        let Judged { number, id, now, was_born, stored, kept, decision } = *judged;
        let mut batch = Batch::new();
        let mut receipt = receipt_of(self.hook, id, self.arrived);
        receipt.number = Some(number);
        let at = self.report.at;
        receipt.sent_at = at.and_then(LocalTime::timestamp);
        receipt.sent_at_by_the_wall = at.filter(|at| at.timestamp().is_none()).map(LocalTime::on_the_wall);
        (receipt.verdict, receipt.reason) = verdict_on(&decision.standing);
        if self.is_ahead {
            let ahead = counts_from_arrival();
            receipt.reason = Some(match receipt.reason {
                Some(reason) => format!("{reason}; {ahead}"),
                None => ahead,
            });
        }
        let answer = (self.acknowledge)(receipt.verdict, Some(number));
        receipt.answer = Some(answer.clone());

        let mut facts = decision.facts.clone();
        for (parked, version) in beside.parked {
            let standing = decision.unparked.iter().find(|(id, _)| *id == parked.id);
            if let Some((_, standing)) = standing {
                let events = decision.order.iter().flat_map(|order| &order.events);
                let is_ahead = events.into_iter().any(|event| event.hook == parked.id && event.is_ahead);
                unpark(&mut batch, (parked, version), (standing, is_ahead));
            }
        }
        let is_parked = decision.standing == Standing::Parked;
        let mut next = self.announce(&mut batch, decision, &mut facts, now, id);
        if let (Some(next), Some(alarm)) = (&mut next, &self.alarm) {
            facts.push(Fact::Attention { text: alarm.clone() });
            next.flags.push(alarm.clone());
        }
        if let (Some(next), Some((seller, key))) = (&mut next, self.seller) {
            let known = (beside.checkout, (&self.report.contact, self.said_at()));
            bill((self.shop, seller, key), next, known, now, &mut batch, &mut facts);
        }
        match (next, &stored) {
            (Some(next), None) => batch.put(DocKey::order(number), Expect::Absent, &next, now),
            (Some(next), Some(stored)) => {
                // An order is listed by when it was created here; until then, by its first parked hook.
                let listed_at = if was_born || is_parked { stored.body.listed_at } else { now };
                batch.put(DocKey::order(number), Expect::At(stored.version), &next, listed_at);
            }
            (None, Some(stored)) => batch.rely(DocKey::order(number), Expect::At(stored.version)),
            (None, None) => {}
        }
        receipt.facts = facts.iter().filter_map(|fact| serde_json::to_value(fact).ok()).collect();
        let expect = kept.map_or(Expect::Absent, Expect::At);
        batch.put(receipt_key(id), expect, &receipt, self.arrived);
        let (verdict, reason, number) = (receipt.verdict, receipt.reason, Some(number));
        (batch, Received { id, verdict, reason, number, answer, is_copy: false })
    }

    /// Puts the decision's messages and movements into the batch and returns the order that remembers them.
    fn announce(
        &self,
        batch: &mut Batch,
        decision: Decision,
        facts: &mut Vec<Fact>,
        now: Timestamp,
        hook: HookId,
    ) -> Option<Order> {
        let mut order = decision.order?;
        for announcement in &decision.announcements {
            let store_id = announcement.store_id();
            let Some(chat) = self.shop.audience.chat_of(store_id) else {
                facts.push(Fact::NobodyToTell { store_id: store_id.to_owned() });
                continue;
            };
            order.messages += 1;
            let id = MessageId { number: order.number, sequence: order.messages };
            let subject = Subject { external_id: self.external_id, message: id };
            let text = render(self.shop.audience.language, subject, announcement);
            let letter = Letter { store_id: store_id.to_owned(), text };
            let body = serde_json::to_string(&letter).unwrap_or_default();
            batch.send(Message {
                id,
                lane: Lane::Telegram,
                queue: chat.to_owned(),
                body,
                created_at: now,
                wait: Duration::ZERO,
            });
            facts.push(Fact::Announced { message: id });
        }
        if !decision.movement.is_empty() {
            let key = DocKey {
                partition: order.number.get(),
                kind: Kind::Movement,
                id: u128::from(order.movements),
            };
            for line in &decision.movement {
                let counter = CounterKey { group: line.store_id.clone(), name: line.sku.clone() };
                batch.bump(counter, Bump::Add(Quantity::thousandths(line.quantity)));
            }
            let movement = Movement::Order { number: order.number, hook, at: now, lines: decision.movement };
            batch.put(key, Expect::Absent, &movement, now);
        }
        Some(order)
    }
}

/// Whether an order would have other lines or sums if a hook came now that says `report` of what it is.
#[must_use]
pub fn would_change(shop: &Shop, order: &Order, report: Report) -> bool {
    let Report { at, patch, reason, notes, contact: _ } = report;
    let fingerprint = Fingerprint::of(&[b"what would be"]);
    let event = Event {
        kind: EventKind::Changed,
        at: at.and_then(LocalTime::timestamp),
        wall: None,
        is_ahead: false,
        arrived: shop.clock.now(),
        fingerprint,
        hook: HookId { partition: order.number.get(), fingerprint },
        patch,
        reason,
        notes,
    };
    let (number, source, external_id) = (order.number, order.source.clone(), order.external_id.clone());
    let after = decide(Some(order), Incoming { number, source, external_id, event }).order;
    let goods = |order: &Order| order.view().map(|view| (view.content.positions, view.content.sums));
    after.is_some_and(|after| goods(&after) != goods(order))
}

/// Writes onto a parked hook's receipt what became of it. Its answer stays: it has been given.
fn unpark(
    batch: &mut Batch,
    (mut receipt, version): (Receipt, u64),
    (standing, is_ahead): (&Standing, bool),
) {
    let (id, listed_at) = (receipt.id, receipt.received_at);
    let (verdict, reason) = verdict_on(standing);
    let waited = "it was parked until the order was created".to_owned();
    let parts = [Some(waited), reason, is_ahead.then(counts_from_arrival)];
    receipt.verdict = verdict;
    receipt.reason = Some(parts.into_iter().flatten().collect::<Vec<_>>().join("; "));
    batch.put(receipt_key(id), Expect::At(version), &receipt, listed_at);
}

/// What the journal says of a hook that is dated ahead.
fn counts_from_arrival() -> String {
    let minutes = AHEAD_MAX.as_secs() / 60;
    format!("it is dated more than {minutes} minutes after its arrival, and counts from that")
}

fn verdict_on(standing: &Standing) -> (Verdict, Option<String>) {
    match standing {
        Standing::Applied => (Verdict::Applied, None),
        Standing::Outdated => (Verdict::Outdated, Some("newer hooks speak of all that it says".into())),
        Standing::Repeated => (Verdict::Replayed, Some("an earlier hook has said the same".into())),
        Standing::Late(why) => (Verdict::Late, Some(why.clone())),
        Standing::Parked => (Verdict::Parked, Some("its order has not been created yet".into())),
    }
}
