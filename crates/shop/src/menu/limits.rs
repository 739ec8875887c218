//! Where, when and how many of a product the shop sells: what the operator
//! sets beside the feed.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Time;
use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::text::is_obeyed;
use tillgate_kernel::{DocKey, Document, Kind, Unreadable};
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, CounterChange, Unavailable, Versioned};

use super::Menu;
use crate::Refusal;
use crate::outlets::{OUTLETS_MAX, Outlet, Outlets, SETTINGS_PARTITION, changes};

/// The most products with limits.
pub const LIMITS_MAX: usize = 5000;

/// The highest limit of an order, in pieces: a line has no more.
pub const ORDER_MAX_MAX: u64 = 1000;

/// The longest article, in characters.
const ARTICLE_CHARACTERS_MAX: usize = 200;

/// The hours of a day. If they end before they begin, they go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The most pieces of an order.
    pub order_max: Option<u64>,
    /// The outlets that sell it; all if none is named.
    #[serde(default)]
    pub outlets: Vec<u32>,
    /// When it is sold; at all times if absent.
    pub hours: Option<Hours>,
}

impl Limit {
    /// Whether it can be set.
    fn check(&self) -> Result<(), String> {
        let has_seconds = |time: Time| (time.second(), time.subsec_nanosecond()) != (0, 0);
        let hours = self.hours.as_ref();
        if self.order_max.is_none() && self.outlets.is_empty() && hours.is_none() {
            Err("has no limit: name order_max, outlets or hours".into())
        } else if self.order_max.is_some_and(|most| !(1..=ORDER_MAX_MAX).contains(&most)) {
            Err(format!("must have an order_max from 1 to {ORDER_MAX_MAX}"))
        } else if self.outlets.len() > OUTLETS_MAX {
            Err("names more outlets than a shop has".into())
        } else if hours.is_some_and(|hours| hours.begin == hours.end) {
            Err("has hours that begin and end at the same time".into())
        } else if hours.is_some_and(|hours| has_seconds(hours.begin) || has_seconds(hours.end)) {
            Err("has hours that are no whole minutes".into())
        } else {
            Ok(())
        }
    }

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
#[serde(deny_unknown_fields)]
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
            limit.check().map_err(|why| format!("{article:?} {why}"))?;
            let characters = article.chars().count();
            if !(1..=ARTICLE_CHARACTERS_MAX).contains(&characters) || article.contains(is_obeyed) {
                return Err(format!("{article:?} is no article"));
            }
        }
        Ok(())
    }

    /// What is probably a mistake: products and outlets that are not there.
    #[must_use]
    pub fn warnings(&self, is_known: impl Fn(&str) -> bool, outlets: &Outlets) -> Vec<String> {
        let unknown = self.all.keys().filter(|article| !is_known(article));
        let unknown = unknown.map(|article| {
            format!("there is no product {article}: its limits do nothing. Is the article right?")
        });
        let nowhere = self.all.iter().flat_map(|(article, limit)| {
            let gone = limit.outlets.iter().filter(|id| outlets.outlet(u64::from(**id)).is_none());
            gone.map(move |id| format!("there is no shop {id}: {article} is not sold there"))
        });
        unknown.chain(nowhere).collect()
    }

    /// The outlets that sell a product.
    #[must_use]
    pub fn outlets_of(&self, article: &str, outlets: Arc<Outlets>) -> Arc<Outlets> {
        let Some(limit) = self.all.get(article) else { return outlets };
        let sells = |one: &&Outlet| limit.is_sold_at(one.id);
        Arc::new(Outlets { all: outlets.all.iter().filter(sells).cloned().collect() })
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

    #[test]
    fn limits_that_limit_nothing_or_cannot_be_are_refused() {
        let hours = |begin, end| Some(Hours { begin, end });
        let (eight, nine) = (time(8, 0, 0, 0), time(9, 0, 0, 0));
        let good = Limit { order_max: Some(1), outlets: vec![1], hours: hours(eight, nine) };
        let of = |article: &str, limit: &Limit| Limits {
            all: [(article.to_owned(), limit.clone())].into(),
        };
        assert_eq!(of("wine", &good).check(), Ok(()));
        for wrong in [
            Limit::default(),
            Limit { order_max: Some(0), ..good.clone() },
            Limit { order_max: Some(ORDER_MAX_MAX + 1), ..good.clone() },
            Limit { outlets: vec![1; OUTLETS_MAX + 1], ..good.clone() },
            Limit { hours: hours(eight, eight), ..good.clone() },
            Limit { hours: hours(eight, time(8, 0, 30, 0)), ..good.clone() },
        ] {
            assert!(of("wine", &wrong).check().is_err(), "{wrong:?}");
        }
        for article in ["", "wine\n"] {
            assert!(of(article, &good).check().is_err(), "{article:?}");
        }
    }
}
