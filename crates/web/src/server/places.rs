//! Who may hold how many connections, and whose is closed when another one needs the place.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use rustix::process::{Resource, getrlimit};
use tokio::sync::Notify;

use crate::Seldom;
use tillgate_kernel::Stopwatch;

/// Connections that are open at the same time, if there are descriptors for them; more wait to be accepted.
const CONNECTIONS_MAX: usize = 4096;

/// Descriptors that connections of ours, the store and the log always find.
const DESCRIPTORS_KEPT: usize = 128;

/// How long one waits for a place to become free before another idle connection is asked to make room.
const ROOM_PAUSE: Duration = Duration::from_millis(20);

/// Limits of a server's connections.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections of all peers together.
    pub connections_max: usize,
    /// Connections of one address, or of one /64 network of IPv6 addresses.
    pub per_address_max: usize,
    /// Networks of which many peers come by one address: proxies. Loopback is always among them.
    pub exempt: Vec<IpNet>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { connections_max: connections_max(), per_address_max: usize::MAX, exempt: Vec::new() }
    }
}

/// What the process' limit of descriptors leaves for connections.
fn connections_max() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.and_then(|most| usize::try_from(most).ok());
    let left = descriptors.map_or(CONNECTIONS_MAX, |most| most.saturating_sub(DESCRIPTORS_KEPT));
    // Whoever starts us with next to none gets what there is.
    left.clamp(16, CONNECTIONS_MAX)
}

/// The places of a server.
#[derive(Debug)]
pub(super) struct Places {
    limits: Limits,
    began: Stopwatch,
    taken: Mutex<Taken>,
    freed: Notify,
    refused: Seldom,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    seats: HashMap<u64, Arc<Seat>>,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection, as far as others need to know it.
#[derive(Debug)]
struct Seat {
    /// What it counts for; None where that is not limited.
    address: Option<IpAddr>,
    has_spoken: AtomicBool,
    /// Since when it has no request, in milliseconds since the server began; [`BUSY`] while it has one.
    idle_since: AtomicU64,
    wanted: Notify,
    /// It was asked to make room.
    asked: AtomicBool,
}

const BUSY: u64 = u64::MAX;

/// One connection's place. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    seat: Arc<Seat>,
}

