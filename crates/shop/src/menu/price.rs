//! What products cost now.

use std::sync::Arc;

use serde::Serialize;
use tillgate_kernel::DocKey;
use tillgate_store::Unavailable;

use super::Menu;
use super::limits::ShownLimits;
use super::product::Product;
use super::vat::Vat;
use crate::Refusal;
use crate::form::Form;
use crate::prices::PRICED_MAX;
use crate::product_id::ProductId;
use crate::roubles::Roubles;

/// What products cost. Those that there are not are left out.
#[derive(Debug, Serialize)]
pub struct Prices {
    items: Vec<Price>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Price {
    product_id: ProductId,
    name: String,
    article: String,
    price: Roubles,
    is_on_sale: bool,
    /// The rate of value added tax, if the feed names one.
    vat: Option<Vat>,
    #[serde(flatten)]
    limits: ShownLimits,
    is_sold_now: bool,
    stores: Option<Vec<u32>>,
}

/// The products that are asked about.
#[derive(Debug)]
pub struct Priced(Vec<ProductId>);

impl Priced {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<Priced, Refusal> {
        let id = |form: &mut Form| {
            let id = form.optional_whole("productId", 1, ProductId::MAX);
            form.need("productId", id.is_some());
            id.and_then(ProductId::new)
        };
        let items = form.objects("items", PRICED_MAX, id);
        form.whole(items.map(Priced)).map_err(Refusal::Fields)
    }
}

impl Menu {
    /// What these products cost, as they are stored.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn prices(&self, Priced(ids): Priced) -> Result<Prices, Refusal> {
        let limits = match self.loaded() {
            Ok(()) => self.limits(),
            Err(_) => Arc::new(self.kept_limits().await?),
        };
        let time = self.clock.now().to_zoned(self.time_zone.clone()).time();
        let keys: Vec<DocKey> = ids.iter().map(|id| Product::key_of(*id)).collect();
        let mut items = Vec::with_capacity(ids.len());
        for (id, stored) in ids.into_iter().zip(self.store.load(&keys).await?) {
            let Some(stored) = stored else { continue };
            let product: Product = stored.document().map_err(Unavailable::from)?;
            let is_on_sale = product.is_on_sale();
            let offer = product.offer;
            let limit = limits.all.get(&offer.article);
            let stores = limit.filter(|limit| !limit.outlets.is_empty());
            items.push(Price {
                limits: ShownLimits::of(limit),
                is_sold_now: limit.is_none_or(|limit| limit.is_sold_at_time(time)),
                stores: stores.map(|limit| limit.outlets.clone()),
                product_id: id,
                name: offer.name,
                article: offer.article,
                price: Roubles(offer.price),
                is_on_sale,
                vat: offer.vat,
            });
        }
        Ok(Prices { items })
    }
}
