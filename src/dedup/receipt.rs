//! What is kept of a hook.

use std::fmt;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::reason::Reason;
use crate::kernel::{Document, ExternalId, Fingerprint, HookId, Kind, PartyName, Timestamp, Unreadable};
use crate::orders::Number;

/// What was decided about a hook.
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

/// A hook as it came, what was decided about it and what it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which hook.
    pub id: HookId,
    /// Who sent it.
    pub source: PartyName,
    /// The kind, in the sender's word, as far as it could be read.
    pub event_type: Option<String>,
    /// The sender's order number, likewise.
    pub external_id: Option<ExternalId>,
    /// Our number of the order it belongs to.
    pub number: Option<Number>,
    /// When it came.
    pub received_at: Timestamp,
    /// When it happened, by the sender's word.
    pub sent_at: Option<Timestamp>,
    /// The same by a clock of which nobody knows where it hangs: the sender names no offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at_by_the_wall: Option<DateTime>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why: all that holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// What came of it, for a person and for programs: see `orders::Fact` and `payments::PaymentFact`.
    #[serde(default)]
    pub facts: Vec<serde_json::Value>,
    /// The answer. None for a hook that was turned away: a copy of it is looked at anew.
    pub answer: Option<Answer>,
    /// For a note of copies: the hook that they are copies of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<HookId>,
    /// For a note of copies: how many came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u64>,
    /// For a note of copies: when the latest came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_copy_at: Option<Timestamp>,
    /// How long the body was, in bytes; what is kept of it may be less.
    pub body_bytes: u64,
    /// Of the bytes as they came, if numbers of cards in them were masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked_from: Option<Fingerprint>,
    /// The bytes as they came, but for the numbers of cards in them.
    #[serde(skip)]
    pub body: Vec<u8>,
}

/// The stored form is the JSON of everything but the bytes, a line feed, and the bytes as they are: they
/// need not be text.
impl Document for Receipt {
    const KIND: Kind = Kind::listed(2, "hooks");
    const SCHEMA: u16 = 2;
    const OLDEST: u16 = 2;

    fn encode(&self) -> Vec<u8> {
        let mut bytes = crate::kernel::document::encode_json(self);
        bytes.reserve_exact(1 + self.body.len());
        bytes.push(b'\n'); // JSON written compactly has no line feed in it
        bytes.extend_from_slice(&self.body);
        bytes
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Receipt, Unreadable> {
        let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
        let mut receipt: Receipt = crate::kernel::document::decode_json(schema, &bytes[..end])?;
        receipt.body = bytes.get(end + 1..).unwrap_or_default().to_vec();
        Ok(receipt)
    }
}

impl Receipt {
    /// Whether it was these bytes that came.
    #[must_use]
    pub fn is_of(&self, body: &[u8]) -> bool {
        match self.masked_from {
            Some(fingerprint) => fingerprint == Fingerprint::of(&[body]),
            None => self.body == body,
        }
    }

    /// Whether a second delivery of these bytes could mean something else than a retry: see
    /// `orders::reading_of_repeat`.
    #[must_use]
    pub fn is_timeless(&self) -> bool {
        self.sent_at.is_none() && self.sent_at_by_the_wall.is_none()
    }
}
