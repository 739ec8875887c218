//! A merchant's site places an order: once for each idempotency key, and once for each of its numbers.
//!
//! The key and the order lie in partitions of their own, so this is three commits. The key is taken first, without
//! an answer; then the order is made, which is idempotent by itself; then the answer is written under the key. Whoever
//! dies in between leaves a key without an answer, and the next repeat finishes the work.
//! (docs/adr/0009-an-idempotency-key-is-a-receipt.md)

use std::time::Duration;

use super::bill_order::{Payee, new_checkout, planned};
use super::effects::Task;
use super::transaction::{Staged, Transaction, Versioned, transact};
use super::{BilledOrder, Hook, OrderRecord, Seller, Shop, load_kept_entry, load_kept_record};
use crate::dedup::key::{self, Asked};
use crate::dedup::{Answer, JournalEntry, Reason, Verdict};
use crate::kernel::json::tidy;
use crate::kernel::time::between;
use crate::kernel::{ExternalId, Fingerprint, HookId, PartyName, Timestamp};
use crate::orders::Number;
use crate::orders::{Event, EventKind, Incoming, OrderNote, Patch, Position, Standing, decide};
use crate::payments::{Bill, Ways};
use crate::store::Unavailable;

/// The kind under which placed orders stand in the journal.
pub const EVENT_TYPE: &str = "order.placed";

/// How long a request without an answer is taken to be under way still, in seconds. Longer than its sender is kept
/// waiting. One that takes longer after all meets whoever took it for dead, and both find the same order.
pub const UNDER_WAY_SECONDS_MAX: u64 = 10;

/// An order as a merchant's site asks for it.
#[derive(Clone)]
pub struct Placement {
    /// Whose site it is.
    pub merchant: PartyName,
    /// Its number there.
    pub merchant_order_id: ExternalId,
    /// What is to be paid.
    pub bill: Bill,
    /// Where the buyer goes afterwards.
    pub ways: Ways,
    /// The request's body.
    pub body: bytes::Bytes,
}

impl std::fmt::Debug for Placement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[order {} of {}]", self.merchant_order_id, self.merchant) // the body is about a person
    }
}

/// What became of taking an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is ours to work under.
    Ours(HookId),
    /// It was used for the same request, and this was the answer.
    Answered(Answer),
    /// It was used for another request.
    OtherRequest,
    /// Its first request is still under way.
    UnderWay,
}

/// What is known of an idempotency key, if that settles a request. Nothing is written.
pub async fn known_key(
    shop: &Shop,
    merchant: &PartyName,
    asked: Asked,
    idempotency_key: &str,
    body: &[u8],
) -> Result<Option<Taken>, Unavailable> {
    let known = load_kept_entry(&shop.store, key::of_request(merchant, asked, idempotency_key)).await?;
    Ok(known.and_then(|known| settles(&known, body, shop.clock.now())))
}

/// What a key's entry means for a request with `body`; none when whoever had it is gone without an answer.
fn settles(known: &JournalEntry, body: &[u8], now: Timestamp) -> Option<Taken> {
    if !known.is_of(body) {
        return Some(Taken::OtherRequest);
    }
    if let Some(answer) = &known.record.answer {
        return Some(Taken::Answered(answer.clone()));
    }
    let is_fresh = between(known.record.received_at, now) < Duration::from_secs(UNDER_WAY_SECONDS_MAX);
    is_fresh.then_some(Taken::UnderWay)
}

/// A request that is made under an idempotency key.
#[derive(Clone, Copy)]
pub struct Keyed<'a> {
    /// Whose site asks.
    pub merchant: &'a PartyName,
    /// What it asks for.
    pub asked: Asked,
    /// The site's number of the order, if it bears one.
    pub external_id: Option<&'a ExternalId>,
    /// The key.
    pub key: &'a str,
    /// The request's body.
    pub body: &'a bytes::Bytes,
}

