//! A letter, from its cause until it has been sent.

use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{
    DocKey, Document, Fingerprint, Kind, ListName, Partition, Timestamp, Unreadable,
};

use crate::formats::AccountLetter;
use crate::seal::{DataKey, Place, Sealed, Unsealable};

/// A notice's document, in a partition of its own: a client may have many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The client's partition.
    pub client: Partition,
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
        client: Partition,
        key: &DataKey,
    ) -> Notice {
        let cause = letter.cause;
        let content = Some(key.seal(letter, place(Notice::partition_of(client, cause))));
        Notice { client, cause, content, created_at, sent_at: None }
    }

    /// The partition of the notice with this cause to the client with this
    /// partition.
    #[must_use]
    pub fn partition_of(client: Partition, cause: Fingerprint) -> Partition {
        let (client, cause) = (client.get().to_be_bytes(), cause.get().to_be_bytes());
        Partition::of_name(Fingerprint::of(&[b"notice", &client, &cause]))
    }

    /// The list of all of them, by when they were written.
    #[must_use]
    pub fn all() -> ListName {
        ListName::of(&["notices"])
    }

    #[must_use]
    pub const fn key_in(partition: Partition) -> DocKey {
        DocKey { partition, kind: Notice::KIND, id: 0 }
    }

    /// What the letter says. `None` once it has been sent.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn content(&self, key: &DataKey) -> Result<Option<AccountLetter>, Unsealable> {
        let place = place(Notice::partition_of(self.client, self.cause));
        self.content.as_ref().map(|sealed| key.open(sealed, place)).transpose()
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
