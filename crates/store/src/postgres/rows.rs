//! The rows that a group writes, column by column: one statement for each kind
//! of row, however many batches there are.
//!
//! All statements are pipelined. Rows are sorted by their keys, so groups of
//! several nodes that touch the same rows wait for each other without
//! deadlocks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::address::Address;
use super::codec::{PieceRow, id_bytes, signed, unsigned};
use super::counters::CounterColumns;
use super::failed::Failed;
use super::link::Connected;
use crate::batch::{CounterKey, Lease};
use crate::place::Place;
use crate::scan::Line;
use tillgate_kernel::Partition;

/// The key of a message's row in the outbox: its order and its sequence number.
pub type OutboxKey = (Partition, i64);

/// Runs a statement of a transaction, if it `is_needed`.
async fn ask_if(
    is_needed: bool,
    connected: &Connected,
    text: &'static str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Failed> {
    if is_needed { connected.ask(text, parameters).await } else { Ok(Vec::new()) }
}

/// Everything that a group writes.
pub struct Rows {
    pub new_pages: PageColumns,
    pub changed_pages: PageColumns,
    /// Partitions that are empty now.
    pub gone: Vec<i64>,
    pub put_pieces: PieceColumns,
    pub cut_pieces: PieceColumns,
    pub listed: ListColumns,
    pub unlisted: ListColumns,
    pub lines: LineColumns,
    pub ended: EndedColumns,
    pub parts: PartColumns,
    pub set: SetColumns,
    /// Counters that were created to be locked, and were not changed.
    pub unused: CounterColumns,
    /// Counters that are locked, with what is added to them.
    pub kept: CounterColumns,
    pub kept_amounts: Vec<i64>,
}

impl Rows {
    /// Sends all statements. Returns the partitions that were expected to be
    /// empty and are not.
    pub async fn write(self, connected: &Connected) -> Result<Vec<Partition>, Failed> {
        let (inserted, updated) =
            (self.new_pages.insert(connected), self.changed_pages.update(connected));
        let deleted = async {
            let text = "DELETE FROM tillgate.pages WHERE partition = ANY($1)";
            ask_if(!self.gone.is_empty(), connected, text, &[&self.gone]).await.map(drop)
        };
        let pieces = async {
            self.put_pieces.put(connected).await?;
            self.cut_pieces.cut(connected).await
        };
        let lists = async {
            self.unlisted.delete(connected).await?;
            self.listed.insert(connected).await
        };
        let outbox = async {
            self.lines.put(connected).await?;
            self.ended.end(connected).await
        };
        let counters = async {
            self.set.put(connected).await?;
            self.unused.delete(connected).await?;
            self.kept.add(connected, &self.kept_amounts).await?;
            self.parts.add(connected).await
        };
        let (inserted, updated, deleted, pieces, lists, outbox, counters) =
            tokio::join!(biased; inserted, updated, deleted, pieces, lists, outbox, counters);
        let (inserted, insertion) = match inserted {
            Ok(rows) => (rows, Ok(())),
            Err(why) => (Vec::new(), Err(why)),
        };
        root_cause([insertion, updated, deleted, pieces, lists, outbox, counters])?;
        if inserted.len() == self.new_pages.partitions.len() {
            return Ok(Vec::new());
        }
        let there: HashSet<i64> = inserted.iter().map(|row| row.get(0)).collect();
        let missing = self.new_pages.partitions.into_iter().filter(|new| !there.contains(new));
        Ok(missing.map(unsigned).collect())
    }
}

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

/// Inserts new pages and their lines in lists, in one statement that commits by
/// itself. PostgreSQL runs the main part first, and then the others, the last
/// one first: in the order of [`Rows::write`], so that groups do not deadlock.
const PAGES: &str = "WITH lists AS ( \
        INSERT INTO tillgate.lists (list, listed_at, partition, kind, id) \
        SELECT * FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::smallint[], \
            $7::bytea[])) \
    INSERT INTO tillgate.pages (partition, body) \
    SELECT * FROM unnest($1::bigint[], $2::bytea[])";

