//! The thread that makes every change to the store, one group of batches at a
//! time.
//!
//! Each batch of a group is checked against what is stored and what earlier
//! batches of the group wrote, and succeeds or conflicts on its own. The
//! successful ones become one atomic write of sled. The
//! [`syncer`](super::syncer) makes it durable and sends the answers while this
//! thread gathers and writes the next group: under load the groups grow by
//! themselves, without a timer.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot, watch};

use super::index::{Index, Upkeep};
use super::keys;
use super::layout::{Layout, StoredPage};
use super::lists::{Line, Member, without_member, write_members};
use super::opening::{failed_in_sled, panic_text};
use super::progress::{Progress, stop};
use super::reading::read_piece;
use super::syncer::Written;
use super::versions::version;
use super::watchdog::ThreadProgress;
use crate::batch::{CounterKey, Stamped, Stored};
use crate::leases::Leases;
use crate::page::{Head, Page, PieceKey};
use crate::place::Place;
use crate::plan::{DocWrite, Held, Writes, bumped, plan};
use crate::{CommitError, Unavailable};
use tillgate_kernel::outbox::Ticket;
use tillgate_kernel::{DocKey, Partition};

/// A request to the committer.
pub enum Job {
    /// Commit a batch and send the outcome to the caller.
    Commit { batch: Stamped, answer: oneshot::Sender<Result<(), CommitError>> },
    /// Commit nothing, on the same path as any commit.
    Probe { answer: oneshot::Sender<Result<(), CommitError>> },
    /// Finish earlier jobs, release the files, and confirm.
    Close { done: oneshot::Sender<()> },
}

/// The most batches in one group. It bounds how long the first of them waits.
const GROUP_BATCHES_MAX: usize = 1024;

/// A group accepts no further batch after it has this many bytes.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

pub struct Committer {
    pub db: sled::Db,
    pub tree: sled::Tree,
    pub last_group: u64,
    pub progress: watch::Sender<Progress>,
    pub pulse: Arc<ThreadProgress>,
    pub index: Arc<Index>,
    pub upkeep: Upkeep,
    pub leases: Arc<Mutex<Leases>>,
    pub written: SyncSender<Written>,
    pub syncer: JoinHandle<()>,
}

