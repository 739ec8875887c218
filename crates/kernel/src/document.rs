//! The documents in the store. They are of a few kinds, and each is written in
//! a format with a version number (its schema).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::list::ListName;
use super::partition::Partition;

/// A kind of document. The number is part of the stored format, so its meaning
/// never changes. The module that owns the document declares its kind; a kind
/// that is read from disk has only the number.
#[derive(Clone, Copy)]
pub struct Kind {
    byte: u8,
    /// The plural name for messages to people. `None` for a kind read from
    /// disk.
    plural: Option<&'static str>,
}

impl Kind {
    /// The kind with this number, which is not 0.
    #[must_use]
    pub const fn new(number: u8, plural: &'static str) -> Kind {
        assert!(number > 0, "the number of a kind is 1 to 255");
        Kind { byte: number, plural: Some(plural) }
    }

    /// The byte that represents this kind on disk.
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
            None => write!(f, "kind {}", self.byte),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The key of a document.
///
/// All keys of one batch are in the same partition, so that a store distributed
/// over several machines can commit the batch on one of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocKey {
    /// The order, client or name that the document belongs to.
    pub partition: Partition,
    /// The document's kind.
    pub kind: Kind,
    /// Identifies the document among those of its kind in the partition. At
    /// most 96 bits.
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

/// A value that the store keeps as one document.
///
/// Every schema that was ever released has a number (`SCHEMA` is the current
/// one), a branch in `decode` that converts it to the current one, and an
/// example under `fixtures/stored/`. Schemas from before the first release are
/// refused with an error that names them.
pub trait Document: Sized {
    /// The kind of these documents.
    const KIND: Kind;
    /// The number of the schema that `encode` writes.
    const SCHEMA: u16;
    /// The number of the oldest schema that `decode` reads.
    const OLDEST: u16 = 1;

    /// Encodes the value in the current schema.
    fn encode(&self) -> Vec<u8>;

    /// The lists that the document is in. When its content changes, this may
    /// change; the store compares it with what it was.
    fn lists(&self) -> Vec<ListName> {
        Vec::new()
    }

    /// Decodes any schema from `OLDEST` to `SCHEMA`.
    fn decode(schema: u16, bytes: &[u8]) -> Result<Self, Unreadable>;
}

/// A document whose content has its key.
pub trait Keyed: Document {
    /// The key of the document.
    fn key(&self) -> DocKey;
}

/// Stored bytes that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A newer version of tillgate wrote it.
    #[error(
        "{kind}: form {schema} was written by a newer tillgate; run that version or a later one"
    )]
    Newer { kind: Kind, schema: u16 },
    /// A tillgate from before the first release wrote it.
    #[error(
        "{kind}: form {schema} was written by a tillgate from before the first release; \
         start with an empty store"
    )]
    Older { kind: Kind, schema: u16 },
    /// A tillgate from before the first release wrote the page with the
    /// document.
    #[error(
        "a tillgate from before the first release wrote this record; start with an empty store"
    )]
    OlderPage,
    /// The bytes do not match the schema that their number names.
    #[error("{kind}: a stored document does not have the form {schema} that it names: {why}")]
    Malformed {
        kind: Kind,
        schema: u16,
        /// The message of the reader.
        why: String,
    },
}

/// Decodes a document whose supported schemas are all MessagePack with the
/// names of the fields.
pub fn decode<'de, T: Document + serde::Deserialize<'de>>(
    schema: u16,
    bytes: &'de [u8],
) -> Result<T, Unreadable> {
    if schema > T::SCHEMA {
        return Err(Unreadable::Newer { kind: T::KIND, schema });
    }
    if schema < T::OLDEST {
        return Err(Unreadable::Older { kind: T::KIND, schema });
    }
    rmp_serde::from_slice(bytes).map_err(|why| Unreadable::Malformed {
        kind: T::KIND,
        schema,
        why: why.to_string(),
    })
}

/// Most documents are shorter than this many bytes: their buffer does not grow.
const DOCUMENT_BYTES_USUAL: usize = 2048;

/// Encodes a document as MessagePack with the names of its fields: fields may
/// be added and left out, as in JSON, in less space and time.
///
/// # Panics
/// Never for the types of this crate: none has a serializer that fails.
pub fn encode<T: Document + serde::Serialize>(document: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(DOCUMENT_BYTES_USUAL);
    rmp_serde::encode::write_named(&mut bytes, document)
        .expect("our documents have no part that cannot be encoded");
    bytes
}
