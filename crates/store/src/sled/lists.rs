//! Lists that are walked in order of time: those that documents are in, and the
//! outbox.
//!
//! The number of entries in the tree is what costs, so what a group of batches
//! adds to a list takes one entry for each *bucket*, a stretch of time (and, in
//! the outbox, a queue). A walk reads a bucket whole and sorts it.

use super::keys::{Entry, Fields, not_a_key, push_text, sortable, unreadable};
use super::versions::version;
use crate::Unavailable;
use crate::page::PIECE_BYTES_MAX;
use crate::place::Place;
use crate::scan::{Cursor, Line, place_after};
use tillgate_kernel::outbox::{Lane, MessageId};
use tillgate_kernel::{DocKey, Kind, ListName, Partition, Timestamp};

/// The bucket of a time: about an eighth of a second long. This is short enough
/// to read a bucket whole when one document in it is looked for.
fn bucket(listed_at: Timestamp) -> [u8; BUCKET_BYTES] {
    let bucket = ((listed_at.as_microsecond() ^ i64::MIN).cast_unsigned()) >> 17;
    let [_, _, a, b, c, d, e, f] = bucket.to_be_bytes();
    [a, b, c, d, e, f]
}

const BUCKET_BYTES: usize = 6;

/// Bytes of a line: the time 8, the partition 8, the kind 1, the id 12.
const LINE_BYTES: usize = 8 + 8 + 1 + 12;

/// An item of which a group of batches writes many at a time: those of one
/// bucket share one entry of the tree.
pub trait Member: Sized + PartialEq {
    /// The prefix of all entries of its bucket.
    fn prefix(&self) -> Vec<u8>;

    /// Appends its bytes.
    fn write(&self, into: &mut Vec<u8>);

    /// Reads the members in an entry.
    fn read_all(entry: &[u8], value: &[u8]) -> Result<Vec<Self>, Unavailable>;
}

/// The entries in which `group` keeps the members of one bucket: one entry,
/// unless there are very many members.
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

/// Removes a member from the entry that holds it. `pending` returns what this
/// group has written over the tree. Returns the entry and its new value,
/// without a value if it is now empty; `None` if no entry holds the member.
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

/// Bytes of the prefix of a list's lines in a bucket: `t` 1, list 7, bucket 6.
const LINES_PREFIX_BYTES: usize = 1 + ListName::BYTES + BUCKET_BYTES;

impl Member for Line {
    fn prefix(&self) -> Vec<u8> {
        let mut raw = Vec::with_capacity(LINES_PREFIX_BYTES + 8);
        raw.push(b't');
        raw.extend_from_slice(&self.list.to_bytes());
        raw.extend_from_slice(&bucket(self.listed_at));
        raw
    }

    fn write(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&sortable(self.listed_at));
        into.extend_from_slice(&self.key.partition.to_bytes());
        into.push(self.key.kind.byte());
        into.extend_from_slice(&self.key.id.to_be_bytes()[4..]);
    }

    fn read_all(entry: &[u8], value: &[u8]) -> Result<Vec<Line>, Unavailable> {
        let list = entry.get(1..=ListName::BYTES).and_then(|list| list.try_into().ok());
        let list = list.map(ListName::from_bytes).ok_or_else(|| not_a_key(entry))?;
        let read = |raw: &[u8]| {
            let mut fields = Fields(raw);
            let listed_at = fields.time()?;
            let partition = Partition::from_bytes(fields.bytes()?);
            let [kind] = fields.bytes()?;
            let mut id = [0; 16];
            id[4..].copy_from_slice(&fields.bytes::<12>()?);
            let (kind, id) = (Kind::from_byte(kind), u128::from_be_bytes(id));
            Some(Line { list, listed_at, key: DocKey { partition, kind, id } })
        };
        let lines = value.chunks(LINE_BYTES).map(read);
        lines.collect::<Option<Vec<Line>>>().ok_or_else(|| not_a_key(entry))
    }
}

/// Bytes of the prefix of a bucket's places: `q` 1, lane and dead 1, queue 4,
/// bucket 6.
const PLACES_PREFIX_BYTES: usize = 2 + 4 + BUCKET_BYTES;

impl Place {
    /// The prefix of all entries of its queue.
    fn line(&self) -> [u8; 6] {
        let [a, b, c, d] = crc32fast::hash(self.queue.as_bytes()).to_be_bytes();
        [b'q', side(self.lane, self.dead), a, b, c, d]
    }
}

