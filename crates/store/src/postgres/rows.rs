//! The rows that a group writes, column by column: one statement for each kind
//! of row, however many batches there are.
//!
//! All statements are pipelined. Rows are sorted by their keys, so groups of
//! several nodes that touch the same rows wait for each other without
//! deadlocks.

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::address::Address;
use super::codec::{PieceRow, id_bytes, signed, unsigned};
use super::counters::CounterColumns;
use super::failed::Failed;
use super::link::Connected;
use super::outbox_rows::{EndedColumns, LineColumns, insert_messages};
use crate::batch::CounterKey;
use crate::scan::Line;
use tillgate_kernel::Partition;

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
            connected.ask_if(!self.gone.is_empty(), text, &[&self.gone]).await.map(drop)
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
        connected.ask_if(!self.partitions.is_empty(), text, &[&self.partitions, &self.bodies]).await
    }

    async fn update(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "UPDATE tillgate.pages p SET body = n.body \
                    FROM unnest($1::bigint[], $2::bytea[]) AS n (partition, body) \
                    WHERE p.partition = n.partition";
        connected
            .ask_if(!self.partitions.is_empty(), text, &[&self.partitions, &self.bodies])
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
        connected.ask_if(!self.partitions.is_empty(), text, &columns).await.map(drop)
    }

    async fn cut(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "DELETE FROM tillgate.pieces p \
                    USING unnest($1::bigint[], $2::smallint[], $3::bytea[], $4::integer[]) \
                        AS c (partition, kind, id, piece) \
                    WHERE p.partition = c.partition AND p.kind = c.kind AND p.id = c.id \
                    AND p.piece = c.piece";
        let columns: [&(dyn ToSql + Sync); 4] =
            [&self.partitions, &self.kinds, &self.ids, &self.numbers];
        connected.ask_if(!self.partitions.is_empty(), text, &columns).await.map(drop)
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
        connected.ask_if(!self.lists.is_empty(), text, &self.columns()).await.map(drop)
    }

    async fn delete(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "DELETE FROM tillgate.lists l \
                    USING unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], \
                        $5::bytea[]) AS g (list, listed_at, partition, kind, id) \
                    WHERE l.list = g.list AND l.listed_at = g.listed_at \
                    AND l.partition = g.partition AND l.kind = g.kind AND l.id = g.id";
        connected.ask_if(!self.lists.is_empty(), text, &self.columns()).await.map(drop)
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
        connected.ask_if(!self.partitions.is_empty(), text, &columns).await.map(drop)
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
        connected.ask_if(!self.groups.is_empty(), text, &columns).await?;
        let text = "DELETE FROM tillgate.counter_parts p \
                    USING unnest($1::text[], $2::text[]) AS s (grp, name) \
                    WHERE p.grp = s.grp AND p.name = s.name";
        connected
            .ask_if(!self.groups.is_empty(), text, &[&self.groups, &self.names])
            .await
            .map(drop)
    }
}
