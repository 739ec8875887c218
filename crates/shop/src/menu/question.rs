//! What somebody looks for in the catalogue.

use std::cmp::Reverse;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use tillgate_kernel::Money;

use super::category_id::CategoryId;
use crate::product_id::ProductId;

/// The order of the products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// The best fit first; by name if nothing is looked for.
    #[default]
    Fit,
    Cheapest,
    Dearest,
}

impl Sort {
    /// As the contract names them.
    pub const NAMES: &[&str] = &["fit", "cheapest", "dearest"];

    #[must_use]
    pub fn parse(text: &str) -> Option<Sort> {
        match text {
            "fit" => Some(Sort::Fit),
            "cheapest" => Some(Sort::Cheapest),
            "dearest" => Some(Sort::Dearest),
            _ => None,
        }
    }
}

/// The place of a product in the order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Position {
    Name(Arc<str>, ProductId),
    Fit(Reverse<u16>, ProductId),
    Cheapest(Money, ProductId),
    Dearest(Reverse<Money>, ProductId),
}

impl Position {
    #[must_use]
    pub const fn id(&self) -> ProductId {
        match self {
            Position::Name(_, id)
            | Position::Fit(_, id)
            | Position::Cheapest(_, id)
            | Position::Dearest(_, id) => *id,
        }
    }

    pub(super) fn name(&self) -> Option<(Arc<str>, ProductId)> {
        if let Position::Name(name, id) = self { Some((Arc::clone(name), *id)) } else { None }
    }

    pub(super) const fn cheapest(&self) -> Option<(Money, ProductId)> {
        if let Position::Cheapest(price, id) = self { Some((*price, *id)) } else { None }
    }

    pub(super) const fn dearest(&self) -> Option<(Reverse<Money>, ProductId)> {
        if let Position::Dearest(price, id) = self { Some((*price, *id)) } else { None }
    }
}

/// Products that are looked for.
#[derive(Debug, Clone)]
pub struct Question {
    pub text: String,
    pub category: Option<CategoryId>,
    pub price: RangeInclusive<Money>,
    pub sort: Sort,
    pub after: Option<Position>,
    pub limit: usize,
}

impl Default for Question {
    fn default() -> Question {
        Question {
            text: String::new(),
            category: None,
            price: Money::ZERO..=Money::from_kopecks(i64::MAX),
            sort: Sort::Fit,
            after: None,
            limit: PAGE,
        }
    }
}

/// How many products a page has, if nothing else is asked for.
pub const PAGE: usize = 24;

impl Question {
    /// Whether a position is one of this question's order.
    #[must_use]
    pub fn has(&self, position: &Position) -> bool {
        match position {
            Position::Name(..) => self.text.is_empty() && self.sort == Sort::Fit,
            Position::Fit(..) => !self.text.is_empty() && self.sort == Sort::Fit,
            Position::Cheapest(..) => self.sort == Sort::Cheapest,
            Position::Dearest(..) => self.sort == Sort::Dearest,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (letter, key, id) = match self {
            Position::Name(name, id) => ('n', name.to_string(), id),
            Position::Fit(Reverse(score), id) => ('f', score.to_string(), id),
            Position::Cheapest(price, id) => ('c', price.kopecks().to_string(), id),
            Position::Dearest(Reverse(price), id) => ('d', price.kopecks().to_string(), id),
        };
        write!(f, "{}", BASE64.encode(format!("{letter}{id}.{key}")))
    }
}

/// A text that no position was written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAPosition;

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Position, NotAPosition> {
        let bytes = BASE64.decode(text).map_err(|_| NotAPosition)?;
        let text = String::from_utf8(bytes).map_err(|_| NotAPosition)?;
        let letter = text.chars().next().filter(char::is_ascii).ok_or(NotAPosition)?;
        let (id, key) = text[1..].split_once('.').ok_or(NotAPosition)?;
        let id = id.parse().ok().and_then(ProductId::new).ok_or(NotAPosition)?;
        let price = || key.parse().map(Money::from_kopecks).map_err(|_| NotAPosition);
        Ok(match letter {
            'n' => Position::Name(key.into(), id),
            'f' => Position::Fit(Reverse(key.parse().map_err(|_| NotAPosition)?), id),
            'c' => Position::Cheapest(price()?, id),
            'd' => Position::Dearest(Reverse(price()?), id),
            _ => return Err(NotAPosition),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written() {
        let id = ProductId::new(4031).expect("a number");
        for position in [
            Position::Name("молоко 3.2%".into(), id),
            Position::Fit(Reverse(70), id),
            Position::Cheapest(Money::from_kopecks(100), id),
            Position::Dearest(Reverse(Money::from_kopecks(100)), id),
        ] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for text in ["", "x", "bjE", "я", "bjAuYQ"] {
            assert_eq!(text.parse::<Position>(), Err(NotAPosition), "{text}");
        }
    }
}