impl Member for Place {
    fn prefix(&self) -> Vec<u8> {
        let mut raw = Vec::with_capacity(PLACES_PREFIX_BYTES + 8);
        raw.extend_from_slice(&self.line());
        raw.extend_from_slice(&bucket(self.due));
        raw
    }

    fn write(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&sortable(self.due));
        into.extend_from_slice(&self.id.subject.to_bytes());
        into.extend_from_slice(&self.id.sequence.to_be_bytes());
        push_text(into, &self.queue);
    }

    fn read_all(entry: &[u8], value: &[u8]) -> Result<Vec<Place>, Unavailable> {
        let read = || {
            let side = *entry.get(1)?;
            let lane = Lane::from_byte(side >> 1);
            let mut fields = Fields(value);
            let mut places = Vec::new();
            while !fields.0.is_empty() {
                places.push(Place {
                    lane,
                    dead: side & 1 != 0,
                    due: fields.time()?,
                    id: MessageId {
                        subject: Partition::from_bytes(fields.bytes()?),
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
    lane.byte() << 1 | u8::from(dead)
}

/// The lines of a list in order of time. Entries of several groups in one
/// bucket are sorted here.
pub fn listed(
    tree: &sled::Tree,
    list: ListName,
    newest_first: bool,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Vec<Line>, Unavailable> {
    let first = [b"t", &list.to_bytes()[..]].concat();
    let last = [&first[..], &[0xff; BUCKET_BYTES + 9]].concat();
    let bucket_of = |cursor: &Cursor| [&first[..], &bucket(cursor.listed_at)].concat();
    let mut gathered =
        Gathered { newest_first, after, limit, lines: Vec::new(), found: Vec::new() };
    if newest_first {
        // Up to the end of the cursor's bucket: its prefix with the largest
        // group.
        let to = after.map_or(last, |after| [bucket_of(after), vec![0xff; 9]].concat());
        gathered.take_all(tree.range(first..to).rev())?;
    } else {
        let from = after.map_or(first.clone(), bucket_of);
        gathered.take_all(tree.range(from..last))?;
    }
    Ok(gathered.found)
}

/// What [`listed`] has found so far.
struct Gathered<'a> {
    newest_first: bool,
    after: Option<&'a Cursor>,
    limit: usize,
    /// The lines of the bucket that is being read.
    lines: Vec<Line>,
    found: Vec<Line>,
}

impl Gathered<'_> {
    fn take_all(
        &mut self,
        entries: impl Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>>,
    ) -> Result<(), Unavailable> {
        let mut bucket = Vec::new();
        for entry in entries {
            let (raw, value) = entry.map_err(unreadable)?;
            let of_entry = raw.get(..LINES_PREFIX_BYTES).ok_or_else(|| not_a_key(&raw))?;
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
            after.is_none_or(|after| {
                if newest_first { line.cursor() < *after } else { line.cursor() > *after }
            })
        });
        lines.sort_unstable_by_key(Line::cursor);
        if newest_first {
            lines.reverse();
        }
        let room = self.limit.saturating_sub(self.found.len());
        self.found.extend(lines.into_iter().take(room));
    }
}

/// A walk through the outbox's index: by queue, and by time within a queue.
pub struct Walk<'a> {
    tree: &'a sled::Tree,
    /// The bucket that was read last, with its places.
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

/// The sort key of places in a queue.
fn in_queue(place: &Place) -> (Timestamp, MessageId) {
    (place.due, place.id)
}

/// The waiting or dead messages of a lane after a place, of one queue or of
/// all.
pub fn outbox(
    tree: &sled::Tree,
    lane: Lane,
    dead: bool,
    queue: Option<&str>,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Vec<Place>, Unavailable> {
    let mut walk = Walk::new(tree);
    let mut position = place_after(lane, dead, queue, after);
    let line = position.line();
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(place) =
            walk.next(&position)?.filter(|place| (place.lane, place.dead) == (lane, dead))
        else {
            break;
        };
        if queue.is_some() && place.line() != line {
            break;
        }
        position = place;
        // Two queues may share a line.
        if queue.is_none_or(|queue| position.queue == queue) {
            found.push(position.clone());
        }
    }
    Ok(found)
}
