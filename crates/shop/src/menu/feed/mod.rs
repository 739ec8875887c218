//! Reading a catalogue that another program has written.
//!
//! - [`yml`] is the format of Yandex Market, which most programs for shops can
//!   write;
//! - [`text`] reads the texts in it: markup, prices; `encoding` their bytes.
//!
//! A feed is read as a whole before anything of it is kept: a broken one
//! changes nothing.

mod encoding;
#[cfg(test)]
mod tests;
pub mod text;
pub mod yml;

use std::fmt;

use super::categories::Categories;
use super::product::Offer;

/// What a feed has.
#[derive(Debug, Default)]
pub struct Feed {
    pub categories: Categories,
    pub offers: Vec<Offer>,
    /// Offers that are left out.
    pub skipped: Vec<Skipped>,
}

/// An offer that nobody could sell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub line: u64,
    pub article: String,
    pub why: Lack,
}

/// What an offer lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    Name,
    /// It has no price, or a price of zero.
    Price,
    /// The feed has no category with its number.
    Category,
    /// Another offer with its id came before.
    OwnId,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lack::Name => "it has no name",
            Lack::Price => "it has no price",
            Lack::Category => "its category is not in the feed",
            Lack::OwnId => "an offer with its id came before",
        })
    }
}

/// Why a feed cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Broken {
    pub line: u64,
    pub why: BrokenBy,
}

#[derive(Debug, thiserror::Error)]
pub enum BrokenBy {
    #[error("{0}")]
    Xml(#[from] quick_xml::Error),
    #[error("the encoding {0:?} is not known; use UTF-8 or windows-1251")]
    Encoding(String),
    #[error("this is no YML: the file must have a <yml_catalog> with <offers> in it")]
    NotYml,
    #[error("the file ends in the middle of <{0}>")]
    Truncated(String),
    #[error("offer {article:?}, <{field}>: {text:?} {why}")]
    Field { line: u64, article: String, field: &'static str, text: String, why: &'static str },
    #[error("<{element}> has no {attribute}")]
    Attribute { element: &'static str, attribute: &'static str },
    #[error("<{0}> has more than {max} bytes of text", max = yml::TEXT_BYTES_MAX)]
    TooLong(String),
    #[error("the feed has more than {0} {1}")]
    TooMany(usize, &'static str),
}

impl BrokenBy {
    /// Where it was found, if `read` lines had been read by then.
    fn at(self, read: u64) -> Broken {
        let line = if let BrokenBy::Field { line, .. } = self { line } else { read };
        Broken { line, why: self }
    }
}
