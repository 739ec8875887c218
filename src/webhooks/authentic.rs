//! Bytes of which it is known who has sent them.

use crate::kernel::json::{Tidied, tidy};

/// A body whose sender has been verified. A [`Verifier`](super::Verifier) makes it; [`Authentic::from_journal`] and
/// [`Authentic::unproved`] make one without, and say why.
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
    /// Bytes that were verified when they came, and have been kept since, or that were asked for by us.
    #[must_use]
    pub fn from_journal(kept: &'a [u8]) -> Authentic<'a> {
        Authentic { body: kept }
    }

    /// Bytes that nobody has proved: whoever reads them takes them for a hint and no more.
    #[must_use]
    pub fn unproved(body: &'a [u8]) -> Authentic<'a> {
        Authentic { body }
    }

    /// What the verified bytes come to when they are unpacked.
    #[must_use]
    pub fn unpacked<'b>(self, plain: &'b [u8]) -> Authentic<'b> {
        Authentic { body: plain }
    }

    /// The same as it can be read: see [`tidy`].
    #[must_use]
    pub fn readable(self) -> Readable<'a> {
        Readable(tidy(self.body))
    }
}

/// Verified bytes as they can be read.
#[derive(Debug)]
pub struct Readable<'a>(Tidied<'a>);

impl Readable<'_> {
    /// The bytes.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.0.text
    }

    /// Characters of which the sender left only half.
    #[must_use]
    pub fn half_characters(&self) -> usize {
        self.0.half_characters
    }
}