impl Places {
    pub fn new(limits: Limits) -> Arc<Places> {
        Arc::new(Places {
            limits,
            began: Stopwatch::start(),
            taken: Mutex::default(),
            freed: Notify::new(),
            refused: Seldom::default(),
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(BUSY - 1)
    }

    /// Waits until a connection can be accepted. When all places are taken, one that sends no request makes room.
    pub async fn wait_for_one(&self) {
        loop {
            let freed = self.freed.notified();
            {
                let taken = self.taken();
                if taken.seats.len() < self.limits.connections_max {
                    return;
                }
                if let Some(seat) = least_needed(&taken) {
                    seat.asked.store(true, Ordering::Relaxed);
                    seat.wanted.notify_one();
                    refused("idle");
                }
            }
            let _ = tokio::time::timeout(ROOM_PAUSE, freed).await; // looked at again either way
        }
    }

    /// A place for a connection of `peer`; None if that has its share already.
    pub fn take(self: &Arc<Places>, peer: Option<IpAddr>) -> Option<Place> {
        let address = peer.and_then(|peer| self.counted(peer));
        let mut taken = self.taken();
        if let Some(address) = address {
            let open = taken.by_address.entry(address).or_default();
            if *open >= self.limits.per_address_max {
                drop(taken);
                refused("address");
                if let Some(times) = self.refused.tells() {
                    let most = self.limits.per_address_max;
                    tracing::warn!(%address, times, connections_per_address_max = most,
                        "connections were refused: an address has as many as it may have");
                }
                return None;
            }
            *open += 1;
        }
        let number = taken.next;
        taken.next += 1;
        let seat = Arc::new(Seat {
            address,
            has_spoken: AtomicBool::new(false),
            idle_since: AtomicU64::new(self.now()),
            wanted: Notify::new(),
            asked: AtomicBool::new(false),
        });
        taken.seats.insert(number, Arc::clone(&seat));
        Some(Place { places: Arc::clone(self), number, seat })
    }

    /// What a connection of `peer` counts for.
    fn counted(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        let is_exempt =
            peer.is_loopback() || self.limits.exempt.iter().any(|network| network.contains(&peer));
        (!is_exempt).then(|| match peer {
            IpAddr::V4(_) => peer,
            // One subscriber has at least so many.
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        })
    }
}

/// The connection that has waited longest for its first request, or, if all have had one, for another. A proxy's that has
/// had one is never among them: what it sends on a connection that is being closed would be lost.
fn least_needed(taken: &Taken) -> Option<&Arc<Seat>> {
    let rank = |seat: &&Arc<Seat>| {
        (seat.has_spoken.load(Ordering::Relaxed), seat.idle_since.load(Ordering::Relaxed))
    };
    let may_go = |seat: &&Arc<Seat>| {
        let (has_spoken, idle_since) = rank(seat);
        idle_since != BUSY && !seat.asked.load(Ordering::Relaxed) && (!has_spoken || seat.address.is_some())
    };
    taken.seats.values().filter(may_go).min_by_key(rank)
}

impl Place {
    /// A request has come.
    pub fn begins_request(&self) {
        self.seat.has_spoken.store(true, Ordering::Relaxed);
        self.seat.idle_since.store(BUSY, Ordering::Relaxed);
    }

    /// It is answered.
    pub fn ends_request(&self) {
        self.seat.idle_since.store(self.places.now(), Ordering::Relaxed);
    }

    /// A request has ever come.
    pub fn has_spoken(&self) -> bool {
        self.seat.has_spoken.load(Ordering::Relaxed)
    }

    /// Returns when somebody else needs the place more.
    pub async fn wanted(&self) {
        self.seat.wanted.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.seats.remove(&self.number);
        if let Some(address) = self.seat.address
            && let Some(open) = taken.by_address.get_mut(&address)
        {
            *open -= 1;
            if *open == 0 {
                taken.by_address.remove(&address);
            }
        }
        drop(taken);
        self.places.freed.notify_one();
    }
}

/// Counts a connection that was not let in, or was closed to make room for another.
fn refused(reason: &'static str) {
    metrics::counter!("tillgate_connections_refused_total", "reason" => reason).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(connections_max: usize, per_address_max: usize) -> Arc<Places> {
        let exempt = vec!["10.0.0.0/8".parse().expect("a network")];
        Places::new(Limits { connections_max, per_address_max, exempt })
    }

    fn peer(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn an_address_has_its_share_and_no_more() {
        let places = places(100, 2);
        for (held, other) in [("203.0.113.9", "203.0.113.10"), ("2001:db8::1", "2001:db8:0:1::1")] {
            let first = places.take(peer(held)).expect("a place");
            let _second = places.take(peer(held)).expect("a place");
            assert!(places.take(peer(held)).is_none(), "{held}");
            assert!(places.take(peer(other)).is_some(), "{other}");
            drop(first);
            assert!(places.take(peer(held)).is_some(), "{held} after one has gone");
        }
        let _one = places.take(peer("2001:db8:0:7::1")).expect("a place");
        let _two = places.take(peer("2001:db8:0:7:ffff::2")).expect("a place");
        assert!(places.take(peer("2001:db8:0:7::3")).is_none(), "a /64 counts as one");
        let proxies = ["127.0.0.1", "::1", "10.1.2.3", "::ffff:10.1.2.3"].map(peer);
        let held: Vec<_> = proxies
            .iter()
            .chain(&[None])
            .flat_map(|proxy| (0..5).map(|_| places.take(*proxy).expect("a place for a proxy")))
            .collect();
        assert_eq!(held.len(), 25);
    }

    #[tokio::test]
    async fn the_one_that_says_nothing_makes_room() {
        let places = places(2, 2);
        let of_proxy = places.take(peer("10.1.2.3")).expect("a place");
        of_proxy.begins_request();
        of_proxy.ends_request();
        let silent = places.take(peer("127.0.0.1")).expect("a place");
        let waiting = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.wait_for_one().await }
        });
        silent.wanted().await;
        drop(silent);
        waiting.await.expect("there is room");
        // Nobody is left who may be sent away.
        let busy = places.take(peer("203.0.113.9")).expect("a place");
        busy.begins_request();
        assert!(least_needed(&places.taken()).is_none());
    }
}
