//! Shows what is left of a damaged store, and accepts it as complete.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::index::Index;
use super::layout::{StoredPage, Unpacked};
use super::note::{self, Note, NoteError};
use super::opening::{OpenError, open_engine, panic_text};
use super::reading::read_piece;
use super::{keys, log};
use crate::Unavailable;
use tillgate_kernel::{DocKey, Kind, Partition, Timestamp};

/// Information about document kinds that the store itself does not have.
#[derive(Debug, Clone, Copy)]
pub struct Kinds {
    /// The kind whose newest document is reported.
    pub newest: Kind,
    /// Returns a kind with its name, for display.
    pub named: fn(Kind) -> Kind,
}

/// The content of a store's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The last group of changes that was recorded as durable; none if nothing
    /// was ever recorded.
    pub noted: Result<Option<u64>, String>,
    /// The last group in the store.
    pub last_group: u64,
    /// The time of the newest document of the kind that was asked for.
    pub newest: Option<Timestamp>,
    /// How many documents can be read, by kind.
    pub documents: BTreeMap<Kind, u64>,
    /// What cannot be read, and why.
    pub damaged: Vec<String>,
}

/// How many pages are asked for at once.
const STEP: usize = 1000;

/// Inspects the store in `path`, which must not be in use, and looks for the
/// newest document of one kind.
pub fn inspect(path: &Path, cache_bytes: u64, kinds: Kinds) -> Result<Inspection, OpenError> {
    look(path, cache_bytes, kinds, true).map(|(inspection, _)| inspection)
}

/// Accepts the current content of the store in `path`, so that it opens from
/// now on. Returns what is there.
pub fn accept_loss(path: &Path, cache_bytes: u64, kinds: Kinds) -> Result<Inspection, OpenError> {
    let not_accessible = |why| OpenError::NotAccessible { path: path.to_owned(), why };
    let (inspection, _db) = match look(path, cache_bytes, kinds, false) {
        Err(OpenError::Broken { .. }) => without_snapshots(path, cache_bytes, kinds)?,
        looked => looked?,
    };
    if inspection.is_whole() {
        return Ok(inspection);
    }
    Note::accept(path, inspection.last_group).map_err(not_accessible)?;
    Ok(inspection)
}

impl Inspection {
    /// Whether nothing is known to be missing or damaged.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let is_noted = matches!(self.noted, Ok(Some(noted)) if noted <= self.last_group);
        is_noted && self.damaged.is_empty()
    }
}

/// Inspects the store again without sled's snapshots of its log. They may refer
/// to data that does not exist any more, and without one sled reads the log
/// itself. If that does not help they are put back.
fn without_snapshots(
    path: &Path,
    cache_bytes: u64,
    kinds: Kinds,
) -> Result<(Inspection, sled::Db), OpenError> {
    let not_accessible = |why| OpenError::NotAccessible { path: path.to_owned(), why };
    let set_aside = set_snapshots_aside(path).map_err(not_accessible)?;
    match look(path, cache_bytes, kinds, false) {
        Err(OpenError::Broken { path, why }) => {
            for (snapshot, aside) in set_aside {
                fs::rename(aside, snapshot).map_err(not_accessible)?;
            }
            Err(OpenError::Hopeless { path, why })
        }
        looked => looked,
    }
}

/// Renames sled's snapshots, so that it does not find them. Returns the path of
/// each before and after.
fn set_snapshots_aside(path: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let mut renamed = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("snap.") {
            let aside = path.join(format!("broken-{name}"));
            fs::rename(entry.path(), &aside)?;
            renamed.push((entry.path(), aside));
        }
    }
    Ok(renamed)
}

fn look(
    path: &Path,
    cache_bytes: u64,
    kinds: Kinds,
    is_checked: bool,
) -> Result<(Inspection, sled::Db), OpenError> {
    let broken = |why: String| OpenError::Broken { path: path.to_owned(), why };
    let noted = note::noted(path).map_err(|misfit| match misfit {
        NoteError::Io(why) => why.to_string(),
        NoteError::Broken(why) => why,
    });
    // A gap in the middle of the log cannot be seen in what is left.
    let in_log = match log::check(path) {
        Err(log::UnusableLog::Damaged(why)) => Some(why),
        Ok(()) | Err(log::UnusableLog::InUse | log::UnusableLog::Io(_)) => None,
    };
    let db = open_engine(path, cache_bytes, is_checked)?;
    let looked = catch_unwind(AssertUnwindSafe(|| through(&db, kinds)));
    let mut inspection = looked.unwrap_or_else(|panic| Err(panic_text(&*panic))).map_err(broken)?;
    inspection.noted = noted;
    inspection.damaged.extend(in_log);
    Ok((inspection, db))
}

fn through(db: &sled::Db, kinds: Kinds) -> Result<Inspection, String> {
    let unread = |why: Unavailable| why.to_string();
    let last_group = keys::read_last_group(db)?;
    let (index, _) = Index::open(db)?;
    let mut found = Found::default();
    // What is missing in the index is not found below.
    let mut damaged = Index::build_filters(&Arc::downgrade(&index));
    let mut after = None;
    loop {
        let partitions = index.partitions(after, STEP).map_err(unread)?;
        for &partition in &partitions {
            let counted =
                catch_unwind(AssertUnwindSafe(|| count(partition, &index, db, kinds, &mut found)));
            let counted = counted.unwrap_or_else(|panic| Err(panic_text(&*panic)));
            damaged.extend(counted.err());
        }
        match partitions.last() {
            Some(last) => after = Some(*last),
            None => break,
        }
    }
    let Found { newest, documents } = found;
    Ok(Inspection { noted: Ok(None), last_group, newest, documents, damaged })
}

#[derive(Default)]
struct Found {
    newest: Option<Timestamp>,
    documents: BTreeMap<Kind, u64>,
}

/// Counts the documents of a partition that can be read. The error says which
/// cannot.
fn count(
    partition: Partition,
    index: &Index,
    tree: &sled::Tree,
    kinds: Kinds,
    found: &mut Found,
) -> Result<(), String> {
    let kept =
        StoredPage::read(partition, index, &Unpacked::default(), &|raw: &[u8]| tree.get(raw))
            .map_err(|why| why.to_string())?;
    for key in kept.page.keys() {
        let key = DocKey { kind: (kinds.named)(key.kind), ..key };
        let stored = kept
            .page
            .document(key, &|piece| read_piece(tree, piece))
            .map_err(|why| why.to_string())?;
        *found.documents.entry(key.kind).or_default() += 1;
        if key.kind == kinds.newest {
            found.newest = found.newest.max(stored.map(|stored| stored.body.listed_at));
        }
    }
    Ok(())
}
