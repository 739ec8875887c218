//! A merchant's site changes an order that is not paid yet, calls it off, or says that its goods were handed over: once,
//! however often it asks.
//!
//! All are events of the order like a marketplace's hooks, with the same consequences: after a change the old link takes no
//! more money, and another is made when there is something to pay; what is handed over is told to the payment system.
//! Only what is said of the bill, and is no part of the order, changes without an event: the payment system is told, and the
//! link stays.

use std::time::Duration;

use super::bill_order::planned;
use super::effects::{About, Task};
use super::transaction::{Staged, Transaction, Versioned, transact};
use super::{BilledOrder, Hook, OrderRecord, Shop, load_kept_record};
use crate::dedup::{Verdict, key};
use crate::kernel::json::tidy;
use crate::kernel::{HookId, Money, PartyName, Timestamp};
use crate::orders::Number;
use crate::orders::{Event, EventKind, Incoming, Order, OrderNote, Patch, Standing, State, View, decide};
use crate::payments::{Bill, Checkout, Customer, Line, Payment, PaymentNote, Step};
use crate::store::Unavailable;
use crate::views::callback::Event as Told;
use crate::views::tag;

/// How often a site may change one order. Each change is kept, and told to the payment system and to the site; a script
/// that has gone wrong must not do that without end.
pub const CHANGES_MAX: u32 = 50;

/// What a site wants.
#[derive(Debug, Clone)]
pub enum Wish {
    /// Something else to be paid, or another bill for it.
    Change(Box<Change>),
    /// No order any more.
    Cancel,
    /// The goods are with the buyer, or on their way.
    Ship,
}

/// What is to be another; what is left out stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// All lines.
    pub lines: Option<Vec<Line>>,
    /// What the site reckons the sum to be.
    pub total: Option<Money>,
    /// What the payer reads.
    pub description: Option<String>,
    /// Who pays.
    pub customer: Option<Customer>,
    /// Until when it can be paid.
    pub expires_at: Option<Timestamp>,
}

/// Why it is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// This merchant has no such order.
    NotFound,
    /// Money has come: it is paid back, not called off.
    Paid,
    /// All of its money was paid back: there is nothing to hand over.
    PaidBack,
    /// The buyer has agreed to the bill, so nothing else can be said in it.
    Held,
    /// It takes no more changes.
    Closed(State),
    /// The time to pay it is over.
    Expired,
    /// It is another than the site thought: its tag.
    Tag(String),
    /// It has been changed [`CHANGES_MAX`] times.
    TooManyChanges,
    /// The lines make no bill, and why.
    BadBill(String),
}

/// A request of a site about one of its orders.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose site.
    pub merchant: PartyName,
    /// Which order.
    pub number: Number,
    /// What it wants.
    pub wish: Wish,
    /// The order as it means it, by its tag, if it says so.
    pub tag: Option<String>,
    /// As it came, for the journal.
    pub body: bytes::Bytes,
}

/// Does it, unless it is so already.
pub async fn revise(shop: &Shop, request: &Request) -> Result<Result<(), Refused>, Unavailable> {
    transact(shop, "revise_order", |mut tx| async move {
        let record = load_kept_record(&shop.store, request.number).await?;
        let own = record.filter(|record| record.order.source == request.merchant);
        let Some(billed) = own.and_then(OrderRecord::billed) else {
            return Ok(Staged::Unchanged(Err(Refused::NotFound)));
        };
        Ok(match stage(&mut tx, request, billed) {
            Ok(Done::Now) => {
                tx.tell_followers(request.number);
                tx.commit(Ok(()))
            }
            Ok(Done::Before) => Staged::Unchanged(Ok(())),
            Err(refused) => Staged::Unchanged(Err(refused)),
        })
    })
    .await
}

/// Since when it is as the site wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Now,
    Before,
}

/// Said again. What the payment system was to be told, and would not have, is told again.
fn hand_over_again(tx: &mut Transaction<'_>, request: &Request, mut billed: BilledOrder) -> Done {
    if !matches!(request.wish, Wish::Ship) || !tx.ship(&mut billed) {
        return Done::Before;
    }
    billed.write(tx);
    Done::Now
}

