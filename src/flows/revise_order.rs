//! Changes, cancels or ships an order at the request of a merchant's site:
//! once, however often the site repeats the request.
//!
//! Each request becomes an event of the order, like a hook of a marketplace,
//! with the same consequences: after a change, the old link can no longer be
//! paid, and a new one is created when there is something to pay; a shipment is
//! reported to the payment system. Data of the bill that is not part of the
//! order changes without an event: the payment system is updated, and the link
//! stays.

use std::time::Duration;

use super::bill_order::planned;
use super::effects::{EventSubject, Task};
use super::record::stage_without_past;
use super::transaction::{Staged, Transaction, Versioned, transact};
use super::{BilledOrder, Hook, OrderRecord, Services, load_kept_record};
use crate::dedup::{Verdict, key};
use crate::kernel::json::tidy;
use crate::kernel::{HookId, Money, PartyName, Timestamp};
use crate::orders::Number;
use crate::orders::{
    Event, EventKind, HookEffect, Incoming, Order, OrderNote, Patch, State, View, decide,
};
use crate::payments::{Bill, Checkout, Customer, Line, Payment, PaymentNote, Step};
use crate::store::Unavailable;
use crate::views::callback::Event as CallbackEvent;
use crate::views::tag;

/// How often a site may change one order. Each change is stored, and sent to
/// the payment system and to the site; a faulty script must not do that without
/// limit.
pub const CHANGES_MAX: u32 = 50;

/// What a site requests.
#[derive(Debug, Clone)]
pub enum RequestedChange {
    /// Change what is to be paid, or other data of the bill.
    Change(Box<Change>),
    /// Cancel the order.
    Cancel,
    /// Mark the order as shipped: the goods are with the buyer, or on their
    /// way.
    Ship,
}

/// The fields to change; `None` leaves a field unchanged.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// All lines of the order.
    pub lines: Option<Vec<Line>>,
    /// The total that the site has calculated.
    pub total: Option<Money>,
    /// The description that the payer sees.
    pub description: Option<String>,
    /// The payer.
    pub customer: Option<Customer>,
    /// The time until which it can be paid.
    pub expires_at: Option<Timestamp>,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The merchant has no such order.
    NotFound,
    /// The order is paid: its money must be refunded instead.
    Paid,
    /// All money of the order has been refunded: there is nothing to ship.
    PaidBack,
    /// The buyer has agreed to the bill and the money is held, so only the
    /// lines can change.
    Held,
    /// The order cannot be changed any more.
    Closed(State),
    /// The time to pay the order is over.
    Expired,
    /// The order has changed since the site read it. Holds the current tag.
    Tag(String),
    /// The order has been changed [`CHANGES_MAX`] times.
    TooManyChanges,
    /// The lines make no valid bill, for this reason.
    BadBill(String),
}

/// A request of a site about one of its orders.
#[derive(Debug, Clone)]
pub struct Request {
    /// The merchant whose site sends the request.
    pub merchant: PartyName,
    pub number: Number,
    pub change: RequestedChange,
    /// The tag of the order that the site has read, if it sent one.
    pub tag: Option<String>,
    /// The body of the request, for the journal.
    pub body: bytes::Bytes,
}

/// Executes the request, unless the order is already in the requested state.
pub async fn revise(
    services: &Services,
    request: &Request,
) -> Result<Result<(), Refused>, Unavailable> {
    transact(services, "revise_order", |mut tx| async move {
        let record = load_kept_record(&services.store, request.number).await?;
        let own = record.filter(|record| record.order.source == request.merchant);
        let Some(billed) = own.and_then(OrderRecord::billed) else {
            return Ok(Staged::Unchanged(Err(Refused::NotFound)));
        };
        Ok(match stage(&mut tx, request, billed) {
            Ok(Done::Now) => {
                tx.wake_watchers(request.number);
                tx.commit(Ok(()))
            }
            Ok(Done::Before) => Staged::Unchanged(Ok(())),
            Err(refused) => Staged::Unchanged(Err(refused)),
        })
    })
    .await
}

/// Whether the request was executed now or had already been executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Now,
    Before,
}

