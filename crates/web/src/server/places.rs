//! Limits on open connections, and the choice of the connection to close when
//! another one needs its place.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use ipnet::IpNet;
use rustix::process::{Resource, getrlimit};
use tokio::sync::Notify;

use crate::Seldom;
use tillgate_kernel::Stopwatch;

/// The maximum number of open connections, if there are enough file
/// descriptors. Further connections wait to be accepted.
const CONNECTIONS_MAX: usize = 4096;

/// File descriptors reserved for outgoing connections, the store and the log.
const DESCRIPTORS_KEPT: usize = 128;

/// How long to wait for a free place before another idle connection is asked to
/// close.
const ROOM_PAUSE: Duration = Duration::from_millis(20);

/// Limits of a server's connections.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The maximum number of connections of all peers together.
    pub connections_max: usize,
    /// The maximum number of connections per address, or per /64 network of
    /// IPv6.
    pub per_address_max: usize,
    /// Networks without a limit per address, because many peers share an
    /// address there: proxies. Loopback is always exempt.
    pub exempt: Vec<IpNet>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: connections_max(),
            per_address_max: usize::MAX,
            exempt: Vec::new(),
        }
    }
}

/// The number of connections that the process' limit of file descriptors
/// allows.
fn connections_max() -> usize {
    let descriptors =
        getrlimit(Resource::Nofile).current.and_then(|most| usize::try_from(most).ok());
    let left = descriptors.map_or(CONNECTIONS_MAX, |most| most.saturating_sub(DESCRIPTORS_KEPT));
    // A process with a very low limit still gets a minimum of connections.
    left.clamp(16, CONNECTIONS_MAX)
}

/// The open connections of a server, and their limits.
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
    seats: HashMap<u64, Arc<OpenConnection>>,
    by_address: HashMap<IpAddr, usize>,
}

/// The state of a connection that the server needs to choose which one to
/// close.
#[derive(Debug)]
struct OpenConnection {
    /// The address that it counts for. `None` if it is not limited.
    address: Option<IpAddr>,
    has_spoken: AtomicBool,
    /// When it last became idle, in milliseconds since the server started;
    /// [`BUSY`] while it has a request.
    idle_since: AtomicU64,
    /// What it was asked for: one of the constants below.
    asked: AtomicU8,
    waker: AtomicWaker,
}

/// Nothing.
const STAY: u8 = 0;
/// To make room for another connection.
const MAKE_ROOM: u8 = 1;
/// To end, because the server does.
const END: u8 = 2;

impl OpenConnection {
    fn ask(&self, what: u8) {
        self.asked.fetch_max(what, Ordering::AcqRel);
        self.waker.wake();
    }
}

const BUSY: u64 = u64::MAX;

/// The place of one connection. Dropping it frees the place.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    seat: Arc<OpenConnection>,
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

    /// Waits until a connection can be accepted. If all places are taken, a
    /// connection without a request is asked to close.
    pub async fn wait_for_one(&self) {
        loop {
            let freed = self.freed.notified();
            {
                let taken = self.taken();
                if taken.seats.len() < self.limits.connections_max {
                    return;
                }
                if let Some(seat) = least_needed(&taken) {
                    seat.ask(MAKE_ROOM);
                    refused("idle");
                }
            }
            let _ = tokio::time::timeout(ROOM_PAUSE, freed).await; // checks again in either case
        }
    }

    /// Takes a place for a connection of `peer`. `None` if its address already
    /// has the maximum number of connections.
    pub fn take(self: &Arc<Places>, peer: Option<IpAddr>) -> Option<Place> {
        let address = peer.and_then(|peer| self.counted(peer));
        let mut taken = self.taken();
        if let Some(address) = address {
            let open = taken.by_address.entry(address).or_default();
            if *open >= self.limits.per_address_max {
                drop(taken);
                refused("address");
                if let Some(times) = self.refused.due_times() {
                    let most = self.limits.per_address_max;
                    tracing::warn!(%address, times, connections_per_address_max = most,
                        "connections refused: this address has reached its limit");
                }
                return None;
            }
            *open += 1;
        }
        let number = taken.next;
        taken.next += 1;
        let seat = Arc::new(OpenConnection {
            address,
            has_spoken: AtomicBool::new(false),
            idle_since: AtomicU64::new(self.now()),
            asked: AtomicU8::new(STAY),
            waker: AtomicWaker::new(),
        });
        taken.seats.insert(number, Arc::clone(&seat));
        Some(Place { places: Arc::clone(self), number, seat })
    }

    /// Asks all connections to end after the request in progress.
    pub fn end_all(&self) {
        self.taken().seats.values().for_each(|seat| seat.ask(END));
    }

    /// The address that a connection of `peer` counts for. `None` if it is
    /// exempt.
    fn counted(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        let is_exempt =
            peer.is_loopback() || self.limits.exempt.iter().any(|network| network.contains(&peer));
        (!is_exempt).then(|| match peer {
            IpAddr::V4(_) => peer,
            // One subscriber has at least a /64 network.
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
            }
        })
    }
}

/// The connection to close: the one that has waited longest for its first
/// request, or, if all have had one, for the next request. A proxy's connection
/// that has had a request is never chosen: what the proxy sends while the
/// connection is being closed would be lost.
fn least_needed(taken: &Taken) -> Option<&Arc<OpenConnection>> {
    let rank = |seat: &&Arc<OpenConnection>| {
        (seat.has_spoken.load(Ordering::Relaxed), seat.idle_since.load(Ordering::Relaxed))
    };
    let may_go = |seat: &&Arc<OpenConnection>| {
        let (has_spoken, idle_since) = rank(seat);
        idle_since != BUSY
            && seat.asked.load(Ordering::Acquire) == STAY
            && (!has_spoken || seat.address.is_some())
    };
    taken.seats.values().filter(may_go).min_by_key(rank)
}

impl Place {
    /// A request has arrived.
    pub fn begins_request(&self) {
        self.seat.has_spoken.store(true, Ordering::Relaxed);
        self.seat.idle_since.store(BUSY, Ordering::Relaxed);
    }

    /// The request is answered.
    pub fn ends_request(&self) {
        self.seat.idle_since.store(self.places.now(), Ordering::Relaxed);
    }

    /// Whether any request has ever arrived.
    pub fn has_spoken(&self) -> bool {
        self.seat.has_spoken.load(Ordering::Relaxed)
    }

    /// Ready when the connection should close: because the server ends, or to
    /// make room for another.
    pub fn poll_wanted(&self, context: &mut Context<'_>) -> Poll<()> {
        self.seat.waker.register(context.waker());
        if self.seat.asked.load(Ordering::Acquire) == STAY {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// Whether the server waits for the connection to end.
    pub fn is_ending(&self) -> bool {
        self.seat.asked.load(Ordering::Acquire) == END
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

/// Counts a connection that was refused, or was closed to make room for
/// another.
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
    fn an_address_cannot_exceed_its_limit() {
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
    async fn a_silent_connection_is_closed_to_make_room() {
        let places = places(2, 2);
        let of_proxy = places.take(peer("10.1.2.3")).expect("a place");
        of_proxy.begins_request();
        of_proxy.ends_request();
        let silent = places.take(peer("127.0.0.1")).expect("a place");
        let waiting = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.wait_for_one().await }
        });
        std::future::poll_fn(|context| silent.poll_wanted(context)).await;
        drop(silent);
        waiting.await.expect("there is room");
        // No connection is left that may be closed.
        let busy = places.take(peer("203.0.113.9")).expect("a place");
        busy.begins_request();
        assert!(least_needed(&places.taken()).is_none());
    }
}
