//! Lists, counters, and their maintenance: everything that no hook waits for.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use tokio_util::task::AbortOnDropHandle;

use super::Postgres;
use super::codec::{id_bytes, id_of, signed, unsigned};
use super::failed::{Failed, in_time, within};
use super::link::Link;
use super::outbox::message_of;
use super::reader::{self, query};
use crate::batch::CounterKey;
use crate::page::Page;
use crate::place::Place;
use crate::scan::{Cursor, Found, Line, Scan, page_of_lines, page_of_places, place_after};
use crate::{ReadTrust, Unavailable};
use tillgate_kernel::DocKey;
use tillgate_kernel::outbox::Lane;
use tillgate_kernel::time::from_micros;
use tillgate_kernel::{Kind, ListName, Partition};

/// How often the parts of counters are summed up, and the rows of withdrawn
/// messages removed whose leases have ended.
const SUMMING_PAUSE: Duration = Duration::from_secs(10);

pub async fn scan(store: &Postgres, scan: &Scan) -> Result<Found, Unavailable> {
    match *scan {
        Scan::Lists { ref lists, newest_first, ref after, limit } => {
            let lines = listed(store, lists, newest_first, after.as_ref(), limit + 1).await?;
            Ok(page_of_lines(lines, newest_first, limit))
        }
        Scan::Partition { partition, kind } => {
            let keys = |page: Arc<Page>| async move { Ok(page.keys_of(kind).collect()) };
            Ok((reader::with_page(store, partition, ReadTrust::Hint, keys).await?, None))
        }
        Scan::Whole { partition } => {
            let keys = |page: Arc<Page>| async move { Ok(page.keys().collect()) };
            Ok((reader::with_page(store, partition, ReadTrust::Hint, keys).await?, None))
        }
        Scan::Outbox { lane, dead, ref queue, ref after, limit } => {
            let places =
                outbox(store, lane, dead, queue.as_deref(), after.as_ref(), limit + 1).await?;
            Ok(page_of_places(places, limit))
        }
    }
}

