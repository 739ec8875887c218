//! Reconstruction of missing hooks from the marketplace's list of orders.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::kernel::Timestamp;
use crate::orders::{State, View};

/// Builds a hook with the current content of an order. Its time is the end of
/// the period for which the list was requested, so that a hook about a later
/// event takes precedence.
#[must_use]
pub fn changed_hook(listed: &RawValue, until: Timestamp) -> Bytes {
    hook("order.changed", listed, Some(until))
}

/// Builds the hooks that we have missed for an order. `view` is what we know
/// about it, and `state` is its state at the marketplace. The hook of the final
/// state comes before the one of the creation, and is parked until then. So an
/// order that is already over is never picked or paid for.
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
        // On the way to the customer: the goods have left the store.
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
    fn an_unknown_order_gets_the_hook_of_its_state_and_its_creation() {
        assert_eq!(missing(None, "ready"), ["order.created"]);
        assert_eq!(missing(None, "canceled"), ["order.cancelled", "order.created"]);
        assert_eq!(missing(None, "complete"), ["order.delivered", "order.created"]);
        assert_eq!(missing(None, "a word of the future"), ["order.created"]);
    }
}
