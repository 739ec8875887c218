//! Records the duplicates of a hook in the journal after they have been
//! answered, many of them in one entry, so that recording them delays no
//! answer.

use bytes::Bytes;
use futures_util::future::join_all;

use super::transaction::{Staged, Versioned, commit_once, transact};
use super::{Services, journal_key};
use crate::dedup::{Copies, IdempotencyRecord, JournalEntry, Reason, Verdict, key};
use crate::kernel::{HookId, Timestamp};
use crate::store::{Batch, Stored, Unavailable};

/// Duplicates of one hook since the last record.
#[derive(Debug, Clone)]
pub struct NewCopies {
    /// The hook, how many duplicates there were, and when the last one came.
    pub copies: Copies,
    /// When the first of these duplicates came.
    pub first_at: Timestamp,
}

/// Adds each of `new` to the journal entry about the duplicates of its hook.
/// The entries are read together; each is written by a batch of its own,
/// because it belongs to another order.
pub async fn record_duplicates(services: &Services, new: &[NewCopies]) -> Result<(), Unavailable> {
    let keys = new.iter().flat_map(|new| {
        let of = new.copies.of;
        [journal_key(key::copies_of(of)), journal_key(of)]
    });
    let found = services.store.load_readable(&keys.collect::<Vec<_>>()).await?;
    let records = new.iter().zip(found.chunks_exact(2)).map(async |(new, found)| {
        let [note, original] = found else { return Ok(()) };
        let Some(note) = note_on(new, note.as_ref(), original.as_ref())? else { return Ok(()) };
        let mut batch = Batch::new();
        note.stage(&mut batch);
        if commit_once(&services.store, batch).await? { Ok(()) } else { again(services, new).await }
    });
    join_all(records).await.into_iter().collect()
}

/// Records `new` after another change of the same entry was committed first.
async fn again(services: &Services, new: &NewCopies) -> Result<(), Unavailable> {
    let of = new.copies.of;
    transact(services, "note_copies", |mut tx| async move {
        let keys = [journal_key(key::copies_of(of)), journal_key(of)];
        let found = services.store.load(&keys).await?;
        let [note, original] = &*found else { return Ok(Staged::Unchanged(())) };
        match note_on(new, note.as_ref(), original.as_ref())? {
            Some(note) => note.stage(tx.batch()),
            None => return Ok(Staged::Unchanged(())),
        }
        Ok(tx.commit(()))
    })
    .await
}

/// The entry about the duplicates of a hook, with `new` added. `None` if the
/// hook was swept meanwhile.
fn note_on(
    new: &NewCopies,
    note: Option<&Stored>,
    original: Option<&Stored>,
) -> Result<Option<Versioned<JournalEntry>>, Unavailable> {
    if let Some(note) = note {
        let mut note = Versioned::<JournalEntry>::of(note)?;
        let known = note.copies.map_or(0, |copies| copies.count);
        note.copies = Some(Copies { count: known.saturating_add(new.copies.count), ..new.copies });
        return Ok(Some(note));
    }
    let Some(original) = original else { return Ok(None) };
    let original = Versioned::<JournalEntry>::of(original)?;
    let id = key::copies_of(new.copies.of);
    Ok(Some(Versioned::new(first_note(&original, id, new), new.first_at)))
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
        body: Bytes::new(),
        ..original.clone()
    }
}
