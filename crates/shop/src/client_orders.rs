//! The orders of clients, for services other than `order`.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use http::{Method, StatusCode};
use serde::Deserialize;
use tillgate_kernel::Money;

use crate::Refusal;
use crate::form::Fault;
use crate::order_id::OrderId;
use crate::order_problem::OrderProblem;
use crate::product_id::ProductId;
use crate::roubles::Roubles;
use crate::service_client::{Caller, ServiceClient};

/// The longest id of an order, in characters.
pub const ORDER_CHARACTERS_MAX: usize = 64;

/// The status of an order that can be changed, in the contract of orders.
const NEW: &str = "NEW";

/// An order as a client has seen it.
#[derive(Debug, Clone)]
pub struct ClientOrder {
    pub id: OrderId,
    pub version: u64,
    pub lines: Vec<OrderLine>,
    /// Without the delivery.
    pub total: Money,
}

/// An order of a client, in any state.
#[derive(Debug)]
pub struct FoundOrder {
    pub id: OrderId,
    order: Order,
}

/// A query that names an order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OfOrder {
    order_id: Option<String>,
}

impl OfOrder {
    /// The id that it names.
    ///
    /// # Errors
    /// When it has none, or anything else.
    pub fn read(query: Result<Query<OfOrder>, QueryRejection>) -> Result<String, Refusal> {
        let Query(OfOrder { order_id }) =
            query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
        let id = order_id.filter(|id| !id.is_empty());
        id.ok_or_else(|| Refusal::of_field("orderId", Fault::Missing))
    }
}

/// A line of an order.
#[derive(Debug, Clone)]
pub struct OrderLine {
    pub product: ProductId,
    pub name: String,
    pub price: Money,
    pub pieces: u64,
}

/// Asks the service `order`.
#[derive(Debug, Clone)]
pub struct ClientOrders {
    pub order: ServiceClient,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    id: String,
    status: String,
    version: u64,
    total: Roubles,
    order_items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    product: Product,
    quantity: u64,
}

#[derive(Debug, Deserialize)]
struct Product {
    id: ProductId,
    name: String,
    price: Roubles,
}

impl ClientOrders {
    /// The number of a client's order.
    ///
    /// # Errors
    /// When there is none, or it is another client's.
    pub async fn id_of(&self, client: &Caller, id: &str) -> Result<OrderId, Refusal> {
        Ok(self.find(client, id).await?.id)
    }

    /// A client's order, whatever its state is.
    ///
    /// # Errors
    /// When there is none, or it is another client's.
    pub async fn find(&self, client: &Caller, id: &str) -> Result<FoundOrder, Refusal> {
        let order = self.ask_for(client, id).await?;
        let id = OrderId::parse(&order.id).ok_or(Refusal::Unavailable)?;
        Ok(FoundOrder { id, order })
    }

    async fn ask_for(&self, client: &Caller, id: &str) -> Result<Order, Refusal> {
        // An id of an order has no letter that an address may not have, or
        // there is no such order.
        if !id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
            return Err(Refusal::NotFound);
        }
        let path = format!("/get?orderId={id}");
        let reply = self.order.call(Method::GET, &path, client, None).await?;
        match reply.status {
            StatusCode::OK => reply.read(),
            StatusCode::UNAUTHORIZED => Err(Refusal::NoSession),
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Err(Refusal::NotFound),
            _ => Err(Refusal::Unavailable),
        }
    }

    /// A client's new order, at the version that the client has seen.
    ///
    /// # Errors
    /// When it is another client's, has another version, is not new, or has
    /// nothing in it.
    pub async fn at(
        &self,
        client: &Caller,
        id: &str,
        version: u64,
    ) -> Result<ClientOrder, Refusal> {
        self.find(client, id).await?.new_at(version)
    }
}

impl FoundOrder {
    /// The order, if it is new and at the version that the client has seen.
    ///
    /// # Errors
    /// When it has another version, is not new, or has nothing in it.
    pub fn new_at(self, version: u64) -> Result<ClientOrder, Refusal> {
        let FoundOrder { id, order } = self;
        if order.version != version {
            return Err(Refusal::Order(OrderProblem::StaleVersion(order.version)));
        }
        if order.status != NEW {
            return Err(Refusal::Order(OrderProblem::Status(order.status)));
        }
        if order.order_items.is_empty() {
            return Err(Refusal::Order(OrderProblem::Empty));
        }
        let line = |Item { product, quantity }| OrderLine {
            product: product.id,
            name: product.name,
            price: product.price.0,
            pieces: quantity,
        };
        let lines = order.order_items.into_iter().map(line).collect();
        Ok(ClientOrder { id, version, lines, total: order.total.0 })
    }
}
