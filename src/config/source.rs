//! A section `[sources.<name>]`.

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
    /// Its protocol.
    pub protocol: SourceProtocol,
    /// Its token.
    token: Option<Secret>,
    /// The new and the old token, while they are exchanged.
    #[serde(default)]
    tokens: Vec<Secret>,
    /// How it proves itself, if not as its protocol has it.
    pub verify: Option<Verify>,
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
    /// What is missing of how it proves itself, or there and of no use. The error is for behind the name
    /// of the section.
    pub(super) fn check_proof(&self) -> Result<(), String> {
        let has_own = self.protocol.verifier.is_some();
        if self.verify.is_none() && !has_own {
            return Err(
                ".verify is missing: its protocol does not say how its senders prove themselves, so name a way; see docs/adding-a-sender.md".into(),
            );
        }
        let takes_token = self.verify.as_ref().is_none_or(|verify| verify.by == Way::Token);
        match (takes_token, self.tokens().is_empty()) {
            (true, true) => {
                return Err(": no token. Make one with \"openssl rand -hex 24\", write it here as token = \
                            \"…\", and give it to the marketplace"
                    .into());
            }
            (false, false) => return Err(".token is of no use: [verify] names another way".into()),
            (true, false) | (false, true) => {}
        }
        self.verify.as_ref().map_or(Ok(()), |verify| verify.check().map_err(|why| format!(".verify.{why}")))
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
