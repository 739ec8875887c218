//! New messages that commits hand to a worker of their process.

use tokio::sync::Semaphore;

use super::*;
use crate::workers::{Handover, NewMessages};

/// A message of a lane without an order.
fn free(order: u64, sequence: u32) -> Message {
    Message { lane: FREE, ..message(order, sequence, "bank", 1) }
}

fn claim_of_free(store: &Stage) -> Claim {
    Claim { lane: FREE, limit_of_queue: 10, ..store.claim_at(10) }
}

/// A worker for two messages at once.
fn worker(store: &Stage, lease: Duration) -> (NewMessages, Arc<Semaphore>) {
    let slots = Arc::new(Semaphore::new(2));
    (store.take_new(FREE, lease, Arc::clone(&slots)).expect("no other worker"), slots)
}

async fn next(new: &mut NewMessages) -> Handover {
    let next = tokio::time::timeout(seconds(10), new.next()).await;
    next.expect("handed over in time").expect("the worker takes messages")
}

pub(super) async fn a_worker_is_handed_new_messages_until_it_is_full(store: Stage) {
    let (mut new, slots) = worker(&store, seconds(60));
    assert!(store.take_new(FREE, seconds(60), Arc::clone(&slots)).is_none(), "there is one");
    let mut wakeups = store.outbox_wakeups(FREE);
    store.commit(send([free(1, 1)])).await.expect("committed");
    let first = next(&mut new).await;
    assert_eq!(first.claimed.delivery.body, "message 1 of 1");
    assert!(!wakeups.has_changed().expect("the store is there"), "nothing is left to claim");
    let later = Message { wait: seconds(60), ..free(1, 2) };
    let ordered = message(1, 3, "chat", 1);
    store.commit(send([later, ordered, free(2, 1), free(3, 1)])).await.expect("committed");
    let second = next(&mut new).await;
    assert_eq!(second.claimed.delivery.id.to_string(), id(2, 1));
    // It had no slot for the third.
    let woken = tokio::time::timeout(seconds(10), wakeups.changed()).await;
    assert!(woken.is_ok(), "it is to be claimed");
    let claim = claim_of_free(&store);
    assert_eq!(claimed(&store, &claim).await, [id(3, 1)]);
    let mut batch = Batch::new();
    batch.settle(second.claimed.ticket, Settlement::Sent);
    store.commit(batch.clone()).await.expect("it has the lease");
    assert_eq!(store.commit(batch).await, Err(CommitError::LostLease));
    drop(second.slot);
    store.commit(send([free(4, 1)])).await.expect("committed");
    assert_eq!(next(&mut new).await.claimed.delivery.id.to_string(), id(4, 1));
}

pub(super) async fn what_is_not_written_is_not_handed_over(store: Stage) {
    let (mut new, slots) = worker(&store, seconds(60));
    let mut batch = put(key(1), Expect::At(12_345), "stale");
    batch.send(free(1, 1));
    assert_eq!(store.commit(batch).await, Err(CommitError::Conflict));
    store.commit(send([free(2, 1)])).await.expect("committed");
    let first = next(&mut new).await;
    assert_eq!(first.claimed.delivery.id.to_string(), id(2, 1));
    store.commit(send([free(2, 1)])).await.expect("it is there already");
    store.commit(send([free(3, 1)])).await.expect("committed");
    assert_eq!(next(&mut new).await.claimed.delivery.id.to_string(), id(3, 1));
    drop(first);
    let slot = tokio::time::timeout(seconds(10), slots.acquire()).await;
    assert!(slot.is_ok(), "no slot is lost");
}

pub(super) async fn a_message_that_was_handed_over_can_be_claimed_when_its_lease_has_ended(
    store: Stage,
) {
    let (mut new, _slots) = worker(&store, Duration::ZERO);
    let mut batch = put(key(1), Expect::Absent, "sent with it");
    batch.send(free(1, 1));
    store.commit(batch).await.expect("committed");
    let late = next(&mut new).await.claimed;
    let claim = claim_of_free(&store);
    let again = store.claim(&claim).await.expect("a store that answers").remove(0);
    assert_eq!(again.delivery.id, late.delivery.id);
    let mut batch = Batch::new();
    batch.settle(late.ticket, Settlement::Sent);
    assert_eq!(store.commit(batch).await, Err(CommitError::LostLease));
    new.end();
    store.commit(send([free(2, 1)])).await.expect("committed");
    assert!(new.next().await.is_none(), "it takes nothing more");
    assert_eq!(claimed(&store, &claim).await, [id(2, 1)]);
}