/// The bill as it is to be.
fn changed(before: &Bill, change: &Change, now: Timestamp) -> Result<Bill, Refused> {
    if before.expires_at <= now {
        return Err(Refused::Expired);
    }
    let Change { lines, total, description, customer, expires_at } = change.clone();
    let bill = Bill::over(
        description.unwrap_or_else(|| before.description.clone()),
        lines.unwrap_or_else(|| before.lines.clone()),
        customer.unwrap_or_else(|| before.customer.clone()),
        expires_at.unwrap_or(before.expires_at),
    );
    bill.and_then(|bill| bill.agrees(total).map(|()| bill)).map_err(|why| Refused::BadBill(why.to_string()))
}

/// The same is to be paid, and other things are said of it.
fn alter(tx: &mut Transaction<'_>, request: &Request, mut billed: BilledOrder, bill: Bill) {
    let now = tx.now;
    let revision = billed.order.view().map_or(0, |view| view.revision);
    for payment in billed.checkout.alter(revision, bill, now) {
        let known = billed.checkout.payments.iter().find(|known| known.id == payment);
        if known.is_some_and(|known| known.step(now) == Step::Alter) {
            tx.watch(&mut billed, Task::Alteration { payment }, Duration::ZERO);
        } else {
            tx.start(&mut billed, Task::Payment { payment });
            tx.note_facts(planned(&billed.checkout, payment));
        }
    }
    tx.watch_end(&mut billed);
    // It may be altered back and again: told apart by what it altered.
    let of_checkout = billed.checkout.version();
    keep_request(tx, request, &billed.order, "order.bill_altered", None, &of_checkout.to_be_bytes());
    write(tx, billed);
}

/// Writes both, with the bills that are past beside them.
fn write(tx: &mut Transaction<'_>, billed: BilledOrder) {
    let BilledOrder { order, mut checkout } = billed;
    let now = tx.now;
    order.stage(tx.batch());
    checkout.stage_without_past(tx.batch(), now);
}

/// The id under which a request stands in the journal. `of` tells it from the same bytes at another time.
fn journal_id(request: &Request, order: &Order, event_type: &str, of: &[u8]) -> HookId {
    key::of_order(order.number, &order.source, event_type, &[of, &request.body].concat())
}

/// Keeps a request that was done in the journal.
fn keep_request(
    tx: &mut Transaction<'_>,
    request: &Request,
    order: &Order,
    event_type: &str,
    kind: Option<EventKind>,
    of: &[u8],
) {
    let external_id = Some(order.external_id.clone());
    let hook = Hook::new(order.source.clone(), event_type.into(), kind, external_id, request.body.clone());
    let now = tx.now;
    let id = journal_id(request, order, event_type, of);
    let mut entry = super::entry_of(&hook, id, now);
    entry.record.number = Some(order.number);
    entry.sent_at = Some(now);
    entry.record.verdict = Verdict::Applied;
    entry.facts = tx.facts();
    Versioned::new(entry, now).stage(tx.batch());
}

fn stage(tx: &mut Transaction<'_>, request: &Request, mut billed: BilledOrder) -> Result<Done, Refused> {
    let now = tx.now;
    let view = billed.order.view().ok_or(Refused::NotFound)?;
    let is_so = match request.wish {
        Wish::Cancel => view.cancelled.is_some(),
        Wish::Ship => view.shipped.is_some(),
        Wish::Change(_) => false,
    };
    if is_so {
        return Ok(hand_over_again(tx, request, billed));
    }
    may_be_revised(request, &view, &billed.checkout)?;
    let bill = match &request.wish {
        Wish::Cancel | Wish::Ship => None,
        Wish::Change(change) => {
            let before = billed.checkout.bill_of(view.revision).ok_or(Refused::NotFound)?;
            let bill = changed(before, change, now)?;
            let seller = tx.services.sellers.get(&billed.order.source);
            seller
                .map_or(Ok(()), |seller| seller.terms.admit(&bill))
                .map_err(|why| Refused::BadBill(why.to_string()))?;
            if *before == bill {
                return Ok(Done::Before);
            }
            if billed.checkout.changes >= CHANGES_MAX {
                return Err(Refused::TooManyChanges);
            }
            let is_said_anew = (&bill.description, &bill.customer, bill.expires_at)
                != (&before.description, &before.customer, before.expires_at);
            if is_said_anew && billed.checkout.payments.iter().any(Payment::is_held) {
                return Err(Refused::Held);
            }
            let is_same_goods = before.lines == bill.lines;
            billed.checkout.changes += 1;
            if is_same_goods {
                alter(tx, request, billed, bill);
                return Ok(Done::Now);
            }
            Some(bill)
        }
    };
    apply(tx, request, billed, &view, bill)?;
    Ok(Done::Now)
}

