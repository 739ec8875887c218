//! A group of batches while it is gathered: what they write, on top of what is
//! stored.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use super::index::{Index, Pointer};
use super::keys;
use super::layout::{Layout, StoredPage, Unpacked};
use super::lists::{Member, without_member, write_members};
use super::reading::read_piece;
use super::recent_pages::RecentPages;
use super::versions::version;
use crate::batch::{CounterKey, Lease, Stamped, Stored};
use crate::leases::Leases;
use crate::page::{Head, Page, PieceKey};
use crate::place::Place;
use crate::plan::{DocWrite, Held, Writes, bumped, plan};
use crate::scan::Line;
use crate::{CommitError, Unavailable};
use tillgate_kernel::outbox::{Claimed, Lanes, Ticket};
use tillgate_kernel::time::later;
use tillgate_kernel::{DocKey, Partition};

/// Entries of sled's tree, or what is removed from it.
pub type Entries = HashMap<Vec<u8>, Option<Vec<u8>>>;

/// What the batches of a group have written so far, on top of what is stored.
pub struct Group<'a> {
    tree: &'a sled::Tree,
    index: &'a Index,
    recent: &'a RecentPages,
    leases: &'a Mutex<Leases>,
    number: u64,
    /// Pages that have been read.
    pages: RefCell<HashMap<Partition, StoredPage>>,
    /// Pieces of bodies too long for their pages, as this group has written
    /// them.
    pieces: HashMap<PieceKey, Option<Vec<u8>>>,
    counters: HashMap<CounterKey, i64>,
    entries: Entries,
    /// Lines that this group lists, by bucket.
    listed: HashMap<Vec<u8>, Vec<Line>>,
    placed: HashMap<Vec<u8>, Vec<Place>>,
    released: Vec<Ticket>,
    woken: Lanes,
}

/// What a batch leads to that is added to a group.
pub struct Admitted {
    /// The sums of its floors.
    pub sums: Vec<i64>,
    /// New messages that are leased.
    pub leased: Vec<Claimed>,
}

/// What a group writes.
pub struct Finished {
    pub entries: Entries,
    /// Pages whose location changes.
    pub moved: Vec<Pointer>,
    /// The changed pages.
    pub pages: Vec<(Partition, Page)>,
    /// Leases that its batches have settled.
    pub released: Vec<Ticket>,
    pub woken: Lanes,
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

    fn counter(&self, key: &CounterKey) -> Result<i64, Unavailable> {
        match self.counters.get(key) {
            Some(value) => Ok(*value),
            None => keys::read_counter_of(self.tree, key),
        }
    }
}

impl<'a> Group<'a> {
    pub fn new(
        tree: &'a sled::Tree,
        index: &'a Index,
        recent: &'a RecentPages,
        leases: &'a Mutex<Leases>,
        number: u64,
    ) -> Group<'a> {
        Group {
            tree,
            index,
            recent,
            leases,
            number,
            pages: RefCell::default(),
            pieces: HashMap::new(),
            counters: HashMap::new(),
            entries: HashMap::new(),
            listed: HashMap::new(),
            placed: HashMap::new(),
            released: Vec::new(),
            woken: Lanes::default(),
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
                let kept = match self.recent.get(partition) {
                    Some(page) => StoredPage::of_recent(&page, self.index)?,
                    None => {
                        let unpacked = Unpacked::default();
                        let get = |raw: &[u8]| self.tree.get(raw);
                        StoredPage::read(partition, self.index, &unpacked, &get)?
                    }
                };
                look(&place.insert(kept).page)
            }
        }
    }

    /// Adds a batch to the group, or returns why it fails. `place` is the
    /// number of the batch in the group.
    pub fn admit(&mut self, batch: Stamped, place: usize) -> Result<Admitted, CommitError> {
        let now = batch.now;
        let Writes { docs, counters, released, leased, woken, sums } = plan(batch, self)?;
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
        for DocWrite { key, new, struck, enlisted, old_place, new_place, lease, .. } in docs {
            // Before the group is written: nobody may claim the message.
            if let Some(Lease { ticket, lasts }) = lease {
                let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
                leases.grant(ticket, later(now, lasts));
            }
            // `plan` has read the document, so its page is here.
            let Some(kept) = self.pages.get_mut().get_mut(&key.partition) else { continue };
            kept.is_changed = true;
            kept.page.write(key, version, new, &mut pieces);
            for line in struck {
                remove(&mut self.listed, &mut self.entries, self.tree, &line);
            }
            for line in enlisted {
                self.listed.entry(line.prefix()).or_default().push(line);
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
        self.woken = self.woken.and(woken);
        Ok(Admitted { sums, leased })
    }

    /// Lays out the changed pages, and returns all that is to be written.
    pub fn finished(self) -> Result<Finished, String> {
        let (number, mut entries) = (self.number, self.entries);
        let changed = self.pages.into_inner().into_values().filter(|kept| kept.is_changed);
        let changed: Vec<StoredPage> = changed.collect();
        let laid_out =
            Layout::of(self.tree, self.index, number, &changed).map_err(|why| why.to_string())?;
        entries.extend(laid_out.entries);
        entries.extend(self.pieces.into_iter().map(|(key, bytes)| (keys::piece(key), bytes)));
        let write = |(prefix, lines): (Vec<u8>, Vec<Line>)| write_members(&prefix, number, &lines);
        entries.extend(self.listed.into_iter().flat_map(write));
        let write =
            |(prefix, places): (Vec<u8>, Vec<Place>)| write_members(&prefix, number, &places);
        entries.extend(self.placed.into_iter().flat_map(write));
        let (released, woken) = (self.released, self.woken);
        let pages = changed.into_iter().map(|kept| (kept.partition, kept.page)).collect();
        Ok(Finished { entries, moved: laid_out.moved, pages, released, woken })
    }
}

/// Removes a member from a list: from what this group has added, or else from
/// the tree.
///
/// An entry that cannot be read stays: lists are only hints, and the batch
/// itself is complete.
fn remove<M: Member>(
    own: &mut HashMap<Vec<u8>, Vec<M>>,
    entries: &mut Entries,
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
