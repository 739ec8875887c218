//! What is owed: lines, sums and taxes, exact to the kopeck, in nobody's dialect.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::vat::VatCode;
use crate::kernel::{Money, Quantity, Timestamp};

/// The most lines of a bill.
pub const LINES_MAX: usize = 500;

/// The longest description, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 1000;

/// The longest name of a line, in characters: what a fiscal receipt takes.
pub const NAME_CHARS_MAX: usize = 128;

/// The longest article number, in characters.
pub const SKU_CHARS_MAX: usize = 36;

/// The largest sum that a bill may have, in kopecks: a thousand million roubles.
pub const AMOUNT_KOPECKS_MAX: i64 = 100_000_000_000;

/// What is to be paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bill {
    /// What the payer reads.
    pub description: String,
    /// The lines.
    pub lines: Vec<Line>,
    /// Their sum, the tax inside it.
    pub total: Money,
    /// The tax in it.
    pub vat: Money,
    /// Who pays.
    pub customer: Customer,
    /// Until when it can be paid.
    pub expires_at: Timestamp,
}

/// A line of a bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The article; a line is refunded by it.
    pub sku: String,
    /// What it is called on the receipt.
    pub name: String,
    /// How much.
    pub quantity: Quantity,
    /// The price of one, tax included.
    pub price: Money,
    /// The line's sum: price × quantity to the nearest kopeck.
    pub total: Money,
    /// The tax in the sum.
    pub vat: Money,
    /// Its rate.
    pub vat_code: VatCode,
    /// The unit's sign.
    pub measure: String,
    /// The unit's code in the classifier OKEI.
    pub measure_code: String,
    /// Goods or a service.
    pub kind: GoodsKind,
}

/// What a line sells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GoodsKind {
    /// Goods.
    #[default]
    Commodity,
    /// A service.
    Service,
}

/// Who pays. It is sent to the payment system and shown to nobody else.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    /// A person or a company.
    #[serde(default, rename = "type")]
    pub kind: CustomerKind,
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// The telephone, with the country's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub phone: Option<String>,
    /// Where the receipt goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub email: Option<String>,
    /// A company's INN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 20, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub vat_number: Option<String>,
    /// A company's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000, pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$")]
    pub registration_address: Option<String>,
}

impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[customer]")
    }
}

/// A person or a company.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CustomerKind {
    /// A person.
    #[default]
    Private,
    /// A company, or a sole trader.
    Legal,
}

/// Why something cannot be billed, with the line it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadBill(String);

/// Price × quantity to the nearest kopeck, halves upwards; none if it is more than can be.
#[must_use]
pub fn multiply(price: Money, quantity: Quantity) -> Option<Money> {
    let thousandths = i128::from(price.kopecks()) * i128::from(quantity.thousandths());
    let kopecks = (thousandths + 500).div_euclid(1000);
    i64::try_from(kopecks).ok().map(Money::from_kopecks)
}

impl Line {
    /// A line whose sum and tax follow from price, quantity and rate.
    pub fn priced(
        sku: String,
        name: String,
        (quantity, price): (Quantity, Money),
        vat_code: VatCode,
    ) -> Result<Line, BadBill> {
        let total =
            multiply(price, quantity).ok_or_else(|| BadBill(format!("{sku}: the sum is too large")))?;
        let vat = vat_code.inside(total);
        let (measure, measure_code) = ("шт".to_owned(), "796".to_owned());
        Ok(Line {
            sku,
            name,
            quantity,
            price,
            total,
            vat,
            vat_code,
            measure,
            measure_code,
            kind: GoodsKind::Commodity,
        })
    }
}

