//! Where pages are stored in sled's tree.
//!
//! sled copies a node of its tree for every entry that it writes, so the number
//! of entries is what a group of batches costs. The pages of new orders
//! therefore share *blocks* of up to [`BLOCK_BYTES_MAX`], a few blocks for a
//! whole group. A page that is written again moves to a *page slot*, an entry
//! of its own. In a block a few pages are packed together: new orders resemble
//! one another, and take a third of the space that they take alone. Page slots
//! are numbered in order of time, so that pages in use are near one another,
//! whatever their partitions. Keyed by partition, every new order would make
//! sled fetch and write a node full of unrelated pages.
//!
//! ```text
//! b | page slot 8  → chunks 2 | the page; or, if it is cut into chunks,
//!                    chunks 2 | the group that wrote them 8
//! e | partition 8 | chunk 2
//! k | block 8      → pages 2 | pages in a bundle 2
//!                    | (partition 8 | bytes of its slots 4) for each page
//!                    | bytes 4 for each bundle
//!                    | the bundles, each the slots of its pages, packed
//! n | block 8      → how many of its pages have not moved away 2, once
//!                    some have
//! ```
//! A block is removed when the last of its pages has moved, and is dissolved
//! when no more than a quarter of them are left.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use tillgate_kernel::Partition;

use sled::IVec;

use super::index::{Index, Location, Pointer};
use super::keys;
use super::versions::version;
use crate::Unavailable;
use crate::page::{PIECE_BYTES_MAX, Page, damaged_page, pack, unpack};

/// The longest page that is put into a block, in bytes before packing. Larger
/// pages gain nothing from being packed with others.
const BLOCK_PAGE_BYTES_MAX: usize = 16 * 1024;

/// A block takes no further bundle when that would make it longer than this, in
/// bytes. sled keeps at least 256 leaves of its tree in memory, however small
/// its cache is configured, and a leaf has up to sixteen blocks.
const BLOCK_BYTES_MAX: usize = 24 * 1024;

/// The fewest new pages that are worth a block.
const BLOCK_PAGES_MIN: usize = 4;

/// A block is dissolved when at most one in this many of its pages is left.
const BLOCK_LEFT_SHARE: u16 = 4;

/// The most blocks that one group dissolves. The others are dissolved when
/// their next page moves.
const DISSOLVED_BLOCKS_MAX: usize = 64;

/// How many pages are packed together. Larger bundles take less space, and
/// reading one page of them takes longer.
const BUNDLE_PAGES: u16 = 8;

/// The longest bundle, in bytes before packing. A bundle that does not compress
/// at all still fits into a block.
const BUNDLE_BYTES_MAX: usize = PIECE_BYTES_MAX - 1024;

/// Bytes in a block's header for each page.
const BLOCK_LINE_BYTES: usize = 8 + 4;

/// A page, and where it is stored.
#[derive(Debug)]
pub struct StoredPage {
    pub partition: Partition,
    /// The content.
    pub page: Page,
    /// Whether the page must be written.
    pub is_changed: bool,
    spot: Option<Location>,
    /// The number of chunks that it is cut into; 0 if it is not cut.
    chunks: u16,
}

/// Reads an entry of the tree.
pub trait Get: Fn(&[u8]) -> sled::Result<Option<IVec>> {}

impl<F: Fn(&[u8]) -> sled::Result<Option<IVec>>> Get for F {}

/// Bundles that one call has unpacked: neighbours in a list are often in the
/// same one.
#[derive(Default)]
pub struct Unpacked(RefCell<HashMap<BundlePlace, Rc<[u8]>>>);

/// A block, and the number of a bundle in it.
type BundlePlace = (u64, usize);

/// The most bundles that are kept: 64 of the longest ones take 8 MiB.
const UNPACKED_MAX: usize = 64;

