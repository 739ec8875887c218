//! Reading orders.

use tillgate_store::{Cursor, Scan, Unavailable, Versioned};

use super::Orders;
use super::name::{ATTEMPTS, Name};
use super::shop_order::{Baskets, ShopOrder, Status};
use crate::Refusal;
use crate::order_id::OrderId;
use crate::username::ClientNumber;

/// How many orders a page has.
pub const PAGE: usize = 20;

/// A page of a client's orders.
#[derive(Debug)]
pub struct OrderPage {
    pub orders: Vec<ShopOrder>,
    pub next: Option<String>,
}

/// The basket with the next number, and what is there.
#[derive(Debug)]
pub struct CurrentBasket {
    pub serial: u64,
    pub order: Option<ShopOrder>,
}

impl Orders {
    /// The order with this number, if it is the client's.
    async fn numbered(
        &self,
        client: ClientNumber,
        id: OrderId,
    ) -> Result<Option<Versioned<ShopOrder>>, Unavailable> {
        let order = self.store.read::<ShopOrder>(ShopOrder::key_of(id)).await?;
        Ok(order.filter(|order| order.client == client))
    }

    /// The order with this name.
    pub(super) async fn named(
        &self,
        client: ClientNumber,
        name: &Name,
    ) -> Result<Option<Versioned<ShopOrder>>, Unavailable> {
        for attempt in 0..ATTEMPTS {
            let key = ShopOrder::key_of(name.number(client, attempt));
            match self.store.read::<ShopOrder>(key).await? {
                None => return Ok(None),
                Some(order) if order.client == client && order.name == *name => {
                    return Ok(Some(order));
                }
                Some(_) => {}
            }
        }
        Ok(None)
    }

    /// The order that a caller means: by its number, or by the id that the
    /// caller has chosen.
    pub(super) async fn meant(
        &self,
        client: ClientNumber,
        id: &str,
    ) -> Result<Option<Versioned<ShopOrder>>, Unavailable> {
        if let Some(number) = OrderId::parse(id)
            && let Some(order) = self.numbered(client, number).await?
        {
            return Ok(Some(order));
        }
        self.named(client, &Name::Reference(id.to_owned())).await
    }

    /// A client's order.
    ///
    /// # Errors
    /// When there is none, or it is another client's.
    pub async fn order(&self, client: ClientNumber, id: &str) -> Result<ShopOrder, Refusal> {
        let order = self.meant(client, id).await?;
        order.map(Versioned::into_document).ok_or(Refusal::NotFound)
    }

    /// A client's basket.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn basket(&self, client: ClientNumber) -> Result<CurrentBasket, Unavailable> {
        let baskets = self.store.read::<Baskets>(Baskets::key_of(client)).await?;
        let mut serial = baskets.map_or(0, |baskets| baskets.begun);
        loop {
            let order = self.named(client, &Name::Basket(serial)).await?;
            match order.map(Versioned::into_document) {
                Some(order) if order.status != Status::New => serial += 1,
                order => return Ok(CurrentBasket { serial, order }),
            }
        }
    }

    /// A page of a client's orders, the latest first.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn orders_of(
        &self,
        client: ClientNumber,
        after: Option<Cursor>,
    ) -> Result<OrderPage, Refusal> {
        let lists = vec![ShopOrder::list_of(client)];
        let scan = Scan::Lists { lists, newest_first: true, after, limit: PAGE };
        let page = self.store.scan(&scan).await?;
        let orders = page.items.iter().map(|(_, stored)| stored.document());
        let orders: Result<Vec<ShopOrder>, _> = orders.collect();
        let orders = orders.map_err(Unavailable::from)?;
        Ok(OrderPage { orders, next: page.next.map(|next| next.to_string()) })
    }
}
