//! Where a product is.

use serde::Serialize;

use super::StockKeeper;
use crate::Refusal;
use crate::product_id::ProductId;
use crate::stock_levels::{self, ProductPlace, places};

/// How much of a product each outlet can sell now.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Places {
    product_id: ProductId,
    product_places: Vec<ProductPlace>,
}

impl StockKeeper {
    /// How much of a product each outlet can sell now.
    ///
    /// # Errors
    /// When there is no such product, or the store cannot be used.
    pub async fn places_of(&self, product: ProductId) -> Result<Places, Refusal> {
        let prices = self.prices.of([product]).await?;
        let price = prices.get(&product).ok_or(Refusal::NotFound)?;
        let mut outlets = self.outlets().await?;
        if let Some(sold_at) = &price.outlets {
            outlets.all.retain(|outlet| sold_at.contains(&outlet.id));
        }
        let free = stock_levels::free(&self.store, &outlets.all, &[&price.article]).await?;
        let free = free.first().map_or(&[][..], Vec::as_slice);
        let product_places = places(&outlets, free);
        Ok(Places { product_id: product, product_places })
    }
}
