//! English.

mod buyer;
mod delivery;
mod orders;
mod payments;
mod pickers;

pub(super) use buyer::{BUYERS, payment_page};
pub(super) use delivery::{delivery_failure, message_subject};
pub(super) use orders::{fact, order_note, payment_fact, reason, uncharged};
pub(super) use payments::{
    mismatch, payment_note, payment_problem, recorded, refusal, retry_reason, superseded,
};
pub(super) use pickers::PICKERS;
