//! The bytes of everything in a partition: an order with its receipts, messages and movements, in one value.
//!
//! sled copies a node of its tree for every entry that it writes, so what is written together is kept
//! together: a new order is one page here instead of three documents. A page lies under its seat, a number given
//! in order of time, and its partition points there: were it to lie under its partition, every new order would
//! have sled fetch and write another node full of other orders' pages.
//!
//! ```text
//! page:  pieces 2 | the slots, packed by LZ4 behind their length 4 (little-endian)
//! slot:  kind 1 | id 12 | schema 2 | version 8 | listed_at 8 | pieces 2 | body length 4 | CRC-32 4 | body, if pieces is 0
//! ```
//! Numbers are big-endian. The checksum covers the partition, the slot's head before it, and the whole body, so
//! that a flipped bit and a slot in a wrong place are both found. A body longer than [`INLINE_BYTES_MAX`] lies in
//! pieces under keys of its own: it is written once, while the page is written with every hook.

use std::collections::BTreeMap;

use lz4_flex::block::{compress_into, decompress, get_maximum_output_size};
use sled::IVec;

use super::keys;
use crate::kernel::Kind;
use crate::kernel::time::from_micros;
use crate::store::Unavailable;
use crate::store::batch::{Body, DocKey, Stored};

/// The longest body that stands in its page, in bytes.
const INLINE_BYTES_MAX: usize = 4096;

/// When the bodies in a page have so many bytes together, further ones lie beside it: the page is written with
/// every hook.
const INLINE_BYTES_OF_ALL_MAX: usize = 24_000;

/// Bodies up to so many bytes stand in their page all the same: apart they would take more.
const INLINE_BYTES_ALWAYS: usize = 128;

/// The longest value that is given to sled, in bytes. A leaf of sled's tree holds up to 16 entries, and one
/// larger than a quarter of a 4 MiB segment would leave the log: 60 000 is the largest size that was seen
/// to be safe.
pub const VALUE_BYTES_MAX: usize = 48_000;

const CHECKED_HEAD_BYTES: usize = 1 + 12 + 2 + 8 + 8 + 2 + 4;
const HEAD_BYTES: usize = CHECKED_HEAD_BYTES + 4;

/// How many bits of a version number the place in its group takes.
const PLACE_BITS: u32 = 16;

/// The version of documents written by the batch in `place` of `group`: never the same twice.
pub fn version(group: u64, place: usize) -> u64 {
    group << PLACE_BITS | (place as u64 & ((1 << PLACE_BITS) - 1))
}

/// The group that wrote a version.
pub fn group_of(version: u64) -> u64 {
    version >> PLACE_BITS
}

/// A document in its page: its head, and its body if that stands here.
#[derive(Debug, Clone)]
pub struct Slot {
    schema: u16,
    version: u64,
    listed_at: i64,
    pieces: u16,
    length: u32,
    checksum: u32,
    inline: Vec<u8>,
}

/// Everything in a partition.
#[derive(Debug, Clone, Default)]
pub struct Page {
    partition: u64,
    slots: BTreeMap<(Kind, u128), Slot>,
    /// Where it lies; none while it is new.
    seat: Option<u64>,
    /// How many pieces the page was cut in when it was read.
    pieces: u16,
}

/// Entries of the tree to be written, or, without a value, removed.
pub type Entries = Vec<keys::Entry>;

