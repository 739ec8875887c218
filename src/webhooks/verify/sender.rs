//! Who has sent something, as far as the connection and the headers say, and why that is not believed.

use core::net::IpAddr;

use http::{HeaderMap, HeaderName};

use crate::kernel::Timestamp;

/// Who has sent something, as far as the connection and the headers say.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// The address that it comes from, behind all proxies that are ours.
    pub address: Option<IpAddr>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// What time it is.
    pub now: Timestamp,
}

/// The sender did not prove who it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The header that carries the proof is not there.
    #[error("no {0} header")]
    Missing(HeaderName),
    /// It is there more than once: two readers might each believe another one.
    #[error("more than one {0} header")]
    Repeated(HeaderName),
    /// It proves nothing.
    #[error("the {0} header does not match")]
    Mismatch(HeaderName),
    /// It was signed too long ago, or will be.
    #[error("the time in the {0} header is too far from now")]
    Stale(HeaderName),
    /// It comes from an address that is not the sender's.
    #[error("it comes from {}", .0.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string()))]
    Network(Option<IpAddr>),
}

/// The only value of a header.
pub(super) fn only_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a [u8], AuthError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| AuthError::Missing(name.clone()))?;
    if values.next().is_some() {
        return Err(AuthError::Repeated(name.clone()));
    }
    Ok(value.as_bytes())
}
