//! Calculates what the buyer of a marketplace's order pays, and for what: the
//! sum on which its hooks agree, with a line for every article, or the reason
//! why nothing can be requested.
//!
//! Nothing here does I/O. Every ambiguity ends in [`NotCharged`], which goes to
//! a person: a wrong sum, or a receipt that does not name the goods, is worse
//! than a link that is late.

use std::time::Duration;

use crate::kernel::time::later;
use crate::kernel::{ExternalId, Money, Quantity, Timestamp};
use crate::orders::{Content, NotCharged, Position, Sums, Unread};
use crate::payments::{
    BadBill, Bill, Customer, DESCRIPTION_CHARS_MAX, GoodsKind, Line, VatCode, multiply, spread,
};

/// How long the order of a marketplace can be paid, in days.
const LINK_DAYS: u64 = 7;

/// The tax rates for a source's orders. The marketplace does not send them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// The rate of the goods.
    pub goods: VatCode,
    /// The rate of the delivery.
    pub delivery: VatCode,
}

/// The bill for the content of an order, as its hooks state it.
pub fn charge(
    content: &Content,
    external_id: &ExternalId,
    rates: Rates,
    customer: Customer,
    now: Timestamp,
) -> Result<Bill, NotCharged> {
    let lines = lines(content, rates)?;
    let description: String =
        format!("Заказ {external_id}").chars().take(DESCRIPTION_CHARS_MAX).collect();
    let expires_at = later(now, Duration::from_secs(LINK_DAYS * 24 * 3600));
    Bill::over(description, lines, customer, expires_at).map_err(no_bill)
}

fn no_bill(why: BadBill) -> NotCharged {
    NotCharged::Bill { detail: why.to_string() }
}

/// The lines of the bill: every article that is charged, and the delivery if it
/// has a price of its own.
fn lines(content: &Content, rates: Rates) -> Result<Vec<Line>, NotCharged> {
    if content.unread != Unread::Nothing {
        return Err(NotCharged::UnreadLines);
    }
    if content.sums.has_unread || content.own_sums.has_unread {
        return Err(NotCharged::UnreadSum);
    }
    let charged: Vec<&Position> =
        content.positions.iter().filter(|position| position.is_charged()).collect();
    if charged.is_empty() {
        return Err(NotCharged::NoLines);
    }
    for position in &charged {
        let sku = || position.sku.clone();
        match position.quantity {
            None => return Err(NotCharged::UnreadQuantity { sku: sku() }),
            Some(quantity) if quantity < Quantity::ZERO => {
                return Err(NotCharged::Negative { sku: sku() });
            }
            Some(_) => {}
        }
    }
    let (total, of_goods) = agreed(content, &charged)?;
    let sums = of_goods.iter().map(|sum| sum.kopecks()).collect::<Vec<_>>();
    let (goods, delivery) = parted(content, total, &sums, charged.len())?;
    let above = || NotCharged::AboveLines { total, of_lines: Money::from_kopecks(sum_of(&sums)) };
    let shares = spread(goods.kopecks(), &sums).ok_or_else(above)?;
    let mut lines = Vec::with_capacity(charged.len() + 1);
    for (position, share) in charged.iter().zip(shares) {
        let name = position.name.clone().unwrap_or_else(|| format!("Артикул {}", position.sku));
        let sold = (position.known_quantity(), Money::from_kopecks(share));
        let price = unit_price(position);
        lines.extend(
            Line::sold_for(&position.sku, &name, sold.0, sold.1, price, rates.goods)
                .map_err(no_bill)?,
        );
    }
    if let Some(cost) = delivery {
        let one = (Quantity::from_thousandths(1000), cost);
        let line =
            Line::priced(DELIVERY_SKU.into(), "Доставка".into(), one.0, one.1, rates.delivery)
                .map_err(no_bill)?;
        lines.push(Line { kind: GoodsKind::Service, ..line });
    }
    Ok(lines)
}

/// The article code of the delivery, which is not an article of the shop.
const DELIVERY_SKU: &str = "delivery";

/// The total on which all statements agree, and the sum of each line before the
/// difference is distributed.
fn agreed(content: &Content, charged: &[&Position]) -> Result<(Money, Vec<Money>), NotCharged> {
    let own = amount(&content.own_sums)?;
    let of_goods = match (own, charged) {
        // A total covers all lines, so it is the sum of the only one.
        (Some(total), [only]) if is_silent(only) => vec![total],
        (_, _) => sums_of_lines(content, charged, own)?,
    };
    let kopecks = of_goods.iter().map(|sum| sum.kopecks()).collect::<Vec<_>>();
    let total = own.unwrap_or_else(|| Money::from_kopecks(sum_of(&kopecks)));
    match amount(&content.sums)? {
        Some(newest) if newest != total => {
            Err(NotCharged::OtherTotal { of_lines: total, stated: newest })
        }
        Some(_) | None => Ok((total, of_goods)),
    }
}

