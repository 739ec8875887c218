//! The unit of work: what one use case reads, decides and writes together.
//!
//! A use case reads documents with their versions, decides, and stages its
//! changes in a batch. [`run`] commits the batch. If another unit has committed
//! first, the use case runs again from the beginning on the new state. No use
//! case has a loop of its own.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use tillgate_kernel::chance::random_bytes;
use tillgate_kernel::document::Keyed;
use tillgate_kernel::{DocKey, Document, Timestamp};

use crate::{Batch, CommitError, Expect, Store, Stored, Unavailable};

/// How often a use case is run before it fails. Each conflict means that at
/// least one other unit has committed, so this many hooks of one order may
/// arrive at the same moment.
pub const ATTEMPTS_MAX: u32 = 128;

/// From this attempt on there is a pause of random length before each attempt,
/// so that competing units do not stay in step.
const ATTEMPTS_WITHOUT_PAUSE: u32 = 4;

/// The longest pause.
const PAUSE_MILLISECONDS_MAX: u64 = 16;

/// A document with the version at which it was read. It is written back at that
/// version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    document: T,
    expect: Expect,
    listed_at: Timestamp,
}

impl<T: Document> Versioned<T> {
    /// A stored document.
    ///
    /// # Errors
    /// When this version of the program cannot read it.
    pub fn of(stored: &Stored) -> Result<Versioned<T>, Unavailable> {
        let (expect, listed_at) = (Expect::At(stored.version), stored.body.listed_at);
        Ok(Versioned { document: stored.document()?, expect, listed_at })
    }

    /// Stages the document with its current content.
    pub fn stage_at(&self, key: DocKey, batch: &mut Batch) {
        batch.put(key, self.expect, &self.document, self.listed_at);
    }

    /// Makes the commit fail if somebody else changes the document; the
    /// document itself is not written.
    pub fn assert_version(&self, key: DocKey, batch: &mut Batch) {
        batch.assert_version(key, self.expect);
    }

    /// A new document, with its position in lists.
    pub const fn new(document: T, listed_at: Timestamp) -> Versioned<T> {
        Versioned { document, expect: Expect::Absent, listed_at }
    }
}

impl<T: Keyed> Versioned<T> {
    /// Stages the document with its current content, under its own key.
    pub fn stage(&self, batch: &mut Batch) {
        self.stage_at(self.document.key(), batch);
    }
}

impl<T> Versioned<T> {
    /// The document without its version. It is not written back.
    #[must_use]
    pub fn into_document(self) -> T {
        self.document
    }

    /// What a batch expects of the document.
    #[must_use]
    pub const fn expect(&self) -> Expect {
        self.expect
    }

    /// Where lists show it.
    #[must_use]
    pub const fn listed_at(&self) -> Timestamp {
        self.listed_at
    }

    /// The version that was read; 0 for a new document.
    #[must_use]
    pub const fn version(&self) -> u64 {
        match self.expect {
            Expect::Absent => 0,
            Expect::At(version) => version,
        }
    }

    /// The same version with another content.
    #[must_use]
    pub fn replaced(&self, document: T) -> Versioned<T> {
        Versioned { document, expect: self.expect, listed_at: self.listed_at }
    }

    /// Sets its position in lists.
    pub fn list_at(&mut self, listed_at: Timestamp) {
        self.listed_at = listed_at;
    }
}

impl<T> Deref for Versioned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.document
    }
}

impl<T> DerefMut for Versioned<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.document
    }
}

/// The result of one run of a use case.
#[derive(Debug)]
#[must_use]
pub enum Run<T> {
    /// The batch is to be committed; the value is the result if the commit
    /// succeeds.
    Commit(Batch, T),
    /// Nothing is written; the value is the result.
    Unchanged(T),
    /// The documents that were read are inconsistent, because others are
    /// committing. Read them again.
    Again,
}

/// Runs `work`, which is given the number of the attempt, until its batch is
/// committed. Returns the result with the number of the attempt.
///
/// # Errors
/// [`Unavailable::Crowded`] when others have committed first every time, and
/// whatever the store reports.
pub async fn run<T, F>(store: &Store, work: impl Fn(u32) -> F) -> Result<(T, u32), CommitError>
where
    F: Future<Output = Result<Run<T>, Unavailable>>,
{
    let Done { value, attempt, .. } = run_with_sums(store, work).await?;
    Ok((value, attempt))
}

/// What a unit of work has led to.
#[derive(Debug)]
pub struct Done<T> {
    pub value: T,
    /// The number of the attempt.
    pub attempt: u32,
    /// The sums of the floors of its batch; none if it wrote nothing.
    pub sums: Vec<i64>,
}

/// The same, with the sums of the batch's floors.
///
/// # Errors
/// As [`run`].
pub async fn run_with_sums<T, F>(
    store: &Store,
    work: impl Fn(u32) -> F,
) -> Result<Done<T>, CommitError>
where
    F: Future<Output = Result<Run<T>, Unavailable>>,
{
    for attempt in 0..ATTEMPTS_MAX {
        pause_before(attempt).await;
        let (batch, value) = match work(attempt).await? {
            Run::Commit(batch, value) => (batch, value),
            Run::Unchanged(value) => return Ok(Done { value, attempt, sums: Vec::new() }),
            Run::Again => continue,
        };
        // A store distributed over several machines commits a batch on one.
        debug_assert!(batch.is_of_one_partition(), "a batch of several partitions");
        let settles = batch.settles();
        match store.commit_with_sums(batch).await {
            Ok(sums) => return Ok(Done { value, attempt, sums }),
            Err(CommitError::Conflict) => {}
            Err(CommitError::LostLease) if !settles => {}
            Err(why) => return Err(why),
        }
    }
    Err(Unavailable::Crowded.into())
}

async fn pause_before(attempt: u32) {
    if attempt < ATTEMPTS_WITHOUT_PAUSE {
        return;
    }
    let longest = (1 << (attempt - ATTEMPTS_WITHOUT_PAUSE).min(10)).min(PAUSE_MILLISECONDS_MAX);
    let drawn = u64::from_be_bytes(random_bytes()) % (longest + 1);
    tokio::time::sleep(Duration::from_millis(drawn)).await;
}

impl Store {
    /// Reads a document in order to change it.
    ///
    /// # Errors
    /// When the store cannot be used, or this version of the program cannot
    /// read the document.
    pub async fn read<T: Document>(
        &self,
        key: DocKey,
    ) -> Result<Option<Versioned<T>>, Unavailable> {
        let stored = self.load(&[key]).await?.pop().flatten();
        stored.as_ref().map(Versioned::of).transpose()
    }
}
