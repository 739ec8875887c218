//! Lists: what no hook waits for.

use std::sync::Arc;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Postgres;
use super::codec::{id_bytes, id_of, signed, unsigned};
use super::outbox::message_of;
use super::reader::{self, query};
use crate::page::Page;
use crate::place::Place;
use crate::scan::{Cursor, Found, Line, Scan, page_of_lines, page_of_places, place_after};
use crate::{ReadTrust, Unavailable};
use tillgate_kernel::DocKey;
use tillgate_kernel::outbox::Lane;
use tillgate_kernel::time::from_micros;
use tillgate_kernel::{Kind, ListName, Partition};

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
