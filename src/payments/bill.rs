//! Bills: lines, sums and taxes, exact to the kopeck and independent of any
//! payment system.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::vat::VatCode;
use super::wishes::PaymentWishes;
use crate::kernel::text::{self, free_lines, free_text};
use crate::kernel::{Fingerprint, Money, Quantity, Timestamp, contact};

/// The maximum number of lines of a bill.
pub const LINES_MAX: usize = 500;

/// The maximum length of a description, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 1000;

/// The maximum length of a line's name, in characters: the limit of fiscal
/// receipts.
pub const NAME_CHARS_MAX: usize = 128;

/// The maximum length of an article number that payment systems accept, in
/// characters.
pub const SKU_CHARS_MAX: usize = 36;

/// The maximum total of a bill, in kopecks: a thousand million roubles.
pub const AMOUNT_KOPECKS_MAX: i64 = 100_000_000_000;

/// What a payment is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bill {
    /// The description that the payer reads.
    pub description: String,
    pub lines: Vec<Line>,
    /// The sum of the lines, tax included.
    pub total: Money,
    /// The tax included in `total`.
    pub vat: Money,
    /// The payer.
    pub customer: Customer,
    /// The time until which it can be paid.
    pub expires_at: Timestamp,
    #[serde(default, skip_serializing_if = "PaymentWishes::are_none")]
    pub wishes: PaymentWishes,
}

/// One article of a bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The article number. Several lines may have the same one.
    pub sku: String,
    /// The code of the line at the payment system, if it is not the article
    /// number: no two lines of a bill have the same code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The line's place in the order, from 1, if it may differ from its place
    /// in this list: for example in a capture of a part of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    /// The name on the receipt.
    pub name: String,
    pub quantity: Quantity,
    /// The quantity of goods that the line is about, if that is not `quantity`.
    /// No unit price gives the line's total, so the goods are billed as one
    /// piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_quantity: Option<Quantity>,
    /// The price of one unit, tax included.
    pub price: Money,
    /// The line's total: price × quantity, to the nearest kopeck.
    pub total: Money,
    /// The tax included in `total`.
    pub vat: Money,
    /// The tax rate.
    pub vat_code: VatCode,
    /// The symbol of the unit.
    pub measure: String,
    /// The code of the unit in the OKEI classifier.
    pub measure_code: String,
    pub kind: GoodsKind,
}

/// The kind of what a line sells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoodsKind {
    #[default]
    Commodity,
    Service,
}

/// The payer. It is sent to the payment system and shown to nobody else.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    #[serde(default, rename = "type")]
    pub kind: CustomerKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The telephone number, with the country code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The e-mail address that the receipt is sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The INN of a company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vat_number: Option<String>,
    /// The address of a company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_address: Option<String>,
}

impl Customer {
    /// Returns the customer in the one form in which it is checked, stored and
    /// sent: see [`contact`]. An invalid e-mail address or telephone number
    /// becomes `None`.
    #[must_use]
    pub fn tidied(self) -> Customer {
        let text = |text: Option<String>| {
            text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        Customer {
            kind: self.kind,
            name: text(self.name).map(|name| free_text(&name)),
            phone: self.phone.as_deref().and_then(contact::phone),
            email: self.email.as_deref().and_then(contact::email),
            vat_number: text(self.vat_number),
            registration_address: text(self.registration_address).map(|text| free_lines(&text)),
        }
    }
}

impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[customer]")
    }
}

/// Whether the payer is a person or a company.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerKind {
    #[default]
    Private,
    /// A company, or a sole trader.
    Legal,
}

/// Why something cannot be billed, with the line at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}", field = self.field())]
pub struct BadBill {
    /// The index of the line, if it is about a line.
    pub line: Option<usize>,
    /// The field of the line or of the bill.
    pub field: &'static str,
    pub why: String,
}

impl BadBill {
    fn of_line(line: Option<usize>, field: &'static str, why: impl Into<String>) -> BadBill {
        BadBill { line, field, why: why.into() }
    }

    fn of_bill(field: &'static str, why: impl Into<String>) -> BadBill {
        BadBill { line: None, field, why: why.into() }
    }

    fn field(&self) -> String {
        match self.line {
            Some(line) => format!("items[{line}].{}", self.field),
            None => self.field.to_owned(),
        }
    }
}

/// Price × quantity to the nearest kopeck, halves rounded up; `None` on
/// overflow.
#[must_use]
pub fn multiply(price: Money, quantity: Quantity) -> Option<Money> {
    let thousandths = i128::from(price.kopecks()) * i128::from(quantity.thousandths());
    let kopecks = (thousandths + 500).div_euclid(1000);
    i64::try_from(kopecks).ok().map(Money::from_kopecks)
}

