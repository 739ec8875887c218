//! A section `[gateways.<name>]` with `protocol = "invoicebox"`.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::client::{ANSWER_BYTES_MAX, CALL_SECONDS_MAX, Invoicebox, Setup, Version};
use super::notices;
use crate::gateway::section::{Channel, Declared, check_common};
use crate::gateway::{Provider, section};
use crate::kernel::Secret;
use crate::kernel::setting::{Holds, Key};
use crate::kernel::signature::Algorithm;
use crate::payments::{PaymentMode, Receipts};
use crate::peer::{Client, ClientError};
use crate::webhooks::{Protocol, Verifier};

/// What it says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Where the API is, if not where Invoicebox has it.
    #[serde(default = "url_default")]
    url: String,
    /// The version of the API.
    #[serde(default)]
    version: Version,
    /// What opens the API.
    token: Secret,
    /// The shop there.
    merchant_id: String,
    /// What notifications are signed with.
    signing_key: Secret,
    /// The hash in the signature.
    #[serde(default)]
    signing_algorithm: Algorithm,
    /// Where a payment page may be, besides the host of `url`.
    #[serde(default = "payment_hosts_default")]
    payment_hosts: Vec<String>,
    /// Where notifications are fetched by a WebSocket, by a shop that has no public address.
    channel_url: Option<Secret>,
    /// Who makes the fiscal receipts.
    #[serde(default)]
    receipts: Receipts,
    /// What the money is on its receipt.
    #[serde(default)]
    payment_mode: PaymentMode,
}

fn url_default() -> String {
    "https://api.invoicebox.ru".into()
}

fn payment_hosts_default() -> Vec<String> {
    vec!["pay.invoicebox.ru".into()]
}

impl Declared for Section {
    const PROTOCOL: &'static str = "invoicebox";
    const CALL_SECONDS_MAX: u64 = CALL_SECONDS_MAX;
    const KEYS: &'static [Key] = &[
        ("url", Holds::Text),
        ("version", Holds::Text),
        ("token", Holds::Secret),
        ("merchant_id", Holds::Text),
        ("signing_key", Holds::Secret),
        ("signing_algorithm", Holds::Text),
        ("payment_hosts", Holds::List),
        ("channel_url", Holds::Secret),
        ("receipts", Holds::SwitchOrText),
        ("payment_mode", Holds::Text),
    ];
}

impl section::Section for Section {
    fn check(&self) -> Result<(), String> {
        check_common(self)?;
        let channel_url = self.channel_url.as_ref().map(Secret::expose);
        if channel_url.is_some_and(|url| !url.starts_with("wss://") && !url.starts_with("ws://127.0.0.1:")) {
            return Err("channel_url: not an address such as wss://ws-gate.invoicebox.ru/v3/gate/rpc".into());
        }
        Ok(())
    }

    fn account(&self) -> &str {
        &self.merchant_id
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn payment_hosts(&self) -> Vec<String> {
        self.payment_hosts.clone()
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        vec![("token", &self.token), ("signing_key", &self.signing_key)]
    }

    fn provider(&self) -> Result<Arc<dyn Provider>, ClientError> {
        let client = Client::new(Duration::from_secs(CALL_SECONDS_MAX), ANSWER_BYTES_MAX)?;
        let setup = Setup {
            url: self.url.clone(),
            version: self.version,
            token: self.token.clone(),
            merchant_id: self.merchant_id.clone(),
            payment_hosts: self.payment_hosts.clone(),
            receipts: self.receipts,
            payment_mode: self.payment_mode,
        };
        Ok(Arc::new(Invoicebox::new(client, setup)))
    }

    fn verifier(&self) -> Verifier {
        notices::verifier(self.signing_key.clone(), self.signing_algorithm)
    }

    fn protocol(&self) -> Arc<dyn Protocol> {
        Arc::new(notices::Invoicebox)
    }

    fn channel(&self) -> Option<Channel> {
        let url = self.channel_url.as_ref()?;
        let url = Secret::new(format!("{}?token={}", url.expose(), self.token.expose()));
        Some(Channel { url, calls: Arc::new(notices::rpc::JsonRpc) })
    }
}
