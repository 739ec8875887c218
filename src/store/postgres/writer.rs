//! Commits in groups: all batches that wait go into one transaction, and each succeeds or conflicts alone.
//!
//! A group is judged as on the embedded store, batch after batch, each over what is stored and what those before it in
//! the group wrote. What is stored is locked first, in the order of the partitions, so that groups of several nodes wait
//! for one another and never in a circle. A batch that believes its partition to be empty, as nearly every new order
//! does, is staged without a look; when an insert then finds that it is not, the whole group is done again with one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::link::{Connected, Link};
use super::{Failed, id_bytes, in_time, is_conflict, signed, unpack, unsigned};
use crate::kernel::chance::random_bytes;
use crate::kernel::{Kind, MessageId, Timestamp};
use crate::store::batch::{Batch, Bump, Change, CounterKey, DocKey, Expect, Stored};
use crate::store::page::{Head, Page, PieceKey, Pieces};
use crate::store::plan::{DocWrite, Held, Writes, plan};
use crate::store::queue::{Place, Ticket};
use crate::store::{CommitError, Unavailable};

/// Connections for commits: while one waits for the disk, the next group is gathered and written on another.
const WRITERS: usize = 2;

/// The most batches in a group. It bounds how long the first of them waits.
const GROUP_BATCHES_MAX: usize = 512;

/// The most bytes that a group writes before it closes: what a statement can carry in its time.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How often a group is begun anew because others were quicker.
const ATTEMPTS_MAX: u32 = 6;

/// What becomes of a batch.
type Outcome = Result<(), CommitError>;

/// A batch that somebody waits for.
pub struct Job {
    pub batch: Batch,
    pub answer: oneshot::Sender<Outcome>,
}

/// Starts the writers. They end with the sender of their jobs.
pub fn start(jobs: mpsc::Receiver<Job>, bell: &watch::Sender<u64>, link: impl Fn() -> Arc<Link>) {
    let jobs = Arc::new(Mutex::new(jobs));
    for _ in 0..WRITERS {
        tokio::spawn(run(Arc::clone(&jobs), link(), bell.clone()));
    }
}

async fn run(jobs: Arc<Mutex<mpsc::Receiver<Job>>>, link: Arc<Link>, bell: watch::Sender<u64>) {
    loop {
        let mut group = gather(&mut *jobs.lock().await).await;
        if group.is_empty() {
            return;
        }
        let (batches, answers): (Vec<Batch>, Vec<_>) =
            group.drain(..).map(|job| (job.batch, job.answer)).unzip();
        match commit_group(&link, &batches).await {
            Ok(Committed { outcomes, has_messages }) => {
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    let _ = answer.send(outcome); // whoever waited may have gone; the batch stands all the same
                }
                if has_messages {
                    bell.send_modify(|rung| *rung += 1);
                }
            }
            Err(why) => {
                for answer in answers {
                    let _ = answer.send(Err(why.clone().into()));
                }
            }
        }
    }
}

/// The batches that wait; nothing when there will be none.
async fn gather(jobs: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let bytes_of = |job: &Job| -> usize {
        let of_docs = job.batch.docs.values().map(|(_, change)| match change {
            Change::Put(body) => body.bytes.len(),
            Change::Keep | Change::Delete => 0,
        });
        of_docs.sum()
    };
    let (mut group, mut bytes) = (Vec::new(), 0);
    let mut next = jobs.recv().await;
    while let Some(job) = next.take() {
        bytes += bytes_of(&job);
        group.push(job);
        if group.len() < GROUP_BATCHES_MAX && bytes < GROUP_BYTES_MAX {
            next = jobs.try_recv().ok();
        }
    }
    group
}

/// What became of a group.
struct Committed {
    outcomes: Vec<Outcome>,
    has_messages: bool,
}

/// Why a group was not committed.
enum Undone {
    /// Somebody else was quicker: do it again, with a look at these partitions.
    Again(Vec<u64>),
    /// It cannot be done now.
    Failed(Failed),
}

