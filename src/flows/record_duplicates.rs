//! Records duplicates of hooks in the journal, many in one commit and after
//! they have been answered, so that recording them delays no answer.

use super::transaction::{Versioned, transact};
use super::{Services, journal_key};
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

/// Adds `new`, each of another hook, to the journal entries about the
/// duplicates of their hooks.
pub async fn record_duplicates(services: &Services, new: &[NewCopies]) -> Result<(), Unavailable> {
    transact(services, "note_copies", |mut tx| async move {
        let notes = load(services, new.iter().map(|new| key::copies_of(new.copies.of))).await?;
        let is_first = |(_, note): &(&NewCopies, &Option<_>)| note.is_none();
        let first = new.iter().zip(&notes).filter(is_first).map(|(new, _)| new.copies.of);
        let mut originals = load(services, first).await?.into_iter();
        for (new, note) in new.iter().zip(notes) {
            let note = match note {
                Some(mut note) => {
                    let known = note.copies.map_or(0, |copies| copies.count);
                    let count = known.saturating_add(new.copies.count);
                    note.copies = Some(Copies { count, ..new.copies });
                    note
                }
                None => match originals.next().flatten() {
                    Some(original) => Versioned::new(first_note(&original, new), new.first_at),
                    None => continue, // swept meanwhile
                },
            };
            note.stage(tx.batch());
        }
        Ok(tx.commit(()))
    })
    .await
}

async fn load(
    services: &Services,
    ids: impl Iterator<Item = HookId>,
) -> Result<Vec<Option<Versioned<JournalEntry>>>, Unavailable> {
    let keys: Vec<_> = ids.map(journal_key).collect();
    let found = services.store.load(&keys).await?;
    found.iter().map(|found| found.as_ref().map(Versioned::of).transpose()).collect()
}

fn first_note(original: &JournalEntry, new: &NewCopies) -> JournalEntry {
    let IdempotencyRecord { received_at, verdict, .. } = original.record;
    JournalEntry {
        record: IdempotencyRecord {
            id: key::copies_of(new.copies.of),
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
