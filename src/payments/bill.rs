//! What is owed: lines, sums and taxes, exact to the kopeck, in nobody's dialect.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::vat::VatCode;
use crate::kernel::text::{self, free_lines, free_text};
use crate::kernel::{Fingerprint, Money, Quantity, Timestamp, contact};

/// The most lines of a bill.
pub const LINES_MAX: usize = 500;

/// The longest description, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 1000;

/// The longest name of a line, in characters: what a fiscal receipt takes.
pub const NAME_CHARS_MAX: usize = 128;

/// The longest article number that payment systems take, in characters.
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
    /// The article. It may stand in several lines.
    pub sku: String,
    /// What the payment system knows the line by, where that is not the article: no two lines of a bill share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Its place in the order, 1 for the first, where it stands among others than in the order: in what was taken of money that
    /// was held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    /// What it is called on the receipt.
    pub name: String,
    /// How much.
    pub quantity: Quantity,
    /// So much of the goods that were sold is meant, where that is not `quantity`: no price of one gives the sum, so they are
    /// named as one thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_quantity: Option<Quantity>,
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoodsKind {
    /// Goods.
    #[default]
    Commodity,
    /// A service.
    Service,
}

/// Who pays. It is sent to the payment system and shown to nobody else.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// A person or a company.
    #[serde(default, rename = "type")]
    pub kind: CustomerKind,
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The telephone, with the country's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Where the receipt goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A company's INN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vat_number: Option<String>,
    /// A company's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_address: Option<String>,
}

impl Customer {
    /// The same in the one form in which it is judged, stored and sent: see [`contact`]. What cannot be an address or a number
    /// is none.
    #[must_use]
    pub fn tidied(self) -> Customer {
        let text =
            |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
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

/// A person or a company.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// One piece, in thousandths.
const ONE: i64 = 1000;

impl Line {
    /// What the payment system knows the line by.
    #[must_use]
    pub fn code(&self) -> &str {
        self.code.as_deref().unwrap_or(&self.sku)
    }

    /// How much of the goods it is about.
    #[must_use]
    pub fn goods(&self) -> Quantity {
        self.of_quantity.unwrap_or(self.quantity)
    }

    /// `quantity` for `total` in all, in as many lines as it takes for prices in whole kopecks: pieces are split, 3 for 100.00
    /// into 2 × 33.33 and 33.34; what is weighed is sold as one, with the quantity in its name.
    pub fn sold_for(
        sku: &str,
        name: &str,
        quantity: Quantity,
        total: Money,
        named_price: Option<Money>,
        vat_code: VatCode,
    ) -> Result<Vec<Line>, BadBill> {
        let line = |quantity, price| Line::priced(sku.into(), shortened(name, ""), quantity, price, vat_code);
        let (thousandths, kopecks) = (quantity.thousandths(), total.kopecks());
        if thousandths <= 0 || kopecks < 0 {
            return Err(BadBill(format!("{sku}: {quantity} for {total}")));
        }
        let gives = |price: &Money| multiply(*price, quantity) == Some(total);
        if let Some(price) = named_price.filter(gives) {
            return Ok(vec![line(quantity, price)?]);
        }
        // Pieces of which some would cost nothing are named as one thing.
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

    /// The same line where prices are exact: price × quantity has no fraction of a kopeck, or it is one thing.
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

    /// A line whose sum and tax follow from price, quantity and rate.
    pub fn priced(
        sku: String,
        name: String,
        quantity: Quantity,
        price: Money,
        vat_code: VatCode,
    ) -> Result<Line, BadBill> {
        let total =
            multiply(price, quantity).ok_or_else(|| BadBill(format!("{sku}: the sum is too large")))?;
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

/// A name of at most [`NAME_CHARS_MAX`] characters that ends in `end`, whatever must be left out before it.
fn shortened(name: &str, end: &str) -> String {
    let room = NAME_CHARS_MAX.saturating_sub(end.chars().count());
    // No receipt takes control characters.
    text::clean(name).chars().take(room).chain(end.chars()).take(NAME_CHARS_MAX).collect()
}

/// A line's name with how much of it is meant.
pub(super) fn named_with(name: &str, quantity: Quantity) -> String {
    shortened(name, &format!(" × {quantity}"))
}

/// Gives each line a code of its own: the article where it is short enough and stands once; the others are shortened, and
/// numbered behind the first.
fn give_codes(lines: &mut [Line]) {
    let natural: Vec<String> = lines.iter().map(|line| short_sku(&line.sku)).collect();
    let mut used: BTreeSet<String> = BTreeSet::new();
    for (line, natural_code) in lines.iter_mut().zip(&natural) {
        let mut code = natural_code.clone();
        let mut number = 1_u32;
        while used.contains(&code) || (number > 1 && natural.contains(&code)) {
            number += 1;
            let end = format!("-{number}");
            code = natural_code.chars().take(SKU_CHARS_MAX - end.len()).chain(end.chars()).collect();
        }
        used.insert(code.clone());
        line.code = Some(code).filter(|code| *code != line.sku);
    }
}

/// An article number as it fits payment systems. One that is too long keeps its beginning and gets a sign of the whole, so
/// that two that begin alike stay two.
fn short_sku(sku: &str) -> String {
    if sku.chars().count() <= SKU_CHARS_MAX {
        return sku.to_owned();
    }
    let sign = Fingerprint::of(&[b"article", sku.as_bytes()]).to_string();
    let end = format!("~{}", &sign[..8]);
    sku.chars().take(SKU_CHARS_MAX - end.len()).chain(end.chars()).collect()
}

impl Bill {
    /// A bill over `lines`, summed and checked.
    pub fn over(
        description: String,
        mut lines: Vec<Line>,
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
            if line.sku.trim().is_empty() {
                return in_line("sku: it is empty");
            }
            if line.name.trim().is_empty() || line.name.chars().count() > NAME_CHARS_MAX {
                return in_line(&format!("name: from 1 to {NAME_CHARS_MAX} characters"));
            }
            if line.quantity <= Quantity::ZERO {
                return in_line("quantity: it must be greater than 0");
            }
            if line.price < Money::ZERO || line.total < Money::ZERO {
                return in_line("price: it must not be below 0");
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
            return bad(format!("items: the total must be greater than 0 and at most {most}"));
        }
        let (total, vat) = (Money::from_kopecks(total), Money::from_kopecks(vat));
        give_codes(&mut lines);
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
mod tests;
