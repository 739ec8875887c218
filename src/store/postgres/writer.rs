//! Commits in groups: all batches that wait go into one transaction, and each succeeds or conflicts alone.
//!
//! A group is judged as on the embedded store, batch after batch, each over what is stored and what those before it in
//! the group wrote. What is stored is locked first, in the order of the partitions, so that groups of several nodes wait
//! for one another and never in a circle. A batch that believes its partition to be empty, as nearly every new order
//! does, is staged without a look; when an insert then finds that it is not, the whole group is done again with one.
//!
//! What is locked elsewhere holds nobody else up: a batch whose page is locked leaves the group and comes back a moment
//! later; a group that fails by a lock or a time-out is halved until the culprit is alone, and from then on what is about the same
//! partition goes by a connection of its own for a while.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio_postgres::SimpleQueryMessage;

use super::failed::{Blame, Failed, blame, in_time, is_conflict};
use super::group::{Group, partitions};
use super::link::{Connected, Link};
use super::time::Time;
use crate::kernel::time::from_micros;
use crate::kernel::{Partition, Stopwatch, Timestamp};
use crate::store::batch::{Batch, Change, Expect};
use crate::store::{CommitError, Unavailable};

/// Connections for commits: while one waits for the disk, the next group is gathered and written on another.
const WRITERS: usize = 2;

/// The most batches in a group. It bounds how long the first of them waits.
const GROUP_BATCHES_MAX: usize = 512;

/// The most bytes that a group writes before it closes: what a statement can carry in its time.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How often a group is begun again because others were quicker.
const ATTEMPTS_MAX: u32 = 6;

/// How long a batch waits for what is locked elsewhere. Whoever waits for the batch has an answer before its sender gives up.
const LOCK_WAIT_MAX: Duration = Duration::from_millis(1500);

/// Between two attempts at a page that is locked: as long as a commit takes.
const LOCKED_PAGE_PAUSE: Duration = Duration::from_millis(5);

/// Between two attempts of a batch that has failed a group by a lock or a time-out.
const CULPRIT_PAUSE: Duration = Duration::from_millis(20);

/// How long a half of a failed group may wait for a lock, in the database's words: the others wait for it.
const HALF_LOCK_WAIT: &str = "SET LOCAL lock_timeout = '50ms'";

/// How long what is about a partition goes by a connection of its own after a batch about it has failed a group.
const SUSPECT_TIME: Duration = Duration::from_secs(2);

/// The most partitions that are suspected at once. Beyond them groups are halved again.
const SUSPECTS_MAX: usize = 10_000;

/// What becomes of a batch.
type Outcome = Result<(), CommitError>;

/// A batch that somebody waits for.
pub struct Job {
    batch: Batch,
    answer: oneshot::Sender<Outcome>,
    /// Since when it has been waiting for a lock.
    locked: Option<Stopwatch>,
}

impl Job {
    pub fn new(batch: Batch, answer: oneshot::Sender<Outcome>) -> Job {
        Job { batch, answer, locked: None }
    }
}

/// Partitions about which a batch has failed a group lately.
#[derive(Debug, Default)]
struct Suspects(std::sync::Mutex<HashMap<Partition, Stopwatch>>);

impl Suspects {
    fn add(&self, batch: &Batch) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, since| since.elapsed() < SUSPECT_TIME);
        if known.len() < SUSPECTS_MAX {
            known.extend(partitions(batch).map(|partition| (partition, Stopwatch::start())));
        }
    }

    fn has(&self, batch: &Batch) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_suspect =
            |partition| known.get(&partition).is_some_and(|since| since.elapsed() < SUSPECT_TIME);
        !known.is_empty() && partitions(batch).any(is_suspect)
    }
}

/// Why the server could not commit last time, whatever it was given; none when it could.
pub type Trouble = Arc<std::sync::Mutex<Option<(Stopwatch, String)>>>;

/// Commits what comes, group after group.
struct Writer {
    queue: Arc<Mutex<mpsc::Receiver<Job>>>,
    /// Where jobs come back that are locked elsewhere.
    again: mpsc::WeakSender<Job>,
    /// Where jobs go whose partition has failed a group. None for the writer that takes these.
    aside: Option<mpsc::Sender<Job>>,
    suspects: Arc<Suspects>,
    link: Arc<Link>,
    bell: watch::Sender<u64>,
    trouble: Trouble,
    time: Time,
}

/// What the writers of a store share with its readers.
pub struct Shared {
    pub bell: watch::Sender<u64>,
    pub trouble: Trouble,
    pub time: Time,
}

