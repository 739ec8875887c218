//! What can be set, and what is checked.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use jiff::tz::TimeZone;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{Endpoint, StoreUrl, secrets};
use crate::dedup::retention::{RETENTION_DAYS_DEFAULT, RETENTION_DAYS_MIN};
use crate::gateway::invoicebox::Version;
use crate::kernel::Secret;
use crate::marketplace::Access;
use crate::payments::{PaymentMode, Receipts, VatCode};
use crate::texts::Language;
use crate::webhooks::verify::Algorithm;
use crate::webhooks::yookassa;

/// The last of the numbers that YooKassa gives to ways of being taxed.
const TAX_SYSTEM_CODE_MAX: u8 = 6;

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
    #[serde(default, deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Connections that one address may have open, or one /64 network of IPv6. Not for loopback and trusted proxies.
    #[serde(default = "connections_default")]
    pub connections_per_address_max: NonZeroU32,
    /// Networks besides the public internet that the addresses may be in which orders name for callbacks.
    #[serde(default, deserialize_with = "networks")]
    pub callback_networks: Vec<IpNet>,
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

/// A payment system.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Its protocol.
    pub protocol: GatewayProtocol,
    /// Where its API is, if not where the protocol's own is.
    url: Option<String>,
    /// The API's version: Invoicebox has two.
    #[serde(default)]
    pub version: Version,
    /// What opens the API.
    pub token: Secret,
    /// The shop there.
    pub merchant_id: String,
    /// What notifications are signed with, where they are.
    pub signing_key: Option<Secret>,
    /// The hash in the signature.
    #[serde(default)]
    pub signing_algorithm: Algorithm,
    /// Where a payment page may be, besides the host of `url`, if not where the protocol's own is.
    payment_hosts: Option<Vec<String>>,
    /// Invoicebox: where its notifications are fetched by a WebSocket, by a shop that has no public address.
    pub channel_url: Option<Secret>,
    /// YooKassa: money is held first, and taken by a capture.
    #[serde(default)]
    pub two_steps: bool,
    /// Who makes the fiscal receipts; if it or a cash register behind it does, it hears when goods are handed over.
    #[serde(default = "receipts_default")]
    pub receipts: Receipts,
    /// What the money is on its receipt.
    #[serde(default)]
    pub payment_mode: PaymentMode,
    /// YooKassa: how the shop is taxed, if it is taxed in several ways: the number in the payment system's list.
    pub tax_system_code: Option<u8>,
    /// YooKassa: the networks that its notifications come from, if not those of its documents.
    #[serde(default, deserialize_with = "some_networks")]
    notice_networks: Option<Vec<IpNet>>,
}

