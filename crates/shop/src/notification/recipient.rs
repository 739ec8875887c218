//! How to reach a client.

use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{DocKey, Document, Kind, Partition, Unreadable};

use super::wishes::Wishes;
use crate::formats::Contacts;
use crate::seal::{DataKey, MasterKeys, Place, Sealed, Unsealable, WrappedKey};

/// A recipient's document, in the client's partition. The service has a data
/// key of its own for each client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    key: WrappedKey,
    /// Absent if a letter is the first that the service learns of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contacts: Option<Sealed>,
    /// Of the contacts.
    #[serde(default)]
    revision: u32,
    #[serde(default, skip_serializing_if = "Wishes::are_usual")]
    pub wishes: Wishes,
}

impl Recipient {
    /// A recipient with a data key of these random bytes.
    #[must_use]
    pub fn new(partition: Partition, keys: &MasterKeys, random: [u8; 32]) -> Recipient {
        let (_, key) = keys.wrap(random, place(partition, "key"));
        Recipient { key, contacts: None, revision: 0, wishes: Wishes::default() }
    }

    #[must_use]
    pub const fn key_in(partition: Partition) -> DocKey {
        DocKey { partition, kind: Recipient::KIND, id: 0 }
    }

    /// The key that seals what is kept about the client.
    ///
    /// # Errors
    /// When the master key is not configured.
    pub fn data_key(&self, partition: Partition, keys: &MasterKeys) -> Result<DataKey, Unsealable> {
        keys.unwrap(&self.key, place(partition, "key"))
    }

    /// Takes the contacts over, unless they are older. False if they are.
    ///
    /// # Errors
    /// When the data key cannot be opened.
    pub fn take_over(
        &mut self,
        contacts: &Contacts,
        partition: Partition,
        keys: &MasterKeys,
    ) -> Result<bool, Unsealable> {
        if contacts.revision <= self.revision {
            return Ok(false);
        }
        let key = self.data_key(partition, keys)?;
        self.contacts = Some(key.seal(contacts, place(partition, "contacts")));
        self.revision = contacts.revision;
        Ok(true)
    }

    /// The contacts, if they have arrived.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub fn contacts(
        &self,
        partition: Partition,
        keys: &MasterKeys,
    ) -> Result<Option<Contacts>, Unsealable> {
        let Some(sealed) = &self.contacts else { return Ok(None) };
        self.data_key(partition, keys)?.open(sealed, place(partition, "contacts")).map(Some)
    }
}

const fn place(partition: Partition, field: &'static str) -> Place {
    Place { kind: Recipient::KIND, partition, field }
}

impl Document for Recipient {
    const KIND: Kind = Kind::new(21, "recipients");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Recipient, Unreadable> {
        document::decode(schema, bytes)
    }
}
