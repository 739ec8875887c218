use crate::orders::State;
use crate::texts::PickerWords;

pub const PICKERS: PickerWords = PickerWords {
    new_order: "New order",
    changed: "Order changed",
    cancelled: "Order cancelled",
    put_back: "Do not pick it; put picked goods back.",
    came_without_lines: "Came without lines:",
    nothing_to_pick: "There is nothing to pick yet. Check the order at the marketplace.",
    store: "Store",
    no_store: "No store named",
    now_picked_by: "Now picked by",
    due: "for",
    new_time: "New time",
    came_late: "⚠️ This change came late, the order is already",
    article: "item",
    replaced_by: "replaced by",
    ordered: "ordered",
    grams: "g",
    unread_quantity: "⚠️ quantity could not be read",
    unread_lines: "⚠️ Lines that could not be read:",
    unread_all: "⚠️ The new lines could not be read",
    check: "check at the marketplace",
    lines: "Lines",
    total: "total",
    and_more: ["… and ", " more: see the order for all"],
    state,
};

fn state(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Paid => "paid",
        State::Shipped => "with the courier",
        State::Cancelled => "cancelled",
        State::Delivered => "delivered",
    }
}
