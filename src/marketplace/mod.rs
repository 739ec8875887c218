//! Marketplaces as those who are told: how a shop's tidings are sent to them. What they send us is read in
//! [`webhooks`](crate::webhooks).

mod sm;

pub use sm::{Access, Sm};

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
