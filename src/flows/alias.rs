//! Finds payments by the payment system's own ids, for notifications that have
//! no number of ours.

use super::Services;
use super::transaction::commit_once;
use crate::dedup::key;
use crate::kernel::DocKey;
use crate::kernel::Document;
use crate::kernel::PartyName;
use crate::orders::Number;
use crate::payments::Alias;
use crate::store::{Batch, Expect, Unavailable};

fn place(gateway: &PartyName, remote_id: &str) -> DocKey {
    let id = key::of_alias(gateway, remote_id);
    DocKey { partition: id.partition, kind: Alias::KIND, id: id.fingerprint.get() }
}

/// Remembers the order to which the payment `remote_id` belongs. This is stored
/// before the id is recorded in the order, so that every id that an order has
/// can be found here.
pub async fn remember(
    services: &Services,
    gateway: &PartyName,
    remote_id: &str,
    number: Number,
) -> Result<(), Unavailable> {
    let mut batch = Batch::new();
    batch.put(place(gateway, remote_id), Expect::Absent, &Alias { number }, services.clock.now());
    commit_once(&services.store, batch).await?; // otherwise it was already stored
    Ok(())
}

/// The order to which a payment belongs, if it is one of ours.
pub async fn order_of(
    services: &Services,
    gateway: &PartyName,
    remote_id: &str,
) -> Result<Option<Number>, Unavailable> {
    let found = services.store.load(&[place(gateway, remote_id)]).await?.pop().flatten();
    let alias: Option<Alias> = found.map(|stored| stored.document()).transpose()?;
    Ok(alias.map(|alias| alias.number))
}
