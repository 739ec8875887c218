//! The outlets of the shop: its places with goods, `store` in the contracts.

use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{DocKey, Document, Kind, Partition, Subject, Unreadable};
use tillgate_store::CounterKey;

/// Documents about the shop as a whole are in this partition.
pub const SETTINGS_PARTITION: Partition = Partition::of(Subject::new(4), 0);

/// The number of changes of outlets, products, limits and categories. It is
/// only compared with what it was.
#[must_use]
pub fn changes() -> CounterKey {
    CounterKey::internal("menu", "changes")
}

/// The most outlets of a shop.
pub const OUTLETS_MAX: usize = 200;

/// An outlet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlet {
    pub id: u32,
    pub name: String,
    pub address: String,
    /// Under which name its stock is counted: that of a store in the hooks of
    /// marketplaces.
    pub stock: String,
}

/// All outlets, in the order in which people see them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outlets {
    pub all: Vec<Outlet>,
}

impl Outlets {
    #[must_use]
    pub const fn key() -> DocKey {
        DocKey { partition: SETTINGS_PARTITION, kind: Outlets::KIND, id: 0 }
    }

    #[must_use]
    pub fn outlet(&self, id: u64) -> Option<&Outlet> {
        self.all.iter().find(|outlet| u64::from(outlet.id) == id)
    }
}

impl Document for Outlets {
    const KIND: Kind = Kind::new(27, "outlets");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Outlets, Unreadable> {
        document::decode(schema, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlets_of_version_1_are_read() {
        let outlet = Outlet {
            id: 1,
            name: "На Тверской".into(),
            address: "Москва, Тверская, 1".into(),
            stock: "17".into(),
        };
        let bytes = include_bytes!("../../../fixtures/stored/outlets/v1/outlets.bin");
        assert_eq!(Outlets::decode(1, bytes), Ok(Outlets { all: vec![outlet] }));
    }
}
