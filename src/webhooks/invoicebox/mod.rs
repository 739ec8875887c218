//! Notifications in the Invoicebox style: signed over the raw bytes, answered with HTTP 200 whatever they say.

mod reply;
pub mod rpc;
mod verify;
mod wire;

use core::net::IpAddr;

use http::HeaderMap;

pub use verify::{Algorithm, HEADER, sign};

use super::{Authentic, Forged, NoticeProtocol, Readable};
use crate::dedup::Answer;
use crate::kernel::Secret;
use crate::payments::{Judgement, Notice};

/// The protocol with a shop's key.
#[derive(Debug)]
pub struct Invoicebox {
    key: Secret,
    algorithm: Algorithm,
}

impl Invoicebox {
    /// The protocol with the key for checking signatures.
    #[must_use]
    pub fn new(key: Secret, algorithm: Algorithm) -> Invoicebox {
        Invoicebox { key, algorithm }
    }
}

impl NoticeProtocol for Invoicebox {
    fn refuse_early(&self, _: Option<IpAddr>, headers: &HeaderMap) -> Option<Forged> {
        verify::claimed(headers).err()
    }

    fn proves_sender(&self) -> bool {
        true
    }

    fn verify<'a>(
        &self,
        _: Option<IpAddr>,
        headers: &HeaderMap,
        body: &'a [u8],
    ) -> Result<Authentic<'a>, Forged> {
        verify::verify(&self.key, self.algorithm, headers, body)
    }

    fn read(&self, notice: &Readable<'_>) -> Result<Notice, String> {
        wire::read(notice.text())
    }

    fn judged(&self, judgement: &Judgement, may_become_known: bool) -> Answer {
        reply::judged(judgement, may_become_known)
    }

    fn tested(&self, is_ours: bool) -> Answer {
        if is_ours { reply::success() } else { reply::error("order_not_found", "another shop's test") }
    }

    fn forged(&self) -> Answer {
        reply::error("signature_error", "the signature does not match")
    }

    fn unreadable(&self, why: &str) -> Answer {
        // So that it comes again, when somebody may have seen to it.
        reply::error("out_of_service", why)
    }

    fn unavailable(&self) -> Answer {
        reply::error("out_of_service", "try again later")
    }
}
