//! Format 18: a letter about a client's account. From `auth` to `notification`,
//! which also writes the letters about orders in this form.

use serde::{Deserialize, Serialize};
use tillgate_kernel::{Fingerprint, Language, Money, Private, Timestamp};

use super::agreement::{Reason, ShortItem};
use super::payment_notice::TokenType;
use crate::bus::Format;
use crate::order_id::OrderId;

/// A letter to an address, or a short message to a number. Another client than
/// the one whom it is about may have proved the address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountLetter {
    /// What has caused the letter. There is one letter for each cause.
    pub cause: Fingerprint,
    pub to: Private,
    pub language: Language,
    pub letter: Letter,
    /// When its link or code ends: after that it is not sent any more.
    #[serde(default)]
    pub ends_at: Option<Timestamp>,
}

/// What a letter is about. The tokens are parts of links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Letter {
    /// Confirm that this is your address.
    Verify { token: Private },
    /// Choose a new password.
    Reset { token: Private },
    /// Somebody has registered with your address.
    AddressTaken,
    /// Your account has another address now.
    AddressChanged,
    /// The shop has given you money.
    WalletFilled,
    /// An order was agreed on.
    OrderAgreed { order: OrderId, total: Money },
    /// An order was not agreed on. Money that was taken goes back.
    OrderFailed { order: OrderId, reason: Option<Reason>, lines: Vec<ShortItem> },
    /// An order is paid.
    Paid { order: OrderId, amount: Money, token_type: TokenType },
    /// An order could not be paid.
    NotPaid { order: OrderId, amount: Money, reason: Option<Reason> },
    /// Money that was paid for an order goes back.
    MoneyBack { order: OrderId, amount: Money, token_type: TokenType },
    /// A code that proves that this is your telephone number.
    PhoneCode { code: Private },
}

impl Format for AccountLetter {
    const NUMBER: u16 = 18;
}
