//! What has moved an account, page by page, and why.

use serde::Serialize;
use tillgate_kernel::{Fingerprint, Timestamp};
use tillgate_store::{Cursor, Scan, Unavailable, Versioned};

use super::Billing;
use super::account::Account;
use super::charge::read_client;
use super::token_id::TokenId;
use super::tokens::unsealable;
use super::transfer::Transfer;
use crate::Refusal;
use crate::form::{Fault, Form};
use crate::order_id::OrderId;
use crate::roubles::Roubles;
use crate::seal::{DataKey, Place};
use crate::username::ClientNumber;
use tillgate_kernel::{DocKey, Document};

/// How many entries a page has, and the most.
const ENTRIES_DEFAULT: u64 = 50;
pub const ENTRIES_MAX: u64 = 200;

/// The longest cursor, in characters.
pub const CURSOR_CHARACTERS_MAX: usize = 200;

/// The longest reason, in characters.
pub const REASON_CHARACTERS_MAX: usize = 200;

/// Which page of whose account.
#[derive(Debug)]
pub struct Question {
    pub client: ClientNumber,
    token: TokenId,
    cursor: Option<Cursor>,
    limit: usize,
}

impl Question {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<Question, Refusal> {
        let client = read_client(&mut form);
        form.need("username", client.is_some());
        let token = form.optional_whole("tokenId", 1, TokenId::MAX).and_then(TokenId::new);
        form.need("tokenId", token.is_some());
        let cursor = form.optional("cursor", CURSOR_CHARACTERS_MAX).and_then(|text| {
            let cursor = text.parse().ok().filter(|cursor: &Cursor| cursor.queue().is_none());
            cursor.or_else(|| form.refuse("cursor", Fault::NotACursor))
        });
        let limit = form.optional_whole("limit", 1, ENTRIES_MAX).unwrap_or(ENTRIES_DEFAULT);
        let limit = usize::try_from(limit).unwrap_or_default();
        let read = client.zip(token);
        let read = read.map(|(client, token)| Question { client, token, cursor, limit });
        form.whole(read).map_err(Refusal::Fields)
    }
}

/// A page of an account.
#[derive(Debug, Serialize)]
pub struct Statement {
    #[serde(rename = "tokenId")]
    token_id: TokenId,
    balance: Roubles,
    items: Vec<Entry>,
    next_cursor: Option<String>,
}

/// What has moved the account, as its owner sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: Fingerprint,
    at: Timestamp,
    operation: &'static str,
    /// Negative if the account has paid.
    amount: Roubles,
    order_id: Option<OrderIdText>,
    reason: Option<String>,
}

/// An order as people write it.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct OrderIdText(String);

impl From<OrderId> for OrderIdText {
    fn from(order: OrderId) -> OrderIdText {
        OrderIdText(order.to_string())
    }
}

/// Identifies a transfer for people and programs.
#[must_use]
pub fn id_of(key: DocKey) -> Fingerprint {
    Fingerprint::of(&[b"transfer", &key.partition.to_bytes(), &key.id.to_be_bytes()])
}

impl Billing {
    /// A page of a client's account, the latest entry first.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the account is not the client's.
    pub async fn statement(&self, question: Question) -> Result<Statement, Refusal> {
        let Question { client, token, cursor, limit } = question;
        let account = self.store.read::<Account>(Account::key_of(token)).await?;
        let account = account.map(Versioned::into_document);
        let account =
            account.filter(|account| account.id == token && account.owner == Some(client));
        let account = account.ok_or(Refusal::NotFound)?;
        let name = account.name();
        let scan = Scan::Lists {
            lists: vec![Transfer::list_of(&name)],
            newest_first: true,
            after: cursor,
            limit,
        };
        let balance = self.balance(&name).await?;
        let page = self.store.scan(&scan).await?;
        let key = account.data_key(&self.keys).map_err(unsealable)?;
        let mut items = Vec::new();
        for (place, stored) in page.items {
            let transfer: Transfer = stored.document().map_err(Unavailable::from)?;
            // Another list may have the same number.
            let Some(kopecks) = transfer.kopecks_for(&name) else { continue };
            items.push(Entry {
                id: id_of(place),
                at: transfer.at,
                operation: transfer.verb.as_str(),
                amount: Roubles::of_kopecks(kopecks),
                order_id: transfer.order.map(Into::into),
                reason: reason_of(&transfer, &key, &account)?,
            });
        }
        let next_cursor = page.next.map(|next| next.to_string());
        Ok(Statement { token_id: token, balance: Roubles(balance), items, next_cursor })
    }
}

/// Where the reason of a transfer is sealed for: the account, because the
/// transfer's own place is not known before it is made.
pub(super) const fn place_of_reason(account: TokenId) -> Place {
    Place { kind: Transfer::KIND, partition: account.partition(), field: "reason" }
}

fn reason_of(
    transfer: &Transfer,
    key: &DataKey,
    account: &Account,
) -> Result<Option<String>, Refusal> {
    let Some(reason) = &transfer.reason else { return Ok(None) };
    let opened = key.open(reason, place_of_reason(account.id));
    opened.map(Some).map_err(unsealable)
}
