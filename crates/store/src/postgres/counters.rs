//! Counters: their values, and how the parts that hooks add are summed up.
//!
//! What a batch adds to a counter is a row of its own partition, a *part*, so
//! that nobody waits for anybody. A counter that a batch with a floor changes
//! is locked instead, and its row is changed at once. The value of a counter is
//! its row and its parts together. A transaction that locks rows of both tables
//! locks the counters first, in the order of their keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use tokio_util::task::AbortOnDropHandle;

use super::Postgres;
use super::failed::{Failed, in_time, within};
use super::link::{Connected, Link};
use super::reader::{query, query_kept};
use crate::Unavailable;
use crate::batch::CounterKey;

/// How often the parts of counters are summed up, and the rows of withdrawn
/// messages removed whose leases have ended.
const SUMMING_PAUSE: Duration = Duration::from_secs(10);

/// The keys of counters, as columns.
#[derive(Default)]
pub struct CounterColumns {
    groups: Vec<String>,
    names: Vec<String>,
}

/// The rows of counters, and all parts of theirs. No pair occurs twice in the
/// parameters.
const BALANCES: &str = "SELECT c.grp, c.name, c.value \
        FROM unnest($1::text[], $2::text[]) AS k (grp, name) \
        JOIN tillgate.counters c ON c.grp = k.grp AND c.name = k.name \
    UNION ALL \
    SELECT p.grp, p.name, least(greatest(sum(p.amount), \
        -9223372036854775808), 9223372036854775807)::bigint \
        FROM unnest($1::text[], $2::text[]) AS k (grp, name) \
        JOIN tillgate.counter_parts p ON p.grp = k.grp AND p.name = k.name \
        GROUP BY p.grp, p.name";

/// Adds up the rows of [`BALANCES`].
fn sums(rows: &[Row]) -> HashMap<CounterKey, i64> {
    let mut sums = HashMap::new();
    for row in rows {
        let sum = sums.entry(CounterKey { group: row.get(0), name: row.get(1) }).or_insert(0_i64);
        *sum = sum.saturating_add(row.get(2));
    }
    sums
}

impl CounterColumns {
    pub fn of<'a>(keys: impl IntoIterator<Item = &'a CounterKey>) -> CounterColumns {
        let (groups, names) =
            keys.into_iter().map(|key| (key.group.clone(), key.name.clone())).unzip();
        CounterColumns { groups, names }
    }

    /// Locks the rows of the counters, in the order in which they are given.
    /// Rows that do not exist are created; returns their keys.
    pub async fn lock(&self, connected: &Connected) -> Result<Vec<CounterKey>, Failed> {
        let keys: [&(dyn ToSql + Sync); 2] = [&self.groups, &self.names];
        if self.groups.is_empty() {
            return Ok(Vec::new());
        }
        // A row that is there is locked, and neither changed nor returned.
        let text = "INSERT INTO tillgate.counters AS c (grp, name, value) \
                    SELECT grp, name, 0 \
                    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k (grp, name, place) \
                    ORDER BY place \
                    ON CONFLICT (grp, name) DO UPDATE SET value = c.value WHERE false \
                    RETURNING grp, name";
        let created = connected.ask(text, &keys).await?;
        let key = |row: &Row| CounterKey { group: row.get(0), name: row.get(1) };
        Ok(created.iter().map(key).collect())
    }

    /// The values of the counters.
    pub async fn balances(
        &self,
        connected: &Connected,
    ) -> Result<HashMap<CounterKey, i64>, Failed> {
        let rows = connected.ask(BALANCES, &[&self.groups, &self.names]).await?;
        let sums = sums(&rows);
        let balance = |key: CounterKey| {
            let sum = sums.get(&key).copied().unwrap_or(0);
            (key, sum)
        };
        Ok(self.keys().map(balance).collect())
    }

    fn keys(&self) -> impl Iterator<Item = CounterKey> {
        let pairs = self.groups.iter().zip(&self.names);
        pairs.map(|(group, name)| CounterKey { group: group.clone(), name: name.clone() })
    }

    /// Removes the counters.
    pub async fn delete(&self, connected: &Connected) -> Result<(), Failed> {
        if self.groups.is_empty() {
            return Ok(());
        }
        let text = "DELETE FROM tillgate.counters c \
                    USING unnest($1::text[], $2::text[]) AS k (grp, name) \
                    WHERE c.grp = k.grp AND c.name = k.name";
        connected.ask(text, &[&self.groups, &self.names]).await.map(drop)
    }

    /// Adds an amount to each of the counters, which are locked.
    pub async fn add(&self, connected: &Connected, amounts: &[i64]) -> Result<(), Failed> {
        if amounts.iter().all(|amount| *amount == 0) {
            return Ok(());
        }
        let text = "UPDATE tillgate.counters c \
                    SET value = least(greatest(c.value::numeric + n.amount, \
                        -9223372036854775808), 9223372036854775807)::bigint \
                    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS n (grp, name, amount) \
                    WHERE c.grp = n.grp AND c.name = n.name AND n.amount <> 0";
        connected.ask(text, &[&self.groups, &self.names, &amounts]).await.map(drop)
    }
}

