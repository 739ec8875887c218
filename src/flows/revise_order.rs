//! A merchant's site changes an order that is not paid yet, calls it off, or says that its goods were handed over: once,
//! however often it asks.
//!
//! All are events of the order like a marketplace's hooks, with the same consequences: after a change the old link takes no
//! more money, and another is made when there is something to pay; what is handed over is told to the payment system.
//! Only what is said of the bill, and is no part of the order, changes without an event: the payment system is told, and the
//! link stays.

use super::bill_order::{send_alteration, send_task, ship, watch_end};
use super::call_back::{Event as Told, call_back};
use super::merchant_order::tag;
use super::transaction::{Staged, transact};
use super::{Dossier, Hook, Shop, load_kept_dossier, put_checkout_without_past, receipt_key};
use crate::dedup::{Receipt, Verdict, key};
use crate::kernel::json::{note_of_cut, tidy};
use crate::kernel::{HookId, Money, Number, SourceName, Timestamp};
use crate::orders::{Event, EventKind, Fact, Incoming, Patch, Standing, State, decide};
use crate::payments::{Bill, Checkout, Customer, Line, Payment, Step};
use crate::store::{Batch, DocKey, Expect, Unavailable};

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
    pub merchant: SourceName,
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
        let dossier = load_kept_dossier(&shop.store, request.number).await?;
        let own = dossier.filter(|dossier| dossier.order.source == request.merchant);
        let Some(Dossier { order, order_stored, checkout: Some(checkout) }) = own else {
            return Ok(Staged::Unchanged(Err(Refused::NotFound)));
        };
        let stored = (order, order_stored.version, order_stored.body.listed_at);
        match stage(shop, request, stored, checkout, tx.now) {
            Ok(Some(batch)) => *tx.batch() = batch,
            Ok(None) => return Ok(Staged::Unchanged(Ok(()))),
            Err(refused) => return Ok(Staged::Unchanged(Err(refused))),
        }
        tx.tell_followers(request.number);
        Ok(tx.commit(Ok(())))
    })
    .await
}

