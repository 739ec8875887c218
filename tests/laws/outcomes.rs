//! Every state of an order combined with every kind of hook: each combination
//! has a written outcome.

use tillgate::orders::{Event, EventKind, HookEffect, Late, Order, Patch, decide};

use super::{content, event, incoming, minute_at};

/// Histories that lead to every combination of facets.
const LIVES: &[(&str, &[EventKind])] = {
    use EventKind::*;
    &[
        ("no hooks", &[]),
        ("parked", &[Changed]),
        ("open", &[Created]),
        ("paid", &[Created, Paid]),
        ("shipped", &[Created, Received]),
        ("paid, shipped", &[Created, Paid, Received]),
        ("cancelled", &[Created, Cancelled]),
        ("paid, cancelled", &[Created, Paid, Cancelled]),
        ("shipped, cancelled", &[Created, Received, Cancelled]),
        ("paid, shipped, cancelled", &[Created, Paid, Received, Cancelled]),
        ("delivered", &[Created, Delivered]),
        ("paid, delivered", &[Created, Paid, Delivered]),
        ("paid, shipped, delivered", &[Created, Paid, Received, Delivered]),
    ]
};

fn patch_for(kind: EventKind, quantity: i64) -> Patch {
    match kind {
        EventKind::Created | EventKind::Changed => content(quantity, 1000),
        EventKind::Paid | EventKind::Received | EventKind::Delivered | EventKind::Cancelled => {
            Patch::default()
        }
    }
}

fn live(kinds: &[EventKind]) -> Option<Order> {
    let mut order = None;
    for (minute, kind) in (0..).zip(kinds) {
        let hook = Event {
            arrived: minute_at(minute),
            ..event(*kind, "life", Some(minute), patch_for(*kind, 2))
        };
        order = decide(order.as_ref(), incoming(hook)).order.or(order);
    }
    order
}

fn outcome(order: Option<&Order>, hook: Event) -> String {
    let decision = decide(order, incoming(hook));
    let after = decision.order.as_ref().or(order).and_then(super::shown);
    let state = after.map_or("-", |document| document.state().as_str());
    let effect = match decision.effect {
        HookEffect::Applied => "applied",
        HookEffect::Outdated => "outdated",
        HookEffect::Repeated => "repeated",
        HookEffect::Late(_) => "late",
        HookEffect::Parked => "parked",
    };
    let moved = if decision.movement.is_empty() { "" } else { ", stock" };
    let announced = if decision.announcements.is_empty() { "" } else { ", announced" };
    format!("{effect} → {state}{moved}{announced}")
}

fn table(hook: impl Fn(EventKind) -> Event) -> String {
    let mut table = String::new();
    for (name, kinds) in LIVES {
        let order = live(kinds);
        for kind in EventKind::ALL {
            let outcome = outcome(order.as_ref(), hook(kind));
            table.push_str(&format!("{name:<26} {:<10} {outcome}\n", kind.as_str()));
        }
    }
    table
}

/// A hook dated after everything that happened, with other content than the
/// order has.
#[test]
fn every_state_has_an_outcome_for_every_later_hook() {
    let table = table(|kind| event(kind, "new", Some(60), patch_for(kind, 7)));
    let expected = include_str!("outcomes_later.txt");
    assert!(
        table == expected,
        "the table of outcomes differs from outcomes_later.txt; it is now:\n{table}"
    );
}

/// A change dated before the order was closed counts, and the pickers get a
/// message about it.
#[test]
fn a_change_dated_before_the_closing_counts_however_late_it_arrives() {
    for (name, kinds) in
        LIVES.iter().filter(|(_, kinds)| kinds.first() == Some(&EventKind::Created))
    {
        let mut late: Vec<EventKind> = kinds.to_vec();
        late.insert(1, EventKind::Changed);
        let order = live(kinds);
        // Between the creation in minute 0 and the next hook in minute 1.
        let hook = Event {
            at: Some(minute_at(0)),
            ..event(EventKind::Changed, "in between", None, content(7, 1000))
        };
        let outcome = outcome(order.as_ref(), hook);
        assert!(
            outcome.starts_with("applied") && outcome.contains("announced"),
            "{name}: {outcome}"
        );
    }
}

/// Parked hooks without a time come after the creation, in their natural order.
#[test]
fn parked_hooks_without_a_time_follow_in_their_natural_order() {
    let untimed = [EventKind::Delivered, EventKind::Paid, EventKind::Changed, EventKind::Received];
    let mut order = None;
    for (second, kind) in (0..).zip(untimed) {
        let hook =
            Event { arrived: minute_at(second), ..event(kind, "parked", None, patch_for(kind, 7)) };
        let decision = decide(order.as_ref(), incoming(hook));
        assert_eq!(decision.effect, HookEffect::Parked);
        order = decision.order;
    }
    let created =
        Event { arrived: minute_at(9), ..event(EventKind::Created, "", None, content(2, 1000)) };
    let decision = decide(order.as_ref(), incoming(created));
    assert_eq!(decision.effect, HookEffect::Applied);
    assert!(
        decision.unparked.iter().all(|(_, effect)| *effect == HookEffect::Applied),
        "{:?}",
        decision.unparked
    );
    let order = decision.order.expect("an order");
    let kinds: Vec<EventKind> = order.events.iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [
            EventKind::Created,
            EventKind::Changed,
            EventKind::Paid,
            EventKind::Received,
            EventKind::Delivered
        ]
    );
    let document = serde_json::to_value(super::shown(&order)).expect("json");
    assert_eq!(
        document["positions"][0]["quantity"], "7",
        "the parked change counts because it comes before the payment"
    );
}

#[test]
fn an_order_remembers_no_more_hooks_than_it_should() {
    let mut order = live(&[EventKind::Created]);
    for minute in 1..600 {
        let name = minute.to_string();
        let hook = event(EventKind::Changed, &name, Some(minute), content(minute, 1000));
        order = decide(order.as_ref(), incoming(hook)).order.or(order);
    }
    let order = order.expect("an order");
    assert_eq!(order.events.len(), 500);
    let change = event(EventKind::Changed, "one more", Some(999), content(1, 1000));
    let one_more = decide(Some(&order), incoming(change));
    assert!(matches!(one_more.effect, HookEffect::Late(Late::Full { events_max: 500, .. })));
    // A hook on which the order's state depends is applied all the same.
    let received =
        decide(Some(&order), incoming(event(EventKind::Received, "", Some(999), Patch::default())));
    assert_eq!(received.effect, HookEffect::Applied);
    assert!(!received.movement.is_empty());
}

#[test]
fn an_order_remembers_no_more_lines_than_it_should() {
    let change_of = |lines: usize, minute: i64| {
        let mut patch = content(1, 1000);
        let line =
            patch.positions.as_ref().and_then(|lines| lines.first().cloned()).expect("a line");
        patch.positions = Some(vec![line; lines].into());
        event(EventKind::Changed, &minute.to_string(), Some(minute), patch)
    };
    let mut order = live(&[EventKind::Created]);
    for minute in 1..10 {
        order = decide(order.as_ref(), incoming(change_of(3000, minute))).order.or(order);
    }
    let order = order.expect("an order");
    assert_eq!(order.events.len(), 1 + 6, "six changes of 3 000 lines are 18 000");
    let one_more = decide(Some(&order), incoming(change_of(3000, 20)));
    assert!(matches!(one_more.effect, HookEffect::Late(Late::Full { lines_max: 20_000, .. })));
    // A smaller one still has room.
    assert_eq!(decide(Some(&order), incoming(change_of(10, 20))).effect, HookEffect::Applied);
}