impl Unpacked {
    /// The bundle, which `unpack` unpacks if it is not there.
    fn bundle<E>(
        &self,
        place: BundlePlace,
        unpack: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Rc<[u8]>, E> {
        let mut bundles = self.0.borrow_mut();
        if let Some(known) = bundles.get(&place) {
            return Ok(Rc::clone(known));
        }
        if bundles.len() >= UNPACKED_MAX {
            bundles.clear();
        }
        let bundle: Rc<[u8]> = unpack()?.into();
        bundles.insert(place, Rc::clone(&bundle));
        Ok(bundle)
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

impl StoredPage {
    /// A page that is still in memory. It is not cut into chunks.
    pub fn of_recent(page: &Page, index: &Index) -> Result<StoredPage, Unavailable> {
        let (partition, page) = (page.partition(), page.clone());
        let spot = index.find(partition)?;
        Ok(StoredPage { partition, page, is_changed: false, spot, chunks: 0 })
    }

    /// Reads the page of a partition; an empty page if there is none.
    pub fn read(
        partition: Partition,
        index: &Index,
        unpacked: &Unpacked,
        get: &impl Get,
    ) -> Result<StoredPage, Unavailable> {
        let damaged = |why: &str| damaged_page(partition, why);
        let get = |raw: &[u8]| get(raw).map_err(|why| damaged(&why.to_string()));
        let kept =
            |page, spot, chunks| StoredPage { partition, page, is_changed: false, spot, chunks };
        let Some(spot) = index.find(partition)? else {
            return Ok(kept(Page::empty(partition), None, 0));
        };
        let (seat, chunks) = match spot {
            Location::Block { block: number, index } => {
                let block =
                    get(&keys::block(number))?.ok_or_else(|| damaged("its block is missing"))?;
                let block = Block::read(&block).ok_or_else(|| damaged("its block is cut short"))?;
                if block.partition(index) != Some(partition) {
                    return Err(damaged("its block does not contain it"));
                }
                let place = (number, block.bundle_of(index));
                let bundle = unpacked.bundle(place, || block.unpack(index)).map_err(damaged)?;
                let slots = block.slots(index, &bundle).map_err(damaged)?;
                return Ok(kept(Page::read(partition, slots)?, Some(spot), 0));
            }
            Location::PageSlot(seat) => {
                let seat =
                    get(&keys::seat(seat))?.ok_or_else(|| damaged("its page slot is missing"))?;
                let chunks =
                    seat.split_first_chunk().map(|(chunks, _)| u16::from_be_bytes(*chunks));
                let chunks = chunks.ok_or_else(|| damaged("it is too short"))?;
                (seat, chunks)
            }
        };
        if chunks == 0 {
            return Ok(kept(Page::unpack(partition, &seat[2..])?, Some(spot), 0));
        }
        let mut gathered = Vec::new();
        for chunk in 0..chunks {
            let more = get(&keys::chunk(partition, chunk))?;
            gathered.extend_from_slice(&more.ok_or_else(|| damaged("a chunk of it is missing"))?);
        }
        Ok(kept(Page::unpack(partition, &gathered)?, Some(spot), chunks))
    }
}

/// The parsed bytes of a block.
struct Block<'a> {
    lines: &'a [u8],
    bundle_pages: usize,
    bundles: Vec<&'a [u8]>,
}

impl<'a> Block<'a> {
    fn read(bytes: &'a [u8]) -> Option<Block<'a>> {
        let (count, rest) = bytes.split_first_chunk()?;
        let (bundle_pages, rest) = rest.split_first_chunk()?;
        let pages = usize::from(u16::from_be_bytes(*count));
        let bundle_pages = usize::from(u16::from_be_bytes(*bundle_pages)).max(1);
        let (lines, rest) = rest.split_at_checked(pages * BLOCK_LINE_BYTES)?;
        let (lengths, mut packed) = rest.split_at_checked(pages.div_ceil(bundle_pages) * 4)?;
        let bundles = lengths.chunks_exact(4).map(|length| {
            let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
            let (bundle, rest) = packed.split_at_checked(length)?;
            packed = rest;
            Some(bundle)
        });
        let bundles = bundles.collect::<Option<Vec<_>>>()?;
        Some(Block { lines, bundle_pages, bundles })
    }

    fn pages(&self) -> u16 {
        u16::try_from(self.lines.len() / BLOCK_LINE_BYTES).unwrap_or(u16::MAX)
    }

    fn line(&self, index: usize) -> Option<(Partition, usize)> {
        let line = self.lines.get(index * BLOCK_LINE_BYTES..(index + 1) * BLOCK_LINE_BYTES)?;
        let partition = Partition::from_bytes(line[..8].try_into().ok()?);
        let length = u32::from_be_bytes(line[8..].try_into().ok()?) as usize;
        Some((partition, length))
    }

    /// The partition whose page this is.
    fn partition(&self, index: u16) -> Option<Partition> {
        self.line(usize::from(index)).map(|(partition, _)| partition)
    }

    /// The number of the bundle that has this page.
    fn bundle_of(&self, index: u16) -> usize {
        usize::from(index) / self.bundle_pages
    }

    /// The bundle that has this page, unpacked.
    fn unpack(&self, index: u16) -> Result<Vec<u8>, &'static str> {
        unpack(self.bundles.get(self.bundle_of(index)).ok_or("its block is cut short")?)
    }

    /// The slots of a page in its bundle.
    fn slots<'b>(&self, index: u16, bundle: &'b [u8]) -> Result<&'b [u8], &'static str> {
        let index = usize::from(index);
        let first = index - index % self.bundle_pages;
        let cut_short = "its block is cut short";
        let before = (first..index).map(|index| self.line(index).map(|(_, length)| length));
        let start = before.sum::<Option<usize>>().ok_or(cut_short)?;
        let (_, length) = self.line(index).ok_or(cut_short)?;
        bundle.get(start..start + length).ok_or(cut_short)
    }
}

/// A block that is being built.
#[derive(Default)]
struct NewBlock {
    lines: Vec<u8>,
    lengths: Vec<u8>,
    bundles: Vec<u8>,
}

impl NewBlock {
    fn bytes(&self) -> usize {
        4 + self.lines.len() + self.lengths.len() + self.bundles.len()
    }

