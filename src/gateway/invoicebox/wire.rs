//! The types of the API. Amounts are JSON numbers in roubles. They are written
//! and parsed digit by digit, never as floats.

use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

use crate::kernel::same_id;

/// The request that creates an order. The fields are in the order of the
/// vendor's own example.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateOrder<'a> {
    pub merchant_id: &'a str,
    pub merchant_order_id: String,
    pub amount: Number,
    pub success_url: &'a str,
    pub fail_url: &'a str,
    pub return_url: &'a str,
    pub notification_url: &'a str,
    pub vat_amount: Number,
    pub basket_items: Vec<BasketItem<'a>>,
    pub expiration_date: String,
    pub language_id: &'a str,
    pub currency_id: &'a str,
    pub description: &'a str,
    pub customer: Customer<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method_id_locked: Option<bool>,
}

/// The request that updates an unpaid order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateOrder<'a> {
    pub description: &'a str,
    pub amount: Number,
    pub vat_amount: Number,
    pub expiration_date: String,
    pub basket_items: Vec<BasketItem<'a>>,
    pub customer: Customer<'a>,
}

/// A line of an order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BasketItem<'a> {
    pub sku: &'a str,
    pub name: &'a str,
    pub measure: &'a str,
    pub measure_code: &'a str,
    pub quantity: Number,
    pub amount: Number,
    pub amount_wo_vat: Number,
    pub total_amount: Number,
    pub total_vat_amount: Number,
    pub vat_code: &'a str,
    #[serde(rename = "type")]
    pub kind: &'a str,
    pub payment_type: &'a str,
}

/// The request for a refund.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateRefund<'a> {
    pub parent_id: &'a str,
    pub merchant_order_id: String,
    pub amount: Number,
    pub vat_amount: Number,
    pub basket_items: Vec<BasketItem<'a>>,
    pub description: &'a str,
}

/// The request that records a shipment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateShipment<'a> {
    pub order_id: &'a str,
    pub document_number: String,
    pub document_date: String,
    pub basket_items: Vec<BasketItem<'a>>,
    #[serde(rename = "final")]
    pub is_final: bool,
}

/// A refund, limited to the fields that are used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    pub id: String,
    /// The order whose money is refunded.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// Our number, or the one entered by the person who made the refund in the
    /// cabinet, if any.
    #[serde(default)]
    pub merchant_order_id: Option<String>,
    pub amount: Box<RawValue>,
    pub status: String,
}

/// A shipment, limited to the fields that are used. Its id is a number. The
/// documentation mentions neither an amount nor a status.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shipment {
    pub id: serde_json::Value,
    pub document_number: String,
    #[serde(default)]
    pub amount: Option<Box<RawValue>>,
    #[serde(default)]
    pub status: Option<String>,
    #[serde(default)]
    pub basket_items: Vec<ShippedItem>,
}

/// A line of a shipment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShippedItem {
    pub total_amount: Box<RawValue>,
}

/// The payer. Absent fields are left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Customer<'a> {
    #[serde(rename = "type")]
    pub kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vat_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_address: Option<&'a str>,
}

/// The envelope of every answer except errors.
#[derive(Debug, Deserialize)]
pub struct Envelope<T> {
    pub data: T,
}

/// An order in a list. Only the field that shows whose it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    #[serde(default)]
    merchant_id: Option<String>,
}

impl Listed {
    /// Whether the order names another shop.
    pub fn is_anothers(&self, merchant_id: &str) -> bool {
        self.merchant_id.as_deref().is_some_and(|id| !same_id(id, merchant_id))
    }
}

/// An order, limited to the fields that are used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: String,
    pub merchant_id: String,
    pub merchant_order_id: String,
    pub amount: Box<RawValue>,
    pub currency_id: String,
    pub status: String,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub customer: Option<CustomerThere>,
    #[serde(default)]
    pub payment_url: Option<String>,
    #[serde(default)]
    pub expiration_date: Option<String>,
}

/// The payer in an answer, limited to the fields that are used.
#[derive(Debug, Deserialize)]
pub struct CustomerThere {
    #[serde(default)]
    pub email: Option<String>,
}

/// The user that the token belongs to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    #[serde(default)]
    pub user_id: Option<String>,
}

/// An error. The documentation shows it nested under `error`; a newer client of
/// the vendor has its fields at the top level.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    pub error: Option<ErrorDetail>,
    pub code: Option<String>,
    pub message: Option<String>,
}

/// The error itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ErrorDetail {
    pub code: Option<String>,
    pub message: Option<String>,
    pub fields: Vec<ErrorField>,
}

/// A field that the error is about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ErrorField {
    pub name: String,
    pub code: String,
}

/// The one field of our own refund request that is read back.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundOf {
    pub parent_id: String,
}

/// A line of an order, with the amount that can still be refunded.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refundable {
    pub available_amount: Option<Box<RawValue>>,
}