impl From<Failed> for Undone {
    fn from(failed: Failed) -> Undone {
        match failed {
            Failed::Said(why) if is_conflict(&why) => Undone::Again(Vec::new()),
            failed @ (Failed::Said(_) | Failed::TooSlow) => Undone::Failed(failed),
        }
    }
}

async fn commit_group(link: &Link, batches: &[Batch]) -> Result<Committed, Unavailable> {
    let mut must_look = HashSet::new();
    for _ in 0..ATTEMPTS_MAX {
        let connected = link.get().await?;
        let undone = match Box::pin(attempt(&connected, batches, &must_look)).await {
            Ok(committed) => return Ok(committed),
            Err(undone) => undone,
        };
        // A connection on which something went wrong within a transaction is only kept if that can be ended.
        let is_ended = !matches!(&undone, Undone::Failed(_))
            && in_time(connected.client.batch_execute("ROLLBACK")).await.is_ok();
        if !is_ended {
            link.abandon(&connected).await;
        }
        match undone {
            Undone::Again(partitions) => must_look.extend(partitions),
            Undone::Failed(why) => return Err(why.into()),
        }
    }
    Err(Unavailable::Crowded)
}

/// The partitions that a batch is about: one, but for batches of tests.
fn partitions(batch: &Batch) -> impl Iterator<Item = u64> {
    let of_docs = batch.docs.keys().map(|key| key.partition);
    let of_messages = batch.messages.iter().map(|(message, _)| message.id.number.get());
    let of_settled = batch.settled.iter().map(|(ticket, _)| ticket.id.number.get());
    of_docs.chain(of_messages).chain(of_settled)
}

/// Whether a batch can be staged without a look at what is stored: it believes that nothing is there, and inserts, which
/// finds out. One that inserts nothing would never know.
fn believes_in_nothing(batch: &Batch) -> bool {
    let inserts = |partition: u64| {
        let of_partition = batch.docs.iter().filter(|(key, _)| key.partition == partition);
        of_partition.into_iter().any(|(_, (_, change))| matches!(change, Change::Put(_)))
    };
    let all_absent =
        batch.docs.iter().all(|(key, (expect, _))| *expect == Expect::Absent && inserts(key.partition));
    all_absent && !batch.docs.is_empty() && batch.settled.is_empty()
}

async fn attempt(
    connected: &Connected,
    batches: &[Batch],
    must_look: &HashSet<u64>,
) -> Result<Committed, Undone> {
    let mut look = Vec::new();
    for batch in batches {
        let is_looked_for = |partition: &u64| !believes_in_nothing(batch) || must_look.contains(partition);
        look.extend(partitions(batch).filter(is_looked_for));
    }
    look.sort_unstable();
    look.dedup();
    let begun = in_time(connected.client.batch_execute("BEGIN"));
    let mut group = if look.is_empty() {
        begun.await?;
        Group::default()
    } else {
        let (begun, stored) = tokio::join!(biased; begun, read(connected, batches, &look));
        begun?;
        stored?
    };
    let outcomes: Vec<Outcome> = batches.iter().map(|batch| group.admit(batch.clone())).collect();
    let has_messages = group.has_messages;
    let missing = Box::pin(group.write(connected)).await?;
    if !missing.is_empty() {
        return Err(Undone::Again(missing));
    }
    in_time(connected.client.batch_execute("COMMIT")).await?;
    Ok(Committed { outcomes, has_messages })
}

