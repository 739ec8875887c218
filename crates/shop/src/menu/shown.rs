//! What people and services see of the catalogue.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use serde::Serialize;
use tillgate_kernel::Money;
use tillgate_store::Versioned;

use super::Menu;
use super::catalogue::{Card, Catalogue, Fitting};
use super::categories::Category;
use super::category_id::CategoryId;
use super::limits::ShownLimits;
use super::product::Product;
use super::question::{Position, Question};
use crate::Refusal;
use crate::outlets::{Outlet, Outlets};
use crate::product_id::ProductId;
use crate::roubles::Roubles;
use crate::stock_levels::{self, ProductPlace, places, places_with_goods};

/// A page of products.
#[derive(Debug, Serialize)]
pub struct Products {
    pub items: Vec<ProductCard>,
    pub next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductCard {
    id: ProductId,
    name: String,
    price: Roubles,
    old_price: Option<Roubles>,
    picture: Option<String>,
    product_places: Vec<ProductPlace>,
}

/// A product with everything that its page shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownProduct {
    id: ProductId,
    name: String,
    price: Roubles,
    old_price: Option<Roubles>,
    article: String,
    vendor: Option<String>,
    description: String,
    picture: Option<String>,
    is_on_sale: bool,
    #[serde(flatten)]
    limits: ShownLimits,
    categories: Vec<ShownCategory>,
    product_places: Vec<ProductPlace>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownCategory {
    id: CategoryId,
    name: String,
    /// How many products are on sale in it and below it.
    product_count: usize,
}

#[derive(Debug, Serialize)]
pub struct ShownCategories {
    /// The category itself and those above it, the topmost first.
    above: Vec<ShownCategory>,
    items: Vec<ShownCategory>,
}

/// Which products are to be shown.
#[derive(Debug, Default)]
pub struct Selection {
    pub question: Question,
    /// Only what this outlet has.
    pub outlet: Option<u64>,
}

/// How many products are looked through for one page of what an outlet has, and
/// how many of them at once.
const LOOKED_THROUGH_MAX: usize = 1000;
const LOOKED_THROUGH_AT_ONCE: usize = 250;

impl Menu {
    /// # Errors
    /// While nothing was read of the store yet.
    pub(super) fn loaded(&self) -> Result<(), Refusal> {
        if self.is_loaded.load(Ordering::Relaxed) { Ok(()) } else { Err(Refusal::Busy) }
    }

    /// A page of the products that fit a question.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is no such category or outlet.
    pub async fn products(&self, selection: Selection) -> Result<Products, Refusal> {
        self.loaded()?;
        let Selection { question, outlet } = selection;
        let outlets = self.outlets();
        let (cards, next) = match outlet {
            Some(id) => {
                let outlet = outlets.outlet(id).ok_or(Refusal::NotFound)?.clone();
                self.of_outlet(question, outlet).await?
            }
            None => {
                let fitting = self.find(question).await?;
                let last = fitting.cards.last().map(|(position, _)| position.clone());
                let cards = fitting.cards.into_iter().map(|(_, card)| card).collect();
                (cards, last.filter(|_| fitting.has_more))
            }
        };
        let articles: Vec<&str> = cards.iter().map(|card: &Card| &*card.article).collect();
        let free = stock_levels::free(&self.store, &outlets.all, &articles).await?;
        let limits = self.limits();
        let items = cards.into_iter().zip(free).map(|(card, mut free)| {
            limits.keep_sold(&card.article, &outlets, &mut free);
            card_of(card, &outlets, &free)
        });
        Ok(Products { items: items.collect(), next_cursor: next.as_ref().map(ToString::to_string) })
    }