/// The same with messages, and with what is added to counters.
const PAGES_WITH_EFFECTS: &str = concat!(
    "WITH parts AS ( \
        INSERT INTO tillgate.counter_parts (partition, grp, name, amount) \
        SELECT * FROM unnest($16::bigint[], $17::text[], $18::text[], $19::bigint[])), \
    outbox AS (",
    insert_messages!(8, 9, 10, 11, 12, 13, 14, 15),
    "), \
    lists AS ( \
        INSERT INTO tillgate.lists (list, listed_at, partition, kind, id) \
        SELECT * FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::smallint[], \
            $7::bytea[])) \
    INSERT INTO tillgate.pages (partition, body) \
    SELECT * FROM unnest($1::bigint[], $2::bytea[])"
);

impl Rows {
    /// Whether everything is new: nothing is changed, removed or locked.
    pub fn are_all_new(&self) -> bool {
        let changes = [
            self.changed_pages.partitions.is_empty(),
            self.gone.is_empty(),
            self.put_pieces.partitions.is_empty(),
            self.cut_pieces.partitions.is_empty(),
            self.unlisted.lists.is_empty(),
            self.ended.partitions.is_empty(),
            self.set.groups.is_empty(),
            self.kept_amounts.is_empty(),
        ];
        changes.iter().all(|is_empty| *is_empty)
    }

    /// Inserts everything, which is all new, and commits, in one round trip. It
    /// fails as a whole if anything of it is there already.
    pub async fn insert_and_commit(
        &self,
        connected: &Connected,
        address: &Address,
    ) -> Result<(), Failed> {
        let [lists, times, partitions, kinds, ids] = self.listed.columns();
        let parts = &self.parts;
        let [subjects, sequences, lanes, states, queues, due, fences, leases] =
            self.lines.columns();
        let parameters: [&(dyn ToSql + Sync); 19] = [
            &self.new_pages.partitions,
            &self.new_pages.bodies,
            lists,
            times,
            partitions,
            kinds,
            ids,
            subjects,
            sequences,
            lanes,
            states,
            queues,
            due,
            fences,
            leases,
            &parts.partitions,
            &parts.groups,
            &parts.names,
            &parts.amounts,
        ];
        let has_effects = !self.lines.partitions.is_empty() || !parts.partitions.is_empty();
        let (text, parameters) = if has_effects {
            (PAGES_WITH_EFFECTS, &parameters[..])
        } else {
            (PAGES, &parameters[..7])
        };
        let statement = connected.statement(text).await?;
        let inserted = connected.client.execute(&statement, parameters);
        connected.without_warning(address, inserted).await.map(drop)
    }
}

/// The first error: after one failure, the other statements only report that
/// the transaction has failed.
fn root_cause<const N: usize>(answers: [Result<(), Failed>; N]) -> Result<(), Failed> {
    let is_echo = |failed: &Failed| match failed {
        Failed::PrimaryStatus(why) => why.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION),
        Failed::TooSlow
        | Failed::Warned(_)
        | Failed::Superseded
        | Failed::StandsStill
        | Failed::NotWritable(_) => false,
    };
    let mut cause: Option<Failed> = None;
    for why in answers.into_iter().filter_map(Result::err) {
        if cause.as_ref().is_none_or(is_echo) {
            cause = Some(why);
        }
    }
    cause.map_or(Ok(()), Err)
}

/// Columns of pages.
#[derive(Default)]
pub struct PageColumns {
    partitions: Vec<i64>,
    bodies: Vec<Vec<u8>>,
}

impl PageColumns {
    pub fn push(&mut self, partition: Partition, body: Vec<u8>) {
        self.partitions.push(signed(partition));
        self.bodies.push(body);
    }

    /// Returns the partitions that had no page.
    async fn insert(&self, connected: &Connected) -> Result<Vec<Row>, Failed> {
        let text = "INSERT INTO tillgate.pages (partition, body) \
                    SELECT * FROM unnest($1::bigint[], $2::bytea[]) \
                    ON CONFLICT (partition) DO NOTHING RETURNING partition";
        ask_if(!self.partitions.is_empty(), connected, text, &[&self.partitions, &self.bodies])
            .await
    }

    async fn update(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "UPDATE tillgate.pages p SET body = n.body \
                    FROM unnest($1::bigint[], $2::bytea[]) AS n (partition, body) \
                    WHERE p.partition = n.partition";
        ask_if(!self.partitions.is_empty(), connected, text, &[&self.partitions, &self.bodies])
            .await
            .map(drop)
    }
}