impl Committer {
    /// Runs until every handle of the store is dropped, the store is closed, or
    /// a write fails.
    pub fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut closing = None;
            let pulse = Arc::clone(&self.pulse);
            let committed = catch_unwind(AssertUnwindSafe(|| {
                pulse.during(&pulse.group, || self.commit_group(first, &mut jobs, &mut closing))
            }));
            let committed =
                committed.unwrap_or_else(|panic| Err(Failure::Write(panic_text(&*panic))));
            // The syncer may still work on the previous group; this wait is not
            // part of the committer's own time.
            match committed
                .and_then(|written| self.written.send(written).map_err(|_| Failure::Syncer))
            {
                Ok(()) => {}
                Err(Failure::Write(why)) => return stop(&self.progress, why),
                Err(Failure::Syncer) => return, // it has logged why
            }
            if let Some(closing) = closing {
                drop(self.written);
                let _ = self.syncer.join();
                // Dropping sled writes a last snapshot, which must be finished
                // before the close is confirmed.
                drop((self.tree, self.db));
                let _ = closing.send(());
                return;
            }
        }
    }

    fn commit_group(
        &mut self,
        first: Job,
        jobs: &mut mpsc::Receiver<Job>,
        closing: &mut Option<oneshot::Sender<()>>,
    ) -> Result<Written, Failure> {
        let group_number = self.last_group + 1;
        let mut group = Group::new(&self.tree, &self.index, &self.leases, group_number);
        let mut answers = Vec::new();
        let mut is_probed = false;
        let mut next = Some(first);
        while let Some(job) = next.take() {
            let (batch, answer) = match job {
                Job::Commit { batch, answer } => (batch, answer),
                Job::Probe { answer } => {
                    is_probed = true;
                    answers.push((answer, Ok(())));
                    next = jobs.try_recv().ok();
                    continue;
                }
                Job::Close { done } => {
                    *closing = Some(done);
                    break;
                }
            };
            let outcome = group.admit(batch, answers.len());
            answers.push((answer, outcome));
            if answers.len() < GROUP_BATCHES_MAX && group.bytes < GROUP_BYTES_MAX {
                next = jobs.try_recv().ok();
            }
        }
        let Group { mut entries, listed, placed, pages, pieces, released, has_messages, .. } =
            group;
        let changed = pages.into_inner().into_values().filter(|kept| kept.is_changed);
        let laid_out = Layout::of(&self.tree, &self.index, group_number, changed)
            .map_err(|why| Failure::Write(why.to_string()))?;
        entries.extend(laid_out.entries);
        entries.extend(pieces.into_iter().map(|(key, bytes)| (keys::piece(key), bytes)));
        let write =
            |(prefix, lines): (Vec<u8>, Vec<Line>)| write_members(&prefix, group_number, &lines);
        entries.extend(listed.into_iter().flat_map(write));
        let write =
            |(prefix, places): (Vec<u8>, Vec<Place>)| write_members(&prefix, group_number, &places);
        entries.extend(placed.into_iter().flat_map(write));
        let mut group = None;
        if !entries.is_empty() || is_probed {
            entries.extend(self.upkeep.note(group_number, laid_out.moved));
            self.write(group_number, entries)
                .map_err(|why| Failure::Write(failed_in_sled("writing", &why)))?;
            group = Some(group_number);
        }
        {
            // A ticket is settled once: the next group must not find it held.
            let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
            released.into_iter().for_each(|ticket| leases.release(ticket));
        }
        Ok(Written { group, answers, has_messages })
    }

    fn write(
        &mut self,
        group: u64,
        entries: HashMap<Vec<u8>, Option<Vec<u8>>>,
    ) -> sled::Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in entries {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        batch.insert(keys::LAST_GROUP, &group.to_be_bytes());
        {
            let _moving = self.index.standing_still();
            self.pulse.during(&self.pulse.write, || self.tree.apply_batch(batch))?;
            self.upkeep.publish();
        }
        self.last_group = group;
        Ok(())
    }
}

/// Why the committer ends early.
enum Failure {
    /// A write failed.
    Write(String),
    /// The syncer has ended.
    Syncer,
}

/// What the batches of a group have written so far, on top of what is stored.
struct Group<'a> {
    tree: &'a sled::Tree,
    index: &'a Index,
    leases: &'a Mutex<Leases>,
    number: u64,
    /// Pages that have been read.
    pages: RefCell<HashMap<Partition, StoredPage>>,
    /// Pieces of bodies too long for their pages, as this group has written
    /// them.
    pieces: HashMap<PieceKey, Option<Vec<u8>>>,
    counters: HashMap<CounterKey, i64>,
    entries: HashMap<Vec<u8>, Option<Vec<u8>>>,
    /// Lines that this group lists, by bucket.
    listed: HashMap<Vec<u8>, Vec<Line>>,
    placed: HashMap<Vec<u8>, Vec<Place>>,
    released: Vec<Ticket>,
    has_messages: bool,
    bytes: usize,
}

impl Held for Group<'_> {
    fn head(&self, key: DocKey) -> Result<Option<Head>, Unavailable> {
        self.with_page(key.partition, |page| Ok(page.head(key)))
    }

    fn doc(&self, key: DocKey) -> Result<Option<Stored>, Unavailable> {
        let piece = |piece: PieceKey| match self.pieces.get(&piece) {
            Some(written) => Ok(written.as_deref().map(sled::IVec::from)),
            None => read_piece(self.tree, piece),
        };
        self.with_page(key.partition, |page| page.document(key, &piece))
    }

    fn lease_holds(&self, ticket: Ticket) -> bool {
        let held = self.leases.lock().unwrap_or_else(PoisonError::into_inner).holds(ticket);
        held && !self.released.contains(&ticket)
    }
}

