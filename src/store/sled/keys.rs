//! The keys of sled's tree. Big-endian numbers, so that keys sort as what they stand for.
//!
//! ```text
//! d | partition 8 | kind 1 | id 16                         a document; everything of an order lies together
//! p | partition 8 | kind 1 | id 16 | piece 2               a piece of a long one
//! t | kind 1 | listed_at 8 | partition 8 | id 16           documents by the time under which they are listed
//! q | lane 1 | dead 1 | queue 2+n | due 8 | number 8 | sequence 4     the outbox
//! c | group 2+n | name n                                   a counter
//! m group                                                  the last group of batches that was written
//! ```
//! Texts bear their length where something follows them. Lists of queues and of counters' groups are thus
//! ordered by length first; nothing depends on more than that equal ones lie together.

use crate::kernel::time::from_micros;
use crate::kernel::{Kind, Lane, MessageId, Number, Timestamp};
use crate::store::Unavailable;
use crate::store::batch::{CounterKey, DocKey};
use crate::store::queue::Place;
use crate::store::scan::Cursor;

/// The key under which the committer notes each group.
pub const LAST_GROUP: &[u8] = b"m group";

pub fn doc(key: DocKey) -> Vec<u8> {
    doc_like(b'd', key)
}

pub fn piece(key: DocKey, piece: u16) -> Vec<u8> {
    let mut raw = doc_like(b'p', key);
    raw.extend_from_slice(&piece.to_be_bytes());
    raw
}

fn doc_like(tag: u8, key: DocKey) -> Vec<u8> {
    let mut raw = Vec::with_capacity(28);
    raw.push(tag);
    raw.extend_from_slice(&key.partition.to_be_bytes());
    raw.push(key.kind as u8);
    raw.extend_from_slice(&key.id.to_be_bytes());
    raw
}

pub fn listing(kind: Kind, listed_at: Timestamp, key: DocKey) -> Vec<u8> {
    let mut raw = Vec::with_capacity(34);
    raw.extend_from_slice(&[b't', kind as u8]);
    raw.extend_from_slice(&sortable(listed_at));
    raw.extend_from_slice(&key.partition.to_be_bytes());
    raw.extend_from_slice(&key.id.to_be_bytes());
    raw
}

pub fn place(place: &Place) -> Vec<u8> {
    let mut raw = vec![b'q', place.lane as u8, u8::from(place.dead)];
    push_text(&mut raw, &place.queue);
    raw.extend_from_slice(&sortable(place.due));
    raw.extend_from_slice(&place.id.number.get().to_be_bytes());
    raw.extend_from_slice(&place.id.sequence.to_be_bytes());
    raw
}

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

/// Texts longer than this are cut in keys, in bytes: far above any name of a shop, article or chat.
const KEY_TEXT_BYTES_MAX: usize = 1024;

fn push_text(raw: &mut Vec<u8>, text: &str) {
    let cut = text.floor_char_boundary(KEY_TEXT_BYTES_MAX);
    let bytes = &text.as_bytes()[..cut];
    raw.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    raw.extend_from_slice(bytes);
}

/// Microseconds with the sign turned over, so that bytes sort as times do.
fn sortable(at: Timestamp) -> [u8; 8] {
    (at.as_microsecond() ^ i64::MIN).to_be_bytes()
}

