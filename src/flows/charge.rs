//! What the buyer of a marketplace's order is to pay, and what of: the sum that its hooks agree on, with a line for every
//! article, or the reason why nobody is asked for anything.
//!
//! Nothing here does I/O. Whatever is doubtful ends in [`Uncharged`], which goes before a person: a wrong sum, or a receipt
//! that does not name the goods, is worse than a link that is late.

use std::time::Duration;

use crate::kernel::time::later;
use crate::kernel::{ExternalId, Money, Quantity, Timestamp};
use crate::orders::{Content, Position, Sums, Uncharged, Unread};
use crate::payments::{
    BadBill, Bill, Customer, DESCRIPTION_CHARS_MAX, GoodsKind, Line, VatCode, multiply, spread,
};

/// How long a marketplace's order can be paid, in days.
const LINK_DAYS: u64 = 7;

/// The tax rates of a source's orders, which the marketplace does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Of the goods.
    pub goods: VatCode,
    /// Of their delivery.
    pub delivery: VatCode,
}

/// The bill for what an order is, as its hooks say.
pub fn charge(
    content: &Content,
    external_id: &ExternalId,
    rates: Rates,
    customer: Customer,
    now: Timestamp,
) -> Result<Bill, Uncharged> {
    let lines = lines(content, rates)?;
    let description: String = format!("Заказ {external_id}").chars().take(DESCRIPTION_CHARS_MAX).collect();
    let expires_at = later(now, Duration::from_secs(LINK_DAYS * 24 * 3600));
    Bill::over(description, lines, customer, expires_at).map_err(no_bill)
}

fn no_bill(why: BadBill) -> Uncharged {
    Uncharged::Bill { detail: why.to_string() }
}

/// The lines of the bill: every article that is charged, and the delivery if it has a price of its own.
fn lines(content: &Content, rates: Rates) -> Result<Vec<Line>, Uncharged> {
    if content.unread != Unread::Nothing {
        return Err(Uncharged::UnreadLines);
    }
    if content.sums.has_unread || content.own_sums.has_unread {
        return Err(Uncharged::UnreadSum);
    }
    let charged: Vec<&Position> = content.positions.iter().filter(|position| position.is_charged()).collect();
    if charged.is_empty() {
        return Err(Uncharged::NoLines);
    }
    for position in &charged {
        let sku = || position.sku.clone();
        match position.quantity {
            None => return Err(Uncharged::UnreadQuantity { sku: sku() }),
            Some(quantity) if quantity < Quantity::ZERO => return Err(Uncharged::Negative { sku: sku() }),
            Some(_) => {}
        }
    }
    let (total, of_goods) = agreed(content, &charged)?;
    let sums = of_goods.iter().map(|sum| sum.kopecks()).collect::<Vec<_>>();
    let (goods, delivery) = parted(content, total, &sums, charged.len())?;
    let above = || Uncharged::AboveLines { total, of_lines: Money::from_kopecks(sum_of(&sums)) };
    let shares = spread(goods.kopecks(), &sums).ok_or_else(above)?;
    let mut lines = Vec::with_capacity(charged.len() + 1);
    for (position, share) in charged.iter().zip(shares) {
        let name = position.name.clone().unwrap_or_else(|| format!("Артикул {}", position.sku));
        let sold = (position.known_quantity(), Money::from_kopecks(share));
        let price = unit_price(position);
        lines.extend(
            Line::sold_for(&position.sku, &name, sold.0, sold.1, price, rates.goods).map_err(no_bill)?,
        );
    }
    if let Some(cost) = delivery {
        let one = (Quantity::from_thousandths(1000), cost);
        let line = Line::priced(DELIVERY_SKU.into(), "Доставка".into(), one.0, one.1, rates.delivery)
            .map_err(no_bill)?;
        lines.push(Line { kind: GoodsKind::Service, ..line });
    }
    Ok(lines)
}

/// The article of a delivery, which is no article of the shop's.
const DELIVERY_SKU: &str = "delivery";

/// The total that everybody agrees on, and what each line comes to before the difference is shared out.
fn agreed(content: &Content, charged: &[&Position]) -> Result<(Money, Vec<Money>), Uncharged> {
    let own = amount(&content.own_sums)?;
    let of_goods = match (own, charged) {
        // A total is of all lines, so of the only one too.
        (Some(total), [only]) if is_silent(only) => vec![total],
        (_, _) => sums_of_lines(content, charged, own)?,
    };
    let kopecks = of_goods.iter().map(|sum| sum.kopecks()).collect::<Vec<_>>();
    let total = own.unwrap_or_else(|| Money::from_kopecks(sum_of(&kopecks)));
    match amount(&content.sums)? {
        Some(newest) if newest != total => Err(Uncharged::OtherTotal { of_lines: total, stated: newest }),
        Some(_) | None => Ok((total, of_goods)),
    }
}

