//! The bytes of a stored document: a head, a checksum, and the body, in pieces when it is long.
//!
//! ```text
//! format 1 byte | schema 2 | version 8 | listed_at 8 | pieces 2 | body length 4 | CRC-32 4 | body, if in one piece
//! ```
//! All numbers are big-endian. The checksum covers the key, the head before it, and the whole body, so that
//! a flipped bit and a record under a wrong key are both found. A body longer than [`PIECE_BYTES_MAX`] lies
//! under keys of its own, one for each piece.

use sled::IVec;

use super::keys;
use crate::kernel::time::from_micros;
use crate::store::Unavailable;
use crate::store::batch::{Body, DocKey, Stored};

/// The longest value that is given to sled, in bytes. A leaf of sled's tree holds up to 16 entries, and one
/// larger than a quarter of a 4 MiB segment would leave the log: 60 000 is the largest size that was seen
/// to be safe, and this is below it with its head.
const PIECE_BYTES_MAX: usize = 48_000;

const FORMAT: u8 = 1;
const CHECKED_HEAD_BYTES: usize = 1 + 2 + 8 + 8 + 2 + 4;
const HEAD_BYTES: usize = CHECKED_HEAD_BYTES + 4;

/// How many bits of a version number the place in its group takes.
const PLACE_BITS: u32 = 16;

/// The version of documents written by the batch in `place` of `group`: never the same twice.
pub fn version(group: u64, place: usize) -> u64 {
    group << PLACE_BITS | (place as u64 & ((1 << PLACE_BITS) - 1))
}

/// A document's record.
pub struct Record {
    stored: Stored,
}

impl Record {
    /// The group of batches that wrote it.
    pub fn group(&self) -> u64 {
        self.stored.version >> PLACE_BITS
    }

    /// What was stored.
    pub fn into_stored(self) -> Stored {
        self.stored
    }

    /// Reads the record of `key`, if there is one, with `get`.
    pub fn read(
        key: DocKey,
        get: impl Fn(&[u8]) -> sled::Result<Option<IVec>>,
    ) -> Result<Option<Record>, Unavailable> {
        let raw_key = keys::doc(key);
        let get = |raw: &[u8]| get(raw).map_err(|why| damaged(key, &why.to_string()));
        let Some(value) = get(&raw_key)? else { return Ok(None) };
        if value.len() < HEAD_BYTES || value[0] != FORMAT {
            return Err(damaged(key, "its head is not one"));
        }
        let schema = u16::from_be_bytes(field(&value, 1));
        let version = u64::from_be_bytes(field(&value, 3));
        let listed_at = from_micros(i64::from_be_bytes(field(&value, 11)));
        let pieces = u16::from_be_bytes(field(&value, 19));
        let length = u32::from_be_bytes(field(&value, 21)) as usize;
        let checksum = u32::from_be_bytes(field(&value, CHECKED_HEAD_BYTES));

        let mut bytes = value[HEAD_BYTES..].to_vec();
        for piece in 0..pieces {
            let Some(more) = get(&keys::piece(key, piece))? else {
                return Err(damaged(key, "a piece of it is missing"));
            };
            bytes.extend_from_slice(&more);
        }
        if bytes.len() != length || checksum != checksum_of(&raw_key, &value[..CHECKED_HEAD_BYTES], &bytes) {
            return Err(damaged(key, "its checksum does not fit"));
        }
        Ok(Some(Record { stored: Stored { version, body: Body { schema, listed_at, bytes } } }))
    }
}

/// The entries that hold a document.
pub fn write(key: DocKey, version: u64, body: &Body) -> Vec<(Vec<u8>, Vec<u8>)> {
    let raw_key = keys::doc(key);
    let pieces = piece_count(body.bytes.len());
    let mut head = Vec::with_capacity(HEAD_BYTES + if pieces == 0 { body.bytes.len() } else { 0 });
    head.push(FORMAT);
    head.extend_from_slice(&body.schema.to_be_bytes());
    head.extend_from_slice(&version.to_be_bytes());
    head.extend_from_slice(&body.listed_at.as_microsecond().to_be_bytes());
    head.extend_from_slice(&pieces.to_be_bytes());
    head.extend_from_slice(&u32::try_from(body.bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    let checksum = checksum_of(&raw_key, &head, &body.bytes);
    head.extend_from_slice(&checksum.to_be_bytes());
    if pieces == 0 {
        head.extend_from_slice(&body.bytes);
        return vec![(raw_key, head)];
    }
    let mut entries = vec![(raw_key, head)];
    for (piece, bytes) in (0..pieces).zip(body.bytes.chunks(PIECE_BYTES_MAX)) {
        entries.push((keys::piece(key, piece), bytes.to_vec()));
    }
    entries
}

/// The keys of the entries that [`write`] made for `body`.
pub fn entry_keys(key: DocKey, body: &Body) -> Vec<Vec<u8>> {
    let pieces = (0..piece_count(body.bytes.len())).map(|piece| keys::piece(key, piece));
    std::iter::once(keys::doc(key)).chain(pieces).collect()
}

fn piece_count(body_bytes: usize) -> u16 {
    if body_bytes <= PIECE_BYTES_MAX {
        0
    } else {
        u16::try_from(body_bytes.div_ceil(PIECE_BYTES_MAX)).unwrap_or(u16::MAX)
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

fn checksum_of(key: &[u8], head: &[u8], body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(key);
    crc.update(head);
    crc.update(body);
    crc.finalize()
}

fn damaged(key: DocKey, why: &str) -> Unavailable {
    Unavailable::Damaged { record: key.to_string(), why: why.to_owned() }
}
