//! What products cost now, for services other than `menu`.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tillgate_kernel::Money;

use crate::Refusal;
use crate::order_problem::OrderProblem;
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
    /// The rate of value added tax, as the catalogue names it.
    pub vat: Option<String>,
    pub is_on_sale: bool,
    /// The most pieces of an order.
    pub order_max: Option<u64>,
    /// The outlets that sell it, if not all do.
    pub outlets: Option<Vec<u32>>,
    /// Present while it is not sold because of the time of the day: when it is.
    pub sold_later: Option<(String, String)>,
}

impl Price {
    /// Whether so many pieces can be in an order.
    ///
    /// # Errors
    /// When it is not sold, or not so many.
    pub fn can_be_ordered(&self, pieces: u64) -> Result<(), OrderProblem> {
        if !self.is_on_sale {
            return Err(OrderProblem::NotOnSale(self.name.clone()));
        }
        match self.order_max {
            Some(most) if pieces > most => {
                Err(OrderProblem::OrderLimit { name: self.name.clone(), most })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether so many pieces can be bought now.
    ///
    /// # Errors
    /// When it is not sold, not so many, or not at this time.
    pub fn can_be_bought(&self, pieces: u64) -> Result<(), OrderProblem> {
        self.can_be_ordered(pieces)?;
        match self.sold_later.clone() {
            Some((from, until)) => {
                Err(OrderProblem::NotSoldNow { name: self.name.clone(), from, until })
            }
            None => Ok(()),
        }
    }
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
    #[serde(default)]
    vat: Option<String>,
    is_on_sale: bool,
    order_max: Option<u64>,
    sold_from: Option<String>,
    sold_until: Option<String>,
    #[serde(default = "always")]
    is_sold_now: bool,
    stores: Option<Vec<u32>>,
}

/// What a service of an older version does not know is not limited.
const fn always() -> bool {
    true
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
            let hours = item.sold_from.zip(item.sold_until);
            let price = Price {
                name: item.name,
                article: item.article,
                price: item.price.0,
                vat: item.vat,
                is_on_sale: item.is_on_sale,
                order_max: item.order_max,
                outlets: item.stores,
                sold_later: hours.filter(|_| !item.is_sold_now),
            };
            (item.product_id, price)
        }))
    }
}
