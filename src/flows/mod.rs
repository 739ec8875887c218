//! What tillgate does, one use case a file: read, decide, stage a batch, commit; when something has changed
//! meanwhile, from the beginning.
//!
//! Flows are given a store and a clock and nothing that could call out: what the outside must hear goes into
//! the outbox with the rest of the batch, and the workers take it from there.

pub mod accept_hook;
pub mod alarm;
pub mod alias;
pub mod bill_order;
pub mod charge;
pub mod clock_skew;
pub mod effects;
pub mod endpoint;
pub mod hints;
pub mod hook;
pub mod journal;
pub mod judge_money;
pub mod marketplace_update;
pub mod measure_clock_skew;
pub mod move_money;
pub mod note_copies;
pub mod open_payment;
pub mod outside_refund;
pub mod place_order;
mod raised;
pub mod receive_hook;
pub mod receive_notice;
pub mod record;
pub mod reject_hook;
pub mod resting;
pub mod revise_order;
pub mod see_order;
pub mod services;
pub mod set_stock;
pub mod shop_key;
pub mod spend_budget;
pub mod stored;
pub mod sweep;
pub mod tell_marketplace;
pub mod tend_delivery;
pub mod tend_operation;
pub mod tend_payment;
pub mod transaction;

mod news;

pub use charge::Rates;
pub use clock_skew::ClockSkew;
pub use hints::Hints;
pub use hook::{Hook, Received};
pub use journal::journal_key;
use journal::{entry_of, load_entry, load_kept_entry};
pub use news::{Listener, News};
pub use raised::Alarms;
pub use record::{BilledOrder, OrderRecord, checkout_of, find_record, load_record};
use record::{fetch_bill, load_kept_record};
pub use resting::Resting;
pub use services::{Callbacks, Seller, Shop};