impl Bill {
    /// A bill over `lines`, summed and checked.
    pub fn over(
        description: String,
        lines: Vec<Line>,
        customer: Customer,
        expires_at: Timestamp,
    ) -> Result<Bill, BadBill> {
        let bad = |why: String| Err(BadBill(why));
        if lines.is_empty() || lines.len() > LINES_MAX {
            return bad(format!("items: {} lines, from 1 to {LINES_MAX} are possible", lines.len()));
        }
        if description.trim().is_empty() || description.chars().count() > DESCRIPTION_CHARS_MAX {
            return bad(format!("description: from 1 to {DESCRIPTION_CHARS_MAX} characters"));
        }
        let (mut total, mut vat) = (0_i64, 0_i64);
        for (place, line) in lines.iter().enumerate() {
            let in_line = |why: &str| bad(format!("items[{place}]: {why}"));
            if line.sku.trim().is_empty() || line.sku.chars().count() > SKU_CHARS_MAX {
                return in_line(&format!("sku: from 1 to {SKU_CHARS_MAX} characters"));
            }
            if lines[..place].iter().any(|other| other.sku == line.sku) {
                return in_line("sku: it stands in an earlier line already, and lines are refunded by it");
            }
            if line.name.trim().is_empty() || line.name.chars().count() > NAME_CHARS_MAX {
                return in_line(&format!("name: from 1 to {NAME_CHARS_MAX} characters"));
            }
            if line.quantity <= Quantity::ZERO {
                return in_line("quantity: it must be more than nought");
            }
            if line.price < Money::ZERO || line.total < Money::ZERO {
                return in_line("price: it must not be below nought");
            }
            if multiply(line.price, line.quantity) != Some(line.total) {
                return in_line("total: it is not price × quantity");
            }
            if line.vat_code.inside(line.total) != line.vat {
                return in_line("vat: it is not the rate's share of the total");
            }
            total = total.saturating_add(line.total.kopecks());
            vat = vat.saturating_add(line.vat.kopecks());
        }
        if total <= 0 || total > AMOUNT_KOPECKS_MAX {
            let most = Money::from_kopecks(AMOUNT_KOPECKS_MAX);
            return bad(format!("items: the total must be more than nought and at most {most}"));
        }
        let (total, vat) = (Money::from_kopecks(total), Money::from_kopecks(vat));
        Ok(Bill { description, lines, total, vat, customer, expires_at })
    }

    /// Checks what somebody else reckons the sum to be, if they say so.
    pub fn agrees(&self, reckoned: Option<Money>) -> Result<(), BadBill> {
        match reckoned {
            Some(total) if total != self.total => {
                Err(BadBill(format!("total: {total}, but the lines come to {}", self.total)))
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(sku: &str, quantity: i64, price: i64) -> Line {
        let (quantity, price) = (Quantity::from_thousandths(quantity), Money::from_kopecks(price));
        Line::priced(sku.into(), "Молоко".into(), (quantity, price), VatCode::Ten).expect("a line")
    }

    fn bill(lines: Vec<Line>) -> Result<Bill, BadBill> {
        Bill::over("Заказ".into(), lines, Customer::default(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_bill_adds_up() {
        let bill = bill(vec![line("1", 2000, 12_990), line("2", 355, 9999)]).expect("a bill");
        // 0.355 × 99.99 = 35.49645
        assert_eq!((bill.lines[1].total.kopecks(), bill.total.kopecks()), (3550, 29_530));
        assert_eq!(bill.vat.kopecks(), 2362 + 323);
    }

    #[test]
    fn what_cannot_be_billed_is_said_with_its_line() {
        let why = |lines| bill(lines).expect_err("a bad bill").to_string();
        assert!(why(vec![]).contains("from 1 to 500"));
        assert!(why(vec![line("1", 1000, 0)]).contains("more than nought"));
        assert!(why(vec![line("1", 1000, 100), line("1", 1000, 100)]).starts_with("items[1]: sku"));
        assert!(why(vec![line("1", 0, 100)]).starts_with("items[0]: quantity"));
        assert!(why(vec![line("1", 1000, -100)]).starts_with("items[0]: price"));
        let wrong = Line { total: Money::from_kopecks(101), ..line("1", 1000, 100) };
        assert!(why(vec![wrong]).contains("price × quantity"));
        let wrong = Line { vat: Money::from_kopecks(1), ..line("1", 1000, 100) };
        assert!(why(vec![wrong]).contains("rate's share"));
        assert!(why(vec![line("1", 1000, AMOUNT_KOPECKS_MAX), line("2", 1000, 1)]).contains("at most"));
    }

    #[test]
    fn a_customer_does_not_print() {
        let customer = Customer { name: Some("Анна".into()), ..Customer::default() };
        assert_eq!(format!("{customer:?}"), "[customer]");
    }

    proptest! {
        #[test]
        fn no_price_and_quantity_make_the_sums_panic(quantity: i64, price: i64) {
            let line = Line::priced("1".into(), "x".into(), (Quantity::from_thousandths(quantity), Money::from_kopecks(price)), VatCode::Twenty);
            let _ = line.map(|line| bill(vec![line]));
        }
    }
}
