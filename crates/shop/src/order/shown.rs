//! What clients see of their orders.

use serde::Serialize;
use tillgate_kernel::Timestamp;

use super::content::Line;
use super::find::OrderPage;
use super::name::Name;
use super::shop_order::ShopOrder;
use crate::product_id::ProductId;
use crate::roubles::Roubles;

/// An order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownOrder {
    /// Twelve digits.
    id: String,
    /// How its caller has named it.
    reference: Option<String>,
    status: &'static str,
    version: u64,
    order_items: Vec<ShownLine>,
    total: Roubles,
    created_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct ShownLine {
    id: u64,
    product: ShownProduct,
    quantity: u64,
    total: Roubles,
}

#[derive(Debug, Serialize)]
struct ShownProduct {
    id: ProductId,
    name: String,
    price: Roubles,
}

/// A page of orders.
#[derive(Debug, Serialize)]
pub struct ShownOrders {
    items: Vec<ShownOrder>,
    next_cursor: Option<String>,
}

impl From<ShopOrder> for ShownOrder {
    fn from(order: ShopOrder) -> ShownOrder {
        let total = Roubles(order.content.total());
        let line = |line: Line| ShownLine {
            id: line.id,
            quantity: line.quantity,
            total: Roubles(line.total()),
            product: ShownProduct { id: line.product, name: line.name, price: Roubles(line.price) },
        };
        ShownOrder {
            id: order.id.to_string(),
            reference: match order.name {
                Name::Reference(reference) => Some(reference),
                Name::Basket(_) => None,
            },
            status: order.status.as_str(),
            version: order.version,
            order_items: order.content.lines.into_iter().map(line).collect(),
            total,
            created_at: order.created_at,
        }
    }
}

impl From<OrderPage> for ShownOrders {
    fn from(page: OrderPage) -> ShownOrders {
        let OrderPage { orders, next } = page;
        ShownOrders { items: orders.into_iter().map(ShownOrder::from).collect(), next_cursor: next }
    }
}
