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

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Postgres;
use super::codec::{signed, unsigned};
use super::reader::{self, query, query_once};
use crate::batch::Batch;
use crate::{ReadTrust, Unavailable};
use tillgate_kernel::Timestamp;
use tillgate_kernel::outbox::MessageId;
use tillgate_kernel::outbox::Ordering;
use tillgate_kernel::outbox::message_key;
use tillgate_kernel::outbox::{Claim, Claimed, Delivery, Ticket};
use tillgate_kernel::time::from_micros;

/// The most due messages of one queue that a claim looks at to find one that
/// may be sent.
const QUEUE_LOOKAHEAD_MAX: i64 = 64;

/// Leases that may have been taken, but under which nobody works. Their
/// messages would wait until the lease ends.
#[derive(Debug, Default)]
pub struct OrphanedLeases(Mutex<Vec<Ticket>>);

/// The most orphaned leases that are remembered.
const ORPHANS_MAX: usize = 1000;

impl OrphanedLeases {
    /// Adds the leases of a batch that may have been committed.
    pub fn add_all(&self, batch: &Batch) {
        batch.leases.iter().for_each(|lease| self.add(lease.ticket));
    }

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
    let candidates = candidates(store, claim).await?;
    let (mut ids, mut queues) = (Vec::new(), HashMap::<String, usize>::new());
    for (id, queue) in candidates {
        if ids.len() < claim.limit && !claim.paused_queues.contains(&queue) && !ids.contains(&id) {
            let of_queue = queues.entry(queue).or_default();
            if *of_queue < claim.limit_of_queue {
                *of_queue += 1;
                ids.push(id);
            }
        }
    }
    let leased = lease(store, claim, &ids).await?;
    let read = leased.iter().map(|(ticket, _)| delivery(store, ticket.id));
    let read = futures_util::future::join_all(read).await;
    let mut unreachable = None;
    for ((ticket, at), read) in leased.into_iter().zip(read) {
        match read {
            Ok(Some(delivery)) => claimed.push(Claimed { delivery, ticket, at }),
            Ok(None) => {}
            Err(why @ Unavailable::Unreachable(_)) => {
                // Nobody will work under this lease.
                store.orphans.add(ticket);
                unreachable = Some(why);
            }
            Err(why) => {
                // One damaged message must not stop all the others.
                tracing::error!(
                    message.id = %ticket.id,
                    error = %why,
                    "a message cannot be read and is skipped"
                );
            }
        }
    }
    unreachable.map_or(Ok(()), Err)
}

pub fn message_of(row: &Row) -> Option<MessageId> {
    Some(MessageId {
        subject: unsigned(row.get(0)),
        sequence: u32::try_from(row.get::<_, i64>(1)).ok()?,
    })
}

/// Finds for each queue the first messages that may be sent, and the messages
/// that they wait for: the queues after the one whose turn was last come first.
/// Returns each message with its own queue.
///
/// Messages of one order are sent in order. An earlier message, which may be
/// due later or be in another queue, is found through those that wait for it.
async fn candidates(
    store: &Postgres,
    claim: &Claim,
) -> Result<Vec<(MessageId, String)>, Unavailable> {
    let heads = match claim.lane.ordering() {
        Ordering::None => SOME_OF_EACH_QUEUE,
        Ordering::Strict => FIRST_OF_EACH_ORDER,
        Ordering::SkipsRetries => FIRST_DUE_OF_EACH_ORDER,
    };
    let (lane, now) = (i16::from(claim.lane.byte()), store.time.of_a_test());
    let of_queue_max = i64::try_from(claim.limit_of_queue).unwrap_or(i64::MAX);
    let lookahead_max = QUEUE_LOOKAHEAD_MAX.max(of_queue_max);
    let parameters: [&(dyn ToSql + Sync); 6] =
        [&lane, &now, &lookahead_max, &claim.paused_queues, &claim.after_queue, &of_queue_max];
    let rows = query(&store.slow, heads, &parameters).await?;
    Ok(rows.iter().filter_map(|row| Some((message_of(row)?, row.get(2)))).collect())
}

/// The beginning of every search for messages to claim: the queues, one after
/// another by an index, and the due messages of each.
macro_rules! due_messages {
    ($heads:literal) => {
        concat!(
            "WITH RECURSIVE clock AS (SELECT \
                 (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS real_now), \
             times AS (SELECT real_now, coalesce($2::bigint, real_now) AS now FROM clock), \
             queues (queue) AS ( \
                 (SELECT queue FROM tillgate.outbox WHERE lane = $1 AND state = 0 \
                  ORDER BY lane, state, queue LIMIT 1) \
                 UNION ALL \
                 SELECT (SELECT o.queue FROM tillgate.outbox o \
                         WHERE o.lane = $1 AND o.state = 0 AND o.queue > q.queue \
                         ORDER BY o.lane, o.state, o.queue LIMIT 1) \
                 FROM queues q WHERE q.queue IS NOT NULL) \
             SELECT h.partition, h.sequence, h.queue \
             FROM times, queues q CROSS JOIN LATERAL ( \
                 SELECT h.* FROM ( \
                     SELECT d.partition, d.sequence, d.queue, d.due FROM tillgate.outbox d \
                     WHERE d.lane = $1 AND d.state = 0 AND d.queue = q.queue \
                     AND d.due <= times.now AND d.leased_until <= times.real_now \
                     ORDER BY d.due, d.partition, d.sequence LIMIT $3) AS d ",
            $heads,
            " ORDER BY d.due, d.partition, d.sequence LIMIT $6) AS h \
             WHERE q.queue IS NOT NULL AND NOT q.queue = ANY($4::text[]) \
             ORDER BY q.queue <= $5, q.queue"
        )
    };
}

