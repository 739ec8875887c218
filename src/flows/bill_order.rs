//! An order is to be paid: see to it that its buyer can pay exactly what it comes to, and nothing else.

use super::charge::charge;
use super::effects::Task;
use super::transaction::{Transaction, Versioned};
use super::{BilledOrder, Seller};
use crate::kernel::{Private, ShopKey, Timestamp};
use crate::orders::{Contact, Fact, Order, View};
use crate::payments::{Bill, Checkout, Customer, PaymentId, Ways};

/// Who is paid, with the key for the buyer's address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Payee<'a> {
    pub seller: &'a Seller,
    pub key: &'a ShopKey,
}

/// A checkout that has no payment yet.
pub(super) fn new_checkout(Payee { seller, key }: Payee<'_>, order: &Order, ways: Ways) -> Checkout {
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

/// What a hook says of its buyer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a> {
    /// How the buyer is reached.
    pub contact: &'a Contact,
    /// When the hook was sent.
    pub at: Timestamp,
}

/// After a hook of a marketplace that leaves the money to us: brings the order's payments, which are stored as
/// `known`, in line with what the order is now. Returns the order, which is to be written.
pub(super) fn bill(
    tx: &mut Transaction<'_>,
    payee: Payee<'_>,
    order: Versioned<Order>,
    known: Option<Versioned<Checkout>>,
    said: Said<'_>,
) -> Versioned<Order> {
    let new = || Versioned::new(new_checkout(payee, &order, Ways::default()), tx.now);
    let checkout = known.clone().unwrap_or_else(new);
    let mut billed = BilledOrder { order, checkout };
    hear(&mut billed.checkout, said);
    if let Some(view) = billed.order.view() {
        ask(tx, payee.seller, &mut billed, &view);
        tx.ship(&mut billed);
    }
    let BilledOrder { order, mut checkout } = billed;
    let is_asked = !checkout.payments.is_empty() || checkout.next.is_some();
    let is_worth_keeping = known.is_some() || is_asked || checkout.contact.is_some();
    if is_worth_keeping && known.as_ref() != Some(&checkout) {
        let now = tx.now;
        checkout.stage_without_past(tx.batch(), now);
    }
    order
}

/// Remembers how the buyer is reached: what the newest hook says that says it, whenever that comes.
fn hear(checkout: &mut Checkout, Said { contact, at: said_at }: Said<'_>) {
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

fn ask(tx: &mut Transaction<'_>, seller: &Seller, billed: &mut BilledOrder, view: &View) {
    let now = tx.now;
    let wanted = match wanted(&billed.order, view, &billed.checkout, seller, now) {
        Ok(wanted) => wanted,
        Err(why) => {
            let text = format!("no payment was asked for: {why}");
            tx.note_fact(Fact::Attention { text: text.clone() });
            if !billed.order.flags.contains(&text) {
                billed.order.flags.push(text);
            }
            None
        }
    };
    let was_asked = !billed.checkout.payments.is_empty() || billed.checkout.next.is_some();
    // What was delivered before anybody was asked to pay has been paid otherwise.
    if !was_asked && (wanted.is_none() || view.delivered.is_some()) {
        return;
    }
    // What stands in the order is billed once; only another sum or other lines make another bill.
    for payment in billed.checkout.wants(wanted, now) {
        tx.start(billed, Task::Payment { payment });
        tx.note_facts(planned(&billed.checkout, payment));
    }
    tx.watch_end(billed);
    let checkout = &mut billed.checkout;
    if view.cancelled.is_some()
        && let Some(paid) = checkout.payments.iter().find(|payment| checkout.keeps_money(payment))
    {
        let (id, taken) = (paid.id, paid.taken());
        let text = format!("{taken} came by payment {id}, and the order was called off since: pay it back");
        if !checkout.attention.contains(&text) {
            tx.note_fact(Fact::Attention { text: text.clone() });
            checkout.flag(now, Some(id), text);
        }
    }
}

/// That a payment will be asked for, if it is still to be.
pub(super) fn planned(checkout: &Checkout, payment: PaymentId) -> Option<Fact> {
    let mut payments = checkout.payments.iter();
    let planned = payments.find(|known| known.id == payment && known.superseded.is_none())?;
    Some(Fact::PaymentPlanned { payment: payment.to_string(), amount: planned.bill.total })
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