impl Gateway {
    /// Where its API is.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_deref().unwrap_or(match self.protocol {
            GatewayProtocol::Invoicebox => "https://api.invoicebox.ru",
            GatewayProtocol::Yookassa => "https://api.yookassa.ru",
        })
    }

    /// Where a payment page may be, besides the host of its API.
    #[must_use]
    pub fn payment_hosts(&self) -> Vec<String> {
        let own: &[&str] = match self.protocol {
            GatewayProtocol::Invoicebox => &["pay.invoicebox.ru"],
            GatewayProtocol::Yookassa => &["yoomoney.ru", "yookassa.ru"],
        };
        self.payment_hosts.clone().unwrap_or_else(|| own.iter().map(|host| (*host).to_owned()).collect())
    }

    /// The networks that notifications without a signature come from.
    #[must_use]
    pub fn notice_networks(&self) -> Vec<IpNet> {
        let own = || yookassa::NETWORKS.iter().filter_map(|network| network.parse().ok()).collect();
        self.notice_networks.clone().unwrap_or_else(own)
    }

    /// What is missing, or there and of no use.
    fn check(&self, name: &str) -> Result<(), String> {
        http_url(&format!("gateways.{name}.url"), self.url())?;
        for host in self.payment_hosts() {
            let usable =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
            if host.is_empty() || !host.bytes().all(usable) {
                return Err(format!(
                    "gateways.{name}.payment_hosts: {host:?} is not the bare name of a host, such as pay.invoicebox.ru"
                ));
            }
        }
        if let Some(url) = &self.channel_url {
            if self.protocol == GatewayProtocol::Yookassa {
                return Err(format!("gateways.{name}.channel_url: YooKassa has no such channel"));
            }
            let url = url.expose();
            if !url.starts_with("wss://") && !url.starts_with("ws://127.0.0.1:") {
                return Err(format!(
                    "gateways.{name}.channel_url: not an address such as wss://ws-gate.invoicebox.ru/v3/gate/rpc"
                ));
            }
        }
        if self.protocol == GatewayProtocol::Invoicebox && self.receipts == Receipts::Yookassa {
            return Err(format!("gateways.{name}.receipts: \"yookassa\" is for protocol = \"yookassa\""));
        }
        let signing_key = self.signing_key.as_ref().map(Secret::expose);
        match (self.protocol, signing_key) {
            (GatewayProtocol::Invoicebox, None) => {
                return Err(format!(
                    "gateways.{name}.signing_key is missing: the payment system's cabinet shows it"
                ));
            }
            (GatewayProtocol::Yookassa, Some(_)) => {
                return Err(format!("gateways.{name}.signing_key: YooKassa signs nothing, leave it out"));
            }
            (GatewayProtocol::Invoicebox, Some(_)) if self.two_steps || self.notice_networks.is_some() => {
                return Err(format!(
                    "gateways.{name}: two_steps and notice_networks are for protocol = \"yookassa\""
                ));
            }
            (GatewayProtocol::Invoicebox, Some(_)) | (GatewayProtocol::Yookassa, None) => {}
        }
        match (self.protocol, self.tax_system_code) {
            (GatewayProtocol::Invoicebox, Some(_)) => {
                return Err(format!("gateways.{name}.tax_system_code: it is for protocol = \"yookassa\""));
            }
            (GatewayProtocol::Yookassa, Some(code)) if !(1..=TAX_SYSTEM_CODE_MAX).contains(&code) => {
                return Err(format!("gateways.{name}.tax_system_code: from 1 to {TAX_SYSTEM_CODE_MAX}"));
            }
            (GatewayProtocol::Invoicebox | GatewayProtocol::Yookassa, _) => {}
        }
        for (field, text) in [
            ("token", self.token.expose()),
            ("merchant_id", self.merchant_id.as_str()),
            ("signing_key", signing_key.unwrap_or("none")),
        ] {
            if text.trim().is_empty() {
                return Err(format!(
                    "gateways.{name}.{field} is empty: the payment system's cabinet shows it"
                ));
            }
        }
        Ok(())
    }
}

/// The protocols of payment systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayProtocol {
    /// Invoicebox, API v3 or l3.
    Invoicebox,
    /// YooKassa, API v3: `merchant_id` is the shop's id, `token` its secret key.
    Yookassa,
}

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

/// A source of orders.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its protocol.
    pub protocol: SourceProtocol,
    /// Its token.
    token: Option<Secret>,
    /// The new and the old token, while they are exchanged.
    #[serde(default)]
    tokens: Vec<Secret>,
    /// Who takes the money.
    #[serde(default)]
    pub payment: Payment,
    /// The payment system, where we take the money; may be left out when there is one.
    pub gateway: Option<String>,
    /// The rate of its goods, where we take the money: the marketplace does not tell.
    #[serde(default = "vat_default")]
    pub vat: VatCode,
    /// The rate of a delivery that is paid with its goods; that of the goods, if it is not said.
    pub delivery_vat: Option<VatCode>,
    /// Where its times without an offset are: `Europe/Moscow`, or `+03:00`.
    #[serde(default, deserialize_with = "zone")]
    pub time_zone: Option<TimeZone>,
    /// How long its raw hooks are kept.
    #[serde(default = "retention_default")]
    pub retention_days: u32,
    /// Where it hears how far its orders are.
    pub outgoing: Option<Outgoing>,
}

/// Where a marketplace hears how far its orders are, and how we prove there who we are: with a token, or with a client's id
/// and secret, which are exchanged for one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outgoing {
    /// The address of its notifications.
    pub url: String,
    /// The address of its list of orders, which is looked through for hooks that never came.
    pub shipments_url: Option<String>,
    /// The fixed token.
    pub token: Option<Secret>,
    /// Where tokens are given.
    pub token_url: Option<String>,
    /// The client.
    pub client_id: Option<String>,
    /// Its secret.
    pub client_secret: Option<Secret>,
}

