//! What the engine on PostgreSQL promises beyond the common list.

use std::sync::Arc;

use super::{Address, Migration, Postgres};
use crate::kernel::chance::random_bytes;
use crate::store::Store;

#[path = "../../../tests/world/database.rs"]
#[expect(missing_docs, reason = "shared with the integration tests")]
pub mod database;

/// Opens the store in a database.
pub async fn open(url: &str) -> Store {
    let address: Address = url.parse().expect("an address");
    Store::Postgres(Arc::new(Postgres::open(&address, Migration::Apply).await.expect("the store opens")))
}