/// Handles a repeated request. A shipment report that the payment system
/// refused is sent again.
fn report_shipment_again(
    tx: &mut Transaction<'_>,
    request: &Request,
    mut billed: BilledOrder,
) -> Done {
    if !matches!(request.change, RequestedChange::Ship) || !tx.ship(&mut billed) {
        return Done::Before;
    }
    billed.write(tx);
    Done::Now
}

/// The bill after the change.
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
    let wishes = before.wishes;
    bill.and_then(|bill| bill.agrees(total).map(|()| Bill { wishes, ..bill }))
        .map_err(|why| Refused::BadBill(why.to_string()))
}

/// Whether the bill gets other lines by the change, which then need another
/// payment.
#[must_use]
pub fn changes_lines(before: &Bill, change: &Change, now: Timestamp) -> bool {
    changed(before, change, now).is_ok_and(|bill| bill.lines != before.lines)
}

/// Updates data of the bill while its lines stay the same.
fn update_bill(tx: &mut Transaction<'_>, request: &Request, mut billed: BilledOrder, bill: Bill) {
    let now = tx.now;
    let revision = billed.order.view().map_or(0, |view| view.revision);
    for payment in billed.checkout.update_bill(revision, bill, now) {
        let known = billed.checkout.payments.iter().find(|known| known.id == payment);
        if known.is_some_and(|known| known.step(now) == Step::Update) {
            tx.watch(&mut billed, Task::PendingUpdate { payment }, Duration::ZERO);
        } else {
            tx.start(&mut billed, Task::Payment { payment });
            tx.note_facts(planned(&billed.checkout, payment));
        }
    }
    tx.watch_end(&mut billed);
    // The same update may be made again later, so the id includes the version
    // that it changed.
    let of_checkout = billed.checkout.version();
    keep_request(
        tx,
        request,
        &billed.order,
        "order.bill_altered",
        None,
        &of_checkout.to_be_bytes(),
    );
    write(tx, billed);
}

/// Stages the order and its checkout, and moves past bills into separate
/// documents.
fn write(tx: &mut Transaction<'_>, billed: BilledOrder) {
    let BilledOrder { order, mut checkout } = billed;
    let now = tx.now;
    order.stage(tx.batch());
    stage_without_past(&mut checkout, tx.batch(), now);
}

/// The id of a request in the journal. `of` distinguishes it from the same
/// bytes at another time.
fn journal_id(request: &Request, order: &Order, event_type: &str, of: &[u8]) -> HookId {
    key::of_order(order.number, &order.source, event_type, &[of, &request.body].concat())
}

/// Stores an executed request in the journal.
fn keep_request(
    tx: &mut Transaction<'_>,
    request: &Request,
    order: &Order,
    event_type: &str,
    kind: Option<EventKind>,
    of: &[u8],
) {
    let external_id = Some(order.external_id.clone());
    let hook =
        Hook::new(order.source.clone(), event_type.into(), kind, external_id, request.body.clone());
    let now = tx.now;
    let id = journal_id(request, order, event_type, of);
    let mut entry = super::entry_of(&hook, id, now);
    entry.record.number = Some(order.number);
    entry.sent_at = Some(now);
    entry.record.verdict = Verdict::Applied;
    entry.facts = tx.facts();
    tx.counts(&order.source, request.body.len());
    Versioned::new(entry, now).stage(tx.batch());
}

fn stage(
    tx: &mut Transaction<'_>,
    request: &Request,
    mut billed: BilledOrder,
) -> Result<Done, Refused> {
    let now = tx.now;
    let view = billed.order.view().ok_or(Refused::NotFound)?;
    let is_so = match request.change {
        RequestedChange::Cancel => view.cancelled.is_some(),
        RequestedChange::Ship => view.shipped.is_some(),
        RequestedChange::Change(_) => false,
    };
    if is_so {
        return Ok(report_shipment_again(tx, request, billed));
    }
    may_be_revised(request, &view, &billed.checkout)?;
    let bill = match &request.change {
        RequestedChange::Cancel | RequestedChange::Ship => None,
        RequestedChange::Change(change) => {
            let before = billed.checkout.bill_of(view.revision).ok_or(Refused::NotFound)?;
            let bill = changed(before, change, now)?;
            let profile = tx.services.merchants.get(&billed.order.source);
            profile
                .map_or(Ok(()), |profile| profile.terms.admit(&bill))
                .map_err(|why| Refused::BadBill(why.to_string()))?;
            if *before == bill {
                return Ok(Done::Before);
            }
            if billed.checkout.changes >= CHANGES_MAX {
                return Err(Refused::TooManyChanges);
            }
            let has_other_bill_data = (&bill.description, &bill.customer, bill.expires_at)
                != (&before.description, &before.customer, before.expires_at);
            if has_other_bill_data && billed.checkout.payments.iter().any(Payment::is_held) {
                return Err(Refused::Held);
            }
            let is_same_goods = before.lines == bill.lines;
            billed.checkout.changes += 1;
            if is_same_goods {
                update_bill(tx, request, billed, bill);
                return Ok(Done::Now);
            }
            Some(bill)
        }
    };
    apply(tx, request, billed, &view, bill)?;
    Ok(Done::Now)
}

