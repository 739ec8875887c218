//! Basic types used by all other crates: exact amounts, times, ids, secrets.
//!
//! Nothing here does I/O, and nothing is `async`. Time and random bytes are
//! arguments: only [`time`] and [`chance`] call the system's clock and its
//! random number generator, and the rest of the crate is given their results.

pub mod currency;
pub mod decimal;
pub mod money;
pub mod quantity;

pub mod card;
pub mod chance;
pub mod clock_skew;
pub mod contact;
pub mod local_time;
pub mod text;
pub mod time;

pub mod document;
pub mod failure;
pub mod fingerprint;
pub mod hook_id;
pub mod ids;
pub mod image;
pub mod json;
pub mod language;
pub mod list;
pub mod outbox;
pub mod partition;
pub mod secret;
pub mod setting;
pub mod short_text;
pub mod signature;

pub use currency::Currency;
pub use decimal::DecimalError;
pub use document::{DocKey, Document, Kind, Unreadable};
pub use failure::Failure;
pub use fingerprint::Fingerprint;
pub use hook_id::HookId;
pub use ids::{ExternalId, PartyName, same_id};
pub use language::Language;
pub use list::ListName;
pub use local_time::LocalTime;
pub use money::Money;
pub use partition::{Partition, Subject};
pub use quantity::Quantity;
pub use secret::{Private, Secret, Tokens};
pub use time::{Clock, Stopwatch, Timestamp};
