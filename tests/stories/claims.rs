//! Who works from the outbox acts under a lease that is fresh, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tillgate::workers::dispatch::Dispatch;
use tokio_util::sync::CancellationToken;

use super::retention::{deliver, shop};
use crate::world::{DEADLINE, created};

/// A process that was stopped between its claim and its act, and goes on after the lease, does not act: another may have the
/// message. Here each lease is over before anybody can act under it.
#[tokio::test]
async fn who_has_slept_over_the_lease_does_not_act() {
    for (lease, acts) in [(Duration::ZERO, false), (Duration::from_secs(60), true)] {
        let shop = shop();
        deliver(&shop, &created("H1")).await;
        let (claims, acted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let drain = CancellationToken::new();
        let dispatch = Dispatch {
            shop,
            lane: tillgate::notify::LANE,
            lease,
            at_once_max: 1,
            at_once_of_queue_max: 1,
            one_at_a_time: false,
        };
        let deliver = {
            let (claims, acted, drain) = (Arc::clone(&claims), Arc::clone(&acted), drain.clone());
            move |_| {
                // Three claims are enough to see.
                if claims.fetch_add(1, Ordering::SeqCst) == 2 || acts {
                    drain.cancel();
                }
                let acted = Arc::clone(&acted);
                async move {
                    acted.fetch_add(1, Ordering::SeqCst);
                    Duration::ZERO
                }
            }
        };
        tokio::time::timeout(DEADLINE, dispatch.run(deliver, drain)).await.expect("it ends");
        assert_eq!(acted.load(Ordering::SeqCst) > 0, acts, "a lease of {lease:?}");
    }
}