/// Locks and reads what the group is to be judged against.
async fn read(connected: &Connected, batches: &[Batch], look: &[u64]) -> Result<Group, Undone> {
    let partitions: Vec<i64> = look.iter().copied().map(signed).collect();
    let text =
        "SELECT partition, body FROM tillgate.pages WHERE partition = ANY($1) ORDER BY partition FOR UPDATE";
    let mut group = Group::default();
    for row in ask(connected, text, &[&partitions]).await? {
        let partition = unsigned(row.get(0));
        match unpack(partition, Some(row.get(1))) {
            Ok(page) => {
                group.pages.insert(partition, Kept { page, is_stored: true, is_changed: false });
            }
            // Only those who are about it hear of it.
            Err(why) => {
                group.damaged.insert(partition, why);
            }
        }
    }
    let settled = || batches.iter().flat_map(|batch| &batch.settled).map(|(ticket, _)| ticket.id);
    let numbers: Vec<i64> = settled().map(|id| signed(id.number.get())).collect();
    if !numbers.is_empty() {
        let sequences: Vec<i64> = settled().map(|id| i64::from(id.sequence)).collect();
        let text = "SELECT o.partition, o.sequence, o.fence FROM tillgate.outbox o \
                    JOIN unnest($1::bigint[], $2::bigint[]) AS s (partition, sequence) \
                    ON o.partition = s.partition AND o.sequence = s.sequence \
                    ORDER BY o.partition, o.sequence FOR UPDATE OF o";
        for row in ask(connected, text, &[&numbers, &sequences]).await? {
            let place = (unsigned(row.get(0)), row.get::<_, i64>(1));
            group.fences.insert(place, row.get::<_, i64>(2).cast_unsigned());
        }
    }
    // A message's body is looked into; if it is a long one, its pieces are needed.
    let messages =
        batches.iter().flat_map(|batch| batch.docs.keys().copied()).chain(settled().map(DocKey::message));
    for key in messages.filter(|key| key.kind == Kind::Message) {
        let head = group.pages.get(&key.partition).and_then(|kept| kept.page.head(key));
        if head.is_some_and(|head| head.pieces > 0) {
            let text =
                "SELECT piece, body FROM tillgate.pieces WHERE partition = $1 AND kind = $2 AND id = $3";
            let (kind, id) = (i16::from(key.kind as u8), id_bytes(key.id));
            for row in ask(connected, text, &[&signed(key.partition), &kind, &id]).await? {
                let number = u16::try_from(row.get::<_, i32>(0)).unwrap_or(u16::MAX);
                group.pieces.insert((key, number), Some(row.get(1)));
            }
        }
    }
    Ok(group)
}

async fn ask(
    connected: &Connected,
    text: &'static str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Failed> {
    let statement = connected.statement(text).await?;
    in_time(connected.client.query(&statement, parameters)).await
}

/// The same, if there is anything to say.
async fn ask_if(
    is_needed: bool,
    connected: &Connected,
    text: &'static str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Failed> {
    if is_needed { ask(connected, text, parameters).await } else { Ok(Vec::new()) }
}

/// A page as the group has it so far.
#[derive(Debug)]
struct Kept {
    page: Page,
    is_stored: bool,
    is_changed: bool,
}

/// What the batches of a group have written so far, over what is stored.
#[derive(Default)]
struct Group {
    pages: HashMap<u64, Kept>,
    /// Pages that cannot be read.
    damaged: HashMap<u64, Unavailable>,
    /// Pieces that were read or written, and whether they are to be written.
    pieces: HashMap<PieceKey, Option<Vec<u8>>>,
    new_pieces: HashMap<PieceKey, Option<Vec<u8>>>,
    fences: HashMap<(u64, i64), u64>,
    listed: BTreeMap<(u8, Timestamp, u64, u128), bool>,
    outbox: BTreeMap<(u64, i64), Option<Place>>,
    /// Messages whose place was given up without a settlement.
    withdrawn: HashSet<(u64, i64)>,
    parts: BTreeMap<(u64, CounterKey), i64>,
    set: BTreeMap<CounterKey, i64>,
    has_messages: bool,
}

impl Held for Group {
    fn head(&self, key: DocKey) -> Result<Option<Head>, Unavailable> {
        if let Some(why) = self.damaged.get(&key.partition) {
            return Err(why.clone());
        }
        Ok(self.pages.get(&key.partition).and_then(|kept| kept.page.head(key)))
    }

