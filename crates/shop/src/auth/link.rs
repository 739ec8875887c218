//! Links in letters. A link works for a limited time, for one client and one
//! address; the store has only a digest of its token.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tillgate_identity::Token;
use tillgate_kernel::document;
use tillgate_kernel::time::later;
use tillgate_kernel::{
    DocKey, Document, Fingerprint, Kind, ListName, Partition, Timestamp, Unreadable,
};
use tillgate_store::{Batch, CommitError, Versioned};

use super::Auth;
use super::client::Client;
use crate::Refusal;
use crate::username::ClientNumber;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    Verify,
    Reset,
}

impl Purpose {
    /// How long a link works.
    #[must_use]
    pub const fn duration(self) -> Duration {
        match self {
            Purpose::Verify => Duration::from_secs(3 * 24 * 3600),
            Purpose::Reset => Duration::from_secs(3600),
        }
    }
}

/// A link's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub purpose: Purpose,
    pub client: ClientNumber,
    /// The digest of its token: the partition has fewer bits.
    pub digest: Fingerprint,
    /// The name of the address that it was sent to.
    pub contact: Fingerprint,
    /// The client's epoch then: after a change of the password no new one can
    /// be set with it.
    pub epoch: u32,
    pub ends_at: Timestamp,
}

impl Link {
    /// The list of all of them, by when they end.
    #[must_use]
    pub fn all() -> ListName {
        ListName::of(&["links"])
    }

    /// Whether it is of the token with this name. The partition alone does not
    /// say so: it has fewer bits.
    fn is_named(&self, name: Fingerprint) -> bool {
        let own = self.digest;
        own == name
    }

    fn key_of(token: &Token) -> DocKey {
        let name = token.digest("link").name();
        DocKey { partition: Partition::of_name(name), kind: Link::KIND, id: 0 }
    }
}

impl Document for Link {
    const KIND: Kind = Kind::new(20, "links");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        vec![Link::all()]
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Link, Unreadable> {
        document::decode(schema, bytes)
    }
}

impl Auth {
    /// The token of the link that a letter has. There is one for each cause of
    /// a letter, however often the letter is prepared.
    pub(super) async fn link(
        &self,
        cause: Fingerprint,
        purpose: Purpose,
        client: &Client,
        contact: &str,
    ) -> Result<Token, CommitError> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.keys.derive("links"));
        let mac = mac.expect("HMAC takes a key of any length");
        let random = mac.chain_update(cause.get().to_be_bytes()).finalize().into_bytes();
        let token = Token::new(random.into());
        let now = self.clock.now();
        let link = Link {
            purpose,
            client: client.number(),
            digest: token.digest("link").name(),
            contact: self.contact_name(contact),
            epoch: client.session_epoch,
            ends_at: later(now, purpose.duration()),
        };
        let mut batch = Batch::new();
        let ends_at = link.ends_at;
        Versioned::new(link, ends_at).stage_at(Link::key_of(&token), &mut batch);
        match self.store.commit(batch).await {
            // It is there since an earlier attempt.
            Ok(()) | Err(CommitError::Conflict) => Ok(token),
            Err(why) => Err(why),
        }
    }

    /// The link with this token.
    ///
    /// # Errors
    /// When there is none for this purpose, or its time is over.
    pub(super) async fn link_of(
        &self,
        token: &str,
        purpose: Purpose,
    ) -> Result<Versioned<Link>, Refusal> {
        let token = Token::parse(token).ok_or(Refusal::LinkNotValid)?;
        let link = self.store.read::<Link>(Link::key_of(&token)).await?;
        let now = self.clock.now();
        let name = token.digest("link").name();
        let is_good = |link: &Versioned<Link>| {
            link.purpose == purpose && link.is_named(name) && now < link.ends_at
        };
        link.filter(is_good).ok_or(Refusal::LinkNotValid)
    }
}
