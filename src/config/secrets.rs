//! The requirements for secrets in the configuration.
//!
//! Secrets that the operator chooses must be hard to guess. Secrets that a
//! payment system, a marketplace or Telegram has issued cannot be chosen, so a
//! weak one is only a warning. No secret may have two roles: a leak in one
//! would be a leak in both.

use std::collections::BTreeSet;

use super::{Settings, Shop, Source};
use crate::gateway::Gateway;
use crate::kernel::Secret;
use crate::kernel::secret::{TOKEN_BYTES_MIN, webhook_key};
use crate::webhooks::verify::Way;
use tillgate_lab::sandbox;

/// How many different bytes a secret needs that the operator chooses.
const DIFFERENT_BYTES_MIN: usize = 8;

/// Secrets with fewer bytes produce a warning.
const ADVISED_BYTES_MIN: usize = 32;

/// The shortest key for the signatures of callbacks, in bytes, as Standard
/// Webhooks requires.
const CALLBACK_KEY_BYTES_MIN: usize = 24;

/// Who created a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The operator. It gives access to this gateway, or signs what this
    /// gateway sends.
    Chosen,
    /// A peer. It decides whether several sections may have the same one.
    Issued,
}

/// A secret, and its place in the configuration.
struct Held<'a> {
    section: String,
    key: &'static str,
    origin: Origin,
    /// Whether it signs by Standard Webhooks.
    is_webhook_key: bool,
    secret: &'a Secret,
}

impl Held<'_> {
    fn place(&self) -> String {
        if self.section.is_empty() {
            self.key.to_owned()
        } else {
            format!("{}.{}", self.section, self.key)
        }
    }

    /// Whether both places may have the same secret.
    fn may_equal(&self, other: &Held<'_>) -> bool {
        // A payment system may issue one token for two accounts; a
        // marketplace's token is never also a payment system's.
        let table = |held: &Held<'_>| held.section.split('.').next().map(str::to_owned);
        let is_issued = self.origin == Origin::Issued
            && other.origin == Origin::Issued
            && (table(self), self.key) == (table(other), other.key);
        // The same token twice in one section.
        let is_repeated = self.section == other.section && self.key == other.key;
        is_issued || is_repeated
    }
}

fn all(settings: &Settings) -> Vec<Held<'_>> {
    let mut all = Vec::new();
    let mut add = |section: String, key, origin, secret| {
        let is_webhook_key = key == "callback_secret";
        all.push(Held { section, key, origin, is_webhook_key, secret });
    };
    if let Some(secret) = &settings.admin_token {
        add(String::new(), "admin_token", Origin::Chosen, secret);
    }
    for (name, source) in &settings.sources {
        for secret in source.tokens() {
            add(format!("sources.{name}"), "token", Origin::Chosen, secret);
        }
        if let Some(outgoing) = &source.outgoing {
            let section = || format!("sources.{name}.outgoing");
            outgoing
                .token
                .iter()
                .for_each(|secret| add(section(), "token", Origin::Issued, secret));
            let client_secret = outgoing.client_secret.iter();
            client_secret
                .for_each(|secret| add(section(), "client_secret", Origin::Issued, secret));
        }
    }
    for (name, source) in &settings.sources {
        let Some(verify) = &source.verify else { continue };
        let is_webhook_key = verify.by == Way::StandardWebhooks;
        let section = || format!("sources.{name}.verify");
        all.extend(verify.secrets().map(|(key, secret)| Held {
            section: section(),
            key,
            origin: Origin::Chosen,
            is_webhook_key,
            secret,
        }));
    }
    let mut add = |section: String, key, origin, secret| {
        let is_webhook_key = key == "callback_secret";
        all.push(Held { section, key, origin, is_webhook_key, secret });
    };
    for (name, gateway) in &settings.gateways {
        for (key, secret) in gateway.secrets() {
            add(format!("gateways.{name}"), key, Origin::Issued, secret);
        }
    }
    for (name, merchant) in &settings.merchants {
        let section = || format!("merchants.{name}");
        merchant
            .api_keys()
            .into_iter()
            .for_each(|secret| add(section(), "api_key", Origin::Chosen, secret));
        let callback_secret = merchant.callback_secret.iter();
        callback_secret
            .for_each(|secret| add(section(), "callback_secret", Origin::Chosen, secret));
    }
    if let Some(telegram) = &settings.notify.telegram {
        add("notify.telegram".into(), "token", Origin::Issued, &telegram.token);
    }
    let keys = settings.shop.iter().flat_map(Shop::keys);
    keys.for_each(|key| add("shop".into(), "key", Origin::Chosen, key));
    let mail = settings.shop.iter().filter_map(|shop| shop.mail.as_ref()?.password.as_ref());
    mail.for_each(|password| add("shop.mail".into(), "password", Origin::Issued, password));
    let sms = settings.shop.iter().filter_map(|shop| shop.sms.as_ref());
    sms.for_each(|sms| add("shop.sms".into(), "token", Origin::Issued, &sms.token));
    all
}

