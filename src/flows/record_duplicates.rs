//! Records the duplicates of a hook in the journal after they have been
//! answered, many of them in one entry, so that recording them delays no
//! answer.

use super::transaction::{Staged, Versioned, transact};
use super::{Services, load_entry};
use crate::dedup::{Copies, IdempotencyRecord, JournalEntry, Reason, Verdict, key};
use crate::kernel::{HookId, Timestamp};
use crate::store::Unavailable;

/// Duplicates of one hook since the last record.
#[derive(Debug, Clone)]
pub struct NewCopies {
    /// The hook, how many duplicates there were, and when the last one came.
    pub copies: Copies,
    /// When the first of these duplicates came.
    pub first_at: Timestamp,
}

/// Adds `new` to the journal entry about the duplicates of the hook.
pub async fn record_duplicates(services: &Services, new: &NewCopies) -> Result<(), Unavailable> {
    let of = new.copies.of;
    let id = key::copies_of(of);
    transact(services, "note_copies", |mut tx| async move {
        let note = match load_entry(&services.store, id).await? {
            Some(mut note) => {
                let known = note.copies.map_or(0, |copies| copies.count);
                note.copies =
                    Some(Copies { count: known.saturating_add(new.copies.count), ..new.copies });
                note
            }
            None => match load_entry(&services.store, of).await? {
                Some(original) => Versioned::new(first_note(&original, id, new), new.first_at),
                None => return Ok(Staged::Unchanged(())), // swept meanwhile
            },
        };
        note.stage(tx.batch());
        Ok(tx.commit(()))
    })
    .await
}

fn first_note(original: &JournalEntry, id: HookId, new: &NewCopies) -> JournalEntry {
    let IdempotencyRecord { received_at, verdict, .. } = original.record;
    JournalEntry {
        record: IdempotencyRecord {
            id,
            received_at: new.first_at,
            verdict: Verdict::Replayed,
            ..original.record.clone()
        },
        reasons: vec![Reason::CameBefore { received_at, verdict }],
        facts: Vec::new(),
        copies: Some(new.copies),
        body: Vec::new(),
        ..original.clone()
    }
}
