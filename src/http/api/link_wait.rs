//! Waits a short time for the link of an order, or for the outcome of a change,
//! so that the answer can include it.

use std::time::Duration;

use crate::flows::{OrderRecord, Services, load_record};
use crate::http::problem::Problem;
use crate::http::watch::Watch;
use crate::orders::Number;
use crate::payments::PaymentPhase;
use crate::texts::Language;
use crate::views::{MerchantOrder, merchant_order};

/// The longest time that the answer to a new order waits for its link.
pub(super) const LINK_WAIT: Duration = Duration::from_secs(3);

/// Reads an order, and waits for its link for at most [`LINK_WAIT`].
pub(super) async fn linked(
    services: &Services,
    number: Number,
    language: Language,
) -> Result<MerchantOrder, Problem> {
    let mut watch = Watch::over(services, number.partition(), LINK_WAIT);
    loop {
        let record = load_record(&services.store, number).await?;
        let found = record.and_then(|OrderRecord { order, checkout, .. }| {
            let checkout = checkout?;
            let is_gateway_paused = services.paused_gateways.has(&checkout.gateway);
            Some((
                merchant_order(services.frame(language), &order, &checkout)?,
                checkout.has_pending_update() && !is_gateway_paused,
                is_gateway_paused,
            ))
        });
        let unread = || Problem::unavailable("the order cannot be read; repeat the request");
        let (order, has_pending_update, is_gateway_paused) = found.ok_or_else(unread)?;
        let is_under_way = has_pending_update
            || (order.payment.state == PaymentPhase::Requested && !is_gateway_paused);
        if !is_under_way || !watch.goes_on().await {
            return Ok(order);
        }
    }
}
