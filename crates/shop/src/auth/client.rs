//! A client.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tillgate_identity::{OneTimeCode, PasswordHash};
use tillgate_kernel::document::{self, Keyed};
use tillgate_kernel::{DocKey, Document, Kind, Language, ListName, Private, Timestamp, Unreadable};
use tillgate_store::Batch;

use crate::bus::{Envelope, Format, Service, message_id};
use crate::formats::Contacts;
use crate::seal::{DataKey, MasterKeys, Place, Sealed, Unsealable, WrappedKey};
use crate::username::{ClientNumber, Username};

/// What a member of the shop's staff may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Picker,
    Courier,
    Operator,
}

impl Role {
    /// The role with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Role> {
        match name {
            "picker" => Some(Role::Picker),
            "courier" => Some(Role::Courier),
            "operator" => Some(Role::Operator),
            _ => None,
        }
    }
}

/// The personal data of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub first_name: Option<Private>,
    pub last_name: Option<Private>,
    pub email: Private,
    pub phone: Option<Private>,
}

/// That a client has agreed to the processing of personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The version of the text.
    pub version: String,
    pub at: Timestamp,
}

/// A client's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    pub username: Username,
    pub password: PasswordHash,
    key: WrappedKey,
    profile: Sealed,
    pub language: Language,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<Role>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<Consent>,
    pub registered_at: Timestamp,
    /// Sessions of another epoch have ended. It grows when the password
    /// changes.
    pub session_epoch: u32,
    /// When the client has proved to receive messages at the e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_proved_at: Option<Timestamp>,
    /// The same for the telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_proved_at: Option<Timestamp>,
    /// The code that was sent to the number, until it is typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_code: Option<OneTimeCode>,
    /// How many messages about the client the service has sent to others.
    #[serde(default)]
    messages: u32,
}

impl Client {
    /// A new client, with the data sealed by a key of these random bytes.
    #[must_use]
    pub fn new(
        username: Username,
        password: PasswordHash,
        profile: &Profile,
        language: Language,
        registered_at: Timestamp,
        keys: &MasterKeys,
        random: [u8; 32],
    ) -> Client {
        let number = ClientNumber::of(&username);
        let (data_key, key) = keys.wrap(random, place(number, "key"));
        let profile = data_key.seal(profile, place(number, "profile"));
        Client {
            username,
            password,
            key,
            profile,
            language,
            roles: BTreeSet::new(),
            consents: Vec::new(),
            registered_at,
            session_epoch: 0,
            email_proved_at: None,
            phone_proved_at: None,
            phone_code: None,
            messages: 0,
        }
    }

    /// Replaces the password. All sessions end.
    pub fn set_password(&mut self, password: PasswordHash) {
        self.password = password;
        self.session_epoch += 1;
    }

    /// Stages a message about the client for the inbox of a service. The
    /// client's document is to be staged afterwards: it counts the messages.
    pub fn send<F: Format>(
        &mut self,
        to: Service,
        content: impl FnOnce(u32) -> F,
        keys: &MasterKeys,
        now: Timestamp,
        batch: &mut Batch,
    ) {
        self.messages += 1;
        let id = message_id(Service::Auth, self.number().partition(), self.messages);
        batch.send(Envelope::message(to, id, &content(self.messages), keys, now));
    }

    #[must_use]
    pub fn number(&self) -> ClientNumber {
        ClientNumber::of(&self.username)
    }

    /// The personal data.
    ///
    /// # Errors
    /// When its key is not configured, or it was changed.
    pub fn profile(&self, keys: &MasterKeys) -> Result<Profile, Unsealable> {
        self.data_key(keys)?.open(&self.profile, place(self.number(), "profile"))
    }

    /// Replaces the personal data.
    ///
    /// # Errors
    /// When the client's key cannot be opened.
    pub fn set_profile(&mut self, profile: &Profile, keys: &MasterKeys) -> Result<(), Unsealable> {
        self.profile = self.data_key(keys)?.seal(profile, place(self.number(), "profile"));
        Ok(())
    }

    /// The client for services that keep something for each client. `revision`
    /// grows with each message.
    #[must_use]
    pub fn contacts(&self, profile: &Profile, revision: u32) -> Contacts {
        let Profile { first_name, last_name, email, phone } = profile.clone();
        Contacts {
            username: self.username.as_str().to_owned(),
            first_name,
            last_name,
            email,
            phone,
            language: self.language,
            revision,
        }
    }

    /// Seals what a device calls itself, for a session.
    #[must_use]
    pub fn seal_device(&self, device: &str, session: DocKey, keys: &MasterKeys) -> Option<Sealed> {
        let place = device_place(session);
        self.data_key(keys).ok().map(|key| key.seal(&Private::new(device), place))
    }

    /// What the device of a session calls itself.
    #[must_use]
    pub fn device_of(
        &self,
        sealed: Option<&Sealed>,
        session: DocKey,
        keys: &MasterKeys,
    ) -> Option<String> {
        let device: Private =
            self.data_key(keys).ok()?.open(sealed?, device_place(session)).ok()?;
        Some(device.expose().to_owned())
    }

    fn data_key(&self, keys: &MasterKeys) -> Result<DataKey, Unsealable> {
        keys.unwrap(&self.key, place(self.number(), "key"))
    }

    /// The list of clients with roles.
    #[must_use]
    pub fn staff_list() -> ListName {
        ListName::of(&["staff"])
    }

    /// The key of the document of the client with this number.
    #[must_use]
    pub const fn key_of(number: ClientNumber) -> DocKey {
        DocKey { partition: number.partition(), kind: Client::KIND, id: 0 }
    }
}

const fn device_place(session: DocKey) -> Place {
    Place { kind: session.kind, partition: session.partition, field: "device" }
}

const fn place(number: ClientNumber, field: &'static str) -> Place {
    Place { kind: Client::KIND, partition: number.partition(), field }
}

impl Keyed for Client {
    fn key(&self) -> DocKey {
        Client::key_of(self.number())
    }
}

impl Document for Client {
    const KIND: Kind = Kind::new(16, "clients");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        if self.roles.is_empty() { Vec::new() } else { vec![Client::staff_list()] }
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Client, Unreadable> {
        document::decode(schema, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_document_has_no_personal_data_in_the_clear() {
        let keys = MasterKeys::new([5; 32], []);
        let profile = Profile {
            first_name: Some(Private::new("Анна")),
            last_name: None,
            email: Private::new("anna@example.org"),
            phone: Some(Private::new("79990000000")),
        };
        let client = Client::new(
            Username::parse("buyer").expect("a username"),
            PasswordHash::of_nobody(),
            &profile,
            Language::Ru,
            Timestamp::UNIX_EPOCH,
            &keys,
            [6; 32],
        );
        let bytes = client.encode();
        for canary in ["Анна", "anna", "example.org", "79990000000"] {
            let canary = canary.as_bytes();
            assert!(!bytes.windows(canary.len()).any(|part| part == canary));
        }
        let read = Client::decode(1, &bytes).expect("it decodes");
        assert_eq!(read.profile(&keys), Ok(profile));
        assert_eq!(read, client);
    }
}
