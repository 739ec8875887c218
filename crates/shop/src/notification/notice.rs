//! A letter, from its cause until it has been sent.

use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{
    DocKey, Document, Fingerprint, Kind, ListName, Partition, Timestamp, Unreadable,
};

use crate::formats::AccountLetter;
use crate::seal::{DataKey, Place, Sealed, Unsealable};

/// A notice's document, in the client's partition. Its cause is its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub cause: Fingerprint,
    /// What the letter says. It has tokens, so it is kept until it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<Sealed>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
}

impl Notice {
    #[must_use]
    pub fn new(
        letter: &AccountLetter,
        created_at: Timestamp,
        partition: Partition,
        key: &DataKey,
    ) -> Notice {
        let content = Some(key.seal(letter, place(partition)));
        Notice { cause: letter.cause, content, created_at, sent_at: None }
    }

    /// The list of all of them, by when they were written.
    #[must_use]
    pub fn all() -> ListName {
        ListName::of(&["notices"])
    }

    #[must_use]
    pub const fn key_in(partition: Partition, cause: Fingerprint) -> DocKey {
        DocKey { partition, kind: Notice::KIND, id: cause.get() }
    }

    /// What the letter says. `None` once it has been sent.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn content(
        &self,
        partition: Partition,
        key: &DataKey,
    ) -> Result<Option<AccountLetter>, Unsealable> {
        self.content.as_ref().map(|sealed| key.open(sealed, place(partition))).transpose()
    }

    /// The notice of a letter that was not sent in time.
    #[must_use]
    pub fn over(&self) -> Notice {
        Notice { content: None, ..self.clone() }
    }

    /// The notice after its letter was sent.
    #[must_use]
    pub fn sent(&self, sent_at: Timestamp) -> Notice {
        Notice { content: None, sent_at: Some(sent_at), ..self.clone() }
    }
}

const fn place(partition: Partition) -> Place {
    Place { kind: Notice::KIND, partition, field: "content" }
}

impl Document for Notice {
    const KIND: Kind = Kind::new(22, "notices");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        vec![Notice::all()]
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Notice, Unreadable> {
        document::decode(schema, bytes)
    }
}
