//! Waiting for the link of an order, or for what becomes of a change: an answer that comes a little later says more.

use std::time::Duration;

use crate::flows::{Listener, OrderRecord, Shop, load_record};
use crate::http::problem::Problem;
use crate::kernel::{Partition, Stopwatch};
use crate::orders::Number;
use crate::payments::PaymentPhase;
use crate::texts::Language;
use crate::views::{MerchantOrder, merchant_order};

/// How long the answer to a new order waits for its link.
pub(super) const LINK_WAIT: Duration = Duration::from_secs(3);

/// How often whoever waits looks by itself: another node may have done the work.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// An order as it is, with its link, if that comes within [`LINK_WAIT`].
pub(super) async fn linked(
    shop: &Shop,
    number: Number,
    language: Language,
) -> Result<MerchantOrder, Problem> {
    let mut watch = Watch::over(shop, number.partition());
    loop {
        let record = load_record(&shop.store, number).await?;
        let found = record.and_then(|OrderRecord { order, checkout, .. }| {
            let checkout = checkout?;
            let waits_in_vain = shop.resting.has(&checkout.gateway);
            Some((
                merchant_order(shop.frame(language), &order, &checkout)?,
                checkout.is_to_be_altered() && !waits_in_vain,
                waits_in_vain,
            ))
        });
        let unread = || Problem::unavailable("the order cannot be read; send the request again");
        let (order, is_to_be_altered, waits_in_vain) = found.ok_or_else(unread)?;
        let is_under_way =
            is_to_be_altered || (order.payment.state == PaymentPhase::Requested && !waits_in_vain);
        if !is_under_way || !watch.goes_on().await {
            return Ok(order);
        }
    }
}

/// Waiting, for [`LINK_WAIT`] at most, for something to become of what is watched.
pub(super) struct Watch {
    about: Partition,
    news: Listener,
    since: Stopwatch,
}

impl Watch {
    pub(super) fn over(shop: &Shop, about: Partition) -> Watch {
        Watch { about, news: shop.news.listen(), since: Stopwatch::start() }
    }

    /// Returns when it is worth looking again, with `true`, or at once when the time is over, with `false`.
    pub(super) async fn goes_on(&mut self) -> bool {
        let left = LINK_WAIT.saturating_sub(self.since.elapsed());
        if left.is_zero() {
            return false;
        }
        // News is of this process; another one may have done the work.
        let _ = tokio::time::timeout(left.min(LOOK_PAUSE), self.news.hears_of(self.about)).await;
        true
    }
}
