//! What services write to each other: the formats of the contracts, by number.
//! Unknown fields are ignored, and a field that is new has a default, so that
//! services of different versions understand each other.

mod account_letter;
mod contacts;
mod order_canceled;
mod wallet_filled;

pub use account_letter::{AccountLetter, Letter};
pub use contacts::Contacts;
pub use order_canceled::OrderCanceled;
pub use wallet_filled::WalletFilled;
