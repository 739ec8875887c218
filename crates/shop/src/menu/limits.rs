//! Where, when and how many of a product the shop sells: what the operator
//! sets beside the feed.

use std::collections::BTreeMap;

use jiff::civil::Time;
use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{DocKey, Document, Kind, Unreadable};
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, CounterChange, Unavailable, Versioned};

use super::Menu;
use crate::Refusal;
use crate::outlets::{Outlets, SETTINGS_PARTITION, changes};

/// The most products with limits.
pub const LIMITS_MAX: usize = 5000;

/// The hours of a day. If they end before they begin, they go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    pub begin: Time,
    pub end: Time,
}

impl Hours {
    /// Whether a time of the day is within them.
    #[must_use]
    pub fn have(&self, time: Time) -> bool {
        if self.begin <= self.end {
            (self.begin..self.end).contains(&time)
        } else {
            time >= self.begin || time < self.end
        }
    }
}

/// The limits of one product.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limit {
    /// The most pieces of an order.
    pub order_max: Option<u64>,
    /// The outlets that sell it; all if none is named.
    pub outlets: Vec<u32>,
    /// When it is sold; at all times if absent.
    pub hours: Option<Hours>,
}

impl Limit {
    /// Whether an outlet sells the product.
    #[must_use]
    pub fn is_sold_at(&self, outlet: u32) -> bool {
        self.outlets.is_empty() || self.outlets.contains(&outlet)
    }

    /// Whether it is sold at this time of the day.
    #[must_use]
    pub fn is_sold_at_time(&self, time: Time) -> bool {
        self.hours.is_none_or(|hours| hours.have(time))
    }
}

/// The limits of a product, as services and clients see them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownLimits {
    order_max: Option<u64>,
    sold_from: Option<String>,
    sold_until: Option<String>,
}

impl ShownLimits {
    #[must_use]
    pub fn of(limit: Option<&Limit>) -> ShownLimits {
        let hours = limit.and_then(|limit| limit.hours);
        let shown = |time: Time| time.strftime("%H:%M").to_string();
        ShownLimits {
            order_max: limit.and_then(|limit| limit.order_max),
            sold_from: hours.map(|hours| shown(hours.begin)),
            sold_until: hours.map(|hours| shown(hours.end)),
        }
    }
}

/// The limits of products, by article.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    pub all: BTreeMap<String, Limit>,
}

impl Limits {
    #[must_use]
    pub const fn key() -> DocKey {
        DocKey { partition: SETTINGS_PARTITION, kind: Limits::KIND, id: 0 }
    }

    /// Whether they can be set.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self) -> Result<(), String> {
        if self.all.len() > LIMITS_MAX {
            return Err(format!("there are more than {LIMITS_MAX} products with limits"));
        }
        for (article, limit) in &self.all {
            if limit.order_max == Some(0) {
                return Err(format!("of {article} nobody could order anything"));
            }
            if limit.hours.is_some_and(|hours| hours.begin == hours.end) {
                return Err(format!("the hours of {article} begin and end at the same time"));
            }
        }
        Ok(())
    }

    /// The outlets that sell a product.
    #[must_use]
    pub fn outlets_of(&self, article: &str, outlets: &Outlets) -> Outlets {
        let limit = self.all.get(article);
        let sells = |id| limit.is_none_or(|limit| limit.is_sold_at(id));
        Outlets { all: outlets.all.iter().filter(|one| sells(one.id)).cloned().collect() }
    }

    /// Of the pieces of a product by outlet, those that may be sold there.
    pub fn keep_sold(&self, article: &str, outlets: &Outlets, free: &mut [u64]) {
        let Some(limit) = self.all.get(article) else { return };
        for (outlet, pieces) in outlets.all.iter().zip(free) {
            if !limit.is_sold_at(outlet.id) {
                *pieces = 0;
            }
        }
    }
}

impl Document for Limits {
    const KIND: Kind = Kind::new(35, "limits of products");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Limits, Unreadable> {
        document::decode(schema, bytes)
    }
}

impl Menu {
    /// The limits that are stored.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn kept_limits(&self) -> Result<Limits, Unavailable> {
        let stored = self.store.read::<Limits>(Limits::key()).await?;
        Ok(stored.map(Versioned::into_document).unwrap_or_default())
    }

    /// Replaces all limits.
    ///
    /// # Errors
    /// When they contradict themselves, or the store cannot be used.
    pub async fn keep_limits(&self, limits: Limits) -> Result<(), Refusal> {
        limits.check().map_err(Refusal::NotAccepted)?;
        let limits = &limits;
        let work = |_| async move {
            let stored = self.store.read::<Limits>(Limits::key()).await?;
            let written = match stored {
                Some(stored) => stored.replaced(limits.clone()),
                None => Versioned::new(limits.clone(), self.clock.now()),
            };
            let mut batch = Batch::new();
            written.stage_at(Limits::key(), &mut batch);
            batch.bump(changes(), CounterChange::Add(1));
            Ok::<_, Unavailable>(Run::Commit(batch, ()))
        };
        run(&self.store, work).await.map(drop).map_err(Refusal::of_commit)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;

    use super::*;

    #[test]
    fn hours_may_go_over_midnight() {
        let day = Hours { begin: time(8, 0, 0, 0), end: time(23, 0, 0, 0) };
        let night = Hours { begin: time(22, 0, 0, 0), end: time(6, 0, 0, 0) };
        for (hour, in_day, in_night) in [
            (5, false, true),
            (6, false, false),
            (8, true, false),
            (22, true, true),
            (23, false, true),
        ] {
            let at = time(hour, 0, 0, 0);
            assert_eq!((day.have(at), night.have(at)), (in_day, in_night), "{hour}");
        }
    }
}
