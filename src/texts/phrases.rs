//! Short words that stand in a text or on a page between what is computed.

use super::{Language, en, ru};
use crate::orders::State;

/// What pickers read around orders and articles.
#[derive(Debug)]
pub struct PickerWords {
    pub new_order: &'static str,
    pub changed: &'static str,
    pub cancelled: &'static str,
    /// What is to be done with a cancelled order.
    pub put_back: &'static str,
    pub came_without_lines: &'static str,
    pub nothing_to_pick: &'static str,
    pub store: &'static str,
    pub no_store: &'static str,
    pub now_picked_by: &'static str,
    /// Before the time of delivery.
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
    /// What is said of lines that do not fit, before and after their count.
    pub and_more: [&'static str; 2],
    pub state: fn(State) -> &'static str,
}

/// What stands on buyers' pages beside what a page is about.
#[derive(Debug)]
pub struct BuyerWords {
    pub order: &'static str,
    pub pay: &'static str,
    pub back_to_shop: &'static str,
    pub open_payment_page: &'static str,
    /// For those who cannot see that the page changes by itself.
    pub live_note: &'static str,
    pub slip_title: &'static str,
    pub slip_text: &'static str,
    pub code_label: &'static str,
}

impl Language {
    /// What pickers read.
    #[must_use]
    pub fn picker_words(self) -> &'static PickerWords {
        match self {
            Language::Ru => &ru::PICKERS,
            Language::En => &en::PICKERS,
        }
    }

    /// What buyers read.
    #[must_use]
    pub fn buyer_words(self) -> &'static BuyerWords {
        match self {
            Language::Ru => &ru::BUYERS,
            Language::En => &en::BUYERS,
        }
    }
}
