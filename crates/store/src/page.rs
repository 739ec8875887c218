//! The bytes of everything in a partition: an order with its idempotency
//! records, messages and movements, in one value.
//!
//! What is written together is stored together. For an engine an entry costs
//! more than its bytes, so a new order is one page instead of three documents.
//! Where the page is stored is up to the engine.
//!
//! ```text
//! page:  length of the content 4 (little-endian) | the content, packed by LZ4
//! content: format 1 | slots
//! slot:  kind 1 | id 12 | schema 2 | version 8 | listed_at 8 | pieces 2
//!        | body length 4 | number of lists 1 | CRC-32 4 | lists, 7 each
//!        | body, if pieces is 0
//! ```
//!
//! Other numbers are big-endian. The checksum covers the partition, the part of
//! the slot's head before the checksum, the lists, and the whole body, so it
//! detects both a flipped bit and a slot in the wrong place. A body longer than
//! [`INLINE_BYTES_MAX`] is packed and split into pieces outside its page: it is
//! written once, while the page is written with every hook.

use std::collections::BTreeMap;

use lz4_flex::block::{compress_into, decompress, get_maximum_output_size};

use super::Unavailable;
use super::batch::{Body, Stored};
use tillgate_kernel::DocKey;
use tillgate_kernel::time::from_micros;
use tillgate_kernel::{Kind, ListName, Partition, Timestamp, Unreadable};

/// The longest body that is stored in its page, in bytes.
const INLINE_BYTES_MAX: usize = 16 * 1024;

/// When the bodies in a page would exceed this many bytes in total, a new body
/// is stored outside the page, because the page is written with every hook.
const INLINE_BYTES_OF_ALL_MAX: usize = 32_000;

/// Bodies of up to this many bytes are always stored in their page: outside it
/// they would take more space.
const INLINE_BYTES_ALWAYS: usize = 128;

/// The longest piece, in bytes: what sled can hold in its log. A leaf of sled's
/// tree holds up to 16 entries, and a leaf larger than a quarter of a 4 MiB
/// segment would be moved out of the log. 60 000 is the largest size that was
/// observed to be safe.
pub const PIECE_BYTES_MAX: usize = 48_000;

const CHECKED_HEAD_BYTES: usize = 1 + 12 + 2 + 8 + 8 + 2 + 4 + 1;
const HEAD_BYTES: usize = CHECKED_HEAD_BYTES + 4;

/// The first byte of the content of a page. Pages from before the first release
/// began with the number of a kind.
const FORMAT: u8 = 0xf2;

/// A document in its page: its head, and its body if it is stored inline.
#[derive(Debug, Clone)]
struct Slot {
    schema: u16,
    version: u64,
    listed_at: i64,
    pieces: u16,
    length: u32,
    checksum: u32,
    lists: Vec<ListName>,
    inline: Vec<u8>,
}

/// The metadata of a document, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The version, as in [`Stored`].
    pub version: u64,
    /// The time under which lists show it.
    pub listed_at: Timestamp,
    /// The lists that it is in.
    pub lists: Vec<ListName>,
    /// The number of pieces of the body that are stored outside the page; 0 if
    /// the body is in the page.
    pub pieces: u16,
}

/// The key of a piece of a body that is stored outside its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceKey {
    pub doc: DocKey,
    /// The version of the document that was written with it.
    pub version: u64,
    /// The number of the piece, from 0.
    pub number: u16,
}

/// Pieces to write or, where there are no bytes, to remove.
pub type Pieces = Vec<(PieceKey, Option<Vec<u8>>)>;

/// All documents of a partition.
#[derive(Debug, Clone)]
pub struct Page {
    partition: Partition,
    slots: BTreeMap<(Kind, u128), Slot>,
}

impl Page {
    /// An empty page.
    pub fn empty(partition: Partition) -> Page {
        Page { partition, slots: BTreeMap::new() }
    }

    /// Reads a page that [`Page::pack`] wrote.
    pub fn unpack(partition: Partition, packed: &[u8]) -> Result<Page, Unavailable> {
        let content = unpack(packed).map_err(|why| damaged_page(partition, why))?;
        Page::read(partition, &content)
    }

