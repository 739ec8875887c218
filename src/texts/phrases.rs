//! Short fixed texts around computed values, in messages and on pages.

use super::{Language, en, ru};
use crate::orders::State;

/// The fixed texts of pickers' messages.
#[derive(Debug)]
pub struct PickerWords {
    pub new_order: &'static str,
    pub changed: &'static str,
    pub cancelled: &'static str,
    /// What to do with a cancelled order.
    pub put_back: &'static str,
    pub came_without_lines: &'static str,
    pub nothing_to_pick: &'static str,
    pub store: &'static str,
    pub no_store: &'static str,
    pub now_picked_by: &'static str,
    /// Precedes the time of delivery.
    pub due: &'static str,
    pub new_time: &'static str,
    pub came_late: &'static str,
    pub article: &'static str,
    pub replaced_by: &'static str,
    pub ordered: &'static str,
    pub grams: &'static str,
    pub unread_quantity: &'static str,
    pub unread_lines: &'static str,
    pub unread_all: &'static str,
    pub check: &'static str,
    pub lines: &'static str,
    pub total: &'static str,
    /// Precedes and follows the count of the lines that do not fit.
    pub and_more: [&'static str; 2],
    pub state: fn(State) -> &'static str,
}

/// The fixed texts of buyers' pages.
#[derive(Debug)]
pub struct BuyerWords {
    pub order: &'static str,
    pub pay: &'static str,
    pub back_to_shop: &'static str,
    pub open_payment_page: &'static str,
    /// For those who cannot see that the page updates by itself.
    pub live_note: &'static str,
    pub slip_title: &'static str,
    pub slip_text: &'static str,
    pub code_label: &'static str,
}

/// The texts of pickers' messages.
#[must_use]
pub const fn picker_words(language: Language) -> &'static PickerWords {
    match language {
        Language::Ru => &ru::PICKERS,
        Language::En => &en::PICKERS,
    }
}

/// The texts of buyers' pages.
#[must_use]
pub const fn buyer_words(language: Language) -> &'static BuyerWords {
    match language {
        Language::Ru => &ru::BUYERS,
        Language::En => &en::BUYERS,
    }
}
