//! How orders can come to clients: the document of the points where they are
//! given out, of the zones of couriers, and of the times that couriers have.

use jiff::civil::Time;
use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{DocKey, Document, Kind, Money, Unreadable};

use super::address::{Address, Filter, Town};
use crate::outlets::SETTINGS_PARTITION;

/// The most points, zones, and times of couriers.
pub const POINTS_MAX: usize = 2_000;
pub const ZONES_MAX: usize = 500;
pub const TIMES_MAX: usize = 500;

/// The most areas of all zones together.
pub const AREAS_MAX: usize = 5_000;

/// A point where orders are given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    pub id: u32,
    pub name: String,
    pub address: String,
    /// After how many days an order is there.
    pub days: u8,
}

/// Where a company delivers, and for how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    pub company: String,
    pub areas: Vec<Area>,
    pub cost: Money,
    /// After how many days it can deliver.
    pub days: u8,
}

/// A part of a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// Postal codes, from the first to the last.
    Codes(u32, u32),
    /// A town, by its name.
    Place(String),
}

/// A time of the day at which couriers of a company deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CourierTime {
    pub company: String,
    /// Of the week: 1 is Monday.
    pub weekdays: Vec<u8>,
    pub begin: Time,
    pub end: Time,
    /// How many orders a day.
    pub capacity: u32,
}

/// All of them, in the order in which people see them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    pub points: Vec<Point>,
    pub zones: Vec<Zone>,
    pub times: Vec<CourierTime>,
}

impl Plan {
    #[must_use]
    pub const fn key() -> DocKey {
        DocKey { partition: SETTINGS_PARTITION, kind: Plan::KIND, id: 0 }
    }

    #[must_use]
    pub fn point(&self, id: u64) -> Option<&Point> {
        self.points.iter().find(|point| u64::from(point.id) == id)
    }

    /// The points whose name and address have all words of a filter.
    pub fn found(&self, filter: &str) -> impl Iterator<Item = &Point> {
        let filter = Filter::of(filter);
        let is_found =
            move |point: &&Point| filter.fits(&format!("{} {}", point.name, point.address));
        self.points.iter().filter(is_found)
    }

    /// The points in the town of an address, those that share most with it
    /// first.
    #[must_use]
    pub fn near(&self, address: &str, most: usize) -> Vec<&Point> {
        let address = Address::of(address);
        let near = |point: &Point| address.shared_names(&Address::of(&point.address));
        let mut all: Vec<(usize, &Point)> =
            self.points.iter().map(|point| (near(point), point)).collect();
        all.retain(|(near, _)| *near > 0);
        all.sort_by_key(|(near, _)| std::cmp::Reverse(*near));
        all.into_iter().take(most).map(|(_, point)| point).collect()
    }

    /// The zones that have an address: for each company the first.
    #[must_use]
    pub fn zones_of(&self, address: &str) -> Vec<&Zone> {
        let address = Address::of(address);
        let mut found: Vec<&Zone> = Vec::new();
        for zone in &self.zones {
            let is_known = found.iter().any(|known| known.company == zone.company);
            if !is_known && zone.has(&address) {
                found.push(zone);
            }
        }
        found
    }
}

impl Zone {
    /// Whether an address is in the zone. Where the zone has postal codes and
    /// the address has one, it decides.
    fn has(&self, address: &Address) -> bool {
        let of_codes = |area: &Area| matches!(area, Area::Codes(..));
        match address.postal_code().filter(|_| self.areas.iter().any(of_codes)) {
            Some(code) => self
                .areas
                .iter()
                .any(|area| matches!(area, Area::Codes(from, to) if (from..=to).contains(&&code))),
            None => self
                .areas
                .iter()
                .any(|area| matches!(area, Area::Place(place) if address.is_in(&Town::of(place)))),
        }
    }
}

impl Document for Plan {
    const KIND: Kind = Kind::new(31, "delivery plans");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Plan, Unreadable> {
        document::decode(schema, bytes)
    }
}