/// Columns of the pieces of long bodies.
#[derive(Default)]
pub struct PieceColumns {
    partitions: Vec<i64>,
    kinds: Vec<i16>,
    ids: Vec<Vec<u8>>,
    numbers: Vec<i32>,
    bodies: Vec<Vec<u8>>,
}

impl PieceColumns {
    /// Returns the pieces to write, and the pieces to delete.
    pub fn of(pieces: HashMap<PieceRow, Option<Vec<u8>>>) -> (PieceColumns, PieceColumns) {
        let (mut put, mut cut) = (PieceColumns::default(), PieceColumns::default());
        // In the order of their keys, as all rows: see above.
        for ((key, number), body) in pieces.into_iter().collect::<BTreeMap<_, _>>() {
            let columns = if body.is_some() { &mut put } else { &mut cut };
            columns.partitions.push(signed(key.partition));
            columns.kinds.push(i16::from(key.kind.byte()));
            columns.ids.push(id_bytes(key.id));
            columns.numbers.push(i32::from(number));
            columns.bodies.extend(body);
        }
        (put, cut)
    }

    async fn put(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "INSERT INTO tillgate.pieces (partition, kind, id, piece, body) \
                    SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bytea[], \
                        $4::integer[], $5::bytea[]) \
                    ON CONFLICT (partition, kind, id, piece) DO UPDATE SET body = excluded.body";
        let columns: [&(dyn ToSql + Sync); 5] =
            [&self.partitions, &self.kinds, &self.ids, &self.numbers, &self.bodies];
        ask_if(!self.partitions.is_empty(), connected, text, &columns).await.map(drop)
    }

    async fn cut(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "DELETE FROM tillgate.pieces p \
                    USING unnest($1::bigint[], $2::smallint[], $3::bytea[], $4::integer[]) \
                        AS c (partition, kind, id, piece) \
                    WHERE p.partition = c.partition AND p.kind = c.kind AND p.id = c.id \
                    AND p.piece = c.piece";
        let columns: [&(dyn ToSql + Sync); 4] =
            [&self.partitions, &self.kinds, &self.ids, &self.numbers];
        ask_if(!self.partitions.is_empty(), connected, text, &columns).await.map(drop)
    }
}

/// Columns of lines of lists.
#[derive(Default)]
pub struct ListColumns {
    lists: Vec<i64>,
    times: Vec<i64>,
    partitions: Vec<i64>,
    kinds: Vec<i16>,
    ids: Vec<Vec<u8>>,
}

impl ListColumns {
    /// Returns the lines to insert, and the lines to delete.
    pub fn of(listed: BTreeMap<Line, bool>) -> (ListColumns, ListColumns) {
        let (mut on, mut off) = (ListColumns::default(), ListColumns::default());
        for (Line { list, listed_at, key }, is_listed) in listed {
            let columns = if is_listed { &mut on } else { &mut off };
            columns.lists.push(list.number().cast_signed());
            columns.times.push(listed_at.as_microsecond());
            columns.partitions.push(signed(key.partition));
            columns.kinds.push(i16::from(key.kind.byte()));
            columns.ids.push(id_bytes(key.id));
        }
        (on, off)
    }

    fn columns(&self) -> [&(dyn ToSql + Sync); 5] {
        [&self.lists, &self.times, &self.partitions, &self.kinds, &self.ids]
    }

    async fn insert(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "INSERT INTO tillgate.lists (list, listed_at, partition, kind, id) \
                    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], \
                        $4::smallint[], $5::bytea[]) \
                    ON CONFLICT (list, listed_at, partition, kind, id) DO NOTHING";
        ask_if(!self.lists.is_empty(), connected, text, &self.columns()).await.map(drop)
    }

    async fn delete(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "DELETE FROM tillgate.lists l \
                    USING unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], \
                        $5::bytea[]) AS g (list, listed_at, partition, kind, id) \
                    WHERE l.list = g.list AND l.listed_at = g.listed_at \
                    AND l.partition = g.partition AND l.kind = g.kind AND l.id = g.id";
        ask_if(!self.lists.is_empty(), connected, text, &self.columns()).await.map(drop)
    }
}

