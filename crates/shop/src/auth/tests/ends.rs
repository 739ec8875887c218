//! What is past its time is deleted.

use tillgate_kernel::outbox::{Delivery, DeliveryState};
use tillgate_kernel::{DocKey, Document, Kind};
use tillgate_store::{Batch, Scan};

use super::*;
use crate::stored::swept;
use crate::sweeper::Sweeper;

async fn count(world: &World, kind: Kind) -> usize {
    keys(world, kind).await.len()
}

async fn keys(world: &World, kind: Kind) -> Vec<DocKey> {
    let mut keys = Vec::new();
    for partition in world.store.partitions(None, 1000).await.expect("partitions") {
        let page = world.store.scan(&Scan::Whole { partition }).await.expect("documents");
        keys.extend(page.items.iter().map(|(key, _)| *key).filter(|key| key.kind == kind));
    }
    keys
}

/// As an operator does.
async fn drop_a_message(world: &World) {
    let key = keys(world, Delivery::KIND).await[0];
    let message = world.store.read::<Delivery>(key).await.expect("read").expect("a message");
    let now = world.clock.now();
    let state = DeliveryState::Dropped { at: now };
    let mut dropped = message.replaced(Delivery { state, ..(*message).clone() });
    dropped.list_at(now);
    let mut batch = Batch::new();
    dropped.stage_at(key, &mut batch);
    world.store.commit(batch).await.expect("dropped");
}

#[tokio::test]
async fn sessions_attempts_links_and_messages_are_deleted_after_their_time() {
    use crate::auth::{limits::Attempts, link::Link, login_name::LoginName, session::Session};

    let world = World::new();
    let mut owner = world.browser();
    assert_eq!(owner.post("/register", &anna()).await.status, StatusCode::OK);
    assert_eq!(world.browser().log_in("buyer7", "неверный пароль").await.status, 401);
    assert_eq!(world.letters_to("anna@example.org").await.len(), 1);
    let (store, clock) = (world.store.clone(), world.clock.clone());
    let sweeper = Sweeper { store, clock, swept: swept() };
    let day = Duration::from_secs(24 * 3600);
    let kinds = [Session::KIND, Attempts::KIND, Link::KIND, Delivery::KIND];
    let counts = async || {
        let mut counts = Vec::new();
        for kind in kinds {
            counts.push(count(&world, kind).await);
        }
        counts
    };
    // Attempts: of the registration's network, of the name, of its network, of
    // the address that gets a letter.
    // Messages: the contacts for two services that are not here. Those that
    // were taken are deleted at once.
    drop_a_message(&world).await;
    assert_eq!(counts().await, [1, 4, 1, 2]);
    sweeper.sweep_now().await;
    assert_eq!(counts().await, [1, 4, 1, 2], "nothing is past its time");
    world.clock.advance(day * 2);
    sweeper.sweep_now().await;
    assert_eq!(counts().await, [1, 0, 1, 2]);
    world.clock.advance(day);
    sweeper.sweep_now().await;
    assert_eq!(counts().await, [1, 0, 0, 2], "the link has ended");
    world.clock.advance(day * 4);
    sweeper.sweep_now().await;
    assert_eq!(counts().await, [1, 0, 0, 1], "the dropped message is gone");
    assert_eq!(owner.get("/auth").await.status, StatusCode::OK);
    world.clock.advance(day * 83);
    sweeper.sweep_now().await;
    assert_eq!(counts().await, [0, 0, 0, 1], "one was not taken");
    assert_eq!(count(&world, Client::KIND).await, 1, "the client stays");
    assert_eq!(count(&world, LoginName::KIND).await, 2);
}
