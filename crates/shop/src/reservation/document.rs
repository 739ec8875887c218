//! The states of a reservation, and the document of it.

use serde::{Deserialize, Serialize};
use tillgate_kernel::{DocKey, Document, ListName, Timestamp};
use tillgate_store::Batch;

use crate::order_id::OrderId;

/// What has become of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Held for a client who is about to pay.
    Preliminary { until: Timestamp },
    /// Sold.
    Confirmed,
    /// Given back by the client, or because the time had run out. It can be
    /// taken again.
    Released,
    /// Given back for good. What comes later takes nothing any more.
    Reversed,
}

impl State {
    /// Whether something is held.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, State::Preliminary { .. } | State::Confirmed)
    }

    /// Under which time a reservation is listed.
    pub(super) const fn listed_at(self, now: Timestamp) -> Timestamp {
        match self {
            State::Preliminary { until } => until,
            State::Confirmed | State::Released | State::Reversed => now,
        }
    }
}

/// The document of what is held for an order.
pub trait Reservation: Document + Clone + Send + Sync + 'static {
    /// How lists and the log call them.
    const PLURAL: &'static str;

    fn order(&self) -> OrderId;

    fn state(&self) -> State;

    /// The version of the order.
    fn version(&self) -> u64;

    /// When it was taken, and not given back since.
    fn taken_at(&self) -> Timestamp;

    /// The same in another state. In one that is not live nothing is held.
    #[must_use]
    fn in_state(&self, state: State) -> Self;

    /// A mark that the order is reversed: nothing was held for it.
    #[must_use]
    fn tombstone(order: OrderId, now: Timestamp) -> Self;

    /// Stages what it takes to have `to` instead of `from`: counters and
    /// floors. What is taken in addition must be there; giving back is never
    /// refused.
    fn stage(batch: &mut Batch, from: Option<&Self>, to: &Self);

    #[must_use]
    fn key_of(order: OrderId) -> DocKey {
        DocKey { partition: order.partition(), kind: Self::KIND, id: 0 }
    }

    /// The list of those that run out, under the time when they do.
    #[must_use]
    fn expiring() -> ListName {
        ListName::of(&[&format!("{} expiring", Self::PLURAL)])
    }

    /// The list of those that hold something.
    #[must_use]
    fn live() -> ListName {
        ListName::of(&[&format!("{} live", Self::PLURAL)])
    }

    /// The list of those that can be forgotten.
    #[must_use]
    fn over() -> ListName {
        ListName::of(&[&format!("{} over", Self::PLURAL)])
    }

    /// The lists in which it is.
    #[must_use]
    fn lists_of(&self) -> Vec<ListName> {
        match self.state() {
            State::Preliminary { .. } => vec![Self::expiring(), Self::live()],
            State::Confirmed => vec![Self::live()],
            State::Released | State::Reversed => vec![Self::over()],
        }
    }
}
