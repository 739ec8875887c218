//! The keys of sled's tree. Numbers are big-endian, so that keys sort in the
//! order of their values.
//!
//! ```text
//! b, e, k, n      pages: see [`layout`](super::layout)
//! d, x, m runs    where pages are: see [`index`](super::index)
//! p | version 8 | document 8 | piece 2
//!                 a piece of a long document
//! t | list 7 | bucket 6 | group, part 8
//!                 → the documents that a group added to a list in a bucket of
//!                   time
//! q | lane, dead 1 | queue 4 | bucket 6 | group, part 8
//!                 → the places in the outbox that a group gave in a bucket
//! c | group 2+n | name n
//!                 a counter
//! m group         the last group of batches that was written
//! ```
//! The keys that every hook writes have at most 22 bytes. sled keeps keys of
//! that size in its nodes; it allocates longer ones on the heap one by one, and
//! copying nodes, which is most of what sled does, then costs three times as
//! much. A queue is therefore represented in its key by a checksum of its name;
//! two queues with the same checksum share one line, and nothing worse happens.
//! For the same reason, what a group lists and the places of its messages in
//! the outbox take one entry for each bucket of time, not one for each
//! document: see [`lists`](super::lists).

use crate::Unavailable;
use crate::batch::CounterKey;
use crate::page::PieceKey;
use tillgate_kernel::Timestamp;
use tillgate_kernel::time::from_micros;
use tillgate_kernel::{Fingerprint, Partition};

/// The key under which the committer records each group.
pub const LAST_GROUP: &[u8] = b"m group";

/// The key of the list of the index's runs.
pub const RUNS: &[u8] = b"m runs";

/// The prefix of the entries with the pointers that groups moved.
pub fn moves() -> [u8; 1] {
    [b'd']
}

pub fn moved(group: u64, part: u16) -> Vec<u8> {
    let mut raw = numbered(b'd', group);
    raw.extend_from_slice(&part.to_be_bytes());
    raw
}

pub fn read_moves_group(raw: &[u8]) -> Option<u64> {
    raw.get(1..9)?.try_into().ok().map(u64::from_be_bytes)
}

/// The prefix of all chunks of all runs.
pub fn run_chunks() -> [u8; 1] {
    [b'x']
}

/// The prefix of all chunks of a run.
pub fn run(run: u64) -> Vec<u8> {
    numbered(b'x', run)
}

pub fn run_chunk(run: u64, first: Partition) -> Vec<u8> {
    let mut raw = numbered(b'x', run);
    raw.extend_from_slice(&first.to_bytes());
    raw
}

/// The run of a chunk, and the chunk's first partition.
pub fn read_run_chunk(raw: &[u8]) -> Option<(u64, Partition)> {
    let run = u64::from_be_bytes(raw.get(1..9)?.try_into().ok()?);
    Some((run, Partition::from_bytes(raw.get(9..)?.try_into().ok()?)))
}

pub fn seat(seat: u64) -> Vec<u8> {
    numbered(b'b', seat)
}

pub fn block(block: u64) -> Vec<u8> {
    numbered(b'k', block)
}

pub fn block_count(block: u64) -> Vec<u8> {
    numbered(b'n', block)
}

fn numbered(prefix: u8, number: u64) -> Vec<u8> {
    let mut raw = Vec::with_capacity(9);
    raw.push(prefix);
    raw.extend_from_slice(&number.to_be_bytes());
    raw
}

pub fn chunk(partition: Partition, chunk: u16) -> Vec<u8> {
    let mut raw = numbered(b'e', partition.get());
    raw.extend_from_slice(&chunk.to_be_bytes());
    raw
}

/// The key of a piece begins with the version of its document, and so with the
/// number of the group that wrote it: what is written together is adjacent, and
/// leaves that were written once stay as they are. 64 bits of a fingerprint of
/// the document's key distinguish the documents of one batch.
pub fn piece(piece: PieceKey) -> Vec<u8> {
    let PieceKey { doc, version, number } = piece;
    debug_assert!(doc.id < 1 << 96, "an id has at most 96 bits");
    let key = [&doc.partition.to_bytes()[..], &[doc.kind.byte()], &doc.id.to_be_bytes()];
    let mut raw = numbered(b'p', version);
    raw.extend_from_slice(&Fingerprint::of(&key).get().to_be_bytes()[8..]);
    raw.extend_from_slice(&number.to_be_bytes());
    raw
}

/// An entry of the tree to write or, without a value, to remove.
pub type Entry = (Vec<u8>, Option<Vec<u8>>);

pub fn counter(key: &CounterKey) -> Vec<u8> {
    let mut raw = counter_group(&key.group);
    raw.extend_from_slice(key.name.as_bytes());
    raw
}