/// One piece, in thousandths.
const ONE: i64 = 1000;

impl Line {
    /// What keeps the line from being billed, with the field.
    fn fault(&self) -> Option<(&'static str, String)> {
        let name_chars = self.name.chars().count();
        if self.sku.trim().is_empty() {
            return Some(("sku", "must not be empty".into()));
        }
        if self.name.trim().is_empty() || name_chars > NAME_CHARS_MAX {
            return Some(("name", format!("must have from 1 to {NAME_CHARS_MAX} characters")));
        }
        if self.quantity <= Quantity::ZERO {
            return Some(("quantity", "must be greater than 0".into()));
        }
        if self.price < Money::ZERO || self.total < Money::ZERO {
            return Some(("price", "must not be below 0".into()));
        }
        if multiply(self.price, self.quantity) != Some(self.total) {
            return Some(("total", "is not price × quantity".into()));
        }
        let is_right = self.vat_code.inside(self.total) == self.vat;
        (!is_right).then(|| ("vat", "is not the rate's share of the total".into()))
    }
}

impl Line {
    /// The code of the line at the payment system.
    #[must_use]
    pub fn code(&self) -> &str {
        self.code.as_deref().unwrap_or(&self.sku)
    }

    /// The quantity of goods that the line is about.
    #[must_use]
    pub fn goods(&self) -> Quantity {
        self.of_quantity.unwrap_or(self.quantity)
    }

    /// Lines that sell `quantity` for exactly `total`, as many as prices in
    /// whole kopecks need. Pieces are split: 3 for 100.00 are billed as 2 ×
    /// 33.33 and 33.34. Weighed goods are billed as one piece, with the
    /// quantity in the name.
    pub fn sold_for(
        sku: &str,
        name: &str,
        quantity: Quantity,
        total: Money,
        named_price: Option<Money>,
        vat_code: VatCode,
    ) -> Result<Vec<Line>, BadBill> {
        let line = |quantity, price| {
            Line::priced(sku.into(), shortened(name, ""), quantity, price, vat_code)
        };
        let (thousandths, kopecks) = (quantity.thousandths(), total.kopecks());
        if thousandths <= 0 || kopecks < 0 {
            let why = format!("{quantity} of {sku} for {total} cannot be billed");
            return Err(BadBill::of_line(None, "quantity", why));
        }
        let gives = |price: &Money| multiply(*price, quantity) == Some(total);
        if let Some(price) = named_price.filter(gives) {
            return Ok(vec![line(quantity, price)?]);
        }
        // Pieces of which some would cost nothing are billed as one piece
        // instead.
        let pieces = thousandths / ONE;
        if thousandths % ONE == 0 && (kopecks >= pieces || kopecks == 0) {
            let (price, dearer) = (kopecks / pieces, kopecks % pieces);
            let parts = [(pieces - dearer, price), (dearer, price + 1)];
            let parts = parts.into_iter().filter(|(pieces, _)| *pieces > 0);
            return parts
                .map(|(pieces, price)| {
                    line(Quantity::from_thousandths(pieces * ONE), Money::from_kopecks(price))
                })
                .collect();
        }
        let nearest = (i128::from(kopecks) * 2 * i128::from(ONE) + i128::from(thousandths))
            / (2 * i128::from(thousandths));
        let nearest = i64::try_from(nearest).ok().map(Money::from_kopecks);
        if let Some(price) = nearest.filter(gives) {
            return Ok(vec![line(quantity, price)?]);
        }
        let name = named_with(name, quantity);
        let one = Line::priced(sku.into(), name, Quantity::from_thousandths(ONE), total, vat_code)?;
        Ok(vec![Line { of_quantity: Some(quantity), ..one }])
    }

    /// The line for payment systems that need exact prices: either price ×
    /// quantity has no fraction of a kopeck, or the goods are billed as one
    /// piece.
    #[must_use]
    pub fn with_exact_price(&self) -> Line {
        let product = i128::from(self.price.kopecks()) * i128::from(self.quantity.thousandths());
        if product == i128::from(self.total.kopecks()) * i128::from(ONE) {
            return self.clone();
        }
        Line {
            name: shortened(&self.name, &format!(" × {} {}", self.quantity, self.measure)),
            quantity: Quantity::from_thousandths(ONE),
            of_quantity: Some(self.goods()),
            price: self.total,
            measure: "шт".to_owned(),
            measure_code: "796".to_owned(),
            ..self.clone()
        }
    }

