//! A section `[merchants.<name>]`.

use std::num::NonZeroU32;

use serde::Deserialize;

use crate::kernel::Secret;

/// A site that sells through us.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merchant {
    /// What it calls us with.
    api_key: Option<Secret>,
    /// The new and the old key, while they are exchanged.
    #[serde(default)]
    api_keys: Vec<Secret>,
    /// The payment system; may be left out when there is one.
    pub gateway: Option<String>,
    /// How many requests it may make of each receiver in a minute, and at once.
    #[serde(default = "requests_default")]
    pub requests_per_minute_max: NonZeroU32,
    /// Where it hears of payments, unless an order names another address.
    pub callback_url: Option<String>,
    /// What we sign with when we tell it.
    pub callback_secret: Option<Secret>,
}

impl Merchant {
    /// Where it hears of its orders, in words.
    #[must_use]
    pub fn heard_at(&self) -> String {
        match (&self.callback_url, &self.callback_secret) {
            (Some(url), _) => without_secrets(url),
            (None, Some(_)) => "the address that an order names, as callback_url is not set".into(),
            (None, None) => "nobody, as callback_url is not set".into(),
        }
    }

    /// The keys that are valid now.
    #[must_use]
    pub fn api_keys(&self) -> Vec<&Secret> {
        self.api_key.iter().chain(&self.api_keys).collect()
    }
}

/// Ten a second: more than a site needs, and no more than a runaway loop should have.
fn requests_default() -> NonZeroU32 {
    const { NonZeroU32::new(600).unwrap() } // reckoned when it is compiled: 600 is not zero
}

/// An address without what may be secret in it: a password before its host, and its query.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?…"));
    let (host, path) = rest.find('/').map_or((rest, ""), |end| rest.split_at(end));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}{query}")
}
