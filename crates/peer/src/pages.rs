//! Where a payment system's payment pages are.

use super::Url;

/// Whether a buyer may be sent to `url` by a payment system whose API is at `api`: to its own host or one of the
/// `listed`, and without encryption only where the API itself has none.
#[must_use]
pub fn leads_home(api: &str, listed: &[String], url: &str) -> bool {
    let (Ok(url), Ok(api)) = (Url::parse(url), Url::parse(api)) else { return false };
    let Some(host) = url.host_str() else { return false };
    let is_known = api.host_str() == Some(host) || listed.iter().any(|known| known == host);
    let scheme = url.scheme() == "https" || (url.scheme() == "http" && api.scheme() == "http");
    is_known && scheme && url.username().is_empty() && url.password().is_none()
}
