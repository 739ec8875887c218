//! Stores what an import has found to differ.

use futures_util::StreamExt;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tillgate_kernel::Fingerprint;
use tillgate_store::unit::{Run, run};
use tillgate_store::{
    Batch, CommitError, CounterChange, Cursor, Expect, Scan, Unavailable, Versioned,
};

use super::Menu;
use super::categories::Categories;
use super::picture::{Picture, ShownPicture};
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
    /// The address of a picture that was not fetched yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_picture: Option<String>,
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
            let product: Product = stored.document().map_err(Unavailable::from)?;
            let shown = product.picture.as_ref().map(|picture| picture.source.as_str());
            let wanted = product.wanted_picture().filter(|wanted| shown != Some(*wanted));
            items.push(KeptOffer {
                digest: product.offer.digest(),
                missing_picture: wanted.map(str::to_owned),
                is_listed: product.is_listed,
                article: product.offer.article,
            });
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

    /// Keeps the picture of a product, which was fetched from an address of the
    /// feed.
    ///
    /// # Errors
    /// When the product has no such picture (any more), or the store cannot be
    /// used.
    pub async fn keep_picture(
        &self,
        article: &str,
        source: &str,
        picture: Picture,
    ) -> Result<(), Refusal> {
        let id = picture.id();
        let mut batch = Batch::new();
        batch.put(Picture::key_of(id), Expect::Absent, &picture, self.clock.now());
        match self.store.commit(batch).await {
            // It is there already: other products may show it.
            Ok(()) | Err(CommitError::Conflict) => {}
            Err(why) => return Err(Refusal::of_commit(why)),
        }
        let key = Product::key_of(ProductId::of_article(article));
        let work = |_| async move {
            let stored = self.store.read::<Product>(key).await?;
            let stored = stored.filter(|known| known.wanted_picture() == Some(source));
            let Some(stored) = stored else { return Ok(Run::Unchanged(Err(Refusal::NotFound))) };
            let picture = ShownPicture { source: source.to_owned(), id };
            if stored.picture.as_ref() == Some(&picture) {
                return Ok(Run::Unchanged(Ok(())));
            }
            let product = Product { picture: Some(picture), ..(*stored).clone() };
            let mut versioned = stored.replaced(product);
            versioned.list_at(self.clock.now());
            let mut batch = Batch::new();
            versioned.stage_at(key, &mut batch);
            batch.bump(changes(), CounterChange::Add(1));
            Ok::<_, Unavailable>(Run::Commit(batch, Ok(())))
        };
        let (outcome, _) = run(&self.store, work).await.map_err(Refusal::of_commit)?;
        outcome
    }

    /// A picture.
    ///
    /// # Errors
    /// When there is none with this id, or the store cannot be used.
    pub async fn picture(&self, id: Fingerprint) -> Result<Picture, Refusal> {
        let stored = self.store.read::<Picture>(Picture::key_of(id)).await?;
        stored.map(Versioned::into_document).ok_or(Refusal::NotFound)
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
            // The picture stays while the feed says the same of it.
            let picture = stored.as_ref().and_then(|stored| stored.picture.clone());
            let picture = picture
                .filter(|picture| offer.pictures.first().is_some_and(|one| *one == picture.source));
            let product = Product { offer, is_listed, picture };
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
