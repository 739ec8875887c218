//! Copies of hooks are noted in the journal, many in one commit and after they have been answered: a note
//! that a retry came is worth no retry's time.

use super::transaction::{Staged, Versioned, transact};
use super::{Shop, load_entry};
use crate::dedup::{Copies, IdempotencyRecord, JournalEntry, Reason, Verdict, key};
use crate::kernel::{HookId, Timestamp};
use crate::store::Unavailable;

/// Copies of one hook that came since they were last noted.
#[derive(Debug, Clone)]
pub struct NewCopies {
    /// The copies.
    pub copies: Copies,
    /// When the first of them came.
    pub first_at: Timestamp,
}

/// Adds `new` to the journal's entry about them.
pub async fn note_copies(shop: &Shop, new: &NewCopies) -> Result<(), Unavailable> {
    let of = new.copies.of;
    let id = key::copies_of(of);
    transact(shop, "note_copies", |mut tx| async move {
        let note = match load_entry(&shop.store, id).await? {
            Some(mut note) => {
                let known = note.copies.map_or(0, |copies| copies.count);
                note.copies = Some(Copies { count: known.saturating_add(new.copies.count), ..new.copies });
                note
            }
            None => match load_entry(&shop.store, of).await? {
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
