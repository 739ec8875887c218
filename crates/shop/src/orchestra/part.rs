//! What one service was asked in an agreement, and what it has answered.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tillgate_kernel::Timestamp;
use tillgate_kernel::time::later;

use crate::formats::agreement::RequestType;

/// A request is repeated after these pauses, and then after the last of them.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(90),
    Duration::from_secs(300),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// It was asked for nothing.
    #[default]
    Untouched,
    Confirming,
    Confirmed,
    /// It has refused to confirm.
    Refused,
    Reversing,
    Reversed,
}

impl PartState {
    /// What it is asked for and has not answered.
    #[must_use]
    pub const fn asked_for(self) -> Option<RequestType> {
        match self {
            PartState::Confirming => Some(RequestType::Confirm),
            PartState::Reversing => Some(RequestType::Reverse),
            PartState::Untouched
            | PartState::Confirmed
            | PartState::Refused
            | PartState::Reversed => None,
        }
    }

    /// As commands show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            PartState::Untouched => "not asked",
            PartState::Confirming => "confirming",
            PartState::Confirmed => "confirmed",
            PartState::Refused => "refused",
            PartState::Reversing => "reversing",
            PartState::Reversed => "reversed",
        }
    }
}

/// What one service was asked, and has answered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Part {
    pub state: PartState,
    /// How many requests it was sent.
    pub attempt: u32,
    /// How many of them were for what it is asked for now.
    asks: u32,
    /// When it is asked again.
    pub again_at: Option<Timestamp>,
}

impl Part {
    /// Notes a request. Returns its number.
    pub(super) fn ask(&mut self, request: RequestType, now: Timestamp) -> u32 {
        let is_repeated = self.state.asked_for() == Some(request);
        self.asks = if is_repeated { self.asks + 1 } else { 0 };
        self.state = match request {
            RequestType::Confirm => PartState::Confirming,
            RequestType::Reverse => PartState::Reversing,
        };
        self.attempt += 1;
        let [.., longest] = PAUSES;
        let pause = usize::try_from(self.asks).ok().and_then(|asks| PAUSES.get(asks));
        self.again_at = Some(later(now, *pause.unwrap_or(&longest)));
        self.attempt
    }

    /// Notes its answer.
    pub(super) const fn settle(&mut self, state: PartState) {
        self.state = state;
        self.again_at = None;
    }
}
