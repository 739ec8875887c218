//! The same hooks with their times give the same order and the same stock, in
//! whatever order and however often they arrive. This is tested for every order
//! of arrival of a history of seven hooks, and for every choice of duplicated
//! hooks.

use std::collections::BTreeMap;

use jiff::tz::Offset;
use tillgate::kernel::{Fingerprint, Quantity, Timestamp};
use tillgate::orders::{Event, EventKind, Order, Patch, decide};

use super::{content, event, incoming, shown};

/// The result, which must not depend on the order of arrival.
#[derive(Debug, Clone, PartialEq)]
struct End {
    document: String,
    stock: BTreeMap<(String, String), Quantity>,
}

#[derive(Clone, Default)]
struct History {
    order: Option<Order>,
    stock: BTreeMap<(String, String), Quantity>,
    arrivals: i64,
    /// The times of the hooks have no offset.
    has_no_moments: bool,
}

impl History {
    fn receive(&mut self, hook: &Event) {
        self.arrivals += 1;
        self.has_no_moments |= hook.wall.is_some();
        let arrived = Timestamp::from_second(1_900_000_000 + self.arrivals).expect("a time");
        let decision = decide(self.order.as_ref(), incoming(Event { arrived, ..hook.clone() }));
        for line in decision.movement {
            let balance = self.stock.entry((line.store_id, line.sku)).or_default();
            *balance = *balance + line.quantity;
        }
        self.order = decision.order.or(self.order.take());
    }

    fn end(&self) -> End {
        let document = self.order.as_ref().and_then(super::shown);
        let mut document = serde_json::to_value(&document).expect("json");
        if self.has_no_moments {
            // These are the times of the first arrivals.
            for (name, value) in document.as_object_mut().into_iter().flatten() {
                if name.ends_with("_at") && !value.is_null() {
                    *value = "some time".into();
                }
            }
        }
        let stock = self.stock.iter().filter(|(_, quantity)| **quantity != Quantity::ZERO);
        End {
            document: format!("{document:#}"),
            stock: stock.map(|(key, quantity)| (key.clone(), *quantity)).collect(),
        }
    }
}

/// Tries every order of arrival. If `doubling`, every hook arrives either once
/// or twice in a row. At the end of each history all hooks are delivered once
/// more, in reverse. Returns the number of histories.
fn walk(
    history: &History,
    left: &[Event],
    doubling: bool,
    all: &[Event],
    expected: &mut Option<End>,
) -> u64 {
    if left.is_empty() {
        let mut history = history.clone();
        let end = history.end();
        all.iter().rev().for_each(|hook| history.receive(hook));
        assert_eq!(history.end(), end, "delivering everything again changes nothing");
        let expected = expected.get_or_insert_with(|| end.clone());
        assert_eq!(end, *expected);
        return 1;
    }
    let mut histories = 0;
    for place in 0..left.len() {
        let mut rest = left.to_vec();
        let hook = rest.remove(place);
        let mut once = history.clone();
        once.receive(&hook);
        histories += walk(&once, &rest, doubling, all, expected);
        if doubling {
            once.receive(&hook);
            histories += walk(&once, &rest, doubling, all, expected);
        }
    }
    histories
}

fn every_history(hooks: &[Event], doubling: bool) -> (u64, End) {
    let mut expected = None;
    let histories = walk(&History::default(), hooks, doubling, hooks, &mut expected);
    (histories, expected.expect("there was a history"))
}

fn nothing() -> Patch {
    Patch::default()
}

