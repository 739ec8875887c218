//! Texts, and the values that can be shown as text.

use std::fmt;

use serde::Serialize;

use super::{Language, MessageSubject, en, ru};

use crate::dedup::Reason;
use crate::kernel::failure::DeliveryFailure;
use crate::kernel::{Failure, Quantity};
use crate::orders::{Fact, NotCharged, OrderNote};
use crate::payments::{
    Attention, Entry, Mismatch, PaymentFact, PaymentId, PaymentNote, PaymentProblem, Recorded,
    Refusal, RetryReason, Superseded,
};

/// A text for people. Texts are not compared: decisions use the values that the
/// texts are made of.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Text(String);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value with its text: in JSON, the value's own fields and `text`.
#[derive(Debug, Clone, Serialize)]
pub struct WithText<T> {
    #[serde(flatten)]
    pub what: T,
    /// The value in words.
    pub text: Text,
}

impl<T: Localized> WithText<T> {
    /// Adds the text in a language.
    pub fn of(what: T, language: Language) -> WithText<T> {
        let text = what.in_words(language);
        WithText { what, text }
    }
}

/// A value that can be shown to people.
pub trait Localized {
    /// The text in a language.
    fn in_words(&self, language: Language) -> Text;
}

/// Implements [`Localized`] for each type, with the function of the given name
/// in each language's folder.
macro_rules! in_words {
    ($($type:ty: $function:ident;)*) => {
        $(impl Localized for $type {
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
    MessageSubject: message_subject;
    PaymentProblem: payment_problem;
    OrderNote: order_note;
    NotCharged: uncharged;
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

impl Localized for Attention {
    fn in_words(&self, language: Language) -> Text {
        payment_note(self.payment, &self.note, language)
    }
}

impl Localized for Entry {
    fn in_words(&self, language: Language) -> Text {
        payment_note(self.payment, &self.note, language)
    }
}

impl Localized for Failure {
    /// No kind has the same name in both enums, so the name determines the
    /// enum.
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

/// The texts of several values, separated by semicolons.
pub fn joined<T: Localized>(things: &[T], language: Language) -> Text {
    let words: Vec<String> = things.iter().map(|thing| thing.in_words(language).0).collect();
    Text(words.join("; "))
}

/// A fact of the journal, which has it as JSON.
#[must_use]
pub fn stored_fact(fact: &str, language: Language) -> Option<Text> {
    let of_order = serde_json::from_str::<Fact>(fact).map(|fact| fact.in_words(language));
    let of_payment =
        || serde_json::from_str::<PaymentFact>(fact).map(|fact| fact.in_words(language));
    of_order.or_else(|_| of_payment()).ok()
}

/// A quantity with an explicit plus sign.
pub(super) struct Signed(pub(super) Quantity);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plus = if self.0 > Quantity::ZERO { "+" } else { "" };
        write!(f, "{plus}{}", self.0)
    }
}
