//! Fulfilment updates, which the marketplace is sent about an order: that it is
//! being picked, that it is ready and with which lines, or that it cannot be
//! delivered.

use serde::{Deserialize, Serialize};

use super::positions::Position;
use crate::kernel::ExternalId;

/// The kind of a fulfilment update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FulfilmentKind {
    /// The order is being picked.
    InWork,
    /// The order is ready to be collected.
    Ready,
    /// The order cannot be delivered.
    Canceled,
}

impl FulfilmentKind {
    /// The name of the kind in the API and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            FulfilmentKind::InWork => "in_work",
            FulfilmentKind::Ready => "ready",
            FulfilmentKind::Canceled => "canceled",
        }
    }
}

/// A message to the marketplace, as the outbox stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FulfilmentUpdate {
    pub kind: FulfilmentKind,
    /// The marketplace's number of the order.
    pub external_id: ExternalId,
    /// The final lines, if they differ from those that were ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<Vec<Position>>,
    /// Why the order cannot be delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The outcome of sending an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// The marketplace accepted it, now or before.
    Taken,
    /// It certainly did not arrive and may be sent again.
    NotTaken(String),
    /// It may have arrived.
    Unknown(String),
    /// The order's state at the marketplace does not allow it. After an unknown
    /// outcome this means that the earlier attempt arrived.
    OutOfTurn(String),
    /// The marketplace will never accept it.
    Refused(String),
}

impl UpdateOutcome {
    /// The outcome's label in metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            UpdateOutcome::Taken => "accepted",
            UpdateOutcome::NotTaken(_) => "not_sent",
            UpdateOutcome::Unknown(_) => "unknown",
            UpdateOutcome::OutOfTurn(_) => "out_of_turn",
            UpdateOutcome::Refused(_) => "refused",
        }
    }
}
