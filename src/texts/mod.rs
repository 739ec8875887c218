//! What people read: kinds and parameters in the words of a language. A folder per language; the compiler sees to it that
//! each says everything.
//!
//! Words are made when they are shown and never stored or compared: [`Text`] cannot be.

mod en;
mod ru;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::dedup::Reason;
use crate::kernel::failure::DeliveryFailure;
use crate::kernel::{Failure, Quantity};
use crate::orders::{Fact, OrderNote, Uncharged};
use crate::payments::{
    Attention, Entry, Mismatch, PaymentFact, PaymentId, PaymentNote, PaymentProblem, Recorded, Refusal,
    RetryReason, Superseded,
};

/// A language of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Russian.
    #[default]
    Ru,
    /// English.
    En,
}

impl Language {
    /// The first of ours that `accept` names, the value of the header `Accept-Language`.
    #[must_use]
    pub fn accepted(accept: &str) -> Option<Language> {
        accept.split(',').find_map(|range| {
            let range = range.trim().to_ascii_lowercase();
            match range.split(['-', ';']).next() {
                Some("ru") => Some(Language::Ru),
                Some("en") => Some(Language::En),
                Some(_) | None => None,
            }
        })
    }

    /// The words of this language.
    #[must_use]
    pub fn pick(self, ru: &'static str, en: &'static str) -> &'static str {
        match self {
            Language::Ru => ru,
            Language::En => en,
        }
    }
}

/// Words for people. They are not compared: what is decided, is decided by what they were made of.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Text(String);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something with its words: in JSON, its own fields and `text`.
#[derive(Debug, Clone, Serialize)]
pub struct Worded<T> {
    /// What it is.
    #[serde(flatten)]
    pub what: T,
    /// The same in words.
    pub text: Text,
}

impl<T: InWords> Worded<T> {
    /// In the words of a language.
    pub fn of(what: T, language: Language) -> Worded<T> {
        let text = what.in_words(language);
        Worded { what, text }
    }
}

/// Something that can be said to people.
pub trait InWords {
    /// In the words of a language.
    fn in_words(&self, language: Language) -> Text;
}

/// For each of these types the function of its name in each language's folder.
macro_rules! in_words {
    ($($type:ty: $function:ident;)*) => {
        $(impl InWords for $type {
            fn in_words(&self, language: Language) -> Text {
                Text(match language {
                    Language::En => en::$function(self),
                    Language::Ru => ru::$function(self),
                })
            }
        })*
    };
}

in_words! {
    RetryReason: retry_reason;
    Refusal: refusal;
    Mismatch: mismatch;
    Superseded: superseded;
    Recorded: recorded;
    DeliveryFailure: delivery_failure;
    PaymentProblem: payment_problem;
    OrderNote: order_note;
    Uncharged: uncharged;
    Reason: reason;
    Fact: fact;
    PaymentFact: payment_fact;
}

fn payment_note(payment: Option<PaymentId>, note: &PaymentNote, language: Language) -> Text {
    Text(match language {
        Language::En => en::payment_note(payment, note),
        Language::Ru => ru::payment_note(payment, note),
    })
}

impl InWords for Attention {
    fn in_words(&self, language: Language) -> Text {
        payment_note(self.payment, &self.note, language)
    }
}

impl InWords for Entry {
    fn in_words(&self, language: Language) -> Text {
        payment_note(self.payment, &self.note, language)
    }
}

impl InWords for Failure {
    /// No kind is one of a payment's reasons and of a delivery's failures: each is known by its name.
    fn in_words(&self, language: Language) -> Text {
        if let Some(reason) = self.read::<RetryReason>() {
            return reason.in_words(language);
        }
        match self.read::<DeliveryFailure>() {
            Some(failure) => failure.in_words(language),
            None => Text(self.kind().replace('_', " ")),
        }
    }
}

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

/// Several things, one after the other.
pub fn joined<T: InWords>(things: &[T], language: Language) -> Text {
    let words: Vec<String> = things.iter().map(|thing| thing.in_words(language).0).collect();
    Text(words.join("; "))
}

/// A stored fact of the journal.
#[must_use]
pub fn stored_fact(fact: &serde_json::Value, language: Language) -> Option<Text> {
    let of_order = serde_json::from_value::<Fact>(fact.clone()).map(|fact| fact.in_words(language));
    let of_payment =
        || serde_json::from_value::<PaymentFact>(fact.clone()).map(|fact| fact.in_words(language));
    of_order.or_else(|_| of_payment()).ok()
}

/// A quantity that shows its plus.
struct Signed(Quantity);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plus = if self.0 > Quantity::ZERO { "+" } else { "" };
        write!(f, "{plus}{}", self.0)
    }
}