impl Outgoing {
    /// How we prove who we are; the error says what is missing.
    pub fn access(&self) -> Result<Access, String> {
        match (&self.token, &self.token_url, &self.client_id, &self.client_secret) {
            (Some(token), None, None, None) => Ok(Access::Token(token.clone())),
            (None, Some(url), Some(id), Some(secret)) => {
                http_url("token_url", url)?;
                Ok(Access::Client { url: url.clone(), id: id.clone(), secret: secret.clone() })
            }
            (_, _, _, _) => Err("give either token, or token_url, client_id and client_secret".into()),
        }
    }
}

/// The protocols in which orders come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceProtocol {
    /// The marketplace СМ.
    Sm,
}

/// Who takes the money for a source's orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payment {
    /// The marketplace.
    #[default]
    Marketplace,
    /// We do: each order gets a payment link.
    Link,
}

impl Source {
    /// The tokens that are valid now.
    #[must_use]
    pub fn tokens(&self) -> Vec<&Secret> {
        self.token.iter().chain(&self.tokens).collect()
    }
}

/// Who is told.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// The language of messages.
    #[serde(default)]
    pub language: Language,
    /// Pickers' chats.
    pub telegram: Option<Telegram>,
}

/// Pickers' chats in Telegram.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telegram {
    /// Where the Bot API is.
    #[serde(default = "telegram_url_default")]
    pub url: String,
    /// The bot's token.
    pub token: Secret,
    /// Shop to chat; `default` for all others.
    #[serde(default)]
    pub chats: BTreeMap<String, String>,
    /// The pause between two messages to one chat. Telegram allows a group one message a second.
    #[serde(default = "gap_default")]
    pub gap_milliseconds: u32,
}

/// Networks; a single address is one too.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let network = |text: String| {
        let one = || text.trim().parse::<IpAddr>().ok().map(IpNet::from);
        let found = text.trim().parse::<IpNet>().ok().or_else(one);
        found.ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is neither a network such as 10.0.0.0/8 nor an address such as 10.0.0.1"
            ))
        })
    };
    Vec::<String>::deserialize(deserializer)?.into_iter().map(network).collect()
}

fn some_networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<IpNet>>, D::Error> {
    networks(deserializer).map(Some)
}

/// An address to listen on. Of a name that stands for several, such as `localhost`, the first of IPv4 counts.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let found = text.trim().to_socket_addrs();
    let found: Vec<SocketAddr> = found
        .map_err(|why| format!("{text:?} is no address such as 127.0.0.1:8080 or localhost:8080: {why}"))?
        .collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| format!("{text:?} stands for no address"))
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

/// The longest that may be configured: service managers lose their patience after 90.
const IDLE_DRAIN_SECONDS_MAX: u32 = 60;

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

fn retention_default() -> u32 {
    RETENTION_DAYS_DEFAULT
}

/// Ten a second: more than a site needs, and no more than a runaway loop should have.
fn requests_default() -> NonZeroU32 {
    const { NonZeroU32::new(600).unwrap() } // reckoned when it is compiled: 600 is not zero
}

fn receipts_default() -> Receipts {
    Receipts::Own
}

fn zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TimeZone>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let found = jiff::fmt::temporal::DateTimeParser::new().parse_time_zone(&name);
    found.map(Some).map_err(|_| {
        D::Error::custom(format!(
            "time_zone: {name:?} is neither a zone such as Europe/Moscow nor an offset such as +03:00"
        ))
    })
}

fn vat_default() -> VatCode {
    VatCode::None
}

fn telegram_url_default() -> String {
    "https://api.telegram.org".into()
}

