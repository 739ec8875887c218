//! An order as the operator sees it.

use serde::Serialize;

use super::Frame;
use super::amount::Amount;
use super::next_step::{dismissal, next_steps};
use super::payment::{PaymentDocument, payment_document};
use crate::kernel::{ExternalId, Money, PartyName, Quantity, Timestamp};
use crate::orders::Number;
use crate::orders::{Order, OrderNote, Position, State, View, Window};
use crate::payments::{Attention, Balance, Checkout};
use crate::texts::{Language, WithText};

/// An order as the operator's API, the command line and tests show it. It
/// depends only on the set of the order's hooks, not on when or how often they
/// arrived.
#[derive(Debug, Clone, Serialize)]
pub struct OrderDocument {
    number: Number,
    source: PartyName,
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
    /// Its money, if its payments go through tillgate.
    money: Option<MoneyDocument>,
    attention: Vec<AttentionDocument>,
}

/// Where an order's money is. A sum of zero is null.
#[derive(Debug, Clone, Serialize)]
struct MoneyDocument {
    paid: Option<Amount>,
    held: Option<Amount>,
    refunded: Option<Amount>,
    due: Option<Amount>,
}

impl From<Balance> for MoneyDocument {
    fn from(balance: Balance) -> MoneyDocument {
        let shown = |sum: Money| (sum != Money::ZERO).then(|| Amount::from(sum));
        MoneyDocument {
            paid: shown(balance.paid),
            held: shown(balance.held),
            refunded: shown(balance.refunded),
            due: shown(balance.due),
        }
    }
}

/// Something that a person should look at.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum AttentionDocument {
    Order {
        #[serde(flatten)]
        note: WithText<OrderNote>,
        next_steps: Vec<String>,
    },
    Payment {
        #[serde(flatten)]
        note: WithText<Attention>,
        /// Commands that settle it, the likeliest first.
        next_steps: Vec<String>,
    },
}

#[derive(Debug, Clone, Serialize)]
struct PositionDocument {
    sku: String,
    name: Option<String>,
    /// `None` if the sender's number could not be read.
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

/// An order with its payment; `None` while it only has parked hooks.
#[must_use]
pub fn order_document(
    frame: Frame<'_>,
    order: &Order,
    checkout: Option<&Checkout>,
) -> Option<OrderDocument> {
    let document = OrderDocument::of(order, frame.language)?;
    let Some(checkout) = checkout else { return Some(document) };
    // A marketplace order that could not be billed has a checkout only for its
    // buyer's contact, and no payment.
    let is_asked = !checkout.payments.is_empty() || checkout.next.is_some();
    let payment = is_asked.then(|| payment_document(frame, checkout));
    let worded = |attention: &Attention| {
        let note = WithText::of(attention.clone(), frame.language);
        AttentionDocument::Payment { note, next_steps: next_steps(checkout, attention) }
    };
    let mut attention = document.attention;
    attention.extend(checkout.attention.iter().map(worded));
    let money = is_asked.then(|| MoneyDocument::from(checkout.balance(frame.now)));
    Some(OrderDocument { payment, money, attention, ..document })
}

impl OrderDocument {
    fn of(order: &Order, language: Language) -> Option<OrderDocument> {
        let view = order.view()?;
        let (state, closed) = (view.state(), view.is_closed());
        let View { content, paid, shipped, delivered, cancelled, mut attention, .. } = view;
        attention.extend(order.flags.iter().cloned());
        attention.retain(|note| !order.seen.contains(note));
        let worded = |note| AttentionDocument::Order {
            note: WithText::of(note, language),
            next_steps: vec![dismissal(order.number)],
        };
        let attention = attention.into_iter().map(worded).collect();
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
            positions: content.positions.iter().cloned().map(PositionDocument::from).collect(),
            total: content.sums.total.map(Amount::from),
            discount_total: content.sums.discount_total.map(Amount::from),
            payment: None,
            money: None,
            attention,
        })
    }

    /// Whether a person should look at it.
    #[must_use]
    pub fn needs_attention(&self) -> bool {
        !self.attention.is_empty()
    }

    #[must_use]
    pub fn source(&self) -> &PartyName {
        &self.source
    }

    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    #[must_use]
    pub fn store_id(&self) -> &str {
        &self.store_id
    }
}
