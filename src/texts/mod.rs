//! What people read: kinds and parameters in the words of a language. A folder per language; the compiler sees to it that
//! each says everything.
//!
//! Words are made when they are shown and never stored or compared: [`Text`] cannot be.

mod en;
mod language;
mod money;
mod page;
mod phrases;
mod ru;
mod words;

pub use language::Language;
pub use money::money;
pub use page::{PageWords, PaymentPage};
pub use phrases::{BuyerWords, PickerWords};
use words::Signed;
pub use words::{InWords, Text, Worded, joined, stored_fact};
