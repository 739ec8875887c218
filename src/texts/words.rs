//! Words, and what can be said in them.

use std::fmt;

use serde::Serialize;

use super::{Language, en, ru};

use crate::dedup::Reason;
use crate::kernel::failure::DeliveryFailure;
use crate::kernel::{Failure, Quantity};
use crate::orders::{Fact, OrderNote, Uncharged};
use crate::payments::{
    Attention, Entry, Mismatch, PaymentFact, PaymentId, PaymentNote, PaymentProblem, Recorded, Refusal,
    RetryReason, Superseded,
};

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
    /// No kind's name is in both enums, so the name tells which it is.
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
pub(super) struct Signed(pub(super) Quantity);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plus = if self.0 > Quantity::ZERO { "+" } else { "" };
        write!(f, "{plus}{}", self.0)
    }
}