    /// Reads a page from the bytes that [`Page::content`] returned.
    pub fn read(partition: Partition, content: &[u8]) -> Result<Page, Unavailable> {
        let damaged = |why: &str| damaged_page(partition, why);
        let mut page = Page::empty(partition);
        let mut bytes = match content.split_first() {
            Some((&FORMAT, slots)) => slots,
            Some(_) => return Err(Unreadable::OlderPage.into()),
            None => return Err(damaged("it is empty")),
        };
        while !bytes.is_empty() {
            let (head, rest) = bytes
                .split_at_checked(HEAD_BYTES)
                .ok_or_else(|| damaged("it ends in the middle of a slot"))?;
            let kind = Kind::from_byte(head[0]);
            let mut id = [0; 16];
            id[4..].copy_from_slice(&head[1..13]);
            let pieces = u16::from_be_bytes(field(head, 31));
            let length = u32::from_be_bytes(field(head, 33));
            let inline = if pieces == 0 { length as usize } else { 0 };
            let (lists, rest) = rest
                .split_at_checked(usize::from(head[37]) * ListName::BYTES)
                .ok_or_else(|| damaged("it ends in the middle of the lists of a slot"))?;
            let (lists, _) = lists.as_chunks::<{ ListName::BYTES }>();
            let (inline, rest) = rest
                .split_at_checked(inline)
                .ok_or_else(|| damaged("it ends in the middle of a body"))?;
            let slot = Slot {
                schema: u16::from_be_bytes(field(head, 13)),
                version: u64::from_be_bytes(field(head, 15)),
                listed_at: i64::from_be_bytes(field(head, 23)),
                pieces,
                length,
                checksum: u32::from_be_bytes(field(head, CHECKED_HEAD_BYTES)),
                lists: lists.iter().map(|list| ListName::from_bytes(*list)).collect(),
                inline: inline.to_vec(),
            };
            page.slots.insert((kind, u128::from_be_bytes(id)), slot);
            bytes = rest;
        }
        Ok(page)
    }

    /// The bytes of the page, compressed.
    pub fn pack(&self) -> Vec<u8> {
        pack(&self.content())
    }

    /// The bytes of the page, uncompressed.
    pub fn content(&self) -> Vec<u8> {
        let mut content = Vec::with_capacity(self.content_bytes());
        content.push(FORMAT);
        for (&(kind, id), slot) in &self.slots {
            content.extend_from_slice(&slot.head(DocKey { partition: self.partition, kind, id }));
            content.extend_from_slice(&slot.checksum.to_be_bytes());
            slot.lists.iter().for_each(|list| content.extend_from_slice(&list.to_bytes()));
            content.extend_from_slice(&slot.inline);
        }
        content
    }

    /// The length of [`content`](Page::content).
    pub fn content_bytes(&self) -> usize {
        let of_slot =
            |slot: &Slot| HEAD_BYTES + slot.lists.len() * ListName::BYTES + slot.inline.len();
        1 + self.slots.values().map(of_slot).sum::<usize>()
    }

    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// Whether the page has no documents.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The keys of all documents, ordered by kind and id.
    pub fn keys(&self) -> impl Iterator<Item = DocKey> {
        self.slots.keys().map(|&(kind, id)| DocKey { partition: self.partition, kind, id })
    }

    /// The keys of all documents of a kind, ordered by id.
    pub fn keys_of(&self, kind: Kind) -> impl Iterator<Item = DocKey> {
        let of_kind = self.slots.range((kind, 0)..=(kind, u128::MAX));
        of_kind.map(|(&(kind, id), _)| DocKey { partition: self.partition, kind, id })
    }

    /// The metadata of a document, if it exists.
    pub fn head(&self, key: DocKey) -> Option<Head> {
        let slot = self.slots.get(&(key.kind, key.id))?;
        Some(Head {
            version: slot.version,
            listed_at: from_micros(slot.listed_at),
            lists: slot.lists.clone(),
            pieces: slot.pieces,
        })
    }

    /// The document under `key`, if it exists, after its checksum has been
    /// verified. `piece` reads a piece that is stored outside the page.
    pub fn document<Bytes: AsRef<[u8]>>(
        &self,
        key: DocKey,
        piece: &impl Fn(PieceKey) -> Result<Option<Bytes>, Unavailable>,
    ) -> Result<Option<Stored>, Unavailable> {
        let Some(slot) = self.slots.get(&(key.kind, key.id)) else { return Ok(None) };
        let damaged =
            |why: &str| Unavailable::Damaged { record: key.to_string(), why: why.to_owned() };
        let bytes = if slot.pieces == 0 {
            slot.inline.clone()
        } else {
            let mut packed = Vec::new();
            for piece_key in slot.pieces(key) {
                let more = piece(piece_key)?;
                let more = more.ok_or_else(|| damaged("a piece of its body is missing"))?;
                packed.extend_from_slice(more.as_ref());
            }
            unpack(&packed).map_err(damaged)?
        };
        if bytes.len() != slot.length as usize || slot.checksum != slot.checksum_of(key, &bytes) {
            return Err(damaged("its checksum does not match"));
        }
        let body = Body {
            schema: slot.schema,
            listed_at: from_micros(slot.listed_at),
            lists: slot.lists.clone(),
            bytes,
        };
        Ok(Some(Stored { version: slot.version, body }))
    }

