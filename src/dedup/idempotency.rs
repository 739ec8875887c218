//! The idempotency record, which recognises a repeated delivery and answers it.

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::kernel::{Fingerprint, HookId, Timestamp};
use crate::orders::Number;

/// The answer to a hook. Every duplicate gets the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub content_type: String,
    pub body: String,
}

impl Answer {
    /// An answer that only confirms the receipt: 200 with an empty object.
    #[must_use]
    pub fn empty() -> Answer {
        Answer { status: 200, content_type: "application/json".into(), body: "{}".into() }
    }
}

/// The data needed to recognise a repeated delivery and to repeat its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// The id of the delivery.
    pub id: HookId,
    /// Our number of the order, if the delivery belongs to one.
    pub number: Option<Number>,
    /// When the delivery arrived.
    pub received_at: Timestamp,
    pub verdict: Verdict,
    /// The answer. None until there is one, and for a hook that was turned
    /// away: its duplicates get a new verdict.
    pub answer: Option<Answer>,
    /// The fingerprint of the received bytes, if the stored ones differ from
    /// them because card numbers are masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked_from: Option<Fingerprint>,
}

impl IdempotencyRecord {
    /// The answer for a duplicate. None if there is no stored answer.
    #[must_use]
    pub fn answered(&self) -> Option<Answered> {
        Some(Answered {
            id: self.id,
            number: self.number,
            received_at: self.received_at,
            verdict: self.verdict,
            answer: self.answer.clone()?,
        })
    }
}

/// The stored answer to a hook, with what is known about the first delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The id of the hook.
    pub id: HookId,
    /// Our number of its order, if it belongs to one.
    pub number: Option<Number>,
    /// When the first delivery arrived.
    pub received_at: Timestamp,
    /// The verdict on the first delivery.
    pub verdict: Verdict,
    pub answer: Answer,
}
