//! Keeps the payments of an order in line with its content, so that its buyer
//! can pay exactly its total and nothing else.

use super::charge::charge;
use super::effects::Task;
use super::record::stage_without_past;
use super::transaction::{Transaction, Versioned};
use super::{BilledOrder, PaymentProfile};
use crate::kernel::{Private, Timestamp};
use crate::orders::ShopKey;
use crate::orders::{Contact, Fact, NotCharged, Order, OrderNote, View};
use crate::payments::{
    Bill, Checkout, Customer, NotAdmitted, PaymentFact, PaymentId, PaymentNote, SiteUrls,
};

/// The payment profile of the one who is paid, with the key for the address of
/// the buyer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Payee<'a> {
    pub profile: &'a PaymentProfile,
    pub key: &'a ShopKey,
}

/// Creates a checkout without payments.
pub(super) fn new_checkout(
    Payee { profile, key }: Payee<'_>,
    order: &Order,
    urls: SiteUrls,
) -> Checkout {
    Checkout {
        number: order.number,
        gateway: profile.gateway.clone(),
        account: profile.account.clone(),
        secret: Private::new(key.address_secret(order.number)),
        updates: 0,
        changes: 0,
        urls,
        request_fingerprint: None,
        payments: Vec::new(),
        operations: Vec::new(),
        next: None,
        on_demand: profile.terms.on_demand,
        watched_end: None,
        reported_end: None,
        contact: None,
        contact_said_at: [None, None],
        withheld: None,
        history: Vec::new(),
        attention: Vec::new(),
    }
}

/// What a hook states about its buyer.
#[derive(Debug, Clone, Copy)]
pub(super) struct StatedBuyer<'a> {
    /// The contact data of the buyer.
    pub contact: &'a Contact,
    /// When the hook was sent.
    pub at: Timestamp,
}

/// After a hook of a marketplace whose orders are paid through tillgate: brings
/// the payments of the order, which are stored as `known`, in line with the
/// order. Returns the order, which the caller must write.
pub(super) fn bill(
    tx: &mut Transaction<'_>,
    payee: Payee<'_>,
    order: Versioned<Order>,
    known: Option<Versioned<Checkout>>,
    said: StatedBuyer<'_>,
) -> Versioned<Order> {
    let new = || Versioned::new(new_checkout(payee, &order, SiteUrls::default()), tx.now);
    let checkout = known.clone().unwrap_or_else(new);
    let mut billed = BilledOrder { order, checkout };
    hear(&mut billed.checkout, said);
    if let Some(view) = billed.order.view() {
        ask(tx, payee.profile, &mut billed, &view);
        tx.ship(&mut billed);
    }
    let BilledOrder { order, mut checkout } = billed;
    let is_asked = !checkout.payments.is_empty() || checkout.next.is_some();
    let is_worth_keeping = known.is_some() || is_asked || checkout.contact.is_some();
    if is_worth_keeping && known.as_ref() != Some(&checkout) {
        let now = tx.now;
        stage_without_past(&mut checkout, tx.batch(), now);
    }
    order
}

/// Stores the contact data of the buyer: for each field, the value of the
/// newest hook that has one, whenever it arrives.
fn hear(checkout: &mut Checkout, StatedBuyer { contact, at: said_at }: StatedBuyer<'_>) {
    let Contact { email, phone } = contact.clone();
    if email.is_none() && phone.is_none() {
        return;
    }
    let known = checkout.contact.get_or_insert_with(Customer::default);
    let [email_said_at, phone_said_at] = &mut checkout.contact_said_at;
    for (said, known, known_at) in
        [(email, &mut known.email, email_said_at), (phone, &mut known.phone, phone_said_at)]
    {
        // For two hooks with the same time, either value is as good, but it
        // must always be the same one.
        if said.is_some() && (Some(said_at), &said) > (*known_at, known) {
            (*known, *known_at) = (said, Some(said_at));
        }
    }
}

fn ask(tx: &mut Transaction<'_>, profile: &PaymentProfile, billed: &mut BilledOrder, view: &View) {
    let now = tx.now;
    let wanted = match wanted(&billed.order, view, &billed.checkout, profile, now) {
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
    // An order that was delivered before a payment was requested has been paid
    // in another way.
    if !was_asked && (wanted.is_none() || view.delivered.is_some()) {
        return;
    }
    // The content of an order is billed once; only another sum or other lines
    // make another bill.
    for payment in billed.checkout.set_bill(wanted, now) {
        tx.start(billed, Task::Payment { payment });
        tx.note_facts(planned(&billed.checkout, payment));
    }
    tx.watch_end(billed);
    let checkout = &billed.checkout;
    let kept = checkout.payments.iter().find(|payment| checkout.has_unrefunded_money(payment));
    if let Some(paid) = kept.filter(|_| view.cancelled.is_some()) {
        let (id, note) = (paid.id, PaymentNote::PaidButCancelled { amount: paid.taken() });
        if !checkout.is_flagged(Some(id), &note) {
            tx.flag_payment(billed, Some(id), note);
        }
    }
}

/// The fact that a payment will be requested, if that is still to happen.
pub(super) fn planned(checkout: &Checkout, payment: PaymentId) -> Option<PaymentFact> {
    let mut payments = checkout.payments.iter();
    let planned = payments.find(|known| known.id == payment && known.superseded.is_none())?;
    Some(PaymentFact::PaymentPlanned { payment, amount: planned.bill.total })
}

/// The bill for the buyer of a marketplace's order, if there is something to
/// pay. The error is the reason why no payment can be requested.
fn wanted(
    order: &Order,
    view: &View,
    checkout: &Checkout,
    profile: &PaymentProfile,
    now: Timestamp,
) -> Result<Option<(u32, Bill)>, NotCharged> {
    if view.paid.is_some() || view.cancelled.is_some() {
        return Ok(None);
    }
    let customer = checkout.contact.clone().unwrap_or_default();
    let bill = charge(&view.content, &order.external_id, profile.rates, customer, now);
    let bill = bill?;
    profile.terms.admit(&bill).map_err(|why| match why {
        NotAdmitted::NoEmail => NotCharged::NoEmail,
        NotAdmitted::NoContact => NotCharged::NoContact,
        NotAdmitted::TooManyLines { lines, lines_max } => {
            NotCharged::TooManyLines { lines, lines_max }
        }
        NotAdmitted::FreeLine { sku } => NotCharged::FreeLine { sku },
        // A marketplace's order asks for none.
        NotAdmitted::Method(_) => NotCharged::Bill { detail: why.to_string() },
    })?;
    Ok(Some((view.revision, bill)))
}
