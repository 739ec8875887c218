//! The use case that begins an order.

use std::collections::BTreeMap;

use tillgate_kernel::Fingerprint;
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, CommitError, CounterChange, Expect, Floor, Unavailable, Versioned};

use super::Orders;
use super::asked::Place;
use super::content::{Content, Wanted, digest};
use super::name::{ATTEMPTS, Name};
use super::shop_order::{Baskets, ShopOrder, Status};
use crate::Refusal;
use crate::order_problem::OrderProblem;
use crate::prices::Price;
use crate::product_id::ProductId;
use crate::username::{ClientNumber, Username};

impl Orders {
    /// Begins an order: under the caller's id, once; without one, as the
    /// client's basket.
    ///
    /// # Errors
    /// When a product is not sold, another order was begun under the id, or
    /// there is a basket already.
    pub async fn place(&self, username: &Username, place: Place) -> Result<ShopOrder, Refusal> {
        let client = ClientNumber::of(username);
        let Place { reference, wanted } = place;
        let name = match reference {
            Some(reference) => Name::Reference(reference),
            None => {
                let basket = self.basket(client).await?;
                self.remember_baskets(client, basket.serial).await?;
                Name::Basket(basket.serial)
            }
        };
        let prices = self.prices.of(wanted.iter().map(|one| one.product)).await?;
        let work = |_| self.place_once(username, &name, &wanted, &prices);
        match run(&self.store, work).await {
            Ok((placed, _)) => placed,
            Err(CommitError::Short { .. }) => {
                Err(Refusal::Order(OrderProblem::TooManyOrders(self.settings.unpaid_max)))
            }
            Err(why) => Err(Refusal::of_commit(why)),
        }
    }

    async fn place_once(
        &self,
        username: &Username,
        name: &Name,
        wanted: &[Wanted],
        prices: &BTreeMap<ProductId, Price>,
    ) -> Result<Run<Result<ShopOrder, Refusal>>, Unavailable> {
        let client = ClientNumber::of(username);
        let begun_with: Fingerprint = digest(wanted);
        if let Some(there) = self.named(client, name).await? {
            let is_repeated = there.begun_with == begun_with;
            return Ok(Run::Unchanged(match name {
                Name::Reference(_) if is_repeated => Ok(there.into_document()),
                Name::Reference(_) => Err(Refusal::IdReused),
                // Another request has begun it at the same moment.
                Name::Basket(_) => Err(Refusal::Order(OrderProblem::StaleVersion(there.version))),
            }));
        }
        let mut content = Content::default();
        if let Err(problem) = content.set(wanted, prices) {
            return Ok(Run::Unchanged(Err(Refusal::Order(problem))));
        }
        let mut free = None;
        for attempt in 0..ATTEMPTS {
            let id = name.number(client, attempt);
            if self.store.read::<ShopOrder>(ShopOrder::key_of(id)).await?.is_none() {
                free = Some(id);
                break;
            }
        }
        let Some(id) = free else {
            return Err(Unavailable::NoNumberLeft { external_id: format!("{name:?}") });
        };
        let now = self.clock.now();
        let order = ShopOrder {
            id,
            client,
            username: username.clone(),
            name: name.clone(),
            begun_with,
            status: Status::New,
            version: 0,
            content,
            created_at: now,
            priced_at: now,
            processed: None,
            outcome: None,
            withdrawal: None,
        };
        let mut batch = Batch::new();
        batch.put(ShopOrder::key_of(id), Expect::Absent, &order, now);
        if order.is_counted() {
            let count = ShopOrder::count_of_new(client);
            batch.bump(count.clone(), CounterChange::Add(1));
            let least = -i64::from(self.settings.unpaid_max);
            batch.floor(Floor { plus: Vec::new(), minus: vec![count], least });
        }
        Ok(Run::Commit(batch, Ok(order)))
    }

    /// Keeps how many baskets a client has begun, so that not all of them are
    /// read for the next one.
    async fn remember_baskets(&self, client: ClientNumber, begun: u64) -> Result<(), Refusal> {
        let key = Baskets::key_of(client);
        let work = |_| async move {
            let stored = self.store.read::<Baskets>(key).await?;
            if stored.as_ref().map_or(0, |baskets| baskets.begun) >= begun {
                return Ok(Run::Unchanged(()));
            }
            let baskets = Baskets { begun };
            let baskets = match stored {
                Some(stored) => stored.replaced(baskets),
                None => Versioned::new(baskets, self.clock.now()),
            };
            let mut batch = Batch::new();
            baskets.stage_at(key, &mut batch);
            Ok(Run::Commit(batch, ()))
        };
        run(&self.store, work).await.map(drop).map_err(Refusal::from)
    }
}