    fn doc(&self, key: DocKey) -> Result<Option<Stored>, Unavailable> {
        let piece = |piece: PieceKey| Ok(self.pieces.get(&piece).cloned().flatten());
        self.pages.get(&key.partition).map_or(Ok(None), |kept| kept.page.document(key, &piece))
    }

    fn lease_holds(&self, ticket: Ticket) -> bool {
        self.fences.get(&line_of(ticket.id)) == Some(&ticket.fence)
    }
}

/// A message's row.
fn line_of(id: MessageId) -> (u64, i64) {
    (id.number.get(), i64::from(id.sequence))
}

impl Group {
    /// Takes a batch in, or says why not.
    fn admit(&mut self, batch: Batch) -> Outcome {
        let home = partitions(&batch).next().unwrap_or(0);
        let Writes { docs, counters, released, has_messages } = plan(batch, self)?;
        // Never the same twice for one document, whoever writes it.
        let version = u64::from_be_bytes(random_bytes());
        let mut pieces = Pieces::new();
        for DocWrite { key, old_listed_at, new, new_place, .. } in docs {
            let new_listed_at = new.as_ref().map(|body| body.listed_at);
            if key.kind.is_listed() && old_listed_at != new_listed_at {
                let line = |listed_at| (key.kind as u8, listed_at, key.partition, key.id);
                self.listed.extend(old_listed_at.map(|was| (line(was), false)));
                self.listed.extend(new_listed_at.map(|is| (line(is), true)));
            }
            if key.kind == Kind::Message {
                let line = (key.partition, i64::try_from(key.id).unwrap_or(i64::MAX));
                if new_place.is_none() && new.is_some() {
                    self.withdrawn.insert(line);
                } else {
                    self.withdrawn.remove(&line);
                }
                self.outbox.insert(line, new_place);
            }
            let empty = || Kept { page: Page::empty(key.partition), is_stored: false, is_changed: false };
            let kept = self.pages.entry(key.partition).or_insert_with(empty);
            kept.is_changed = true;
            kept.page.write(key, version, new, &mut pieces);
        }
        for ticket in released {
            self.fences.remove(&line_of(ticket.id)); // a ticket settles once
            self.withdrawn.remove(&line_of(ticket.id));
        }
        self.pieces.extend(pieces.iter().cloned());
        self.new_pieces.extend(pieces);
        for (key, bump) in counters {
            match bump {
                Bump::Add(amount) => {
                    let part = self.parts.entry((home, key)).or_insert(0);
                    *part = part.saturating_add(amount);
                }
                Bump::Set(amount) => {
                    self.parts.retain(|(_, other), _| *other != key);
                    self.set.insert(key, amount);
                }
            }
        }
        self.has_messages |= has_messages;
        Ok(())
    }

