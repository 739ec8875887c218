//! What the store keeps: documents of a few kinds, each written in a numbered form.

/// The kinds of document. A number, once given, keeps its meaning for ever: it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// An order with its events.
    Order = 1,
    /// A hook as it came, the verdict on it and the answer it got.
    Receipt = 2,
    /// A message of the outbox and what became of it.
    Message = 3,
    /// Goods that left or entered a shop's balance.
    Movement = 4,
    /// An order's payments.
    Checkout = 5,
    /// How often a payment system was called lately.
    Budget = 6,
    /// Which order a payment belongs to that is known by the payment system's id alone.
    Alias = 7,
    /// What is known of an address of a merchant's site.
    Endpoint = 8,
    /// The key of the shop.
    Key = 9,
    /// The bill of a payment that is over.
    Bill = 10,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 10] = [
        Kind::Order,
        Kind::Receipt,
        Kind::Message,
        Kind::Movement,
        Kind::Checkout,
        Kind::Budget,
        Kind::Alias,
        Kind::Endpoint,
        Kind::Key,
        Kind::Bill,
    ];

    /// Several of them, as people are told.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Kind::Order => "orders",
            Kind::Receipt => "hooks",
            Kind::Message => "messages",
            Kind::Movement => "movements",
            Kind::Checkout => "payments",
            Kind::Budget => "call counts",
            Kind::Alias => "payment ids",
            Kind::Endpoint => "callback addresses",
            Kind::Key => "keys",
            Kind::Bill => "past bills",
        }
    }

    /// Whether documents of this kind can be walked by time. Messages cannot: they are found through their
    /// order, or through the outbox while they wait. Nor can checkouts, each of which lies beside its order, nor budgets, aliases and endpoints.
    #[must_use]
    pub const fn is_listed(self) -> bool {
        match self {
            Kind::Order | Kind::Receipt | Kind::Movement => true,
            Kind::Message
            | Kind::Checkout
            | Kind::Budget
            | Kind::Alias
            | Kind::Endpoint
            | Kind::Key
            | Kind::Bill => false,
        }
    }

    /// The kind with this number on disk.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| *kind as u8 == byte)
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
    #[error("{kind:?} was written in form {schema} by a newer tillgate; run that version or a later one")]
    Newer {
        /// Which kind.
        kind: Kind,
        /// Which form.
        schema: u16,
    },
    /// A tillgate from before the first release wrote it.
    #[error(
        "{kind:?} was written in form {schema} by a tillgate from before the first release; start with an empty store"
    )]
    Older {
        /// Which kind.
        kind: Kind,
        /// Which form.
        schema: u16,
    },
    /// The bytes do not have the form that their number says.
    #[error("{kind:?} does not have the form {schema} that it says: {why}")]
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
