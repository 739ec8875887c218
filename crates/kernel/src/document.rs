//! What the store keeps: documents of a few kinds, each written in a numbered form.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::partition::Partition;

/// A kind of document. Its number, once given, keeps its meaning for ever: it is on disk. Whoever owns the document declares its
/// kind; what is read back knows the number alone.
#[derive(Clone, Copy)]
pub struct Kind {
    byte: u8,
    /// Several of them, as people are told; none of what was read back.
    plural: Option<&'static str>,
}

/// Set in the byte of kinds whose documents can be walked by time.
const LISTED: u8 = 0x80;

impl Kind {
    /// A kind whose documents can be walked by time.
    #[must_use]
    pub const fn listed(number: u8, plural: &'static str) -> Kind {
        assert!(number > 0 && number < LISTED - 1, "the highest bit says that it is listed");
        Kind { byte: number | LISTED, plural: Some(plural) }
    }

    /// A kind whose documents are found through others, or by what they are about.
    #[must_use]
    pub const fn unlisted(number: u8, plural: &'static str) -> Kind {
        assert!(number > 0 && number < LISTED, "the highest bit says that it is listed");
        Kind { byte: number, plural: Some(plural) }
    }

    /// Whether documents of this kind can be walked by time.
    #[must_use]
    pub const fn is_listed(self) -> bool {
        self.byte & LISTED != 0
    }

    /// The byte that stands for it on disk.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.byte
    }

    /// The kind with this byte on disk.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Kind {
        Kind { byte, plural: None }
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Kind) -> bool {
        self.byte == other.byte
    }
}

impl Eq for Kind {}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Kind) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Kind) -> Ordering {
        self.byte.cmp(&other.byte)
    }
}

impl Hash for Kind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.byte.hash(state);
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.plural {
            Some(plural) => f.write_str(plural),
            None => write!(f, "kind {}", self.byte & !LISTED),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a document lies.
///
/// All keys of one batch are of one partition, so that a store that is spread over machines commits it on one of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocKey {
    /// What it is about.
    pub partition: Partition,
    /// What it is.
    pub kind: Kind,
    /// Which of its kind in the partition: a number of at most 96 bits.
    pub id: u128,
}

impl fmt::Display for DocKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{:x}", self.kind, self.partition, self.id)
    }
}

impl fmt::Debug for DocKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Something that the store keeps whole.
///
/// Every form that was ever released has a number (`SCHEMA` is today's), a branch in `decode` that lifts it
/// to today's, and an example under `fixtures/stored/`. Forms from before the first release are refused by name.
pub trait Document: Sized {
    /// Its kind.
    const KIND: Kind;
    /// The number of the form that `encode` writes.
    const SCHEMA: u16;
    /// The number of the oldest form that `decode` reads.
    const OLDEST: u16 = 1;

    /// Writes today's form.
    fn encode(&self) -> Vec<u8>;

    /// Reads any form up to today's.
    fn decode(schema: u16, bytes: &[u8]) -> Result<Self, Unreadable>;
}

/// Stored bytes that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A newer version of tillgate wrote it.
    #[error("{kind}: form {schema} was written by a newer tillgate; run that version or a later one")]
    Newer {
        /// Which kind.
        kind: Kind,
        /// Which form.
        schema: u16,
    },
    /// A tillgate from before the first release wrote it.
    #[error(
        "{kind}: form {schema} was written by a tillgate from before the first release; start with an empty store"
    )]
    Older {
        /// Which kind.
        kind: Kind,
        /// Which form.
        schema: u16,
    },
    /// The bytes do not have the form that their number says.
    #[error("{kind}: one does not have the form {schema} that it says: {why}")]
    Malformed {
        /// Which kind.
        kind: Kind,
        /// Which form.
        schema: u16,
        /// What the reader said.
        why: String,
    },
}

/// Reads a document whose every form so far is plain JSON.
pub fn decode_json<'de, T: Document + serde::Deserialize<'de>>(
    schema: u16,
    bytes: &'de [u8],
) -> Result<T, Unreadable> {
    if schema > T::SCHEMA {
        return Err(Unreadable::Newer { kind: T::KIND, schema });
    }
    if schema < T::OLDEST {
        return Err(Unreadable::Older { kind: T::KIND, schema });
    }
    serde_json::from_slice(bytes).map_err(|why| Unreadable::Malformed {
        kind: T::KIND,
        schema,
        why: why.to_string(),
    })
}

/// Writes a document as JSON.
///
/// # Panics
/// Never for the types of this crate: none has a map with keys other than strings or a serializer that fails.
pub fn encode_json<T: Document + serde::Serialize>(document: &T) -> Vec<u8> {
    serde_json::to_vec(document).expect("our documents have no part that JSON cannot hold")
}