    /// Sends everything that is to be written, without waiting in between. Returns partitions that were believed to be
    /// empty and are not.
    async fn write(self, connected: &Connected) -> Result<Vec<u64>, Failed> {
        let (mut new, mut changed, mut gone) = (Columns::default(), Columns::default(), Vec::new());
        let mut pages: Vec<_> = self.pages.into_iter().filter(|(_, kept)| kept.is_changed).collect();
        pages.sort_unstable_by_key(|(partition, _)| *partition);
        for (partition, Kept { page, is_stored, .. }) in pages {
            match (page.is_empty(), is_stored) {
                (true, true) => gone.push(signed(partition)),
                (true, false) => {}
                (false, true) => changed.push(partition, page.pack()),
                (false, false) => new.push(partition, page.pack()),
            }
        }
        let (put_pieces, cut_pieces) = PieceColumns::of(self.new_pieces);
        let (listed, unlisted) = ListColumns::of(self.listed);
        let (lines, ended) = LineColumns::of(self.outbox, &self.withdrawn);
        let parts = PartColumns::of(self.parts);
        let set = SetColumns::of(self.set);

        let inserted = async {
            let text = "INSERT INTO tillgate.pages (partition, body) \
                        SELECT * FROM unnest($1::bigint[], $2::bytea[]) \
                        ON CONFLICT (partition) DO NOTHING RETURNING partition";
            ask_if(!new.partitions.is_empty(), connected, text, &[&new.partitions, &new.bodies]).await
        };
        let updated = async {
            let text = "UPDATE tillgate.pages p SET body = n.body \
                        FROM unnest($1::bigint[], $2::bytea[]) AS n (partition, body) \
                        WHERE p.partition = n.partition";
            let (partitions, bodies) = (&changed.partitions, &changed.bodies);
            ask_if(!partitions.is_empty(), connected, text, &[partitions, bodies]).await
        };
        let deleted = async {
            let text = "DELETE FROM tillgate.pages WHERE partition = ANY($1)";
            ask_if(!gone.is_empty(), connected, text, &[&gone]).await
        };
        let pieces = async {
            put_pieces.put(connected).await?;
            cut_pieces.cut(connected).await
        };
        let lists = async {
            unlisted.delete(connected).await?;
            listed.insert(connected).await
        };
        let outbox = async {
            lines.put(connected).await?;
            ended.end(connected).await
        };
        let counters = async {
            set.put(connected).await?;
            parts.add(connected).await
        };
        let (inserted, updated, deleted, pieces, lists, outbox, counters) =
            tokio::join!(biased; inserted, updated, deleted, pieces, lists, outbox, counters);
        let inserted = first_failure([
            inserted,
            updated,
            deleted,
            pieces.map(|()| Vec::new()),
            lists.map(|()| Vec::new()),
            outbox.map(|()| Vec::new()),
            counters.map(|()| Vec::new()),
        ])?;
        if inserted.len() == new.partitions.len() {
            return Ok(Vec::new());
        }
        let there: HashSet<i64> = inserted.iter().map(|row| row.get(0)).collect();
        Ok(new.partitions.into_iter().filter(|new| !there.contains(new)).map(unsigned).collect())
    }
}

/// The first answer, or what went wrong: after one failure the others only say that the transaction has failed.
fn first_failure(answers: [Result<Vec<Row>, Failed>; 7]) -> Result<Vec<Row>, Failed> {
    let is_echo = |failed: &Failed| match failed {
        Failed::Said(why) => why.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION),
        Failed::TooSlow => false,
    };
    let mut first = None;
    let mut failure: Option<Failed> = None;
    for answer in answers {
        match answer {
            Ok(rows) => first = first.or(Some(rows)),
            Err(why) if failure.as_ref().is_none_or(is_echo) => failure = Some(why),
            Err(_) => {}
        }
    }
    failure.map_or_else(|| Ok(first.unwrap_or_default()), Err)
}

/// Pages, column by column.
#[derive(Default)]
struct Columns {
    partitions: Vec<i64>,
    bodies: Vec<Vec<u8>>,
}

impl Columns {
    fn push(&mut self, partition: u64, body: Vec<u8>) {
        self.partitions.push(signed(partition));
        self.bodies.push(body);
    }
}

#[derive(Default)]
struct PieceColumns {
    partitions: Vec<i64>,
    kinds: Vec<i16>,
    ids: Vec<Vec<u8>>,
    numbers: Vec<i32>,
    bodies: Vec<Vec<u8>>,
}

impl PieceColumns {
    /// Those to be put, and those to be cut off.
    fn of(pieces: HashMap<PieceKey, Option<Vec<u8>>>) -> (PieceColumns, PieceColumns) {
        let (mut put, mut cut) = (PieceColumns::default(), PieceColumns::default());
        for ((key, number), body) in pieces {
            let columns = if body.is_some() { &mut put } else { &mut cut };
            columns.partitions.push(signed(key.partition));
            columns.kinds.push(i16::from(key.kind as u8));
            columns.ids.push(id_bytes(key.id));
            columns.numbers.push(i32::from(number));
            columns.bodies.extend(body);
        }
        (put, cut)
    }

