//! What can be set, and what is checked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

use crate::dedup::retention::{RETENTION_DAYS_DEFAULT, RETENTION_DAYS_MIN};
use crate::kernel::Secret;
use crate::kernel::secret::TOKEN_BYTES_MIN;
use crate::notify::Language;

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where to listen.
    #[serde(default = "listen_default")]
    pub listen: SocketAddr,
    /// How browsers and peers reach us.
    pub public_url: Option<String>,
    /// Where things are kept.
    #[serde(default = "store_default")]
    pub store: StoreUrl,
    /// How much memory the embedded store's cache may take.
    #[serde(default = "cache_default")]
    pub store_cache_mebibytes: u32,
    /// The admin API's token; without it the admin API is off.
    pub admin_token: Option<Secret>,
    /// Who sends orders.
    #[serde(default)]
    pub sources: BTreeMap<String, Source>,
    /// Who is told.
    #[serde(default)]
    pub notify: Notify,
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
    /// How long its raw hooks are kept.
    #[serde(default = "retention_default")]
    pub retention_days: u32,
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

/// Where things are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum StoreUrl {
    /// In memory.
    Memory,
    /// In a directory.
    Sled(PathBuf),
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<StoreUrl, String> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(StoreUrl::Memory),
            Some(("sled", path)) if !path.is_empty() => Ok(StoreUrl::Sled(path.into())),
            _ => Err(format!(
                "{text:?} is not a store. Use \"sled:<directory>\", or \"memory:\" for trying things out"
            )),
        }
    }
}

impl TryFrom<String> for StoreUrl {
    type Error = String;

    fn try_from(text: String) -> Result<StoreUrl, String> {
        text.parse()
    }
}

impl std::fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StoreUrl::Memory => f.write_str("memory:"),
            StoreUrl::Sled(path) => write!(f, "sled:{}", path.display()),
        }
    }
}

fn listen_default() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn store_default() -> StoreUrl {
    StoreUrl::Sled("data".into())
}

fn cache_default() -> u32 {
    128
}

fn retention_default() -> u32 {
    RETENTION_DAYS_DEFAULT
}

fn telegram_url_default() -> String {
    "https://api.telegram.org".into()
}

fn gap_default() -> u32 {
    1000
}

impl Settings {
    /// How browsers and peers reach us.
    #[must_use]
    pub fn public_url(&self) -> String {
        let url = self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen));
        url.trim_end_matches('/').to_owned()
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(token) = &self.admin_token {
            strong("admin_token", token)?;
        }
        if let Some(url) = &self.public_url {
            http_url("public_url", url)?;
        }
        for (name, source) in &self.sources {
            let usable =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
            if name.is_empty() || !name.bytes().all(usable) {
                return Err(format!(
                    "sources.{name}: a source's name is part of its address: use a-z, 0-9, - and _"
                ));
            }
            if source.tokens().is_empty() {
                return Err(format!(
                    "sources.{name}: no token. Make one with \"openssl rand -hex 24\", write it here as token = \
                     \"…\", and give it to the marketplace"
                ));
            }
            for token in source.tokens() {
                strong(&format!("sources.{name}.token"), token)?;
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
        if self.store_cache_mebibytes < 16 {
            return Err("store_cache_mebibytes: at least 16".into());
        }
        Ok(())
    }
}

fn strong(name: &str, token: &Secret) -> Result<(), String> {
    let token = token.expose();
    if token.len() < TOKEN_BYTES_MIN {
        return Err(format!(
            "{name}: {} characters are too few, at least {TOKEN_BYTES_MIN} are needed. Make one with \"openssl rand \
             -hex 24\"",
            token.chars().count()
        ));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{name}: a token travels in a header: use visible ASCII characters, no spaces"));
    }
    Ok(())
}

fn http_url(name: &str, url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !url.contains(char::is_whitespace) => Ok(()),
        Some(_) | None => Err(format!("{name}: {url:?} is not an address such as https://shop.example")),
    }
}
