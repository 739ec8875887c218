//! The configuration sections `[gateways.<name>]`, and the registry entries of
//! the supported payment systems.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

use super::{CALL_SECONDS_MAX, Provider, SYSTEMS};
use crate::kernel::Secret;
use crate::kernel::setting::{Setting, http_url};
use crate::peer::ClientError;
use crate::webhooks::{NotificationChannel, Protocol, Verifier};

/// A configuration section, parsed by its payment system's adapter.
pub trait Section: Send + Sync + fmt::Debug {
    /// Checks the values. The error begins with the key that is missing or
    /// unusable.
    fn check(&self) -> Result<(), String>;

    /// The merchant's account id at the payment system.
    fn account(&self) -> &str;

    /// The base URL of the API.
    fn url(&self) -> &str;

    /// Hosts that may serve payment pages, in addition to the API's own host.
    fn payment_hosts(&self) -> Vec<String>;

    /// The secrets issued by the payment system, with the keys of the section
    /// that hold them.
    fn secrets(&self) -> Vec<(&'static str, &Secret)>;

    /// Creates the client of the payment system.
    fn provider(&self) -> Result<Arc<dyn Provider>, ClientError>;

    /// The verifier of its notifications.
    fn verifier(&self) -> Verifier;

    /// The protocol in which its notifications are read and answered.
    fn protocol(&self) -> Arc<dyn Protocol>;

    /// The channel over which notifications are fetched, for a receiver without
    /// a public address.
    fn channel(&self) -> Option<Channel> {
        None
    }
}

/// What is known about a payment system's sections before one is parsed.
pub trait Declared: Section + DeserializeOwned + 'static {
    /// The value of the key `protocol`.
    const PROTOCOL: &'static str;

    /// The settings of its sections, without `protocol`.
    const SETTINGS: &'static [Setting];

    /// The timeout of one call, in seconds.
    const CALL_SECONDS_MAX: u64;
}

/// The description of a setting `receipts`.
pub(super) const RECEIPTS: &str = "Who issues fiscal receipts: `own` or `true` (the shop's cash \
    register), `none` or `false`.";

/// The description of a setting `payment_mode`.
pub(super) const PAYMENT_MODE: &str = "How the receipt of a payment classifies the money: \
    `full_prepayment`, `prepayment`, `advance`, or `full_payment`, which needs no second receipt \
    at the shipment.";

/// A channel that we open to a payment system.
#[derive(Debug, Clone)]
pub struct Channel {
    /// The URL, with the credentials in it.
    pub url: Secret,
    /// Reads and answers the calls that arrive over it.
    pub calls: Arc<dyn NotificationChannel>,
}

/// An entry of the list of payment systems, `SYSTEMS`.
pub(super) struct System {
    protocol: &'static str,
    settings: &'static [Setting],
    read: fn(Table) -> Result<Arc<dyn Section>, toml::de::Error>,
}

impl System {
    pub(super) const fn of<T: Declared>() -> System {
        assert!(
            T::CALL_SECONDS_MAX <= CALL_SECONDS_MAX,
            "the call timeout is longer than a worker's lease allows for"
        );
        System { protocol: T::PROTOCOL, settings: T::SETTINGS, read: read::<T> }
    }
}

fn read<T: Declared>(table: Table) -> Result<Arc<dyn Section>, toml::de::Error> {
    let section: T = table.try_into()?;
    Ok(Arc::new(section))
}

/// The settings of all payment systems, by protocol.
pub fn settings() -> impl Iterator<Item = (&'static str, &'static [Setting])> {
    SYSTEMS.iter().map(|system| (system.protocol, system.settings))
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
            Some(_) => return Err(D::Error::custom("protocol: expected a string")),
            None => return Err(D::Error::missing_field("protocol")),
        };
        let Some(system) = SYSTEMS.iter().find(|system| system.protocol == protocol) else {
            let known = SYSTEMS.iter().map(|system| system.protocol).collect::<Vec<_>>().join(", ");
            return Err(D::Error::custom(format!(
                "protocol: unknown value {protocol:?}, expected one of: {known}"
            )));
        };
        (system.read)(table).map(Gateway).map_err(D::Error::custom)
    }
}

/// Checks what the sections of all payment systems have in common: the API's
/// URL, the hosts of the payment pages, and that `merchant_id` and the secrets
/// are not empty.
pub(super) fn check_common(section: &dyn Section) -> Result<(), String> {
    http_url("url", section.url())?;
    for host in section.payment_hosts() {
        let usable =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        if host.is_empty() || !host.bytes().all(usable) {
            return Err(format!(
                "payment_hosts: {host:?} is not a bare host name, such as pay.invoicebox.ru"
            ));
        }
    }
    let secrets = section.secrets();
    let texts = secrets.iter().map(|(key, secret)| (*key, secret.expose()));
    match texts.chain([("merchant_id", section.account())]).find(|(_, text)| text.trim().is_empty())
    {
        Some((key, _)) => Err(format!("{key} is empty: copy it from the payment system's cabinet")),
        None => Ok(()),
    }
}
