//! Keeps the catalogue in memory like the store.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tillgate_kernel::time::{earlier, later};
use tillgate_kernel::{DocKey, Document, Partition, Stopwatch, Timestamp};
use tillgate_store::{Cursor, Scan, Unavailable, Versioned};
use tokio_util::sync::CancellationToken;

use super::Menu;
use super::categories::Categories;
use super::product::Product;
use crate::outlets::{Outlets, changes};

/// How often it is looked whether something has changed.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// How often the end of the list is read although nothing was announced: who
/// changed it may have died before saying so.
const READ_PAUSE: Duration = Duration::from_secs(30);

/// How often everything is read, in case a clock was wrong by more than
/// [`OVERLAP`] when something was written.
const READ_ALL_PAUSE: Duration = Duration::from_secs(600);

/// After reading that took long, the pause is so many times as long.
const REST: u32 = 4;

/// By how much the clocks of two receivers may differ: what is written later
/// may stand so much earlier in the list.
const OVERLAP: Duration = Duration::from_secs(120);

/// How many products are read at once.
const PAGE: usize = 500;

/// How many products are taken in while nobody can search.
const TAKEN_AT_ONCE: usize = 50;

/// How far the store was read.
#[derive(Debug, Default)]
pub struct Progress {
    /// The latest change that was read; none before everything was read once.
    latest: Option<Timestamp>,
    changes: i64,
    categories_version: u64,
    read_at: Option<Stopwatch>,
    read_all_at: Option<Stopwatch>,
}

/// Why the catalogue is not like the store.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    #[error("{0}")]
    Store(#[from] Unavailable),
    #[error("taking in what was read has panicked, because of a bug")]
    Panicked,
}

impl Menu {
    /// Keeps the catalogue up to date until drained.
    pub async fn keep_fresh(self: Arc<Self>, drain: CancellationToken) {
        loop {
            let begun = Stopwatch::start();
            if let Err(why) = self.refresh().await {
                tracing::warn!(error = %why, "the catalogue could not be read; will retry");
            }
            let pause = LOOK_PAUSE.max(begun.elapsed() * REST);
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Takes in what has changed in the store.
    ///
    /// # Errors
    /// When the store cannot be used. What was read before stays.
    pub async fn refresh(&self) -> Result<(), RefreshError> {
        let mut progress = self.progress.lock().await;
        // What is changed after this is announced after it.
        let counted = self.store.balances(&[changes()]).await?.first().copied().unwrap_or(0);
        let is_due = |since: Option<&Stopwatch>, pause| since.is_none_or(|at| at.elapsed() > pause);
        if counted == progress.changes && !is_due(progress.read_at.as_ref(), READ_PAUSE) {
            return Ok(());
        }
        let begun = Stopwatch::start();
        self.read_categories(&mut progress).await?;
        let outlets = self.store.read::<Outlets>(Outlets::key()).await?;
        let outlets = outlets.map(Versioned::into_document).unwrap_or_default();
        *self.outlets.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(outlets);
        let limits = Arc::new(self.kept_limits().await?);
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
        let reads_all = is_due(progress.read_all_at.as_ref(), READ_ALL_PAUSE);
        let from = progress.latest.filter(|_| !reads_all).map(|latest| earlier(latest, OVERLAP));
        let (latest, reading) = self.read_products(from).await?;
        if latest.is_some_and(|latest| latest > later(self.clock.now(), OVERLAP)) {
            tracing::warn!(
                "a product was changed in the future: a clock of a receiver is or was wrong. \
                 Changes may be seen ten minutes late"
            );
        }
        progress.latest = latest.max(progress.latest).or(Some(Timestamp::UNIX_EPOCH));
        progress.changes = counted;
        progress.read_at = Some(Stopwatch::start());
        if reads_all {
            progress.read_all_at = Some(Stopwatch::start());
        }
        if !self.is_loaded.swap(true, Ordering::Relaxed) {
            let (products, seconds) = (self.catalogue().len(), begun.elapsed().as_secs_f64());
            let reading_seconds = reading.as_secs_f64();
            tracing::info!(products, seconds, reading_seconds, "the catalogue is read");
        }
        Ok(())
    }

    async fn read_categories(&self, progress: &mut Progress) -> Result<(), RefreshError> {
        let Some(stored) = self.store.read::<Categories>(Categories::key()).await? else {
            return Ok(());
        };
        let version = stored.version();
        if version != progress.categories_version {
            self.rebuild(Some(stored.into_document())).await?;
            progress.categories_version = version;
        }
        Ok(())
    }

    /// Reads what was changed from a time on. Returns the time of the latest,
    /// and how long the store took.
    async fn read_products(
        &self,
        from: Option<Timestamp>,
    ) -> Result<(Option<Timestamp>, Duration), RefreshError> {
        let start = |time| {
            Cursor::at(time, DocKey { partition: Partition::FIRST, kind: Product::KIND, id: 0 })
        };
        let mut after = from.map(start);
        let (mut latest, mut reading, mut products) = (None, Duration::ZERO, Vec::new());
        loop {
            let lists = vec![Product::all()];
            let scan = Scan::Lists { lists, newest_first: false, after, limit: PAGE };
            let scanning = async {
                let begun = Stopwatch::start();
                (self.store.scan(&scan).await, begun.elapsed())
            };
            // The next page is read while this one is taken in.
            let ((page, took), taken) = tokio::join!(scanning, self.take_in(products));
            taken?;
            let (page, begun) = (page?, Stopwatch::start());
            products = Vec::with_capacity(page.items.len());
            for (_, stored) in &page.items {
                latest = Some(stored.body.listed_at);
                // One that another version has written must not hold up the
                // others.
                match Versioned::<Product>::of(stored) {
                    Ok(product) => products.push(product.into_document()),
                    Err(why) => tracing::error!(error = %why, "a product cannot be read"),
                }
            }
            reading += took + begun.elapsed();
            after = page.next;
            if after.is_none() {
                self.take_in(products).await?;
                return Ok((latest, reading));
            }
        }
    }

    /// Puts what was read into the catalogue.
    async fn take_in(&self, products: Vec<Product>) -> Result<(), RefreshError> {
        let mut products = products.into_iter();
        while products.len() > 0 {
            let part: Vec<Product> = products.by_ref().take(TAKEN_AT_ONCE).collect();
            let catalogue = Arc::clone(&self.catalogue);
            aside(move || {
                let mut catalogue = catalogue.write().unwrap_or_else(PoisonError::into_inner);
                part.iter().for_each(|one| catalogue.put(one));
            })
            .await?;
        }
        if self.catalogue().is_sparse() {
            self.rebuild(None).await?;
        }
        Ok(())
    }

    /// Builds the catalogue again beside the one that is used, and replaces it.
    async fn rebuild(&self, categories: Option<Categories>) -> Result<(), RefreshError> {
        let catalogue = Arc::clone(&self.catalogue);
        aside(move || {
            let rebuilt = {
                let catalogue = catalogue.read().unwrap_or_else(PoisonError::into_inner);
                catalogue.rebuilt(categories.as_ref())
            };
            let mut used = catalogue.write().unwrap_or_else(PoisonError::into_inner);
            let old = std::mem::replace(&mut *used, rebuilt);
            // To free the old one takes long: not while others wait.
            drop(used);
            drop(old);
        })
        .await
    }
}

/// Does something outside of the runtime's threads.
async fn aside(work: impl FnOnce() + Send + 'static) -> Result<(), RefreshError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| RefreshError::Panicked)
}
