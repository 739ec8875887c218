//! Validation of the fields of an order, and the messages about invalid ones.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use utoipa::{PartialSchema, ToSchema};

use crate::http::fields::{Expected, Faults, Fields, Shape, is};
use crate::kernel::text::{free_text, is_obeyed};
use crate::kernel::time::between;
use crate::kernel::{Money, Quantity, Timestamp, contact};
use crate::payments::{
    BadBill, Customer, CustomerKind, GoodsKind, Line, NAME_CHARS_MAX, SKU_CHARS_MAX, VatCode,
};
use crate::peer::Url;
use crate::views::schema::{MoneyText, QuantityText, word_schema};

/// The longest time in which an order can be paid, in days.
const EXPIRES_DAYS_MAX: u32 = 366;

/// The longest name of a unit and the longest code of a unit, in characters.
const MEASURE_CHARS_MAX: usize = 10;
const MEASURE_CODE_CHARS_MAX: usize = 4;

/// The longest address of a merchant's page, in bytes.
const URL_BYTES_MAX: usize = 1000;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// One line of an order: an article or a service.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    /// Your id of the article, from 1 to 36 characters.
    #[schema(
        min_length = 1,
        max_length = 36,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        example = "123456"
    )]
    sku: String,
    /// The name that the payer and the receipt show, from 1 to 128 characters.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        example = "Молоко 3,2 %"
    )]
    name: String,
    #[schema(value_type = QuantityText)]
    quantity: Quantity,
    #[schema(value_type = MoneyText)]
    price: Money,
    vat: VatCode,
    /// The name of the unit, at most 10 characters; `шт` by default.
    #[schema(max_length = 10, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "шт")]
    measure: Option<String>,
    /// The ОКЕИ code of the unit, at most 4 characters; `796` (piece) by
    /// default.
    #[schema(max_length = 4, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "796")]
    measure_code: Option<String>,
    #[serde(default, rename = "type")]
    kind: GoodsKind,
}

word_schema!(
    GoodsKind,
    "GoodsKind",
    "What the line sells: goods (`commodity`, the default) or a service (`service`).",
    ["commodity", "service"]
);
word_schema!(
    CustomerKind,
    "CustomerKind",
    "The kind of the payer: a person (`private`, the default) or a company (`legal`).",
    ["private", "legal"]
);

/// The payer. The data is sent to the payment system and shown to nobody else.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Customer)]
pub(super) struct CustomerFields {
    #[serde(default, rename = "type")]
    kind: CustomerKind,
    /// The name of the payer, at most 500 characters.
    #[schema(max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: Option<String>,
    /// The telephone number with the country code, for example `+79001234567`.
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    phone: Option<String>,
    /// The e-mail address to which the receipt is sent.
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    email: Option<String>,
    /// The tax number (INN) of the company.
    #[schema(max_length = 20, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    vat_number: Option<String>,
    /// The registered address of the company, at most 1000 characters.
    #[schema(max_length = 1000, pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$")]
    registration_address: Option<String>,
}

impl fmt::Debug for CustomerFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[customer]")
    }
}

/// The fields of a line of an order.
pub(super) const ITEM: Fields = &[
    ("sku", Shape::Required(sku)),
    ("name", Shape::Required(|value| text(value, NAME_CHARS_MAX, Lines::One))),
    ("quantity", Shape::Required(is::<Quantity>)),
    ("price", Shape::Required(is::<Money>)),
    ("vat", Shape::Required(vat)),
    ("measure", Shape::Optional(|value| text(value, MEASURE_CHARS_MAX, Lines::One))),
    ("measure_code", Shape::Optional(|value| text(value, MEASURE_CODE_CHARS_MAX, Lines::One))),
    ("type", Shape::Optional(word::<GoodsKind>)),
];

/// The fields of a customer.
pub(super) const CUSTOMER: Fields = &[
    ("type", Shape::Optional(word::<CustomerKind>)),
    ("name", Shape::Optional(|value| text(value, 500, Lines::One))),
    ("phone", Shape::Optional(phone)),
    ("email", Shape::Optional(email)),
    ("vat_number", Shape::Optional(vat_number)),
    ("registration_address", Shape::Optional(|value| text(value, 1000, Lines::Many))),
];

/// Whether a text may have line breaks and tabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    One,
    Many,
}

/// Checks a text: its length without the blanks around it, and that it has no
/// control characters, which can garble receipts and e-mails.
pub(super) fn text(value: &Value, chars_max: usize, lines: Lines) -> Option<String> {
    let Value::String(text) = value else { return Some(String::EXPECTED.into()) };
    let is_break = |sign: char| lines == Lines::Many && matches!(sign, '\n' | '\r' | '\t');
    let text = text.trim();
    if text.chars().count() > chars_max {
        return Some(format!("must have at most {chars_max} characters"));
    }
    let is_plain = text.chars().all(|sign| !sign.is_control() || is_break(sign));
    (!is_plain).then(|| "must not have control characters".into())
}

