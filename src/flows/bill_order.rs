//! An order is to be paid: see to it that its buyer can pay exactly what it comes to, and nothing else.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::charge::charge;
use super::{Seller, Shop, put_checkout_without_past};
use crate::kernel::time::between;
use crate::kernel::{Lane, Message, MessageId, Private, ShopKey, Timestamp};
use crate::orders::{Contact, Fact, Order, View};
use crate::payments::{Bill, Checkout, Customer, OperationId, PaymentId, Ways};
use crate::store::{Batch, Expect};

/// What a message of the lanes for payments holds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Task {
    /// The payment that must be looked after.
    pub payment: PaymentId,
    /// Or rather what is done with its money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<u32>,
    /// The payment system is to be told what else is said of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alters: bool,
    /// Its refunds are to be looked at over there: some may have been made by others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refunds: bool,
}

impl Task {
    /// To look after a payment.
    #[must_use]
    pub fn of(payment: PaymentId) -> Task {
        Task { payment, operation: None, alters: false, refunds: false }
    }
}

/// Puts into the batch that a payment must be looked after.
pub(super) fn send_task(
    batch: &mut Batch,
    order: &mut Order,
    gateway: &str,
    payment: PaymentId,
    now: Timestamp,
) {
    let task = Task::of(payment);
    send(batch, order, gateway, task, (Lane::Payment, now, Duration::ZERO));
}

/// Puts into the batch that the payment system must be told what else is said of a payment. It goes the way of the looks:
/// nothing else that becomes of the order waits for it.
pub(super) fn send_alteration(
    batch: &mut Batch,
    order: &mut Order,
    gateway: &str,
    payment: PaymentId,
    now: Timestamp,
) {
    let task = Task { alters: true, ..Task::of(payment) };
    send(batch, order, gateway, task, (Lane::Watch, now, Duration::ZERO));
}

/// Puts into the batch that something must be done with a payment's money.
pub(super) fn send_operation(
    batch: &mut Batch,
    order: &mut Order,
    gateway: &str,
    id: OperationId,
    now: Timestamp,
) {
    let task = Task { operation: Some(id.sequence), ..Task::of(id.payment) };
    send(batch, order, gateway, task, (Lane::Payment, now, Duration::ZERO));
}

/// Puts into the batch that it is to be seen whether an operation is over, after `wait`.
pub(super) fn watch_operation(
    batch: &mut Batch,
    order: &mut Order,
    gateway: &str,
    id: OperationId,
    (now, wait): (Timestamp, Duration),
) {
    let task = Task { operation: Some(id.sequence), ..Task::of(id.payment) };
    send(batch, order, gateway, task, (Lane::Watch, now, wait));
}

/// Puts into the batch that the refunds of a payment are to be looked at over there, after `wait`.
pub(super) fn watch_refunds(
    batch: &mut Batch,
    order: &mut Order,
    gateway: &str,
    payment: PaymentId,
    (now, wait): (Timestamp, Duration),
) {
    let task = Task { refunds: true, ..Task::of(payment) };
    send(batch, order, gateway, task, (Lane::Watch, now, wait));
}

/// Puts into the batch that a payment's link is to be looked at, after `wait`.
pub(super) fn send_watch(
    batch: &mut Batch,
    order: &mut Order,
    gateway: &str,
    payment: PaymentId,
    (now, wait): (Timestamp, Duration),
) {
    let task = Task::of(payment);
    send(batch, order, gateway, task, (Lane::Watch, now, wait));
}

fn send(
    batch: &mut Batch,
    order: &mut Order,
    gateway: &str,
    task: Task,
    (lane, created_at, wait): (Lane, Timestamp, Duration),
) {
    order.messages += 1;
    let id = MessageId { number: order.number, sequence: order.messages };
    let body = serde_json::to_string(&task).unwrap_or_default();
    batch.send(Message { id, lane, queue: gateway.to_owned(), body, created_at, wait });
}

/// A checkout that has no payment yet.
pub(super) fn new_checkout(seller: &Seller, key: &ShopKey, order: &Order, ways: Ways) -> Checkout {
    Checkout {
        number: order.number,
        gateway: seller.gateway.clone(),
        account: seller.account.clone(),
        secret: Private::new(key.address_secret(order.number)),
        alterations: 0,
        changes: 0,
        ways,
        asked: None,
        payments: Vec::new(),
        operations: Vec::new(),
        next: None,
        on_demand: seller.terms.on_demand,
        watched_end: None,
        told_end: None,
        contact: None,
        contact_said_at: [None, None],
        unasked: None,
        history: Vec::new(),
        attention: Vec::new(),
    }
}