/// Starts the writers. They end with the sender of their jobs.
pub fn start(
    sender: &mpsc::Sender<Job>,
    jobs: mpsc::Receiver<Job>,
    shared: &Shared,
    link: impl Fn() -> Arc<Link>,
) {
    let (queue, suspects) = (Arc::new(Mutex::new(jobs)), Arc::new(Suspects::default()));
    let (aside, set_aside) = mpsc::channel(super::WAITING_MAX);
    let writer = |queue, again, aside| Writer {
        queue,
        again,
        aside,
        suspects: Arc::clone(&suspects),
        link: link(),
        bell: shared.bell.clone(),
        trouble: Arc::clone(&shared.trouble),
        time: shared.time.clone(),
    };
    for _ in 0..WRITERS {
        tokio::spawn(writer(Arc::clone(&queue), sender.downgrade(), Some(aside.clone())).run());
    }
    let set_aside = Arc::new(Mutex::new(set_aside));
    tokio::spawn(writer(set_aside, aside.downgrade(), None).run());
}

impl Writer {
    async fn run(self) {
        loop {
            let group = gather(&mut *self.queue.lock().await).await;
            if group.is_empty() {
                return;
            }
            let group = self.without_suspects(group);
            if group.is_empty() {
                continue;
            }
            let (mut batches, mut others) =
                (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
            for Job { batch, answer, locked } in group {
                batches.push(batch);
                others.push((answer, locked));
            }
            // In a task of its own, so that a mistake of ours ends one group and not the writer.
            let (link, batches) = (Arc::clone(&self.link), Arc::new(batches));
            let committing = {
                let (batches, time) = (Arc::clone(&batches), self.time.clone());
                let suspects = Arc::clone(&self.suspects);
                let is_aside = self.aside.is_none();
                tokio::spawn(async move {
                    let committer = Committer { link: &link, time: &time, suspects: &suspects };
                    if is_aside {
                        committer.commit_aside(&batches).await
                    } else {
                        committer.commit_all(&batches, None).await
                    }
                })
            };
            let fates = match committing.await {
                Ok(fates) => fates,
                Err(panic) => {
                    tracing::error!(error = %panic, "committing a group broke off");
                    // Whatever was begun on its connection must not be ended by another group.
                    self.link.forget().await;
                    let why = Unavailable::Unreachable("committing broke off".into());
                    others.iter().map(|_| Fate::Known(Err(why.clone().into()))).collect()
                }
            };
            let mut has_messages = false;
            for (place, (fate, (answer, locked))) in fates.into_iter().zip(others).enumerate() {
                match fate {
                    Fate::Known(outcome) => {
                        has_messages |= outcome == Ok(true);
                        self.note(&outcome, None);
                        let _ = answer.send(outcome.map(drop)); // whoever waited may have gone; the batch stands all the same
                    }
                    Fate::ServerFailed(why) => {
                        let outcome = Err(why.clone().into());
                        self.note(&outcome, Some(why.to_string()));
                        let _ = answer.send(outcome.map(drop));
                    }
                    Fate::Locked => {
                        let locked = Some(locked.unwrap_or_else(Stopwatch::start));
                        self.try_again(Job { batch: batches[place].clone(), answer, locked });
                    }
                }
            }
            if has_messages {
                self.bell.send_modify(|rung| *rung += 1);
            }
        }
    }

    /// A group without those whose partition has failed one lately: they go by a connection of their own. When too many wait for
    /// that one, they are refused, as waiting would hold up all others.
    fn without_suspects(&self, group: Vec<Job>) -> Vec<Job> {
        let Some(aside) = &self.aside else { return group };
        let (suspects, rest): (Vec<Job>, Vec<Job>) =
            group.into_iter().partition(|job| self.suspects.has(&job.batch));
        for job in suspects {
            if let Err(TrySendError::Full(job) | TrySendError::Closed(job)) = aside.try_send(job) {
                let why = Unavailable::Unreachable("too many changes wait for orders that are locked in the database; see pg_locks for who holds them".into());
                let _ = job.answer.send(Err(why.into())); // whoever waited may have gone
            }
        }
        rest
    }

    /// Notes whether the server can commit.
    fn note(&self, outcome: &Committed, failed: Option<String>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match failed {
            Some(why) => *trouble = Some((Stopwatch::start(), why)),
            None if outcome.is_ok() => *trouble = None,
            None => {}
        }
    }

    /// Has a batch tried again in a moment, unless it has waited long enough.
    fn try_again(&self, job: Job) {
        let has_waited = job.locked.map(Stopwatch::elapsed).unwrap_or_default();
        let again = self.again.upgrade().filter(|_| has_waited < LOCK_WAIT_MAX);
        let Some(again) = again else {
            let why = Unavailable::Unreachable("what is to be changed is locked by somebody else".into());
            let _ = job.answer.send(Err(why.into()));
            return;
        };
        let pause = if self.aside.is_none() { CULPRIT_PAUSE } else { LOCKED_PAGE_PAUSE };
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = again.send(job).await; // a store that was closed tells whoever waits by dropping it
        });
    }
}

