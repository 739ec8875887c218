//! Search in the catalogue: an index in memory, made of what is stored.
//!
//! - [`words`] splits texts into words and takes off their endings;
//! - [`index`] knows in which products a word occurs;
//! - [`typo`] compares words that differ by one mistake.

pub mod index;
pub mod typo;
pub mod words;
