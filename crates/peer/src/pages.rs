//! Checks the addresses of payment pages.

use super::Url;

/// Whether a payment system with its API at `api` may send a buyer to `url`: to
/// the API's own host or one of the `listed` hosts. The URL must use HTTPS,
/// unless the API itself does not.
#[must_use]
pub fn leads_home(api: &str, listed: &[String], url: &str) -> bool {
    let (Ok(url), Ok(api)) = (Url::parse(url), Url::parse(api)) else { return false };
    let Some(host) = url.host_str() else { return false };
    let is_known = api.host_str() == Some(host) || listed.iter().any(|known| known == host);
    let scheme = url.scheme() == "https" || (url.scheme() == "http" && api.scheme() == "http");
    is_known && scheme && url.username().is_empty() && url.password().is_none()
}
