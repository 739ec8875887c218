//! What services write to each other: the formats of the contracts, by number.
//! Unknown fields are ignored, and a field that is new has a default, so that
//! services of different versions understand each other.

mod account_letter;
pub mod agreement;
mod confirm_answer;
mod confirm_request;
mod contacts;
mod money_came;
mod order_canceled;
mod order_decision;
mod order_notice;
mod order_to_confirm;
mod payment_not_wanted;
mod payment_notice;
mod wallet_filled;
mod withdrawal_result;

pub use account_letter::{AccountLetter, Letter};
pub use confirm_answer::ConfirmAnswer;
pub use confirm_request::ConfirmRequest;
pub use contacts::Contacts;
pub use money_came::{MoneyCame, MoneyState};
pub use order_canceled::OrderCanceled;
pub use order_decision::OrderDecision;
pub use order_notice::OrderNotice;
pub use order_to_confirm::OrderToConfirm;
pub use payment_not_wanted::PaymentNotWanted;
pub use payment_notice::{Done, PaymentNotice, TokenType};
pub use wallet_filled::WalletFilled;
pub use withdrawal_result::WithdrawalResult;
