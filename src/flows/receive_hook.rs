//! Receives a hook: recognises it as a retry, or decides what it means and
//! stores it with everything that follows, in one commit.

use super::alarm::{Alarm, raise};
use super::bill_order::{Payee, StatedBuyer, bill};
use super::parked_orders::PARKED_ORDERS_MAX;
use super::recognise_hook::replayed;
use super::transaction::{Staged, Transaction, Versioned, commit_once, transact};
use super::{Hook, Received, Services, entry_of, journal_key, load_entry, load_kept_entry};
use crate::dedup::{Answer, Answered, JournalEntry, Reason, Verdict};
use crate::kernel::time::{Timestamp, later};
use crate::kernel::{ExternalId, Fingerprint, HookId, LocalTime};
use crate::orders::Number;
use crate::orders::{
    AHEAD_MAX, Decision, Event, EventKind, Fact, HookEffect, Incoming, Order, OrderNote, Report,
    decide,
};
use crate::payments::Checkout;
use crate::store::{Batch, Expect, Unavailable};
use crate::webhooks::{Outcome, Protocol};

/// Processes a hook that [`recognise`](super::recognise_hook::recognise) did
/// not recognise. `again` is the time at which it first arrived; it is set to
/// process a hook again that was stored as ignored.
pub async fn receive(
    services: &Services,
    hook: &Hook,
    report: Report,
    protocol: &dyn Protocol,
    again: Option<Timestamp>,
) -> Result<Received, Unavailable> {
    match (hook.kind, &hook.external_id) {
        (Some(kind), Some(external_id)) => {
            let arrived = again.unwrap_or_else(|| services.clock.now());
            let earliest = report.at.and_then(LocalTime::earliest);
            let is_ahead = earliest.is_some_and(|at| at > later(arrived, AHEAD_MAX))
                && services.clock_skew.trouble().is_none();
            let alarm =
                Box::pin(look_at_its_clock(services, hook, &report, arrived, is_ahead)).await?;
            let again = again.is_some();
            let payee = match services.merchants.get(&hook.source) {
                Some(profile) => Some(Payee { profile, key: services.key().await? }),
                None => None,
            };
            let taken = OrderHook {
                services,
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
        (Some(_) | None, _) => Box::pin(ignore(services, hook, protocol)).await,
    }
}

/// Raises an alarm, once an hour, when the timestamps of the sender cannot be
/// right. Returns the note for the order.
async fn look_at_its_clock(
    services: &Services,
    hook: &Hook,
    report: &Report,
    arrived: Timestamp,
    is_ahead: bool,
) -> Result<Option<OrderNote>, Unavailable> {
    let Some(at) = report.at else { return Ok(None) };
    let source = &hook.source;
    if is_ahead {
        let alarm = Alarm::ClockAhead { sent_at: at, arrived_at: arrived };
        let note =
            OrderNote::ClockAhead { source: source.clone(), sent_at: at, arrived_at: arrived };
        return Ok(raise(services, source, &alarm, arrived).await?.then_some(note));
    }
    if at.timestamp().is_none() {
        raise(services, source, &Alarm::NoTimeZone, arrived).await?;
    }
    Ok(None)
}

/// The answer to a hook, in the protocol of the sender.
fn answer_to(
    protocol: &dyn Protocol,
    verdict: Verdict,
    kind: Option<EventKind>,
    number: Option<Number>,
) -> Answer {
    protocol.answer(Outcome::Order { verdict, kind, number }).unwrap_or_else(Answer::empty)
}

/// Stores a hook of a kind that is not relevant to us.
async fn ignore(
    services: &Services,
    hook: &Hook,
    protocol: &dyn Protocol,
) -> Result<Received, Unavailable> {
    let id = hook.first_id;
    let answer = answer_to(protocol, Verdict::Ignored, hook.kind, None);
    let reasons = vec![Reason::UnknownEvent { event_type: hook.event_type.clone() }];
    let mut entry = entry_of(hook, id, services.clock.now());
    entry.record.verdict = Verdict::Ignored;
    entry.reasons.clone_from(&reasons);
    entry.record.answer = Some(answer.clone());
    let mut batch = Batch::new();
    batch.put(journal_key(id), Expect::Absent, &entry, entry.record.received_at);
    if commit_once(&services.store, batch).await? {
        services.quotas.count(&hook.source, hook.body.len(), entry.record.received_at);
        return Ok(Received {
            id,
            verdict: Verdict::Ignored,
            reasons,
            number: None,
            answer,
            is_copy: false,
        });
    }
    // A duplicate was stored at the same moment.
    load_kept_entry(&services.store, id).await?;
    let (number, received_at, verdict) = (None, entry.record.received_at, entry.record.verdict);
    Ok(replayed(&Answered { id, number, received_at, verdict, answer }))
}

/// A hook about an order that is being processed.
struct OrderHook<'a> {
    services: &'a Services,
    hook: &'a Hook,
    kind: EventKind,
    external_id: &'a ExternalId,
    report: Report,
    protocol: &'a dyn Protocol,
    again: bool,
    /// When it first arrived.
    arrived: Timestamp,
    /// Whether its timestamp is so far after its arrival that the time of
    /// arrival counts instead.
    is_ahead: bool,
    /// The note for a person that goes onto the order.
    alarm: Option<OrderNote>,
    /// Who is paid for its order, if the order is paid through tillgate.
    payee: Option<Payee<'a>>,
}

/// The stored state of the hook and its order.
struct Known {
    number: Number,
    id: HookId,
    order: Option<Versioned<Order>>,
    entry: Option<Versioned<JournalEntry>>,
}

/// A hook with the decision about it, and the state on which the decision is
/// based.
struct Judged {
    known: Known,
    was_born: bool,
    decision: Decision,
}

/// Documents in addition to the order that some hooks change.
#[derive(Default)]
struct RelatedDocuments {
    parked: Vec<Versioned<JournalEntry>>,
    checkout: Option<Versioned<Checkout>>,
}

impl OrderHook<'_> {
    async fn receive(&self) -> Result<Received, Unavailable> {
        let (received, judged_at) =
            transact(self.services, "receive_hook", |tx| async move { self.decide(tx).await })
                .await?;
        if let Some(judged_at) = judged_at {
            self.keep_at_hand(&received, judged_at);
            let OrderHook { services: Services { quotas, .. }, hook, .. } = self;
            quotas.count(&hook.source, hook.body.len(), judged_at);
            if quotas.is_used_up(&hook.source, judged_at) {
                Box::pin(raise(self.services, &hook.source, &Alarm::QuotaUsedUp, judged_at))
                    .await?;
            }
        }
        Ok(received)
    }

    /// One run: decides about the hook. Returns the time of the decision if it
    /// is new.
    async fn decide<'a>(
        &'a self,
        mut tx: Transaction<'a>,
    ) -> Result<Staged<'a, (Received, Option<Timestamp>)>, Unavailable> {
        // Nearly every creation is of an order that is not known yet, so the
        // first run assumes that and reads nothing; the commit detects a wrong
        // assumption.
        let known = if tx.is_first() && self.kind == EventKind::Created && !self.again {
            let number = Number::of(self.hook.first_id.partition);
            let number =
                number.unwrap_or_else(|| Number::derive(&self.hook.source, self.external_id, 0));
            Known { number, id: self.hook.first_id, order: None, entry: None }
        } else {
            Box::pin(self.look_up()).await?
        };
        if let Some(entry) = &known.entry
            && entry.record.answer.is_some()
            && !(self.again && entry.record.verdict == Verdict::Ignored)
        {
            let kept = Box::pin(load_kept_entry(&self.services.store, known.id)).await?;
            return Ok(match kept.and_then(|entry| entry.record.answered()) {
                Some(answered) => Staged::Unchanged((replayed(&answered), None)),
                None => Staged::Again,
            });
        }
        let judged = self.judge(known);
        let is_new = judged.known.order.as_ref().is_none_or(|order| order.events.is_empty());
        let is_parked = judged.decision.effect == HookEffect::Parked;
        if is_new && is_parked && !self.hook.is_reconciled {
            Box::pin(self.check_parked(tx.now)).await?;
        }
        let related = if self.needs_more(&judged) {
            Box::pin(self.load_related(&judged)).await?
        } else {
            RelatedDocuments::default()
        };
        let received = self.stage(&mut tx, judged, related);
        let judged_at = tx.now;
        Ok(tx.commit((received, Some(judged_at))))
    }

    /// Fails if as many orders of the source as may wait for their creation do
    /// so, or if it has used up its quota of today. The sender repeats the
    /// hook, so nothing is lost if the order is created meanwhile.
    async fn check_parked(&self, now: Timestamp) -> Result<(), Unavailable> {
        let OrderHook { services, hook, .. } = self;
        if services.quotas.is_used_up(&hook.source, now) {
            return Err(Unavailable::QuotaUsedUp { party: hook.source.to_string() });
        }
        if services.parked_orders.admit(&services.store, &hook.source).await? {
            return Ok(());
        }
        raise(services, &hook.source, &Alarm::TooManyParked, now).await?;
        Err(Unavailable::TooManyParked {
            party: hook.source.to_string(),
            waiting_max: PARKED_ORDERS_MAX,
        })
    }

    /// Remembers the answer, so that duplicates need no read. A change without
    /// a timestamp must be read each time, because a second one may be a change
    /// back.
    fn keep_at_hand(&self, received: &Received, received_at: Timestamp) {
        if self.kind != EventKind::Changed || self.report.at.is_some() || self.hook.has_delivery_id
        {
            let Received { id, number, verdict, .. } = *received;
            let answer = received.answer.clone();
            let answered = Answered { id, number, received_at, verdict, answer };
            self.services.recent.keep(self.hook.recent(answered));
        }
    }

    /// Finds the number of the order, which is the first that no other order
    /// holds, and reads what is stored under it.
    async fn look_up(&self) -> Result<Known, Unavailable> {
        for slot in 0..Number::SLOTS_MAX {
            let number = self.services.number_in(&self.hook.source, self.external_id, slot).await?;
            let hook = self.hook;
            let id = HookId { partition: number.partition(), ..hook.first_id };
            let mut found =
                self.services.store.load(&[Order::key(number), journal_key(id)]).await?;
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

    /// Decides what the hook means for its order.
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

    /// The time that decides whether its content is newer than that of other
    /// hooks.
    fn said_at(&self) -> Timestamp {
        let at = self.report.at.filter(|_| !self.is_ahead);
        at.and_then(LocalTime::nominal).unwrap_or(self.arrived)
    }

    /// Whether more documents than the order must be read before staging.
    /// Nearly no hook needs them.
    fn needs_more(&self, judged: &Judged) -> bool {
        let is_billed = self.services.merchants.contains_key(&self.hook.source);
        !judged.decision.unparked.is_empty() || (is_billed && judged.known.order.is_some())
    }

    async fn load_related(&self, judged: &Judged) -> Result<RelatedDocuments, Unavailable> {
        let mut related = RelatedDocuments::default();
        for (parked, _) in &judged.decision.unparked {
            // A parked hook whose entry was swept has waited too long.
            related.parked.extend(load_entry(&self.services.store, *parked).await?);
        }
        let found =
            self.services.store.load(&[Checkout::key(judged.known.number)]).await?.pop().flatten();
        if let Some(stored) = found {
            related.checkout = Some(Versioned::of(&stored)?);
        }
        Ok(related)
    }

    /// Stages everything that follows from the hook.
    fn stage(
        &self,
        tx: &mut Transaction<'_>,
        judged: Box<Judged>,
        related: RelatedDocuments,
    ) -> Received {
        let Judged { known, was_born, decision } = *judged;
        let Known { number, id, order: stored, entry: kept } = known;
        let mut entry = entry_of(self.hook, id, self.arrived);
        entry.record.number = Some(number);
        let at = self.report.at;
        entry.sent_at = at.and_then(LocalTime::timestamp);
        entry.sent_at_by_the_wall =
            at.filter(|at| at.timestamp().is_none()).map(LocalTime::on_the_wall);
        let reason;
        (entry.record.verdict, reason) = verdict_on(&decision.effect);
        entry.reasons.extend(reason.into_iter().chain(self.is_ahead.then(dated_ahead)));
        let answer = answer_to(self.protocol, entry.record.verdict, Some(self.kind), Some(number));
        entry.record.answer = Some(answer.clone());
        for parked in related.parked {
            unpark(tx, parked, &decision);
        }
        // An order is listed by the time at which it was created here; until
        // then, by its first parked hook.
        let moves_in_lists = !was_born && decision.effect != HookEffect::Parked;
        let next = self.change(tx, decision, id, stored.as_ref(), related.checkout);
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
        let (verdict, reasons, number) =
            (entry.record.verdict, entry.reasons.clone(), Some(number));
        let entry = match kept {
            Some(kept) => kept.replaced(entry),
            None => Versioned::new(entry, self.arrived),
        };
        entry.stage(tx.batch());
        Received { id, verdict, reasons, number, answer, is_copy: false }
    }

    /// Returns the changed order with everything that follows from the
    /// decision; `None` if the order does not change.
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
            tx.notify_pickers(&mut order, announcement);
        }
        tx.move_stock(&order, id, decision.movement);
        tx.promise_stock(&mut order);
        if let Some(alarm) = &self.alarm {
            tx.note_fact(&Fact::Attention { note: alarm.clone() });
            order.flags.push(alarm.clone());
        }
        Some(match self.payee {
            Some(payee) => {
                let said = StatedBuyer { contact: &self.report.contact, at: self.said_at() };
                bill(tx, payee, order, checkout, said)
            }
            None => order,
        })
    }
}

