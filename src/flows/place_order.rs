//! Places an order of a merchant's site: once for each idempotency key, and
//! once for each of its order numbers.
//!
//! The key and the order are in different partitions, so this takes three
//! commits. First the key is taken, without an answer. Then the order is
//! created, which is idempotent by itself. Then the answer is written under the
//! key. A process that dies in between leaves a key without an answer, and the
//! next repeat finishes the work.
//! (docs/adr/0009-an-idempotency-key-is-a-receipt.md)

use std::time::Duration;

use super::bill_order::{Payee, new_checkout, planned};
use super::effects::Task;
use super::transaction::{Staged, Transaction, Versioned, transact};
use super::{
    BilledOrder, Hook, OrderRecord, PaymentProfile, Services, load_kept_entry, load_kept_record,
};
use crate::dedup::key::{self, KeyedRequest};
use crate::dedup::{Answer, JournalEntry, Reason, Verdict};
use crate::kernel::json::tidy;
use crate::kernel::time::between;
use crate::kernel::{ExternalId, Fingerprint, HookId, PartyName, Timestamp};
use crate::orders::Number;
use crate::orders::{Event, EventKind, HookEffect, Incoming, OrderNote, Patch, Position, decide};
use crate::payments::{Bill, SiteUrls};
use crate::store::Unavailable;

/// The event type of placed orders in the journal.
pub const EVENT_TYPE: &str = "order.create";

/// How long a request without an answer counts as in progress, in seconds. It
/// is longer than its sender is kept waiting. If the request takes even longer,
/// a repeat takes over its key, and both find the same order.
pub const UNDER_WAY_SECONDS_MAX: u64 = 10;

/// An order as a merchant's site requests it.
#[derive(Clone)]
pub struct Placement {
    /// The merchant whose site places the order.
    pub merchant: PartyName,
    /// The number of the order at the site.
    pub merchant_order_id: ExternalId,
    /// The bill to pay.
    pub bill: Bill,
    /// The addresses for the buyer and for callbacks.
    pub urls: SiteUrls,
    /// The body of the request.
    pub body: bytes::Bytes,
}

impl std::fmt::Debug for Placement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The body has personal data.
        write!(f, "[order {} of {}]", self.merchant_order_id, self.merchant)
    }
}

/// The result of taking an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// The caller holds the key and does the work.
    Ours(HookId),
    /// The key was used for the same request, with this answer.
    Answered(Answer),
    /// The key was used for another request.
    OtherRequest,
    /// The first request with the key is still in progress.
    UnderWay,
}

/// Looks up an idempotency key. Returns the result if it settles the request;
/// nothing is written.
pub async fn known_key(
    services: &Services,
    merchant: &PartyName,
    asked: KeyedRequest,
    idempotency_key: &str,
    body: &[u8],
) -> Result<Option<Taken>, Unavailable> {
    let known =
        load_kept_entry(&services.store, key::of_request(merchant, asked, idempotency_key)).await?;
    Ok(known.and_then(|known| settles(&known, body, services.clock.now())))
}

/// What the entry of a key means for a request with `body`; `None` if the first
/// request has ended without an answer.
fn settles(known: &JournalEntry, body: &[u8], now: Timestamp) -> Option<Taken> {
    if !known.is_of(body) {
        return Some(Taken::OtherRequest);
    }
    if let Some(answer) = &known.record.answer {
        return Some(Taken::Answered(answer.clone()));
    }
    let is_fresh =
        between(known.record.received_at, now) < Duration::from_secs(UNDER_WAY_SECONDS_MAX);
    is_fresh.then_some(Taken::UnderWay)
}

/// A request with an idempotency key.
#[derive(Clone, Copy)]
pub struct Keyed<'a> {
    /// The merchant whose site sends the request.
    pub merchant: &'a PartyName,
    /// The kind of the request.
    pub asked: KeyedRequest,
    /// The site's number of the order, if the request has one.
    pub external_id: Option<&'a ExternalId>,
    /// The idempotency key.
    pub key: &'a str,
    /// The body of the request.
    pub body: &'a bytes::Bytes,
}

/// Takes the idempotency key of a request.
pub async fn take_key(services: &Services, keyed: Keyed<'_>) -> Result<Taken, Unavailable> {
    let id = key::of_request(keyed.merchant, keyed.asked, keyed.key);
    transact(services, "take_idempotency_key", |mut tx| async move {
        let now = tx.now;
        let hook = Hook::new(
            keyed.merchant.clone(),
            keyed.asked.event_type().into(),
            None,
            keyed.external_id.cloned(),
            keyed.body.clone(),
        );
        let mut mine = super::entry_of(&hook, id, now);
        mine.record.verdict = Verdict::Applied;
        let mine = match load_kept_entry(&services.store, id).await? {
            None => Versioned::new(mine, now),
            Some(known) => match settles(&known, keyed.body, now) {
                Some(taken) => return Ok(Staged::Unchanged(taken)),
                None => {
                    let mut taken_over = known.replaced(mine);
                    taken_over.list_at(now);
                    taken_over
                }
            },
        };
        mine.stage(tx.batch());
        tx.counts(keyed.merchant, keyed.body.len());
        Ok(tx.commit(Taken::Ours(id)))
    })
    .await
}

