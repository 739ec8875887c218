//! The keys of sled's tree. Big-endian numbers, so that keys sort as what they stand for.
//!
//! ```text
//! b, e, k, n                                    pages: see [`layout`](super::layout)
//! d, x, m runs                                  where pages lie: see [`index`](super::index)
//! p | partition 8 | kind 1 | id 12 | piece 2    a piece of a long document
//! t | kind 1 | bucket 8 | group, part 8         → the documents of a kind that a group listed in a bucket of time
//! q | lane, dead 1 | queue 4 | bucket 8 | group, part 8   → the places in the outbox that it gave for one
//! c | group 2+n | name n                        a counter
//! m group                                       the last group of batches that was written
//! ```
//! The keys that every hook writes have at most 22 bytes, which sled keeps in its nodes; longer ones it puts
//! on the heap one by one, and copying nodes, which is most of what it does, costs three times as much. So a
//! queue stands in its key as a checksum of its name (two queues that share one wait in one line, no worse). For the same
//! reason what a group lists, and where its messages stand in the outbox, is one entry for each bucket of time and not one
//! for each document: see [`Member`].

use super::version;
use crate::kernel::time::from_micros;
use crate::kernel::{Kind, Lane, MessageId, Number, Timestamp};
use crate::store::Unavailable;
use crate::store::batch::{CounterKey, DocKey};
use crate::store::page::{PIECE_BYTES_MAX, PieceKey};
use crate::store::queue::Place;
use crate::store::scan::Cursor;

/// The key under which the committer notes each group.
pub const LAST_GROUP: &[u8] = b"m group";

/// The key under which the runs of the index are listed.
pub const RUNS: &[u8] = b"m runs";

/// What the pointers that groups moved are under.
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

/// What all chunks of all runs are under.
pub fn run_chunks() -> [u8; 1] {
    [b'x']
}

pub fn run_chunk(run: u64, first: u64) -> Vec<u8> {
    let mut raw = numbered(b'x', run);
    raw.extend_from_slice(&first.to_be_bytes());
    raw
}

/// The run of a chunk, and its first partition.
pub fn read_run_chunk(raw: &[u8]) -> Option<(u64, u64)> {
    let number = |raw: &[u8]| raw.try_into().ok().map(u64::from_be_bytes);
    Some((number(raw.get(1..9)?)?, number(raw.get(9..)?)?))
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

pub fn chunk(partition: u64, chunk: u16) -> Vec<u8> {
    let mut raw = numbered(b'e', partition);
    raw.extend_from_slice(&chunk.to_be_bytes());
    raw
}

pub fn piece((key, piece): PieceKey) -> Vec<u8> {
    let mut raw = vec![b'p'];
    raw.extend_from_slice(&doc(key));
    raw.extend_from_slice(&piece.to_be_bytes());
    raw
}

/// Which document.
fn doc(key: DocKey) -> Vec<u8> {
    debug_assert!(key.id < 1 << 96, "an id has at most 96 bits");
    let mut raw = Vec::with_capacity(21);
    raw.extend_from_slice(&key.partition.to_be_bytes());
    raw.push(key.kind as u8);
    raw.extend_from_slice(&key.id.to_be_bytes()[4..]);
    raw
}

/// An entry of the tree to be written or, without a value, removed.
pub type Entry = (Vec<u8>, Option<Vec<u8>>);

/// Which stretch of time a listing belongs to: about an eighth of a second. Short enough to be read whole when one
/// document in it is looked for.
fn bucket(listed_at: Timestamp) -> u64 {
    ((listed_at.as_microsecond() ^ i64::MIN).cast_unsigned()) >> 17
}

/// A document's place in its kind's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    listed_at: Timestamp,
    key: DocKey,
}

/// Bytes of a line.
const LINE_BYTES: usize = 8 + 8 + 12;

/// Something of which a group of batches writes many at a time: those of one bucket stand in one entry of the tree.
pub trait Member: Sized + PartialEq {
    /// What all entries of its bucket begin with.
    fn prefix(&self) -> Vec<u8>;

    /// Appends its bytes.
    fn write(&self, into: &mut Vec<u8>);

    /// Reads what an entry holds.
    fn read_all(entry: &[u8], value: &[u8]) -> Result<Vec<Self>, Unavailable>;
}

/// The entries in which `group` keeps the members of one bucket: one, unless they are very many.
pub fn write_members<M: Member>(prefix: &[u8], group: u64, members: &[M]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut value = Vec::new();
    let mut close = |value: &mut Vec<u8>| {
        if !value.is_empty() {
            let raw = [prefix, &version(group, entries.len()).to_be_bytes()].concat();
            entries.push((raw, Some(std::mem::take(value))));
        }
    };
    for member in members {
        let mut one = Vec::new();
        member.write(&mut one);
        if value.len() + one.len() > PIECE_BYTES_MAX {
            close(&mut value);
        }
        value.extend_from_slice(&one);
    }
    close(&mut value);
    entries
}

