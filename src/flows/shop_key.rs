//! The secret key of this installation. The first process that needs it
//! generates it and stores it, so that all receivers use the same key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::Services;
use super::transaction::{Staged, Versioned, transact};
use crate::kernel::DocKey;
use crate::kernel::chance::random_bytes;
use crate::kernel::document;
use crate::kernel::{
    Document, ExternalId, Fingerprint, HookId, Kind, PartyName, Private, Unreadable,
};
use crate::orders::{Number, ShopKey};
use crate::store::Unavailable;

/// The stored form of the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKey {
    /// The bytes of the key, in base64.
    key: Private,
}

impl Document for StoredKey {
    const KIND: Kind = Kind::new(9, "keys");
    const SCHEMA: u16 = 2;
    const OLDEST: u16 = 2;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<StoredKey, Unreadable> {
        document::decode(schema, bytes)
    }
}

impl StoredKey {
    fn of(key: &ShopKey) -> StoredKey {
        StoredKey { key: Private::new(BASE64.encode(key.expose())) }
    }

    /// The key itself.
    ///
    /// # Errors
    ///
    /// When the stored text is not a key.
    pub fn key(&self) -> Result<ShopKey, Unreadable> {
        let unreadable = || Unreadable::Malformed {
            kind: StoredKey::KIND,
            schema: StoredKey::SCHEMA,
            why: "not 32 bytes in base64".into(),
        };
        let bytes = BASE64.decode(self.key.expose()).map_err(|_| unreadable())?;
        bytes.try_into().map(ShopKey::new).map_err(|_| unreadable())
    }
}

fn place() -> DocKey {
    let id = Fingerprint::of(&[b"key of the shop"]);
    let partition = HookId::of_name(id).partition;
    DocKey { partition, kind: StoredKey::KIND, id: 0 }
}

async fn find_or_make(services: &Services) -> Result<ShopKey, Unavailable> {
    transact(services, "make_shop_key", |mut tx| async move {
        if let Some(stored) = services.store.load_kept(&[place()]).await?.pop().flatten() {
            return Ok(Staged::Unchanged(stored.document::<StoredKey>()?.key()?));
        }
        let made = ShopKey::new(random_bytes());
        tx.write(place(), &Versioned::new(StoredKey::of(&made), tx.now));
        Ok(tx.commit(made))
    })
    .await
}

impl Services {
    /// The secret key of this installation. A process reads it, or generates
    /// it, once.
    ///
    /// # Errors
    ///
    /// When the store cannot be used.
    pub async fn key(&self) -> Result<&ShopKey, Unavailable> {
        self.shop_key.get_or_try_init(|| find_or_make(self)).await
    }

    /// The number of an order in `slot`, for the case that other orders hold
    /// its numbers of the earlier slots.
    ///
    /// # Errors
    ///
    /// When the key is needed and the store cannot be used.
    pub(super) async fn number_in(
        &self,
        source: &PartyName,
        external_id: &ExternalId,
        slot: u8,
    ) -> Result<Number, Unavailable> {
        if slot < Number::DERIVED_SLOTS {
            return Ok(Number::derive(source, external_id, slot));
        }
        // Anybody can calculate the numbers above, and place orders that take
        // them.
        Ok(self.key().await?.number(source, external_id, slot))
    }
}
