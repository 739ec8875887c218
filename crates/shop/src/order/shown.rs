//! What clients see of their orders.

use serde::Serialize;
use tillgate_kernel::Timestamp;

use super::content::Line;
use super::find::OrderPage;
use super::name::Name;
use super::shop_order::{ShopOrder, Status};
use crate::formats::agreement::{Reason, ShortItem};
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
    /// With the delivery once that is fixed.
    total: Roubles,
    delivery: Option<Roubles>,
    /// Why it was not agreed on.
    reason: Option<Reason>,
    /// What there was too little of.
    short: Vec<ShortItem>,
    withdrawal: Option<&'static str>,
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
        let total = Roubles(order.total());
        let (reason, short) =
            order.outcome.map_or((None, Vec::new()), |outcome| (outcome.reason, outcome.lines));
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
            delivery: order.processed.map(|one| Roubles(one.delivery_cost)),
            reason,
            short,
            withdrawal: order.withdrawal.map(|one| match one.refused {
                _ if order.status == Status::Canceled => "DONE",
                None => "ASKED",
                Some(_) => "REFUSED",
            }),
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