    /// Puts a document into the page, or removes it. Pieces of the body to
    /// write or to remove outside the page are added to `pieces`.
    pub fn write(&mut self, key: DocKey, version: u64, body: Option<Body>, pieces: &mut Pieces) {
        let old = self.slots.remove(&(key.kind, key.id));
        // Before the new ones: an engine may store those in their place.
        pieces.extend(old.iter().flat_map(|old| old.pieces(key)).map(|old| (old, None)));
        let mut new_pieces = 0;
        if let Some(body) = body {
            let length = body.bytes.len();
            let inline: usize = self.slots.values().map(|slot| slot.inline.len()).sum();
            let is_crowded =
                inline + length > INLINE_BYTES_OF_ALL_MAX && length > INLINE_BYTES_ALWAYS;
            if length > INLINE_BYTES_MAX || is_crowded {
                for (number, bytes) in (0..).zip(pack(&body.bytes).chunks(PIECE_BYTES_MAX)) {
                    let piece = PieceKey { doc: key, version, number };
                    pieces.push((piece, Some(bytes.to_vec())));
                    new_pieces = number + 1;
                }
            }
            let mut slot = Slot {
                schema: body.schema,
                version,
                listed_at: body.listed_at.as_microsecond(),
                pieces: new_pieces,
                length: u32::try_from(length).unwrap_or(u32::MAX),
                checksum: 0,
                lists: body.lists,
                inline: Vec::new(),
            };
            slot.checksum = slot.checksum_of(key, &body.bytes);
            if new_pieces == 0 {
                slot.inline = body.bytes;
            }
            self.slots.insert((key.kind, key.id), slot);
        }
    }
}

impl Slot {
    /// The pieces of the body, if it is stored outside the page.
    fn pieces(&self, doc: DocKey) -> impl Iterator<Item = PieceKey> {
        let version = self.version;
        (0..self.pieces).map(move |number| PieceKey { doc, version, number })
    }

    fn head(&self, key: DocKey) -> [u8; CHECKED_HEAD_BYTES] {
        let mut head = [0; CHECKED_HEAD_BYTES];
        head[0] = key.kind.byte();
        head[1..13].copy_from_slice(&key.id.to_be_bytes()[4..]);
        head[13..15].copy_from_slice(&self.schema.to_be_bytes());
        head[15..23].copy_from_slice(&self.version.to_be_bytes());
        head[23..31].copy_from_slice(&self.listed_at.to_be_bytes());
        head[31..33].copy_from_slice(&self.pieces.to_be_bytes());
        head[33..37].copy_from_slice(&self.length.to_be_bytes());
        head[37] = u8::try_from(self.lists.len()).unwrap_or(u8::MAX);
        head
    }

    fn checksum_of(&self, key: DocKey, body: &[u8]) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&key.partition.to_bytes());
        crc.update(&self.head(key));
        self.lists.iter().for_each(|list| crc.update(&list.to_bytes()));
        crc.update(body);
        crc.finalize()
    }
}

/// The error for a page that is damaged as a whole.
pub fn damaged_page(partition: Partition, why: &str) -> Unavailable {
    Unavailable::Damaged { record: format!("page of {partition}"), why: why.to_owned() }
}

/// Compresses the bytes of a page. The stored hook, the order and the message
/// repeat each other: compressed together they take about a third, and the cost
/// of a hook is the bytes that are copied and written.
pub fn pack(slots: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 4 + get_maximum_output_size(slots.len())];
    let length = u32::try_from(slots.len()).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    // Compression fails only if the buffer is too small, and this is the
    // maximum output size.
    let packed = compress_into(slots, &mut bytes[4..]).unwrap_or_default();
    bytes.truncate(4 + packed);
    bytes
}

/// The highest decompression ratio of LZ4: bytes of output for a byte of input.
const UNPACKED_RATIO_MAX: usize = 255;

/// Reverses [`pack`].
pub fn unpack(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (length, packed) = bytes.split_first_chunk().ok_or("it is too short")?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > packed.len().saturating_mul(UNPACKED_RATIO_MAX) {
        return Err("its length is impossible");
    }
    let slots = decompress(packed, length).map_err(|_| "it cannot be decompressed")?;
    if slots.len() == length { Ok(slots) } else { Err("it decompresses to a different length") }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}
