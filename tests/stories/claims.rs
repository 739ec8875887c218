//! A worker acts on a message only while it has the lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tillgate::store::dispatch::Dispatch;
use tokio_util::sync::CancellationToken;

use super::retention::{deliver, services};
use crate::world::{DEADLINE, created};

/// A process that is stopped between its claim and its action, and continues
/// after the lease has expired, does not act, as another process may have the
/// message. Here each lease expires before anybody can act on it.
#[tokio::test]
async fn a_worker_that_slept_past_its_lease_does_not_act() {
    for (lease, acts) in [(Duration::ZERO, false), (Duration::from_secs(60), true)] {
        let services = services();
        deliver(&services, &created("H1")).await;
        let (claims, acted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let drain = CancellationToken::new();
        let dispatch = Dispatch {
            store: services.store.clone(),
            lane: tillgate::notify::LANE,
            lease,
            at_once_max: 1,
            at_once_of_queue_max: 1,
            one_at_a_time: false,
            takes_new: false,
        };
        let deliver = {
            let (claims, acted, drain) = (Arc::clone(&claims), Arc::clone(&acted), drain.clone());
            move |_| {
                // Three claims are enough to show it.
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