    async fn put(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "INSERT INTO tillgate.pieces (partition, kind, id, piece, body) \
                    SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bytea[], $4::integer[], $5::bytea[]) \
                    ON CONFLICT (partition, kind, id, piece) DO UPDATE SET body = excluded.body";
        let columns: [&(dyn ToSql + Sync); 5] =
            [&self.partitions, &self.kinds, &self.ids, &self.numbers, &self.bodies];
        ask_if(!self.partitions.is_empty(), connected, text, &columns).await.map(drop)
    }

    async fn cut(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "DELETE FROM tillgate.pieces p \
                    USING unnest($1::bigint[], $2::smallint[], $3::bytea[], $4::integer[]) AS c (partition, kind, id, piece) \
                    WHERE p.partition = c.partition AND p.kind = c.kind AND p.id = c.id AND p.piece = c.piece";
        let columns: [&(dyn ToSql + Sync); 4] = [&self.partitions, &self.kinds, &self.ids, &self.numbers];
        ask_if(!self.partitions.is_empty(), connected, text, &columns).await.map(drop)
    }
}

#[derive(Default)]
struct ListColumns {
    kinds: Vec<i16>,
    times: Vec<i64>,
    partitions: Vec<i64>,
    ids: Vec<Vec<u8>>,
}

impl ListColumns {
    /// What is listed from now on, and what no more.
    fn of(listed: BTreeMap<(u8, Timestamp, u64, u128), bool>) -> (ListColumns, ListColumns) {
        let (mut on, mut off) = (ListColumns::default(), ListColumns::default());
        for ((kind, listed_at, partition, id), is_listed) in listed {
            let columns = if is_listed { &mut on } else { &mut off };
            columns.kinds.push(i16::from(kind));
            columns.times.push(listed_at.as_microsecond());
            columns.partitions.push(signed(partition));
            columns.ids.push(id_bytes(id));
        }
        (on, off)
    }

    fn columns(&self) -> [&(dyn ToSql + Sync); 4] {
        [&self.kinds, &self.times, &self.partitions, &self.ids]
    }

    async fn insert(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "INSERT INTO tillgate.listings (kind, listed_at, partition, id) \
                    SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bytea[]) \
                    ON CONFLICT (kind, listed_at, partition, id) DO NOTHING";
        ask_if(!self.kinds.is_empty(), connected, text, &self.columns()).await.map(drop)
    }

    async fn delete(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "DELETE FROM tillgate.listings l \
                    USING unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bytea[]) AS g (kind, listed_at, partition, id) \
                    WHERE l.kind = g.kind AND l.listed_at = g.listed_at AND l.partition = g.partition AND l.id = g.id";
        ask_if(!self.kinds.is_empty(), connected, text, &self.columns()).await.map(drop)
    }
}

/// Rows of the outbox.
#[derive(Default)]
struct LineColumns {
    partitions: Vec<i64>,
    sequences: Vec<i64>,
    lanes: Vec<i16>,
    states: Vec<i16>,
    queues: Vec<String>,
    due: Vec<i64>,
}

/// Rows of the outbox that end; the flag says whether somebody may still be at the message.
#[derive(Default)]
struct EndedColumns {
    partitions: Vec<i64>,
    sequences: Vec<i64>,
    withdrawn: Vec<bool>,
}