/// Writes the answer under a key that the caller holds. Returns the answer that
/// counts.
pub async fn answer_key(
    services: &Services,
    id: HookId,
    number: Option<Number>,
    answer: Answer,
) -> Result<Answer, Unavailable> {
    let answer = &answer;
    transact(services, "answer_idempotency_key", |mut tx| async move {
        let Some(mut entry) = load_kept_entry(&services.store, id).await? else {
            return Ok(Staged::Unchanged(answer.clone()));
        };
        if let Some(given) = &entry.record.answer {
            // A repeat has taken over the key and has already answered.
            return Ok(Staged::Unchanged(given.clone()));
        }
        entry.record.answer = Some(answer.clone());
        entry.record.number = number;
        entry.stage(tx.batch());
        Ok(tx.commit(answer.clone()))
    })
    .await
}

/// The result of placing an order.
#[derive(Debug, Clone)]
pub enum Placed {
    /// The order exists, either new or from an earlier identical request.
    Known(Number),
    /// The merchant has a different order with this number.
    NumberTaken(Number),
}

/// Creates the order, unless it exists.
pub async fn place(
    services: &Services,
    profile: &PaymentProfile,
    placement: &Placement,
) -> Result<Placed, Unavailable> {
    let asked = fingerprint(placement);
    let payee = Payee { profile, key: services.key().await? };
    for slot in 0..Number::SLOTS_MAX {
        let number =
            services.number_in(&placement.merchant, &placement.merchant_order_id, slot).await?;
        let placed = transact(services, "place_order", |mut tx| async move {
            if let Some(OrderRecord { order, checkout, .. }) =
                load_kept_record(&services.store, number).await?
            {
                if order.source != placement.merchant
                    || order.external_id != placement.merchant_order_id
                {
                    return Ok(Staged::Unchanged(None)); // another order holds this number
                }
                let same =
                    checkout.is_some_and(|checkout| checkout.request_fingerprint == Some(asked));
                let placed = if same { Placed::Known(number) } else { Placed::NumberTaken(number) };
                return Ok(Staged::Unchanged(Some(placed)));
            }
            stage(&mut tx, payee, placement, number, asked);
            tx.wake_watchers(number);
            Ok(tx.commit(Some(Placed::Known(number))))
        })
        // Too many conflicts are an error: the next number would make a second
        // order.
        .await?;
        if let Some(placed) = placed {
            return Ok(placed);
        }
    }
    Err(Unavailable::NoNumberLeft { external_id: placement.merchant_order_id.to_string() })
}

/// The fingerprint of everything that distinguishes one request from another,
/// except the expiry time: a site that repeats an order calculates that again.
fn fingerprint(placement: &Placement) -> Fingerprint {
    let Placement { merchant, merchant_order_id, bill, urls, .. } = placement;
    let parts = serde_json::json!([bill.description, bill.lines, bill.customer, urls]).to_string();
    Fingerprint::of(&[
        merchant.as_str().as_bytes(),
        merchant_order_id.as_str().as_bytes(),
        parts.as_bytes(),
    ])
}

fn stage(
    tx: &mut Transaction<'_>,
    payee: Payee<'_>,
    placement: &Placement,
    number: Number,
    asked: Fingerprint,
) {
    let now = tx.now;
    let merchant = &placement.merchant;
    let id = key::of_order(number, merchant, EVENT_TYPE, &placement.body);
    let event = Event {
        kind: EventKind::Created,
        at: Some(now),
        wall: None,
        is_ahead: false,
        arrived: now,
        fingerprint: id.fingerprint,
        hook: id,
        patch: Patch {
            positions: Some(positions(&placement.bill).into()),
            total: Some(placement.bill.total),
            ..Patch::default()
        },
        reason: None,
        notes: OrderNote::of_cut(tidy(&placement.body).half_characters).into_iter().collect(),
    };
    let external_id = placement.merchant_order_id.clone();
    let decision = decide(None, Incoming { number, source: merchant.clone(), external_id, event });
    tx.note_facts(decision.facts);
    if let Some(order) = decision.order {
        let mut checkout = new_checkout(payee, &order, placement.urls.clone());
        checkout.request_fingerprint = Some(asked);
        let (order, checkout) = (Versioned::new(order, now), Versioned::new(checkout, now));
        let mut billed = BilledOrder { order, checkout };
        for payment in billed.checkout.set_bill(Some((1, placement.bill.clone())), now) {
            tx.start(&mut billed, Task::Payment { payment });
            tx.note_facts(planned(&billed.checkout, payment));
        }
        tx.watch_end(&mut billed);
        billed.write(tx);
    }
    let hook = Hook::new(
        merchant.clone(),
        EVENT_TYPE.into(),
        Some(EventKind::Created),
        Some(placement.merchant_order_id.clone()),
        placement.body.clone(),
    );
    let mut entry = super::entry_of(&hook, id, now);
    entry.record.number = Some(number);
    entry.sent_at = Some(now);
    (entry.record.verdict, entry.reasons) = match decision.effect {
        HookEffect::Applied | HookEffect::Outdated => (Verdict::Applied, Vec::new()),
        HookEffect::Repeated | HookEffect::Parked => (Verdict::Replayed, Vec::new()),
        HookEffect::Late(late) => (Verdict::Late, vec![Reason::Late { late }]),
    };
    entry.facts = tx.facts();
    Versioned::new(entry, now).stage(tx.batch());
}

pub(super) fn positions(bill: &Bill) -> Vec<Position> {
    let position = |line: &crate::payments::Line| Position {
        sku: line.sku.clone(),
        name: Some(line.name.clone()),
        quantity: Some(line.quantity),
        original_quantity: None,
        price: Some(line.price),
        discount_price: None,
        total: Some(line.total),
        discount_total: None,
        has_unread_sum: false,
        replaced_by: None,
        weight_grams: None,
    };
    bill.lines.iter().map(position).collect()
}