/// Said again. What the payment system was to be told, and would not have, is told again.
fn handed_over_again(
    shop: &Shop,
    request: &Request,
    (mut order, order_version, listed_at): (crate::orders::Order, u64, Timestamp),
    (mut checkout, checkout_version): (Checkout, u64),
    now: Timestamp,
) -> Option<Batch> {
    let mut batch = Batch::new();
    if !matches!(request.wish, Wish::Ship) || !ship(shop, &mut batch, &mut order, &mut checkout, now) {
        return None;
    }
    batch.put(DocKey::order(order.number), Expect::At(order_version), &order, listed_at);
    batch.put(DocKey::checkout(order.number), Expect::At(checkout_version), &checkout, now);
    Some(batch)
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
fn altered(
    request: &Request,
    (mut order, order_version, listed_at): (crate::orders::Order, u64, Timestamp),
    (mut checkout, checkout_version): (Checkout, u64),
    bill: Bill,
    now: Timestamp,
) -> Batch {
    let mut batch = Batch::new();
    let mut facts = Vec::new();
    let revision = order.view().map_or(0, |view| view.revision);
    for payment in checkout.alter(revision, bill, now) {
        let known = checkout.payments.iter().find(|known| known.id == payment);
        if known.is_some_and(|known| known.step(now) == Step::Alter) {
            send_alteration(&mut batch, &mut order, checkout.gateway.as_str(), payment, now);
        } else {
            send_task(&mut batch, &mut order, checkout.gateway.as_str(), payment, now);
            facts.extend(known.map(planned));
        }
    }
    watch_end(&mut batch, &mut order, &mut checkout, now);
    let (number, event_type) = (order.number, "order.bill_altered");
    // It may be altered back and again: told apart by what it altered.
    let of_checkout = [&checkout_version.to_be_bytes()[..], &request.body].concat();
    let id = key::of_order(number, &order.source, event_type, &of_checkout);
    let external_id = Some(order.external_id.clone());
    let hook = Hook::new(order.source.clone(), event_type.into(), None, external_id, request.body.clone());
    batch.put(receipt_key(id), Expect::Absent, &receipt(&hook, (id, number), &facts, now), now);
    batch.put(DocKey::order(number), Expect::At(order_version), &order, listed_at);
    put_checkout_without_past(&mut batch, &mut checkout, Expect::At(checkout_version), now);
    batch
}

fn planned(payment: &Payment) -> Fact {
    Fact::PaymentPlanned { payment: payment.id.to_string(), amount: payment.bill.total }
}

/// What the journal keeps of a request that was done.
fn receipt(hook: &Hook, (id, number): (HookId, Number), facts: &[Fact], now: Timestamp) -> Receipt {
    let mut receipt = super::receive_hook::receipt_of(hook, id, now);
    receipt.number = Some(number);
    receipt.sent_at = Some(now);
    receipt.verdict = Verdict::Applied;
    receipt.facts = facts.iter().filter_map(|fact| serde_json::to_value(fact).ok()).collect();
    receipt
}

fn stage(
    shop: &Shop,
    request: &Request,
    (order, order_version, listed_at): (crate::orders::Order, u64, Timestamp),
    (mut checkout, checkout_version): (Checkout, u64),
    now: Timestamp,
) -> Result<Option<Batch>, Refused> {
    let view = order.view().ok_or(Refused::NotFound)?;
    let ships = matches!(request.wish, Wish::Ship);
    let is_so = match request.wish {
        Wish::Cancel => view.cancelled.is_some(),
        Wish::Ship => view.shipped.is_some(),
        Wish::Change(_) => false,
    };
    if is_so {
        return Ok(handed_over_again(
            shop,
            request,
            (order, order_version, listed_at),
            (checkout, checkout_version),
            now,
        ));
    }
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
    let tag = tag(view.revision, &checkout);
    if request.tag.as_ref().is_some_and(|meant| *meant != tag) {
        return Err(Refused::Tag(tag));
    }
    let bill = match &request.wish {
        Wish::Cancel | Wish::Ship => None,
        Wish::Change(change) => {
            let before = checkout.bill_of(view.revision).ok_or(Refused::NotFound)?;
            let bill = changed(before, change, now)?;
            let seller = shop.sellers.get(&order.source);
            seller.map_or(Ok(()), |seller| seller.terms.admit(&bill)).map_err(Refused::BadBill)?;
            if *before == bill {
                return Ok(None);
            }
            if checkout.changes >= CHANGES_MAX {
                return Err(Refused::TooManyChanges);
            }
            let is_said_anew = (&bill.description, &bill.customer, bill.expires_at)
                != (&before.description, &before.customer, before.expires_at);
            if is_said_anew && checkout.payments.iter().any(Payment::is_held) {
                return Err(Refused::Held);
            }
            let is_same_goods = before.lines == bill.lines;
            checkout.changes += 1;
            if is_same_goods {
                let stored = (order, order_version, listed_at);
                return Ok(Some(altered(request, stored, (checkout, checkout_version), bill, now)));
            }
            Some(bill)
        }
    };
    let (kind, event_type, told) = match request.wish {
        Wish::Change(_) => (EventKind::Changed, "order.revised", Told::OrderChanged),
        Wish::Cancel => (EventKind::Cancelled, "order.called_off", Told::OrderCanceled),
        Wish::Ship => (EventKind::Received, "order.handed_over", Told::OrderShipped),
    };
    // The same lines may be wished again after others: that is another event, told apart by what it changed.
    let of_revision = [&view.revision.to_be_bytes()[..], &request.body].concat();
    let id = key::of_order(order.number, &order.source, event_type, &of_revision);
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
        notes: note_of_cut(tidy(&request.body).half_characters).into_iter().collect(),
    };
    let (number, source, external_id) = (order.number, order.source.clone(), order.external_id.clone());
    let hook = Hook::new(
        source.clone(),
        event_type.into(),
        Some(kind),
        Some(external_id.clone()),
        request.body.clone(),
    );
    let decision = decide(Some(&order), Incoming { number, source, external_id, event });
    let (Standing::Applied, Some(mut order)) = (decision.standing, decision.order) else {
        return Err(Refused::Closed(view.state())); // it is full, or was closed by what has a later time
    };
    let mut facts = decision.facts;
    let revision = order.view().map_or(view.revision, |view| view.revision);
    let mut batch = Batch::new();
    // What is handed over stays as it is: who has not paid yet still owes it.
    let tended = if ships { Vec::new() } else { checkout.wants(bill.map(|bill| (revision, bill)), now) };
    for payment in tended {
        send_task(&mut batch, &mut order, checkout.gateway.as_str(), payment, now);
        let known = checkout.payments.iter().find(|known| known.id == payment && known.superseded.is_none());
        facts.extend(known.map(planned));
    }
    watch_end(&mut batch, &mut order, &mut checkout, now);
    if ships {
        let back = checkout.refunds().filter(|refund| refund.is_done());
        let back = back.fold(0_i64, |sum, refund| sum.saturating_add(refund.total.kopecks()));
        if back > 0 {
            let back = Money::from_kopecks(back);
            checkout.note(now, None, format!("handed over after {back} of its money was paid back"));
        }
    }
    ship(shop, &mut batch, &mut order, &mut checkout, now);
    call_back(shop, &mut batch, (&mut order, &checkout), (told, None, None), now);
    batch.put(receipt_key(id), Expect::Absent, &receipt(&hook, (id, number), &facts, now), now);
    // What later changes have overtaken is in the journal: this one writes no more than the first did.
    order.drop_overtaken_lines();
    batch.put(DocKey::order(number), Expect::At(order_version), &order, listed_at);
    put_checkout_without_past(&mut batch, &mut checkout, Expect::At(checkout_version), now);
    Ok(Some(batch))
}
