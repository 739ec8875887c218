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
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, CommitError, Unavailable, Versioned};

use super::Auth;
use crate::Refusal;
use crate::username::{ClientNumber, Username};

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
        let contact = contact::email(text).map(|email| folded(&email));
        contact.or_else(|| contact::phone(text)).map_or(Typed::Nobody, Typed::Contact)
    }
}

impl Typed {
    /// The one spelling of a name.
    #[must_use]
    pub fn canonical(text: &str) -> String {
        match Typed::parse(text) {
            Typed::Username(username) => username.as_str().to_lowercase(),
            Typed::Contact(contact) => contact,
            Typed::Nobody => text.trim().to_lowercase(),
        }
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

/// The name of an address in the store. It is found from the address with a
/// secret key, so that a copy of the store does not tell who has one.
fn name_of(index_key: &[u8; 32], contact: &str) -> Fingerprint {
    let mac = Hmac::<Sha256>::new_from_slice(index_key).expect("HMAC takes a key of any length");
    let digest = mac.chain_update(contact).finalize().into_bytes();
    Fingerprint::of(&[b"login name", &digest])
}

const fn key_of(name: Fingerprint) -> DocKey {
    DocKey { partition: Partition::of_name(name), kind: LoginName::KIND, id: 0 }
}

/// To whom an address leads, after somebody has claimed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    Own,
    /// Another client has claimed it first.
    Others {
        is_proved: bool,
    },
}

/// An e-mail address in the form in which addresses are compared.
#[must_use]
pub fn folded(email: &str) -> String {
    email.to_lowercase()
}

impl Auth {
    /// The number of the client whom a name leads to.
    pub(super) async fn number_of(&self, typed: &Typed) -> Result<Option<ClientNumber>, Refusal> {
        let contact = match typed {
            Typed::Username(username) => return Ok(Some(ClientNumber::of(username))),
            Typed::Contact(contact) => contact,
            Typed::Nobody => return Ok(None),
        };
        Ok(self.login_name(contact).await?.map(|(_, known)| known.client))
    }

    /// The document of an address or a number, if it leads to somebody.
    async fn login_name(
        &self,
        contact: &str,
    ) -> Result<Option<(DocKey, Versioned<LoginName>)>, Unavailable> {
        for key in self.contact_names(contact).map(key_of) {
            if let Some(found) = self.store.read(key).await? {
                return Ok(Some((key, found)));
            }
        }
        Ok(None)
    }

    /// The name of an address in the store, for documents about it.
    pub(super) fn contact_name(&self, contact: &str) -> Fingerprint {
        name_of(&self.keys.derive("index"), contact)
    }

    /// Whether a document with this name is about the address.
    pub(super) fn is_name_of(&self, name: Fingerprint, contact: &str) -> bool {
        self.contact_names(contact).any(|known| known == name)
    }

    /// The names of the address since each rotation of the keys.
    fn contact_names(&self, contact: &str) -> impl Iterator<Item = Fingerprint> {
        self.keys.derive_each("index").map(move |index_key| name_of(&index_key, contact))
    }

    /// Lets a client log in by an address or a number, unless it leads to
    /// somebody else already.
    pub(super) async fn claim(
        &self,
        contact: &str,
        client: ClientNumber,
    ) -> Result<Claim, CommitError> {
        let work = |_| async move {
            if let Some((_, known)) = self.login_name(contact).await? {
                let is_proved = known.proved_at.is_some();
                let claim =
                    if known.client == client { Claim::Own } else { Claim::Others { is_proved } };
                return Ok(Run::Unchanged(claim));
            }
            let now = self.clock.now();
            let name = LoginName { client, claimed_at: now, proved_at: None };
            let mut batch = Batch::new();
            Versioned::new(name, now).stage_at(key_of(self.contact_name(contact)), &mut batch);
            Ok(Run::Commit(batch, Claim::Own))
        };
        Ok(run(&self.store, work).await?.0)
    }

    /// Makes an address lead to the client who has proved to receive messages
    /// there. False if another one has proved the same; the last proof counts
    /// for a telephone number, because numbers get new owners.
    pub(super) async fn prove(
        &self,
        contact: &str,
        client: ClientNumber,
    ) -> Result<bool, CommitError> {
        let is_number = !contact.contains('@');
        let work = |_| async move {
            let now = self.clock.now();
            let proved = LoginName { client, claimed_at: now, proved_at: Some(now) };
            let mut batch = Batch::new();
            match self.login_name(contact).await? {
                None => Versioned::new(proved, now)
                    .stage_at(key_of(self.contact_name(contact)), &mut batch),
                Some((_, known)) if known.proved_at.is_some() && !is_number => {
                    return Ok(Run::Unchanged(known.client == client));
                }
                Some((key, known)) => known.replaced(proved).stage_at(key, &mut batch),
            }
            Ok(Run::Commit(batch, true))
        };
        Ok(run(&self.store, work).await?.0)
    }

    /// Lets a client no longer log in by an address or a number.
    pub(super) async fn release(
        &self,
        contact: &str,
        client: ClientNumber,
    ) -> Result<(), CommitError> {
        let work = |_| async move {
            let known = self.login_name(contact).await?;
            let Some((place, known)) = known.filter(|(_, known)| known.client == client) else {
                return Ok(Run::Unchanged(()));
            };
            let mut batch = Batch::new();
            batch.delete(place, known.version());
            Ok(Run::Commit(batch, ()))
        };
        run(&self.store, work).await?;
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
