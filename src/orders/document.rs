//! The order as it is shown.

use serde::Serialize;
use utoipa::ToSchema;

use super::content::{Position, Window};
use super::fold::{State, View};
use super::order::Order;
use crate::kernel::money::CURRENCY;
use crate::kernel::{ExternalId, Money, Number, Quantity, SourceName, Timestamp};

/// A sum as the API shows it: a decimal string and a currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Amount {
    /// `"1558.80"`.
    pub amount: Money,
    /// ISO 4217.
    pub currency: &'static str,
}

impl From<Money> for Amount {
    fn from(amount: Money) -> Amount {
        Amount { amount, currency: CURRENCY }
    }
}

/// An order as the API, the command line and tests see it. It depends on the set of the order's hooks
/// alone, not on when or how often they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderDocument {
    number: Number,
    source: SourceName,
    external_id: ExternalId,
    store_id: String,
    state: State,
    closed: bool,
    revision: u32,
    created_at: Timestamp,
    paid_at: Option<Timestamp>,
    shipped_at: Option<Timestamp>,
    delivered_at: Option<Timestamp>,
    cancelled_at: Option<Timestamp>,
    cancel_reason: Option<String>,
    delivery: Option<Window>,
    positions: Vec<PositionDocument>,
    total: Option<Amount>,
    discount_total: Option<Amount>,
    payment: Option<PaymentDocument>,
    attention: Vec<String>,
}

/// How an order is paid, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Payment)]
pub struct PaymentDocument {
    /// `requested`, `linked`, `held` (the money is set aside: capture it), `paid`, `refunded` (all of it was paid back), `expired`, `cancelled`, `failed` (the payment system will not have it), or
    /// `review`: money came that does not fit what the order is now, and a person decides.
    pub state: &'static str,
    /// Where the buyer is sent. It stays the same while the order lives.
    pub url: String,
    /// Until when it can be paid.
    pub expires_at: Option<Timestamp>,
    /// What was asked for.
    pub amount: Option<Amount>,
    /// Since when it is paid.
    pub paid_at: Option<Timestamp>,
    /// What of it was paid back, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Amount>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct PositionDocument {
    sku: String,
    name: Option<String>,
    /// None when the sender's number could not be read.
    quantity: Option<Quantity>,
    original_quantity: Option<Quantity>,
    weight_grams: Option<Quantity>,
    price: Option<Money>,
    discount_price: Option<Money>,
    total: Option<Money>,
    discount_total: Option<Money>,
    replaced_by: Option<String>,
}

impl From<Position> for PositionDocument {
    fn from(position: Position) -> PositionDocument {
        PositionDocument {
            sku: position.sku,
            name: position.name,
            quantity: position.quantity,
            original_quantity: position.original_quantity,
            weight_grams: position.weight_grams,
            price: position.price,
            discount_price: position.discount_price,
            total: position.total,
            discount_total: position.discount_total,
            replaced_by: position.replaced_by,
        }
    }
}

impl OrderDocument {
    /// Shows `order`; none while it only has parked hooks.
    #[must_use]
    pub fn of(order: &Order) -> Option<OrderDocument> {
        let view = order.view()?;
        let state = view.state();
        let closed = view.is_closed();
        let View { content, paid, shipped, delivered, cancelled, mut attention, .. } = view;
        attention.extend(order.flags.iter().cloned());
        attention.retain(|text| !order.seen.contains(text));
        Some(OrderDocument {
            number: order.number,
            source: order.source.clone(),
            external_id: order.external_id.clone(),
            store_id: content.store_id,
            state,
            closed,
            revision: view.revision,
            created_at: view.created_at,
            paid_at: paid.map(|facet| facet.at),
            shipped_at: shipped.map(|facet| facet.at),
            delivered_at: delivered.map(|facet| facet.at),
            cancelled_at: cancelled.map(|facet| facet.at),
            cancel_reason: view.cancel_reason,
            delivery: content.window,
            positions: content.positions.into_iter().map(PositionDocument::from).collect(),
            total: content.sums.total.map(Amount::from),
            discount_total: content.sums.discount_total.map(Amount::from),
            payment: None,
            attention,
        })
    }

    /// The same with how it is paid, and what a person should look at there.
    #[must_use]
    pub fn with_payment(mut self, payment: Option<PaymentDocument>, attention: &[String]) -> OrderDocument {
        self.payment = payment;
        self.attention.extend_from_slice(attention);
        self
    }

    /// Whether a person should look at it.
    #[must_use]
    pub fn needs_attention(&self) -> bool {
        !self.attention.is_empty()
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Its shop.
    #[must_use]
    pub fn store_id(&self) -> &str {
        &self.store_id
    }
}
