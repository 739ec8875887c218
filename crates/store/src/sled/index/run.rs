//! Sorted runs of pointers from partitions to the locations of their pages.

use std::sync::{Arc, OnceLock};
use tillgate_kernel::Partition;

use fastbloom::BloomFilter;
use sled::IVec;

use super::super::keys;
use crate::Unavailable;
use crate::page::damaged_page;

/// The location of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In an entry of its own.
    PageSlot(u64),
    /// In a block, as the page with this index.
    Block { block: u64, index: u16 },
}

/// The location of a partition's page; none if the page no longer exists.
pub type Pointer = (Partition, Option<Location>);

/// Bytes of a pointer: the partition 8, the page slot or block 8, the index in
/// the block 2.
const POINTER_BYTES: usize = 8 + 8 + 2;

/// The index that means "not in a block". No block has so many pages.
const NO_PLACE: u16 = u16::MAX;

/// The page slot that means "no page". No group has such a number.
const NO_SEAT: u64 = u64::MAX;

/// Pointers in a chunk. A look-up reads one chunk; a leaf of sled's tree has
/// about ten of them.
pub const CHUNK_POINTERS: usize = 224;

/// The share of false positives of a filter: how often it says "maybe" for a
/// partition that is not in its run.
const FALSE_POSITIVES: f64 = 0.01;

fn write_pointer(pointer: Pointer, into: &mut Vec<u8>) {
    let (partition, spot) = pointer;
    let (number, place) = match spot {
        Some(Location::PageSlot(seat)) => (seat, NO_PLACE),
        Some(Location::Block { block, index }) => (block, index),
        None => (NO_SEAT, NO_PLACE),
    };
    into.extend_from_slice(&partition.to_bytes());
    into.extend_from_slice(&number.to_be_bytes());
    into.extend_from_slice(&place.to_be_bytes());
}

fn read_pointer(raw: &[u8]) -> Option<Pointer> {
    let (partition, raw) = raw.split_first_chunk()?;
    let (number, raw) = raw.split_first_chunk()?;
    let number = u64::from_be_bytes(*number);
    let spot = match (number, u16::from_be_bytes(raw.try_into().ok()?)) {
        (NO_SEAT, NO_PLACE) => None,
        (seat, NO_PLACE) => Some(Location::PageSlot(seat)),
        (block, index) => Some(Location::Block { block, index }),
    };
    Some((Partition::from_bytes(*partition), spot))
}

/// The bytes of pointers: a CRC-32, then one pointer after another.
pub fn write_pointers(pointers: &[Pointer]) -> Vec<u8> {
    let mut raw = vec![0; 4];
    raw.reserve(pointers.len() * POINTER_BYTES);
    pointers.iter().for_each(|pointer| write_pointer(*pointer, &mut raw));
    let checksum = crc32fast::hash(&raw[4..]).to_be_bytes();
    raw[..4].copy_from_slice(&checksum);
    raw
}

/// The bytes of the pointers, if their checksum and length are correct.
fn intact(raw: &[u8]) -> Option<&[u8]> {
    let (checksum, pointers) = raw.split_first_chunk()?;
    let is_intact = crc32fast::hash(pointers).to_be_bytes() == *checksum
        && pointers.len().is_multiple_of(POINTER_BYTES)
        && !pointers.is_empty();
    is_intact.then_some(pointers)
}

pub fn read_pointers(raw: &[u8]) -> Option<Vec<Pointer>> {
    intact(raw)?.chunks_exact(POINTER_BYTES).map(read_pointer).collect()
}

/// A run: pointers sorted by their partitions, each partition once, cut into
/// chunks. It never changes.
pub struct Run {
    /// Newer runs have larger numbers.
    pub number: u64,
    /// How often its pointers have been merged.
    pub level: u8,
    /// How many pointers it has.
    pub pointers: u64,
    /// Rules out most partitions that the run does not have. A run of an
    /// earlier process gets it a little later, or not at all if it is damaged.
    filter: OnceLock<BloomFilter>,
}

fn new_filter(pointers: u64) -> BloomFilter {
    let expected = usize::try_from(pointers).unwrap_or(usize::MAX).max(1);
    BloomFilter::with_false_pos(FALSE_POSITIVES).expected_items(expected)
}

