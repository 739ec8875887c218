//! The types of YooKassa's API v3, limited to the fields that we use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A request as it is stored before it is sent: path, idempotence key and body.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredRequest {
    /// The path below `v3/`.
    pub path: String,
    /// The idempotence key: our number.
    pub key: String,
    pub body: Box<RawValue>,
}

/// A sum in a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Amount {
    pub value: String,
    pub currency: String,
}

/// A sum in an answer. The value is kept as raw JSON, so that no digit is lost.
#[derive(Debug, Deserialize)]
pub struct AmountMade {
    pub value: Box<RawValue>,
    pub currency: String,
}

/// Our number in the metadata of a payment or a refund. The metadata can have
/// any shape, because other programs use it too.
pub fn number_in(metadata: Option<&RawValue>) -> Option<String> {
    let metadata: serde_json::Value = serde_json::from_str(metadata?.get()).ok()?;
    metadata.get(NUMBER)?.as_str().map(str::to_owned)
}

/// The metadata of a request; it carries our number.
pub type Metadata = BTreeMap<String, String>;

/// The metadata key of our number.
pub const NUMBER: &str = "tillgate_number";

#[derive(Debug, Serialize)]
pub struct CreatePayment<'a> {
    pub amount: Amount,
    pub capture: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method_data: Option<MethodData>,
    pub confirmation: NewConfirmation<'a>,
    pub description: String,
    pub metadata: Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt<'a>>,
}

#[derive(Debug, Serialize)]
pub struct MethodData {
    #[serde(rename = "type")]
    pub kind: &'static str,
}

#[derive(Debug, Serialize)]
pub struct NewConfirmation<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub return_url: &'a str,
}

#[derive(Debug, Serialize)]
pub struct Capture<'a> {
    pub amount: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt<'a>>,
}

#[derive(Debug, Serialize)]
pub struct CreateRefund<'a> {
    pub payment_id: &'a str,
    pub amount: Amount,
    pub description: String,
    pub metadata: Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt<'a>>,
}

/// A receipt for the handing over of goods that were paid for earlier.
#[derive(Debug, Serialize)]
pub struct CreateReceipt<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub payment_id: &'a str,
    pub send: bool,
    #[serde(flatten)]
    pub receipt: Receipt<'a>,
    pub settlements: [Settlement; 1],
}

#[derive(Debug, Serialize)]
pub struct Settlement {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub amount: Amount,
}

#[derive(Debug, Serialize)]
pub struct Receipt<'a> {
    pub customer: Customer<'a>,
    pub items: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_system_code: Option<u8>,
}

#[derive(Debug, Serialize)]
pub struct Customer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Item {
    pub description: String,
    pub quantity: String,
    /// The price of one unit.
    pub amount: Amount,
    pub vat_code: u8,
    pub payment_mode: &'static str,
    pub payment_subject: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<&'static str>,
}

/// A payment in an answer.
#[derive(Debug, Deserialize)]
pub struct Payment {
    pub id: String,
    pub status: String,
    pub amount: AmountMade,
    pub recipient: Option<Recipient>,
    pub confirmation: Option<Confirmation>,
    pub expires_at: Option<String>,
    pub cancellation_details: Option<Cancellation>,
    #[serde(default)]
    pub metadata: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
pub struct Recipient {
    pub account_id: String,
}

#[derive(Debug, Deserialize)]
pub struct Confirmation {
    pub confirmation_url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Cancellation {
    pub reason: String,
}

#[derive(Debug, Deserialize)]
pub struct Refund {
    pub id: String,
    pub status: String,
    pub amount: AmountMade,
    #[serde(default)]
    pub metadata: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
pub struct ReceiptMade {
    pub id: String,
    pub status: String,
    #[serde(default)]
    pub items: Vec<ItemMade>,
    #[serde(default)]
    pub settlements: Vec<SettlementMade>,
}

#[derive(Debug, Deserialize)]
pub struct ItemMade {
    pub payment_mode: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct SettlementMade {
    pub amount: AmountMade,
}

/// A page of a list. Its entries are not parsed yet.
#[derive(Debug, Deserialize)]
pub struct List {
    pub items: Vec<Box<RawValue>>,
    pub next_cursor: Option<String>,
}

/// The answer to `me`: the shop that the credentials belong to.
#[derive(Debug, Deserialize)]
pub struct ShopAccount {
    pub account_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    pub id: Option<String>,
    pub code: Option<String>,
    pub description: Option<String>,
    pub parameter: Option<String>,
    pub retry_after: Option<u64>,
}
