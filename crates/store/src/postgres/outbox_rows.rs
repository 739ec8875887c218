//! The rows of messages that a group writes, column by column.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use tokio_postgres::types::ToSql;

use super::codec::signed;
use super::failed::Failed;
use super::link::Connected;
use crate::batch::Lease;
use crate::place::Place;
use tillgate_kernel::Partition;

/// The key of a message's row: its order and its sequence number.
pub type OutboxKey = (Partition, i64);

/// Inserts messages from columns that are the parameters with these numbers.
/// The last two are the fences of leases, 0 for none, and how long they last,
/// by the database's clock.
macro_rules! insert_messages {
    ($one:literal, $two:literal, $three:literal, $four:literal, $five:literal, $six:literal,
     $seven:literal, $eight:literal) => {
        concat!(
            "INSERT INTO tillgate.outbox \
                 (partition, sequence, lane, state, queue, due, fence, leased_until) \
             SELECT m.partition, m.sequence, m.lane, m.state, m.queue, m.due, m.fence, \
                 CASE m.fence WHEN 0 THEN 0 ELSE m.lasts + \
                     (extract(epoch FROM clock_timestamp()) * 1000000)::bigint END \
             FROM unnest($",
            $one,
            "::bigint[], $",
            $two,
            "::bigint[], $",
            $three,
            "::smallint[], $",
            $four,
            "::smallint[], $",
            $five,
            "::text[], $",
            $six,
            "::bigint[], $",
            $seven,
            "::bigint[], $",
            $eight,
            "::bigint[]) \
                 AS m (partition, sequence, lane, state, queue, due, fence, lasts)"
        )
    };
}
pub(super) use insert_messages;

/// Columns of outbox rows to write.
#[derive(Default)]
pub struct LineColumns {
    pub(super) partitions: Vec<i64>,
    sequences: Vec<i64>,
    lanes: Vec<i16>,
    states: Vec<i16>,
    queues: Vec<String>,
    due: Vec<i64>,
    /// 0 if the message is not leased.
    fences: Vec<i64>,
    lease_micros: Vec<i64>,
}

/// Columns of outbox rows to remove. `withdrawn` says that the message was not
/// settled, so that a worker may still have it.
#[derive(Default)]
pub struct EndedColumns {
    pub(super) partitions: Vec<i64>,
    sequences: Vec<i64>,
    withdrawn: Vec<bool>,
}

impl LineColumns {
    pub fn of(
        outbox: BTreeMap<OutboxKey, Option<(Place, Option<Lease>)>>,
        withdrawn: &HashSet<OutboxKey>,
    ) -> (LineColumns, EndedColumns) {
        let (mut lines, mut ended) = (LineColumns::default(), EndedColumns::default());
        for (line @ (partition, sequence), place) in outbox {
            match place {
                Some((Place { lane, dead, queue, due, .. }, lease)) => {
                    lines.partitions.push(signed(partition));
                    lines.sequences.push(sequence);
                    lines.lanes.push(i16::from(lane.byte()));
                    lines.states.push(i16::from(dead));
                    lines.queues.push(queue);
                    lines.due.push(due.as_microsecond());
                    lines.fences.push(lease.map_or(0, |lease| lease.ticket.fence.cast_signed()));
                    let lasts = lease.map_or(Duration::ZERO, |lease| lease.lasts);
                    let lasts = i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX);
                    lines.lease_micros.push(lasts);
                }
                None => {
                    ended.partitions.push(signed(partition));
                    ended.sequences.push(sequence);
                    ended.withdrawn.push(withdrawn.contains(&line));
                }
            }
        }
        (lines, ended)
    }

    /// Writing a row releases the lease that it had: a ticket settles once.
    pub(super) async fn put(&self, connected: &Connected) -> Result<(), Failed> {
        let text = concat!(
            insert_messages!(1, 2, 3, 4, 5, 6, 7, 8),
            " ON CONFLICT (partition, sequence) DO UPDATE \
             SET lane = excluded.lane, state = excluded.state, queue = excluded.queue, \
             due = excluded.due, fence = excluded.fence, leased_until = excluded.leased_until"
        );
        connected.ask_if(!self.partitions.is_empty(), text, &self.columns()).await.map(drop)
    }

    pub(super) fn columns(&self) -> [&(dyn ToSql + Sync); 8] {
        [
            &self.partitions,
            &self.sequences,
            &self.lanes,
            &self.states,
            &self.queues,
            &self.due,
            &self.fences,
            &self.lease_micros,
        ]
    }
}

impl EndedColumns {
    /// A message that was withdrawn while a worker has it keeps its row, so
    /// that it can still be settled.
    pub(super) async fn end(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "UPDATE tillgate.outbox o SET state = 2 \
                    FROM unnest($1::bigint[], $2::bigint[], $3::boolean[]) \
                        AS e (partition, sequence, withdrawn) \
                    WHERE o.partition = e.partition AND o.sequence = e.sequence \
                    AND e.withdrawn AND o.fence <> 0";
        let columns: [&(dyn ToSql + Sync); 3] =
            [&self.partitions, &self.sequences, &self.withdrawn];
        connected.ask_if(self.withdrawn.contains(&true), text, &columns).await?;
        let text = "DELETE FROM tillgate.outbox o \
                    USING unnest($1::bigint[], $2::bigint[], $3::boolean[]) \
                        AS e (partition, sequence, withdrawn) \
                    WHERE o.partition = e.partition AND o.sequence = e.sequence \
                    AND NOT (e.withdrawn AND o.fence <> 0)";
        connected.ask_if(!self.partitions.is_empty(), text, &columns).await.map(drop)
    }
}