/// Checks whether the order, in its current state, allows the request.
fn may_be_revised(request: &Request, view: &View, checkout: &Checkout) -> Result<(), Refused> {
    let ships = matches!(request.change, RequestedChange::Ship);
    if ships && checkout.is_paid_back() {
        return Err(Refused::PaidBack);
    }
    // A shipped order was paid before, or is paid at the door.
    if checkout.has_money() && !ships {
        return Err(Refused::Paid);
    }
    let is_closed = match request.change {
        RequestedChange::Change(_) => view.is_closed(),
        // An order whose money was refunded can be cancelled.
        RequestedChange::Cancel => view.shipped.is_some() || view.delivered.is_some(),
        RequestedChange::Ship => view.cancelled.is_some(),
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

/// The event of the order for a request, with the callback to the site.
fn event_of(change: &RequestedChange) -> (EventKind, &'static str, CallbackEvent) {
    match change {
        RequestedChange::Change(_) => {
            (EventKind::Changed, "order.change", CallbackEvent::OrderChanged)
        }
        RequestedChange::Cancel => {
            (EventKind::Cancelled, "order.cancel", CallbackEvent::OrderCanceled)
        }
        RequestedChange::Ship => (EventKind::Received, "order.ship", CallbackEvent::OrderShipped),
    }
}

/// Adds the request to the events of the order, with everything that follows.
/// `bill` is what is to be paid from now on.
fn apply(
    tx: &mut Transaction<'_>,
    request: &Request,
    mut billed: BilledOrder,
    view: &View,
    bill: Option<Bill>,
) -> Result<(), Refused> {
    let now = tx.now;
    let order = &billed.order;
    let (kind, event_type, callback) = event_of(&request.change);
    // The same lines may be requested again later, so the id includes the
    // revision that they changed.
    let of_revision = view.revision.to_be_bytes();
    let id = journal_id(request, order, event_type, &of_revision);
    let patch = bill.as_ref().map_or_else(Patch::default, |bill| Patch {
        positions: Some(super::place_order::positions(bill).into()),
        total: Some(bill.total),
        ..Patch::default()
    });
    // The site refers to the current order, whatever the clocks say that led to
    // it.
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
    let (number, source, external_id) =
        (order.number, order.source.clone(), order.external_id.clone());
    let decision = decide(Some(order), Incoming { number, source, external_id, event });
    let (HookEffect::Applied, Some(decided)) = (decision.effect, decision.order) else {
        return Err(Refused::Closed(view.state())); // the order has no room for another event
    };
    billed.order = order.replaced(decided);
    tx.note_facts(decision.facts);
    let revision = billed.order.view().map_or(view.revision, |view| view.revision);
    let ships = kind == EventKind::Received;
    // A shipped order keeps its bill: a buyer who has not paid yet still owes
    // it.
    let wanted = bill.map(|bill| (revision, bill));
    let advanced = if ships { Vec::new() } else { billed.checkout.set_bill(wanted, now) };
    for payment in advanced {
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
    tx.notify_merchant(&mut billed, callback, EventSubject::default());
    keep_request(tx, request, &billed.order, event_type, Some(kind), &of_revision);
    // Lines that later changes have replaced are in the journal, so writing
    // this change is no larger than writing the first one.
    billed.order.drop_overtaken_lines();
    write(tx, billed);
    Ok(())
}
