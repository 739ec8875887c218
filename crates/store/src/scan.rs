//! Lists of stored documents, one page at a time.

use std::fmt;
use std::str::FromStr;

use crate::place::Place;
use tillgate_kernel::DocKey;
use tillgate_kernel::outbox::message_key;
use tillgate_kernel::outbox::{Lane, MessageId};
use tillgate_kernel::time::from_micros;
use tillgate_kernel::{Kind, ListName, Partition, Timestamp};

/// What to list.
#[derive(Debug, Clone)]
pub enum Scan {
    /// Documents in any of some lists, ordered by the time under which they are
    /// listed. A document in several of them appears once.
    Lists {
        lists: Vec<ListName>,
        /// Whether the latest is first, or the earliest.
        newest_first: bool,
        /// Continue after this cursor.
        after: Option<Cursor>,
        /// The maximum number of results.
        limit: usize,
    },
    /// All documents of a kind in a partition, by id.
    Partition { partition: Partition, kind: Kind },
    /// All documents in a partition, by kind and id.
    Whole { partition: Partition },
    /// Messages of a lane that are dead or pending: queue by queue, and within
    /// a queue by the time when they are due or died. A message that is
    /// postponed between two pages moves towards the end, and is not missed.
    Outbox {
        lane: Lane,
        /// Whether to list dead messages, or pending ones.
        dead: bool,
        /// Lists only messages of this queue.
        queue: Option<String>,
        /// Continue after this cursor.
        after: Option<Cursor>,
        /// The maximum number of results.
        limit: usize,
    },
}

/// A document in a list: a line of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    pub list: ListName,
    pub listed_at: Timestamp,
    pub key: DocKey,
}

impl Line {
    pub fn cursor(&self) -> Cursor {
        Cursor::at(self.listed_at, self.key)
    }
}

/// What an engine returns for a scan: the keys of documents, and the cursor of
/// the next page.
pub(super) type Found = (Vec<DocKey>, Option<Cursor>);

/// Makes a page of the lines that were found in each list, at least one more
/// than `limit` of each if there are as many.
pub(super) fn page_of_lines(mut lines: Vec<Line>, newest_first: bool, limit: usize) -> Found {
    lines.sort_unstable_by_key(Line::cursor);
    lines.dedup_by_key(|line| line.cursor());
    if newest_first {
        lines.reverse();
    }
    let more = lines.len() > limit;
    lines.truncate(limit);
    let next = lines.last().filter(|_| more).map(Line::cursor);
    (lines.into_iter().map(|line| line.key).collect(), next)
}

/// A page of a list, and where to continue.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The cursor of the next page; none if this is the last one.
    pub next: Option<Cursor>,
}

/// A position in a list. Its text form is opaque: it is only to be passed back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Empty, except in lists of the outbox.
    pub(super) queue: String,
    pub(super) listed_at: Timestamp,
    pub(super) partition: Partition,
    pub(super) kind: Kind,
    pub(super) id: u128,
}

impl Cursor {
    /// The position of a document in lists.
    #[must_use]
    pub fn at(listed_at: Timestamp, key: DocKey) -> Cursor {
        let DocKey { partition, kind, id } = key;
        Cursor { queue: String::new(), listed_at, partition, kind, id }
    }

    /// The document at this position.
    pub(super) fn key(&self) -> DocKey {
        DocKey { partition: self.partition, kind: self.kind, id: self.id }
    }

    /// The position of a message in the outbox.
    pub(super) fn of_place(place: &Place) -> Cursor {
        Cursor { queue: place.queue.clone(), ..Cursor::at(place.due, message_key(place.id)) }
    }

    /// The outbox queue that the cursor points into; none for other lists.
    #[must_use]
    pub fn queue(&self) -> Option<&str> {
        Some(self.queue.as_str()).filter(|queue| !queue.is_empty())
    }

    /// The message at this position, if its id can be that of a message.
    pub(super) fn message(&self) -> Option<MessageId> {
        Some(MessageId { subject: self.partition, sequence: u32::try_from(self.id).ok()? })
    }
}

/// The position of the outbox index after which a list continues: that of the
/// cursor, or the start of the queue, or the start of the lane.
pub(super) fn place_after(
    lane: Lane,
    dead: bool,
    queue: Option<&str>,
    cursor: Option<&Cursor>,
) -> Place {
    let mut place = Place::start(lane, dead);
    if let Some((cursor, id)) = cursor.and_then(|cursor| Some((cursor, cursor.message()?))) {
        place = Place { queue: cursor.queue.clone(), due: cursor.listed_at, id, ..place };
    }
    if let Some(queue) = queue {
        queue.clone_into(&mut place.queue);
    }
    place
}

/// Makes a page of positions. One more than `limit` shows that it is not the
/// last page.
pub(super) fn page_of_places(mut places: Vec<Place>, limit: usize) -> Found {
    let more = places.len() > limit;
    places.truncate(limit);
    let next = places.last().filter(|_| more).map(Cursor::of_place);
    (places.iter().map(|place| message_key(place.id)).collect(), next)
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:016x}{:016x}{:02x}{:024x}",
            self.listed_at.as_microsecond(),
            self.partition.get(),
            self.kind.byte(),
            self.id
        )?;
        self.queue.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The characters of a cursor without a queue.
const CURSOR_CHARS: usize = 16 + 16 + 2 + 24;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Cursor, NotACursor> {
        if text.len() < CURSOR_CHARS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotACursor);
        }
        let (text, queue) = text.split_at(CURSOR_CHARS);
        let (pairs, odd) = queue.as_bytes().as_chunks::<2>();
        let byte = |pair: &[u8; 2]| {
            std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
        };
        let queue = pairs.iter().map(byte).collect::<Option<Vec<u8>>>();
        let queue =
            queue.filter(|_| odd.is_empty()).and_then(|bytes| String::from_utf8(bytes).ok());
        let micros = u64::from_str_radix(&text[..16], 16).map_err(|_| NotACursor)?;
        let cursor = Cursor {
            queue: queue.ok_or(NotACursor)?,
            listed_at: from_micros(micros.cast_signed()),
            partition: Partition::from_u64(
                u64::from_str_radix(&text[16..32], 16).map_err(|_| NotACursor)?,
            ),
            kind: Kind::from_byte(u8::from_str_radix(&text[32..34], 16).map_err(|_| NotACursor)?),
            id: u128::from_str_radix(&text[34..], 16).map_err(|_| NotACursor)?,
        };
        if cursor.queue.is_empty() || cursor.message().is_some() {
            Ok(cursor)
        } else {
            Err(NotACursor)
        }
    }
}

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: use next_cursor of the previous page, unchanged")]
pub struct NotACursor;
