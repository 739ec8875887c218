//! A section `[merchants.<name>]`.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::kernel::Secret;
use crate::kernel::image::Image;

/// A merchant's site that places orders over the API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merchant {
    /// The key of its requests.
    api_key: Option<Secret>,
    /// The new and the old key, while the key is being replaced.
    #[serde(default)]
    api_keys: Vec<Secret>,
    /// Its name on buyers' pages.
    pub name: Option<String>,
    /// The path of an image for buyers' pages.
    pub logo_file: Option<PathBuf>,
    /// The image at that path, once it is read.
    #[serde(skip)]
    pub logo: Option<Image>,
    /// The payment system. It may be omitted when there is only one.
    pub gateway: Option<String>,
    /// How many requests each receiver accepts from it per minute, and at most
    /// at once.
    #[serde(default = "requests_default")]
    pub requests_per_minute_max: NonZeroU32,
    /// How many megabytes of its requests are stored on a day.
    #[serde(default = "megabytes_default")]
    pub megabytes_per_day_max: NonZeroU32,
    /// Where its callbacks go, unless an order names another address.
    pub callback_url: Option<String>,
    /// The key that its callbacks are signed with.
    pub callback_secret: Option<Secret>,
}

impl Merchant {
    /// Where its callbacks go, in words.
    #[must_use]
    pub fn callbacks_to(&self) -> String {
        match (&self.callback_url, &self.callback_secret) {
            (Some(url), _) => without_secrets(url),
            (None, Some(_)) => "the address that an order names, as callback_url is not set".into(),
            (None, None) => "nowhere, as callback_url is not set".into(),
        }
    }

    /// Reads the logo, whose path is relative to `folder`. The error begins
    /// with the key.
    pub(super) fn read_logo(&mut self, folder: &Path) -> Result<(), String> {
        let Some(path) = &self.logo_file else { return Ok(()) };
        let path = folder.join(path);
        let named = |why: String| format!("logo_file: {}: {why}", path.display());
        let bytes = std::fs::read(&path).map_err(|why| named(why.to_string()))?;
        self.logo = Some(Image::of(bytes).map_err(named)?);
        Ok(())
    }

    /// The keys that are valid now.
    #[must_use]
    pub fn api_keys(&self) -> Vec<&Secret> {
        self.api_key.iter().chain(&self.api_keys).collect()
    }
}

/// Ten per second: more than a site needs, and few enough to stop a runaway
/// loop.
fn requests_default() -> NonZeroU32 {
    const { NonZeroU32::new(600).unwrap() } // evaluated by the compiler: 600 is not zero
}

/// Half a million orders of the usual size.
fn megabytes_default() -> NonZeroU32 {
    const { NonZeroU32::new(1000).unwrap() } // evaluated by the compiler: 1000 is not zero
}

/// A URL without the parts that may be secret: the password before its host,
/// and its query.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?…"));
    let (host, path) = rest.find('/').map_or((rest, ""), |end| rest.split_at(end));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}{query}")
}
