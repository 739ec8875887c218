//! The leases of a store that one process owns.

use std::collections::{HashMap, HashSet};

use tillgate_kernel::Timestamp;
use tillgate_kernel::outbox::{
    Claim, Claimed, Delivery, DeliveryState, Lane, MessageId, Ordering, Ticket,
};
use tillgate_kernel::time::later;

use crate::place::Place;

/// The most waiting messages of one queue that a claim looks at to find one
/// that may be sent.
const QUEUE_LOOKAHEAD_MAX: usize = 256;

/// The leases of a store that one process owns.
#[derive(Debug, Default)]
pub struct Leases {
    held: HashMap<MessageId, (u64, Timestamp)>,
    last_fence: u64,
}

impl Leases {
    /// Whether `ticket` is of the latest claim of its message. A lease that has
    /// expired is still held as long as nobody else has claimed the message.
    pub fn holds(&self, ticket: Ticket) -> bool {
        self.held.get(&ticket.id).is_some_and(|&(fence, _)| fence == ticket.fence)
    }

    /// Leases a new message until `until`.
    pub fn grant(&mut self, ticket: Ticket, until: Timestamp) {
        self.held.insert(ticket.id, (ticket.fence, until));
    }

    /// Forgets the lease of a settled message.
    pub fn release(&mut self, ticket: Ticket) {
        self.held.remove(&ticket.id);
    }

    /// Chooses and leases messages that are due at `now`. `next` returns the
    /// first position of the index after another one; `read` returns a message
    /// by its id.
    pub fn claim<E: std::fmt::Display>(
        &mut self,
        claim: &Claim,
        now: Timestamp,
        next: impl Fn(&Place) -> Result<Option<Place>, E>,
        read: impl Fn(MessageId) -> Result<Option<Delivery>, E>,
    ) -> Result<Vec<Claimed>, E> {
        let mut turn = Turn { claim, now, claimed: Vec::new(), queues: HashSet::new() };
        let first = Place::start(claim.lane, false);
        let after = Place { queue: claim.after_queue.clone(), ..first.clone() }.end_of_queue();
        if !claim.after_queue.is_empty() {
            self.walk(&mut turn, after, &next, &read)?;
        }
        self.walk(&mut turn, first, &next, &read)?;
        Ok(turn.claimed)
    }

    /// Claims messages after `position`, to the end of the lane or to a queue
    /// that had its turn.
    fn walk<E: std::fmt::Display>(
        &mut self,
        turn: &mut Turn<'_>,
        mut position: Place,
        next: &impl Fn(&Place) -> Result<Option<Place>, E>,
        read: &impl Fn(MessageId) -> Result<Option<Delivery>, E>,
    ) -> Result<(), E> {
        let Turn { claim, now, claimed, queues } = turn;
        let (now, had_their_turn) = (*now, std::mem::take(queues));
        let (mut looked_at, mut claimed_of_queue, mut queue) = (0, 0, None);
        while claimed.len() < claim.limit {
            let Some(place) = next(&position)? else { break };
            if place.lane != claim.lane || place.dead {
                break;
            }
            if queue.as_ref() == Some(&place.queue) {
                looked_at += 1;
            } else {
                if had_their_turn.contains(&place.queue) {
                    break;
                }
                queues.insert(place.queue.clone());
                (looked_at, claimed_of_queue, queue) = (1, 0, Some(place.queue.clone()));
            }
            if place.due > now
                || looked_at > QUEUE_LOOKAHEAD_MAX
                || claim.paused_queues.contains(&place.queue)
            {
                position = place.end_of_queue();
                continue;
            }
            // A message that is retried has a later due time than its
            // successors, so it comes after them in the index. It is found
            // through those that wait for it.
            let head = readable(place.id, first_waiting(place.id, claim.lane, now, read));
            let may_go = |delivery: &Delivery| {
                let is_due = matches!(delivery.state, DeliveryState::Pending { due } if due <= now);
                let is_leased = self.held.get(&delivery.id).is_some_and(|&(_, until)| until > now);
                let queue_is_free = delivery.queue == place.queue
                    || !(claim.paused_queues.contains(&delivery.queue)
                        || claimed
                            .iter()
                            .any(|other: &Claimed| other.delivery.queue == delivery.queue));
                is_due && !is_leased && queue_is_free
            };
            let Some(delivery) = head.filter(may_go) else {
                position = place;
                continue;
            };
            self.last_fence += 1;
            let ticket = Ticket { id: delivery.id, fence: self.last_fence };
            self.held.insert(ticket.id, (ticket.fence, later(now, claim.lease)));
            let is_of_this_queue = delivery.queue == place.queue;
            claimed.push(Claimed { delivery, ticket, at: now });
            claimed_of_queue += usize::from(is_of_this_queue);
            let is_enough = claimed_of_queue >= claim.limit_of_queue;
            position = if is_enough { place.end_of_queue() } else { place };
        }
        Ok(())
    }
}

/// The work on one claim.
struct Turn<'a> {
    claim: &'a Claim,
    now: Timestamp,
    claimed: Vec<Claimed>,
    /// The queues that had their turn in this walk.
    queues: HashSet<String>,
}

/// A message, unless it is damaged: one damaged message must not stop all the
/// others.
fn readable<E: std::fmt::Display>(
    id: MessageId,
    found: Result<Option<Delivery>, E>,
) -> Option<Delivery> {
    found.unwrap_or_else(|why| {
        tracing::error!(message.id = %id, error = %why, "a message cannot be read and is skipped");
        None
    })
}

/// The message to send first at `now` among the waiting messages of the same
/// order and lane up to `id`. If each message waits for all earlier ones, it is
/// enough to walk back to one that does not wait.
fn first_waiting<E>(
    id: MessageId,
    lane: Lane,
    now: Timestamp,
    read: &impl Fn(MessageId) -> Result<Option<Delivery>, E>,
) -> Result<Option<Delivery>, E> {
    let is_waiting = |delivery: &Delivery| matches!(delivery.state, DeliveryState::Pending { .. });
    let is_put_off = |delivery: &Delivery| {
        lane.ordering() == Ordering::SkipsRetries
            && matches!(delivery.state, DeliveryState::Pending { due } if due > now)
    };
    let mut first = read(id)?.filter(is_waiting);
    if lane.ordering() == Ordering::None {
        return Ok(first);
    }
    for sequence in (1..id.sequence).rev() {
        match read(MessageId { sequence, ..id })? {
            Some(earlier) if earlier.lane != lane || is_put_off(&earlier) => {}
            Some(earlier) if is_waiting(&earlier) => first = Some(earlier),
            // In a lane that skips retries this one may have been sent before
            // an earlier one, so keep looking.
            Some(_) if lane.ordering() == Ordering::Strict => break,
            Some(_) | None => {}
        }
    }
    Ok(first)
}
