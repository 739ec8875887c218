//! The section `[shop]`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::tz::TimeZone;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{Mail, ServiceName, Services, Sms, StoreUrl, listen_address};
use crate::kernel::Secret;
use crate::kernel::setting::http_url;
use crate::payments::VatCode;
use crate::texts::Language;

/// Which service calls which other one.
const CALLS: [(ServiceName, ServiceName); 25] = [
    (ServiceName::Front, ServiceName::Auth),
    (ServiceName::Front, ServiceName::Billing),
    (ServiceName::Front, ServiceName::Delivery),
    (ServiceName::Front, ServiceName::Menu),
    (ServiceName::Front, ServiceName::Notification),
    (ServiceName::Front, ServiceName::Order),
    (ServiceName::Front, ServiceName::Payment),
    (ServiceName::Front, ServiceName::Store),
    (ServiceName::Delivery, ServiceName::Auth),
    (ServiceName::Delivery, ServiceName::Order),
    (ServiceName::Store, ServiceName::Auth),
    (ServiceName::Store, ServiceName::Menu),
    (ServiceName::Store, ServiceName::Order),
    (ServiceName::Order, ServiceName::Auth),
    (ServiceName::Order, ServiceName::Menu),
    (ServiceName::Order, ServiceName::Delivery),
    (ServiceName::Payment, ServiceName::Auth),
    (ServiceName::Payment, ServiceName::Billing),
    (ServiceName::Payment, ServiceName::Delivery),
    (ServiceName::Payment, ServiceName::Gateway),
    (ServiceName::Payment, ServiceName::Menu),
    (ServiceName::Payment, ServiceName::Order),
    (ServiceName::Payment, ServiceName::Store),
    (ServiceName::Billing, ServiceName::Auth),
    (ServiceName::Notification, ServiceName::Auth),
];

/// The services that write to each other.
const WRITERS: [ServiceName; 8] = [
    ServiceName::Auth,
    ServiceName::Billing,
    ServiceName::Notification,
    ServiceName::Order,
    ServiceName::Store,
    ServiceName::Delivery,
    ServiceName::Payment,
    ServiceName::Orchestra,
];

/// The online shop.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shop {
    /// The name of the shop, on its pages.
    #[serde(default)]
    pub name: String,
    /// The key that clients' data is sealed with.
    pub key: Option<Secret>,
    /// The same after it was replaced: the new key, and the old ones.
    #[serde(default)]
    pub keys: Vec<Secret>,
    /// The address of the buyers' pages.
    pub public_url: Option<String>,
    /// The language of pages, for browsers that ask for no other.
    #[serde(default)]
    pub language: Language,
    /// The zone of the times on pages.
    #[serde(default = "moscow", deserialize_with = "zone")]
    pub time_zone: TimeZone,
    /// The address to listen on, if it is not the gateway's.
    #[serde(default, deserialize_with = "listen")]
    pub listen: Option<SocketAddr>,
    /// How long goods are held for a client who is about to pay, in minutes.
    #[serde(default = "hold_minutes_default")]
    pub hold_minutes: u32,
    /// The section `[merchants.*]` by which it takes money. Without it only
    /// wallets pay.
    pub merchant: Option<String>,
    /// How long a buyer has to pay, in minutes.
    #[serde(default = "pay_minutes_default")]
    pub pay_minutes: u32,
    /// How long held money waits for the client to confirm the order, in
    /// minutes.
    #[serde(default = "confirm_minutes_default")]
    pub confirm_minutes: u32,
    /// The rate of value added tax of products whose feed names none, and of
    /// the delivery.
    #[serde(default = "vat_default")]
    pub vat: VatCode,
    /// The most orders of a client that are not paid, beside the basket. Each
    /// may hold goods.
    #[serde(default = "unpaid_orders_max_default")]
    pub unpaid_orders_max: u32,
    /// The addresses of services in other processes, by name.
    #[serde(default)]
    pub service_urls: BTreeMap<String, String>,
    /// The address of the catalogue that `tillgate shop import` reads.
    pub feed: Option<String>,
    /// The mail server for letters to clients.
    pub mail: Option<Mail>,
    /// The provider of short messages to clients.
    pub sms: Option<Sms>,
}

fn zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimeZone, D::Error> {
    super::source::zone(deserializer).map(|zone| zone.unwrap_or(TimeZone::UTC))
}

fn moscow() -> TimeZone {
    // The build includes the zones.
    TimeZone::get("Europe/Moscow").unwrap_or(TimeZone::UTC)
}

const fn hold_minutes_default() -> u32 {
    15
}

const fn pay_minutes_default() -> u32 {
    20
}

const fn confirm_minutes_default() -> u32 {
    15
}

const fn vat_default() -> VatCode {
    VatCode::None
}

