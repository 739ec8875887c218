//! An order is to be paid: see to it that its buyer can pay exactly what it comes to, and nothing else.

use serde::{Deserialize, Serialize};

use super::{Seller, Shop};
use crate::kernel::chance::random_bytes;
use crate::kernel::time::later;
use crate::kernel::{Lane, Message, MessageId, Money, Private, Quantity, Timestamp};
use crate::orders::{Fact, Order, Position, View};
use crate::payments::{
    Bill, Checkout, Customer, DESCRIPTION_CHARS_MAX, Line, NAME_CHARS_MAX, OperationId, PaymentId,
    SKU_CHARS_MAX, VatCode, Ways, multiply,
};
use crate::store::{Batch, DocKey, Expect};

/// How long a marketplace's order can be paid, in days.
const LINK_DAYS: u64 = 7;

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
}

/// Puts into the batch that a payment must be looked after.
pub(super) fn send_task(
    batch: &mut Batch,
    order: &mut Order,
    gateway: &str,
    payment: PaymentId,
    now: Timestamp,
) {
    let task = Task { payment, operation: None, alters: false };
    send(batch, order, gateway, task, (Lane::Payment, now, None));
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
    let task = Task { payment, operation: None, alters: true };
    send(batch, order, gateway, task, (Lane::Watch, now, None));
}

/// Puts into the batch that something must be done with a payment's money.
pub(super) fn send_operation(
    batch: &mut Batch,
    order: &mut Order,
    gateway: &str,
    id: OperationId,
    now: Timestamp,
) {
    let task = Task { payment: id.payment, operation: Some(id.sequence), alters: false };
    send(batch, order, gateway, task, (Lane::Payment, now, None));
}

/// Puts into the batch that it is to be seen whether an operation is over, not before `not_before`.
pub(super) fn watch_operation(
    batch: &mut Batch,
    order: &mut Order,
    gateway: &str,
    id: OperationId,
    (now, not_before): (Timestamp, Timestamp),
) {
    let task = Task { payment: id.payment, operation: Some(id.sequence), alters: false };
    send(batch, order, gateway, task, (Lane::Watch, now, Some(not_before)));
}

/// Puts into the batch that a payment's link is to be looked at, not before `not_before`.
pub(super) fn send_watch(
    batch: &mut Batch,
    order: &mut Order,
    gateway: &str,
    payment: PaymentId,
    (now, not_before): (Timestamp, Timestamp),
) {
    let task = Task { payment, operation: None, alters: false };
    send(batch, order, gateway, task, (Lane::Watch, now, Some(not_before)));
}

fn send(
    batch: &mut Batch,
    order: &mut Order,
    gateway: &str,
    task: Task,
    (lane, created_at, not_before): (Lane, Timestamp, Option<Timestamp>),
) {
    order.messages += 1;
    let id = MessageId { number: order.number, sequence: order.messages };
    let body = serde_json::to_string(&task).unwrap_or_default();
    batch.send(Message { id, lane, queue: gateway.to_owned(), body, created_at, not_before });
}

/// A checkout that has no payment yet.
pub(super) fn new_checkout(seller: &Seller, order: &Order, ways: Ways) -> Checkout {
    let secret: String = random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    Checkout {
        number: order.number,
        gateway: seller.gateway.clone(),
        account: seller.account.clone(),
        secret: Private::new(secret),
        alterations: 0,
        ways,
        asked: None,
        payments: Vec::new(),
        operations: Vec::new(),
        next: None,
        unasked: None,
        history: Vec::new(),
        attention: Vec::new(),
    }
}