/// Takes the idempotency key of a request.
pub async fn take_key(shop: &Shop, keyed: Keyed<'_>) -> Result<Taken, Unavailable> {
    let id = key::of_request(keyed.merchant, keyed.asked, keyed.key);
    transact(shop, "take_idempotency_key", |mut tx| async move {
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
        let mine = match load_kept_entry(&shop.store, id).await? {
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
        Ok(tx.commit(Taken::Ours(id)))
    })
    .await
}

/// Writes the answer under a key that is ours.
pub async fn answer_key(
    shop: &Shop,
    id: HookId,
    number: Option<Number>,
    answer: Answer,
) -> Result<Answer, Unavailable> {
    let answer = &answer;
    transact(shop, "answer_idempotency_key", |mut tx| async move {
        let Some(mut entry) = load_kept_entry(&shop.store, id).await? else {
            return Ok(Staged::Unchanged(answer.clone()));
        };
        if let Some(given) = &entry.record.answer {
            return Ok(Staged::Unchanged(given.clone())); // another request took this one for dead, and has answered
        }
        entry.record.answer = Some(answer.clone());
        entry.record.number = number;
        entry.stage(tx.batch());
        Ok(tx.commit(answer.clone()))
    })
    .await
}

/// What became of an order.
#[derive(Debug, Clone)]
pub enum Placed {
    /// It stands, now or since an earlier request for the same.
    Stands(Number),
    /// The merchant has another order under this number.
    NumberTaken(Number),
}

/// Makes the order, unless it stands already.
pub async fn place(shop: &Shop, seller: &Seller, placement: &Placement) -> Result<Placed, Unavailable> {
    let asked = fingerprint(placement);
    let payee = Payee { seller, key: shop.key().await? };
    for slot in 0..Number::SLOTS_MAX {
        let number = shop.number_in(&placement.merchant, &placement.merchant_order_id, slot).await?;
        let placed = transact(shop, "place_order", |mut tx| async move {
            if let Some(OrderRecord { order, checkout, .. }) = load_kept_record(&shop.store, number).await? {
                if order.source != placement.merchant || order.external_id != placement.merchant_order_id {
                    return Ok(Staged::Unchanged(None)); // another order holds this number
                }
                let same = checkout.is_some_and(|checkout| checkout.asked == Some(asked));
                let placed = if same { Placed::Stands(number) } else { Placed::NumberTaken(number) };
                return Ok(Staged::Unchanged(Some(placed)));
            }
            stage(&mut tx, payee, placement, number, asked);
            tx.tell_followers(number);
            Ok(tx.commit(Some(Placed::Stands(number))))
        })
        .await?; // after too many conflicts not under the next number either: that would be a second order
        if let Some(placed) = placed {
            return Ok(placed);
        }
    }
    Err(Unavailable::NoNumberLeft { external_id: placement.merchant_order_id.to_string() })
}

/// Of everything that makes one request another one, but for when it expires: a site that repeats an order
/// reckons that anew.
fn fingerprint(placement: &Placement) -> Fingerprint {
    let Placement { merchant, merchant_order_id, bill, ways, .. } = placement;
    let parts = serde_json::json!([bill.description, bill.lines, bill.customer, ways]).to_string();
    Fingerprint::of(&[merchant.as_str().as_bytes(), merchant_order_id.as_str().as_bytes(), parts.as_bytes()])
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
            positions: Some(positions(&placement.bill)),
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
        let mut checkout = new_checkout(payee, &order, placement.ways.clone());
        checkout.asked = Some(asked);
        let (order, checkout) = (Versioned::new(order, now), Versioned::new(checkout, now));
        let mut billed = BilledOrder { order, checkout };
        for payment in billed.checkout.wants(Some((1, placement.bill.clone())), now) {
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
    (entry.record.verdict, entry.reasons) = match decision.standing {
        Standing::Applied | Standing::Outdated => (Verdict::Applied, Vec::new()),
        Standing::Repeated | Standing::Parked => (Verdict::Replayed, Vec::new()),
        Standing::Late(late) => (Verdict::Late, vec![Reason::Late { late }]),
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