/// Takes a member out of the entry that holds it. `pending` has what this group has written over the tree. Returns the entry and
/// its new value, none when it is empty; nothing when no entry holds the member.
pub fn without_member<M: Member>(
    tree: &sled::Tree,
    pending: &impl Fn(&[u8]) -> Option<Option<Vec<u8>>>,
    member: &M,
) -> Result<Option<Entry>, Unavailable> {
    for entry in tree.scan_prefix(member.prefix()) {
        let (raw, stored) = entry.map_err(unreadable)?;
        let value = match pending(&raw) {
            Some(Some(value)) => value,
            Some(None) => continue,
            None => stored.to_vec(),
        };
        let mut members = M::read_all(&raw, &value)?;
        if let Some(place) = members.iter().position(|known| known == member) {
            members.remove(place);
            let mut value = Vec::new();
            members.iter().for_each(|member| member.write(&mut value));
            return Ok(Some((raw.to_vec(), (!value.is_empty()).then_some(value))));
        }
    }
    Ok(None)
}

impl Line {
    /// The line of a document.
    pub fn of(listed_at: Timestamp, key: DocKey) -> Line {
        Line { listed_at, key }
    }

    fn read(kind: Kind, raw: &[u8]) -> Option<Line> {
        let mut fields = Fields(raw);
        let listed_at = fields.time()?;
        let partition = u64::from_be_bytes(fields.bytes()?);
        let mut id = [0; 16];
        id[4..].copy_from_slice(&fields.bytes::<12>()?);
        Some(Line { listed_at, key: DocKey { partition, kind, id: u128::from_be_bytes(id) } })
    }

    fn cursor(self) -> Cursor {
        Cursor::at(self.listed_at, self.key)
    }
}

impl Member for Line {
    fn prefix(&self) -> Vec<u8> {
        let mut raw = vec![b't', self.key.kind as u8];
        raw.extend_from_slice(&bucket(self.listed_at).to_be_bytes());
        raw
    }

    fn write(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&sortable(self.listed_at));
        into.extend_from_slice(&self.key.partition.to_be_bytes());
        into.extend_from_slice(&self.key.id.to_be_bytes()[4..]);
    }

    fn read_all(entry: &[u8], value: &[u8]) -> Result<Vec<Line>, Unavailable> {
        let kind = entry.get(1).and_then(|byte| Kind::from_byte(*byte)).ok_or_else(|| not_a_key(entry))?;
        let lines = value.chunks(LINE_BYTES).map(|raw| Line::read(kind, raw));
        lines.collect::<Option<Vec<Line>>>().ok_or_else(|| not_a_key(entry))
    }
}

/// Bytes of what all places of one bucket begin with.
const PLACES_PREFIX_BYTES: usize = 2 + 4 + 8;

impl Member for Place {
    fn prefix(&self) -> Vec<u8> {
        let mut raw = Vec::with_capacity(PLACES_PREFIX_BYTES + 8);
        raw.extend_from_slice(&[b'q', side(self.lane, self.dead)]);
        raw.extend_from_slice(&crc32fast::hash(self.queue.as_bytes()).to_be_bytes());
        raw.extend_from_slice(&bucket(self.due).to_be_bytes());
        raw
    }

    fn write(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&sortable(self.due));
        into.extend_from_slice(&self.id.number.get().to_be_bytes());
        into.extend_from_slice(&self.id.sequence.to_be_bytes());
        push_text(into, &self.queue);
    }

    fn read_all(entry: &[u8], value: &[u8]) -> Result<Vec<Place>, Unavailable> {
        let read = || {
            let side = *entry.get(1)?;
            let lane = Lane::ALL.into_iter().find(|known| *known as u8 == side >> 1)?;
            let mut fields = Fields(value);
            let mut places = Vec::new();
            while !fields.0.is_empty() {
                places.push(Place {
                    lane,
                    dead: side & 1 != 0,
                    due: fields.time()?,
                    id: MessageId {
                        number: Number::from_u64(u64::from_be_bytes(fields.bytes()?))?,
                        sequence: u32::from_be_bytes(fields.bytes()?),
                    },
                    queue: fields.text()?,
                });
            }
            Some(places)
        };
        read().ok_or_else(|| not_a_key(entry))
    }
}

fn side(lane: Lane, dead: bool) -> u8 {
    (lane as u8) << 1 | u8::from(dead)
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

/// A walk through the outbox's index: by queue, in a queue by time.
pub struct Walk<'a> {
    tree: &'a sled::Tree,
    /// The bucket that was read last, and what is in it.
    bucket: Vec<u8>,
    places: Vec<Place>,
}

