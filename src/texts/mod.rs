//! Texts for people: values and their parameters in the words of a language.
//! There is one folder per language; the compiler ensures that each has all
//! texts.
//!
//! Texts are made when they are shown, and never stored or compared: [`Text`]
//! cannot be.

mod en;
mod message;
mod page;
mod phrases;
mod ru;
mod words;

pub use crate::kernel::Language;
pub use message::{MessageSubject, PaymentCall};
pub use page::{PageWords, PaymentPage};
pub use phrases::{BuyerWords, PickerWords, buyer_words, picker_words};
use words::Signed;
pub use words::{Localized, Text, WithText, joined, stored_fact};