/// Reads fields off the front of a key.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes::<1>().map(|[byte]| byte)
    }

    fn time(&mut self) -> Option<Timestamp> {
        Some(from_micros(i64::from_be_bytes(self.bytes()?) ^ i64::MIN))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::from(u16::from_be_bytes(self.bytes()?));
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

fn read_place(raw: &[u8]) -> Option<Place> {
    let mut fields = Fields(raw);
    let _tag = fields.byte()?;
    let lane = fields.byte()?;
    Some(Place {
        lane: Lane::ALL.into_iter().find(|known| *known as u8 == lane)?,
        dead: fields.byte()? != 0,
        queue: fields.text()?,
        due: fields.time()?,
        id: MessageId {
            number: Number::from_u64(u64::from_be_bytes(fields.bytes()?))?,
            sequence: u32::from_be_bytes(fields.bytes()?),
        },
    })
}

fn read_doc(raw: &[u8]) -> Option<DocKey> {
    let mut fields = Fields(raw);
    let _tag = fields.byte()?;
    Some(DocKey {
        partition: u64::from_be_bytes(fields.bytes()?),
        kind: Kind::from_byte(fields.byte()?)?,
        id: u128::from_be_bytes(fields.bytes()?),
    })
}

fn read_listing(raw: &[u8]) -> Option<(Timestamp, DocKey)> {
    let mut fields = Fields(raw);
    let _tag = fields.byte()?;
    let kind = Kind::from_byte(fields.byte()?)?;
    let listed_at = fields.time()?;
    let partition = u64::from_be_bytes(fields.bytes()?);
    let id = u128::from_be_bytes(fields.bytes()?);
    Some((listed_at, DocKey { partition, kind, id }))
}

/// The number of the last group that was written; nought in a new store.
pub fn read_last_group(tree: &sled::Tree) -> Result<u64, String> {
    match tree.get(LAST_GROUP) {
        Ok(None) => Ok(0),
        Ok(Some(value)) => {
            let bytes = value.as_ref().try_into().map_err(|_| "its last group is not a number".to_owned())?;
            Ok(u64::from_be_bytes(bytes))
        }
        Err(why) => Err(why.to_string()),
    }
}

/// The first place of the outbox's index after `after`.
pub fn next_place(tree: &sled::Tree, after: &Place) -> Result<Option<Place>, Unavailable> {
    match tree.get_gt(place(after)).map_err(unreadable)? {
        Some((raw, _)) if raw.first() == Some(&b'q') => {
            read_place(&raw).map(Some).ok_or_else(|| not_a_key(&raw))
        }
        Some(_) | None => Ok(None),
    }
}

pub fn listed(
    tree: &sled::Tree,
    kind: Kind,
    newest_first: bool,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Vec<(Timestamp, DocKey)>, Unavailable> {
    let first = vec![b't', kind as u8];
    let last = vec![b't', kind as u8 + 1];
    let place = |cursor: Cursor| {
        let key = DocKey { partition: cursor.partition, kind, id: cursor.id };
        listing(kind, cursor.listed_at, key)
    };
    let read = |entry: sled::Result<(sled::IVec, sled::IVec)>| {
        let (raw, _) = entry.map_err(unreadable)?;
        read_listing(&raw).ok_or_else(|| not_a_key(&raw))
    };
    if newest_first {
        tree.range(first..after.map_or(last, place)).rev().take(limit).map(read).collect()
    } else {
        let from = after.map_or(first, |cursor| {
            let mut raw = place(cursor);
            raw.push(0); // the next key there can be
            raw
        });
        tree.range(from..last).take(limit).map(read).collect()
    }
}

pub fn of_partition(tree: &sled::Tree, partition: u64, kind: Kind) -> Result<Vec<DocKey>, Unavailable> {
    let first = doc(DocKey { partition, kind, id: 0 });
    let last = doc(DocKey { partition, kind, id: u128::MAX });
    tree.range(first..=last).keys().map(|raw| raw_doc(&raw.map_err(unreadable)?)).collect()
}

fn raw_doc(raw: &[u8]) -> Result<DocKey, Unavailable> {
    read_doc(raw).ok_or_else(|| not_a_key(raw))
}

pub fn outbox(
    tree: &sled::Tree,
    lane: Lane,
    dead: bool,
    skip: usize,
    limit: usize,
) -> Result<Vec<DocKey>, Unavailable> {
    let prefix = [b'q', lane as u8, u8::from(dead)];
    let places = tree.scan_prefix(prefix).keys().skip(skip).take(limit);
    places
        .map(|raw| {
            let raw = raw.map_err(unreadable)?;
            read_place(&raw).map(|place| DocKey::message(place.id)).ok_or_else(|| not_a_key(&raw))
        })
        .collect()
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
            let name = String::from_utf8(raw[prefix.len()..].to_vec()).map_err(|_| not_a_key(&raw))?;
            let key = CounterKey { group: group.to_owned(), name };
            let value = read_counter(&value).ok_or_else(|| damaged_counter(&key))?;
            Ok((key, value))
        })
        .collect()
}

/// A counter's bytes: the number, then its CRC-32.
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

pub fn damaged_counter(key: &CounterKey) -> Unavailable {
    let record = format!("counter {}/{}", key.group, key.name);
    Unavailable::Damaged { record, why: "its checksum does not fit".into() }
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
        from.extend_from_slice(&[0xff; 4]); // above every name: no text has such a byte
        groups.push(group);
    }
    groups.sort_unstable();
    Ok(groups)
}

fn unreadable(why: sled::Error) -> Unavailable {
    Unavailable::Damaged { record: "sled's tree".into(), why: why.to_string() }
}

fn not_a_key(raw: &[u8]) -> Unavailable {
    Unavailable::Damaged { record: format!("the key {raw:02x?}"), why: "it is not one of ours".into() }
}