/// Returns an error for what keeps the gateway from starting.
pub fn check(settings: &Settings) -> Result<(), String> {
    let all = all(settings);
    for held in all.iter().filter(|held| held.origin == Origin::Chosen) {
        strong(held)?;
    }
    for (place, held) in all.iter().enumerate() {
        let other =
            all[..place].iter().find(|other| other.secret == held.secret && !held.may_equal(other));
        if let Some(other) = other {
            return Err(format!(
                "{} and {} are the same secret: anyone who learns one has both. Use a different \
                 one for each",
                other.place(),
                held.place()
            ));
        }
    }
    for (name, gateway) in &settings.gateways {
        not_published(name, gateway)?;
    }
    Ok(())
}

impl Settings {
    /// Weak points of the configuration that do not keep the gateway from
    /// starting.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let weak = all(self);
        let weak = weak.iter().filter_map(weakness);
        weak.chain(self.sources.iter().filter_map(|(name, source)| unproved(name, source)))
            .collect()
    }
}

/// A warning about a source that proves itself only by its address.
fn unproved(name: &str, source: &Source) -> Option<String> {
    let verify = source.verify.as_ref().filter(|verify| verify.by == Way::Networks)?;
    Some(format!(
        "sources.{name}: its hooks are accepted by their address alone ({verify}); anyone who can \
         send from there can create and cancel orders"
    ))
}

fn weakness(held: &Held<'_>) -> Option<String> {
    let (place, bytes) = (held.place(), held.secret.expose().len());
    match held.origin {
        Origin::Chosen if bytes < ADVISED_BYTES_MIN => Some(format!(
            "{place} has {bytes} characters, at least {ADVISED_BYTES_MIN} are advised: make a new \
             one with \"openssl rand -hex 24\""
        )),
        Origin::Issued
            if bytes < TOKEN_BYTES_MIN
                || different(held.secret.expose().as_bytes()) < DIFFERENT_BYTES_MIN =>
        {
            Some(format!(
                "{place} is easy to guess ({bytes} characters): ask its issuer for a longer one"
            ))
        }
        Origin::Chosen | Origin::Issued => None,
    }
}

/// The number of different bytes.
fn different(secret: &[u8]) -> usize {
    secret.iter().collect::<BTreeSet<_>>().len()
}

fn strong(held: &Held<'_>) -> Result<(), String> {
    let place = held.place();
    if held.is_webhook_key {
        return match webhook_key(held.secret) {
            Some(key)
                if key.len() >= CALLBACK_KEY_BYTES_MIN
                    && different(&key) >= DIFFERENT_BYTES_MIN =>
            {
                Ok(())
            }
            Some(_) | None => Err(format!(
                "{place}: whsec_ and at least {CALLBACK_KEY_BYTES_MIN} random bytes in base64. \
                 Make one with: echo whsec_$(openssl rand -base64 24)"
            )),
        };
    }
    let token = held.secret.expose();
    if token.len() < TOKEN_BYTES_MIN {
        return Err(format!(
            "{place}: {} characters are too few, at least {TOKEN_BYTES_MIN} are needed. Make one \
             with \"openssl rand -hex 24\"",
            token.chars().count()
        ));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "{place}: a token travels in a header: use visible ASCII characters, no spaces"
        ));
    }
    let kinds = different(token.as_bytes());
    if kinds < DIFFERENT_BYTES_MIN {
        return Err(format!(
            "{place}: it has only {kinds} different characters, at least {DIFFERENT_BYTES_MIN} \
             are needed. Make one with \"openssl rand -hex 24\""
        ));
    }
    Ok(())
}

