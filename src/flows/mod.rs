//! The use cases of tillgate, one per file. Each reads, decides, stages a batch
//! and commits it; after a conflict it starts again from the beginning.
//!
//! Flows get a store and a clock, and nothing that can make outgoing calls.
//! What other systems must receive goes into the outbox in the same batch, and
//! the workers send it.

pub mod accept_hook;
pub mod acknowledge_order;
pub mod advance_operation;
pub mod advance_payment;
pub mod alarm;
pub mod alias;
pub mod backlog;
pub mod bill_order;
pub mod charge;
pub mod clock_skew;
pub mod effects;
pub mod endpoint;
pub mod flag_order;
pub mod hints;
pub mod hook;
pub mod journal;
pub mod marketplace_update;
pub mod measure_clock_skew;
pub mod move_money;
pub mod open_payment;
pub mod outside_refund;
pub mod parked_orders;
pub mod parties;
pub mod paused_gateways;
pub mod place_order;
pub mod quotas;
mod raised;
pub mod receive_hook;
pub mod receive_notification;
pub mod recognise_hook;
mod record;
pub mod record_duplicates;
pub mod reject_hook;
pub mod review_money;
pub mod revise_order;
pub mod services;
pub mod set_stock;
pub mod settle_delivery;
pub mod share_counts;
pub mod shop_key;
pub mod spend_budget;
pub mod stored;
pub mod sweep;
pub mod transaction;
pub mod update_marketplace;

mod change_feed;

pub use change_feed::{ChangeFeed, Listener};
pub use charge::Rates;
pub use clock_skew::ClockSkew;
pub use hints::Hints;
pub use hook::{Hook, Received};
pub use journal::journal_key;
use journal::{entry_of, load_entry, load_kept_entry};
pub use paused_gateways::PausedGateways;
pub use raised::Alarms;
pub use record::{
    BilledOrder, ListedOrder, OrderRecord, checkout_of, find_record, list_records, load_record,
};
use record::{fetch_bill, load_kept_record};
pub use services::{Callbacks, PaymentProfile, Services};
