//! The verdict on a hook.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The verdict on a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The hook took effect.
    Applied,
    /// A duplicate of a hook that was received before.
    Replayed,
    /// Recorded, but without effect: newer hooks have already set every field
    /// it sets.
    Outdated,
    /// The hook came too late to take effect.
    Late,
    /// The hook waits until its order is created.
    Parked,
    /// The hook is of a kind that does not concern us.
    Ignored,
    /// The hook cannot be used.
    Rejected,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Verdict; 7] = [
        Verdict::Applied,
        Verdict::Replayed,
        Verdict::Outdated,
        Verdict::Late,
        Verdict::Parked,
        Verdict::Ignored,
        Verdict::Rejected,
    ];

    /// The name in the API, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Applied => "applied",
            Verdict::Replayed => "replayed",
            Verdict::Outdated => "outdated",
            Verdict::Late => "late",
            Verdict::Parked => "parked",
            Verdict::Ignored => "ignored",
            Verdict::Rejected => "rejected",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
