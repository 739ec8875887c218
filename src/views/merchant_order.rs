//! An order as its merchant sees it: what its site reads, and what it is told.

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

/// An order as its merchant sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct MerchantOrder {
    /// Our number of it.
    pub id: Number,
    /// The same as `id`.
    pub number: Number,
    /// Your number of it.
    #[schema(value_type = ExternalIdText)]
    pub merchant_order_id: ExternalId,
    /// How far it is.
    pub state: State,
    /// It goes up with every change of its items. The `ETag` begins with it, and is another after every change.
    pub revision: u32,
    /// The `ETag`.
    #[serde(skip)]
    pub tag: String,
    /// What it comes to at this revision. What is asked for, or was taken, stands in `payment`.
    pub total: Amount,
    /// What was ordered, line by line.
    pub items: Vec<Item>,
    /// How it is paid.
    pub payment: PaymentDocument,
    /// Every payment there was, the oldest first.
    pub payments: Vec<PaymentEntry>,
    /// The oldest first.
    pub refunds: Vec<OperationDocument>,
    /// When you placed it.
    pub created_at: Timestamp,
    /// When the money had come.
    pub paid_at: Option<Timestamp>,
    /// When you said that the goods were handed over.
    pub shipped_at: Option<Timestamp>,
    /// When it was called off.
    pub cancelled_at: Option<Timestamp>,
}

/// A line of an order, reckoned.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderItem)]
pub struct Item {
    /// Its place, 1 for the first: what a refund names it by.
    pub line: u32,
    /// Your number of the article.
    pub sku: String,
    /// What the payer and the receipt call it.
    pub name: String,
    /// How much of it.
    #[schema(value_type = QuantityText)]
    pub quantity: Quantity,
    /// The price of one, with the tax.
    #[schema(value_type = MoneyText)]
    pub price: Money,
    /// The price of all.
    #[schema(value_type = MoneyText)]
    pub total: Money,
    /// The tax's rate.
    pub vat: VatCode,
    /// The tax inside `total`.
    #[schema(value_type = MoneyText)]
    pub vat_total: Money,
}

/// One payment of an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentEntry)]
pub struct PaymentEntry {
    /// Its number, here and at the payment system.
    pub id: PaymentId,
    /// The order's revision that it is for.
    pub revision: u32,
    /// What was asked for.
    pub amount: Amount,
    /// When it was asked for.
    pub created_at: Timestamp,
}

/// The tag of an order, which is another after every change that a site can make.
#[must_use]
pub fn tag(revision: u32, checkout: &Checkout) -> String {
    match checkout.alterations {
        0 => revision.to_string(),
        alterations => format!("{revision}.{alterations}"),
    }
}

/// An order as its merchant sees it, if it is one of a merchant's site.
#[must_use]
pub fn merchant_order(frame: Frame<'_>, order: &Order, checkout: &Checkout) -> Option<MerchantOrder> {
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
        refunds: checkout.refunds().map(|refund| OperationDocument::of(refund, frame.language)).collect(),
        created_at: view.created_at,
        paid_at: view.paid.map(|facet| facet.at),
        shipped_at: view.shipped.map(|facet| facet.at),
        cancelled_at: view.cancelled.map(|facet| facet.at),
    })
}
