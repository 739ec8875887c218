//! The accounts of the books, and the counters that are their balances.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tillgate_store::CounterKey;

use super::token_id::TokenId;
use crate::order_id::OrderId;

/// The group of the counters that are the balances of accounts.
const GROUP: &str = "ledger";

/// An account of the books.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountName {
    /// A client's wallet.
    Wallet(TokenId),
    /// A gift card.
    GiftCard(TokenId),
    /// What was paid for an order that is not agreed on yet.
    Order(OrderId),
    /// What goes back through a payment system for an order.
    Owed(OrderId),
    /// What the shop has earned.
    Sales,
    /// What the shop has given to clients.
    Given,
    /// What a payment system has taken in for the shop.
    PaymentSystem(String),
}

impl AccountName {
    /// The counter that is its balance.
    #[must_use]
    pub fn counter(&self) -> CounterKey {
        CounterKey::internal(GROUP, self.to_string())
    }

    /// The group of all balances.
    #[must_use]
    pub fn group() -> String {
        CounterKey::internal_group(GROUP)
    }

    /// Whether it may not be below zero.
    #[must_use]
    pub const fn has_floor(&self) -> bool {
        match self {
            AccountName::Wallet(_)
            | AccountName::GiftCard(_)
            | AccountName::Order(_)
            | AccountName::Owed(_) => true,
            AccountName::Sales | AccountName::Given | AccountName::PaymentSystem(_) => false,
        }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccountName::Wallet(token) => write!(f, "wallet:{token}"),
            AccountName::GiftCard(token) => write!(f, "card:{token}"),
            AccountName::Order(order) => write!(f, "order:{order}"),
            AccountName::Owed(order) => write!(f, "owed:{order}"),
            AccountName::Sales => f.write_str("sales"),
            AccountName::Given => f.write_str("given"),
            AccountName::PaymentSystem(name) => write!(f, "gateway:{name}"),
        }
    }
}

/// The text is not the name of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an account")]
pub struct NotAnAccount;

impl FromStr for AccountName {
    type Err = NotAnAccount;

    fn from_str(text: &str) -> Result<AccountName, NotAnAccount> {
        let (kind, id) = text.split_once(':').unwrap_or((text, ""));
        let token = || TokenId::parse(id).ok_or(NotAnAccount);
        let order = || OrderId::parse(id).ok_or(NotAnAccount);
        match (kind, id.is_empty()) {
            ("wallet", _) => Ok(AccountName::Wallet(token()?)),
            ("card", _) => Ok(AccountName::GiftCard(token()?)),
            ("order", _) => Ok(AccountName::Order(order()?)),
            ("owed", _) => Ok(AccountName::Owed(order()?)),
            ("gateway", false) => Ok(AccountName::PaymentSystem(id.to_owned())),
            ("sales", true) => Ok(AccountName::Sales),
            ("given", true) => Ok(AccountName::Given),
            _ => Err(NotAnAccount),
        }
    }
}

impl Serialize for AccountName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AccountName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<AccountName, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
