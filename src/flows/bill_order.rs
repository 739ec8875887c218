//! An order is to be paid: see to it that its buyer can pay exactly what it comes to, and nothing else.

use super::charge::charge;
use super::effects::Task;
use super::transaction::{Transaction, Versioned};
use super::{BilledOrder, Seller};
use crate::kernel::{Private, Timestamp};
use crate::orders::ShopKey;
use crate::orders::{Contact, Fact, Order, OrderNote, Uncharged, View};
use crate::payments::{Bill, Checkout, Customer, NotAdmitted, PaymentFact, PaymentId, PaymentNote, Ways};

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
        Err(reason) => {
            let note = OrderNote::NoPayment { reason };
            tx.note_fact(&Fact::Attention { note: note.clone() });
            if !billed.order.flags.contains(&note) {
                billed.order.flags.push(note);
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
    let checkout = &billed.checkout;
    let kept = checkout.payments.iter().find(|payment| checkout.keeps_money(payment));
    if let Some(paid) = kept.filter(|_| view.cancelled.is_some()) {
        let (id, note) = (paid.id, PaymentNote::PaidButCancelled { amount: paid.taken() });
        if !checkout.is_flagged(Some(id), &note) {
            tx.flag_payment(billed, Some(id), note);
        }
    }
}

/// That a payment will be asked for, if it is still to be.
pub(super) fn planned(checkout: &Checkout, payment: PaymentId) -> Option<PaymentFact> {
    let mut payments = checkout.payments.iter();
    let planned = payments.find(|known| known.id == payment && known.superseded.is_none())?;
    Some(PaymentFact::PaymentPlanned { payment, amount: planned.bill.total })
}

/// What the buyer of a marketplace's order is to pay, if anything; the error says why nobody is asked.
fn wanted(
    order: &Order,
    view: &View,
    checkout: &Checkout,
    seller: &Seller,
    now: Timestamp,
) -> Result<Option<(u32, Bill)>, Uncharged> {
    if view.paid.is_some() || view.cancelled.is_some() {
        return Ok(None);
    }
    let customer = checkout.contact.clone().unwrap_or_default();
    let bill = charge(&view.content, &order.external_id, seller.rates, customer, now);
    let bill = bill?;
    seller.terms.admit(&bill).map_err(|why| match why {
        NotAdmitted::NoEmail => Uncharged::NoEmail,
        NotAdmitted::NoContact => Uncharged::NoContact,
        NotAdmitted::TooManyLines { lines, lines_max } => Uncharged::TooManyLines { lines, lines_max },
        NotAdmitted::FreeLine { sku } => Uncharged::FreeLine { sku },
    })?;
    Ok(Some((view.revision, bill)))
}