impl<'a> Group<'a> {
    fn new(
        tree: &'a sled::Tree,
        index: &'a Index,
        leases: &'a Mutex<Leases>,
        number: u64,
    ) -> Group<'a> {
        Group {
            tree,
            index,
            leases,
            number,
            pages: RefCell::default(),
            pieces: HashMap::new(),
            counters: HashMap::new(),
            entries: HashMap::new(),
            listed: HashMap::new(),
            placed: HashMap::new(),
            released: Vec::new(),
            has_messages: false,
            bytes: 0,
        }
    }

    fn with_page<T>(
        &self,
        partition: Partition,
        look: impl FnOnce(&Page) -> Result<T, Unavailable>,
    ) -> Result<T, Unavailable> {
        match self.pages.borrow_mut().entry(partition) {
            Entry::Occupied(kept) => look(&kept.get().page),
            Entry::Vacant(place) => {
                let kept =
                    StoredPage::read(partition, self.index, &|raw: &[u8]| self.tree.get(raw))?;
                look(&place.insert(kept).page)
            }
        }
    }

    fn counter(&self, key: &CounterKey) -> Result<i64, Unavailable> {
        if let Some(value) = self.counters.get(key) {
            return Ok(*value);
        }
        let damaged = || keys::damaged_counter(key);
        match self.tree.get(keys::counter(key)).map_err(|_| damaged())? {
            Some(value) => keys::read_counter(&value).ok_or_else(damaged),
            None => Ok(0),
        }
    }

    /// Adds a batch to the group, or returns why it fails. `place` is the
    /// number of the batch in the group.
    fn admit(&mut self, batch: Stamped, place: usize) -> Result<(), CommitError> {
        let Writes { docs, counters, released, has_messages } = plan(batch, self)?;
        let version = version(self.number, place);
        let mut pieces = Vec::new();
        // All counters are read before anything is written: a damaged one
        // refuses the whole batch.
        let mut bumps: Vec<(CounterKey, i64)> = Vec::with_capacity(counters.len());
        for (key, bump) in counters {
            // A batch may change a counter twice: the later change builds on
            // the earlier one.
            let earlier =
                bumps.iter().rev().find(|(other, _)| *other == key).map(|&(_, value)| value);
            let before = earlier.map_or_else(|| self.counter(&key), Ok)?;
            bumps.push((key, bumped(before, bump)));
        }
        for DocWrite { key, old_listed_at, new, old_place, new_place } in docs {
            // `plan` has read the document, so its page is here.
            let Some(kept) = self.pages.get_mut().get_mut(&key.partition) else { continue };
            kept.is_changed = true;
            self.bytes += new.as_ref().map_or(0, |body| body.bytes.len());
            let (was, will_be) = (old_listed_at, new.as_ref().map(|new| new.listed_at));
            kept.page.write(key, version, new, &mut pieces);
            if key.kind.is_listed() && was != will_be {
                if let Some(was) = was {
                    remove(&mut self.listed, &mut self.entries, self.tree, &Line::of(was, key));
                }
                if let Some(will_be) = will_be {
                    let line = Line::of(will_be, key);
                    self.listed.entry(line.prefix()).or_default().push(line);
                }
            }
            if old_place != new_place {
                if let Some(was) = old_place {
                    remove(&mut self.placed, &mut self.entries, self.tree, &was);
                }
                if let Some(will_be) = new_place {
                    self.placed.entry(will_be.prefix()).or_default().push(will_be);
                }
            }
        }
        self.pieces.extend(pieces);
        for (key, value) in bumps {
            self.entries.insert(keys::counter(&key), Some(keys::write_counter(value).to_vec()));
            self.counters.insert(key, value);
        }
        self.released.extend(released);
        self.has_messages |= has_messages;
        Ok(())
    }
}

/// Removes a member from a list: from what this group has added, or else from
/// the tree.
///
/// An entry that cannot be read stays: lists are only hints, and the batch
/// itself is complete.
fn remove<M: Member>(
    own: &mut HashMap<Vec<u8>, Vec<M>>,
    entries: &mut HashMap<Vec<u8>, Option<Vec<u8>>>,
    tree: &sled::Tree,
    member: &M,
) {
    if let Some(members) = own.get_mut(&member.prefix())
        && let Some(place) = members.iter().position(|known| known == member)
    {
        members.remove(place);
        return;
    }
    let pending = |raw: &[u8]| entries.get(raw).cloned();
    match without_member(tree, &pending, member) {
        Ok(found) => entries.extend(found),
        Err(why) => tracing::error!(error = %why, "an entry of a list cannot be read and is kept"),
    }
}
