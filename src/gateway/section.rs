//! A section `[gateways.<name>]` of the configuration, and the payment systems that there are.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

use super::{CALL_SECONDS_MAX, Provider, SYSTEMS};
use crate::kernel::Secret;
use crate::kernel::setting::{Key, http_url};
use crate::peer::ClientError;
use crate::webhooks::{NoticeChannel, Protocol, Verifier};

/// What a section says, as its payment system has read it.
pub trait Section: Send + Sync + fmt::Debug {
    /// What is missing, or there and of no use. The error begins with the key.
    fn check(&self) -> Result<(), String>;

    /// The shop's id over there.
    fn account(&self) -> &str;

    /// Where the API is.
    fn url(&self) -> &str;

    /// Hosts that a payment page may be on, besides the API's own.
    fn payment_hosts(&self) -> Vec<String>;

    /// The secrets that the payment system has issued, by their keys.
    fn secrets(&self) -> Vec<(&'static str, &Secret)>;

    /// The payment system itself.
    fn provider(&self) -> Result<Arc<dyn Provider>, ClientError>;

    /// How its notifications prove whose they are.
    fn verifier(&self) -> Verifier;

    /// How its notifications are read and answered.
    fn protocol(&self) -> Arc<dyn Protocol>;

    /// The channel by which notifications are fetched, where the shop has no public address.
    fn channel(&self) -> Option<Channel> {
        None
    }
}

/// What a payment system says of its sections before one is read.
pub trait Declared: Section + DeserializeOwned + 'static {
    /// The name of its protocol.
    const PROTOCOL: &'static str;

    /// The keys of its sections, besides `protocol`.
    const KEYS: &'static [Key];

    /// How long one of its calls may take, in seconds.
    const CALL_SECONDS_MAX: u64;
}

/// A channel that we open to a payment system.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Where it is, with what opens it.
    pub url: Secret,
    /// How what comes by it is read and answered.
    pub calls: Arc<dyn NoticeChannel>,
}

/// A payment system, as the list of them has it.
pub(super) struct System {
    protocol: &'static str,
    keys: &'static [Key],
    read: fn(Table) -> Result<Arc<dyn Section>, toml::de::Error>,
}

impl System {
    pub(super) const fn of<T: Declared>() -> System {
        assert!(T::CALL_SECONDS_MAX <= CALL_SECONDS_MAX, "a worker's lease is made for shorter calls");
        System { protocol: T::PROTOCOL, keys: T::KEYS, read: read::<T> }
    }
}

fn read<T: Declared>(table: Table) -> Result<Arc<dyn Section>, toml::de::Error> {
    let section: T = table.try_into()?;
    Ok(Arc::new(section))
}

/// The keys of all payment systems' sections, by protocol.
pub fn keys() -> impl Iterator<Item = (&'static str, &'static [Key])> {
    SYSTEMS.iter().map(|system| (system.protocol, system.keys))
}

/// A section `[gateways.<name>]`.
#[derive(Debug, Clone)]
pub struct Gateway(Arc<dyn Section>);

impl Deref for Gateway {
    type Target = dyn Section;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl<'de> Deserialize<'de> for Gateway {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Gateway, D::Error> {
        let mut table = Table::deserialize(deserializer)?;
        let protocol = match table.remove("protocol") {
            Some(Value::String(protocol)) => protocol,
            Some(_) => return Err(D::Error::custom("protocol: it is not a text")),
            None => return Err(D::Error::missing_field("protocol")),
        };
        let Some(system) = SYSTEMS.iter().find(|system| system.protocol == protocol) else {
            let known = SYSTEMS.iter().map(|system| system.protocol).collect::<Vec<_>>().join(", ");
            return Err(D::Error::custom(format!("protocol: {protocol:?} is not known, only {known}")));
        };
        (system.read)(table).map(Gateway).map_err(D::Error::custom)
    }
}

/// Checks what every payment system's section has: where its API and its payment pages are, and that no text is empty.
pub(super) fn check_common(section: &dyn Section) -> Result<(), String> {
    http_url("url", section.url())?;
    for host in section.payment_hosts() {
        let usable = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        if host.is_empty() || !host.bytes().all(usable) {
            return Err(format!(
                "payment_hosts: {host:?} is not the bare name of a host, such as pay.invoicebox.ru"
            ));
        }
    }
    let secrets = section.secrets();
    let texts = secrets.iter().map(|(key, secret)| (*key, secret.expose()));
    match texts.chain([("merchant_id", section.account())]).find(|(_, text)| text.trim().is_empty()) {
        Some((key, _)) => Err(format!("{key} is empty: the payment system's cabinet shows it")),
        None => Ok(()),
    }
}