/// The longest that a payment, or held money, may take, in minutes.
const PAY_MINUTES_MAX: u32 = 60;

const fn unpaid_orders_max_default() -> u32 {
    20
}

/// The longest that goods may be held for a client, in minutes.
const HOLD_MINUTES_MAX: u32 = 120;

fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let address =
        listen_address(&text).map_err(|why| D::Error::custom(format!("listen: {why}")))?;
    Ok(Some(address))
}

/// How many bytes a key has.
const KEY_BYTES: usize = 32;

impl Shop {
    /// Checks the section. The error continues its name.
    pub(super) fn check(&self) -> Result<(), String> {
        if cfg!(not(feature = "shop")) {
            return Err(": this tillgate was built without the shop. Install a package that has \
                        it, or build with --features shop"
                .into());
        }
        if let Some(url) = &self.public_url {
            http_url(".public_url", url)?;
        }
        self.check_minutes()?;
        if self.unpaid_orders_max == 0 {
            return Err(".unpaid_orders_max: must be at least 1, or nobody can order".into());
        }
        if let Some(url) = &self.feed {
            http_url(".feed", url)?;
        }
        for (service, url) in &self.service_urls {
            if CALLS.iter().all(|(_, called)| called.as_str() != service) {
                let called: BTreeSet<&str> =
                    CALLS.iter().map(|(_, called)| called.as_str()).collect();
                return Err(format!(
                    ".service_urls.{service}: no service calls it; the services that are called: \
                     {}",
                    called.into_iter().collect::<Vec<_>>().join(", ")
                ));
            }
            http_url(&format!(".service_urls.{service}"), url)?;
        }
        if let Some(sms) = &self.sms {
            http_url(".sms.url", &sms.url)?;
        }
        if let Some(mail) = &self.mail {
            mail.check().map_err(|why| format!(".mail{why}"))?;
        }
        match (&self.key, &self.keys[..]) {
            (None, []) => {
                return Err(".key is missing: a key of 32 bytes in base64, such as `openssl rand \
                            -base64 32` prints"
                    .into());
            }
            (Some(_), [_, ..]) => {
                return Err(": set key or keys, not both: the first of keys is the new one".into());
            }
            (Some(_), []) | (None, [_, ..]) => {}
        }
        if self.keys().any(|key| bytes_of(key).is_none()) {
            return Err(
                ".key: must be 32 bytes in base64, such as `openssl rand -base64 32` prints".into(),
            );
        }
        Ok(())
    }

    fn check_minutes(&self) -> Result<(), String> {
        for (name, minutes, most) in [
            ("hold_minutes", self.hold_minutes, HOLD_MINUTES_MAX),
            ("pay_minutes", self.pay_minutes, PAY_MINUTES_MAX),
            ("confirm_minutes", self.confirm_minutes, PAY_MINUTES_MAX),
        ] {
            if !(1..=most).contains(&minutes) {
                return Err(format!(".{name}: must be from 1 to {most}"));
            }
        }
        Ok(())
    }

    /// Checks whether services can run without the others.
    pub(super) fn check_services(
        &self,
        services: &Services,
        store: &StoreUrl,
    ) -> Result<(), String> {
        let has = |service| services.run(service);
        for (caller, called) in CALLS {
            let name = called.as_str();
            // Wallets need no gateway.
            if called == ServiceName::Gateway && self.merchant.is_none() {
                continue;
            }
            if has(caller) && !has(called) && !self.service_urls.contains_key(name) {
                return Err(format!(
                    "{caller} calls {called}: run it here too, or set shop.service_urls.{name}"
                ));
            }
        }
        if has(ServiceName::Notification) && !has(ServiceName::Front) && self.public_url.is_none() {
            return Err("letters have links to the pages, which run elsewhere: set \
                        shop.public_url"
                .into());
        }
        // They write to each other through the store.
        let is_split = WRITERS.map(has).windows(2).any(|pair| pair[0] != pair[1]);
        if is_split && !matches!(store, StoreUrl::Postgres(_)) {
            let names = WRITERS.map(ServiceName::as_str).join(", ");
            return Err(format!(
                "{names} write to each other through the store, and {store} is for one process: \
                 run all of them here, or use PostgreSQL"
            ));
        }
        Ok(())
    }

    /// The keys, the current one first.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Secret> {
        self.key.iter().chain(&self.keys)
    }

    /// The bytes of the keys, the current one first.
    #[must_use]
    pub fn key_bytes(&self) -> Vec<[u8; KEY_BYTES]> {
        self.keys().filter_map(bytes_of).collect()
    }
}

fn bytes_of(key: &Secret) -> Option<[u8; KEY_BYTES]> {
    BASE64.decode(key.expose().trim()).ok()?.try_into().ok()
}
