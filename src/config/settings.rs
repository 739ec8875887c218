//! The settings and their defaults.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{
    Endpoint, Merchant, Notify, ServiceName, Services, Shop, Source, StoreUrl, listen_address,
};
use crate::gateway::Gateway;
use crate::kernel::Secret;
use crate::webhooks::verify::Networks;

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The file that they were read from, if any.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// Environment variables with our prefix that name no setting.
    #[serde(skip)]
    pub unknown_variables: Vec<String>,
    /// The parts of the program that this process runs.
    #[serde(skip)]
    pub services: Services,
    /// The address to listen on.
    #[serde(default = "listen_default", deserialize_with = "listen")]
    pub listen: SocketAddr,
    /// The URL at which browsers and peers reach us.
    pub public_url: Option<String>,
    /// Where data is stored.
    #[serde(default = "store_default")]
    pub store: StoreUrl,
    /// How much memory the embedded store's cache may use.
    #[serde(default = "cache_default")]
    pub store_cache_mebibytes: u32,
    /// Whether `serve` updates an older schema of a database. A service that
    /// may not create tables leaves that to `tillgate migrate`.
    #[serde(default = "yes")]
    pub store_migrate: bool,
    /// How long idle connections stay open after SIGTERM. This is longer than a
    /// proxy in front keeps them, so that the proxy closes them.
    #[serde(default = "idle_drain_default")]
    pub idle_drain_seconds: u32,
    /// Proxies whose `X-Forwarded-For` is trusted.
    #[serde(default)]
    pub trusted_proxies: Networks,
    /// The most connections that one address, or one /64 network of IPv6, may
    /// have open. Loopback addresses and trusted proxies are exempt.
    #[serde(default = "connections_default")]
    pub connections_per_address_max: NonZeroU32,
    /// Networks in which the callback addresses of orders may be, in addition
    /// to the public internet.
    #[serde(default)]
    pub callback_networks: Networks,
    /// The admin API's token. Without it the admin API is off.
    pub admin_token: Option<Secret>,
    /// The only address of the admin API, the metrics and the detailed
    /// `/readyz`. Without it they are at `listen`, next to everything else.
    pub admin_listen: Option<Endpoint>,
    /// The senders of orders.
    #[serde(default)]
    pub sources: BTreeMap<String, Source>,
    /// Payment systems.
    #[serde(default)]
    pub gateways: BTreeMap<String, Gateway>,
    /// Sites that place orders over the API.
    #[serde(default)]
    pub merchants: BTreeMap<String, Merchant>,
    /// Who is notified.
    #[serde(default)]
    pub notify: Notify,
    /// The online shop.
    pub shop: Option<Shop>,
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

/// nginx/tillgate.conf keeps them open for 4 seconds.
fn idle_drain_default() -> u32 {
    6
}

/// A site behind one address opens a few dozen at most.
fn connections_default() -> NonZeroU32 {
    const { NonZeroU32::new(256).unwrap() }
}

fn yes() -> bool {
    true
}

fn cache_default() -> u32 {
    32
}

impl Settings {
    /// Deserializes them from a table.
    pub(super) fn deserialize_from(table: toml::Table) -> Result<Settings, toml::de::Error> {
        table.try_into()
    }

    /// Reads the files that sections name by paths relative to `folder`.
    pub(super) fn read_files(&mut self, folder: &Path) -> Result<(), String> {
        for (name, merchant) in &mut self.merchants {
            merchant.read_logo(folder).map_err(|why| format!("merchants.{name}.{why}"))?;
        }
        let mail = self.shop.as_mut().and_then(|shop| shop.mail.as_mut());
        mail.map_or(Ok(()), |mail| mail.read_ca(folder)).map_err(|why| format!("shop.mail.{why}"))
    }

    /// Chooses the parts of the program that this process runs.
    ///
    /// # Errors
    /// When they cannot run with these settings.
    pub fn run_only(&mut self, services: Services) -> Result<(), String> {
        let wanted = ServiceName::OF_THE_SHOP.into_iter().find(|service| services.run(*service));
        match (&self.shop, wanted) {
            (None, Some(service)) => {
                return Err(format!("{service} is a part of the shop: add a section [shop]"));
            }
            (Some(shop), Some(_)) => shop.check_services(&services, &self.store)?,
            (_, None) => {}
        }
        if !services.run(ServiceName::Gateway) {
            self.sources.clear();
            self.gateways.clear();
            self.merchants.clear();
            self.notify = Notify::default();
        }
        self.services = services;
        Ok(())
    }

    pub(super) fn read_from(self, file: &Path) -> Settings {
        Settings { file: Some(file.to_owned()), ..self }
    }

    /// The URL at which browsers and peers reach us.
    #[must_use]
    pub fn public_url(&self) -> String {
        let url = self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen));
        url.trim_end_matches('/').to_owned()
    }

    /// The payment system with the name `named`, or the only one if `named` is
    /// `None`.
    pub fn gateway_of(&self, named: Option<&str>) -> Result<(&str, &Gateway), String> {
        match (named, self.gateways.len()) {
            (Some(name), _) => match self.gateways.get_key_value(name) {
                Some((name, gateway)) => Ok((name, gateway)),
                None => Err(format!("gateway = {name:?}: there is no [gateways.{name}]")),
            },
            (None, 1) => {
                let only =
                    self.gateways.iter().next().map(|(name, gateway)| (name.as_str(), gateway));
                only.ok_or_else(|| "no gateway".into())
            }
            (None, 0) => Err("there is no payment system: add a section [gateways.<name>]".into()),
            (None, _) => {
                Err("there are several [gateways]: name one of them with gateway = \"…\"".into())
            }
        }
    }
}