fn counter_group(group: &str) -> Vec<u8> {
    let mut raw = vec![b'c'];
    push_text(&mut raw, group);
    raw
}

/// Longer texts are cut in keys, in bytes. The limit is far above the length of
/// any name of a store, article or chat.
const KEY_TEXT_BYTES_MAX: usize = 1024;

pub(super) fn push_text(raw: &mut Vec<u8>, text: &str) {
    let cut = text.floor_char_boundary(KEY_TEXT_BYTES_MAX);
    let bytes = &text.as_bytes()[..cut];
    raw.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    raw.extend_from_slice(bytes);
}

/// Microseconds with the sign bit flipped, so that bytes sort as times do.
pub(super) fn sortable(at: Timestamp) -> [u8; 8] {
    (at.as_microsecond() ^ i64::MIN).to_be_bytes()
}

/// Reads fields from the front of a key.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        Some(from_micros(i64::from_be_bytes(self.bytes()?) ^ i64::MIN))
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let length = usize::from(u16::from_be_bytes(self.bytes()?));
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

/// The number of the last group that was written; 0 in a new store.
pub fn read_last_group(tree: &sled::Tree) -> Result<u64, String> {
    match tree.get(LAST_GROUP) {
        Ok(None) => Ok(0),
        Ok(Some(value)) => {
            let bytes = value
                .as_ref()
                .try_into()
                .map_err(|_| "its last group is not a number".to_owned())?;
            Ok(u64::from_be_bytes(bytes))
        }
        Err(why) => Err(why.to_string()),
    }
}

pub fn counters(
    tree: &sled::Tree,
    group: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(CounterKey, i64)>, Unavailable> {
    let prefix = counter_group(group);
    let mut from = prefix.clone();
    if let Some(after) = after {
        from.extend_from_slice(after.as_bytes());
        from.push(0);
    }
    let entries = tree.range(from..).take_while(|entry| match entry {
        Ok((raw, _)) => raw.starts_with(&prefix),
        Err(_) => true,
    });
    entries
        .take(limit)
        .map(|entry| {
            let (raw, value) = entry.map_err(unreadable)?;
            let name =
                String::from_utf8(raw[prefix.len()..].to_vec()).map_err(|_| not_a_key(&raw))?;
            let key = CounterKey { group: group.to_owned(), name };
            let value = read_counter(&value).ok_or_else(|| damaged_counter(&key))?;
            Ok((key, value))
        })
        .collect()
}

/// The bytes of a counter: the number, then its CRC-32.
pub fn write_counter(value: i64) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&value.to_be_bytes());
    let checksum = crc32fast::hash(&bytes[..8]);
    bytes[8..].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

pub fn read_counter(bytes: &[u8]) -> Option<i64> {
    let (value, checksum) = bytes.split_at_checked(8)?;
    let intact = crc32fast::hash(value).to_be_bytes() == checksum;
    intact.then(|| value.try_into().ok().map(i64::from_be_bytes)).flatten()
}

/// The stored value of a counter.
pub fn read_counter_of(tree: &sled::Tree, key: &CounterKey) -> Result<i64, Unavailable> {
    match tree.get(counter(key)).map_err(|_| damaged_counter(key))? {
        Some(value) => read_counter(&value).ok_or_else(|| damaged_counter(key)),
        None => Ok(0),
    }
}

pub fn damaged_counter(key: &CounterKey) -> Unavailable {
    let record = format!("counter {}/{}", key.group, key.name);
    Unavailable::Damaged { record, why: "its checksum does not match".into() }
}

pub fn counter_groups(tree: &sled::Tree) -> Result<Vec<String>, Unavailable> {
    let mut groups = Vec::new();
    let mut from = vec![b'c'];
    while let Some((raw, _)) = tree.get_gt(&from).map_err(unreadable)? {
        if raw.first() != Some(&b'c') {
            break;
        }
        let group = Fields(&raw[1..]).text().ok_or_else(|| not_a_key(&raw))?;
        from = counter_group(&group);
        from.extend_from_slice(&[0xff; 4]); // above every name: UTF-8 has no such byte
        groups.push(group);
    }
    groups.sort_unstable();
    Ok(groups)
}

pub(super) fn unreadable(why: sled::Error) -> Unavailable {
    Unavailable::Damaged { record: "sled's tree".into(), why: why.to_string() }
}

pub(super) fn not_a_key(raw: &[u8]) -> Unavailable {
    Unavailable::Damaged {
        record: format!("the key {raw:02x?}"),
        why: "it is not a key of this store".into(),
    }
}
