//! Parts of a bill's lines.

use super::bill::{Line, multiply, named_with};
use crate::kernel::{Money, Quantity};

/// Returns the lines with their places in the order filled in.
pub(super) fn placed(lines: &[Line]) -> Vec<Line> {
    let placed =
        |(line, place): (&Line, u32)| Line { place: line.place.or(Some(place)), ..line.clone() };
    lines.iter().zip(1..).map(placed).collect()
}

/// A part of a line: `quantity` of its goods for `total`. It keeps the line's
/// price if price × quantity gives `total`; otherwise it is billed as one
/// piece.
pub(super) fn part_of(line: &Line, quantity: Quantity, total: Money) -> Option<Line> {
    if line.of_quantity.is_none()
        && quantity > Quantity::ZERO
        && multiply(line.price, quantity) == Some(total)
    {
        return repriced(line, quantity, line.price);
    }
    let one = repriced(line, Quantity::from_thousandths(1000), total)?;
    let name = if line.of_quantity.is_none() { named_with(&line.name, quantity) } else { one.name };
    Some(Line { of_quantity: Some(quantity), name, ..one })
}

/// The share of `total` that `quantity` has in `of`, to the nearest kopeck.
pub(super) fn share(total: Money, quantity: Quantity, of: Quantity) -> Option<Money> {
    let (part, of) = (i128::from(quantity.thousandths()), i128::from(of.thousandths()));
    let kopecks = (2 * i128::from(total.kopecks()) * part + of).checked_div(2 * of)?;
    i64::try_from(kopecks).ok().map(Money::from_kopecks)
}

/// The same article in another quantity or at another price.
pub(super) fn repriced(line: &Line, quantity: Quantity, price: Money) -> Option<Line> {
    let priced =
        Line::priced(line.sku.clone(), line.name.clone(), quantity, price, line.vat_code).ok()?;
    let Line { code, place, measure, measure_code, kind, .. } = line.clone();
    Some(Line { code, place, measure, measure_code, kind, ..priced })
}
