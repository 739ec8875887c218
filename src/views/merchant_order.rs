//! An order as its merchant sees it: in answers of the API and in callbacks.

use serde::Serialize;
use utoipa::ToSchema;

use super::Frame;
use super::amount::Amount;
use super::operation::OperationDocument;
use super::payment::{PaymentDocument, payment_document};
use super::schema::{ExternalIdText, MoneyText, QuantityText};
use crate::kernel::{ExternalId, Money, Quantity, Timestamp};
use crate::orders::Number;
use crate::orders::{Order, State};
use crate::payments::{Checkout, Line, Payment, PaymentId, VatCode};

/// An order of your site.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct MerchantOrder {
    /// The order's number at tillgate: twelve digits.
    pub id: Number,
    /// The same as `id`.
    pub number: Number,
    /// Your own number of the order.
    #[schema(value_type = ExternalIdText)]
    pub merchant_order_id: ExternalId,
    /// The state of the order: `open`, `paid`, `shipped`, `cancelled` or
    /// `delivered`.
    pub state: State,
    /// Starts at 1 and increases with every change of the order's items. The
    /// `ETag` begins with it; the `ETag` differs after every change of the
    /// order.
    pub revision: u32,
    /// The value of the `ETag` header.
    #[serde(skip)]
    pub tag: String,
    /// The order's total at this revision, tax included. The amount that is
    /// requested from the buyer, or was taken, is in `payment`.
    pub total: Amount,
    /// The lines of the order, in the order in which you sent them.
    pub items: Vec<Item>,
    /// The state of the payment, and the link for the buyer.
    pub payment: PaymentDocument,
    /// All payments of the order, oldest first.
    pub payments: Vec<PaymentEntry>,
    /// All refunds of the order, oldest first.
    pub refunds: Vec<OperationDocument>,
    /// When you placed the order: RFC 3339, UTC.
    pub created_at: Timestamp,
    /// When the money was received; null if it was not.
    pub paid_at: Option<Timestamp>,
    /// When you reported that the goods were handed over; null if you did not.
    pub shipped_at: Option<Timestamp>,
    /// When the order was cancelled; null if it was not.
    pub cancelled_at: Option<Timestamp>,
}

/// A line of an order, with its totals.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderItem)]
pub struct Item {
    /// The line's place in the order, from 1. A refund can refer to the line by
    /// it.
    pub line: u32,
    /// Your article number.
    pub sku: String,
    /// The name of the article, as the payer and the receipt show it.
    pub name: String,
    /// The quantity: a decimal with at most three places.
    #[schema(value_type = QuantityText)]
    pub quantity: Quantity,
    /// The price of one unit in roubles, tax included.
    #[schema(value_type = MoneyText)]
    pub price: Money,
    /// The total of the line in roubles, tax included: price × quantity, to the
    /// nearest kopeck.
    #[schema(value_type = MoneyText)]
    pub total: Money,
    /// The rate of value added tax that the price includes.
    pub vat: VatCode,
    /// The tax included in `total`, in roubles.
    #[schema(value_type = MoneyText)]
    pub vat_total: Money,
}

/// One payment of an order: one attempt to be paid for it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentEntry)]
pub struct PaymentEntry {
    /// The payment's id, here and at the payment system.
    pub id: PaymentId,
    /// The revision of the order that the payment asks money for.
    pub revision: u32,
    /// The amount that the payment asks for.
    pub amount: Amount,
    /// When the payment was requested: RFC 3339, UTC.
    pub created_at: Timestamp,
}

/// The `ETag` of an order. It differs after every change that a site can make.
#[must_use]
pub fn tag(revision: u32, checkout: &Checkout) -> String {
    match checkout.updates {
        0 => revision.to_string(),
        updates => format!("{revision}.{updates}"),
    }
}

/// An order as its merchant sees it; `None` if it is not an order of a
/// merchant's site.
#[must_use]
pub fn merchant_order(
    frame: Frame<'_>,
    order: &Order,
    checkout: &Checkout,
) -> Option<MerchantOrder> {
    let view = order.view()?;
    let bill = checkout.bill_of(view.revision)?;
    let item = |(line, place): (&Line, u32)| Item {
        line: place,
        sku: line.sku.clone(),
        name: line.name.clone(),
        quantity: line.quantity,
        price: line.price,
        total: line.total,
        vat: line.vat_code,
        vat_total: line.vat,
    };
    let payment = |payment: &Payment| PaymentEntry {
        id: payment.id,
        revision: payment.revision,
        amount: payment.bill.total.into(),
        created_at: payment.created_at,
    };
    Some(MerchantOrder {
        id: order.number,
        number: order.number,
        merchant_order_id: order.external_id.clone(),
        state: view.state(),
        revision: view.revision,
        tag: tag(view.revision, checkout),
        total: bill.total.into(),
        items: bill.lines.iter().zip(1..).map(item).collect(),
        payment: payment_document(frame, checkout),
        payments: checkout.payments.iter().map(payment).collect(),
        refunds: checkout
            .refunds()
            .map(|refund| OperationDocument::of(refund, frame.language))
            .collect(),
        created_at: view.created_at,
        paid_at: view.paid.map(|facet| facet.at),
        shipped_at: view.shipped.map(|facet| facet.at),
        cancelled_at: view.cancelled.map(|facet| facet.at),
    })
}
