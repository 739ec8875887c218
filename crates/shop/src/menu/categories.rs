//! The document of all categories.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{DocKey, Document, Kind, Unreadable};

use super::category_id::CategoryId;
use crate::product_id::CATALOGUE;

/// A category of a feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    pub id: CategoryId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<CategoryId>,
    pub name: String,
}

/// All categories, in the order of their feed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Categories {
    pub all: Vec<Category>,
}

impl Categories {
    /// Categories whose parents exist and lead to the top. A parent that does
    /// not exist is dropped, and one that closes a circle.
    #[must_use]
    pub fn of(mut all: Vec<Category>) -> Categories {
        let known: BTreeSet<CategoryId> = all.iter().map(|category| category.id).collect();
        for category in &mut all {
            category.parent = category.parent.filter(|parent| known.contains(parent));
        }
        let mut parents: BTreeMap<CategoryId, Option<CategoryId>> =
            all.iter().map(|category| (category.id, category.parent)).collect();
        // Those that lead to the top.
        let mut led: BTreeSet<CategoryId> = BTreeSet::new();
        for category in &mut all {
            let mut way = BTreeSet::from([category.id]);
            let mut above = category.parent;
            loop {
                match above {
                    Some(parent) if parent == category.id => {
                        category.parent = None;
                        parents.insert(category.id, None);
                        led.extend(way);
                        break;
                    }
                    // It leads into a circle, which is cut at one of its own.
                    Some(parent) if !led.contains(&parent) && !way.insert(parent) => break,
                    Some(parent) if !led.contains(&parent) => {
                        above = parents.get(&parent).copied().flatten();
                    }
                    Some(_) | None => {
                        led.extend(way);
                        break;
                    }
                }
            }
        }
        Categories { all }
    }

    #[must_use]
    pub const fn key() -> DocKey {
        DocKey { partition: CATALOGUE, kind: Categories::KIND, id: 0 }
    }
}

impl Document for Categories {
    const KIND: Kind = Kind::new(26, "categories");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Categories, Unreadable> {
        document::decode(schema, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> CategoryId {
        CategoryId::new(number).expect("a number")
    }

    fn category(number: u64, parent: u64) -> Category {
        Category { id: id(number), parent: CategoryId::new(parent), name: number.to_string() }
    }

    #[test]
    fn parents_that_are_missing_or_go_in_a_circle_are_dropped() {
        let all = vec![
            category(1, 0),
            category(2, 1),
            category(3, 9),
            category(4, 5),
            category(5, 6),
            category(6, 4),
            category(7, 7),
        ];
        let parents: Vec<Option<CategoryId>> =
            Categories::of(all).all.iter().map(|category| category.parent).collect();
        assert_eq!(parents[..3], [None, Some(id(1)), None]);
        // The first of the circle is now at the top, with the others below it.
        assert_eq!(parents[3..], [None, Some(id(6)), Some(id(4)), None]);
        // Whichever comes first: below one without its parent, and below a
        // circle.
        for all in [
            vec![category(1, 2), category(2, 9), category(3, 4), category(4, 4)],
            vec![category(4, 4), category(3, 4), category(2, 9), category(1, 2)],
        ] {
            let parents: BTreeMap<CategoryId, Option<CategoryId>> =
                Categories::of(all).all.iter().map(|one| (one.id, one.parent)).collect();
            let expected =
                [(id(1), Some(id(2))), (id(2), None), (id(3), Some(id(4))), (id(4), None)];
            assert_eq!(parents, expected.into());
        }
    }
}