impl LineColumns {
    fn of(
        outbox: BTreeMap<(u64, i64), Option<Place>>,
        withdrawn: &HashSet<(u64, i64)>,
    ) -> (LineColumns, EndedColumns) {
        let (mut lines, mut ended) = (LineColumns::default(), EndedColumns::default());
        for (line @ (partition, sequence), place) in outbox {
            match place {
                Some(Place { lane, dead, queue, due, .. }) => {
                    lines.partitions.push(signed(partition));
                    lines.sequences.push(sequence);
                    lines.lanes.push(i16::from(lane as u8));
                    lines.states.push(i16::from(dead));
                    lines.queues.push(queue);
                    lines.due.push(due.as_microsecond());
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

    /// A row that is written anew belongs to nobody: a ticket settles once.
    async fn put(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "INSERT INTO tillgate.outbox (partition, sequence, lane, state, queue, due) \
                    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::smallint[], $5::text[], $6::bigint[]) \
                    ON CONFLICT (partition, sequence) DO UPDATE SET lane = excluded.lane, state = excluded.state, \
                    queue = excluded.queue, due = excluded.due, fence = 0, leased_until = 0";
        let columns: [&(dyn ToSql + Sync); 6] =
            [&self.partitions, &self.sequences, &self.lanes, &self.states, &self.queues, &self.due];
        ask_if(!self.partitions.is_empty(), connected, text, &columns).await.map(drop)
    }
}

impl EndedColumns {
    /// A message that was withdrawn while somebody is at it keeps its row, so that it can be settled.
    async fn end(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "UPDATE tillgate.outbox o SET state = 2 \
                    FROM unnest($1::bigint[], $2::bigint[], $3::boolean[]) AS e (partition, sequence, withdrawn) \
                    WHERE o.partition = e.partition AND o.sequence = e.sequence AND e.withdrawn AND o.fence <> 0";
        let columns: [&(dyn ToSql + Sync); 3] = [&self.partitions, &self.sequences, &self.withdrawn];
        ask_if(self.withdrawn.contains(&true), connected, text, &columns).await?;
        let text = "DELETE FROM tillgate.outbox o \
                    USING unnest($1::bigint[], $2::bigint[], $3::boolean[]) AS e (partition, sequence, withdrawn) \
                    WHERE o.partition = e.partition AND o.sequence = e.sequence AND NOT (e.withdrawn AND o.fence <> 0)";
        ask_if(!self.partitions.is_empty(), connected, text, &columns).await.map(drop)
    }
}

#[derive(Default)]
struct PartColumns {
    partitions: Vec<i64>,
    groups: Vec<String>,
    names: Vec<String>,
    amounts: Vec<i64>,
}

impl PartColumns {
    fn of(parts: BTreeMap<(u64, CounterKey), i64>) -> PartColumns {
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
                    ON CONFLICT (partition, grp, name) DO UPDATE SET amount = p.amount + excluded.amount";
        let columns: [&(dyn ToSql + Sync); 4] = [&self.partitions, &self.groups, &self.names, &self.amounts];
        ask_if(!self.partitions.is_empty(), connected, text, &columns).await.map(drop)
    }
}

#[derive(Default)]
struct SetColumns {
    groups: Vec<String>,
    names: Vec<String>,
    values: Vec<i64>,
}

impl SetColumns {
    fn of(set: BTreeMap<CounterKey, i64>) -> SetColumns {
        let mut columns = SetColumns::default();
        for (CounterKey { group, name }, value) in set {
            columns.groups.push(group);
            columns.names.push(name);
            columns.values.push(value);
        }
        columns
    }

    /// Somebody has counted: what was added before is in it.
    async fn put(&self, connected: &Connected) -> Result<(), Failed> {
        let text = "DELETE FROM tillgate.counter_parts p USING unnest($1::text[], $2::text[]) AS s (grp, name) \
                    WHERE p.grp = s.grp AND p.name = s.name";
        ask_if(!self.groups.is_empty(), connected, text, &[&self.groups, &self.names]).await?;
        let text = "INSERT INTO tillgate.counters (grp, name, value) \
                    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) \
                    ON CONFLICT (grp, name) DO UPDATE SET value = excluded.value";
        let columns: [&(dyn ToSql + Sync); 3] = [&self.groups, &self.names, &self.values];
        ask_if(!self.groups.is_empty(), connected, text, &columns).await.map(drop)
    }
}
