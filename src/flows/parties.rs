//! The names of all sources, merchants and payment systems that this store has
//! known. Lists are kept for each of them, so the lists of one that is no
//! longer configured can still be read and swept.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Services;
use super::transaction::{Staged, Versioned, transact};
use crate::kernel::document;
use crate::kernel::{DocKey, Document, Fingerprint, HookId, Kind, PartyName, Unreadable};
use crate::store::Unavailable;

/// The names that were ever configured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parties {
    names: BTreeSet<PartyName>,
}

impl Document for Parties {
    const KIND: Kind = Kind::new(11, "lists of names");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Parties, Unreadable> {
        document::decode(schema, bytes)
    }
}

fn place() -> DocKey {
    let id = Fingerprint::of(&[b"names of the parties"]);
    DocKey { partition: HookId::of_name(id).partition, kind: Parties::KIND, id: 0 }
}

/// Records the configured names. Returns all that are known.
pub async fn remember_parties(services: &Services) -> Result<BTreeSet<PartyName>, Unavailable> {
    transact(services, "remember_parties", |mut tx| async move {
        let known = tx.read::<Parties>(place()).await?;
        let mut known = known.unwrap_or_else(|| Versioned::new(Parties::default(), tx.now));
        if known.names.is_superset(&services.parties) {
            return Ok(Staged::Unchanged(known.into_document().names));
        }
        known.names.extend(services.parties.iter().cloned());
        tx.write(place(), &known);
        Ok(tx.commit(known.into_document().names))
    })
    .await
}

/// The names that are configured, or were at any time.
pub async fn known_parties(services: &Services) -> Result<BTreeSet<PartyName>, Unavailable> {
    let stored = services.store.load(&[place()]).await?.pop().flatten();
    let known: Parties = stored.map(|stored| stored.document()).transpose()?.unwrap_or_default();
    let mut names = known.names;
    names.extend(services.parties.iter().cloned());
    Ok(names)
}