/// Whether a hook with this content, arriving now, would change the lines or
/// sums of an order.
#[must_use]
pub fn would_change(services: &Services, order: &Order, report: Report) -> bool {
    let Report { at, patch, reason, notes, contact: _ } = report;
    let fingerprint = Fingerprint::of(&[b"what would be"]);
    let event = Event {
        kind: EventKind::Changed,
        at: at.and_then(LocalTime::timestamp),
        wall: None,
        is_ahead: false,
        arrived: services.clock.now(),
        fingerprint,
        hook: HookId { partition: order.number.partition(), fingerprint },
        patch,
        reason,
        notes,
    };
    let (number, source, external_id) =
        (order.number, order.source.clone(), order.external_id.clone());
    let after = decide(Some(order), Incoming { number, source, external_id, event }).order;
    let goods =
        |order: &Order| order.view().map(|view| (view.content.positions, view.content.sums));
    after.is_some_and(|after| goods(&after) != goods(order))
}

/// Updates the entry of a hook that was parked. Its answer stays, because it
/// has already been sent.
fn unpark(tx: &mut Transaction<'_>, mut parked: Versioned<JournalEntry>, decision: &Decision) {
    let Some((_, effect)) = decision.unparked.iter().find(|(id, _)| *id == parked.record.id) else {
        return;
    };
    let mut events = decision.order.iter().flat_map(|order| &order.events);
    let is_ahead = events.any(|event| event.hook == parked.record.id && event.is_ahead);
    let (verdict, reason) = verdict_on(effect);
    let reasons = [Some(Reason::WasParked), reason, is_ahead.then(dated_ahead)];
    parked.record.verdict = verdict;
    parked.reasons = reasons.into_iter().flatten().collect();
    parked.stage(tx.batch());
}

/// The reason in the journal for a hook that is dated ahead.
fn dated_ahead() -> Reason {
    Reason::DatedAhead { ahead_seconds_max: AHEAD_MAX.as_secs() }
}

fn verdict_on(effect: &HookEffect) -> (Verdict, Option<Reason>) {
    match effect {
        HookEffect::Applied => (Verdict::Applied, None),
        HookEffect::Outdated => (Verdict::Outdated, Some(Reason::Outdated)),
        HookEffect::Repeated => (Verdict::Replayed, Some(Reason::SaidBefore)),
        HookEffect::Late(late) => (Verdict::Late, Some(Reason::Late { late: *late })),
        HookEffect::Parked => (Verdict::Parked, Some(Reason::NotCreated)),
    }
}