/// Checks an identifier: of two that look the same, one could be another.
pub(super) fn identifier(value: &Value, bytes_max: usize) -> Option<String> {
    let Value::String(text) = value else { return Some(String::EXPECTED.into()) };
    if text.trim().is_empty() || text.len() > bytes_max {
        return Some(format!("must have from 1 to {bytes_max} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Some("must not have control characters".into());
    }
    let invisible = text.chars().find(|sign| is_obeyed(*sign))?;
    Some(format!("must not have the invisible character U+{:04X}", u32::from(invisible)))
}

fn sku(value: &Value) -> Option<String> {
    let is_long = value.as_str().is_some_and(|sku| sku.chars().count() > SKU_CHARS_MAX);
    if is_long {
        return Some(format!("must have from 1 to {SKU_CHARS_MAX} characters"));
    }
    identifier(value, SKU_CHARS_MAX * 4)
}

fn vat(value: &Value) -> Option<String> {
    let is_known = VatCode::deserialize(value).is_ok();
    (!is_known).then(|| {
        let codes: Vec<String> = VatCode::ALL.iter().map(VatCode::to_string).collect();
        format!("must be one of {}", codes.join(", "))
    })
}

/// Checks one of a few words.
pub(super) fn word<T: for<'de> Deserialize<'de> + PartialSchema>(value: &Value) -> Option<String> {
    T::deserialize(value).is_err().then(|| {
        let schema = serde_json::to_value(T::schema()).unwrap_or_default();
        let words = schema.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
        let words: Vec<String> = words.iter().map(Value::to_string).collect();
        format!("must be {}", words.join(" or "))
    })
}

fn email(value: &Value) -> Option<String> {
    text(value, 254, Lines::One).or_else(|| {
        let email = value.as_str().unwrap_or_default();
        let is_usable = email.trim().is_empty() || contact::email(email).is_some();
        (!is_usable).then(|| "must be an e-mail address such as anna@example.org".into())
    })
}

fn phone(value: &Value) -> Option<String> {
    text(value, 100, Lines::One).or_else(|| {
        let phone = value.as_str().unwrap_or_default();
        let is_usable = phone.trim().is_empty() || contact::phone(phone).is_some();
        (!is_usable)
            .then(|| "must be a telephone number with its country code such as +79001234567".into())
    })
}

fn vat_number(value: &Value) -> Option<String> {
    text(value, 20, Lines::One).or_else(|| {
        let number = value.as_str().unwrap_or_default().trim();
        let is_usable = number.is_empty() || contact::is_inn(number);
        (!is_usable).then(|| "must be an INN: 10 or 12 digits with the right check digits".into())
    })
}

/// Checks an address to which a buyer's browser may be redirected.
pub(super) fn page(value: &Value) -> Option<String> {
    let url = value.as_str().filter(|url| url.len() <= URL_BYTES_MAX);
    let url = url.and_then(|url| Url::parse(url).ok());
    let is_usable = url
        .is_some_and(|url| ["http", "https"].contains(&url.scheme()) && url.host_str().is_some());
    (!is_usable).then(|| {
        format!(
            "must be an address such as https://shop.example/page, of at most {URL_BYTES_MAX} bytes"
        )
    })
}

/// The lines that a site sends, with their totals.
pub(super) fn read_lines(items: Vec<Item>, faults: &mut Faults) -> Vec<Line> {
    let mut lines = Vec::with_capacity(items.len());
    for (item, place) in items.into_iter().zip(0..) {
        let priced =
            Line::priced(item.sku, free_text(&item.name), item.quantity, item.price, item.vat);
        match priced {
            Ok(mut line) => {
                line.measure = item.measure.unwrap_or(line.measure);
                line.measure_code = item.measure_code.unwrap_or(line.measure_code);
                line.kind = item.kind;
                lines.push(line);
            }
            Err(why) => faults.add(format!("/items/{place}/{}", why.field), why.why),
        }
    }
    lines
}

/// Adds what keeps lines from being a bill.
pub(super) fn add_faults_of_bill(faults: &mut Faults, found: Vec<BadBill>) {
    for BadBill { line, field, why } in found {
        let within = line.map_or(String::new(), |line| format!("/items/{line}"));
        faults.add(format!("{within}/{field}"), why);
    }
}

/// Checks until when an order can be paid.
pub(super) fn check_expiry(faults: &mut Faults, expires_at: Timestamp, now: Timestamp) {
    if expires_at <= now || between(now, expires_at) > DAY * EXPIRES_DAYS_MAX {
        let why = format!("must be in the future, and at most {EXPIRES_DAYS_MAX} days away");
        faults.add("/expires_at", why);
    }
}

/// The payer that a site names.
pub(super) fn read_customer(customer: CustomerFields) -> Customer {
    let CustomerFields { kind, name, phone, email, vat_number, registration_address } = customer;
    Customer { kind, name, phone, email, vat_number, registration_address }.tidied()
}