const SOME_OF_EACH_QUEUE: &str = due_messages!("CROSS JOIN LATERAL (SELECT d.*) AS h");

const FIRST_OF_EACH_ORDER: &str = due_messages!(
    "CROSS JOIN LATERAL ( \
         SELECT e.* FROM tillgate.outbox e \
         WHERE e.partition = d.partition AND e.lane = $1 AND e.state = 0 \
         ORDER BY e.sequence LIMIT 1) AS h \
     WHERE h.due <= times.now AND h.leased_until <= times.real_now \
     AND NOT h.queue = ANY($4::text[])"
);

const FIRST_DUE_OF_EACH_ORDER: &str = due_messages!(
    "CROSS JOIN LATERAL ( \
         SELECT e.* FROM tillgate.outbox e \
         WHERE e.partition = d.partition AND e.lane = $1 AND e.state = 0 \
         AND e.due <= times.now \
         ORDER BY e.sequence LIMIT 1) AS h \
     WHERE h.leased_until <= times.real_now AND NOT h.queue = ANY($4::text[])"
);

/// Leases messages, except those that are not due, that another worker has, or
/// that another transaction has locked.
async fn lease(
    store: &Postgres,
    claim: &Claim,
    ids: &[MessageId],
) -> Result<Vec<(Ticket, Timestamp)>, Unavailable> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let tickets: Vec<Ticket> = ids.iter().copied().map(Ticket::new).collect();
    let partitions: Vec<i64> = ids.iter().map(|id| signed(id.subject)).collect();
    let sequences: Vec<i64> = ids.iter().map(|id| i64::from(id.sequence)).collect();
    let fences: Vec<i64> = tickets.iter().map(|ticket| ticket.fence.cast_signed()).collect();
    let lease = i64::try_from(claim.lease.as_micros()).unwrap_or(i64::MAX);
    let text = "WITH clock AS (SELECT \
                    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS real_now), \
                free AS ( \
                    SELECT m.partition, m.sequence, f.fence FROM tillgate.outbox m \
                    JOIN unnest($1::bigint[], $2::bigint[], $3::bigint[]) \
                        AS f (partition, sequence, fence) \
                    ON m.partition = f.partition AND m.sequence = f.sequence \
                    WHERE m.state = 0 \
                    AND m.due <= coalesce($4::bigint, (SELECT real_now FROM clock)) \
                    AND m.leased_until <= (SELECT real_now FROM clock) \
                    FOR UPDATE OF m SKIP LOCKED) \
                UPDATE tillgate.outbox o SET fence = free.fence, \
                    leased_until = (SELECT real_now FROM clock) + $5 \
                FROM free WHERE o.partition = free.partition AND o.sequence = free.sequence \
                RETURNING o.partition, o.sequence, o.fence, \
                    coalesce($4::bigint, (SELECT real_now FROM clock))";
    let now = store.time.of_a_test();
    let parameters: [&(dyn ToSql + Sync); 5] = [&partitions, &sequences, &fences, &now, &lease];
    // Do not retry: a second attempt could not distinguish the success of the
    // first from that of another worker. Leases that may have been taken are
    // released later.
    let taken = query_once(&store.slow, text, &parameters).await;
    let taken =
        taken.inspect_err(|_| tickets.iter().for_each(|ticket| store.orphans.add(*ticket)))?;
    let mut leased: HashMap<MessageId, Timestamp> = HashMap::new();
    for row in &taken {
        leased.extend(message_of(row).map(|id| (id, from_micros(row.get(3)))));
    }
    // In the order of the turns.
    Ok(tickets.into_iter().filter_map(|ticket| Some((ticket, *leased.get(&ticket.id)?))).collect())
}

async fn delivery(store: &Postgres, id: MessageId) -> Result<Option<Delivery>, Unavailable> {
    let key = message_key(id);
    let found = reader::with_page(store, key.partition, ReadTrust::Hint, |page| {
        reader::documents(store, page, std::slice::from_ref(&key))
    });
    let stored = found.await?.pop().flatten();
    Ok(stored.map(|stored| stored.document()).transpose()?)
}