/// After a hook of a marketplace that leaves the money to us: brings the order's payments, which are stored as
/// `known`, in line with what the order is now.
pub(super) fn bill(
    (shop, seller): (&Shop, &Seller),
    order: &mut Order,
    known: Option<(Checkout, u64)>,
    now: Timestamp,
    batch: &mut Batch,
    facts: &mut Vec<Fact>,
) {
    let Some(view) = order.view() else { return };
    let key = DocKey::checkout(order.number);
    let (before, expect) = match known {
        Some((checkout, version)) => (Some(checkout), Expect::At(version)),
        None => (None, Expect::Absent),
    };
    let wanted = match wanted(order, &view, seller.vat_code, now) {
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
    // What was delivered before anybody was asked to pay has been paid otherwise.
    if before.is_none() && (wanted.is_none() || view.delivered.is_some()) {
        return;
    }
    let mut checkout = before.clone().unwrap_or_else(|| new_checkout(seller, order, Ways::default()));
    // What stands in the order is billed once; only another sum or other lines make another bill.
    for payment in checkout.wants(wanted, now) {
        send_task(batch, order, checkout.gateway.as_str(), payment, now);
        if let Some(planned) =
            checkout.payments.iter().find(|known| known.id == payment && known.superseded.is_none())
        {
            facts.push(Fact::PaymentPlanned { payment: payment.to_string(), amount: planned.bill.total });
        }
    }
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
    ship(shop, batch, order, &mut checkout, now);
    if before.as_ref() != Some(&checkout) {
        batch.put(key, expect, &checkout, now);
    }
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

/// What the buyer of a marketplace's order is to pay, if anything.
fn wanted(
    order: &Order,
    view: &View,
    vat_code: VatCode,
    now: Timestamp,
) -> Result<Option<(u32, Bill)>, String> {
    if view.paid.is_some() || view.cancelled.is_some() {
        return Ok(None);
    }
    let content = &view.content;
    let total = match (content.discount_total, content.total) {
        // Nothing to pay, or no word about discounts: the marketplace means both by it, so nobody is charged.
        (Some(Money::ZERO), Some(total)) if total > Money::ZERO => {
            return Err(format!("the sum with discounts is 0.00, without them {total}"));
        }
        (Some(total), _) | (None, Some(total)) => total,
        (None, None) => return Err("the order bears no sum".into()),
    };
    let description: String =
        format!("Заказ {}", order.external_id).chars().take(DESCRIPTION_CHARS_MAX).collect();
    let expires_at = later(now, std::time::Duration::from_secs(LINK_DAYS * 24 * 3600));
    let bill = |lines| Bill::over(description.clone(), lines, Customer::default(), expires_at).ok();
    let lines: Option<Vec<Line>> = {
        let picked = content.positions.iter().filter(|position| position.quantity > Quantity::ZERO);
        picked.map(|position| line(position, vat_code)).collect()
    };
    let itemised = lines.and_then(bill).filter(|bill| bill.total == total);
    // When the lines do not come to the sum that was agreed, the sum counts: one line, so that it is exact.
    let whole = || {
        let one = (Quantity::from_thousandths(1000), total);
        let sku: String = order.number.to_string();
        bill(vec![Line::priced(sku, description.chars().take(NAME_CHARS_MAX).collect(), one, vat_code).ok()?])
    };
    let bill = itemised.or_else(whole).ok_or_else(|| format!("{total} cannot be billed"))?;
    Ok(Some((view.revision, bill)))
}

fn line(position: &Position, vat_code: VatCode) -> Option<Line> {
    let sum = position.discount_total.filter(|sum| *sum > Money::ZERO).or(position.total)?;
    let named = position.discount_price.filter(|price| *price > Money::ZERO).or(position.price);
    let price = named.filter(|price| multiply(*price, position.quantity) == Some(sum));
    let name = position.name.clone().unwrap_or_else(|| format!("Артикул {}", position.sku));
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    let sku: String = position.sku.chars().take(SKU_CHARS_MAX).collect();
    match price {
        Some(price) => Line::priced(sku, name, (position.quantity, price), vat_code).ok(),
        // The price that would give the sum has fractions of a kopeck: the line is sold as one.
        None => {
            let name: String =
                format!("{name} × {}", position.quantity).chars().take(NAME_CHARS_MAX).collect();
            Line::priced(sku, name, (Quantity::from_thousandths(1000), sum), vat_code).ok()
        }
    }
}
