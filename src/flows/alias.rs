//! Payments by the payment system's own ids: what it tells of things that bear no number of ours is found by them.

use super::Shop;
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

/// Remembers whose payment `remote_id` is. This comes before the id is written down with its order, so that no id is known
/// there that is not known here.
pub async fn remember(
    shop: &Shop,
    gateway: &PartyName,
    remote_id: &str,
    number: Number,
) -> Result<(), Unavailable> {
    let mut batch = Batch::new();
    batch.put(place(gateway, remote_id), Expect::Absent, &Alias { number }, shop.clock.now());
    commit_once(&shop.store, batch).await?; // else it was remembered before
    Ok(())
}

/// The order that a payment belongs to, if it is one of ours.
pub async fn order_of(
    shop: &Shop,
    gateway: &PartyName,
    remote_id: &str,
) -> Result<Option<Number>, Unavailable> {
    let found = shop.store.load(&[place(gateway, remote_id)]).await?.pop().flatten();
    let alias: Option<Alias> = found.map(|stored| stored.document()).transpose()?;
    Ok(alias.map(|alias| alias.number))
}
