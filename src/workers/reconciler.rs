//! Finds orders at the marketplace whose hooks never arrived.
//!
//! A marketplace sends a hook seven times and then gives up, so a receiver that
//! is down for longer loses it. What the marketplace has and we do not have is
//! processed as if its hook had arrived now. The journal shows that it was
//! found this way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::dedup::key::HookKey;
use crate::flows::accept_hook::accept_hook;
use crate::flows::receive_hook::would_change;
use crate::flows::{Hook, Services, find_record};
use crate::kernel::time::{earlier, later};
use crate::kernel::{ExternalId, PartyName, Timestamp};
use crate::marketplace::{Shipment, Sm};
use crate::orders::{Order, Report};
use crate::store::Unavailable;
use crate::webhooks::sm::{changed_hook, missing_hooks};
use crate::webhooks::{Authentic, Inbound, Protocol};

/// The pause between two looks.
const LOOK_GAP: Duration = Duration::from_secs(600);

/// How far back the first look of a process goes: longer than anybody leaves a
/// receiver switched off.
const FIRST_LOOK: Duration = Duration::from_secs(30 * 24 * 3600);

/// Newer changes are left out: their hooks may still be on the way.
const ON_ITS_WAY: Duration = Duration::from_secs(300);

/// How far each look overlaps the one before: clocks differ, and pages shift
/// while they are read.
const OVERLAP: Duration = Duration::from_secs(900);

/// How often to check whether a look is due.
const TICK: Duration = Duration::from_millis(250);

/// Compares one marketplace's orders with ours.
#[derive(Debug)]
pub struct Reconciler {
    /// Processes the hooks that are found.
    pub services: Services,
    /// The source of the marketplace's hooks.
    pub source: PartyName,
    /// Parses the hooks.
    pub protocol: Arc<dyn Protocol>,
    pub marketplace: Sm,
}

impl Reconciler {
    /// Runs until drained.
    pub async fn run(self, drain: CancellationToken) {
        let clock = self.services.clock.clone();
        let mut since = earlier(clock.now(), FIRST_LOOK);
        let mut due = clock.now();
        loop {
            if clock.now() >= due {
                let until = earlier(clock.now(), ON_ITS_WAY);
                due = later(clock.now(), LOOK_GAP);
                let looked = tokio::select! {
                    // What was found so far is kept; the next process starts
                    // over.
                    () = drain.cancelled() => return,
                    looked = self.look(since, until) => looked,
                };
                match looked {
                    Ok(found) => {
                        since = earlier(until, OVERLAP);
                        tracing::info!(
                            source = %self.source,
                            found,
                            "the marketplace was searched for lost hooks"
                        );
                    }
                    Err(why) => {
                        tracing::warn!(
                            source = %self.source,
                            reason = why,
                            "the marketplace cannot be searched for lost hooks, will be retried"
                        );
                    }
                }
            }
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Searches the orders that changed within an interval. Returns the number
    /// of missing hooks.
    async fn look(&self, since: Timestamp, until: Timestamp) -> Result<usize, String> {
        let mut found = 0;
        for shipment in self.marketplace.shipments(since, until).await? {
            found += self.compare(&shipment, until).await.map_err(|why| why.to_string())?;
        }
        Ok(found)
    }

    async fn compare(&self, shipment: &Shipment, until: Timestamp) -> Result<usize, Unavailable> {
        let Some(external_id) = ExternalId::parse(&shipment.external_id) else { return Ok(0) };
        let known = find_record(&self.services, &self.source, &external_id).await?;
        let order = known.map(|record| record.order);
        let view = order.as_deref().and_then(Order::view);
        let missing = missing_hooks(view.as_ref(), &shipment.state, &shipment.raw);
        let count = missing.len();
        for body in missing {
            self.take(body).await?;
        }
        let changed = changed_hook(&shipment.raw, until);
        if count == 0 && order.is_some_and(|order| self.would_change(&order, &changed)) {
            self.take(changed).await?;
            return Ok(1);
        }
        Ok(count)
    }

    /// Whether a hook would change an order's lines or totals.
    fn would_change(&self, order: &Order, body: &Bytes) -> bool {
        let report = self.report_of(body);
        report.is_some_and(|report| would_change(&self.services, order, report))
    }

    fn report_of(&self, body: &Bytes) -> Option<Report> {
        let readable = Authentic::from_journal(body).readable();
        match self.protocol.read(&readable) {
            Ok(Inbound::Order(_, reading)) => Some(reading.report()),
            Ok(Inbound::Payment(_)) | Err(_) => None,
        }
    }

    /// Processes a hook that should have arrived.
    async fn take(&self, body: Bytes) -> Result<(), Unavailable> {
        let readable = Authentic::from_journal(&body).readable();
        let (identity, reading) = match self.protocol.read(&readable) {
            Ok(Inbound::Order(identity, reading)) => (identity, reading),
            Ok(Inbound::Payment(_)) => return Ok(()),
            Err(rejection) => {
                tracing::error!(
                    source = %self.source,
                    reason = %rejection,
                    "an order of the marketplace cannot be read"
                );
                return Ok(());
            }
        };
        let key = HookKey::of(&self.source, &body, None);
        let hook = Hook::of(self.source.clone(), identity, body.clone(), key).reconciled();
        let received = accept_hook(&self.services, &*self.protocol, &hook, &*reading, None).await?;
        tracing::warn!(
            source = %self.source,
            hook.id = %received.id,
            hook.event = hook.event_type(),
            order.external_id = hook.external_id().map(ExternalId::as_str),
            verdict = %received.verdict,
            "a lost hook was found at the marketplace"
        );
        Ok(())
    }
}