impl Run {
    /// A run of an earlier process.
    pub fn stored(number: u64, level: u8, pointers: u64) -> Run {
        Run { number, level, pointers, filter: OnceLock::new() }
    }

    pub fn has_filter(&self) -> bool {
        self.filter.get().is_some()
    }

    /// Whether the run certainly does not have a partition, judging by the
    /// filter alone.
    pub fn has_surely_not(&self, partition: Partition) -> bool {
        self.filter.get().is_some_and(|filter| !filter.contains(&partition))
    }

    /// Looks up a partition. The outer option says whether the run has a
    /// pointer for it.
    pub fn find(
        &self,
        tree: &sled::Tree,
        partition: Partition,
    ) -> Result<Option<Option<Location>>, Unavailable> {
        if self.has_surely_not(partition) {
            return Ok(None);
        }
        let Some((raw, chunk)) = self.chunk_of(tree, partition)? else { return Ok(None) };
        let damaged = || damaged_chunk(&raw);
        let pointers = intact(&chunk).ok_or_else(damaged)?;
        let line = |place: usize| &pointers[place * POINTER_BYTES..(place + 1) * POINTER_BYTES];
        let (mut low, mut high) = (0, pointers.len() / POINTER_BYTES);
        while low < high {
            let middle = usize::midpoint(low, high);
            let (found, spot) = read_pointer(line(middle)).ok_or_else(damaged)?;
            match found.cmp(&partition) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(Some(spot)),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// The chunk in which a partition would be.
    fn chunk_of(
        &self,
        tree: &sled::Tree,
        partition: Partition,
    ) -> Result<Option<(IVec, IVec)>, Unavailable> {
        let beyond = [&keys::run_chunk(self.number, partition)[..], &[0]].concat();
        let found = tree.get_lt(beyond).map_err(|why| unread(partition, &why))?;
        Ok(found.filter(|(raw, _)| raw.starts_with(&keys::run(self.number))))
    }
}

fn unread(partition: Partition, why: &sled::Error) -> Unavailable {
    damaged_page(partition, &format!("a chunk of the index cannot be read ({why})"))
}

fn damaged_chunk(raw: &[u8]) -> Unavailable {
    let first = keys::read_run_chunk(raw).map_or(Partition::FIRST, |(_, first)| first);
    damaged_page(first, "a chunk of the index, from here on, is damaged")
}

/// The chunks of a run, in order.
struct Chunks {
    run: Arc<Run>,
    /// The keys of the chunks that were read.
    read: Vec<Vec<u8>>,
}

impl Chunks {
    fn next(&mut self, tree: &sled::Tree) -> Result<Option<Vec<Pointer>>, Unavailable> {
        let prefix = keys::run(self.run.number);
        let next = tree.get_gt(self.read.last().unwrap_or(&prefix));
        let next = next.map_err(|why| unread(Partition::FIRST, &why))?;
        let Some((raw, chunk)) = next.filter(|(raw, _)| raw.starts_with(&prefix)) else {
            return Ok(None);
        };
        self.read.push(raw.to_vec());
        read_pointers(&chunk).ok_or_else(|| damaged_chunk(&raw)).map(Some)
    }
}

/// Builds the filter of a run, a chunk with each step.
pub struct FilterBuilder {
    chunks: Chunks,
    filter: BloomFilter,
    pointers: u64,
}

impl FilterBuilder {
    pub fn new(run: Arc<Run>) -> FilterBuilder {
        let filter = new_filter(run.pointers);
        FilterBuilder { chunks: Chunks { run, read: Vec::new() }, filter, pointers: 0 }
    }

    /// Reads the next chunk. Returns the builder if there may be more. The
    /// error says what is damaged or missing; the run then has no filter.
    /// Look-ups in a damaged chunk fail, but they cannot notice a missing one.
    pub fn step(mut self, tree: &sled::Tree) -> Result<Option<FilterBuilder>, String> {
        let run = &self.chunks.run;
        let (number, expected) = (run.number, run.pointers);
        if let Some(pointers) = self.chunks.next(tree).map_err(|why| why.to_string())? {
            pointers.iter().for_each(|(partition, _)| _ = self.filter.insert(partition));
            self.pointers += pointers.len() as u64;
            self.chunks.read.drain(..self.chunks.read.len() - 1);
            return Ok(Some(self));
        }
        if self.pointers != expected {
            let found = self.pointers;
            return Err(format!("run {number} of the index has {found} of {expected} pointers"));
        }
        // Nobody else sets the filter of a run of an earlier process.
        let _ = self.chunks.run.filter.set(self.filter);
        Ok(None)
    }
}

/// A run that is being built.
pub struct Writer {
    number: u64,
    level: u8,
    pointers: u64,
    filter: BloomFilter,
    waiting: Vec<Pointer>,
}

impl Writer {
    pub fn new(number: u64, level: u8, pointers_expected: u64) -> Writer {
        let (filter, waiting) = (new_filter(pointers_expected), Vec::new());
        Writer { number, level, pointers: 0, filter, waiting }
    }

    /// Adds the next pointer. Full chunks are appended to `entries`.
    pub fn push(&mut self, pointer: Pointer, entries: &mut Vec<keys::Entry>) {
        self.filter.insert(&pointer.0);
        self.pointers += 1;
        self.waiting.push(pointer);
        if self.waiting.len() == CHUNK_POINTERS {
            self.close_chunk(entries);
        }
    }

    fn close_chunk(&mut self, entries: &mut Vec<keys::Entry>) {
        if let Some((first, _)) = self.waiting.first() {
            entries
                .push((keys::run_chunk(self.number, *first), Some(write_pointers(&self.waiting))));
            self.waiting.clear();
        }
    }

    pub fn finish(mut self, entries: &mut Vec<keys::Entry>) -> Run {
        self.close_chunk(entries);
        let Writer { number, level, pointers, filter, .. } = self;
        Run { number, level, pointers, filter: OnceLock::from(filter) }
    }
}

/// A position in a sorted sequence of pointers.
pub struct Cursor {
    chunks: Option<Chunks>,
    pointers: std::vec::IntoIter<Pointer>,
    head: Option<Pointer>,
}

impl Cursor {
    /// Iterates over sorted pointers in memory.
    pub fn over(pointers: Vec<Pointer>) -> Cursor {
        let mut pointers = pointers.into_iter();
        let head = pointers.next();
        Cursor { chunks: None, pointers, head }
    }

    /// Iterates over a run, from `partition` on.
    pub fn of(
        tree: &sled::Tree,
        run: &Arc<Run>,
        partition: Partition,
    ) -> Result<Cursor, Unavailable> {
        let mut chunks = Chunks { run: Arc::clone(run), read: Vec::new() };
        let mut pointers = Vec::new();
        if let Some((raw, chunk)) = run.chunk_of(tree, partition)? {
            pointers = read_pointers(&chunk).ok_or_else(|| damaged_chunk(&raw))?;
            chunks.read.push(raw.to_vec());
        }
        let mut cursor = Cursor { chunks: Some(chunks), ..Cursor::over(pointers) };
        if cursor.head.is_none() {
            cursor.advance(tree)?;
        }
        while cursor.head.is_some_and(|(head, _)| head < partition) {
            cursor.advance(tree)?;
        }
        Ok(cursor)
    }

    /// The keys of the chunks that it has read.
    pub fn chunks_read(self) -> Vec<Vec<u8>> {
        self.chunks.map(|chunks| chunks.read).unwrap_or_default()
    }

    fn advance(&mut self, tree: &sled::Tree) -> Result<(), Unavailable> {
        self.head = self.pointers.next();
        if self.head.is_none()
            && let Some(chunks) = &mut self.chunks
            && let Some(pointers) = chunks.next(tree)?
        {
            self.pointers = pointers.into_iter();
            self.head = self.pointers.next();
        }
        Ok(())
    }

    /// The next pointer of several sequences. If several have a pointer for the
    /// same partition, the first sequence wins.
    pub fn next(cursors: &mut [Cursor], tree: &sled::Tree) -> Result<Option<Pointer>, Unavailable> {
        let heads = cursors.iter().filter_map(|cursor| cursor.head);
        // `min_by_key` returns the first of equal elements.
        let Some(least) = heads.min_by_key(|(partition, _)| *partition) else { return Ok(None) };
        for cursor in cursors {
            if cursor.head.is_some_and(|(partition, _)| partition == least.0) {
                cursor.advance(tree)?;
            }
        }
        Ok(Some(least))
    }
}
