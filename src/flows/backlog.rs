//! How many orders of a merchant wait for a payment system.

use super::effects::queue_of;
use super::{PaymentProfile, Services};
use crate::kernel::PartyName;
use crate::payments;
use crate::store::{Scan, Unavailable};

/// Whether a merchant has as many orders waiting as it may have, because it
/// shares the rate limit of the payment system with others. While the payment
/// system is down, orders are accepted: no share of the calls is missing then.
pub async fn is_full(
    services: &Services,
    merchant: &PartyName,
    profile: &PaymentProfile,
) -> Result<bool, Unavailable> {
    let Some(waiting_max) = profile.waiting_max else { return Ok(false) };
    if services.paused_gateways.has(&profile.gateway) {
        return Ok(false);
    }
    let scan = Scan::Outbox {
        lane: payments::LANE,
        dead: false,
        queue: Some(queue_of(&profile.gateway, merchant)),
        after: None,
        limit: waiting_max,
    };
    Ok(services.store.scan_keys(&scan).await?.items.len() >= waiting_max)
}
