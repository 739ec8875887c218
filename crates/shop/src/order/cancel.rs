//! Cancels orders that are not paid.

use std::time::Duration;

use tillgate_kernel::Timestamp;
use tillgate_kernel::time::earlier;
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, CommitError, Scan, Unavailable};
use tokio_util::sync::CancellationToken;

use super::Orders;
use super::asked::Change;
use super::change::Outcome;
use super::shop_order::{ShopOrder, Status};
use crate::Refusal;
use crate::bus::{Envelope, Service, message_id};
use crate::formats::OrderCanceled;
use crate::order_id::OrderId;
use crate::username::ClientNumber;

/// A new order is cancelled when it was not changed for so long.
pub const UNCHANGED_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// How often it is looked for such orders.
const LOOK_PAUSE: Duration = Duration::from_secs(600);

/// How many orders are read at once.
const STEP: usize = 100;

/// Who holds something for an order that is not paid.
const HOLDERS: [Service; 3] = [Service::Store, Service::Delivery, Service::Payment];

impl Orders {
    /// Cancels an order that is new, or withdraws one that is completed, until
    /// it is picked.
    ///
    /// # Errors
    /// When the order has another version or other lines, or is in another
    /// state.
    pub async fn cancel(&self, client: ClientNumber, change: Change) -> Result<ShopOrder, Refusal> {
        let seen = self.order(client, &change.id).await?;
        if seen.status == Status::Completed {
            return self.withdraw(client, &change).await;
        }
        let decide = |order: ShopOrder| Ok(Outcome::Changed(canceled(order)));
        self.change(client, &change, decide).await
    }

    /// Stages the messages that an order is cancelled, which is so once.
    pub(super) fn send_canceled(&self, batch: &mut Batch, order: OrderId) {
        for (to, number) in HOLDERS.into_iter().zip(1..) {
            let id = message_id(Service::Order, order.partition(), number);
            let content = OrderCanceled { order_id: order };
            batch.send(Envelope::message(to, id, &content, &self.keys, self.clock.now()));
        }
    }

    /// Cancels new orders that nobody has changed for long, until drained.
    pub async fn cancel_unchanged(&self, drain: CancellationToken) {
        loop {
            if let Err(why) = self.cancel_unchanged_once(&drain).await {
                tracing::warn!(
                    error = %why, "old orders could not be cancelled; will retry"
                );
            }
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(LOOK_PAUSE) => {}
            }
        }
    }

    /// Cancels those that are old enough now, until drained. Returns how many
    /// there were.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn cancel_unchanged_once(
        &self,
        drain: &CancellationToken,
    ) -> Result<usize, Unavailable> {
        let before = earlier(self.clock.now(), UNCHANGED_MAX);
        let (mut ended, mut unreadable, mut after) = (0, 0, None);
        'pages: loop {
            let lists = vec![ShopOrder::list_of_new()];
            let scan = Scan::Lists { lists, newest_first: false, after, limit: STEP };
            let page = self.store.scan(&scan).await?;
            for (_, stored) in page.items {
                // The list has the times when they were begun.
                if stored.body.listed_at > before || drain.is_cancelled() {
                    break 'pages;
                }
                match stored.document::<ShopOrder>() {
                    Ok(order) if order.priced_at > before => {}
                    Ok(order) => ended += usize::from(self.end_unchanged(order.id, before).await?),
                    // One that another version has written must not hold up the
                    // others.
                    Err(_) => unreadable += 1,
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if unreadable > 0 {
            tracing::error!(unreadable, "old orders cannot be read, and are not cancelled");
        }
        Ok(ended)
    }

    async fn end_unchanged(&self, id: OrderId, before: Timestamp) -> Result<bool, Unavailable> {
        let work = |_| async move {
            let stored = self.store.read::<ShopOrder>(ShopOrder::key_of(id)).await?;
            let is_old =
                |order: &ShopOrder| order.status == Status::New && order.priced_at <= before;
            let Some(stored) = stored.filter(|order| is_old(order)) else {
                return Ok(Run::Unchanged(false));
            };
            let order = canceled((*stored).clone());
            Ok::<_, Unavailable>(Run::Commit(self.written(stored, order), true))
        };
        match run(&self.store, work).await {
            Ok((ended, _)) => Ok(ended),
            Err(CommitError::Unavailable(why)) => Err(why),
            // Somebody is changing it.
            Err(CommitError::Conflict | CommitError::LostLease | CommitError::Short { .. }) => {
                Ok(false)
            }
        }
    }
}

fn canceled(mut order: ShopOrder) -> ShopOrder {
    order.status = Status::Canceled;
    order.version += 1;
    order
}
