//! The document of a wallet or a gift card. Its balance is a counter.

use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{DocKey, Document, Kind, ListName, Money, Private, Timestamp, Unreadable};

use super::account_name::AccountName;
use super::token_id::TokenId;
use crate::order_id::OrderId;
use crate::seal::{DataKey, MasterKeys, Place, Sealed, Unsealable, WrappedKey};
use crate::username::ClientNumber;

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

/// A card to be made.
#[derive(Debug, Clone)]
pub struct NewCard {
    pub order: OrderId,
    pub number: u64,
    pub nominal: Money,
    pub grantee: Grantee,
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
        new: &NewCard,
        opened_at: Timestamp,
        keys: &MasterKeys,
        random: [u8; 32],
    ) -> Account {
        let (data_key, key) = keys.wrap(random, place(id, "key"));
        let grantee = data_key.seal(&new.grantee, place(id, "grantee"));
        let NewCard { order, number, nominal, .. } = *new;
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