#[test]
fn every_arrival_order_of_a_delivered_history_with_duplicates_ends_the_same() {
    let hooks = [
        event(EventKind::Created, "first", Some(0), content(2, 1000)),
        event(EventKind::Created, "sent again with other content", Some(2), content(3, 1000)),
        event(EventKind::Changed, "five", Some(5), content(5, 1000)),
        event(EventKind::Changed, "too late", Some(30), content(9, 1000)),
        event(EventKind::Paid, "with prices", Some(20), content(5, 900)),
        event(EventKind::Received, "", Some(40), nothing()),
        event(EventKind::Delivered, "", Some(50), nothing()),
    ];
    let (histories, end) = every_history(&hooks, true);
    assert_eq!(histories, 5040 * 128);
    assert!(end.document.contains(r#""state": "delivered""#), "{}", end.document);
    assert!(end.document.contains(r#""quantity": "5""#), "{}", end.document);
    assert!(end.document.contains(r#""amount": "45.00""#), "{}", end.document);
    assert_eq!(
        end.stock.values().copied().collect::<Vec<_>>(),
        [Quantity::from_thousandths(-5000)]
    );
}

#[test]
fn every_arrival_order_of_a_cancelled_history_ends_the_same() {
    let hooks = [
        event(EventKind::Created, "", Some(0), content(2, 1000)),
        event(EventKind::Created, "the same, sent later in other bytes", Some(9), content(2, 1000)),
        event(EventKind::Changed, "three", Some(5), content(3, 1000)),
        event(EventKind::Changed, "four, at the same minute", Some(5), content(4, 1000)),
        event(EventKind::Cancelled, "", Some(10), nothing()),
        event(EventKind::Cancelled, "again in other bytes", Some(12), nothing()),
        event(EventKind::Changed, "too late", Some(11), content(9, 1000)),
    ];
    let (histories, end) = every_history(&hooks, false);
    assert_eq!(histories, 5040);
    assert!(end.document.contains(r#""state": "cancelled""#), "{}", end.document);
    assert!(end.stock.is_empty());
}

#[test]
fn every_arrival_order_of_a_full_history_ends_the_same() {
    let hooks = [
        event(EventKind::Created, "", Some(0), content(2, 1000)),
        event(EventKind::Changed, "", Some(1), content(1, 1000)),
        event(EventKind::Paid, "", Some(2), content(1, 1100)),
        event(EventKind::Received, "", Some(3), nothing()),
        event(EventKind::Received, "again, a minute later", Some(4), nothing()),
        event(EventKind::Cancelled, "", Some(5), nothing()),
        event(EventKind::Delivered, "", Some(6), nothing()),
    ];
    let (_, end) = every_history(&hooks, false);
    assert!(end.document.contains(r#""state": "delivered""#), "delivered wins: {}", end.document);
    assert!(end.document.contains(r#""cancelled_at": null"#), "{}", end.document);
    assert_eq!(
        end.stock.values().copied().collect::<Vec<_>>(),
        [Quantity::from_thousandths(-1000)]
    );
}

#[test]
fn every_arrival_order_of_a_history_cancelled_on_the_way_keeps_the_goods_written_off() {
    let hooks = [
        event(EventKind::Created, "", Some(0), content(2, 1000)),
        event(EventKind::Cancelled, "", Some(1), nothing()),
        event(EventKind::Received, "", Some(2), nothing()),
        event(EventKind::Paid, "", Some(3), nothing()),
    ];
    let (_, end) = every_history(&hooks, true);
    assert!(end.document.contains(r#""state": "cancelled""#), "{}", end.document);
    assert!(
        end.document.contains("the courier collected it after it had been cancelled"),
        "{}",
        end.document
    );
    assert_eq!(
        end.stock.values().copied().collect::<Vec<_>>(),
        [Quantity::from_thousandths(-2000)]
    );
}

/// The same hook from a sender whose times have no offset, where the
/// configuration has no time zone either.
fn by_the_wall(hook: Event) -> Event {
    let wall = hook.at.map(|at| Offset::UTC.to_datetime(at));
    Event { at: None, wall, ..hook }
}

#[test]
fn every_arrival_order_of_a_history_without_offsets_ends_the_same() {
    let hooks = [
        event(EventKind::Created, "first", Some(0), content(2, 1000)),
        event(EventKind::Created, "sent again with other content", Some(2), content(3, 1000)),
        event(EventKind::Changed, "five", Some(5), content(5, 1000)),
        event(EventKind::Changed, "four, at the same minute", Some(5), content(4, 1000)),
        event(EventKind::Paid, "with prices", Some(20), content(5, 900)),
        event(EventKind::Received, "", Some(40), nothing()),
        event(EventKind::Received, "again, a minute later", Some(41), nothing()),
    ]
    .map(by_the_wall);
    let (histories, end) = every_history(&hooks, false);
    assert_eq!(histories, 5040);
    assert!(end.document.contains(r#""state": "shipped""#), "{}", end.document);
    assert!(end.document.contains(r#""quantity": "5""#), "{}", end.document);
    assert_eq!(
        end.stock.values().copied().collect::<Vec<_>>(),
        [Quantity::from_thousandths(-5000)]
    );

    let cancelled = [
        event(EventKind::Created, "", Some(0), content(2, 1000)),
        event(EventKind::Changed, "three", Some(5), content(3, 1000)),
        event(EventKind::Changed, "four", Some(6), content(4, 1000)),
        event(EventKind::Cancelled, "", Some(10), nothing()),
        event(EventKind::Cancelled, "again in other bytes", Some(12), nothing()),
    ]
    .map(by_the_wall);
    let (_, end) = every_history(&cancelled, true);
    assert!(end.document.contains(r#""state": "cancelled""#), "{}", end.document);
    assert!(end.stock.is_empty());
}

#[test]
fn every_history_without_a_creation_stays_parked() {
    let hooks = [
        event(EventKind::Changed, "", Some(1), content(1, 1000)),
        event(EventKind::Paid, "", Some(2), nothing()),
        event(EventKind::Received, "", Some(3), nothing()),
    ];
    let (_, end) = every_history(&hooks, true);
    assert_eq!(end.document, "null");
    assert!(end.stock.is_empty());
}

/// A creation that is sent again with an earlier time happened at that time.
#[test]
fn a_creation_has_the_time_of_its_earliest_duplicate() {
    let created = |minute| {
        event(EventKind::Created, &format!("created {minute}"), Some(minute), content(2, 100))
    };
    let same: fn(Event) -> Event = |hook| hook;
    for written in [same, by_the_wall] {
        let first = decide(None, incoming(written(created(5)))).order.expect("an order");
        for (minute, expected) in [(3, 3), (7, 5)] {
            let decision = decide(Some(&first), incoming(written(created(minute))));
            let order = decision.order.unwrap_or_else(|| first.clone());
            assert_eq!(order.events.len(), 1);
            let expected = written(created(expected));
            assert_eq!(
                (order.events[0].at, order.events[0].wall),
                (expected.at, expected.wall),
                "{minute}"
            );
        }
    }
}

/// Messages of an order are numbered, so that each has its own id.
#[test]
fn messages_of_an_order_are_numbered() {
    let created = event(EventKind::Created, "it", Some(1), content(2, 100));
    let mut order = decide(None, incoming(created)).order.expect("an order");
    let ids: Vec<u32> = (0..3).map(|_| order.next_message().sequence).collect();
    assert_eq!(ids, [1, 2, 3]);
}

/// Fields that the gateway does not read may change without a new revision of
/// the order.
#[test]
fn a_change_of_details_makes_no_revision() {
    let details = |text: &str| Patch {
        details: Some(Fingerprint::of(&[text.as_bytes()])),
        ..content(2, 100)
    };
    let mut order = None;
    for (kind, minute, patch, revision) in [
        (EventKind::Created, 1, details("a comment"), 1),
        (EventKind::Changed, 2, details("another comment"), 1),
        (EventKind::Changed, 3, content(3, 100), 2),
    ] {
        let decision = decide(
            order.as_ref(),
            incoming(event(kind, &format!("{minute}"), Some(minute), patch)),
        );
        order = decision.order;
        let shown = shown(order.as_ref().expect("an order")).expect("it is created");
        assert_eq!(
            serde_json::to_value(shown).expect("json")["revision"],
            revision,
            "minute {minute}"
        );
    }
}

/// A payment hook sets prices for the same goods. With other quantities, the
/// order needs attention.
#[test]
fn a_payment_for_other_quantities_needs_attention() {
    for (quantity, notes) in [(2, 0), (3, 1)] {
        let created = event(EventKind::Created, "it", Some(1), content(2, 100));
        let first = decide(None, incoming(created)).order.expect("an order");
        let paid = event(EventKind::Paid, "it", Some(2), content(quantity, 90));
        let order = decide(Some(&first), incoming(paid)).order.expect("an order");
        let shown = serde_json::to_value(shown(&order).expect("it is created")).expect("json");
        assert_eq!(shown["attention"].as_array().map(Vec::len), Some(notes), "{shown}");
        assert_eq!(shown["positions"][0]["quantity"], "2");
    }
}
