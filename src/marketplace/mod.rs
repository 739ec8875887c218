//! Marketplaces as those who are told: how a shop's tidings are sent to them. What they send us is read in
//! [`webhooks`](crate::webhooks).

mod sm;

pub use sm::{Access, Sm};

use serde_json::value::RawValue;

/// An order as the marketplace has it.
#[derive(Debug, Clone)]
pub struct Shipment {
    /// Its number over there.
    pub external_id: String,
    /// How it stands, in the marketplace's word.
    pub state: String,
    /// All of it.
    pub raw: Box<RawValue>,
}

/// How telling ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It was taken in, now or before.
    Taken,
    /// Certainly not taken in; it may be sent again.
    NotTaken(String),
    /// It may have been taken in.
    Unknown(String),
    /// It does not go from where the order stands over there. After an unknown outcome that means that it was
    /// taken in then.
    OutOfTurn(String),
    /// It will never be taken in.
    Refused(String),
}
