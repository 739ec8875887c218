//! What a buyer's page says.

use super::{Language, en, ru};

/// What a page is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentPage {
    /// The link is being made.
    Preparing,
    /// The order has changed, and what was asked for before it may still take money: nothing else is asked for yet.
    Closing,
    /// It can be paid as soon as the buyer asks to.
    Ready,
    /// It can be paid, and the buyer came back without.
    Unpaid,
    /// It can be paid, and the buyer says it is: the payment system has not told us yet.
    Waiting,
    /// It is paid.
    Paid,
    /// Money came that does not fit what the order is now.
    Review,
    /// The money is set aside.
    Held,
    /// The money has gone back.
    Refunded,
    /// Its time is over.
    Expired,
    /// It was called off.
    Cancelled,
    /// The payment system would not have it.
    Failed,
    /// There is no such order.
    Unknown,
}

/// What a buyer reads there.
#[derive(Debug, Clone, Copy)]
pub struct PageWords {
    /// In large letters.
    pub title: &'static str,
    /// Below.
    pub text: &'static str,
}

impl PaymentPage {
    /// In the words of a language.
    #[must_use]
    pub fn words(self, language: Language) -> PageWords {
        match language {
            Language::En => en::payment_page(self),
            Language::Ru => ru::payment_page(self),
        }
    }
}