/// The values of counters, in the order of `keys`.
pub async fn balances(store: &Postgres, keys: &[CounterKey]) -> Result<Vec<i64>, Unavailable> {
    let columns = CounterColumns::of(keys.iter().collect::<BTreeSet<_>>());
    // Like a page that is read for an answer: what it shows must survive.
    let rows = query_kept(&store.slow, BALANCES, &[&columns.groups, &columns.names]).await?;
    let sums = sums(&rows);
    Ok(keys.iter().map(|key| sums.get(key).copied().unwrap_or(0)).collect())
}

pub async fn counters(
    store: &Postgres,
    group: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(CounterKey, i64)>, Unavailable> {
    // Order names by their bytes, as on every engine.
    // The next name in the order of bytes: no text of PostgreSQL has a byte 0.
    let from = after.map_or_else(String::new, |after| format!("{after}\u{1}"));
    // First the names of the page, each part by its index, then their values.
    let text = "WITH names AS ( \
                    SELECT name FROM ( \
                        (SELECT name COLLATE \"C\" AS name FROM tillgate.counters \
                            WHERE grp = $1 AND name COLLATE \"C\" >= $2 \
                            ORDER BY name COLLATE \"C\" LIMIT $3) \
                        UNION \
                        (SELECT DISTINCT name COLLATE \"C\" AS name FROM tillgate.counter_parts \
                            WHERE grp = $1 AND name COLLATE \"C\" >= $2 \
                            ORDER BY name COLLATE \"C\" LIMIT $3)) both_parts \
                    ORDER BY name LIMIT $3) \
                SELECT n.name, least(greatest( \
                    coalesce((SELECT c.value FROM tillgate.counters c \
                        WHERE c.grp = $1 AND c.name = n.name COLLATE \"default\"), 0)::numeric \
                    + coalesce((SELECT sum(p.amount) FROM tillgate.counter_parts p \
                        WHERE p.grp = $1 AND p.name = n.name COLLATE \"default\"), 0), \
                    -9223372036854775808), 9223372036854775807)::bigint \
                FROM names n ORDER BY n.name";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = query(&store.slow, text, &[&group, &from, &limit]).await?;
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
        let text = "SELECT partition, grp, name FROM tillgate.counter_parts \
                    ORDER BY partition, grp, name LIMIT $1";
        let most = i64::try_from(SUMMED_AT_ONCE_MAX).unwrap_or(i64::MAX);
        let found = within(link.role.patience(), connected.client.query(text, &[&most])).await?;
        let key = |row: &Row| CounterKey { group: row.get(1), name: row.get(2) };
        let partitions: Vec<i64> = found.iter().map(|row| row.get(0)).collect();
        let keys: Vec<CounterKey> = found.iter().map(key).collect();
        CounterColumns::of(keys.iter().collect::<BTreeSet<_>>()).lock(&connected).await?;
        let CounterColumns { groups, names } = CounterColumns::of(&keys);
        let text = "DELETE FROM tillgate.counter_parts p \
                    USING unnest($1::bigint[], $2::text[], $3::text[]) AS s (partition, grp, name) \
                    WHERE p.partition = s.partition AND p.grp = s.grp AND p.name = s.name \
                    RETURNING p.grp, p.name, p.amount";
        let parameters: [&(dyn ToSql + Sync); 3] = [&partitions, &groups, &names];
        let rows = within(link.role.patience(), connected.client.query(text, &parameters)).await?;
        let mut sums = BTreeMap::<CounterKey, i64>::new();
        for row in &rows {
            let sum = sums.entry(CounterKey { group: row.get(0), name: row.get(1) }).or_insert(0);
            *sum = sum.saturating_add(row.get(2));
        }
        let amounts: Vec<i64> = sums.values().copied().collect();
        CounterColumns::of(sums.keys()).add(&connected, &amounts).await?;
        connected.without_warning(&link.address, connected.client.batch_execute("COMMIT")).await?;
        // By itself: a transaction that waits for these rows may have locked
        // counters.
        let text = "DELETE FROM tillgate.outbox WHERE state = 2 \
                    AND leased_until <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        in_time(connected.client.execute(text, &[])).await?;
        Ok(rows.len())
    };
    let summed: Result<usize, Failed> = summed.await;
    if summed.is_err() {
        link.abandon(&connected).await;
    }
    Ok(summed?)
}
