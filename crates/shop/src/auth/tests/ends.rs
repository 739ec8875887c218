//! What is past its time is deleted.

use tillgate_kernel::outbox::Delivery;
use tillgate_kernel::{Document, Kind};
use tillgate_store::Scan;

use super::*;
use crate::stored::swept;
use crate::sweeper::Sweeper;

async fn count(world: &World, kind: Kind) -> usize {
    let mut count = 0;
    for partition in world.store.partitions(None, 1000).await.expect("partitions") {
        let page = world.store.scan(&Scan::Whole { partition }).await.expect("documents");
        count += page.items.iter().filter(|(key, _)| key.kind == kind).count();
    }
    count
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
    // Messages: the contacts for three services, of which two are not here; the
    // task, and its letter, as it is taken twice.
    assert_eq!(counts().await, [1, 4, 1, 6]);
    sweeper.sweep_now().await;
    assert_eq!(counts().await, [1, 4, 1, 6], "nothing is past its time");
    world.clock.advance(day * 2);
    sweeper.sweep_now().await;
    assert_eq!(counts().await, [1, 0, 1, 6]);
    world.clock.advance(day);
    sweeper.sweep_now().await;
    assert_eq!(counts().await, [1, 0, 0, 6], "the link has ended");
    world.clock.advance(day * 4);
    sweeper.sweep_now().await;
    assert_eq!(counts().await, [1, 0, 0, 2], "two have not been taken");
    assert_eq!(owner.get("/auth").await.status, StatusCode::OK);
    world.clock.advance(day * 83);
    sweeper.sweep_now().await;
    assert_eq!(counts().await, [0, 0, 0, 2]);
    assert_eq!(count(&world, Client::KIND).await, 1, "the client stays");
    assert_eq!(count(&world, LoginName::KIND).await, 2);
}
