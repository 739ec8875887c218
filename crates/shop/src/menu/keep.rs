//! Stores what an import has found to differ.

use futures_util::StreamExt;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tillgate_kernel::Fingerprint;
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, CommitError, CounterChange, Cursor, Scan, Unavailable, Versioned};

use super::Menu;
use super::categories::Categories;
use super::product::{Offer, Product};
use crate::Refusal;
use crate::outlets::changes;
use crate::product_id::ProductId;

/// How many products one page of [`Kept`] has.
pub const KEPT_PAGE: usize = 2000;

/// How many products are written at once.
const WRITES_AT_ONCE: usize = 64;

/// A page of what is stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    pub items: Vec<KeptOffer>,
    /// Where the next page begins; none after the last one.
    pub cursor: Option<String>,
}

/// What an import compares an offer with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeptOffer {
    pub article: String,
    pub digest: Fingerprint,
    pub is_listed: bool,
}

/// What an import has found to differ.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Changes {
    /// Products that are new or other than before.
    #[serde(default)]
    pub offers: Vec<Offer>,
    /// Articles that the feed does not have any more.
    #[serde(default)]
    pub vanished: Vec<String>,
    #[serde(default)]
    pub categories: Option<Categories>,
}

impl Menu {
    /// A page of what is stored, in the order in which it was changed.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn kept(&self, after: Option<Cursor>) -> Result<Kept, Refusal> {
        let lists = vec![Product::all()];
        let scan = Scan::Lists { lists, newest_first: false, after, limit: KEPT_PAGE };
        let page = self.store.scan(&scan).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for (_, stored) in page.items {
            let Product { offer, is_listed, .. } = stored.document().map_err(Unavailable::from)?;
            items.push(KeptOffer { digest: offer.digest(), article: offer.article, is_listed });
        }
        Ok(Kept { items, cursor: page.next.map(|next| next.to_string()) })
    }

    /// The categories that are stored.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn kept_categories(&self) -> Result<Categories, Refusal> {
        let stored = self.store.read::<Categories>(Categories::key()).await?;
        Ok(stored.map(Versioned::into_document).unwrap_or_default())
    }

    /// Stores changes. To send them again changes nothing more.
    ///
    /// # Errors
    /// When the store cannot be used. Some may be stored then.
    pub async fn keep(&self, changed: Changes) -> Result<(), Refusal> {
        let Changes { offers, vanished, categories } = changed;
        if let Some(categories) = categories {
            self.keep_categories(&categories).await.map_err(Refusal::of_commit)?;
        }
        let new = offers.into_iter().map(Written::Offer);
        let all = new.chain(vanished.into_iter().map(Written::Vanished));
        let mut writes = stream::iter(all.map(|written| self.keep_one(written)))
            .buffer_unordered(WRITES_AT_ONCE);
        let mut outcome = Ok(());
        while let Some(one) = writes.next().await {
            outcome = outcome.and(one);
        }
        // Also after a failure: some of it may be stored.
        let mut announced = Batch::new();
        announced.bump(changes(), CounterChange::Add(1));
        let announced = self.store.commit(announced).await;
        outcome.and(announced).map_err(Refusal::of_commit)
    }

    async fn keep_categories(&self, categories: &Categories) -> Result<(), CommitError> {
        let work = |_| async move {
            let stored = self.store.read::<Categories>(Categories::key()).await?;
            if stored.as_ref().is_some_and(|stored| **stored == *categories) {
                return Ok(Run::Unchanged(()));
            }
            let mut batch = Batch::new();
            let written = match stored {
                Some(stored) => stored.replaced(categories.clone()),
                None => Versioned::new(categories.clone(), self.clock.now()),
            };
            written.stage_at(Categories::key(), &mut batch);
            Ok(Run::Commit(batch, ()))
        };
        run(&self.store, work).await.map(drop)
    }

    async fn keep_one(&self, written: Written) -> Result<(), CommitError> {
        let key = Product::key_of(written.id());
        let written = &written;
        let work = |_| async move {
            let stored = self.store.read::<Product>(key).await?;
            let (offer, is_listed) = match (written, &stored) {
                (Written::Offer(offer), _) => (offer.clone(), true),
                (Written::Vanished(_), Some(stored)) => (stored.offer.clone(), false),
                (Written::Vanished(_), None) => return Ok(Run::Unchanged(())),
            };
            let is_same = stored
                .as_ref()
                .is_some_and(|stored| stored.offer == offer && stored.is_listed == is_listed);
            if is_same {
                return Ok(Run::Unchanged(()));
            }
            let now = self.clock.now();
            let product = Product { offer, is_listed };
            let mut versioned = match stored {
                Some(stored) => stored.replaced(product),
                None => Versioned::new(product, now),
            };
            versioned.list_at(now);
            let mut batch = Batch::new();
            versioned.stage_at(key, &mut batch);
            Ok(Run::Commit(batch, ()))
        };
        run(&self.store, work).await.map(drop)
    }
}

/// What is written of a product.
#[derive(Debug)]
enum Written {
    Offer(Offer),
    Vanished(String),
}

impl Written {
    fn id(&self) -> ProductId {
        match self {
            Written::Offer(offer) => offer.id(),
            Written::Vanished(article) => ProductId::of_article(article),
        }
    }
}
