//! Claims: which message may be sent next, and who has it for how long.
//!
//! A look at the queues is only a hint. What counts is the update of the row of
//! one message: it succeeds for one claimer, and skips a row that another
//! transaction has locked. It writes a fence that nobody else has had, and a
//! settlement must present it: a node that was paused and resumes after its
//! lease has ended cannot write. Leases run on the database's clock, because
//! the nodes' clocks may differ by more than a lease. Due times use the
//! database's clock too: a message that is to be sent at once is sent at once,
//! even if a node's clock is wrong.

use std::sync::{Mutex, PoisonError};

use tokio_postgres::Row;

use super::Postgres;
use super::codec::{signed, unsigned};
use super::reader::{self, query, query_once};
use crate::{ReadTrust, Unavailable};
use tillgate_kernel::Timestamp;
use tillgate_kernel::chance::random_bytes;
use tillgate_kernel::outbox::Ordering;
use tillgate_kernel::outbox::message_key;
use tillgate_kernel::outbox::{Claim, Claimed, Delivery, Ticket};
use tillgate_kernel::outbox::{Lane, MessageId};
use tillgate_kernel::time::from_micros;

/// The most due messages of one queue that a claim looks at to find one that
/// may be sent.
const QUEUE_LOOKAHEAD_MAX: i64 = 64;

/// The most queues that one claim looks at.
const QUEUES_MAX: usize = 10_000;

/// Leases that may have been taken, but under which nobody works. Their
/// messages would wait until the lease ends.
#[derive(Debug, Default)]
pub struct OrphanedLeases(Mutex<Vec<Ticket>>);

/// The most orphaned leases that are remembered.
const ORPHANS_MAX: usize = 1000;

impl OrphanedLeases {
    fn add(&self, ticket: Ticket) {
        let mut orphans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if orphans.len() < ORPHANS_MAX {
            orphans.push(ticket);
        }
    }

    /// Releases the leases, if they were taken and nobody else has claimed the
    /// messages since.
    async fn give_back(&self, store: &Postgres) -> Result<(), Unavailable> {
        let orphans = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if orphans.is_empty() {
            return Ok(());
        }
        let text = "UPDATE tillgate.outbox o SET leased_until = 0 \
                    WHERE (o.partition, o.sequence) IN ( \
                        SELECT m.partition, m.sequence FROM tillgate.outbox m \
                        JOIN unnest($1::bigint[], $2::bigint[], $3::bigint[]) \
                        AS l (partition, sequence, fence) \
                        ON m.partition = l.partition AND m.sequence = l.sequence \
                        AND m.fence = l.fence \
                        FOR UPDATE OF m SKIP LOCKED)";
        let partitions: Vec<i64> = orphans.iter().map(|ticket| signed(ticket.id.subject)).collect();
        let sequences: Vec<i64> =
            orphans.iter().map(|ticket| i64::from(ticket.id.sequence)).collect();
        let fences: Vec<i64> = orphans.iter().map(|ticket| ticket.fence.cast_signed()).collect();
        let given = query(&store.slow, text, &[&partitions, &sequences, &fences]).await;
        if given.is_err() {
            orphans.into_iter().for_each(|ticket| self.add(ticket));
        }
        given.map(drop)
    }
}

pub async fn claim(store: &Postgres, claim: &Claim) -> Result<Vec<Claimed>, Unavailable> {
    if let Err(why) = store.orphans.give_back(store).await {
        tracing::warn!(
            error = %why,
            "leases of failed claims could not be released; will retry with the next claim"
        );
    }
    let mut claimed = Vec::new();
    match claim_into(store, claim, &mut claimed).await {
        // Messages that are already claimed are processed, even if claiming
        // failed later.
        Err(why) if claimed.is_empty() => Err(why),
        Ok(()) | Err(_) => Ok(claimed),
    }
}

async fn claim_into(
    store: &Postgres,
    claim: &Claim,
    claimed: &mut Vec<Claimed>,
) -> Result<(), Unavailable> {
    let lane = i16::from(claim.lane.byte());
    let mut last = String::new();
    for _ in 0..QUEUES_MAX {
        if claimed.len() >= claim.limit {
            break;
        }
        // No queue has an empty name.
        let text = "SELECT queue FROM tillgate.outbox WHERE lane = $1 AND state = 0 AND queue > $2 \
                    ORDER BY lane, state, queue LIMIT 1";
        let found = query(&store.slow, text, &[&lane, &last]).await?;
        let Some(queue) = found.first().map(|row| row.get::<_, String>(0)) else { break };
        last.clone_from(&queue);
        if !claim.paused_queues.contains(&queue) {
            claimed.extend(claim_of_queue(store, claim, &queue, claimed).await?);
        }
    }
    Ok(())
}