    /// Adds a bundle of pages. Returns false if the block has no room for it.
    fn take(&mut self, pages: &[(Partition, Vec<u8>)]) -> bool {
        let slots = pages.iter().map(|(_, slots)| slots.as_slice()).collect::<Vec<_>>().concat();
        let bundle = pack(&slots);
        let more = pages.len() * BLOCK_LINE_BYTES + 4 + bundle.len();
        if !self.bundles.is_empty() && self.bytes() + more > BLOCK_BYTES_MAX {
            return false;
        }
        for (partition, slots) in pages {
            self.lines.extend_from_slice(&partition.to_bytes());
            self.lines
                .extend_from_slice(&u32::try_from(slots.len()).unwrap_or(u32::MAX).to_be_bytes());
        }
        self.lengths
            .extend_from_slice(&u32::try_from(bundle.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.bundles.extend_from_slice(&bundle);
        true
    }

    fn finish(self) -> Vec<u8> {
        let pages = u16::try_from(self.lines.len() / BLOCK_LINE_BYTES).unwrap_or(u16::MAX);
        let head = [pages.to_be_bytes(), BUNDLE_PAGES.to_be_bytes()].concat();
        [head, self.lines, self.lengths, self.bundles].concat()
    }
}

/// The writes that put pages into the tree.
#[derive(Default)]
pub struct LayoutChange {
    /// Entries to write or remove.
    pub entries: Vec<keys::Entry>,
    /// Pages whose location has changed.
    pub moved: Vec<Pointer>,
}

/// Places the pages that a group has changed in the tree.
pub struct Layout<'a> {
    tree: &'a sled::Tree,
    index: &'a Index,
    group: u64,
    /// The number of the next page slot or block.
    next: usize,
    laid_out: LayoutChange,
    /// The pages of partitions that had none.
    fresh: Vec<(Partition, Vec<u8>)>,
    /// The pages that have left each block.
    left: BTreeMap<u64, Vec<u16>>,
}

impl<'a> Layout<'a> {
    /// Computes the writes that put `pages` into the tree.
    pub fn of(
        tree: &'a sled::Tree,
        index: &'a Index,
        group: u64,
        pages: &[StoredPage],
    ) -> Result<LayoutChange, Unavailable> {
        let (laid_out, fresh, left) = (LayoutChange::default(), Vec::new(), BTreeMap::new());
        let mut layout = Layout { tree, index, group, next: 0, laid_out, fresh, left };
        pages.iter().for_each(|kept| layout.put(kept));
        layout.seat_fresh();
        layout.tidy_blocks()?;
        Ok(layout.laid_out)
    }

