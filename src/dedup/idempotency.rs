//! What recognises a delivery, and answers it: the idempotency record.

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::kernel::{Fingerprint, HookId, Timestamp};
use crate::orders::Number;

/// The answer to a hook, as the bytes that every copy of it gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub content_type: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// That it was taken in, and nothing else.
    #[must_use]
    pub fn empty() -> Answer {
        Answer { status: 200, content_type: "application/json".into(), body: "{}".into() }
    }
}

/// What is needed to recognise a delivery that comes again, and to answer it as before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// Which delivery.
    pub id: HookId,
    /// Our number of the order it belongs to.
    pub number: Option<Number>,
    /// When it came.
    pub received_at: Timestamp,
    /// The verdict.
    pub verdict: Verdict,
    /// The answer. None while there is none, and for a hook that was turned away: a copy of it is judged again.
    pub answer: Option<Answer>,
    /// The fingerprint of the bytes as they came, if what is kept of them is not the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked_from: Option<Fingerprint>,
}

impl IdempotencyRecord {
    /// What a copy is answered; none if it was not answered.
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

/// What a copy of a hook is told, and told about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Which hook.
    pub id: HookId,
    /// Our number of its order.
    pub number: Option<Number>,
    /// When it came first.
    pub received_at: Timestamp,
    /// What was decided then.
    pub verdict: Verdict,
    /// What it was answered.
    pub answer: Answer,
}
