//! What the journal keeps of a delivery, for people and for a replay.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::{IdempotencyRecord, Reason};
use crate::kernel::document::{decode_json, encode_json};
use crate::kernel::{Document, ExternalId, Fingerprint, HookId, Kind, PartyName, Timestamp, Unreadable};

/// A delivery as it came, what was decided about it and why. The idempotency record lies in it, so that both are one document
/// and one write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// What recognises and answers a copy.
    pub record: IdempotencyRecord,
    /// Who sent it.
    pub source: PartyName,
    /// The kind, in the sender's word, as far as it could be read.
    pub event_type: Option<String>,
    /// The sender's order number, likewise.
    pub external_id: Option<ExternalId>,
    /// When it happened, by the sender's word.
    pub sent_at: Option<Timestamp>,
    /// The same without an offset: local time of an unknown zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at_by_the_wall: Option<DateTime>,
    /// Why the verdict is what it is: all that holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// What came of it, for a person and for programs: see `orders::Fact` and `payments::PaymentFact`.
    #[serde(default)]
    pub facts: Vec<serde_json::Value>,
    /// For an entry about copies of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<Copies>,
    /// How long the body was, in bytes; what is kept of it may be less.
    pub body_bytes: u64,
    /// The bytes as they came, but for the numbers of cards in them.
    #[serde(skip)]
    pub body: Vec<u8>,
}

/// Copies of one hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// The hook.
    pub of: HookId,
    /// How many came.
    pub count: u64,
    /// When the latest came.
    pub last_at: Timestamp,
}

/// The stored form is the JSON of everything but the bytes, a line feed, and the bytes as they are: they
/// need not be text.
impl Document for JournalEntry {
    const KIND: Kind = Kind::listed(2, "hooks");
    const SCHEMA: u16 = 3;
    const OLDEST: u16 = 3;

    fn encode(&self) -> Vec<u8> {
        let mut bytes = encode_json(self);
        bytes.reserve_exact(1 + self.body.len());
        bytes.push(b'\n'); // JSON written compactly has no line feed in it
        bytes.extend_from_slice(&self.body);
        bytes
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<JournalEntry, Unreadable> {
        let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
        let mut entry: JournalEntry = decode_json(schema, &bytes[..end])?;
        entry.body = bytes.get(end + 1..).unwrap_or_default().to_vec();
        Ok(entry)
    }
}

impl JournalEntry {
    /// Whether it was these bytes that came.
    #[must_use]
    pub fn is_of(&self, body: &[u8]) -> bool {
        match self.record.masked_from {
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

    /// When it came, or the last copy that it is about.
    #[must_use]
    pub fn last_at(&self) -> Timestamp {
        self.copies.map_or(self.record.received_at, |copies| copies.last_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::{Answer, Verdict};
    use crate::kernel::Partition;

    #[test]
    fn what_is_kept_of_a_delivery_recognises_its_copy_and_answers_it() {
        let fingerprint = Fingerprint::of(&[b"card 4111"]);
        let record = IdempotencyRecord {
            id: HookId { partition: Partition::from_u64(7), fingerprint },
            number: None,
            received_at: Timestamp::UNIX_EPOCH,
            verdict: Verdict::Applied,
            answer: Some(Answer::empty()),
            masked_from: None,
        };
        let plain = JournalEntry {
            record,
            source: PartyName::new("sm"),
            event_type: None,
            external_id: None,
            sent_at: None,
            sent_at_by_the_wall: None,
            reasons: Vec::new(),
            facts: Vec::new(),
            copies: None,
            body_bytes: 9,
            body: b"{}\n\xff".to_vec(),
        };
        assert_eq!(JournalEntry::decode(JournalEntry::SCHEMA, &plain.encode()), Ok(plain.clone()));
        assert!(plain.is_of(b"{}\n\xff") && !plain.is_of(b"{}"));
        let record = IdempotencyRecord { masked_from: Some(fingerprint), ..plain.record.clone() };
        let masked = JournalEntry { record, body: b"card ****".to_vec(), ..plain.clone() };
        assert!(masked.is_of(b"card 4111") && !masked.is_of(b"card ****"));
        let answered = plain.record.answered().expect("it was answered");
        assert_eq!((answered.id, answered.answer), (plain.record.id, Answer::empty()));
        assert_eq!(IdempotencyRecord { answer: None, ..plain.record }.answered(), None);
    }

    /// The API, logs and metrics name a verdict as the store does.
    #[test]
    fn a_verdict_has_one_name() {
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_value(verdict).expect("json"), verdict.as_str());
        }
    }
}
