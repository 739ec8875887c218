//! How far an agreement is.

use serde::{Deserialize, Serialize};

/// How far an agreement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Goods and the delivery are asked for.
    Confirming,
    /// The payment is asked for: what was only held is taken.
    Paying,
    /// Agreed on.
    Done,
    /// Not agreed on: everything is given back.
    Undoing,
    Undone,
    /// The client withdraws, and the store is asked whether it is too late.
    Withdrawing,
    /// Withdrawn: the rest is given back.
    GivingBack,
    Withdrawn,
}

impl Stage {
    /// As commands show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Confirming => "confirming",
            Stage::Paying => "paying",
            Stage::Done => "done",
            Stage::Undoing => "undoing",
            Stage::Undone => "undone",
            Stage::Withdrawing => "withdrawing",
            Stage::GivingBack => "giving_back",
            Stage::Withdrawn => "withdrawn",
        }
    }

    /// Whether nobody is waited for.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Stage::Done | Stage::Undone | Stage::Withdrawn)
    }
}
