//! A section `[sources.<name>]`.

use std::num::NonZeroU32;

use jiff::tz::TimeZone;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::dedup::retention::RETENTION_DAYS_DEFAULT;
use crate::kernel::Secret;
use crate::kernel::setting::http_url;
use crate::marketplace::Access;
use crate::payments::VatCode;
use crate::webhooks::SourceProtocol;
use crate::webhooks::verify::{Verify, Way};

/// A source of orders.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub protocol: SourceProtocol,
    token: Option<Secret>,
    /// The new and the old token, while the token is being replaced.
    #[serde(default)]
    tokens: Vec<Secret>,
    /// How it proves itself, if not in the way of its protocol.
    pub verify: Option<Verify>,
    /// Who takes the money for its orders.
    #[serde(default)]
    pub payment: Payment,
    /// The payment system of its payment links. It may be omitted when there is
    /// only one.
    pub gateway: Option<String>,
    /// The VAT rate of its goods on payment links: the marketplace does not
    /// send it.
    #[serde(default = "vat_default")]
    pub vat: VatCode,
    /// The VAT rate of a delivery that is paid with its goods; by default that
    /// of the goods.
    pub delivery_vat: Option<VatCode>,
    /// The time zone of its times without an offset: `Europe/Moscow`, or
    /// `+03:00`.
    #[serde(default, deserialize_with = "zone")]
    pub time_zone: Option<TimeZone>,
    /// For how many days its raw hooks are kept.
    #[serde(default = "retention_default")]
    pub retention_days: u32,
    /// From how many megabytes of hooks on a day an operator is alarmed.
    #[serde(default = "megabytes_default")]
    pub megabytes_per_day_max: NonZeroU32,
    /// Whether what its open orders want is taken from what the shop may sell.
    #[serde(default)]
    pub holds_stock: bool,
    /// Where its fulfilment updates go.
    pub outgoing: Option<Outgoing>,
}

/// Seven million hooks of the usual size.
fn megabytes_default() -> NonZeroU32 {
    const { NonZeroU32::new(10_000).unwrap() } // evaluated by the compiler: not zero
}

/// How we call a marketplace: where fulfilment updates go, and the credentials,
/// which are either a token, or a client id and secret that are exchanged for a
/// token.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outgoing {
    /// The address of its fulfilment updates.
    pub url: String,
    /// The address of its list of orders, which is searched for lost hooks.
    pub shipments_url: Option<String>,
    /// The fixed token.
    pub token: Option<Secret>,
    /// The address that issues tokens.
    pub token_url: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
}

impl Outgoing {
    /// The credentials; the error says what is missing.
    pub fn access(&self) -> Result<Access, String> {
        match (&self.token, &self.token_url, &self.client_id, &self.client_secret) {
            (Some(token), None, None, None) => Ok(Access::Token(token.clone())),
            (None, Some(url), Some(id), Some(secret)) => {
                http_url("token_url", url)?;
                Ok(Access::Client { url: url.clone(), id: id.clone(), secret: secret.clone() })
            }
            (_, _, _, _) => {
                Err("give either token, or token_url, client_id and client_secret".into())
            }
        }
    }
}

/// Who takes the money for a source's orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payment {
    /// The marketplace.
    #[default]
    Marketplace,
    /// Tillgate: each order gets a payment link.
    Link,
}

impl Source {
    /// Checks the settings that prove a sender: whether one is missing, or has
    /// no effect. The error continues the section's name.
    pub(super) fn check_proof(&self) -> Result<(), String> {
        let has_own = self.protocol.verifier.is_some();
        if self.verify.is_none() && !has_own {
            return Err(
                ".verify is missing: its protocol does not define how senders prove themselves, \
                 so choose a method; see docs/adding-a-sender.md"
                    .into(),
            );
        }
        let takes_token = self.verify.as_ref().is_none_or(|verify| verify.by == Way::Token);
        match (takes_token, self.tokens().is_empty()) {
            (true, true) => {
                return Err(
                    ": no token. Make one with \"openssl rand -hex 24\", write it here as token = \
                            \"…\", and give it to the marketplace"
                        .into(),
                );
            }
            (false, false) => {
                return Err(".token has no effect: [verify] names another method".into());
            }
            (true, false) | (false, true) => {}
        }
        self.verify
            .as_ref()
            .map_or(Ok(()), |verify| verify.check().map_err(|why| format!(".verify.{why}")))
    }

    /// The tokens that are valid now.
    #[must_use]
    pub fn tokens(&self) -> Vec<&Secret> {
        self.token.iter().chain(&self.tokens).collect()
    }
}

fn retention_default() -> u32 {
    RETENTION_DAYS_DEFAULT
}

pub(super) fn zone<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<TimeZone>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let found = jiff::fmt::temporal::DateTimeParser::new().parse_time_zone(&name);
    found.map(Some).map_err(|_| {
        D::Error::custom(format!(
            "time_zone: {name:?} is neither a zone such as Europe/Moscow nor an offset such as \
             +03:00"
        ))
    })
}

fn vat_default() -> VatCode {
    VatCode::None
}
