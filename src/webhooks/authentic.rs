//! Bodies whose sender has been verified.

use crate::kernel::json::{CleanJson, tidy};

/// A body whose sender has been verified. A [`Verifier`](super::Verifier)
/// creates it. [`Authentic::from_journal`] and [`Authentic::unproved`] create
/// one without a verifier; their names state the reason.
#[derive(Debug, Clone, Copy)]
pub struct Authentic<'a> {
    pub(super) body: &'a [u8],
}

impl<'a> Authentic<'a> {
    /// The verified bytes.
    #[must_use]
    pub fn body(self) -> &'a [u8] {
        self.body
    }
}

impl<'a> Authentic<'a> {
    /// Stored bytes that were verified on arrival, or bytes that we requested
    /// ourselves.
    #[must_use]
    pub fn from_journal(kept: &'a [u8]) -> Authentic<'a> {
        Authentic { body: kept }
    }

    /// Bytes without proof of their sender. The caller may treat them only as a
    /// hint.
    #[must_use]
    pub fn unproved(body: &'a [u8]) -> Authentic<'a> {
        Authentic { body }
    }

    /// The decompressed form of the verified bytes.
    #[must_use]
    pub fn unpacked<'b>(self, plain: &'b [u8]) -> Authentic<'b> {
        Authentic { body: plain }
    }

    /// The bytes, cleaned up for parsing: see [`tidy`].
    #[must_use]
    pub fn readable(self) -> Readable<'a> {
        Readable(tidy(self.body))
    }
}

/// Verified bytes that are cleaned up for parsing.
#[derive(Debug)]
pub struct Readable<'a>(CleanJson<'a>);

impl Readable<'_> {
    /// The cleaned bytes.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.0.text
    }

    /// The number of truncated characters, such as an emoji that the sender cut
    /// in half.
    #[must_use]
    pub fn half_characters(&self) -> usize {
        self.0.half_characters
    }
}
