//! Orders as the marketplace lists them, as the hooks that should have come of them.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::kernel::Timestamp;
use crate::orders::{State, View};

/// The hook that says what an order is now. It bears the time until which it was looked for: a hook of what came after that
/// says more.
#[must_use]
pub fn changed_hook(listed: &RawValue, until: Timestamp) -> Bytes {
    hook("order.changed", listed, Some(until))
}

/// The hooks that are missing of an order of which we know `view`, and which is `state` over there. How it ended comes first
/// and waits for its creation, so that nobody picks, and nobody pays, what is over.
#[must_use]
pub fn missing_hooks(view: Option<&View>, state: &str, listed: &RawValue) -> Vec<Bytes> {
    missing(view, state).into_iter().map(|event_type| hook(event_type, listed, None)).collect()
}

fn hook(event_type: &str, listed: &RawValue, at: Option<Timestamp>) -> Bytes {
    let at = at.map_or_else(String::new, |at| format!("\"timestamp\":\"{at}\","));
    Bytes::from(format!("{{\"event_type\":\"{event_type}\",{at}\"payload\":{}}}", listed.get()))
}

fn missing(view: Option<&View>, state: &str) -> Vec<&'static str> {
    let mut missing = Vec::new();
    let is = |wanted: State| {
        view.is_some_and(|view| match wanted {
            State::Cancelled => view.cancelled.is_some(),
            State::Shipped => view.shipped.is_some(),
            State::Delivered => view.delivered.is_some(),
            State::Open | State::Paid => true,
        })
    };
    match state {
        "canceled" | "cancelled" if !is(State::Cancelled) && !is(State::Delivered) => {
            missing.push("order.cancelled");
        }
        // On its way to the customer: the goods have left the shop.
        "shipping" | "shipped" if !is(State::Shipped) => missing.push("order.received"),
        "complete" if !is(State::Delivered) => missing.push("order.delivered"),
        _ => {}
    }
    if view.is_none() {
        missing.push("order.created");
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_nobody_heard_of_is_missing_with_how_it_stands() {
        assert_eq!(missing(None, "ready"), ["order.created"]);
        assert_eq!(missing(None, "canceled"), ["order.cancelled", "order.created"]);
        assert_eq!(missing(None, "complete"), ["order.delivered", "order.created"]);
        assert_eq!(missing(None, "a word of the future"), ["order.created"]);
    }
}