/// The batches that wait; nothing when there will be none.
async fn gather(jobs: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let bytes_of = |job: &Job| -> usize {
        let of_docs = job.batch.docs.values().map(|(_, change)| match change {
            Change::Put(body) => body.bytes.len(),
            Change::Wake { delivery, .. } => delivery.body.len(),
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

/// What became of a batch, and whether messages are among what it wrote.
type Committed = Result<bool, CommitError>;

/// What is known of a batch after an attempt.
#[derive(Debug, Clone)]
enum Fate {
    /// It was committed, or will not be.
    Known(Committed),
    /// The server could not, whatever the batch holds.
    ServerFailed(Unavailable),
    /// Something that it is about is locked by somebody else.
    Locked,
}

/// What committing needs.
struct Committer<'a> {
    link: &'a Link,
    time: &'a Time,
    suspects: &'a Suspects,
}

impl Committer<'_> {
    /// Commits batches as one group. If it fails because of what one of them holds, or is about, the others do not suffer for
    /// it: each half is tried by itself, and so on, with less `patience` for locks.
    async fn commit_all(&self, batches: &[Batch], patience: Option<&'static str>) -> Vec<Fate> {
        let Committer { link, time, suspects } = self;
        // In the other half a culprit may have been found that is about the same as some of these.
        let is_suspect: Vec<bool> =
            batches.iter().map(|batch| patience.is_some() && suspects.has(batch)).collect();
        if is_suspect.contains(&true) {
            let innocent = batches.iter().zip(&is_suspect).filter(|(_, is_suspect)| !**is_suspect);
            let innocent: Vec<Batch> = innocent.map(|(batch, _)| batch.clone()).collect();
            let mut fates = Vec::new();
            if !innocent.is_empty() {
                fates = Box::pin(self.commit_all(&innocent, patience)).await;
            }
            let mut fates = fates.into_iter();
            let fate = |is_suspect| if is_suspect { None } else { fates.next() };
            return is_suspect.into_iter().map(fate).map(|fate| fate.unwrap_or(Fate::Locked)).collect();
        }
        match commit_group(link, time, batches, patience).await {
            Ok(fates) => fates,
            Err(NotCommitted { blame: Blame::Data | Blame::Lock, .. }) if batches.len() > 1 => {
                let (one, other) = batches.split_at(batches.len() / 2);
                let mut fates = Box::pin(self.commit_all(one, Some(HALF_LOCK_WAIT))).await;
                fates.extend(Box::pin(self.commit_all(other, Some(HALF_LOCK_WAIT))).await);
                fates
            }
            Err(NotCommitted { blame: Blame::Lock, .. }) => {
                batches.iter().for_each(|batch| suspects.add(batch));
                batches.iter().map(|_| Fate::Locked).collect()
            }
            Err(NotCommitted { blame: Blame::Server, why }) => {
                batches.iter().map(|_| Fate::ServerFailed(why.clone())).collect()
            }
            Err(NotCommitted { blame: Blame::Data | Blame::Unknown, why }) => {
                batches.iter().map(|_| Fate::Known(Err(why.clone().into()))).collect()
            }
        }
    }

    /// Commits batches that are about partitions which are suspected to be locked: those about one partition together, and one
    /// partition after another.
    async fn commit_aside(&self, batches: &[Batch]) -> Vec<Fate> {
        let Committer { link, time, suspects } = self;
        let mut of_partition: BTreeMap<Option<Partition>, Vec<usize>> = BTreeMap::new();
        for (place, batch) in batches.iter().enumerate() {
            of_partition.entry(partitions(batch).next()).or_default().push(place);
        }
        let mut fates = vec![Fate::Locked; batches.len()];
        for places in of_partition.into_values() {
            let group: Vec<Batch> = places.iter().map(|&place| batches[place].clone()).collect();
            let of_group = match commit_group(link, time, &group, Some(HALF_LOCK_WAIT)).await {
                Ok(fates) => fates,
                Err(NotCommitted { blame: Blame::Lock, .. }) => {
                    suspects.add(&group[0]);
                    continue;
                }
                // One after another, to find the one.
                Err(NotCommitted { blame: Blame::Data, .. }) => {
                    let mut fates = Vec::new();
                    for batch in &group {
                        fates.extend(self.commit_all(std::slice::from_ref(batch), None).await);
                    }
                    fates
                }
                Err(NotCommitted { blame: Blame::Server, why }) => vec![Fate::ServerFailed(why); group.len()],
                Err(NotCommitted { blame: Blame::Unknown, why }) => {
                    vec![Fate::Known(Err(why.into())); group.len()]
                }
            };
            for (place, fate) in places.into_iter().zip(of_group) {
                fates[place] = fate;
            }
        }
        fates
    }
}

/// Why nothing of a group was committed.
struct NotCommitted {
    why: Unavailable,
    blame: Blame,
}

impl From<Unavailable> for NotCommitted {
    fn from(why: Unavailable) -> NotCommitted {
        NotCommitted { why, blame: Blame::Unknown }
    }
}

/// Why a group was not committed.
enum Undone {
    /// Somebody else was quicker: do it again, with a look at these partitions.
    Again(Vec<Partition>),
    /// It cannot be done now.
    Failed(Failed),
}

impl From<Failed> for Undone {
    fn from(failed: Failed) -> Undone {
        if matches!(&failed, Failed::Said(why) if is_conflict(why)) {
            return Undone::Again(Vec::new());
        }
        Undone::Failed(failed)
    }
}

async fn commit_group(
    link: &Link,
    time: &Time,
    batches: &[Batch],
    patience: Option<&'static str>,
) -> Result<Vec<Fate>, NotCommitted> {
    let mut must_look = HashSet::new();
    for _ in 0..ATTEMPTS_MAX {
        let connected = link.get().await?;
        let undone = match Box::pin(attempt(link, time, patience, &connected, batches, &must_look)).await {
            Ok(fates) => return Ok(fates),
            Err(undone) => undone,
        };
        let blame = match &undone {
            Undone::Again(_) => None,
            Undone::Failed(why) => Some(blame(why)),
        };
        // A connection on which something went wrong within a transaction is only kept if that can be ended.
        let may_end = !matches!(blame, Some(Blame::Unknown | Blame::Server));
        let is_ended = may_end && in_time(connected.client.batch_execute("ROLLBACK")).await.is_ok();
        if !is_ended {
            link.abandon(&connected).await;
        }
        match undone {
            Undone::Again(partitions) => must_look.extend(partitions),
            Undone::Failed(why) => {
                return Err(NotCommitted { why: why.into(), blame: blame.unwrap_or(Blame::Unknown) });
            }
        }
    }
    Err(Unavailable::Crowded.into())
}

/// Whether a batch can be staged without a look at what is stored: it believes that nothing is there, and inserts, which
/// finds out. One that inserts nothing would never know.
fn believes_in_nothing(batch: &Batch) -> bool {
    let inserts = |partition: Partition| {
        let mut docs = batch.docs.iter();
        docs.any(|(key, (_, change))| {
            key.partition == partition && matches!(change, Change::Put(_) | Change::Wake { .. })
        })
    };
    let all_absent =
        batch.docs.iter().all(|(key, (expect, _))| *expect == Expect::Absent && inserts(key.partition));
    all_absent && !batch.docs.is_empty() && batch.settled.is_empty()
}

async fn attempt(
    link: &Link,
    time: &Time,
    patience: Option<&'static str>,
    connected: &Connected,
    batches: &[Batch],
    must_look: &HashSet<Partition>,
) -> Result<Vec<Fate>, Undone> {
    let mut look = Vec::new();
    for batch in batches {
        let is_looked_for =
            |partition: &Partition| !believes_in_nothing(batch) || must_look.contains(partition);
        look.extend(partitions(batch).filter(is_looked_for));
    }
    look.sort_unstable();
    look.dedup();
    let begun = begin(connected, time, batches.iter().any(Batch::needs_time));
    let (mut group, now) = if look.is_empty() {
        (Group::default(), begun.await?)
    } else {
        let (begun, stored) = tokio::join!(biased; begun, Group::read(connected, batches, &look));
        let now = begun?;
        (stored?, now)
    };
    if let Some(patience) = patience {
        in_time(connected.client.batch_execute(patience)).await?;
    }
    let mut admit = |batch: &Batch| {
        if group.is_locked(batch) {
            return Fate::Locked;
        }
        Fate::Known(group.admit(batch.clone().stamped(now)))
    };
    let fates = batches.iter().map(&mut admit).collect();
    let missing = Box::pin(group.into_rows().write(connected)).await?;
    if !missing.is_empty() {
        return Err(Undone::Again(missing));
    }
    connected.without_warning(&link.address, connected.client.batch_execute("COMMIT")).await?;
    Ok(fates)
}

/// Begins a transaction. Returns the time by which what it writes is due, if that `is_needed`.
async fn begin(connected: &Connected, time: &Time, is_needed: bool) -> Result<Timestamp, Failed> {
    if let (Some(now), _) | (None, Some(now)) = (time.of_a_test(), (!is_needed).then_some(0)) {
        in_time(connected.client.batch_execute("BEGIN")).await?;
        return Ok(from_micros(now));
    }
    let text = "BEGIN; SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let said = in_time(connected.client.simple_query(text)).await?;
    let micros = said.iter().find_map(|message| {
        let SimpleQueryMessage::Row(row) = message else { return None };
        row.get(0)?.parse().ok()
    });
    micros.map(from_micros).ok_or_else(|| Failed::Unfit("tells no time"))
}
