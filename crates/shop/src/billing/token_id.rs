//! The number of a wallet or a card.

use std::fmt;

use serde::{Deserialize, Serialize};
use tillgate_kernel::{Fingerprint, Partition, Subject};

use crate::order_id::OrderId;
use crate::username::ClientNumber;

/// Everything about an account itself is in the partition of its number.
const TOKENS: Subject = Subject::new(2);

/// The number of a wallet or a card: at most 53 bits, so that every reader of
/// JSON keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(u64);

impl TokenId {
    pub const MAX: u64 = (1 << 53) - 1;

    /// The number, if it has no more than 53 bits.
    #[must_use]
    pub const fn new(number: u64) -> Option<TokenId> {
        if number > 0 && number <= TokenId::MAX { Some(TokenId(number)) } else { None }
    }

    /// The number in a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<TokenId> {
        text.parse().ok().and_then(TokenId::new)
    }

    fn of(parts: &[&[u8]]) -> TokenId {
        let digest = Fingerprint::of(parts).get() as u64;
        TokenId((digest & TokenId::MAX).max(1))
    }

    /// The number of a client's wallet. Another thing may have the number: then
    /// the wallet has that of the next `attempt`.
    #[must_use]
    pub fn of_wallet(client: ClientNumber, attempt: u8) -> TokenId {
        TokenId::of(&[b"wallet", &client.bytes(), &[attempt]])
    }

    /// The number of a card of an order.
    #[must_use]
    pub fn of_card(order: OrderId, card: u64, attempt: u8) -> TokenId {
        TokenId::of(&[b"card", order.to_string().as_bytes(), &card.to_be_bytes(), &[attempt]])
    }

    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    #[must_use]
    pub const fn partition(self) -> Partition {
        Partition::of(TOKENS, self.0)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
