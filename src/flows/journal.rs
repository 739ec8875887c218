//! The journal: where the entry of a delivery lies, how it is read, and how a new one begins.

use std::borrow::Cow;

use super::Hook;
use super::transaction::Versioned;
use crate::dedup::{IdempotencyRecord, JournalEntry, Verdict};
use crate::kernel::{DocKey, Document, Fingerprint, HookId, Timestamp, card};
use crate::store::{Batch, Store, Unavailable};

/// Where the entry of a delivery lies.
#[must_use]
pub fn journal_key(id: HookId) -> DocKey {
    DocKey { partition: id.partition, kind: JournalEntry::KIND, id: id.fingerprint.get() }
}

/// Reads an entry to change it.
pub(super) async fn load_entry(
    store: &Store,
    id: HookId,
) -> Result<Option<Versioned<JournalEntry>>, Unavailable> {
    let stored = store.load(&[journal_key(id)]).await?.pop().flatten();
    stored.as_ref().map(Versioned::of).transpose()
}

/// Reads an entry for an answer that promises what it says.
pub(super) async fn load_kept_entry(
    store: &Store,
    id: HookId,
) -> Result<Option<Versioned<JournalEntry>>, Unavailable> {
    let stored = store.load_kept(&[journal_key(id)]).await?.pop().flatten();
    stored.as_ref().map(Versioned::of).transpose()
}

impl Versioned<JournalEntry> {
    /// Stages the entry as it is now.
    pub(super) fn stage(&self, batch: &mut Batch) {
        self.stage_at(journal_key(self.record.id), batch);
    }
}

/// An entry about `hook`, as yet without a verdict of its own.
pub(super) fn entry_of(hook: &Hook, id: HookId, received_at: Timestamp) -> JournalEntry {
    let body = card::mask_body(&hook.body);
    let is_masked = matches!(body, Cow::Owned(_));
    JournalEntry {
        record: IdempotencyRecord {
            id,
            number: None,
            received_at,
            verdict: Verdict::Ignored,
            answer: None,
            masked_from: is_masked.then(|| Fingerprint::of(&[&hook.body])),
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
        body: body.into_owned(),
    }
}
