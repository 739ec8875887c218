//! Copies of hooks are noted in the journal, many in one commit and after they have been answered: a note
//! that a retry came is worth no retry's time.

use super::transaction::{Staged, Versioned, transact};
use super::{Shop, load_receipt};
use crate::dedup::{Reason, Receipt, Verdict, key};
use crate::kernel::{HookId, Timestamp};
use crate::store::Unavailable;

/// Copies of one hook that came since they were last noted.
#[derive(Debug, Clone)]
pub struct Copies {
    /// The hook.
    pub of: HookId,
    /// How many.
    pub count: u64,
    /// When the first of them came.
    pub first_at: Timestamp,
    /// When the last of them came.
    pub last_at: Timestamp,
}

/// Adds `copies` to the journal's note about them.
pub async fn note_copies(shop: &Shop, copies: &Copies) -> Result<(), Unavailable> {
    let id = key::copies_of(copies.of);
    transact(shop, "note_copies", |mut tx| async move {
        let note = match load_receipt(&shop.store, id).await? {
            Some(mut note) => {
                note.copies = Some(note.copies.unwrap_or(0).saturating_add(copies.count));
                note.last_copy_at = Some(copies.last_at);
                note
            }
            None => match load_receipt(&shop.store, copies.of).await? {
                Some(original) => Versioned::new(first_note(&original, id, copies), copies.first_at),
                None => return Ok(Staged::Unchanged(())), // swept meanwhile
            },
        };
        note.stage(tx.batch());
        Ok(tx.commit(()))
    })
    .await
}

fn first_note(original: &Receipt, id: HookId, copies: &Copies) -> Receipt {
    Receipt {
        id,
        received_at: copies.first_at,
        verdict: Verdict::Replayed,
        reasons: vec![Reason::CameBefore { received_at: original.received_at, verdict: original.verdict }],
        facts: Vec::new(),
        copy_of: Some(copies.of),
        copies: Some(copies.count),
        last_copy_at: Some(copies.last_at),
        body: Vec::new(),
        ..original.clone()
    }
}
