//! Reads in groups: all partitions that are requested while a read is in
//! progress are read together by the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_postgres::types::ToSql;

use super::Postgres;
use super::codec::{PieceRow, id_bytes, row_of, signed, unpack, unsigned};
use super::failed::{Failed, within};
use super::link::{CONNECT_PAUSE, Link};
use super::seen_pages::SeenPages;
use crate::batch::Stored;
use crate::page::{Page, PieceKey};
use crate::{ReadTrust, Unavailable};
use tillgate_kernel::{DocKey, Partition};

/// The number of connections for reads.
const READERS: usize = 2;

/// The most partitions that one statement reads.
const GROUP_READS_MAX: usize = 256;

/// A page that a caller waits for.
pub struct Job {
    partition: Partition,
    belief: ReadTrust,
    answer: oneshot::Sender<Result<Option<Arc<[u8]>>, Unavailable>>,
}

/// Starts the readers. They end when the sender of `jobs` is dropped.
pub fn start(jobs: mpsc::Receiver<Job>, seen: &SeenPages, link: impl Fn() -> Arc<Link>) {
    let jobs = Arc::new(Mutex::new(jobs));
    for _ in 0..READERS {
        tokio::spawn(run(Arc::clone(&jobs), seen.clone(), link()));
    }
}

async fn run(jobs: Arc<Mutex<mpsc::Receiver<Job>>>, seen: SeenPages, link: Arc<Link>) {
    let mut group = Vec::new();
    loop {
        let count = jobs.lock().await.recv_many(&mut group, GROUP_READS_MAX).await;
        if count == 0 {
            return;
        }
        let must_be_kept = |job: &Job| job.belief == ReadTrust::StoredPage;
        let kept: Vec<Partition> =
            group.iter().filter(|job| must_be_kept(job)).map(|job| job.partition).collect();
        let found = read_pages(&link, group.iter().map(|job| job.partition), &kept).await;
        if let Ok(found) = &found {
            found.keys().for_each(|partition| seen.note(*partition));
        }
        for Job { partition, answer, .. } in group.drain(..) {
            let page = match &found {
                Ok(found) => Ok(found.get(&partition).cloned()),
                Err(why) => Err(why.clone()),
            };
            let _ = answer.send(page); // the caller may have gone
        }
    }
}

async fn read_pages(
    link: &Link,
    partitions: impl Iterator<Item = Partition>,
    kept: &[Partition],
) -> Result<BTreeMap<Partition, Arc<[u8]>>, Unavailable> {
    let partitions: Vec<i64> = partitions.map(signed).collect();
    let text = "SELECT partition, body FROM tillgate.pages WHERE partition = ANY($1)";
    let must_be_kept = |row: &tokio_postgres::Row| kept.contains(&unsigned(row.get(0)));
    let rows = query_behind(link, text, &[&partitions], must_be_kept).await?;
    Ok(rows.iter().map(|row| (unsigned(row.get(0)), Arc::from(row.get::<_, &[u8]>(1)))).collect())
}

/// Runs a query that may run twice: if it fails, it is retried once, on a new
/// connection if the old one has broken.
pub async fn query(
    link: &Link,
    text: &'static str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<tokio_postgres::Row>, Unavailable> {
    query_behind(link, text, parameters, |_| false).await
}

/// Like [`query`], and waits until all rows are known to be kept as commits
/// promise.
pub async fn query_kept(
    link: &Link,
    text: &'static str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<tokio_postgres::Row>, Unavailable> {
    query_behind(link, text, parameters, |_| true).await
}

/// Like [`query`]. If a row `must_be_kept`, it also waits until that row is
/// known to be kept as commits promise.
async fn query_behind(
    link: &Link,
    text: &'static str,
    parameters: &[&(dyn ToSql + Sync)],
    must_be_kept: impl Fn(&tokio_postgres::Row) -> bool,
) -> Result<Vec<tokio_postgres::Row>, Unavailable> {
    match ask(link, text, parameters, &must_be_kept).await {
        Err(Unavailable::Unreachable(_)) => {
            tokio::time::sleep(CONNECT_PAUSE).await;
            ask(link, text, parameters, &must_be_kept).await
        }
        outcome => outcome,
    }
}

/// Runs a query once. A connection on which it fails is not used again.
pub async fn query_once(
    link: &Link,
    text: &'static str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<tokio_postgres::Row>, Unavailable> {
    ask(link, text, parameters, &|_| false).await
}

