//! What products cost now, for services other than `menu`.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tillgate_kernel::Money;

use crate::Refusal;
use crate::product_id::ProductId;
use crate::roubles::Roubles;
use crate::service_client::{Caller, ServiceClient};

/// The most products of one question.
pub const PRICED_MAX: usize = 100;

/// A product as it is sold now.
#[derive(Debug, Clone)]
pub struct Price {
    pub name: String,
    pub article: String,
    pub price: Money,
    pub is_on_sale: bool,
}

/// Asks the service `menu`.
#[derive(Debug, Clone)]
pub struct Prices {
    pub menu: ServiceClient,
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    product_id: ProductId,
    name: String,
    article: String,
    price: Roubles,
    is_on_sale: bool,
}

impl Prices {
    /// What these products cost. Those that there are not are left out.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub async fn of(
        &self,
        products: impl IntoIterator<Item = ProductId>,
    ) -> Result<BTreeMap<ProductId, Price>, Refusal> {
        let products: Vec<ProductId> = products.into_iter().collect();
        let mut prices = BTreeMap::new();
        for part in products.chunks(PRICED_MAX) {
            prices.extend(self.of_some(part).await?);
        }
        Ok(prices)
    }

    async fn of_some(
        &self,
        products: &[ProductId],
    ) -> Result<impl Iterator<Item = (ProductId, Price)> + use<>, Refusal> {
        let items: Vec<_> = products.iter().map(|id| json!({"productId": id})).collect();
        let (caller, body) = (Caller::default(), json!({"items": items}));
        let reply = self.menu.call(Method::POST, "/price", &caller, Some(&body)).await;
        // It changes nothing, whether or not it was answered.
        let reply = reply.map_err(|_| Refusal::Unavailable)?;
        if reply.status != StatusCode::OK {
            return Err(Refusal::Unavailable);
        }
        let answer: Answer = reply.read()?;
        Ok(answer.items.into_iter().map(|item| {
            let Item { product_id, name, article, price: Roubles(price), is_on_sale } = item;
            (product_id, Price { name, article, price, is_on_sale })
        }))
    }
}
