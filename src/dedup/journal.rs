//! The journal entry of a delivery, for people and for a replay.

use bytes::Bytes;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::{IdempotencyRecord, Reason, Verdict};
use crate::kernel::document;
use crate::kernel::{
    Document, ExternalId, Fingerprint, HookId, Kind, ListName, PartyName, Timestamp, Unreadable,
};

/// A delivery as it was received, with its verdict and the reasons. It includes
/// the idempotency record, so that both are one document and one write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// The record that recognises and answers a duplicate.
    pub record: IdempotencyRecord,
    /// The name of the sender.
    pub source: PartyName,
    /// The sender's name of the kind, if it could be read.
    pub event_type: Option<String>,
    /// The sender's order number, if it could be read.
    pub external_id: Option<ExternalId>,
    /// The time of the event, according to the sender.
    pub sent_at: Option<Timestamp>,
    /// The same, if the sender gave no offset: local time in an unknown zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at_by_the_wall: Option<DateTime>,
    /// All reasons for the verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// The effects as JSON, for people and for programs: see `orders::Fact` and
    /// `payments::PaymentFact`.
    #[serde(default)]
    pub facts: Vec<String>,
    /// Set in an entry that counts the duplicates of another hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<Copies>,
    /// The original length of the body, in bytes. The stored body can be
    /// shorter.
    pub body_bytes: u64,
    /// The body as it was received, except for card numbers, which are masked.
    #[serde(skip)]
    pub body: Bytes,
}

/// The duplicates of one hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// The id of the hook.
    pub of: HookId,
    /// The number of duplicates received.
    pub count: u64,
    /// The arrival of the latest one.
    pub last_at: Timestamp,
}

/// The stored form is the length of everything except the body, in 4 bytes,
/// that in the form of other documents, and the raw body.
impl Document for JournalEntry {
    const KIND: Kind = Kind::new(2, "hooks");
    const SCHEMA: u16 = 4;
    const OLDEST: u16 = 4;

    fn encode(&self) -> Vec<u8> {
        let head = document::encode(self);
        let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
        [&length.to_be_bytes(), &*head, &*self.body].concat()
    }

    fn lists(&self) -> Vec<ListName> {
        vec![JournalEntry::list(&self.source, self.record.verdict)]
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<JournalEntry, Unreadable> {
        let (length, rest) = bytes.split_first_chunk().unwrap_or((&[0; 4], bytes));
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (head, body) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        let mut entry: JournalEntry = document::decode(schema, head)?;
        entry.body = Bytes::copy_from_slice(body);
        Ok(entry)
    }
}

impl JournalEntry {
    /// The list of the entries of a source with a verdict.
    #[must_use]
    pub fn list(source: &PartyName, verdict: Verdict) -> ListName {
        ListName::of(&["hooks", source.as_str(), verdict.as_str()])
    }

    /// Whether the received body had exactly these bytes.
    #[must_use]
    pub fn is_of(&self, body: &[u8]) -> bool {
        match self.record.masked_from {
            Some(fingerprint) => fingerprint == Fingerprint::of(&[body]),
            None => self.body == body,
        }
    }

    /// Whether the hook has no time of its own. Then a second delivery of the
    /// same bytes could be something else than a retry: see
    /// `orders::reading_of_repeat`.
    #[must_use]
    pub fn is_timeless(&self) -> bool {
        self.sent_at.is_none() && self.sent_at_by_the_wall.is_none()
    }

    /// The arrival of the hook, or of the latest duplicate that the entry
    /// counts.
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
    fn a_journal_entry_recognises_and_answers_a_duplicate() {
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
            body: Bytes::from_static(b"{}\n\xff"),
        };
        assert_eq!(JournalEntry::decode(JournalEntry::SCHEMA, &plain.encode()), Ok(plain.clone()));
        assert!(plain.is_of(b"{}\n\xff") && !plain.is_of(b"{}"));
        let record = IdempotencyRecord { masked_from: Some(fingerprint), ..plain.record.clone() };
        let masked =
            JournalEntry { record, body: Bytes::from_static(b"card ****"), ..plain.clone() };
        assert!(masked.is_of(b"card 4111") && !masked.is_of(b"card ****"));
        let answered = plain.record.answered().expect("an answer");
        assert_eq!((answered.id, answered.answer), (plain.record.id, Answer::empty()));
        assert_eq!(IdempotencyRecord { answer: None, ..plain.record }.answered(), None);
    }

    /// The API, logs and metrics use the same names as the store.
    #[test]
    fn a_verdict_has_one_name() {
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_value(verdict).expect("json"), verdict.as_str());
        }
    }
}
