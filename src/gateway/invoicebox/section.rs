//! The section `[gateways.<name>]` with `protocol = "invoicebox"`.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::client::{ANSWER_BYTES_MAX, CALL_SECONDS_MAX, Invoicebox, Setup, Version};
use super::map::MethodIds;
use super::notifications;
use crate::gateway::section::{Channel, Declared, PAYMENT_MODE, RECEIPTS, check_common};
use crate::gateway::{Provider, section};
use crate::kernel::Secret;
use crate::kernel::setting::{Setting, ValueKind};
use crate::kernel::signature::Algorithm;
use crate::payments::{PaymentMode, Receipts};
use crate::peer::{Client, ClientError};
use crate::webhooks::{Protocol, Verifier};

/// The values of the section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// The base URL of the API. The default is Invoicebox's own.
    #[serde(default = "url_default")]
    url: String,
    #[serde(default)]
    version: Version,
    /// The bearer token of the API.
    token: Secret,
    /// The shop's id.
    merchant_id: String,
    /// The key with which notifications are signed.
    signing_key: Secret,
    /// The hash algorithm of the signature.
    #[serde(default)]
    signing_algorithm: Algorithm,
    /// Hosts that may serve payment pages, in addition to the host of `url`.
    #[serde(default = "payment_hosts_default")]
    payment_hosts: Vec<String>,
    /// The URL of the WebSocket over which notifications are fetched. For a
    /// receiver without a public address.
    channel_url: Option<Secret>,
    /// Who makes the fiscal receipts.
    #[serde(default)]
    receipts: Receipts,
    /// The payment mode on the receipts (tag 1214).
    #[serde(default)]
    payment_mode: PaymentMode,
    /// The number of bank cards in the list of what a payer can pay with.
    bank_card_method_id: Option<u32>,
    /// The same of SBP.
    sbp_method_id: Option<u32>,
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
    const SETTINGS: &'static [Setting] = &[
        Setting::or(
            "url",
            ValueKind::Text,
            "\"https://api.invoicebox.ru\"",
            "The address of the API.",
        ),
        Setting::or("version", ValueKind::Text, "\"v3\"", "The version of the API: `v3` or `l3`."),
        Setting::required("token", ValueKind::Secret, "The API token, from Invoicebox's cabinet."),
        Setting::required("merchant_id", ValueKind::Text, "The shop's id at Invoicebox."),
        Setting::required(
            "signing_key",
            ValueKind::Secret,
            "The key that notifications are signed with, from Invoicebox's cabinet.",
        ),
        Setting::or(
            "signing_algorithm",
            ValueKind::Text,
            "\"sha1\"",
            "The hash of the signature: `sha1` or `sha256`.",
        ),
        Setting::or(
            "payment_hosts",
            ValueKind::List,
            "[\"pay.invoicebox.ru\"]",
            "Hosts that a payment page may be on, in addition to the host of `url`.",
        ),
        Setting::optional(
            "channel_url",
            ValueKind::Secret,
            "The WebSocket from which notifications are fetched when tillgate has no public \
             address: `wss://ws-gate.invoicebox.ru/v3/gate/rpc`.",
        ),
        Setting::or("receipts", ValueKind::SwitchOrText, "\"own\"", RECEIPTS),
        Setting::or("payment_mode", ValueKind::Text, "\"full_prepayment\"", PAYMENT_MODE),
        Setting::optional(
            "bank_card_method_id",
            ValueKind::Number,
            "The `paymentMethodId` of bank cards for this shop, from Invoicebox. Without it no \
             order can ask for a bank card (`payment_method`): the payer chooses.",
        ),
        Setting::optional(
            "sbp_method_id",
            ValueKind::Number,
            "The same for SBP, the faster payments system.",
        ),
    ];
}

impl section::Section for Section {
    fn check(&self) -> Result<(), String> {
        check_common(self)?;
        let channel_url = self.channel_url.as_ref().map(Secret::expose);
        if channel_url
            .is_some_and(|url| !url.starts_with("wss://") && !url.starts_with("ws://127.0.0.1:"))
        {
            return Err(
                "channel_url: expected a URL such as wss://ws-gate.invoicebox.ru/v3/gate/rpc"
                    .into(),
            );
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
            methods: MethodIds { bank_card: self.bank_card_method_id, sbp: self.sbp_method_id },
        };
        Ok(Arc::new(Invoicebox::new(client, setup)))
    }

    fn verifier(&self) -> Verifier {
        notifications::verifier(self.signing_key.clone(), self.signing_algorithm)
    }

    fn protocol(&self) -> Arc<dyn Protocol> {
        Arc::new(notifications::Invoicebox)
    }

    fn channel(&self) -> Option<Channel> {
        let url = self.channel_url.as_ref()?;
        let url = Secret::new(format!("{}?token={}", url.expose(), self.token.expose()));
        Some(Channel { url, calls: Arc::new(notifications::rpc::JsonRpc) })
    }
}