    /// The same, of what an outlet has; and where the next page begins.
    async fn of_outlet(
        &self,
        mut question: Question,
        outlet: Outlet,
    ) -> Result<(Vec<Card>, Option<Position>), Refusal> {
        let limit = std::mem::replace(&mut question.limit, LOOKED_THROUGH_AT_ONCE);
        let limits = self.limits();
        let is_sold_here = |card: &Card| {
            let limit = limits.all.get(&*card.article);
            limit.is_none_or(|limit| limit.is_sold_at(outlet.id))
        };
        let (mut cards, mut looked) = (Vec::new(), 0);
        loop {
            let fitting = self.find(question.clone()).await?;
            let articles: Vec<&str> =
                fitting.cards.iter().map(|(_, card)| &*card.article).collect();
            let one = std::slice::from_ref(&outlet);
            let free = stock_levels::free(&self.store, one, &articles).await?;
            looked += fitting.cards.len();
            let mut all = fitting.cards.into_iter().zip(free).peekable();
            while let Some(((position, card), free)) = all.next() {
                if is_sold_here(&card) && free.first().is_some_and(|pieces| *pieces > 0) {
                    cards.push(card);
                }
                let has_more = fitting.has_more || all.peek().is_some();
                if cards.len() == limit {
                    return Ok((cards, Some(position).filter(|_| has_more)));
                }
                question.after = Some(position);
            }
            if !fitting.has_more {
                return Ok((cards, None));
            }
            if looked >= LOOKED_THROUGH_MAX {
                return Ok((cards, question.after));
            }
        }
    }

    /// The products that fit. To find them may take milliseconds, so not on a
    /// thread of the runtime.
    async fn find(&self, question: Question) -> Result<Fitting, Refusal> {
        let catalogue = Arc::clone(&self.catalogue);
        let finding = tokio::task::spawn_blocking(move || {
            let catalogue = catalogue.read().unwrap_or_else(PoisonError::into_inner);
            let is_there = question.category.is_none_or(|id| catalogue.category(id).is_some());
            if is_there { Ok(catalogue.find(&question)) } else { Err(Refusal::NotFound) }
        });
        match finding.await.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(found) => found,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The process is ending.
            Err(Err(_)) => Err(Refusal::Busy),
        }
    }

    /// A product, on sale or not.
    ///
    /// # Errors
    /// When there is none with this number, or the store cannot be used.
    pub async fn product(&self, id: ProductId) -> Result<ShownProduct, Refusal> {
        self.loaded()?;
        let stored = self.store.read::<Product>(Product::key_of(id)).await?;
        let product = stored.map(Versioned::into_document).ok_or(Refusal::NotFound)?;
        let limits = self.limits();
        let outlets = limits.outlets_of(&product.offer.article, self.outlets());
        let free = stock_levels::free(&self.store, &outlets.all, &[&product.offer.article]).await?;
        let limits = ShownLimits::of(limits.all.get(&product.offer.article));
        let is_on_sale = product.is_on_sale();
        let picture = product.picture.map(|picture| picture.address());
        let offer = product.offer;
        let categories = {
            let catalogue = self.catalogue();
            let path = catalogue.path(offer.category);
            path.into_iter().map(|category| shown(&catalogue, category)).collect()
        };
        Ok(ShownProduct {
            id,
            name: offer.name,
            price: Roubles(offer.price),
            old_price: offer.old_price.map(Roubles),
            article: offer.article,
            vendor: offer.vendor,
            description: offer.description,
            picture,
            is_on_sale,
            limits,
            categories,
            product_places: places(&outlets, free.first().map_or(&[], Vec::as_slice)),
        })
    }

    /// The categories below this one, or at the top.
    ///
    /// # Errors
    /// When there is no such category.
    pub async fn categories(&self, below: Option<CategoryId>) -> Result<ShownCategories, Refusal> {
        self.loaded()?;
        let catalogue = self.catalogue();
        if below.is_some_and(|id| catalogue.category(id).is_none()) {
            return Err(Refusal::NotFound);
        }
        let items = catalogue.below(below).map(|category| shown(&catalogue, category));
        let items = items.filter(|one| one.product_count > 0).collect();
        let above = below.map(|id| catalogue.path(id)).unwrap_or_default();
        let above = above.into_iter().map(|category| shown(&catalogue, category)).collect();
        Ok(ShownCategories { above, items })
    }
}

fn card_of(card: Card, outlets: &Outlets, free: &[u64]) -> ProductCard {
    ProductCard {
        id: card.id,
        name: card.name.to_string(),
        price: Roubles(card.price),
        old_price: card.old_price.map(|price: Money| Roubles(price)),
        picture: card.picture.map(String::from),
        product_places: places_with_goods(outlets, free),
    }
}

fn shown(catalogue: &Catalogue, category: &Category) -> ShownCategory {
    ShownCategory {
        id: category.id,
        name: category.name.clone(),
        product_count: catalogue.count_in(category.id),
    }
}
