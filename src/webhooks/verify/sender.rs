//! The claimed sender of a request, and the reasons why it is not accepted.

use core::net::IpAddr;

use http::{HeaderMap, HeaderName};

use crate::kernel::Timestamp;

/// The sender of a request, as the connection and the headers show it.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// The client's address, seen through our own proxies. None if it is
    /// unknown.
    pub address: Option<IpAddr>,
    pub headers: &'a HeaderMap,
    /// The current time.
    pub now: Timestamp,
}

/// The reason why a sender could not be verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The header with the proof is missing.
    #[error("no {0} header")]
    Missing(HeaderName),
    /// The header occurs more than once. Different programs might use different
    /// ones.
    #[error("more than one {0} header")]
    Repeated(HeaderName),
    /// The header has a wrong or malformed value.
    #[error("the {0} header does not match")]
    Mismatch(HeaderName),
    /// The time of the signature is too far in the past or in the future.
    #[error("the time in the {0} header is too far from now")]
    Stale(HeaderName),
    /// The request comes from an address outside of the sender's networks.
    #[error(
        "the request comes from {}, which is not in the sender's networks",
        .0.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string())
    )]
    Network(Option<IpAddr>),
}

/// The value of a header that must occur exactly once.
pub(super) fn only_value<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<&'a [u8], AuthError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| AuthError::Missing(name.clone()))?;
    if values.next().is_some() {
        return Err(AuthError::Repeated(name.clone()));
    }
    Ok(value.as_bytes())
}