/// Columns of outbox rows to write.
#[derive(Default)]
pub struct LineColumns {
    partitions: Vec<i64>,
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
    partitions: Vec<i64>,
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
    async fn put(&self, connected: &Connected) -> Result<(), Failed> {
        let text = concat!(
            insert_messages!(1, 2, 3, 4, 5, 6, 7, 8),
            " ON CONFLICT (partition, sequence) DO UPDATE \
             SET lane = excluded.lane, state = excluded.state, queue = excluded.queue, \
             due = excluded.due, fence = excluded.fence, leased_until = excluded.leased_until"
        );
        ask_if(!self.partitions.is_empty(), connected, text, &self.columns()).await.map(drop)
    }

    fn columns(&self) -> [&(dyn ToSql + Sync); 8] {
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
    async fn end(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "UPDATE tillgate.outbox o SET state = 2 \
                    FROM unnest($1::bigint[], $2::bigint[], $3::boolean[]) \
                        AS e (partition, sequence, withdrawn) \
                    WHERE o.partition = e.partition AND o.sequence = e.sequence \
                    AND e.withdrawn AND o.fence <> 0";
        let columns: [&(dyn ToSql + Sync); 3] =
            [&self.partitions, &self.sequences, &self.withdrawn];
        ask_if(self.withdrawn.contains(&true), connected, text, &columns).await?;
        let text = "DELETE FROM tillgate.outbox o \
                    USING unnest($1::bigint[], $2::bigint[], $3::boolean[]) \
                        AS e (partition, sequence, withdrawn) \
                    WHERE o.partition = e.partition AND o.sequence = e.sequence \
                    AND NOT (e.withdrawn AND o.fence <> 0)";
        ask_if(!self.partitions.is_empty(), connected, text, &columns).await.map(drop)
    }
}

/// Columns of amounts that are added to counters.
#[derive(Default)]
pub struct PartColumns {
    partitions: Vec<i64>,
    groups: Vec<String>,
    names: Vec<String>,
    amounts: Vec<i64>,
}

impl PartColumns {
    pub fn of(parts: BTreeMap<(Partition, CounterKey), i64>) -> PartColumns {
        let mut columns = PartColumns::default();
        for ((partition, CounterKey { group, name }), amount) in parts {
            columns.partitions.push(signed(partition));
            columns.groups.push(group);
            columns.names.push(name);
            columns.amounts.push(amount);
        }
        columns
    }

    async fn add(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "INSERT INTO tillgate.counter_parts AS p (partition, grp, name, amount) \
                    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) \
                    ON CONFLICT (partition, grp, name) DO UPDATE SET amount = least(greatest( \
                        p.amount::numeric + excluded.amount, \
                        -9223372036854775808), 9223372036854775807)::bigint";
        let columns: [&(dyn ToSql + Sync); 4] =
            [&self.partitions, &self.groups, &self.names, &self.amounts];
        ask_if(!self.partitions.is_empty(), connected, text, &columns).await.map(drop)
    }
}

/// Columns of counters that are set because somebody has counted.
#[derive(Default)]
pub struct SetColumns {
    groups: Vec<String>,
    names: Vec<String>,
    values: Vec<i64>,
}

impl SetColumns {
    pub fn of(set: BTreeMap<CounterKey, i64>) -> SetColumns {
        let mut columns = SetColumns::default();
        for (CounterKey { group, name }, value) in set {
            columns.groups.push(group);
            columns.names.push(name);
            columns.values.push(value);
        }
        columns
    }

    /// Sets the counters. The counted value includes what was added before, so
    /// those parts are deleted.
    async fn put(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "INSERT INTO tillgate.counters (grp, name, value) \
                    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) \
                    ON CONFLICT (grp, name) DO UPDATE SET value = excluded.value";
        let columns: [&(dyn ToSql + Sync); 3] = [&self.groups, &self.names, &self.values];
        ask_if(!self.groups.is_empty(), connected, text, &columns).await?;
        let text = "DELETE FROM tillgate.counter_parts p \
                    USING unnest($1::text[], $2::text[]) AS s (grp, name) \
                    WHERE p.grp = s.grp AND p.name = s.name";
        ask_if(!self.groups.is_empty(), connected, text, &[&self.groups, &self.names])
            .await
            .map(drop)
    }
}