/// Whether the order as it stands takes what the site wants.
fn may_be_revised(request: &Request, view: &View, checkout: &Checkout) -> Result<(), Refused> {
    let ships = matches!(request.wish, Wish::Ship);
    if ships && checkout.is_paid_back() {
        return Err(Refused::PaidBack);
    }
    // What is handed over was paid before, or is paid at the door.
    if checkout.has_money() && !ships {
        return Err(Refused::Paid);
    }
    let is_closed = match request.wish {
        Wish::Change(_) => view.is_closed(),
        // What was paid back can be called off.
        Wish::Cancel => view.shipped.is_some() || view.delivered.is_some(),
        Wish::Ship => view.cancelled.is_some(),
    };
    if is_closed {
        return Err(Refused::Closed(view.state()));
    }
    let tag = tag(view.revision, checkout);
    if request.tag.as_ref().is_some_and(|meant| *meant != tag) {
        return Err(Refused::Tag(tag));
    }
    Ok(())
}

/// The order's event that a site's wish is, with what its site is told of it.
fn event_of(wish: &Wish) -> (EventKind, &'static str, Told) {
    match wish {
        Wish::Change(_) => (EventKind::Changed, "order.revised", Told::OrderChanged),
        Wish::Cancel => (EventKind::Cancelled, "order.called_off", Told::OrderCanceled),
        Wish::Ship => (EventKind::Received, "order.handed_over", Told::OrderShipped),
    }
}

/// Puts the wish among the order's events, with all that follows. `bill` is what is to be paid from now on.
fn apply(
    tx: &mut Transaction<'_>,
    request: &Request,
    mut billed: BilledOrder,
    view: &View,
    bill: Option<Bill>,
) -> Result<(), Refused> {
    let now = tx.now;
    let order = &billed.order;
    let (kind, event_type, told) = event_of(&request.wish);
    // The same lines may be wished again after others: that is another event, told apart by what it changed.
    let of_revision = view.revision.to_be_bytes();
    let id = journal_id(request, order, event_type, &of_revision);
    let patch = bill.as_ref().map_or_else(Patch::default, |bill| Patch {
        positions: Some(super::place_order::positions(bill)),
        total: Some(bill.total),
        ..Patch::default()
    });
    // The site means the order as it stands, whatever the clocks say that made it so.
    let event = Event {
        kind,
        at: Some(order.after_all(now)),
        wall: None,
        is_ahead: false,
        arrived: now,
        fingerprint: id.fingerprint,
        hook: id,
        patch,
        reason: None,
        notes: OrderNote::of_cut(tidy(&request.body).half_characters).into_iter().collect(),
    };
    let (number, source, external_id) = (order.number, order.source.clone(), order.external_id.clone());
    let decision = decide(Some(order), Incoming { number, source, external_id, event });
    let (Standing::Applied, Some(decided)) = (decision.standing, decision.order) else {
        return Err(Refused::Closed(view.state())); // it is full
    };
    billed.order = order.replaced(decided);
    tx.note_facts(decision.facts);
    let revision = billed.order.view().map_or(view.revision, |view| view.revision);
    let ships = kind == EventKind::Received;
    // What is handed over stays as it is: who has not paid yet still owes it.
    let wanted = bill.map(|bill| (revision, bill));
    let tended = if ships { Vec::new() } else { billed.checkout.wants(wanted, now) };
    for payment in tended {
        tx.start(&mut billed, Task::Payment { payment });
        tx.note_facts(planned(&billed.checkout, payment));
    }
    tx.watch_end(&mut billed);
    if ships {
        let back = billed.checkout.refunds().filter(|refund| refund.is_done());
        let back = back.fold(0_i64, |sum, refund| sum.saturating_add(refund.total.kopecks()));
        if back > 0 {
            let back = Money::from_kopecks(back);
            billed.checkout.note(now, None, PaymentNote::ShippedAfterRefund { amount: back });
        }
    }
    tx.ship(&mut billed);
    tx.notify_merchant(&mut billed, told, About::default());
    keep_request(tx, request, &billed.order, event_type, Some(kind), &of_revision);
    // What later changes have overtaken is in the journal: this one writes no more than the first did.
    billed.order.drop_overtaken_lines();
    write(tx, billed);
    Ok(())
}
