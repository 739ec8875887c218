//! Sorted runs of pointers from partitions to the locations of their pages.

use std::sync::Arc;
use tillgate_kernel::Partition;

use fastbloom::BloomFilter;

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
    /// The first partition of each chunk.
    firsts: Vec<Partition>,
    /// Rules out most partitions that the run does not have; none if it could
    /// not be built.
    filter: Option<BloomFilter>,
}

impl Run {
    fn new(number: u64, level: u8, pointers_expected: u64) -> Run {
        let expected = usize::try_from(pointers_expected).unwrap_or(usize::MAX).max(1);
        let filter = BloomFilter::with_false_pos(FALSE_POSITIVES).expected_items(expected);
        Run { number, level, pointers: 0, firsts: Vec::new(), filter: Some(filter) }
    }

    /// A stored run. Its chunks are to be added next with [`know`](Self::know),
    /// in their order.
    pub fn stored(number: u64, level: u8, pointers: u64) -> Run {
        Run { pointers, ..Run::new(number, level, pointers) }
    }

    /// Adds a stored chunk. If the chunk cannot be read, look-ups in it fail,
    /// and the run has no filter.
    pub fn know(&mut self, first: Partition, chunk: &[u8]) {
        self.firsts.push(first);
        match (read_pointers(chunk), &mut self.filter) {
            (Some(pointers), Some(filter)) => {
                pointers.iter().for_each(|(partition, _)| _ = filter.insert(partition));
            }
            (None, _) => self.filter = None,
            (Some(_), None) => {}
        }
    }

    pub fn chunk_keys(&self) -> impl Iterator<Item = Vec<u8>> {
        self.firsts.iter().map(|first| keys::run_chunk(self.number, *first))
    }

    /// Whether the run certainly does not have a partition, judging by the
    /// filter alone.
    pub fn has_surely_not(&self, partition: Partition) -> bool {
        self.filter.as_ref().is_some_and(|filter| !filter.contains(&partition))
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
        let Some(place) = self.firsts.partition_point(|first| *first <= partition).checked_sub(1)
        else {
            return Ok(None);
        };
        let raw = read_chunk(tree, self.number, self.firsts[place])?;
        let damaged = || damaged_chunk(self.firsts[place]);
        let pointers = intact(&raw).ok_or_else(damaged)?;
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
}

fn read_chunk(tree: &sled::Tree, run: u64, first: Partition) -> Result<sled::IVec, Unavailable> {
    let why = |why: &str| {
        damaged_page(first, &format!("a chunk of the index, from here on, is missing ({why})"))
    };
    tree.get(keys::run_chunk(run, first))
        .map_err(|failed| why(&failed.to_string()))?
        .ok_or_else(|| why("no such entry"))
}

fn damaged_chunk(first: Partition) -> Unavailable {
    damaged_page(first, "a chunk of the index, from here on, is damaged")
}

/// A run that is being built.
pub struct Writer {
    run: Run,
    waiting: Vec<Pointer>,
}

impl Writer {
    pub fn new(number: u64, level: u8, pointers_expected: u64) -> Writer {
        Writer { run: Run::new(number, level, pointers_expected), waiting: Vec::new() }
    }

    /// Adds the next pointer. Full chunks are appended to `entries`.
    pub fn push(&mut self, pointer: Pointer, entries: &mut Vec<keys::Entry>) {
        if let Some(filter) = &mut self.run.filter {
            filter.insert(&pointer.0);
        }
        self.run.pointers += 1;
        self.waiting.push(pointer);
        if self.waiting.len() == CHUNK_POINTERS {
            self.close_chunk(entries);
        }
    }

    fn close_chunk(&mut self, entries: &mut Vec<keys::Entry>) {
        if let Some((first, _)) = self.waiting.first() {
            self.run.firsts.push(*first);
            entries.push((
                keys::run_chunk(self.run.number, *first),
                Some(write_pointers(&self.waiting)),
            ));
            self.waiting.clear();
        }
    }

    pub fn finish(mut self, entries: &mut Vec<keys::Entry>) -> Run {
        self.close_chunk(entries);
        self.run
    }
}

/// A position in a sorted sequence of pointers.
pub struct Cursor {
    /// The run and the number of the next chunk.
    run: Option<(Arc<Run>, usize)>,
    pointers: std::vec::IntoIter<Pointer>,
    head: Option<Pointer>,
}

impl Cursor {
    /// Iterates over sorted pointers in memory.
    pub fn over(pointers: Vec<Pointer>) -> Cursor {
        let mut pointers = pointers.into_iter();
        let head = pointers.next();
        Cursor { run: None, pointers, head }
    }

    /// Iterates over a run, from `partition` on.
    pub fn of(
        tree: &sled::Tree,
        run: &Arc<Run>,
        partition: Partition,
    ) -> Result<Cursor, Unavailable> {
        let chunk = run.firsts.partition_point(|first| *first <= partition).saturating_sub(1);
        let mut cursor = Cursor {
            run: Some((Arc::clone(run), chunk)),
            pointers: Vec::new().into_iter(),
            head: None,
        };
        cursor.advance(tree)?;
        while cursor.head.is_some_and(|(head, _)| head < partition) {
            cursor.advance(tree)?;
        }
        Ok(cursor)
    }

    fn advance(&mut self, tree: &sled::Tree) -> Result<(), Unavailable> {
        self.head = self.pointers.next();
        if self.head.is_none()
            && let Some((run, chunk)) = &mut self.run
            && let Some(first) = run.firsts.get(*chunk)
        {
            *chunk += 1;
            let raw = read_chunk(tree, run.number, *first)?;
            self.pointers = read_pointers(&raw).ok_or_else(|| damaged_chunk(*first))?.into_iter();
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
