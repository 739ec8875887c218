//! Forms on the wire. Amounts are JSON numbers in roubles; they are written and read by their digits.

use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

use crate::kernel::same_id;

/// A request for an order, its fields in the order of the vendor's own example.
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
}

/// A request for an order that is not paid to be altered.
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

/// A line.
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

/// A request to pay money back.
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

/// A request for a shipment to be put down.
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

/// A refund, as far as it is looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    pub id: String,
    /// The order whose money goes back.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// Ours, or that of whoever made it in the cabinet, if any.
    #[serde(default)]
    pub merchant_order_id: Option<String>,
    pub amount: Box<RawValue>,
    pub status: String,
}

/// A shipment, as far as it is looked at. Its id is a number, and the documents know neither its sum nor its status.
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

/// A line of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShippedItem {
    pub total_amount: Box<RawValue>,
}

/// Who pays. Absent fields are left out.
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

/// The envelope of every answer that is no error.
#[derive(Debug, Deserialize)]
pub struct Envelope<T> {
    pub data: T,
}

/// An order of a list, as far as it shows whose it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    #[serde(default)]
    merchant_id: Option<String>,
}

impl Listed {
    /// Whether it says that it is another shop's.
    pub fn is_anothers(&self, merchant_id: &str) -> bool {
        self.merchant_id.as_deref().is_some_and(|id| !same_id(id, merchant_id))
    }
}

/// An order, as far as it is looked at.
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

/// Who pays, as far as it is looked at.
#[derive(Debug, Deserialize)]
pub struct CustomerThere {
    #[serde(default)]
    pub email: Option<String>,
}

/// Who we are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    #[serde(default)]
    pub user_id: Option<String>,
}

/// An error: nested in the documents, at the top in a newer client of the vendor's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    pub error: Option<ErrorDetail>,
    pub code: Option<String>,
    pub message: Option<String>,
}

/// What went wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ErrorDetail {
    pub code: Option<String>,
    pub message: Option<String>,
    pub fields: Vec<ErrorField>,
}

/// Where.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ErrorField {
    pub name: String,
    pub code: String,
}

/// The one field of our own request for a refund that is read again.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundOf {
    pub parent_id: String,
}

/// A line of an order, as far as it can still be paid back.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refundable {
    pub available_amount: Option<Box<RawValue>>,
}