/// After a hook of a marketplace that leaves the money to us: brings the order's payments, which are stored as
/// `known`, in line with what the order is now. `contact` is what the hook says of its buyer, and when that was.
pub(super) fn bill(
    (shop, seller, key): (&Shop, &Seller, &ShopKey),
    order: &mut Order,
    (known, contact): (Option<(Checkout, u64)>, (&Contact, Timestamp)),
    now: Timestamp,
    batch: &mut Batch,
    facts: &mut Vec<Fact>,
) {
    let (before, expect) = match known {
        Some((checkout, version)) => (Some(checkout), Expect::At(version)),
        None => (None, Expect::Absent),
    };
    let mut checkout = before.clone().unwrap_or_else(|| new_checkout(seller, key, order, Ways::default()));
    hear(&mut checkout, contact);
    if let Some(view) = order.view() {
        ask(seller, order, &view, &mut checkout, now, batch, facts);
        ship(shop, batch, order, &mut checkout, now);
    }
    let is_asked = !checkout.payments.is_empty() || checkout.next.is_some();
    let is_worth_keeping = before.is_some() || is_asked || checkout.contact.is_some();
    if is_worth_keeping && before.as_ref() != Some(&checkout) {
        put_checkout_without_past(batch, &mut checkout, expect, now);
    }
}

/// Remembers how the buyer is reached: what the newest hook says that says it, whenever that comes.
fn hear(checkout: &mut Checkout, (contact, said_at): (&Contact, Timestamp)) {
    let Contact { email, phone } = contact.clone();
    if email.is_none() && phone.is_none() {
        return;
    }
    let known = checkout.contact.get_or_insert_with(Customer::default);
    let [email_said_at, phone_said_at] = &mut checkout.contact_said_at;
    for (said, known, known_at) in
        [(email, &mut known.email, email_said_at), (phone, &mut known.phone, phone_said_at)]
    {
        // Of two that were sent at the same time either is as good, so long as it is always the same.
        if said.is_some() && (Some(said_at), &said) > (*known_at, known) {
            (*known, *known_at) = (said, Some(said_at));
        }
    }
}

fn ask(
    seller: &Seller,
    order: &mut Order,
    view: &View,
    checkout: &mut Checkout,
    now: Timestamp,
    batch: &mut Batch,
    facts: &mut Vec<Fact>,
) {
    let wanted = match wanted(order, view, checkout, seller, now) {
        Ok(wanted) => wanted,
        Err(why) => {
            let text = format!("no payment was asked for: {why}");
            facts.push(Fact::Attention { text: text.clone() });
            if !order.flags.contains(&text) {
                order.flags.push(text);
            }
            None
        }
    };
    let was_asked = !checkout.payments.is_empty() || checkout.next.is_some();
    // What was delivered before anybody was asked to pay has been paid otherwise.
    if !was_asked && (wanted.is_none() || view.delivered.is_some()) {
        return;
    }
    // What stands in the order is billed once; only another sum or other lines make another bill.
    for payment in checkout.wants(wanted, now) {
        send_task(batch, order, checkout.gateway.as_str(), payment, now);
        if let Some(planned) =
            checkout.payments.iter().find(|known| known.id == payment && known.superseded.is_none())
        {
            facts.push(Fact::PaymentPlanned { payment: payment.to_string(), amount: planned.bill.total });
        }
    }
    watch_end(batch, order, checkout, now);
    if view.cancelled.is_some()
        && let Some(paid) = checkout.payments.iter().find(|payment| checkout.keeps_money(payment))
    {
        let (id, taken) = (paid.id, paid.taken());
        let text = format!("{taken} came by payment {id}, and the order was called off since: pay it back");
        if !checkout.attention.contains(&text) {
            facts.push(Fact::Attention { text: text.clone() });
            checkout.flag(now, Some(id), text);
        }
    }
}

/// Puts into the batch that somebody looks when the time is over to pay what nobody has asked to pay yet, unless that is so
/// already.
pub(super) fn watch_end(
    batch: &mut Batch,
    order: &mut Order,
    checkout: &mut Checkout,
    now: Timestamp,
) -> bool {
    let Some((payment, end)) = checkout.watch_end() else { return false };
    send_watch(batch, order, checkout.gateway.as_str(), payment, (now, between(now, end)));
    true
}

/// What was shipped is taken of the money that is held, or told to the payment system once it was taken, if that makes the
/// receipts. Either may come first: an order can be paid at the door. Says whether there was something to do.
pub(super) fn ship(
    shop: &Shop,
    batch: &mut Batch,
    order: &mut Order,
    checkout: &mut Checkout,
    now: Timestamp,
) -> bool {
    if order.view().is_none_or(|view| view.shipped.is_none()) {
        return false;
    }
    let handover = shop.handover(&checkout.gateway);
    let planned =
        checkout.plan_capture(&[], None, now).ok().or_else(|| checkout.plan_shipment(handover, now));
    if let Some(id) = planned {
        send_operation(batch, order, checkout.gateway.as_str(), id, now);
    }
    planned.is_some()
}

/// What the buyer of a marketplace's order is to pay, if anything; the error says why nobody is asked.
fn wanted(
    order: &Order,
    view: &View,
    checkout: &Checkout,
    seller: &Seller,
    now: Timestamp,
) -> Result<Option<(u32, Bill)>, String> {
    if view.paid.is_some() || view.cancelled.is_some() {
        return Ok(None);
    }
    let customer = checkout.contact.clone().unwrap_or_default();
    let bill = charge(&view.content, &order.external_id, seller.rates, customer, now);
    let bill = bill.map_err(|why| why.to_string())?;
    seller.terms.admit(&bill)?;
    Ok(Some((view.revision, bill)))
}
