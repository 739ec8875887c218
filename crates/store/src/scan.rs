//! Walking what is stored, a page at a time.

use std::fmt;
use std::str::FromStr;

use crate::place::Place;
use tillgate_kernel::DocKey;
use tillgate_kernel::outbox::message_key;
use tillgate_kernel::outbox::{Lane, MessageId};
use tillgate_kernel::time::from_micros;
use tillgate_kernel::{Kind, Partition, Timestamp};

/// What to walk.
#[derive(Debug, Clone)]
pub enum Scan {
    /// Documents of a kind, by the time under which they are listed.
    Listed {
        /// The kind.
        kind: Kind,
        /// The latest first, or the earliest.
        newest_first: bool,
        /// Go on after this place.
        after: Option<Cursor>,
        /// At most so many.
        limit: usize,
    },
    /// All documents of a kind in a partition, by id.
    Partition {
        /// The partition.
        partition: Partition,
        /// The kind.
        kind: Kind,
    },
    /// All documents in a partition, by kind and id.
    Whole {
        /// The partition.
        partition: Partition,
    },
    /// Messages of a lane that are dead, or that wait: queue by queue, in a queue by the time when they are due or died. One
    /// that is put off while the pages are turned moves on to a later one, and is not passed over.
    Outbox {
        /// The lane.
        lane: Lane,
        /// Dead ones, or waiting ones.
        dead: bool,
        /// Only those of this queue.
        queue: Option<String>,
        /// Go on after this place.
        after: Option<Cursor>,
        /// At most so many.
        limit: usize,
    },
}

/// What an engine finds for a scan: documents by their keys, and where the next page begins.
pub(super) type Found = (Vec<DocKey>, Option<Cursor>);

/// A page of what was walked, and where to go on.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins; none when this is the last.
    pub next: Option<Cursor>,
}

/// A place in a list. Its text is for handing back, not for reading.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Nothing but in the outbox.
    pub(super) queue: String,
    pub(super) listed_at: Timestamp,
    pub(super) partition: Partition,
    pub(super) id: u128,
}

impl Cursor {
    /// The place of a document in its kind's list.
    #[must_use]
    pub fn at(listed_at: Timestamp, key: DocKey) -> Cursor {
        Cursor { queue: String::new(), listed_at, partition: key.partition, id: key.id }
    }

    /// The place of a message in the outbox.
    pub(super) fn of_place(place: &Place) -> Cursor {
        Cursor { queue: place.queue.clone(), ..Cursor::at(place.due, message_key(place.id)) }
    }

    /// The queue of the outbox that it is in; none when it is in another list.
    #[must_use]
    pub fn queue(&self) -> Option<&str> {
        Some(self.queue.as_str()).filter(|queue| !queue.is_empty())
    }

    /// The message that is there, if one can be.
    pub(super) fn message(&self) -> Option<MessageId> {
        Some(MessageId { subject: self.partition, sequence: u32::try_from(self.id).ok()? })
    }
}

/// The place of the outbox's index after which a list goes on: that of a cursor, or the start of a queue, or that of the
/// lane.
pub(super) fn place_after(lane: Lane, dead: bool, queue: Option<&str>, cursor: Option<&Cursor>) -> Place {
    let mut place = Place::start(lane, dead);
    if let Some((cursor, id)) = cursor.and_then(|cursor| Some((cursor, cursor.message()?))) {
        place = Place { queue: cursor.queue.clone(), due: cursor.listed_at, id, ..place };
    }
    if let Some(queue) = queue {
        queue.clone_into(&mut place.queue);
    }
    place
}

/// The page that these places make, one of which is there only to show that it is not the last.
pub(super) fn page_of_places(mut places: Vec<Place>, limit: usize) -> Found {
    let more = places.len() > limit;
    places.truncate(limit);
    let next = places.last().filter(|_| more).map(Cursor::of_place);
    (places.iter().map(|place| message_key(place.id)).collect(), next)
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}{:032x}", self.listed_at.as_microsecond(), self.partition.get(), self.id)?;
        self.queue.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Cursor, NotACursor> {
        if text.len() < 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotACursor);
        }
        let (text, queue) = text.split_at(64);
        let (pairs, odd) = queue.as_bytes().as_chunks::<2>();
        let byte = |pair: &[u8; 2]| {
            std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
        };
        let queue = pairs.iter().map(byte).collect::<Option<Vec<u8>>>();
        let queue = queue.filter(|_| odd.is_empty()).and_then(|bytes| String::from_utf8(bytes).ok());
        let micros = u64::from_str_radix(&text[..16], 16).map_err(|_| NotACursor)?;
        let cursor = Cursor {
            queue: queue.ok_or(NotACursor)?,
            listed_at: from_micros(micros.cast_signed()),
            partition: Partition::from_u64(u64::from_str_radix(&text[16..32], 16).map_err(|_| NotACursor)?),
            id: u128::from_str_radix(&text[32..], 16).map_err(|_| NotACursor)?,
        };
        if cursor.queue.is_empty() || cursor.message().is_some() { Ok(cursor) } else { Err(NotACursor) }
    }
}

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: use next_cursor of the page before, unchanged")]
pub struct NotACursor;
