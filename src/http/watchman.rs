//! Looks at the marketplace itself for orders whose hooks never came.
//!
//! A hook is sent seven times and then no more; who was away for longer has lost it. What the marketplace has, and we have not,
//! goes through the same door as if its hook had come now, and stands in the journal as what it is. That door is why this
//! worker lives at the edge.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::hooks::keep;
use super::{Door, Edge};
use crate::flows::receive_hook::would_change;
use crate::flows::{Hook, find_record};
use crate::kernel::time::{earlier, later};
use crate::kernel::{ExternalId, Timestamp};
use crate::marketplace::{Shipment, Sm};
use crate::orders::{Order, State, View};
use crate::store::Unavailable;
use crate::webhooks::Identity;

/// Between two looks.
const LOOK_GAP: Duration = Duration::from_secs(600);

/// How far back the first look of a process goes: longer than anybody leaves a shop's gateway off.
const FIRST_LOOK: Duration = Duration::from_secs(30 * 24 * 3600);

/// What changed a moment ago may have a hook that is still on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(300);

/// How much each look goes over what the last one has seen: clocks differ, and pages shift while they are turned.
const OVERLAP: Duration = Duration::from_secs(900);

/// How often it is seen whether it is time to look.
const TICK: Duration = Duration::from_millis(250);

/// Watches over one marketplace.
#[derive(Debug)]
pub struct Watchman {
    /// Where what is found goes.
    pub edge: Arc<Edge>,
    /// The door that its hook would have come by.
    pub door: Arc<Door>,
    /// The marketplace.
    pub marketplace: Sm,
}

impl Watchman {
    /// Runs until drained.
    pub async fn run(self, drain: CancellationToken) {
        let clock = self.edge.shop.clock.clone();
        let mut since = earlier(clock.now(), FIRST_LOOK);
        let mut due = clock.now();
        loop {
            if clock.now() >= due {
                let until = earlier(clock.now(), ON_ITS_WAY);
                due = later(clock.now(), LOOK_GAP);
                let looked = tokio::select! {
                    // What was found so far is kept; the next process looks again.
                    () = drain.cancelled() => return,
                    looked = self.look(since, until) => looked,
                };
                match looked {
                    Ok(found) => {
                        since = earlier(until, OVERLAP);
                        tracing::info!(source = %self.door.source, found, "the marketplace was looked through for lost hooks");
                    }
                    Err(why) => {
                        tracing::warn!(source = %self.door.source, reason = why, "the marketplace cannot be looked through for lost hooks; it will be tried again");
                    }
                }
            }
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Returns how many hooks were found to be missing.
    async fn look(&self, since: Timestamp, until: Timestamp) -> Result<usize, String> {
        let mut found = 0;
        for shipment in self.marketplace.shipments(since, until).await? {
            found += self.compare(&shipment, until).await.map_err(|why| why.to_string())?;
        }
        Ok(found)
    }

    async fn compare(&self, shipment: &Shipment, until: Timestamp) -> Result<usize, Unavailable> {
        let Some(external_id) = ExternalId::parse(&shipment.external_id) else { return Ok(0) };
        let known = find_record(&self.edge.shop, &self.door.source, &external_id).await?;
        let order = known.map(|record| record.order);
        let missing = missing(order.as_deref().and_then(Order::view).as_ref(), &shipment.state);
        for kind in &missing {
            self.take(body_of(kind, &shipment.raw, None)).await?;
        }
        if missing.is_empty() && order.is_some_and(|order| self.has_changed(&order, &shipment.raw, until)) {
            self.take(body_of(CHANGED, &shipment.raw, Some(until))).await?;
            return Ok(1);
        }
        Ok(missing.len())
    }

    /// Whether the marketplace has other lines or sums of an order than we would have after its hook.
    fn has_changed(&self, order: &Order, shipment: &RawValue, until: Timestamp) -> bool {
        let body = body_of(CHANGED, shipment, Some(until));
        let readable = self.door.protocol.reread(&body).readable();
        let read = self.door.protocol.identify(&readable);
        read.is_ok_and(|(_, reading)| would_change(&self.edge.shop, order, reading.report()))
    }

    /// Takes in a hook that should have come.
    async fn take(&self, body: Bytes) -> Result<(), Unavailable> {
        let readable = self.door.protocol.reread(&body).readable();
        let (identity, reading) = match self.door.protocol.identify(&readable) {
            Ok(identified) => identified,
            Err(rejection) => {
                tracing::error!(source = %self.door.source, reason = %rejection, "an order of the marketplace cannot be read");
                return Ok(());
            }
        };
        let Identity { event_type, kind, external_id } = identity;
        let hook = Hook::new(self.door.source.clone(), event_type, kind, external_id, body.clone());
        let received = keep(&self.edge, &self.door, &*reading, &hook, None).await?;
        tracing::warn!(
            source = %self.door.source,
            hook.id = %received.id,
            hook.event = hook.event_type(),
            order.external_id = hook.external_id().map(ExternalId::as_str),
            verdict = %received.verdict,
            "a hook that never came was found at the marketplace"
        );
        Ok(())
    }
}

/// The kind of a hook that says what an order is now.
const CHANGED: &str = "order.changed";

/// The hook that a listed order comes to. What it is now bears the time until which it was looked for: a hook of what came
/// after that says more.
fn body_of(kind: &str, shipment: &RawValue, at: Option<Timestamp>) -> Bytes {
    let at = at.map_or_else(String::new, |at| format!("\"timestamp\":\"{at}\","));
    Bytes::from(format!("{{\"event_type\":\"{kind}\",{at}\"payload\":{}}}", shipment.get()))
}

/// The hooks that are missing of an order which stands in `state` over there. How it ended comes first and waits for its
/// creation, so that nobody picks, and nobody pays, what is over.
fn missing(view: Option<&View>, state: &str) -> Vec<&'static str> {
    let mut missing = Vec::new();
    let is = |wanted: State| {
        view.is_some_and(|view| match wanted {
            State::Cancelled => view.cancelled.is_some(),
            State::Shipped => view.shipped.is_some(),
            State::Delivered => view.delivered.is_some(),
            State::Open | State::Paid => true,
        })
    };
    match state {
        "canceled" | "cancelled" if !is(State::Cancelled) && !is(State::Delivered) => {
            missing.push("order.cancelled");
        }
        // On its way to the customer: the goods have left the shop.
        "shipping" | "shipped" if !is(State::Shipped) => missing.push("order.received"),
        "complete" if !is(State::Delivered) => missing.push("order.delivered"),
        _ => {}
    }
    if view.is_none() {
        missing.push("order.created");
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_nobody_heard_of_is_missing_with_how_it_stands() {
        assert_eq!(missing(None, "ready"), ["order.created"]);
        assert_eq!(missing(None, "canceled"), ["order.cancelled", "order.created"]);
        assert_eq!(missing(None, "complete"), ["order.delivered", "order.created"]);
        assert_eq!(missing(None, "a word of the future"), ["order.created"]);
    }
}
