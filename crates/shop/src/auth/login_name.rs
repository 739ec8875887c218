//! E-mail addresses and telephone numbers by which a client can log in.
//!
//! The client who registers first with an address can log in by it. When
//! another one proves to receive messages there, it is that client's alone.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tillgate_kernel::document;
use tillgate_kernel::{
    DocKey, Document, Fingerprint, Kind, Partition, Timestamp, Unreadable, contact,
};
use tillgate_store::{Batch, CommitError, Versioned};

use super::Auth;
use super::client::{Client, ClientNumber, Profile, Username};
use super::limits::refused;
use crate::Refusal;

/// What somebody types to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    Username(Username),
    /// An address or a number, in its normalised form.
    Contact(String),
    /// Nobody can have this name.
    Nobody,
}

impl Typed {
    #[must_use]
    pub fn parse(text: &str) -> Typed {
        if let Some(username) = Username::parse(text) {
            return Typed::Username(username);
        }
        let contact = contact::email(text).map(|email| email.to_lowercase());
        contact.or_else(|| contact::phone(text)).map_or(Typed::Nobody, Typed::Contact)
    }
}

/// To whom an address or a number leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginName {
    pub client: ClientNumber,
    pub claimed_at: Timestamp,
    /// When the client has proved to receive messages there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved_at: Option<Timestamp>,
}

impl Document for LoginName {
    const KIND: Kind = Kind::new(19, "login names");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<LoginName, Unreadable> {
        document::decode(schema, bytes)
    }
}

/// The key of the document for an address. It is found from the address with a
/// secret key, so that a copy of the store does not tell who has one.
fn key_of(index_key: &[u8; 32], contact: &str) -> DocKey {
    let mac = Hmac::<Sha256>::new_from_slice(index_key).expect("HMAC takes a key of any length");
    let digest = mac.chain_update(contact).finalize().into_bytes();
    let name = Fingerprint::of(&[b"login name", &digest]);
    DocKey { partition: Partition::of_name(name), kind: LoginName::KIND, id: 0 }
}

impl Auth {
    /// The number of the client whom a name leads to.
    pub(super) async fn number_of(&self, typed: &Typed) -> Result<Option<ClientNumber>, Refusal> {
        let contact = match typed {
            Typed::Username(username) => return Ok(Some(ClientNumber::of(username))),
            Typed::Contact(contact) => contact,
            Typed::Nobody => return Ok(None),
        };
        for index_key in self.keys.derive_each("index") {
            let found = self.store.read::<LoginName>(key_of(&index_key, contact)).await?;
            if let Some(found) = found {
                return Ok(Some(found.client));
            }
        }
        Ok(None)
    }

    /// Lets a client log in by the contacts of the profile, unless they lead to
    /// somebody else already.
    pub(super) async fn claim_contacts(
        &self,
        client: &Client,
        profile: &Profile,
    ) -> Result<(), Refusal> {
        let email = profile.email.expose().to_lowercase();
        let phone = profile.phone.as_ref().map(|phone| phone.expose().to_owned());
        let now = self.clock.now();
        for contact in std::iter::once(email).chain(phone) {
            if self.number_of(&Typed::Contact(contact.clone())).await?.is_some() {
                continue;
            }
            let name = LoginName { client: client.number(), claimed_at: now, proved_at: None };
            let mut batch = Batch::new();
            let key = key_of(&self.keys.derive("index"), &contact);
            Versioned::new(name, now).stage_at(key, &mut batch);
            match self.store.commit(batch).await {
                // Another client has come first.
                Ok(()) | Err(CommitError::Conflict) => {}
                Err(why) => return Err(refused(why)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_a_number_and_a_username_are_told_apart() {
        let contact = |text: &str| Typed::Contact(text.into());
        assert_eq!(Typed::parse("Anna@Example.org"), contact("anna@example.org"));
        assert_eq!(Typed::parse("8 999 000-00-00"), contact("79990000000"));
        assert!(matches!(Typed::parse("anna"), Typed::Username(_)));
        assert_eq!(Typed::parse("a b"), Typed::Nobody);
    }
}
