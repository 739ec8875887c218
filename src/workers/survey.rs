//! Counts what needs a decision, and the money, of the latest orders, for the
//! metrics.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::flows::Services;
use crate::flows::parties::known_parties;
use crate::kernel::{DocKey, Document, ListName, Money};
use crate::orders::{State, listing};
use crate::payments::{Balance, Checkout};
use crate::store::{Cursor, Scan, Unavailable};
use crate::telemetry::metrics;

/// The pause between two counts.
const PAUSE: Duration = Duration::from_secs(60);

/// The latest orders that are counted.
const ORDERS_MAX: usize = 5000;

/// Orders that are read at once, and the pause after them: hooks are not held
/// up.
const PAGE: usize = 250;
const PAGE_PAUSE: Duration = Duration::from_millis(20);

/// Runs until drained.
pub async fn run(services: Services, drain: CancellationToken) {
    loop {
        match count(&services).await {
            Ok(found) => found.record(),
            Err(why) => tracing::warn!(
                error = %why,
                "the orders that need a decision could not be counted; their metrics are out of \
                    date"
            ),
        }
        tokio::select! {
            () = drain.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

#[derive(Debug, Default)]
struct Found {
    attention: usize,
    paid: i64,
    held: i64,
    refunded: i64,
    due: i64,
}

impl Found {
    fn add(&mut self, balance: Balance) {
        let Balance { paid, held, refunded, due } = balance;
        for (sum, part) in [
            (&mut self.paid, paid),
            (&mut self.held, held),
            (&mut self.refunded, refunded),
            (&mut self.due, due),
        ] {
            *sum = sum.saturating_add(part.kopecks());
        }
    }

    fn record(&self) {
        metrics::attention_orders(u32::try_from(self.attention).unwrap_or(u32::MAX));
        let currency = Money::ZERO.currency().code();
        for (state, kopecks) in [
            ("paid", self.paid),
            ("held", self.held),
            ("refunded", self.refunded),
            ("due", self.due),
        ] {
            metrics::money(state, currency, Money::from_kopecks(kopecks));
        }
    }
}

async fn count(services: &Services) -> Result<Found, Unavailable> {
    let mut found = Found { attention: count_attention(services).await?, ..Found::default() };
    // Only orders that are paid through us have money.
    let mut parties = known_parties(services).await?;
    parties.retain(|party| {
        services.merchants.contains_key(party) || !services.parties.contains(party)
    });
    let in_states = |party| State::ALL.iter().map(move |state| listing::in_state(party, *state));
    let lists: Vec<ListName> = parties.iter().flat_map(in_states).collect();
    let (mut after, mut seen) = (None::<Cursor>, 0);
    while seen < ORDERS_MAX {
        let lists = lists.clone();
        let scan = Scan::Lists { lists, newest_first: true, after: after.take(), limit: PAGE };
        let page = services.store.scan_keys(&scan).await?;
        seen += page.items.len();
        let keys: Vec<DocKey> =
            page.items.iter().map(|key| DocKey { kind: Checkout::KIND, ..*key }).collect();
        for stored in services.store.load_readable(&keys).await?.into_iter().flatten() {
            let checkout: Checkout = stored.document()?;
            found.add(checkout.balance(services.clock.now()));
        }
        after = page.next;
        if after.is_none() {
            break;
        }
        tokio::time::sleep(PAGE_PAUSE).await;
    }
    Ok(found)
}

/// The number of orders that wait for a person, up to [`ORDERS_MAX`].
async fn count_attention(services: &Services) -> Result<usize, Unavailable> {
    let (mut after, mut orders) = (None::<Cursor>, BTreeSet::new());
    loop {
        let lists = vec![listing::waiting_for_a_person()];
        let scan = Scan::Lists { lists, newest_first: true, after, limit: ORDERS_MAX };
        let page = services.store.scan_keys(&scan).await?;
        // An order and its payments are two documents.
        orders.extend(page.items.iter().map(|key| key.partition));
        after = page.next;
        if after.is_none() || orders.len() >= ORDERS_MAX {
            return Ok(orders.len());
        }
    }
}