    /// A line whose total and tax are computed from price, quantity and rate.
    pub fn priced(
        sku: String,
        name: String,
        quantity: Quantity,
        price: Money,
        vat_code: VatCode,
    ) -> Result<Line, BadBill> {
        let total = multiply(price, quantity)
            .ok_or_else(|| BadBill::of_line(None, "price", "price × quantity is too large"))?;
        let vat = vat_code.inside(total);
        let (measure, measure_code) = ("шт".to_owned(), "796".to_owned());
        Ok(Line {
            sku,
            code: None,
            name,
            quantity,
            place: None,
            of_quantity: None,
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

/// Shortens a name so that it has at most [`NAME_CHARS_MAX`] characters and
/// ends in `end`.
fn shortened(name: &str, end: &str) -> String {
    let room = NAME_CHARS_MAX.saturating_sub(end.chars().count());
    // Receipts accept no control characters.
    text::clean(name).chars().take(room).chain(end.chars()).take(NAME_CHARS_MAX).collect()
}

/// A line's name with the quantity of goods appended.
pub(super) fn named_with(name: &str, quantity: Quantity) -> String {
    shortened(name, &format!(" × {quantity}"))
}

/// Gives each line a code of its own. It is the article number if that is short
/// enough and occurs once. Longer ones are shortened, and repeated ones get a
/// numeric suffix from the second on.
fn give_codes(lines: &mut [Line]) {
    let natural: Vec<String> = lines.iter().map(|line| short_sku(&line.sku)).collect();
    let mut used: BTreeSet<String> = BTreeSet::new();
    for (line, natural_code) in lines.iter_mut().zip(&natural) {
        let mut code = natural_code.clone();
        let mut number = 1_u32;
        while used.contains(&code) || (number > 1 && natural.contains(&code)) {
            number += 1;
            let end = format!("-{number}");
            code =
                natural_code.chars().take(SKU_CHARS_MAX - end.len()).chain(end.chars()).collect();
        }
        used.insert(code.clone());
        line.code = Some(code).filter(|code| *code != line.sku);
    }
}

/// Shortens an article number to what payment systems accept. One that is too
/// long keeps its beginning and gets a part of its fingerprint, so that two
/// articles with the same beginning stay different.
fn short_sku(sku: &str) -> String {
    if sku.chars().count() <= SKU_CHARS_MAX {
        return sku.to_owned();
    }
    let sign = Fingerprint::of(&[b"article", sku.as_bytes()]).to_string();
    let end = format!("~{}", &sign[..8]);
    sku.chars().take(SKU_CHARS_MAX - end.len()).chain(end.chars()).collect()
}

impl Bill {
    /// A bill over `lines`. Checks them and computes the sums.
    pub fn over(
        description: String,
        mut lines: Vec<Line>,
        customer: Customer,
        expires_at: Timestamp,
    ) -> Result<Bill, BadBill> {
        if let Some(fault) = Bill::faults(&description, &lines).into_iter().next() {
            return Err(fault);
        }
        let sum = |of: fn(&Line) -> Money| {
            lines.iter().fold(0, |sum: i64, line| sum.saturating_add(of(line).kopecks()))
        };
        let (total, vat) = (sum(|line| line.total), sum(|line| line.vat));
        let (total, vat) = (Money::from_kopecks(total), Money::from_kopecks(vat));
        give_codes(&mut lines);
        let wishes = PaymentWishes::default();
        Ok(Bill { description, lines, total, vat, customer, expires_at, wishes })
    }

    /// Everything that keeps these lines from being a bill.
    #[must_use]
    pub fn faults(description: &str, lines: &[Line]) -> Vec<BadBill> {
        let mut faults = Vec::new();
        if lines.is_empty() || lines.len() > LINES_MAX {
            let why = format!("must have from 1 to {LINES_MAX} lines, not {}", lines.len());
            faults.push(BadBill::of_bill("items", why));
        }
        if description.trim().is_empty() || description.chars().count() > DESCRIPTION_CHARS_MAX {
            let why = format!("must have from 1 to {DESCRIPTION_CHARS_MAX} characters");
            faults.push(BadBill::of_bill("description", why));
        }
        faults.extend(lines.iter().enumerate().filter_map(|(place, line)| {
            let (field, why) = line.fault()?;
            Some(BadBill::of_line(Some(place), field, why))
        }));
        let total = lines.iter().fold(0, |sum: i64, line| sum.saturating_add(line.total.kopecks()));
        if faults.is_empty() && (total <= 0 || total > AMOUNT_KOPECKS_MAX) {
            let total_max = Money::from_kopecks(AMOUNT_KOPECKS_MAX);
            let why = format!("must have a total greater than 0 and at most {total_max}");
            faults.push(BadBill::of_bill("items", why));
        }
        faults
    }

    /// Checks the total that the sender states, if it states one.
    pub fn agrees(&self, stated: Option<Money>) -> Result<(), BadBill> {
        match stated {
            Some(total) if total != self.total => Err(BadBill::of_bill(
                "total",
                format!("is {total}, but the lines add up to {}", self.total),
            )),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