/// Claims a message of a queue, or an earlier message of the same order that it
/// waits for.
async fn claim_of_queue(
    store: &Postgres,
    claim: &Claim,
    queue: &str,
    claimed: &[Claimed],
) -> Result<Option<Claimed>, Unavailable> {
    let (lane, now) = (i16::from(claim.lane.byte()), store.time.of_a_test());
    let text = "SELECT partition, sequence FROM tillgate.outbox \
                WHERE lane = $1 AND state = 0 AND queue = $2 \
                AND due <= coalesce($3, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) \
                AND leased_until <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint \
                ORDER BY due, partition, sequence LIMIT $4";
    let due = query(&store.slow, text, &[&lane, &queue, &now, &QUEUE_LOOKAHEAD_MAX]).await?;
    for row in due {
        let Some(id) = message_of(&row) else { continue };
        // Messages of one order are sent in order. An earlier message, which
        // may be due later or be in another queue, is found through those that
        // wait for it.
        let head = match claim.lane.ordering() {
            Ordering::Strict => head_of(store, id, claim.lane, Some(i64::MAX)).await?,
            Ordering::SkipsRetries => head_of(store, id, claim.lane, now).await?,
            Ordering::None => Some((id, queue.to_owned())),
        };
        let Some((head, head_queue)) = head else { continue };
        let is_free = head_queue == queue
            || !(claim.paused_queues.contains(&head_queue)
                || claimed.iter().any(|other| other.delivery.queue == head_queue));
        if is_free && let Some((ticket, at)) = lease(store, claim, head).await? {
            match delivery(store, head).await {
                Ok(Some(delivery)) => return Ok(Some(Claimed { delivery, ticket, at })),
                Ok(None) => {}
                Err(why @ Unavailable::Unreachable(_)) => {
                    store.orphans.add(ticket);
                    return Err(why);
                }
                Err(why) => {
                    // One damaged message must not stop all the others.
                    tracing::error!(
                        message.id = %head,
                        error = %why,
                        "a message cannot be read and is skipped"
                    );
                }
            }
        }
    }
    Ok(None)
}

pub fn message_of(row: &Row) -> Option<MessageId> {
    Some(MessageId {
        subject: unsigned(row.get(0)),
        sequence: u32::try_from(row.get::<_, i64>(1)).ok()?,
    })
}

/// The first pending message of an order in a lane that is due at `now`, or by
/// the database's clock if that is none, with its queue.
async fn head_of(
    store: &Postgres,
    id: MessageId,
    lane: Lane,
    now: Option<i64>,
) -> Result<Option<(MessageId, String)>, Unavailable> {
    let text = "SELECT partition, sequence, queue FROM tillgate.outbox \
                WHERE partition = $1 AND lane = $2 AND state = 0 \
                AND due <= coalesce($3, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) \
                ORDER BY sequence LIMIT 1";
    let lane = i16::from(lane.byte());
    let found = query(&store.slow, text, &[&signed(id.subject), &lane, &now]).await?;
    Ok(found.first().and_then(|row| Some((message_of(row)?, row.get(2)))))
}

/// Leases a message, unless it is not due, another worker has it, or another
/// transaction has locked it.
async fn lease(
    store: &Postgres,
    claim: &Claim,
    id: MessageId,
) -> Result<Option<(Ticket, Timestamp)>, Unavailable> {
    let fence = (u64::from_be_bytes(random_bytes()) >> 1).max(1); // 0 means not leased
    let lease = i64::try_from(claim.lease.as_micros()).unwrap_or(i64::MAX);
    let text = "UPDATE tillgate.outbox SET fence = $4, \
                leased_until = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $5 \
                WHERE partition = $1 AND sequence IN ( \
                    SELECT sequence FROM tillgate.outbox \
                    WHERE partition = $1 AND sequence = $2 AND state = 0 \
                    AND due <= coalesce($3, \
                        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) \
                    AND leased_until <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint \
                    FOR UPDATE SKIP LOCKED) \
                RETURNING coalesce($3, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)";
    let (number, sequence) = (signed(id.subject), i64::from(id.sequence));
    let now = store.time.of_a_test();
    // Do not retry: a second attempt could not distinguish the success of the
    // first from that of another worker. A lease that may have been taken is
    // released later.
    let taken =
        query_once(&store.slow, text, &[&number, &sequence, &now, &fence.cast_signed(), &lease])
            .await;
    let taken = taken.inspect_err(|_| store.orphans.add(Ticket { id, fence }))?;
    Ok(taken.first().map(|row| (Ticket { id, fence }, from_micros(row.get(0)))))
}

async fn delivery(store: &Postgres, id: MessageId) -> Result<Option<Delivery>, Unavailable> {
    let key = message_key(id);
    let found = reader::with_page(store, key.partition, ReadTrust::Hint, |page| {
        reader::documents(store, page, std::slice::from_ref(&key))
    });
    let stored = found.await?.pop().flatten();
    Ok(stored.map(|stored| stored.document()).transpose()?)
}
