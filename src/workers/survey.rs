//! Counts what needs a decision, and the money, of the latest orders, for the
//! metrics.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::flows::Services;
use crate::kernel::{DocKey, Document, Money};
use crate::orders::Order;
use crate::payments::{Balance, Checkout};
use crate::store::{Cursor, Scan, Unavailable};
use crate::telemetry::metrics;

/// The pause between two counts.
const PAUSE: Duration = Duration::from_secs(60);

/// The latest orders that are counted.
const ORDERS_MAX: usize = 5000;

/// Orders that are read at once, so that other work goes on in between.
const PAGE: usize = 250;

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
    attention: u32,
    paid: i64,
    held: i64,
    refunded: i64,
    due: i64,
}

impl Found {
    fn add(&mut self, needs_attention: bool, balance: Option<Balance>) {
        self.attention += u32::from(needs_attention);
        let Some(Balance { paid, held, refunded, due }) = balance else { return };
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
        metrics::attention_orders(self.attention);
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
    let (mut found, mut after, mut seen) = (Found::default(), None::<Cursor>, 0);
    while seen < ORDERS_MAX {
        let scan = Scan::Listed {
            kind: Order::KIND,
            newest_first: true,
            after: after.take(),
            limit: PAGE,
        };
        let page = services.store.scan(&scan).await?;
        let mut orders = Vec::with_capacity(page.items.len());
        for (_, stored) in page.items {
            orders.push(stored.document::<Order>().map_err(Unavailable::from)?);
        }
        seen += orders.len();
        let keys: Vec<DocKey> = orders.iter().map(|order| Checkout::key(order.number)).collect();
        let checkouts = services.store.load(&keys).await?;
        for (order, stored) in orders.iter().zip(checkouts) {
            let checkout: Option<Checkout> =
                stored.map(|stored| stored.document()).transpose().map_err(Unavailable::from)?;
            let of_money = checkout.as_ref().is_some_and(|checkout| !checkout.attention.is_empty());
            let now = services.clock.now();
            let balance = checkout.map(|checkout| checkout.balance(now));
            found.add(of_money || order.needs_attention(), balance);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
        tokio::task::yield_now().await;
    }
    Ok(found)
}