impl Page {
    /// Reads the page of a partition; an empty one if there is none.
    pub fn read(
        partition: u64,
        get: &impl Fn(&[u8]) -> sled::Result<Option<IVec>>,
    ) -> Result<Page, Unavailable> {
        let damaged =
            |why: &str| Unavailable::Damaged { record: format!("page of {partition}"), why: why.to_owned() };
        let get = |raw: &[u8]| get(raw).map_err(|why| damaged(&why.to_string()));
        let mut page = Page { partition, ..Page::default() };
        let Some(seat) = get(&keys::page(partition))? else { return Ok(page) };
        let seat =
            seat.as_ref().try_into().map(u64::from_be_bytes).map_err(|_| damaged("its seat is not one"))?;
        let first = get(&keys::seat(seat))?.ok_or_else(|| damaged("its seat is empty"))?;
        page.seat = Some(seat);
        let (marker, mut bytes) = first.split_at_checked(2).ok_or_else(|| damaged("it is too short"))?;
        let mut gathered = Vec::new();
        let pieces = u16::from_be_bytes(field(marker, 0));
        page.pieces = pieces;
        if pieces > 0 {
            for piece in 0..pieces {
                let more = get(&keys::page_piece(partition, piece))?;
                gathered.extend_from_slice(&more.ok_or_else(|| damaged("a piece of it is missing"))?);
            }
            bytes = &gathered;
        }
        let slots = unpack(bytes).map_err(damaged)?;
        let mut bytes = slots.as_slice();
        while !bytes.is_empty() {
            let (head, rest) =
                bytes.split_at_checked(HEAD_BYTES).ok_or_else(|| damaged("it ends within a slot"))?;
            let kind = Kind::from_byte(head[0]).ok_or_else(|| damaged("a slot has an unknown kind"))?;
            let mut id = [0; 16];
            id[4..].copy_from_slice(&head[1..13]);
            let pieces = u16::from_be_bytes(field(head, 31));
            let length = u32::from_be_bytes(field(head, 33));
            let inline = if pieces == 0 { length as usize } else { 0 };
            let (inline, rest) =
                rest.split_at_checked(inline).ok_or_else(|| damaged("it ends within a body"))?;
            let slot = Slot {
                schema: u16::from_be_bytes(field(head, 13)),
                version: u64::from_be_bytes(field(head, 15)),
                listed_at: i64::from_be_bytes(field(head, 23)),
                pieces,
                length,
                checksum: u32::from_be_bytes(field(head, CHECKED_HEAD_BYTES)),
                inline: inline.to_vec(),
            };
            page.slots.insert((kind, u128::from_be_bytes(id)), slot);
            bytes = rest;
        }
        Ok(page)
    }

    /// The documents of a kind, by id.
    pub fn keys_of(&self, kind: Kind) -> impl Iterator<Item = DocKey> {
        let of_kind = self.slots.range((kind, 0)..=(kind, u128::MAX));
        of_kind.map(|(&(kind, id), _)| DocKey { partition: self.partition, kind, id })
    }

    /// The document under `key`, if there is one, its checksum compared.
    pub fn document(
        &self,
        key: DocKey,
        get: &impl Fn(&[u8]) -> sled::Result<Option<IVec>>,
    ) -> Result<Option<Stored>, Unavailable> {
        let Some(slot) = self.slots.get(&(key.kind, key.id)) else { return Ok(None) };
        let damaged = |why: &str| Unavailable::Damaged { record: key.to_string(), why: why.to_owned() };
        let mut bytes = slot.inline.clone();
        for piece in 0..slot.pieces {
            let more = get(&keys::piece(key, piece)).map_err(|why| damaged(&why.to_string()))?;
            bytes.extend_from_slice(&more.ok_or_else(|| damaged("a piece of it is missing"))?);
        }
        let head = slot.head(key);
        if bytes.len() != slot.length as usize || slot.checksum != checksum_of(key.partition, &head, &bytes) {
            return Err(damaged("its checksum does not fit"));
        }
        let body = Body { schema: slot.schema, listed_at: from_micros(slot.listed_at), bytes };
        Ok(Some(Stored { version: slot.version, body }))
    }

    /// Puts a document into the page, or takes it out. Bodies that do not stand in the page go into `entries`.
    pub fn write(&mut self, key: DocKey, version: u64, body: Option<&Body>, entries: &mut Entries) {
        let old_pieces = self.slots.remove(&(key.kind, key.id)).map_or(0, |slot| slot.pieces);
        let mut new_pieces = 0;
        if let Some(body) = body {
            let inline: usize = self.slots.values().map(|slot| slot.inline.len()).sum();
            let is_crowded =
                inline + body.bytes.len() > INLINE_BYTES_OF_ALL_MAX && body.bytes.len() > INLINE_BYTES_ALWAYS;
            if body.bytes.len() > INLINE_BYTES_MAX || is_crowded {
                for (piece, bytes) in (0..).zip(body.bytes.chunks(VALUE_BYTES_MAX)) {
                    entries.push((keys::piece(key, piece), Some(bytes.to_vec())));
                    new_pieces = piece + 1;
                }
            }
            let mut slot = Slot {
                schema: body.schema,
                version,
                listed_at: body.listed_at.as_microsecond(),
                pieces: new_pieces,
                length: u32::try_from(body.bytes.len()).unwrap_or(u32::MAX),
                checksum: 0,
                inline: if new_pieces == 0 { body.bytes.clone() } else { Vec::new() },
            };
            slot.checksum = checksum_of(key.partition, &slot.head(key), &body.bytes);
            self.slots.insert((key.kind, key.id), slot);
        }
        entries.extend((new_pieces..old_pieces).map(|piece| (keys::piece(key, piece), None)));
    }

