//! How a client can be reached, for the receipts of payment systems.

use serde::{Deserialize, Serialize};
use tillgate_kernel::chance::random_bytes;
use tillgate_kernel::document;
use tillgate_kernel::{DocKey, Document, Kind, Partition, Unreadable};
use tillgate_store::unit::Run;
use tillgate_store::{Batch, Versioned};

use super::Payment;
use crate::bus::{Incoming, NotTaken, run_by};
use crate::formats::Contacts;
use crate::seal::{MasterKeys, Place, Sealed, Unsealable, WrappedKey};
use crate::username::ClientNumber;

/// The document, in the client's partition. The service has a data key of its
/// own for each client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payer {
    key: WrappedKey,
    contacts: Sealed,
    revision: u32,
}

const fn place(partition: Partition, field: &'static str) -> Place {
    Place { kind: Payer::KIND, partition, field }
}

impl Payer {
    /// The document with a data key of these random bytes.
    #[must_use]
    pub fn new(
        contacts: &Contacts,
        partition: Partition,
        keys: &MasterKeys,
        random: [u8; 32],
    ) -> Payer {
        let (data_key, key) = keys.wrap(random, place(partition, "key"));
        let sealed = data_key.seal(contacts, place(partition, "contacts"));
        Payer { key, contacts: sealed, revision: contacts.revision }
    }

    #[must_use]
    pub const fn key_in(partition: Partition) -> DocKey {
        DocKey { partition, kind: Payer::KIND, id: 0 }
    }

    /// The contacts.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub fn contacts(
        &self,
        partition: Partition,
        keys: &MasterKeys,
    ) -> Result<Contacts, Unsealable> {
        let data_key = keys.unwrap(&self.key, place(partition, "key"))?;
        data_key.open(&self.contacts, place(partition, "contacts"))
    }
}

impl Document for Payer {
    const KIND: Kind = Kind::new(38, "payers");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Payer, Unreadable> {
        document::decode(schema, bytes)
    }
}

impl Payment {
    pub(super) async fn take_contacts(
        &self,
        partition: Partition,
        contacts: &Contacts,
        message: &Incoming<'_>,
    ) -> Result<(), NotTaken> {
        let key = Payer::key_in(partition);
        let work = |_| async move {
            let stored = self.store.read::<Payer>(key).await?;
            if stored.as_ref().is_some_and(|known| contacts.revision <= known.revision) {
                return Ok(Run::Unchanged(()));
            }
            let next = Payer::new(contacts, partition, &self.keys, random_bytes());
            let written = match stored {
                Some(stored) => stored.replaced(next),
                None => Versioned::new(next, self.clock.now()),
            };
            let mut batch = Batch::new();
            written.stage_at(key, &mut batch);
            Ok(Run::Commit(batch, ()))
        };
        Ok(run_by(Some(message), &self.store, work).await?)
    }

    /// How a client can be reached; `None` if that is not known yet.
    pub(super) async fn contacts_of(
        &self,
        client: ClientNumber,
    ) -> Result<Option<Contacts>, NotTaken> {
        let partition = client.partition();
        let stored = self.store.read::<Payer>(Payer::key_in(partition)).await?;
        let Some(payer) = stored else { return Ok(None) };
        let opened = payer.contacts(partition, &self.keys);
        opened.map(Some).map_err(|why| NotTaken::Unreadable(why.into()))
    }
}
