//! The texts of a buyer's page.

use super::{Language, en, ru};

/// What a payment page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentPage {
    /// The payment link is being created.
    Preparing,
    /// The order has changed, and the earlier payment may still take money: no
    /// new payment is created yet.
    Closing,
    /// The order can be paid as soon as the buyer asks to.
    Ready,
    /// The order can be paid, and the buyer came back without paying.
    Unpaid,
    /// The order can be paid, and the buyer says that it is: the payment system
    /// has not confirmed it yet.
    Waiting,
    Paid,
    /// Money arrived that does not match the order as it is now.
    Review,
    /// The money is held.
    Held,
    /// The money was refunded.
    Refunded,
    /// The time to pay is over.
    Expired,
    /// The order was cancelled.
    Cancelled,
    /// The payment system refused the payment.
    Failed,
    /// There is no such order.
    Unknown,
}

/// The texts of a payment page.
#[derive(Debug, Clone, Copy)]
pub struct PageWords {
    /// The heading.
    pub title: &'static str,
    /// The paragraph below the heading.
    pub text: &'static str,
}

impl PaymentPage {
    /// The texts in a language.
    #[must_use]
    pub fn words(self, language: Language) -> PageWords {
        match language {
            Language::En => en::payment_page(self),
            Language::Ru => ru::payment_page(self),
        }
    }
}
