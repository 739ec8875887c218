//! A hook comes in: recognise it, or judge it and keep it with all that follows, in one commit.

use super::alarm::{Alarm, raise};
use super::bill_order::{Payee, Said, bill};
use super::transaction::{Staged, Transaction, Versioned, commit_once, transact};
use super::{Hook, Received, Shop, entry_of, journal_key, load_entry, load_kept_entry};
use crate::dedup::{Answer, Answered, JournalEntry, Reason, Verdict};
use crate::kernel::time::{Timestamp, later};
use crate::kernel::{ExternalId, Fingerprint, HookId, LocalTime};
use crate::orders::Number;
use crate::orders::{
    AHEAD_MAX, Decision, Event, EventKind, Fact, Incoming, Order, OrderNote, RepeatReading, Report, Standing,
    decide, flag_repeat, reading_of_repeat,
};
use crate::payments::Checkout;
use crate::store::{Batch, Expect, Unavailable};
use crate::webhooks::{Outcome, Protocol};

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
    if load_entry(&shop.store, id).await?.is_none() {
        return Ok(None);
    }
    let Some(entry) = load_kept_entry(&shop.store, id).await? else { return Ok(None) };
    let Some(answered) = entry.record.answered() else { return Ok(None) };
    if hook.kind == Some(EventKind::Changed) && entry.is_timeless() && !hook.has_delivery_id {
        // The answer is certain whatever comes of this.
        if let Err(why) = Box::pin(look_for_a_change_back(shop, id, &entry)).await {
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
    protocol: &dyn Protocol,
    again: Option<Timestamp>,
) -> Result<Received, Unavailable> {
    match (hook.kind, &hook.external_id) {
        (Some(kind), Some(external_id)) => {
            let arrived = again.unwrap_or_else(|| shop.clock.now());
            let earliest = report.at.and_then(LocalTime::earliest);
            let is_ahead = earliest.is_some_and(|at| at > later(arrived, AHEAD_MAX))
                && shop.clock_skew.trouble().is_none();
            let alarm = Box::pin(look_at_its_clock(shop, hook, &report, arrived, is_ahead)).await?;
            let again = again.is_some();
            let payee = match shop.sellers.get(&hook.source) {
                Some(seller) => Some(Payee { seller, key: shop.key().await? }),
                None => None,
            };
            let taken = OrderHook {
                shop,
                hook,
                kind,
                external_id,
                report,
                protocol,
                again,
                arrived,
                is_ahead,
                alarm,
                payee,
            };
            taken.receive().await
        }
        (Some(_) | None, _) => Box::pin(ignore(shop, hook, protocol)).await,
    }
}

/// Tells a person, once an hour, when the sender's times cannot be what they should be. Returns what is to stand on the order.
async fn look_at_its_clock(
    shop: &Shop,
    hook: &Hook,
    report: &Report,
    arrived: Timestamp,
    is_ahead: bool,
) -> Result<Option<OrderNote>, Unavailable> {
    let Some(at) = report.at else { return Ok(None) };
    let source = &hook.source;
    if is_ahead {
        let alarm = Alarm::ClockAhead { sent_at: at, arrived_at: arrived };
        let note = OrderNote::ClockAhead { source: source.clone(), sent_at: at, arrived_at: arrived };
        return Ok(raise(shop, source, &alarm, arrived).await?.then_some(note));
    }
    if at.timestamp().is_none() {
        raise(shop, source, &Alarm::NoTimeZone, arrived).await?;
    }
    Ok(None)
}

fn replayed(answered: &Answered) -> Received {
    Received {
        id: answered.id,
        verdict: Verdict::Replayed,
        reasons: vec![Reason::CameBefore { received_at: answered.received_at, verdict: answered.verdict }],
        number: answered.number,
        answer: answered.answer.clone(),
        is_copy: true,
    }
}

/// The sender's answer to a hook.
fn answer_to(
    protocol: &dyn Protocol,
    verdict: Verdict,
    kind: Option<EventKind>,
    number: Option<Number>,
) -> Answer {
    protocol.answer(Outcome::Order { verdict, kind, number }).unwrap_or_else(Answer::empty)
}

/// Keeps a hook of a kind that does not concern us.
async fn ignore(shop: &Shop, hook: &Hook, protocol: &dyn Protocol) -> Result<Received, Unavailable> {
    let id = hook.first_id;
    let answer = answer_to(protocol, Verdict::Ignored, hook.kind, None);
    let reasons = vec![Reason::UnknownEvent { event_type: hook.event_type.clone() }];
    let mut entry = entry_of(hook, id, shop.clock.now());
    entry.record.verdict = Verdict::Ignored;
    entry.reasons.clone_from(&reasons);
    entry.record.answer = Some(answer.clone());
    let mut batch = Batch::new();
    batch.put(journal_key(id), Expect::Absent, &entry, entry.record.received_at);
    if commit_once(&shop.store, batch).await? {
        return Ok(Received { id, verdict: Verdict::Ignored, reasons, number: None, answer, is_copy: false });
    }
    // A copy of it was taken in at the same moment.
    load_kept_entry(&shop.store, id).await?;
    let (number, received_at, verdict) = (None, entry.record.received_at, entry.record.verdict);
    Ok(replayed(&Answered { id, number, received_at, verdict, answer }))
}

/// A change without a time has come a second time: a retry, unless the order has moved on meanwhile and may
/// now be back where it was. Nothing in the bytes tells, so a person is asked.
async fn look_for_a_change_back(shop: &Shop, id: HookId, entry: &JournalEntry) -> Result<(), Unavailable> {
    let Some(number) = entry.record.number else { return Ok(()) };
    transact(shop, "flag_repeated_change", |mut tx| async move {
        let key = Order::key(number);
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
    protocol: &'a dyn Protocol,
    again: bool,
    /// When it came first.
    arrived: Timestamp,
    /// It is dated so far after its arrival that it counts from that.
    is_ahead: bool,
    /// What a person is to be told with it.
    alarm: Option<OrderNote>,
    /// Who is paid for what it is about, if that goes through us.
    payee: Option<Payee<'a>>,
}

/// What is stored of the hook and its order.
struct Known {
    number: Number,
    id: HookId,
    order: Option<Versioned<Order>>,
    entry: Option<Versioned<JournalEntry>>,
}

/// A hook that was judged, with what it was judged against.
struct Judged {
    known: Known,
    was_born: bool,
    decision: Decision,
}

/// Documents beside the order that some hooks change as well.
#[derive(Default)]
struct Beside {
    parked: Vec<Versioned<JournalEntry>>,
    checkout: Option<Versioned<Checkout>>,
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
            let number = Number::of(self.hook.first_id.partition);
            let number = number.unwrap_or_else(|| Number::derive(&self.hook.source, self.external_id, 0));
            Known { number, id: self.hook.first_id, order: None, entry: None }
        } else {
            Box::pin(self.look_up()).await?
        };
        if let Some(entry) = &known.entry
            && entry.record.answer.is_some()
            && !(self.again && entry.record.verdict == Verdict::Ignored)
        {
            let kept = Box::pin(load_kept_entry(&self.shop.store, known.id)).await?;
            return Ok(match kept.and_then(|entry| entry.record.answered()) {
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
        let received = self.stage(&mut tx, judged, beside);
        let judged_at = tx.now;
        Ok(tx.commit((received, Some(judged_at))))
    }

    /// A copy need not be looked up. A change without a time must: a second one may be a change back.
    fn keep_at_hand(&self, received: &Received, received_at: Timestamp) {
        if self.kind != EventKind::Changed || self.report.at.is_some() || self.hook.has_delivery_id {
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
            let id = HookId { partition: number.partition(), ..hook.first_id };
            let mut found = self.shop.store.load(&[Order::key(number), journal_key(id)]).await?;
            let entry = found.pop().flatten().as_ref().map(Versioned::of).transpose()?;
            let order = found.pop().flatten().as_ref().map(Versioned::<Order>::of).transpose()?;
            if order.as_ref().is_some_and(|order| {
                order.source != self.hook.source || order.external_id != *self.external_id
            }) {
                continue;
            }
            return Ok(Known { number, id, order, entry });
        }
        Err(Unavailable::NoNumberLeft { external_id: self.external_id.to_string() })
    }

    /// Decides what becomes of the hook and its order.
    fn judge(&self, known: Known) -> Box<Judged> {
        let (number, id) = (known.number, known.id);
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
        let was_born = known.order.as_ref().is_some_and(|order| order.view().is_some());
        let decision = decide(known.order.as_deref(), incoming);
        Box::new(Judged { known, was_born, decision })
    }

    /// The time by which what it says is newer or older than what others say.
    fn said_at(&self) -> Timestamp {
        let at = self.report.at.filter(|_| !self.is_ahead);
        at.and_then(LocalTime::nominal).unwrap_or(self.arrived)
    }

    /// Whether documents beside the order must be read before staging: nearly no hook needs them.
    fn needs_more(&self, judged: &Judged) -> bool {
        let is_billed = self.shop.sellers.contains_key(&self.hook.source);
        !judged.decision.unparked.is_empty() || (is_billed && judged.known.order.is_some())
    }

    async fn look_beside(&self, judged: &Judged) -> Result<Beside, Unavailable> {
        let mut beside = Beside::default();
        for (parked, _) in &judged.decision.unparked {
            // One that was swept has waited too long.
            beside.parked.extend(load_entry(&self.shop.store, *parked).await?);
        }
        let found = self.shop.store.load(&[Checkout::key(judged.known.number)]).await?.pop().flatten();
        if let Some(stored) = found {
            beside.checkout = Some(Versioned::of(&stored)?);
        }
        Ok(beside)
    }

    /// Puts everything that follows into the transaction.
    fn stage(&self, tx: &mut Transaction<'_>, judged: Box<Judged>, beside: Beside) -> Received {
        let Judged { known, was_born, decision } = *judged;
        let Known { number, id, order: stored, entry: kept } = known;
        let mut entry = entry_of(self.hook, id, self.arrived);
        entry.record.number = Some(number);
        let at = self.report.at;
        entry.sent_at = at.and_then(LocalTime::timestamp);
        entry.sent_at_by_the_wall = at.filter(|at| at.timestamp().is_none()).map(LocalTime::on_the_wall);
        let reason;
        (entry.record.verdict, reason) = verdict_on(&decision.standing);
        entry.reasons.extend(reason.into_iter().chain(self.is_ahead.then(dated_ahead)));
        let answer = answer_to(self.protocol, entry.record.verdict, Some(self.kind), Some(number));
        entry.record.answer = Some(answer.clone());
        for parked in beside.parked {
            unpark(tx, parked, &decision);
        }
        // An order is listed by when it was created here; until then, by its first parked hook.
        let moves_in_lists = !was_born && decision.standing != Standing::Parked;
        let next = self.change(tx, decision, id, stored.as_ref(), beside.checkout);
        match (next, stored) {
            (Some(mut next), _) => {
                if moves_in_lists {
                    next.list_at(tx.now);
                }
                next.stage(tx.batch());
            }
            (None, Some(stored)) => stored.assert_version(Order::key(number), tx.batch()),
            (None, None) => {}
        }
        entry.facts = tx.facts();
        let (verdict, reasons, number) = (entry.record.verdict, entry.reasons.clone(), Some(number));
        let entry = match kept {
            Some(kept) => kept.replaced(entry),
            None => Versioned::new(entry, self.arrived),
        };
        entry.stage(tx.batch());
        Received { id, verdict, reasons, number, answer, is_copy: false }
    }

    /// What the decision makes of the order and what follows from it, if anything of the order changes.
    fn change(
        &self,
        tx: &mut Transaction<'_>,
        decision: Decision,
        id: HookId,
        stored: Option<&Versioned<Order>>,
        checkout: Option<Versioned<Checkout>>,
    ) -> Option<Versioned<Order>> {
        tx.note_facts(decision.facts);
        let decided = decision.order?;
        let mut order = match stored {
            Some(stored) => stored.replaced(decided),
            None => Versioned::new(decided, tx.now),
        };
        for announcement in &decision.announcements {
            tx.tell_pickers(&mut order, announcement);
        }
        tx.move_stock(&order, id, decision.movement);
        if let Some(alarm) = &self.alarm {
            tx.note_fact(&Fact::Attention { note: alarm.clone() });
            order.flags.push(alarm.clone());
        }
        Some(match self.payee {
            Some(payee) => {
                let said = Said { contact: &self.report.contact, at: self.said_at() };
                bill(tx, payee, order, checkout, said)
            }
            None => order,
        })
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
        hook: HookId { partition: order.number.partition(), fingerprint },
        patch,
        reason,
        notes,
    };
    let (number, source, external_id) = (order.number, order.source.clone(), order.external_id.clone());
    let after = decide(Some(order), Incoming { number, source, external_id, event }).order;
    let goods = |order: &Order| order.view().map(|view| (view.content.positions, view.content.sums));
    after.is_some_and(|after| goods(&after) != goods(order))
}

/// Writes onto a parked hook's entry what became of it. Its answer stays: it has been given.
fn unpark(tx: &mut Transaction<'_>, mut parked: Versioned<JournalEntry>, decision: &Decision) {
    let Some((_, standing)) = decision.unparked.iter().find(|(id, _)| *id == parked.record.id) else {
        return;
    };
    let mut events = decision.order.iter().flat_map(|order| &order.events);
    let is_ahead = events.any(|event| event.hook == parked.record.id && event.is_ahead);
    let (verdict, reason) = verdict_on(standing);
    let reasons = [Some(Reason::WasParked), reason, is_ahead.then(dated_ahead)];
    parked.record.verdict = verdict;
    parked.reasons = reasons.into_iter().flatten().collect();
    parked.stage(tx.batch());
}

/// What the journal says of a hook that is dated ahead.
fn dated_ahead() -> Reason {
    Reason::DatedAhead { ahead_seconds_max: AHEAD_MAX.as_secs() }
}

fn verdict_on(standing: &Standing) -> (Verdict, Option<Reason>) {
    match standing {
        Standing::Applied => (Verdict::Applied, None),
        Standing::Outdated => (Verdict::Outdated, Some(Reason::Outdated)),
        Standing::Repeated => (Verdict::Replayed, Some(Reason::SaidBefore)),
        Standing::Late(late) => (Verdict::Late, Some(Reason::Late { late: *late })),
        Standing::Parked => (Verdict::Parked, Some(Reason::NotCreated)),
    }
}