/// The first `limit` lines of each list after a cursor.
async fn listed(
    store: &Postgres,
    lists: &[ListName],
    newest_first: bool,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Vec<Line>, Unavailable> {
    let text = if newest_first {
        "SELECT l.list, e.listed_at, e.partition, e.kind, e.id \
         FROM unnest($1::bigint[]) AS l (list) CROSS JOIN LATERAL ( \
             SELECT listed_at, partition, kind, id FROM tillgate.lists \
             WHERE list = l.list AND (listed_at, partition, kind, id) < ($2, $3, $4, $5) \
             ORDER BY list DESC, listed_at DESC, partition DESC, kind DESC, id DESC \
             LIMIT $6) AS e"
    } else {
        "SELECT l.list, e.listed_at, e.partition, e.kind, e.id \
         FROM unnest($1::bigint[]) AS l (list) CROSS JOIN LATERAL ( \
             SELECT listed_at, partition, kind, id FROM tillgate.lists \
             WHERE list = l.list AND (listed_at, partition, kind, id) > ($2, $3, $4, $5) \
             ORDER BY list, listed_at, partition, kind, id LIMIT $6) AS e"
    };
    let lists: Vec<i64> = lists.iter().map(|list| list.number().cast_signed()).collect();
    // Without a cursor, start from a position beyond all lines: an index serves
    // that, but not an "or".
    let beyond = if newest_first { i64::MAX } else { i64::MIN };
    let at = after.map_or(beyond, |after| after.listed_at.as_microsecond());
    let partition = after.map_or(beyond, |after| signed(after.partition));
    let kind = i16::from(after.map_or(0, |after| after.kind.byte()));
    let id = after.map_or_else(Vec::new, |after| id_bytes(after.id));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let parameters: [&(dyn ToSql + Sync); 6] = [&lists, &at, &partition, &kind, &id, &limit];
    let rows = query(&store.slow, text, &parameters).await?;
    let line = |row: &Row| {
        let kind = Kind::from_byte(u8::try_from(row.get::<_, i16>(3)).ok()?);
        Some(Line {
            list: ListName::from_number(row.get::<_, i64>(0).cast_unsigned()),
            listed_at: from_micros(row.get(1)),
            key: DocKey { partition: unsigned(row.get(2)), kind, id: id_of(row.get(4)) },
        })
    };
    Ok(rows.iter().filter_map(line).collect())
}

async fn outbox(
    store: &Postgres,
    lane: Lane,
    dead: bool,
    queue: Option<&str>,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Vec<Place>, Unavailable> {
    let text = match queue {
        Some(_) => {
            "SELECT partition, sequence, queue, due FROM tillgate.outbox \
             WHERE lane = $1 AND state = $2 AND queue = $3 \
             AND (due, partition, sequence) > ($4, $5, $6) \
             ORDER BY due, partition, sequence LIMIT $7"
        }
        None => {
            "SELECT partition, sequence, queue, due FROM tillgate.outbox \
             WHERE lane = $1 AND state = $2 \
             AND (queue, due, partition, sequence) > ($3, $4, $5, $6) \
             ORDER BY queue, due, partition, sequence LIMIT $7"
        }
    };
    let after = place_after(lane, dead, queue, after);
    let (side, limit) = (i16::from(dead), i64::try_from(limit).unwrap_or(i64::MAX));
    let (due, number) = (after.due.as_microsecond(), signed(after.id.subject));
    let sequence = i64::from(after.id.sequence);
    let lane_number = i16::from(lane.byte());
    let rows = query(
        &store.slow,
        text,
        &[&lane_number, &side, &after.queue, &due, &number, &sequence, &limit],
    )
    .await?;
    let place = |row: &Row| {
        let id = message_of(row)?;
        Some(Place { lane, dead, queue: row.get(2), due: from_micros(row.get(3)), id })
    };
    Ok(rows.iter().filter_map(place).collect())
}

pub async fn counters(
    store: &Postgres,
    group: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(CounterKey, i64)>, Unavailable> {
    // Order names by their bytes, as on every engine.
    let text = "SELECT name, least(greatest(sum(amount), \
                    -9223372036854775808), 9223372036854775807)::bigint FROM ( \
                    SELECT name, value AS amount FROM tillgate.counters WHERE grp = $1 \
                    UNION ALL SELECT name, amount FROM tillgate.counter_parts \
                    WHERE grp = $1) all_parts \
                WHERE $2 OR name COLLATE \"C\" > $3 \
                GROUP BY name ORDER BY name COLLATE \"C\" LIMIT $4";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows =
        query(&store.slow, text, &[&group, &after.is_none(), &after.unwrap_or_default(), &limit])
            .await?;
    let counter =
        |row: &Row| (CounterKey { group: group.to_owned(), name: row.get(0) }, row.get(1));
    Ok(rows.iter().map(counter).collect())
}

pub async fn counter_groups(store: &Postgres) -> Result<Vec<String>, Unavailable> {
    let text = "SELECT grp FROM (SELECT grp FROM tillgate.counters \
                UNION SELECT grp FROM tillgate.counter_parts) all_groups \
                ORDER BY grp COLLATE \"C\"";
    Ok(query(&store.slow, text, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// The partitions after `after`, in order.
pub async fn partitions(
    store: &Postgres,
    after: Option<Partition>,
    limit: usize,
) -> Result<Vec<Partition>, Unavailable> {
    let from = after.map_or(Some(Partition::FIRST), Partition::next);
    let Some(from) = from else { return Ok(Vec::new()) };
    let text =
        "SELECT partition FROM tillgate.pages WHERE partition >= $1 ORDER BY partition LIMIT $2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = query(&store.slow, text, &[&signed(from), &limit]).await?;
    Ok(rows.iter().map(|row| unsigned(row.get(0))).collect())
}

/// Sums up counters periodically, until the handle is dropped.
pub fn start_summing(link: Arc<Link>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            tokio::time::sleep(SUMMING_PAUSE).await;
            loop {
                match sum_up(&link).await {
                    Ok(SUMMED_AT_ONCE_MAX..) => {}
                    Ok(_) => break,
                    Err(why) => {
                        tracing::warn!(error = %why, "counters could not be summed up; will retry");
                        break;
                    }
                }
            }
        }
    }))
}

/// The number of parts that are summed up in one transaction.
const SUMMED_AT_ONCE_MAX: usize = 5000;

/// Moves parts into their counters, and removes the rows of messages that were
/// withdrawn and whose leases have ended. Returns the number of parts.
pub async fn sum_up(link: &Link) -> Result<usize, Unavailable> {
    let connected = link.get().await?;
    let summed = async {
        in_time(connected.client.batch_execute("BEGIN")).await?;
        let text = "DELETE FROM tillgate.counter_parts WHERE (partition, grp, name) IN ( \
                        SELECT partition, grp, name FROM tillgate.counter_parts \
                        ORDER BY partition, grp, name LIMIT $1) \
                    RETURNING grp, name, amount";
        let most = i64::try_from(SUMMED_AT_ONCE_MAX).unwrap_or(i64::MAX);
        let rows = within(link.role.patience(), connected.client.query(text, &[&most])).await?;
        let parts = rows.len();
        let mut sums = std::collections::BTreeMap::<(String, String), i64>::new();
        for row in rows {
            let sum = sums.entry((row.get(0), row.get(1))).or_insert(0);
            *sum = sum.saturating_add(row.get(2));
        }
        let (names, amounts): (Vec<_>, Vec<i64>) = sums.into_iter().unzip();
        let (groups, names): (Vec<String>, Vec<String>) = names.into_iter().unzip();
        let text = "INSERT INTO tillgate.counters AS c (grp, name, value) \
                    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) \
                    ON CONFLICT (grp, name) DO UPDATE SET value = least(greatest( \
                        c.value::numeric + excluded.value, \
                        -9223372036854775808), 9223372036854775807)::bigint";
        in_time(connected.client.execute(text, &[&groups, &names, &amounts])).await?;
        let text = "DELETE FROM tillgate.outbox WHERE state = 2 \
                    AND leased_until <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        in_time(connected.client.execute(text, &[])).await?;
        connected.without_warning(&link.address, connected.client.batch_execute("COMMIT")).await?;
        Ok(parts)
    };
    let summed: Result<usize, Failed> = summed.await;
    if summed.is_err() {
        link.abandon(&connected).await;
    }
    Ok(summed?)
}