/// Rejects the sandbox's secrets for a real payment system: they are published.
fn not_published(name: &str, gateway: &Gateway) -> Result<(), String> {
    let is_published = |secret: &Secret| sandbox::PUBLISHED.contains(&secret.expose());
    let published = gateway.secrets().into_iter().find(|(_, secret)| is_published(secret));
    match published {
        Some((key, _)) if !is_loopback(gateway.url()) => Err(format!(
            "gateways.{name}.{key}: this one is the sandbox's, which is public, and {} is not on \
             this machine. Use the one from your account at the payment system",
            gateway.url()
        )),
        Some(_) | None => Ok(()),
    }
}

/// Whether an address leads to this machine and nowhere else.
fn is_loopback(url: &str) -> bool {
    let url: Option<http::Uri> = url.parse().ok();
    let host = url.as_ref().and_then(|url| url.host()).map(|host| host.trim_matches(['[', ']']));
    host.is_some_and(|host| {
        host == "localhost"
            || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The warnings or the error for a configuration.
    fn said(settings: &str) -> String {
        let parsed =
            crate::config::parse(std::path::Path::new("test.toml"), settings, std::iter::empty());
        match parsed {
            Ok(settings) => settings.warnings().join("; "),
            Err(why) => format!("refused: {why}"),
        }
    }

    const GOOD: &str = "9fb2c1d0e7a84635b1c2d3e4f5a60718";

    #[test]
    fn what_the_operator_chooses_must_be_hard_to_guess() {
        for (token, expected) in [
            (GOOD, ""),
            ("0123456789abcdef", "at least 32 are advised"),
            ("0123456789abcde", "refused: test.toml: admin_token: 15 characters are too few"),
            (
                "aaaaaaaabbbbbbbbccccccccdddddddd",
                "refused: test.toml: admin_token: it has only 4 different",
            ),
        ] {
            let said = said(&format!("admin_token = \"{token}\""));
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{token}: {said}"
            );
        }
    }

    #[test]
    fn what_others_issue_is_warned_about() {
        let gateway = |token: &str, key: &str| {
            said(&format!(
                "[gateways.bank]\nprotocol = \"invoicebox\"\ntoken = \"{token}\"\nmerchant_id = \
                 \"m\"\nsigning_key = \"{key}\""
            ))
        };
        assert_eq!(gateway(GOOD, "another key of the bank's"), "");
        assert!(gateway(GOOD, "k").contains("gateways.bank.signing_key is easy to guess"));
    }

    #[test]
    fn a_secret_has_one_role() {
        let source = |name: &str, token: &str| {
            format!("[sources.{name}]\nprotocol = \"sm\"\ntoken = \"{token}\"\n")
        };
        let both = said(&format!("admin_token = \"{GOOD}\"\n{}", source("sm", GOOD)));
        assert!(
            both.contains(
                "refused: test.toml: admin_token and sources.sm.token are the same secret"
            ),
            "{both}"
        );
        let both = said(&(source("sm", GOOD) + &source("other", GOOD)));
        assert!(both.contains("sources.other.token and sources.sm.token"), "{both}");
        let bank = |name: &str| {
            format!(
                "[gateways.{name}]\nprotocol = \"yookassa\"\ntoken = \"{GOOD}\"\nmerchant_id = \
                 \"m\"\n"
            )
        };
        assert_eq!(
            said(&(bank("one") + &bank("two"))),
            "",
            "a payment system may issue one for two accounts"
        );
        let outgoing =
            format!("[sources.sm.outgoing]\nurl = \"https://sm.example\"\ntoken = \"{GOOD}\"\n");
        let both =
            said(&(bank("one") + &source("sm", "another-token-of-the-marketplace") + &outgoing));
        assert!(both.contains("sources.sm.outgoing.token and gateways.one.token"), "{both}");
    }

    #[test]
    fn the_sandboxs_secrets_open_nothing_elsewhere() {
        for published in sandbox::PUBLISHED {
            let gateway = |url: &str| {
                said(&format!(
                    "[gateways.bank]\nprotocol = \"invoicebox\"\nurl = \"{url}\"\ntoken = \
                     \"{published}\"\nmerchant_id = \
                     \"m\"\nsigning_key = \"another key of the bank's\""
                ))
            };
            for here in ["http://127.0.0.1:9000", "http://localhost:9000/x", "http://[::1]:9000"] {
                assert!(!gateway(here).contains("refused"), "{here}");
            }
            for there in [
                "https://api.invoicebox.ru",
                "http://127.0.0.1.example.com",
                "http://localhost.example",
            ] {
                assert!(gateway(there).contains("this one is the sandbox's"), "{there}");
            }
        }
    }
}
