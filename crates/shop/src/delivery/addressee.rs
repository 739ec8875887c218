//! The key that seals the addresses of a client. The service has one of its own
//! for each client; to destroy it is to erase the addresses.

use serde::{Deserialize, Serialize};
use tillgate_kernel::chance::random_bytes;
use tillgate_kernel::document;
use tillgate_kernel::{DocKey, Document, Kind, Unreadable};
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, Unavailable, Versioned};

use super::Delivery;
use crate::Refusal;
use crate::seal::{DataKey, MasterKeys, Place, Unsealable, WrappedKey};
use crate::username::ClientNumber;

/// The document, in the client's partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addressee {
    key: WrappedKey,
}

impl Addressee {
    /// The document with a data key of these random bytes.
    #[must_use]
    pub fn new(keys: &MasterKeys, client: ClientNumber, random: [u8; 32]) -> Addressee {
        let (_, key) = keys.wrap(random, Addressee::place_of(client));
        Addressee { key }
    }

    #[must_use]
    pub const fn key_of(client: ClientNumber) -> DocKey {
        DocKey { partition: client.partition(), kind: Addressee::KIND, id: 0 }
    }

    /// The key in it.
    ///
    /// # Errors
    /// When the master key is not configured.
    pub fn opened(&self, keys: &MasterKeys, client: ClientNumber) -> Result<DataKey, Unsealable> {
        keys.unwrap(&self.key, Addressee::place_of(client))
    }

    const fn place_of(client: ClientNumber) -> Place {
        Place { kind: Addressee::KIND, partition: client.partition(), field: "key" }
    }
}

impl Document for Addressee {
    const KIND: Kind = Kind::new(33, "addressees");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Addressee, Unreadable> {
        document::decode(schema, bytes)
    }
}

impl Delivery {
    /// The client's key; a new one if it is the first time.
    pub(super) async fn key_of(&self, client: ClientNumber) -> Result<DataKey, Refusal> {
        let work = |_| async move {
            if let Some(known) = self.store.read::<Addressee>(Addressee::key_of(client)).await? {
                return Ok(Run::Unchanged(known.into_document()));
            }
            let new = Addressee::new(&self.keys, client, random_bytes());
            let mut batch = Batch::new();
            let written = Versioned::new(new.clone(), self.clock.now());
            written.stage_at(Addressee::key_of(client), &mut batch);
            Ok::<_, Unavailable>(Run::Commit(batch, new))
        };
        let (addressee, _) = run(&self.store, work).await.map_err(Refusal::of_commit)?;
        addressee.opened(&self.keys, client).map_err(unsealable)
    }

    /// The client's key; nothing if it was destroyed.
    pub(super) async fn known_key_of(
        &self,
        client: ClientNumber,
    ) -> Result<Option<DataKey>, Refusal> {
        let known = self.store.read::<Addressee>(Addressee::key_of(client)).await?;
        known.map(|known| known.opened(&self.keys, client).map_err(unsealable)).transpose()
    }
}

/// The log says why.
pub(super) fn unsealable(why: Unsealable) -> Refusal {
    tracing::error!(error = %why, "an address cannot be read");
    Refusal::Unavailable
}