/// The sum of each line, as stated or, if there is a total to compare with, by
/// its price.
fn sums_of_lines(
    content: &Content,
    charged: &[&Position],
    own: Option<Money>,
) -> Result<Vec<Money>, NotCharged> {
    let mut sums = Vec::with_capacity(charged.len());
    for position in charged {
        let sku = || position.sku.clone();
        if position.has_unread_sum {
            return Err(NotCharged::UnreadLineSum { sku: sku() });
        }
        let by_price = || own.and_then(|_| sum_by_price(position));
        let sum = match (stated(position).or_else(by_price), own) {
            (Some(sum), _) => sum,
            (None, Some(_)) => return Err(NotCharged::NoSumOrPrice { sku: sku() }),
            (None, None) => return Err(NotCharged::NoSum { sku: sku() }),
        };
        if sum < Money::ZERO {
            return Err(NotCharged::Negative { sku: sku() });
        }
        sums.push(sum);
    }
    // A sum with discounts of 0.00 means that the line is a gift, or that it
    // has no discount: the total shows which.
    let Some(ambiguous) = charged.iter().find(|position| is_gift_or_undiscounted(position)) else {
        return Ok(sums);
    };
    let as_gifts: Vec<Money> = charged
        .iter()
        .zip(&sums)
        .map(|(position, sum)| if is_gift_or_undiscounted(position) { Money::ZERO } else { *sum })
        .collect();
    let total_of =
        |sums: &[Money]| sums.iter().fold(0_i64, |sum, line| sum.saturating_add(line.kopecks()));
    let fits = |sums: &[Money]| {
        let delivery = content.sums.delivery_cost.map_or(0, Money::kopecks);
        own.is_some_and(|own| {
            [0, delivery].iter().any(|cost| {
                is_about(own.kopecks().saturating_sub(*cost), total_of(sums), charged.len())
            })
        })
    };
    match (fits(&as_gifts), fits(&sums)) {
        (true, false) => Ok(as_gifts),
        (false, true) => Ok(sums),
        (true, true) | (false, false) => {
            Err(NotCharged::GiftOrUndiscounted { sku: ambiguous.sku.clone() })
        }
    }
}

/// Whether the line states neither a sum nor a price.
fn is_silent(position: &Position) -> bool {
    !position.has_unread_sum && stated(position).is_none() && unit_price(position).is_none()
}

fn is_gift_or_undiscounted(position: &Position) -> bool {
    position.discount_total == Some(Money::ZERO)
        && position.total.is_some_and(|total| total > Money::ZERO)
}

/// Whether two sums of `lines` lines differ by no more than rounding: one
/// kopeck per line.
fn is_about(kopecks: i64, other: i64, lines: usize) -> bool {
    let tolerance = i64::try_from(lines).unwrap_or(i64::MAX);
    kopecks.saturating_sub(other).saturating_abs() <= tolerance
}

fn sum_of(kopecks: &[i64]) -> i64 {
    kopecks.iter().fold(0, |sum, kopecks| sum.saturating_add(*kopecks))
}

/// What the buyer pays, from sums that are stated together.
fn amount(sums: &Sums) -> Result<Option<Money>, NotCharged> {
    match (sums.discount_total, sums.total) {
        (Some(Money::ZERO), Some(total)) if total > Money::ZERO => {
            Err(NotCharged::ZeroWithDiscounts { total })
        }
        (Some(total), _) | (None, Some(total)) => Ok(Some(total)),
        (None, None) => Ok(None),
    }
}

/// The sum that a line states. A sum with discounts of 0 may mean that there is
/// no discount.
fn stated(position: &Position) -> Option<Money> {
    position
        .discount_total
        .filter(|sum| *sum != Money::ZERO)
        .or(position.total)
        .or(position.discount_total)
}

fn unit_price(position: &Position) -> Option<Money> {
    position.discount_price.filter(|price| *price > Money::ZERO).or(position.price)
}

/// The sum of a line by its price, if it states no sum.
fn sum_by_price(position: &Position) -> Option<Money> {
    multiply(unit_price(position)?, position.quantity?)
}

/// Splits the total into the goods and their delivery.
fn parted(
    content: &Content,
    total: Money,
    sums: &[i64],
    charged: usize,
) -> Result<(Money, Option<Money>), NotCharged> {
    let of_lines = sum_of(sums);
    let tolerance = i64::try_from(charged).unwrap_or(i64::MAX);
    let is_about = |kopecks: i64, other: i64| is_about(kopecks, other, charged);
    let delivery = content.sums.delivery_cost.filter(|cost| *cost > Money::ZERO);
    let above = NotCharged::AboveLines { total, of_lines: Money::from_kopecks(of_lines) };
    let kopecks = total.kopecks();
    let Some(cost) = delivery else {
        // A difference of up to one kopeck per line is rounding; a total below
        // the sum of the lines is a discount on the whole order.
        return if kopecks <= of_lines.saturating_add(tolerance) {
            Ok((total, None))
        } else {
            Err(above)
        };
    };
    let without = kopecks.saturating_sub(cost.kopecks());
    let with_delivery = (Money::from_kopecks(without), Some(cost));
    let unclear = NotCharged::UnclearDelivery { total, delivery: cost };
    // An exact match is what is meant; a small delivery cost may also look like
    // rounding.
    if kopecks == of_lines {
        return Ok((total, None));
    }
    if without == of_lines {
        return Ok(with_delivery);
    }
    if is_about(kopecks, of_lines) {
        return if is_about(without, of_lines) { Err(unclear) } else { Ok((total, None)) };
    }
    if kopecks > of_lines {
        let fits = (0..=of_lines.saturating_add(tolerance)).contains(&without);
        return if fits { Ok(with_delivery) } else { Err(above) };
    }
    // The total is below the sum of the lines: the sums without discounts show
    // whether the total includes the delivery.
    let full: Option<i64> = content
        .positions
        .iter()
        .filter(|position| position.is_charged())
        .try_fold(0_i64, |sum, position| sum.checked_add(position.total?.kopecks()));
    match (content.own_sums.total, full) {
        (Some(stated), Some(full)) if is_about(stated.kopecks(), full) => Ok((total, None)),
        (Some(stated), Some(full))
            if is_about(stated.kopecks().saturating_sub(cost.kopecks()), full) && without >= 0 =>
        {
            Ok(with_delivery)
        }
        (_, _) => Err(unclear),
    }
}
