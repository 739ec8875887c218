//! The documents of an order and of a client's baskets.

use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{
    DocKey, Document, Fingerprint, Kind, ListName, Money, Timestamp, Unreadable,
};

use tillgate_store::CounterKey;

use super::content::Content;
use super::name::Name;
use crate::formats::agreement::{Reason, ShortItem};
use crate::order_id::OrderId;
use crate::username::{ClientNumber, Username};

/// What has become of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It can be changed.
    New,
    InProgress,
    Completed,
    Failed,
    Canceled,
}

impl Status {
    pub const ALL: [Status; 5] =
        [Status::New, Status::InProgress, Status::Completed, Status::Failed, Status::Canceled];

    /// As the contract names them.
    pub const NAMES: &[&str] = &[
        Status::New.as_str(),
        Status::InProgress.as_str(),
        Status::Completed.as_str(),
        Status::Failed.as_str(),
        Status::Canceled.as_str(),
    ];

    /// The status that the contract names so.
    #[must_use]
    pub fn named(name: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// As the contract names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::New => "NEW",
            Status::InProgress => "IN_PROGRESS",
            Status::Completed => "COMPLETED",
            Status::Failed => "FAILED",
            Status::Canceled => "CANCELED",
        }
    }
}

/// What an order was sent to be agreed on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processed {
    /// The version that was agreed on: that of the client's request.
    pub version: u64,
    pub delivery_cost: Money,
    pub at: Timestamp,
}

/// How the agreement on an order ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Why it was not agreed on.
    pub reason: Option<Reason>,
    /// What there was too little of.
    pub lines: Vec<ShortItem>,
    pub at: Timestamp,
}

/// The client's wish to withdraw a completed order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// How often it was asked for.
    pub asked: u32,
    /// Why not; `None` while it is not known.
    pub refused: Option<Reason>,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShopOrder {
    pub id: OrderId,
    pub client: ClientNumber,
    /// Messages about the order name the client by it.
    pub username: Username,
    pub name: Name,
    /// Of what it was begun with: a repeated request has the same.
    pub begun_with: Fingerprint,
    pub status: Status,
    /// Grows with every change.
    pub version: u64,
    pub content: Content,
    pub created_at: Timestamp,
    /// When its prices were looked at last.
    pub priced_at: Timestamp,
    /// Nothing while it can be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processed: Option<Processed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<Withdrawal>,
}

impl ShopOrder {
    #[must_use]
    pub const fn key_of(id: OrderId) -> DocKey {
        DocKey { partition: id.partition(), kind: ShopOrder::KIND, id: 0 }
    }

    /// What it costs, with the delivery once that is fixed.
    #[must_use]
    pub fn total(&self) -> Money {
        let delivery = self.processed.as_ref().map_or(0, |one| one.delivery_cost.kopecks());
        Money::from_kopecks(self.content.total().kopecks().saturating_add(delivery))
    }

    /// The list of a client's orders, by the time when they were begun.
    #[must_use]
    pub fn list_of(client: ClientNumber) -> ListName {
        ListName::of(&["shop orders", &client.to_string()])
    }

    /// Whether it counts among the orders that a client has not paid. A basket
    /// does not: there is one at most, and it must always be possible to begin
    /// one.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.status == Status::New && matches!(self.name, Name::Reference(_))
    }

    /// How many orders of a client are [counted](ShopOrder::is_counted).
    #[must_use]
    pub fn count_of_new(client: ClientNumber) -> CounterKey {
        CounterKey::internal("new orders", client.to_string())
    }

    /// The list of orders that can be changed, by the time when they were
    /// begun.
    #[must_use]
    pub fn list_of_new() -> ListName {
        ListName::of(&["shop orders new"])
    }
}

impl Document for ShopOrder {
    const KIND: Kind = Kind::new(28, "shop orders");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        let mut lists = vec![ShopOrder::list_of(self.client)];
        if self.status == Status::New {
            lists.push(ShopOrder::list_of_new());
        }
        lists
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<ShopOrder, Unreadable> {
        document::decode(schema, bytes)
    }
}

/// How many baskets a client has begun. It may be behind: the orders
/// themselves say which basket is the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Baskets {
    pub begun: u64,
}

impl Baskets {
    #[must_use]
    pub const fn key_of(client: ClientNumber) -> DocKey {
        DocKey { partition: client.partition(), kind: Baskets::KIND, id: 0 }
    }
}

impl Document for Baskets {
    const KIND: Kind = Kind::new(29, "baskets");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Baskets, Unreadable> {
        document::decode(schema, bytes)
    }
}