impl<'a> Walk<'a> {
    pub fn new(tree: &'a sled::Tree) -> Walk<'a> {
        Walk { tree, bucket: Vec::new(), places: Vec::new() }
    }

    /// The first place after `after`.
    pub fn next(&mut self, after: &Place) -> Result<Option<Place>, Unavailable> {
        self.open(after.prefix())?;
        let next = self.places.partition_point(|place| in_queue(place) <= in_queue(after));
        if let Some(place) = self.places.get(next) {
            return Ok(Some(place.clone()));
        }
        let end = [&self.bucket[..], &[0xff; 9]].concat();
        match self.tree.get_gt(end).map_err(unreadable)? {
            Some((raw, _)) if raw.first() == Some(&b'q') => {
                let bucket = raw.get(..PLACES_PREFIX_BYTES).ok_or_else(|| not_a_key(&raw))?;
                self.open(bucket.to_vec())?;
                Ok(self.places.first().cloned())
            }
            Some(_) | None => Ok(None),
        }
    }

    fn open(&mut self, bucket: Vec<u8>) -> Result<(), Unavailable> {
        if self.bucket != bucket {
            self.places.clear();
            for entry in self.tree.scan_prefix(&bucket) {
                let (raw, value) = entry.map_err(unreadable)?;
                self.places.extend(Place::read_all(&raw, &value)?);
            }
            self.places.sort_unstable_by_key(in_queue);
            self.bucket = bucket;
        }
        Ok(())
    }
}

/// By what places of a queue are put in order.
fn in_queue(place: &Place) -> (Timestamp, MessageId) {
    (place.due, place.id)
}

/// The documents of a kind in order of time. Within a bucket the entries of several groups are put in order here.
pub fn listed(
    tree: &sled::Tree,
    kind: Kind,
    newest_first: bool,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Vec<(Timestamp, DocKey)>, Unavailable> {
    let first = vec![b't', kind as u8];
    let last = vec![b't', kind as u8 + 1];
    let bucket_of = |cursor: Cursor| {
        let key = DocKey { partition: cursor.partition, kind, id: cursor.id };
        Line::of(cursor.listed_at, key).prefix()
    };
    let mut gathered = Gathered { newest_first, after, limit, lines: Vec::new(), found: Vec::new() };
    if newest_first {
        // Up to the end of the cursor's bucket: its prefix with the largest group.
        let to = after.map_or(last, |after| [bucket_of(after), vec![0xff; 9]].concat());
        gathered.take_all(tree.range(first..to).rev())?;
    } else {
        gathered.take_all(tree.range(after.map_or(first, bucket_of)..last))?;
    }
    Ok(gathered.found)
}

/// What [`listed`] has found so far.
struct Gathered {
    newest_first: bool,
    after: Option<Cursor>,
    limit: usize,
    /// Of the bucket that is being read.
    lines: Vec<Line>,
    found: Vec<(Timestamp, DocKey)>,
}

impl Gathered {
    fn take_all(
        &mut self,
        entries: impl Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>>,
    ) -> Result<(), Unavailable> {
        let mut bucket = Vec::new();
        for entry in entries {
            let (raw, value) = entry.map_err(unreadable)?;
            let of_entry = raw.get(..10).ok_or_else(|| not_a_key(&raw))?;
            if bucket != of_entry {
                self.close_bucket();
                if self.found.len() >= self.limit {
                    return Ok(());
                }
                bucket = of_entry.to_vec();
            }
            self.lines.extend(Line::read_all(&raw, &value)?);
        }
        self.close_bucket();
        Ok(())
    }

    fn close_bucket(&mut self) {
        let (newest_first, after) = (self.newest_first, self.after);
        let mut lines = std::mem::take(&mut self.lines);
        lines.retain(|line| {
            after.is_none_or(|after| if newest_first { line.cursor() < after } else { line.cursor() > after })
        });
        lines.sort_unstable_by_key(|line| line.cursor());
        if newest_first {
            lines.reverse();
        }
        let room = self.limit.saturating_sub(self.found.len());
        self.found.extend(lines.into_iter().take(room).map(|line| (line.listed_at, line.key)));
    }
}

pub fn outbox(
    tree: &sled::Tree,
    lane: Lane,
    dead: bool,
    skip: usize,
    limit: usize,
) -> Result<Vec<DocKey>, Unavailable> {
    let mut walk = Walk::new(tree);
    let mut position = Place::start(lane, dead);
    let mut found = Vec::new();
    for count in 0.. {
        let Some(place) = walk.next(&position)?.filter(|place| (place.lane, place.dead) == (lane, dead))
        else {
            break;
        };
        if count >= skip {
            if found.len() >= limit {
                break;
            }
            found.push(DocKey::message(place.id));
        }
        position = place;
    }
    Ok(found)
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
