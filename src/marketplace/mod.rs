//! Clients of marketplaces: they send fulfilment updates and fetch lists of
//! orders. Requests that marketplaces send to us are parsed in
//! [`webhooks`](crate::webhooks).

mod sm;

pub use sm::{Access, Sm};

use serde_json::value::RawValue;

/// An order in the marketplace's list.
#[derive(Debug, Clone)]
pub struct Shipment {
    /// The marketplace's number of the order.
    pub external_id: String,
    /// The marketplace's name of its state.
    pub state: String,
    /// The complete JSON.
    pub raw: Box<RawValue>,
}
