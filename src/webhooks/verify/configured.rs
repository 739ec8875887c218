//! The section `[sources.<name>.verify]`: how a sender authenticates. It is
//! needed where the protocol does not define that, and overrides it where it
//! does.

use std::fmt;

use http::HeaderName;
use serde::{Deserialize, Deserializer};

use super::{Basic, Encoding, Networks, SignedBody, StandardWebhooks, TokenHeader, Verifier};
use crate::kernel::secret::webhook_key;
use crate::kernel::signature::Algorithm;
use crate::kernel::{Secret, Tokens};

/// The values of the section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// The method of authentication.
    pub by: Way,
    /// The header that carries the token or the signature.
    #[serde(default, deserialize_with = "header_name")]
    header: Option<HeaderName>,
    /// The key of the signature.
    key: Option<Secret>,
    /// The new and the old key, during a rotation.
    #[serde(default)]
    keys: Vec<Secret>,
    /// The hash algorithm of the signature.
    algorithm: Option<Algorithm>,
    /// The encoding of the signature.
    encoding: Option<Encoding>,
    /// The text before the signature, such as `sha256=`.
    prefix: Option<String>,
    user: Option<String>,
    password: Option<Secret>,
    /// The new and the old password, during a rotation.
    #[serde(default)]
    passwords: Vec<Secret>,
    /// The networks that the sender sends from.
    networks: Option<Networks>,
}

/// The methods of authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The source's token, in a header.
    Token,
    /// An HMAC over the body, in a header.
    Hmac,
    /// Standard Webhooks.
    StandardWebhooks,
    /// A user and a password, by HTTP Basic.
    Basic,
    /// The sender's address, and nothing else.
    Networks,
}

impl Way {
    /// The keys of the section that the method takes, in addition to `by`.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Way::Token => &["header"],
            Way::Hmac => &["header", "key", "algorithm", "encoding", "prefix"],
            Way::StandardWebhooks => &["key"],
            Way::Basic => &["user", "password"],
            Way::Networks => &["networks"],
        }
    }
}

fn header_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HeaderName>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let name = HeaderName::from_bytes(text.trim().as_bytes());
    name.map(Some)
        .map_err(|_| serde::de::Error::custom(format!("{text:?} is not a valid header name")))
}

impl fmt::Display for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.by, &self.networks) {
            (Way::Networks, Some(networks)) => networks.fmt(f),
            (Way::Token, _) => f.write_str("token"),
            (Way::Hmac, _) => f.write_str("hmac"),
            (Way::StandardWebhooks, _) => f.write_str("standard_webhooks"),
            (Way::Basic, _) => f.write_str("basic"),
            (Way::Networks, None) => f.write_str("networks"),
        }
    }
}

impl Verify {
    /// Checks that the section has the keys that its method needs, and no
    /// others. The error begins with the key.
    pub fn check(&self) -> Result<(), String> {
        let given = [
            ("header", self.header.is_some()),
            ("key", self.signing_keys().next().is_some()),
            ("algorithm", self.algorithm.is_some()),
            ("encoding", self.encoding.is_some()),
            ("prefix", self.prefix.is_some()),
            ("user", self.user.is_some()),
            ("password", self.valid_passwords().next().is_some()),
            ("networks", self.networks.is_some()),
        ];
        let taken = self.by.keys();
        if let Some((key, _)) =
            given.iter().find(|(key, is_given)| *is_given && !taken.contains(key))
        {
            return Err(format!(
                "{key}: not used with this value of `by`, which takes {}",
                taken.join(", ")
            ));
        }
        let optional = ["algorithm", "encoding", "prefix"];
        let lacks = |key: &&str| !optional.contains(key) && given.contains(&(*key, false));
        if self.user.as_ref().is_some_and(|user| user.is_empty() || user.contains(':')) {
            return Err(
                "user: must not be empty or contain a colon, which ends the user name".into()
            );
        }
        if self.networks.as_ref().is_some_and(Networks::is_none_or_all) {
            return Err(
                "networks: list the networks that the sender uses, not all addresses".into()
            );
        }
        match taken.iter().copied().find(lacks) {
            Some(key) => Err(format!("{key} is missing")),
            None => self.verifier(|| Tokens::new([], [0; 32]), [0; 32]).map(drop),
        }
    }

    /// The secrets of the section, with their keys.
    pub fn secrets(&self) -> impl Iterator<Item = (&'static str, &Secret)> {
        let keys = self.signing_keys().map(|key| ("key", key));
        keys.chain(self.valid_passwords().map(|password| ("password", password)))
    }

    fn signing_keys(&self) -> impl Iterator<Item = &Secret> {
        self.key.iter().chain(&self.keys)
    }

    fn valid_passwords(&self) -> impl Iterator<Item = &Secret> {
        self.password.iter().chain(&self.passwords)
    }

    /// Creates the verifier. `tokens` are those of the source. `process_key` is
    /// this process's random key for comparing secrets: see [`Tokens::new`].
    pub fn verifier(
        &self,
        tokens: impl FnOnce() -> Tokens,
        process_key: [u8; 32],
    ) -> Result<Verifier, String> {
        let missing = |key: &str| format!("{key} is missing");
        let header = || self.header.clone().ok_or_else(|| missing("header"));
        Ok(match self.by {
            Way::Token => Verifier::Token(TokenHeader { header: header()?, tokens: tokens() }),
            Way::Hmac => Verifier::SignedBody(SignedBody {
                header: header()?,
                keys: self.signing_keys().cloned().collect(),
                algorithm: self.algorithm.unwrap_or(Algorithm::Sha256),
                encoding: self.encoding.unwrap_or_default(),
                prefix: self.prefix.clone().unwrap_or_default(),
            }),
            Way::StandardWebhooks => {
                let keys = self.signing_keys().map(webhook_key).collect::<Option<_>>();
                let keys = keys.ok_or("key: expected whsec_ followed by base64")?;
                Verifier::Standard(StandardWebhooks { keys })
            }
            Way::Basic => {
                let user = self.user.as_deref().ok_or_else(|| missing("user"))?;
                Verifier::Basic(Basic::new(user, self.valid_passwords(), process_key))
            }
            Way::Networks => {
                let networks = self.networks.clone().ok_or_else(|| missing("networks"))?;
                Verifier::Networks(networks)
            }
        })
    }
}