    fn put(&mut self, kept: &StoredPage) {
        let partition = kept.partition;
        if let Some(Location::Block { block, index }) = kept.spot {
            self.left.entry(block).or_default().push(index);
        }
        if kept.page.is_empty() {
            self.laid_out.moved.push((partition, None));
            if let Some(Location::PageSlot(seat)) = kept.spot {
                self.laid_out.entries.push((keys::seat(seat), None));
            }
            self.drop_chunks(kept, 0);
            return;
        }
        let slots = kept.page.content();
        match kept.spot {
            Some(Location::PageSlot(seat)) => self.fill_seat(seat, kept, pack(&slots)),
            None if slots.len() <= BLOCK_PAGE_BYTES_MAX => self.fresh.push((partition, slots)),
            Some(Location::Block { .. }) | None => {
                let seat = self.take_seat(partition);
                self.fill_seat(seat, kept, pack(&slots));
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        version(self.group, self.next)
    }

    fn take_seat(&mut self, partition: Partition) -> u64 {
        let seat = self.number();
        self.laid_out.moved.push((partition, Some(Location::PageSlot(seat))));
        seat
    }

    /// Writes a page into a page slot. A page that is longer than one value is
    /// cut into chunks. Its own entry then contains the number of the group
    /// that wrote the chunks, so that the entry changes whenever they do.
    fn fill_seat(&mut self, seat: u64, kept: &StoredPage, packed: Vec<u8>) {
        let mut chunks = 0;
        let value = if packed.len() + 2 <= PIECE_BYTES_MAX {
            [&[0, 0], &packed[..]].concat()
        } else {
            for (chunk, bytes) in (0..).zip(packed.chunks(PIECE_BYTES_MAX)) {
                self.laid_out
                    .entries
                    .push((keys::chunk(kept.partition, chunk), Some(bytes.to_vec())));
                chunks = chunk + 1;
            }
            [&chunks.to_be_bytes()[..], &self.group.to_be_bytes()].concat()
        };
        self.drop_chunks(kept, chunks);
        self.laid_out.entries.push((keys::seat(seat), Some(value)));
    }

    fn drop_chunks(&mut self, kept: &StoredPage, from: u16) {
        self.laid_out
            .entries
            .extend((from..kept.chunks).map(|chunk| (keys::chunk(kept.partition, chunk), None)));
    }

    fn seat_fresh(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        if fresh.len() < BLOCK_PAGES_MIN {
            fresh.iter().for_each(|(partition, slots)| self.seat_alone(*partition, slots));
            return;
        }
        let (mut block, mut number, mut index) = (NewBlock::default(), self.number(), 0);
        for bundle in fresh.chunks(usize::from(BUNDLE_PAGES)) {
            if bundle.iter().map(|(_, slots)| slots.len()).sum::<usize>() > BUNDLE_BYTES_MAX {
                bundle.iter().for_each(|(partition, slots)| self.seat_alone(*partition, slots));
                continue;
            }
            if !block.take(bundle) {
                let full = std::mem::take(&mut block);
                self.laid_out.entries.push((keys::block(number), Some(full.finish())));
                (number, index) = (self.number(), 0);
                block.take(bundle);
            }
            for (partition, _) in bundle {
                let spot = Location::Block { block: number, index };
                self.laid_out.moved.push((*partition, Some(spot)));
                index += 1;
            }
        }
        if !block.lines.is_empty() {
            self.laid_out.entries.push((keys::block(number), Some(block.finish())));
        }
    }

    fn seat_alone(&mut self, partition: Partition, slots: &[u8]) {
        let seat = self.take_seat(partition);
        self.laid_out.entries.push((keys::seat(seat), Some([&[0, 0], &pack(slots)[..]].concat())));
    }

    /// Updates the number of pages left in each block, and removes or dissolves
    /// blocks with too few.
    fn tidy_blocks(&mut self) -> Result<(), Unavailable> {
        let mut dissolved = 0;
        for (block, left) in std::mem::take(&mut self.left) {
            let damaged = |why: &str| Unavailable::Damaged {
                record: format!("block {block}"),
                why: why.to_owned(),
            };
            let get = |raw: Vec<u8>| self.tree.get(raw).map_err(|why| damaged(&why.to_string()));
            let value = get(keys::block(block))?.ok_or_else(|| damaged("it is not there"))?;
            let pages_of = Block::read(&value).ok_or_else(|| damaged("it is cut short"))?;
            let pages = pages_of.pages();
            let before = match get(keys::block_count(block))? {
                Some(count) => count.as_ref().try_into().map(u16::from_be_bytes).unwrap_or(pages),
                None => pages,
            };
            let after = before.saturating_sub(u16::try_from(left.len()).unwrap_or(u16::MAX));
            let is_dissolved = after > 0
                && after.saturating_mul(BLOCK_LEFT_SHARE) <= pages
                && dissolved < DISSOLVED_BLOCKS_MAX;
            if after > 0 && !is_dissolved {
                self.laid_out
                    .entries
                    .push((keys::block_count(block), Some(after.to_be_bytes().to_vec())));
                continue;
            }
            if is_dissolved {
                dissolved += 1;
                let mut moving = Vec::new();
                let mut failure = None;
                for index in (0..pages).filter(|index| !left.contains(index)) {
                    let Some(partition) = pages_of.partition(index) else { continue };
                    if self.index.find(partition)? == Some(Location::Block { block, index }) {
                        let bundle = pages_of.unpack(index);
                        match bundle.and_then(|all| Ok(pages_of.slots(index, &all)?.to_vec())) {
                            Ok(slots) => moving.push((partition, slots)),
                            Err(why) => failure = Some(why),
                        }
                    }
                }
                if let Some(why) = failure {
                    // The block stays so that reads of the damaged page report
                    // it. Its intact pages can stay where they are.
                    tracing::error!(
                        block,
                        error = why,
                        "a block has a damaged page and is not dissolved"
                    );
                    self.laid_out
                        .entries
                        .push((keys::block_count(block), Some(after.to_be_bytes().to_vec())));
                    continue;
                }
                moving.iter().for_each(|(partition, slots)| self.seat_alone(*partition, slots));
            }
            self.laid_out.entries.push((keys::block(block), None));
            self.laid_out.entries.push((keys::block_count(block), None));
        }
        Ok(())
    }
}