    /// The entries that hold the page itself. A page that is longer than one value is cut in pieces; its own
    /// entry then bears the group that wrote them, so that it is another one whenever they are. A new page takes
    /// the seat `new_seat`.
    pub fn entries(&self, group: u64, new_seat: u64) -> Entries {
        let key = keys::seat(self.seat.unwrap_or(new_seat));
        let without_pieces =
            |from: u16| (from..self.pieces).map(|piece| (keys::page_piece(self.partition, piece), None));
        if self.slots.is_empty() {
            return without_pieces(0).chain([(keys::page(self.partition), None), (key, None)]).collect();
        }
        let pointer = match self.seat {
            Some(_) => None,
            None => Some((keys::page(self.partition), Some(new_seat.to_be_bytes().to_vec()))),
        };
        let mut slots = Vec::new();
        for (&(kind, id), slot) in &self.slots {
            slots.extend_from_slice(&slot.head(DocKey { partition: self.partition, kind, id }));
            slots.extend_from_slice(&slot.checksum.to_be_bytes());
            slots.extend_from_slice(&slot.inline);
        }
        let bytes = pack(&slots);
        if bytes.len() <= VALUE_BYTES_MAX {
            return without_pieces(0).chain(pointer).chain([(key, Some(bytes))]).collect();
        }
        let mut entries = Vec::new();
        for (piece, chunk) in (0..).zip(bytes[2..].chunks(VALUE_BYTES_MAX)) {
            entries.push((keys::page_piece(self.partition, piece), Some(chunk.to_vec())));
        }
        let pieces = u16::try_from(entries.len()).unwrap_or(u16::MAX);
        entries.extend(without_pieces(pieces));
        entries.extend(pointer);
        entries.push((key, Some([&pieces.to_be_bytes()[..], &group.to_be_bytes()].concat())));
        entries
    }
}

impl Slot {
    fn head(&self, key: DocKey) -> [u8; CHECKED_HEAD_BYTES] {
        let mut head = [0; CHECKED_HEAD_BYTES];
        head[0] = key.kind as u8;
        head[1..13].copy_from_slice(&key.id.to_be_bytes()[4..]);
        head[13..15].copy_from_slice(&self.schema.to_be_bytes());
        head[15..23].copy_from_slice(&self.version.to_be_bytes());
        head[23..31].copy_from_slice(&self.listed_at.to_be_bytes());
        head[31..33].copy_from_slice(&self.pieces.to_be_bytes());
        head[33..37].copy_from_slice(&self.length.to_be_bytes());
        head
    }
}

/// The hook as it came, the order, and the message repeat one another: packed together they take about a third,
/// and what sled copies and writes is what a hook costs. Two bytes of nought stand in front.
fn pack(slots: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 2 + 4 + get_maximum_output_size(slots.len())];
    let length = u32::try_from(slots.len()).unwrap_or(u32::MAX);
    bytes[2..6].copy_from_slice(&length.to_le_bytes());
    // It fails only where the room is too small, and that is the most it can take.
    let packed = compress_into(slots, &mut bytes[6..]).unwrap_or_default();
    bytes.truncate(6 + packed);
    bytes
}

/// The most that LZ4 makes of a byte.
const UNPACKED_RATIO_MAX: usize = 255;

fn unpack(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (length, packed) = bytes.split_first_chunk().ok_or("it is too short")?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > packed.len().saturating_mul(UNPACKED_RATIO_MAX) {
        return Err("its length cannot be true");
    }
    let slots = decompress(packed, length).map_err(|_| "it does not unpack")?;
    if slots.len() == length { Ok(slots) } else { Err("it unpacks to another length") }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

fn checksum_of(partition: u64, head: &[u8], body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&partition.to_be_bytes());
    crc.update(head);
    crc.update(body);
    crc.finalize()
}
