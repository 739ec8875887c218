//! The document of a wallet or a gift card. Its balance is a counter.

use std::fmt;

use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{
    DocKey, Document, Fingerprint, Kind, ListName, Money, Partition, Private, Subject, Timestamp,
    Unreadable,
};

use super::ledger::AccountName;
use crate::order_id::OrderId;
use crate::seal::{DataKey, MasterKeys, Place, Sealed, Unsealable, WrappedKey};
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

/// What an account is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    Wallet,
    GiftCard(Card),
}

/// A gift card, as it was ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    pub order: OrderId,
    /// Its number within the order.
    pub number: u64,
    /// What it will hold when it is opened.
    pub nominal: Money,
    grantee: Sealed,
}

/// Who is given a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grantee {
    pub first_name: Option<Private>,
    pub last_name: Option<Private>,
    pub email: Private,
}

/// An account's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub id: TokenId,
    pub kind: AccountKind,
    /// Whose it is. A card is nobody's until it is activated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<ClientNumber>,
    pub opened_at: Timestamp,
    key: WrappedKey,
}

impl Account {
    /// A client's wallet, with a data key of these random bytes.
    #[must_use]
    pub fn wallet(
        id: TokenId,
        owner: ClientNumber,
        opened_at: Timestamp,
        keys: &MasterKeys,
        random: [u8; 32],
    ) -> Account {
        let (_, key) = keys.wrap(random, place(id, "key"));
        Account { id, kind: AccountKind::Wallet, owner: Some(owner), opened_at, key }
    }

    /// A card that is ordered and not opened yet.
    #[must_use]
    pub fn card(
        id: TokenId,
        (order, number): (OrderId, u64),
        nominal: Money,
        grantee: &Grantee,
        opened_at: Timestamp,
        keys: &MasterKeys,
        random: [u8; 32],
    ) -> Account {
        let (data_key, key) = keys.wrap(random, place(id, "key"));
        let grantee = data_key.seal(grantee, place(id, "grantee"));
        let card = Card { order, number, nominal, grantee };
        Account { id, kind: AccountKind::GiftCard(card), owner: None, opened_at, key }
    }

    /// Its name in the books.
    #[must_use]
    pub const fn name(&self) -> AccountName {
        match self.kind {
            AccountKind::Wallet => AccountName::Wallet(self.id),
            AccountKind::GiftCard(_) => AccountName::GiftCard(self.id),
        }
    }

    /// The key that seals what is kept about it.
    ///
    /// # Errors
    /// When the master key is not configured.
    pub fn data_key(&self, keys: &MasterKeys) -> Result<DataKey, Unsealable> {
        keys.unwrap(&self.key, place(self.id, "key"))
    }

    /// Who is given the card, if it is one.
    ///
    /// # Errors
    /// When the data key cannot be opened.
    pub fn grantee(&self, keys: &MasterKeys) -> Result<Option<Grantee>, Unsealable> {
        let AccountKind::GiftCard(card) = &self.kind else { return Ok(None) };
        self.data_key(keys)?.open(&card.grantee, place(self.id, "grantee")).map(Some)
    }

    #[must_use]
    pub const fn key_of(id: TokenId) -> DocKey {
        DocKey { partition: id.partition(), kind: Account::KIND, id: 0 }
    }

    /// The list of a client's accounts.
    #[must_use]
    pub fn list_of(client: ClientNumber) -> ListName {
        ListName::of(&["accounts", &client.to_string()])
    }
}

const fn place(id: TokenId, field: &'static str) -> Place {
    Place { kind: Account::KIND, partition: id.partition(), field }
}

impl Document for Account {
    const KIND: Kind = Kind::new(23, "accounts");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        self.owner.map(Account::list_of).into_iter().collect()
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Account, Unreadable> {
        document::decode(schema, bytes)
    }
}
