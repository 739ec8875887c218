//! Tests of what the embedded store guarantees beyond the conformance list: it
//! survives crashes, and detects data that did not.

mod damage;
mod durability;
mod lists;

use std::path::Path;
use std::sync::Arc;
use tillgate_kernel::Partition;

use super::Sled;
use super::start::Options;
use crate::conformance::NOTES;
use crate::{Batch, Body, Expect, Store, Unavailable};
use tillgate_kernel::DocKey;
use tillgate_kernel::outbox::Lane;
use tillgate_kernel::{Clock, Timestamp};

const CACHE: u64 = 16 << 20;

const LANE: Lane = Lane::new(1, tillgate_kernel::outbox::Ordering::Strict, "people");

fn key(partition: u64) -> DocKey {
    DocKey { partition: Partition::from_u64(partition), kind: NOTES, id: 0 }
}

fn put(partition: u64, bytes: &[u8]) -> Batch {
    let mut batch = Batch::new();
    let body = Body {
        schema: 1,
        listed_at: Timestamp::UNIX_EPOCH,
        lists: Vec::new(),
        bytes: bytes.to_vec(),
    };
    batch.put_body(key(partition), Expect::Absent, body);
    batch
}

fn options() -> Options {
    Options { cache_bytes: CACHE, clock: Clock::System }
}

fn open(path: &Path) -> Store {
    Store::Sled(Arc::new(Sled::open(path, CACHE, Clock::System).expect("the store opens")))
}

async fn bytes_of(store: &Store, partition: u64) -> Result<Option<Vec<u8>>, Unavailable> {
    Ok(store.load(&[key(partition)]).await?.pop().flatten().map(|stored| stored.body.bytes))
}
