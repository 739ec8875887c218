//! The names of the lists that orders, their payments and movements are in.

use super::fold::State;
use crate::kernel::{ListName, PartyName};

/// The orders of a source or a merchant in a state.
#[must_use]
pub fn in_state(source: &PartyName, state: State) -> ListName {
    ListName::of(&["orders", source.as_str(), state.as_str()])
}

/// The orders of a source whose hooks are parked, because they have not been
/// created yet.
#[must_use]
pub fn parked(source: &PartyName) -> ListName {
    ListName::of(&["parked orders", source.as_str()])
}

/// What waits for a person: orders, and the payments of orders.
#[must_use]
pub fn waiting_for_a_person() -> ListName {
    ListName::of(&["waiting for a person"])
}

/// The movements of goods.
#[must_use]
pub fn movements() -> ListName {
    ListName::of(&["movements"])
}
