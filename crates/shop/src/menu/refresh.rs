//! Keeps the catalogue in memory like the store.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tillgate_kernel::time::earlier;
use tillgate_kernel::{DocKey, Document, Partition, Stopwatch, Timestamp};
use tillgate_store::{CounterKey, Cursor, Scan, Unavailable, Versioned};
use tokio_util::sync::CancellationToken;

use super::Menu;
use super::catalogue::Catalogue;
use super::categories::Categories;
use super::product::Product;
use crate::outlets::Outlets;

/// How often it is looked whether something has changed.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// How often the end of the list is read although nothing was announced: who
/// changed it may have died before saying so.
const READ_PAUSE: Duration = Duration::from_secs(30);

/// After reading that took long, the pause is so many times as long.
const REST: u32 = 4;

/// By how much the clocks of two receivers may differ: what is written later
/// may stand so much earlier in the list.
const OVERLAP: Duration = Duration::from_secs(120);

/// How many products are read at once.
const PAGE: usize = 500;

/// The number of changes. It is only compared with what it was.
#[must_use]
pub fn changes() -> CounterKey {
    CounterKey::internal("menu", "changes")
}

/// How far the store was read.
#[derive(Debug, Default)]
pub struct Progress {
    /// The latest change that was read; none before everything was read once.
    latest: Option<Timestamp>,
    changes: i64,
    categories_version: u64,
    read_at: Option<Stopwatch>,
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

    /// Whether the catalogue was read once.
    pub async fn is_loaded(&self) -> bool {
        self.progress.lock().await.latest.is_some()
    }

    /// Takes in what has changed in the store.
    ///
    /// # Errors
    /// When the store cannot be used. What was read before stays.
    pub async fn refresh(&self) -> Result<(), Unavailable> {
        let mut progress = self.progress.lock().await;
        // What is changed after this is announced after it.
        let counted = self.store.balances(&[changes()]).await?.first().copied().unwrap_or(0);
        let is_due = progress.read_at.is_none_or(|read_at| read_at.elapsed() > READ_PAUSE);
        if !is_due && counted == progress.changes {
            return Ok(());
        }
        self.read_categories(&mut progress).await?;
        let outlets = self.store.read::<Outlets>(Outlets::key()).await?;
        let outlets = outlets.map(Versioned::into_document).unwrap_or_default();
        *self.outlets.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(outlets);
        let from = progress.latest.map(|latest| earlier(latest, OVERLAP));
        let latest = self.read_products(from).await?;
        progress.latest = latest.max(progress.latest).or(Some(Timestamp::UNIX_EPOCH));
        progress.changes = counted;
        progress.read_at = Some(Stopwatch::start());
        Ok(())
    }

    async fn read_categories(&self, progress: &mut Progress) -> Result<(), Unavailable> {
        let Some(stored) = self.store.read::<Categories>(Categories::key()).await? else {
            return Ok(());
        };
        let version = stored.version();
        if version != progress.categories_version {
            self.change(move |catalogue| catalogue.set_categories(&stored)).await;
            progress.categories_version = version;
        }
        Ok(())
    }

    /// Reads what was changed from a time on. Returns the time of the latest.
    async fn read_products(
        &self,
        from: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, Unavailable> {
        let start = |time| {
            Cursor::at(time, DocKey { partition: Partition::FIRST, kind: Product::KIND, id: 0 })
        };
        let mut after = from.map(start);
        let mut latest = None;
        loop {
            let lists = vec![Product::all()];
            let scan = Scan::Lists { lists, newest_first: false, after, limit: PAGE };
            let page = self.store.scan(&scan).await?;
            let products: Vec<Product> = page
                .items
                .iter()
                .map(|(_, stored)| Versioned::of(stored).map(Versioned::into_document))
                .collect::<Result<_, Unavailable>>()?;
            latest = page.items.last().map(|(_, stored)| stored.body.listed_at).or(latest);
            self.change(move |catalogue| products.iter().for_each(|one| catalogue.put(one))).await;
            after = page.next;
            if after.is_none() {
                return Ok(latest);
            }
        }
    }

    /// Changes the catalogue, outside of the runtime's threads: that takes
    /// milliseconds, and much longer for new categories.
    async fn change(&self, change: impl FnOnce(&mut Catalogue) + Send + 'static) {
        let catalogue = Arc::clone(&self.catalogue);
        let changing = tokio::task::spawn_blocking(move || {
            change(&mut catalogue.write().unwrap_or_else(PoisonError::into_inner));
        });
        if let Err(why) = changing.await
            && let Ok(panic) = why.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
