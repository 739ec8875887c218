//! A session: a client on one device, from the log-in to the log-out.

use serde::{Deserialize, Serialize};
use tillgate_identity::{SessionTimes, Token};
use tillgate_kernel::document;
use tillgate_kernel::{DocKey, Document, Fingerprint, Kind, ListName, Partition, Unreadable};

use crate::seal::Sealed;
use crate::username::ClientNumber;

/// A session's document. Its key is a digest of the token in the cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub client: ClientNumber,
    pub times: SessionTimes,
    /// The client's epoch when it began.
    pub epoch: u32,
    /// Identifies it for its client.
    pub id: Fingerprint,
    /// What the device calls itself, sealed with the client's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Sealed>,
}

impl Session {
    /// The key of the document of the session with this token.
    #[must_use]
    pub fn key_of(token: &Token) -> DocKey {
        Session::key_in(Partition::of_name(token.digest("session").name()))
    }

    /// Whether it is the session with this token. The partition has fewer bits
    /// than the digest.
    #[must_use]
    pub fn is_of(&self, token: &Token) -> bool {
        let name = token.digest("session").name();
        self.id == name
    }

    /// The key of the session's document in this partition.
    #[must_use]
    pub const fn key_in(partition: Partition) -> DocKey {
        DocKey { partition, kind: Session::KIND, id: 0 }
    }

    /// The list of all sessions, by when they began.
    #[must_use]
    pub fn all() -> ListName {
        ListName::of(&["all sessions"])
    }

    /// The list of a client's sessions.
    #[must_use]
    pub fn list_of(client: ClientNumber) -> ListName {
        ListName::of(&["sessions", &client.to_string()])
    }
}

impl Document for Session {
    const KIND: Kind = Kind::new(17, "sessions");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        vec![Session::list_of(self.client), Session::all()]
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Session, Unreadable> {
        document::decode(schema, bytes)
    }
}
