//! What the fields of an order may hold, and what is said when they hold something else.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::problem::Problem;
use crate::kernel::text::{free_text, is_obeyed};
use crate::kernel::time::between;
use crate::kernel::{Money, Quantity, Timestamp};
use crate::payments::{Customer, CustomerKind, GoodsKind, Line, SKU_CHARS_MAX, VatCode};
use crate::views::schema::{MoneyText, QuantityText, word_schema};

/// The most days that an order can be paid.
const EXPIRES_DAYS_MAX: u32 = 366;

/// The longest name of a unit and its longest code, in characters.
const MEASURE_CHARS_MAX: usize = 10;
const MEASURE_CODE_CHARS_MAX: usize = 4;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A line of an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    /// Your number of the article.
    #[schema(
        min_length = 1,
        max_length = 36,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        example = "123456"
    )]
    sku: String,
    /// What the payer and the receipt call it.
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
    /// The unit's name, "шт" if it is left out.
    #[schema(max_length = 10, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "шт")]
    measure: Option<String>,
    /// The unit's code in ОКЕИ, 796 if it is left out.
    #[schema(max_length = 4, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "796")]
    measure_code: Option<String>,
    #[serde(default, rename = "type")]
    kind: GoodsKind,
}

word_schema!(GoodsKind, "GoodsKind", "What a line sells.", ["commodity", "service"]);
word_schema!(CustomerKind, "CustomerKind", "A person or a company.", ["private", "legal"]);

/// Who pays. It is sent to the payment system and shown to nobody else.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Customer)]
pub(super) struct CustomerFields {
    #[serde(default, rename = "type")]
    kind: CustomerKind,
    /// The buyer's name.
    #[schema(max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: Option<String>,
    /// The telephone, with the country's code.
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    phone: Option<String>,
    /// Where the receipt goes.
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    email: Option<String>,
    /// A company's INN.
    #[schema(max_length = 20, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    vat_number: Option<String>,
    /// A company's address.
    #[schema(max_length = 1000, pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$")]
    registration_address: Option<String>,
}

impl fmt::Debug for CustomerFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[customer]")
    }
}

/// Refuses control characters, which do strange things in receipts and in e-mails: all, or those that are no breaks.
pub(super) fn check_text(field: &str, text: &str, has_lines: bool) -> Result<(), Problem> {
    let may_stand = |sign: char| !sign.is_control() || (has_lines && matches!(sign, '\n' | '\r' | '\t'));
    if text.chars().all(may_stand) {
        return Ok(());
    }
    Err(Problem::validation_failed(format!("{field}: it has control characters, take them out")))
}

/// Refuses characters that do not show in what identifies something: two that look the same would be two.
pub(super) fn check_visible(field: &str, text: &str) -> Result<(), Problem> {
    match text.chars().find(|c| is_obeyed(*c)) {
        None => Ok(()),
        Some(c) => Err(Problem::validation_failed(format!(
            "{field}: it has a character that does not show, U+{:04X}: take it out",
            u32::from(c)
        ))),
    }
}

/// The lines that a site asks for, reckoned.
pub(super) fn read_lines(items: Vec<Item>) -> Result<Vec<Line>, Problem> {
    let unusable = |why: String| Problem::validation_failed(why);
    let line = |(place, item): (usize, Item)| {
        let texts = [("sku", Some(&item.sku)), ("name", Some(&item.name))];
        let texts = texts
            .into_iter()
            .chain([("measure", item.measure.as_ref()), ("measure_code", item.measure_code.as_ref())]);
        for (field, text) in texts {
            check_text(&format!("items[{place}].{field}"), text.map_or("", String::as_str), false)?;
        }
        if item.sku.chars().count() > SKU_CHARS_MAX {
            return Err(unusable(format!("items[{place}].sku: from 1 to {SKU_CHARS_MAX} characters")));
        }
        check_visible(&format!("items[{place}].sku"), &item.sku)?;
        let priced = Line::priced(item.sku, free_text(&item.name), item.quantity, item.price, item.vat);
        let mut line = priced.map_err(|why| unusable(format!("items[{place}]: {why}")))?;
        line.measure = item.measure.unwrap_or(line.measure);
        line.measure_code = item.measure_code.unwrap_or(line.measure_code);
        if line.measure.chars().count() > MEASURE_CHARS_MAX
            || line.measure_code.chars().count() > MEASURE_CODE_CHARS_MAX
        {
            return Err(unusable(format!(
                "items[{place}]: measure has at most {MEASURE_CHARS_MAX} characters, measure_code at most {MEASURE_CODE_CHARS_MAX}"
            )));
        }
        line.kind = item.kind;
        Ok(line)
    };
    items.into_iter().enumerate().map(line).collect()
}

/// Until when an order can be paid.
pub(super) fn until(expires_at: Timestamp, now: Timestamp) -> Result<Timestamp, Problem> {
    if expires_at <= now || between(now, expires_at) > DAY * EXPIRES_DAYS_MAX {
        let why = format!("expires_at: it must lie ahead, by {EXPIRES_DAYS_MAX} days at most");
        return Err(Problem::validation_failed(why));
    }
    Ok(expires_at)
}

/// The payer that a site names. Refuses what no payment system would take.
pub(super) fn read_customer(customer: CustomerFields) -> Result<Customer, Problem> {
    let CustomerFields { kind, name, phone, email, vat_number, registration_address } = customer;
    for (field, value, most) in [
        ("name", &name, 500),
        ("phone", &phone, 100),
        ("email", &email, 100),
        ("vat_number", &vat_number, 20),
        ("registration_address", &registration_address, 1000),
    ] {
        // As it is sent: without the blanks around it.
        let text = value.as_deref().unwrap_or_default().trim();
        if text.chars().count() > most {
            return Err(Problem::validation_failed(format!("customer.{field}: at most {most} characters")));
        }
        check_text(&format!("customer.{field}"), text, field == "registration_address")?;
    }
    Ok(Customer { kind, name, phone, email, vat_number, registration_address }.tidied())
}
