//! What can be set, and what is checked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{Endpoint, Merchant, Notify, Source, StoreUrl, listen_address};
use crate::gateway::Gateway;
use crate::kernel::Secret;
use crate::webhooks::verify::Networks;

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The file that they were read from, if there was one.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// Variables of the environment that have our prefix and name no setting.
    #[serde(skip)]
    pub unknown_variables: Vec<String>,
    /// Where to listen.
    #[serde(default = "listen_default", deserialize_with = "listen")]
    pub listen: SocketAddr,
    /// How browsers and peers reach us.
    pub public_url: Option<String>,
    /// Where things are kept.
    #[serde(default = "store_default")]
    pub store: StoreUrl,
    /// How much memory the embedded store's cache may take.
    #[serde(default = "cache_default")]
    pub store_cache_mebibytes: u32,
    /// Whether `serve` brings an older schema of a database up to date. A service that may not create tables leaves that
    /// to `tillgate migrate`.
    #[serde(default = "yes")]
    pub store_migrate: bool,
    /// How long idle connections stay open after SIGTERM. Longer than a proxy in front keeps them, so that it closes them.
    #[serde(default = "idle_drain_default")]
    pub idle_drain_seconds: u32,
    /// Proxies whose `X-Forwarded-For` is believed.
    #[serde(default)]
    pub trusted_proxies: Networks,
    /// Connections that one address may have open, or one /64 network of IPv6. Not for loopback and trusted proxies.
    #[serde(default = "connections_default")]
    pub connections_per_address_max: NonZeroU32,
    /// Networks besides the public internet that the addresses may be in which orders name for callbacks.
    #[serde(default)]
    pub callback_networks: Networks,
    /// The admin API's token; without it the admin API is off.
    pub admin_token: Option<Secret>,
    /// Where the admin API, the figures and the detailed `/readyz` are, and nowhere else; beside everything else if it is
    /// not said.
    pub admin_listen: Option<Endpoint>,
    /// Who sends orders.
    #[serde(default)]
    pub sources: BTreeMap<String, Source>,
    /// Payment systems.
    #[serde(default)]
    pub gateways: BTreeMap<String, Gateway>,
    /// Sites that sell through us.
    #[serde(default)]
    pub merchants: BTreeMap<String, Merchant>,
    /// Who is told.
    #[serde(default)]
    pub notify: Notify,
}

fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    listen_address(&text).map_err(|why| D::Error::custom(format!("listen: {why}")))
}

fn listen_default() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn store_default() -> StoreUrl {
    StoreUrl::Sled("data".into())
}

/// nginx/tillgate.conf keeps them for 4 seconds.
fn idle_drain_default() -> u32 {
    6
}

/// A site behind one address has a few dozen at most.
fn connections_default() -> NonZeroU32 {
    const { NonZeroU32::new(256).unwrap() }
}

fn yes() -> bool {
    true
}

fn cache_default() -> u32 {
    128
}

impl Settings {
    /// Reads them from a table.
    pub(super) fn deserialize_from(table: toml::Table) -> Result<Settings, toml::de::Error> {
        table.try_into()
    }

    pub(super) fn read_from(self, file: &Path) -> Settings {
        Settings { file: Some(file.to_owned()), ..self }
    }

    /// How browsers and peers reach us.
    #[must_use]
    pub fn public_url(&self) -> String {
        let url = self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen));
        url.trim_end_matches('/').to_owned()
    }

    /// The payment system that `named` means: the only one when nothing is named.
    pub fn gateway_of(&self, named: Option<&str>) -> Result<(&str, &Gateway), String> {
        match (named, self.gateways.len()) {
            (Some(name), _) => match self.gateways.get_key_value(name) {
                Some((name, gateway)) => Ok((name, gateway)),
                None => Err(format!("gateway = {name:?}: there is no [gateways.{name}]")),
            },
            (None, 1) => {
                let only = self.gateways.iter().next().map(|(name, gateway)| (name.as_str(), gateway));
                only.ok_or_else(|| "no gateway".into())
            }
            (None, 0) => Err("there is no payment system: add a section [gateways.<name>]".into()),
            (None, _) => Err("there are several [gateways]: name one of them with gateway = \"…\"".into()),
        }
    }
}
