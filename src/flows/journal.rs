//! The journal: the keys of its entries, reading them, and creating new ones.

use std::borrow::Cow;

use bytes::Bytes;

use super::Hook;
use super::transaction::Versioned;
use crate::dedup::{IdempotencyRecord, JournalEntry, Verdict};
use crate::kernel::document::Keyed;
use crate::kernel::{DocKey, Document, Fingerprint, HookId, Timestamp, card};
use crate::store::{Store, Unavailable};

/// The key of the journal entry of a delivery.
#[must_use]
pub fn journal_key(id: HookId) -> DocKey {
    DocKey { partition: id.partition, kind: JournalEntry::KIND, id: id.fingerprint.get() }
}

/// Reads an entry in order to change it.
pub(super) async fn load_entry(
    store: &Store,
    id: HookId,
) -> Result<Option<Versioned<JournalEntry>>, Unavailable> {
    let stored = store.load(&[journal_key(id)]).await?.pop().flatten();
    stored.as_ref().map(Versioned::of).transpose()
}

/// Reads an entry that is durable, for an answer that relies on it.
pub(super) async fn load_kept_entry(
    store: &Store,
    id: HookId,
) -> Result<Option<Versioned<JournalEntry>>, Unavailable> {
    let stored = store.load_kept(&[journal_key(id)]).await?.pop().flatten();
    stored.as_ref().map(Versioned::of).transpose()
}

impl Keyed for JournalEntry {
    fn key(&self) -> DocKey {
        journal_key(self.record.id)
    }
}

/// Creates an entry about `hook`. The caller sets its verdict.
pub(super) fn entry_of(hook: &Hook, id: HookId, received_at: Timestamp) -> JournalEntry {
    let masked = match card::mask_body(&hook.body) {
        Cow::Owned(masked) => Some(Bytes::from(masked)),
        Cow::Borrowed(_) => None,
    };
    JournalEntry {
        record: IdempotencyRecord {
            id,
            number: None,
            received_at,
            verdict: Verdict::Ignored,
            answer: None,
            masked_from: masked.as_ref().map(|_| Fingerprint::of(&[&hook.body])),
        },
        source: hook.source.clone(),
        event_type: Some(hook.event_type.clone()),
        external_id: hook.external_id.clone(),
        sent_at: None,
        sent_at_by_the_wall: None,
        reasons: Vec::new(),
        facts: Vec::new(),
        copies: None,
        body_bytes: hook.body.len() as u64,
        body: masked.unwrap_or_else(|| hook.body.clone()),
    }
}
