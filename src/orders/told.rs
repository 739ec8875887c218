//! What a shop tells the marketplace of an order: that it is being picked, that it is ready and what of, that it cannot be had.

use serde::{Deserialize, Serialize};

use super::content::Position;
use crate::kernel::ExternalId;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tiding {
    /// It is being picked.
    InWork,
    /// It can be collected.
    Ready,
    /// The shop cannot deliver it.
    Canceled,
}

impl Tiding {
    /// Its name in the API and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Tiding::InWork => "in_work",
            Tiding::Ready => "ready",
            Tiding::Canceled => "canceled",
        }
    }
}

/// A message to the marketplace, as it waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What is told.
    pub tiding: Tiding,
    /// The marketplace's number of the order.
    pub external_id: ExternalId,
    /// What it consists of in the end, where that is another composition than was ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<Vec<Position>>,
    /// Why it cannot be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
