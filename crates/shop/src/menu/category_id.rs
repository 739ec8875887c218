//! The number of a category.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::product_id::{ProductId, number_of};

/// The number of a category.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CategoryId(u64);

impl CategoryId {
    /// The number, if it can be that of a category.
    #[must_use]
    pub const fn new(number: u64) -> Option<CategoryId> {
        if number > 0 && number <= ProductId::MAX { Some(CategoryId(number)) } else { None }
    }

    /// The number of what a feed calls `text`.
    #[must_use]
    pub fn of_feed(text: &str) -> CategoryId {
        CategoryId(number_of(b"category", text))
    }

    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for CategoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
