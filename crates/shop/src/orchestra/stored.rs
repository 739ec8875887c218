//! The document of an agreement.

use tillgate_kernel::document;
use tillgate_kernel::{DocKey, Document, Kind, ListName, Timestamp, Unreadable};

use super::saga::Saga;
use super::stage::Stage;
use crate::order_id::OrderId;

impl Saga {
    #[must_use]
    pub const fn key_of(order: OrderId) -> DocKey {
        DocKey { partition: order.partition(), kind: Saga::KIND, id: 0 }
    }

    /// The list of those in which somebody is waited for, by when they have to
    /// be looked at.
    #[must_use]
    pub fn open() -> ListName {
        ListName::of(&["sagas open"])
    }

    /// The list of those that are agreed on, by when they were.
    #[must_use]
    pub fn done() -> ListName {
        ListName::of(&["sagas done"])
    }

    /// The list of those that came to nothing, and can be forgotten.
    #[must_use]
    pub fn over() -> ListName {
        ListName::of(&["sagas over"])
    }

    /// Under which time it is listed.
    #[must_use]
    pub(super) fn listed_at(&self) -> Timestamp {
        self.due_at().unwrap_or(self.since)
    }
}

impl Document for Saga {
    const KIND: Kind = Kind::new(36, "sagas");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        vec![match self.stage {
            Stage::Done => Saga::done(),
            Stage::Undone | Stage::Withdrawn => Saga::over(),
            Stage::Confirming
            | Stage::Paying
            | Stage::Undoing
            | Stage::Withdrawing
            | Stage::GivingBack => Saga::open(),
        }]
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Saga, Unreadable> {
        document::decode(schema, bytes)
    }
}

#[cfg(test)]
mod tests {
    use tillgate_kernel::Money;

    use super::*;
    use crate::formats::OrderToConfirm;
    use crate::formats::agreement::{
        Confirmator, OrderItem, Reason, RequestType, Response, ShortItem,
    };
    use crate::orchestra::saga::{Answered, Event};
    use crate::product_id::ProductId;

    fn begun() -> Saga {
        let item = OrderItem {
            id: 0,
            product_id: ProductId::of_article("4031"),
            product_name: "Молоко".into(),
            product_price: Money::from_kopecks(8990),
            quantity: 2,
            article: "4031".into(),
        };
        let order = OrderToConfirm {
            order_id: OrderId::parse("482993011752").expect("a number"),
            request_type: RequestType::Confirm,
            version: 3,
            user_name: "anna".into(),
            order_items: vec![item],
            total: Money::from_kopecks(37_880),
            delivery_cost: Money::from_kopecks(19_900),
        };
        Saga::begin(&order, "2026-12-01T10:00:00Z".parse().expect("a time")).0
    }

    fn refused() -> Saga {
        let mut saga = begun();
        let line = ShortItem {
            product_id: ProductId::of_article("4031"),
            product_name: "Молоко".into(),
            wanted: 2,
            available: 1,
        };
        let event = Event::Answered(Answered {
            by: Confirmator::Store,
            request: RequestType::Confirm,
            response: Response::Fail,
            attempt: 1,
            reason: Some(Reason::InsufficientStock),
            lines: vec![line],
        });
        saga.handle(&event, "2026-12-01T10:00:01Z".parse().expect("a time"));
        saga
    }

    /// Stored data is compatible: every format that a release has written can
    /// be read.
    #[test]
    fn agreements_of_version_1_are_read() {
        let bytes = include_bytes!("../../../../fixtures/stored/saga/v1/confirming.bin");
        assert_eq!(Saga::decode(1, bytes), Ok(begun()));
        let bytes = include_bytes!("../../../../fixtures/stored/saga/v1/undoing.bin");
        assert_eq!(Saga::decode(1, bytes), Ok(refused()));
    }
}