async fn ask(
    link: &Link,
    text: &'static str,
    parameters: &[&(dyn ToSql + Sync)],
    must_be_kept: &impl Fn(&tokio_postgres::Row) -> bool,
) -> Result<Vec<tokio_postgres::Row>, Unavailable> {
    let connected = link.get().await?;
    let asked = async {
        let statement = connected.statement(text).await?;
        // Some queries change rows, and the caller builds on that: for example,
        // a claim.
        let before = connected.warnings();
        match within(link.role.patience(), connected.client.query(&statement, parameters)).await {
            Ok(rows) => {
                let rows = connected.unless_warned(&link.address, before, rows)?;
                if rows.iter().any(must_be_kept) {
                    link.address.barrier(&connected).await?;
                }
                Ok(rows)
            }
            Err(why) => {
                if why.leaves_doubt() {
                    link.address.note_unconfirmed();
                }
                Err(why)
            }
        }
    };
    match asked.await {
        Ok(rows) => Ok(rows),
        Err(why @ Failed::StandsStill) => Err(why.into()), // nothing is wrong with the connection
        Err(why) => {
            link.abandon(&connected).await;
            Err(why.into())
        }
    }
}

/// The packed page of a partition.
pub async fn page(
    store: &Postgres,
    partition: Partition,
    belief: ReadTrust,
) -> Result<Option<Arc<[u8]>>, Unavailable> {
    let (answer, answered) = oneshot::channel();
    let closed = || Unavailable::Unreachable("the store has been closed".into());
    store.reads.send(Job { partition, belief, answer }).await.map_err(|_| closed())?;
    answered.await.unwrap_or_else(|_| Err(closed()))
}

/// How often a page is read again because it changed while its pieces were
/// read.
const TORN_READS_MAX: u32 = 100;

/// Calls `look` with the page of a partition. The page and the pieces of long
/// bodies are read one after another, and a commit may happen in between. So a
/// mismatch only counts as damage if the page is still the same when it is read
/// again.
pub async fn with_page<T, F>(
    store: &Postgres,
    partition: Partition,
    belief: ReadTrust,
    look: impl Fn(Arc<Page>) -> F,
) -> Result<T, Unavailable>
where
    F: Future<Output = Result<T, Unavailable>>,
{
    let mut failed_on = None;
    for _ in 0..TORN_READS_MAX {
        let packed = page(store, partition, belief).await?;
        let looked = match unpack(partition, packed.as_deref()) {
            Ok(page) => look(Arc::new(page)).await,
            Err(why) => Err(why),
        };
        match looked {
            Err(Unavailable::Damaged { record, why }) => {
                if failed_on.as_ref() == Some(&packed) {
                    return Err(Unavailable::Damaged { record, why });
                }
                failed_on = Some(packed);
            }
            outcome => return outcome,
        }
    }
    Err(Unavailable::Crowded)
}

/// Reads documents of a page.
pub async fn documents(
    store: &Postgres,
    page: Arc<Page>,
    keys: &[DocKey],
) -> Result<Vec<Option<Stored>>, Unavailable> {
    let mut pieces = BTreeMap::new();
    for key in keys.iter().filter(|key| page.head(**key).is_some_and(|head| head.pieces > 0)) {
        pieces.extend(read_pieces(&store.pieces, *key).await?);
    }
    let piece = |piece: PieceKey| Ok(pieces.get(&row_of(piece)));
    keys.iter().map(|key| page.document(*key, &piece)).collect()
}

/// Reads the pieces of a long body.
pub async fn read_pieces(
    link: &Link,
    key: DocKey,
) -> Result<Vec<(PieceRow, Vec<u8>)>, Unavailable> {
    let text =
        "SELECT piece, body FROM tillgate.pieces WHERE partition = $1 AND kind = $2 AND id = $3";
    let (kind, id) = (i16::from(key.kind.byte()), id_bytes(key.id));
    let rows = query(link, text, &[&signed(key.partition), &kind, &id]).await?;
    let piece = |row: &tokio_postgres::Row| {
        let number = u16::try_from(row.get::<_, i32>(0)).unwrap_or(u16::MAX);
        ((key, number), row.get(1))
    };
    Ok(rows.iter().map(piece).collect())
}