/// What each line comes to by its own word or, where there is a total to measure it by, by its price.
fn sums_of_lines(
    content: &Content,
    charged: &[&Position],
    own: Option<Money>,
) -> Result<Vec<Money>, Uncharged> {
    let mut sums = Vec::with_capacity(charged.len());
    for position in charged {
        let sku = || position.sku.clone();
        if position.has_unread_sum {
            return Err(Uncharged::UnreadLineSum { sku: sku() });
        }
        let by_price = || own.and_then(|_| sum_by_price(position));
        let sum = match (stated(position).or_else(by_price), own) {
            (Some(sum), _) => sum,
            (None, Some(_)) => return Err(Uncharged::NoSumOrPrice { sku: sku() }),
            (None, None) => return Err(Uncharged::NoSum { sku: sku() }),
        };
        if sum < Money::ZERO {
            return Err(Uncharged::Negative { sku: sku() });
        }
        sums.push(sum);
    }
    // A sum with discounts of 0.00 says that the line is a gift, or that it has no discount: the total shows which.
    let Some(doubtful) = charged.iter().find(|position| is_gift_or_undiscounted(position)) else {
        return Ok(sums);
    };
    let as_gifts: Vec<Money> = charged
        .iter()
        .zip(&sums)
        .map(|(position, sum)| if is_gift_or_undiscounted(position) { Money::ZERO } else { *sum })
        .collect();
    let total_of = |sums: &[Money]| sums.iter().fold(0_i64, |sum, line| sum.saturating_add(line.kopecks()));
    let fits = |sums: &[Money]| {
        let delivery = content.sums.delivery_cost.map_or(0, Money::kopecks);
        own.is_some_and(|own| {
            [0, delivery]
                .iter()
                .any(|cost| is_about(own.kopecks().saturating_sub(*cost), total_of(sums), charged.len()))
        })
    };
    match (fits(&as_gifts), fits(&sums)) {
        (true, false) => Ok(as_gifts),
        (false, true) => Ok(sums),
        (true, true) | (false, false) => Err(Uncharged::GiftOrUndiscounted { sku: doubtful.sku.clone() }),
    }
}

/// Whether it says nothing of what it costs.
fn is_silent(position: &Position) -> bool {
    !position.has_unread_sum && stated(position).is_none() && unit_price(position).is_none()
}

fn is_gift_or_undiscounted(position: &Position) -> bool {
    position.discount_total == Some(Money::ZERO) && position.total.is_some_and(|total| total > Money::ZERO)
}

/// Whether two sums of so many lines differ by no more than rounding makes: a kopeck a line.
fn is_about(kopecks: i64, other: i64, lines: usize) -> bool {
    let tolerance = i64::try_from(lines).unwrap_or(i64::MAX);
    kopecks.saturating_sub(other).saturating_abs() <= tolerance
}

fn sum_of(kopecks: &[i64]) -> i64 {
    kopecks.iter().fold(0, |sum, kopecks| sum.saturating_add(*kopecks))
}

/// What the buyer pays, of the sums that are stated together.
fn amount(sums: &Sums) -> Result<Option<Money>, Uncharged> {
    match (sums.discount_total, sums.total) {
        (Some(Money::ZERO), Some(total)) if total > Money::ZERO => {
            Err(Uncharged::ZeroWithDiscounts { total })
        }
        (Some(total), _) | (None, Some(total)) => Ok(Some(total)),
        (None, None) => Ok(None),
    }
}

/// What a line states that it comes to. A sum with discounts of 0 may mean that there is none.
fn stated(position: &Position) -> Option<Money> {
    position.discount_total.filter(|sum| *sum != Money::ZERO).or(position.total).or(position.discount_total)
}

fn unit_price(position: &Position) -> Option<Money> {
    position.discount_price.filter(|price| *price > Money::ZERO).or(position.price)
}

/// What a line comes to by its price, where it states no sum.
fn sum_by_price(position: &Position) -> Option<Money> {
    multiply(unit_price(position)?, position.quantity?)
}

/// How much of the total is for the goods, and how much for their delivery.
fn parted(
    content: &Content,
    total: Money,
    sums: &[i64],
    charged: usize,
) -> Result<(Money, Option<Money>), Uncharged> {
    let of_lines = sum_of(sums);
    let tolerance = i64::try_from(charged).unwrap_or(i64::MAX);
    let is_about = |kopecks: i64, other: i64| is_about(kopecks, other, charged);
    let delivery = content.sums.delivery_cost.filter(|cost| *cost > Money::ZERO);
    let above = Uncharged::AboveLines { total, of_lines: Money::from_kopecks(of_lines) };
    let kopecks = total.kopecks();
    let Some(cost) = delivery else {
        // Up to a kopeck a line is a matter of rounding; less than the lines is a discount on the whole order.
        return if kopecks <= of_lines.saturating_add(tolerance) { Ok((total, None)) } else { Err(above) };
    };
    let without = kopecks.saturating_sub(cost.kopecks());
    let with_delivery = (Money::from_kopecks(without), Some(cost));
    let unclear = Uncharged::UnclearDelivery { total, delivery: cost };
    // What fits to the kopeck is meant; a small cost may also look like rounding.
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
    // Less than the lines: the sums without discounts show whether the delivery is in the total.
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
