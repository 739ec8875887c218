//! What was decided about a hook.

use std::fmt;

use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It counts.
    Applied,
    /// It had come before.
    Replayed,
    /// It was taken in, and newer hooks have spoken of all that it says.
    Outdated,
    /// It came too late to count.
    Late,
    /// It waits for its order.
    Parked,
    /// It is of a kind that does not concern us.
    Ignored,
    /// It cannot be used.
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

    /// Its name in the API, logs and metrics.
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