fn gap_default() -> u32 {
    1000
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

    /// What the operator should know of the configuration and may live with.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        secrets::warnings(self)
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

    fn check_gateways(&self) -> Result<(), String> {
        for (name, gateway) in &self.gateways {
            usable_name("gateways", "gateway", name)?;
            if self.sources.contains_key(name) {
                return Err(format!(
                    "gateways.{name}: a source has this name, and both would be at /hooks/{name}"
                ));
            }
            gateway.check(name)?;
        }
        for (name, source) in &self.sources {
            if source.payment == Payment::Link {
                self.gateway_of(source.gateway.as_deref()).map_err(|why| format!("sources.{name}: {why}"))?;
            } else if source.gateway.is_some() || source.delivery_vat.is_some() {
                let key = if source.gateway.is_some() { "gateway" } else { "delivery_vat" };
                return Err(format!("sources.{name}.{key}: it is used with payment = \"link\" only"));
            }
        }
        for (name, merchant) in &self.merchants {
            usable_name("merchants", "merchant", name)?;
            if self.sources.contains_key(name) || self.gateways.contains_key(name) {
                return Err(format!("merchants.{name}: a source or a gateway has this name; choose another"));
            }
            if merchant.api_keys().is_empty() {
                return Err(format!(
                    "merchants.{name}: no api_key. Make one with \"openssl rand -hex 24\" and give it to the site"
                ));
            }
            self.gateway_of(merchant.gateway.as_deref()).map_err(|why| format!("merchants.{name}: {why}"))?;
            if let Some(url) = &merchant.callback_url {
                http_url(&format!("merchants.{name}.callback_url"), url)?;
            }
            if merchant.callback_url.is_some() && merchant.callback_secret.is_none() {
                return Err(format!(
                    "merchants.{name}.callback_secret is missing: make one with: echo whsec_$(openssl rand -base64 24)"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), String> {
        self.check_gateways()?;
        secrets::check(self)?;
        if let Some(url) = &self.public_url {
            http_url("public_url", url)?;
        }
        for (name, source) in &self.sources {
            usable_name("sources", "source", name)?;
            if let Some(outgoing) = &source.outgoing {
                http_url(&format!("sources.{name}.outgoing.url"), &outgoing.url)?;
                if let Some(url) = &outgoing.shipments_url {
                    http_url(&format!("sources.{name}.outgoing.shipments_url"), url)?;
                }
                outgoing.access().map_err(|why| format!("sources.{name}.outgoing: {why}"))?;
            }
            if source.tokens().is_empty() {
                return Err(format!(
                    "sources.{name}: no token. Make one with \"openssl rand -hex 24\", write it here as token = \
                     \"…\", and give it to the marketplace"
                ));
            }
            if source.retention_days < RETENTION_DAYS_MIN {
                return Err(format!(
                    "sources.{name}.retention_days: at least {RETENTION_DAYS_MIN}, so that late retries are recognised"
                ));
            }
        }
        if let Some(telegram) = &self.notify.telegram {
            http_url("notify.telegram.url", &telegram.url)?;
            if telegram.token.expose().trim().is_empty() {
                return Err("notify.telegram.token is empty: @BotFather gives one".into());
            }
            if telegram.chats.is_empty() {
                return Err(
                    "notify.telegram.chats is empty: add [notify.telegram.chats] with default = \"<chat id>\"".into()
                );
            }
        }
        if self.idle_drain_seconds > IDLE_DRAIN_SECONDS_MAX {
            return Err(format!("idle_drain_seconds: at most {IDLE_DRAIN_SECONDS_MAX}"));
        }
        if self.store_cache_mebibytes < 16 {
            return Err("store_cache_mebibytes: at least 16".into());
        }
        Ok(())
    }
}

fn usable_name(section: &str, what: &str, name: &str) -> Result<(), String> {
    let usable = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if name.is_empty() || !name.bytes().all(usable) {
        return Err(format!(
            "{section}.{name}: a {what}'s name is part of its address: use a-z, 0-9, - and _"
        ));
    }
    Ok(())
}

/// An address without what may be secret in it: a password before its host, and its query.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?…"));
    let (host, path) = rest.find('/').map_or((rest, ""), |end| rest.split_at(end));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}{query}")
}

fn http_url(name: &str, url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !url.contains(char::is_whitespace) => Ok(()),
        Some(_) | None => Err(format!("{name}: it is not an address such as https://shop.example")),
    }
}
