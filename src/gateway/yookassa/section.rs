//! The section `[gateways.<name>]` with `protocol = "yookassa"`: `merchant_id`
//! is the shop's id, `token` is its secret key.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::client::{ANSWER_BYTES_MAX, CALL_SECONDS_MAX, Setup, Yookassa};
use super::notifications;
use crate::gateway::section::{Declared, PAYMENT_MODE, check_common};
use crate::gateway::{Provider, section};
use crate::kernel::Secret;
use crate::kernel::setting::{Setting, ValueKind};
use crate::payments::{PaymentMode, Receipts};
use crate::peer::{Client, ClientError};
use crate::webhooks::verify::Networks;
use crate::webhooks::{Protocol, Verifier};

/// The highest number in YooKassa's list of tax systems.
const TAX_SYSTEM_CODE_MAX: u8 = 6;

/// The values of the section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// The base URL of the API. The default is YooKassa's own.
    #[serde(default = "url_default")]
    url: String,
    /// The shop's secret key.
    token: Secret,
    /// The shop's id.
    merchant_id: String,
    /// Hosts that may serve payment pages, in addition to the host of `url`.
    #[serde(default = "payment_hosts_default")]
    payment_hosts: Vec<String>,
    #[serde(default)]
    capture: CaptureMode,
    /// Who makes the fiscal receipts: `"yookassa"` (YooKassa itself), or one of
    /// the values that all payment systems share.
    #[serde(default, deserialize_with = "receipts")]
    receipts: Receipts,
    /// The payment mode on the receipts (tag 1214).
    #[serde(default)]
    payment_mode: PaymentMode,
    /// The shop's tax system: its number in YooKassa's list. Needed only if the
    /// shop has several.
    tax_system_code: Option<u8>,
    /// The networks that notifications come from. The default is the list in
    /// YooKassa's documentation.
    #[serde(default = "notifications::networks")]
    notification_networks: Networks,
}

/// When a payment takes the buyer's money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CaptureMode {
    /// At once.
    #[default]
    Automatic,
    /// With a capture. Until then the money is held.
    Manual,
}

const RECEIPTS_OF_YOOKASSA: &str = "Who issues fiscal receipts: `yookassa` (each customer needs an \
    e-mail), `own` or `true` (the shop's cash register; an e-mail or a phone), `none` or `false`.";

fn url_default() -> String {
    "https://api.yookassa.ru".into()
}

fn payment_hosts_default() -> Vec<String> {
    ["yoomoney.ru", "yookassa.ru"].map(str::to_owned).to_vec()
}

fn receipts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Receipts, D::Error> {
    Receipts::read(deserializer, Some("yookassa"))
}

impl Declared for Section {
    const PROTOCOL: &'static str = "yookassa";
    const CALL_SECONDS_MAX: u64 = CALL_SECONDS_MAX;
    const SETTINGS: &'static [Setting] = &[
        Setting::or(
            "url",
            ValueKind::Text,
            "\"https://api.yookassa.ru\"",
            "The address of the API.",
        ),
        Setting::required("token", ValueKind::Secret, "The shop's secret key, from the cabinet."),
        Setting::required("merchant_id", ValueKind::Text, "The shop's id (`shopId`)."),
        Setting::or(
            "payment_hosts",
            ValueKind::List,
            "[\"yoomoney.ru\", \"yookassa.ru\"]",
            "Hosts that a payment page may be on, in addition to the host of `url`.",
        ),
        Setting::or(
            "capture",
            ValueKind::Text,
            "\"automatic\"",
            "`automatic`: a payment takes the money at once. `manual`: it holds the money until \
             a capture takes it.",
        ),
        Setting::or("receipts", ValueKind::SwitchOrText, "\"own\"", RECEIPTS_OF_YOOKASSA),
        Setting::or("payment_mode", ValueKind::Text, "\"full_prepayment\"", PAYMENT_MODE),
        Setting::optional(
            "tax_system_code",
            ValueKind::Number,
            "The tax system of a shop that has several, 1 to 6 by YooKassa's list.",
        ),
        Setting::optional(
            "notification_networks",
            ValueKind::List,
            "Networks that notifications come from, instead of those that YooKassa documents.",
        ),
    ];
}

impl section::Section for Section {
    fn check(&self) -> Result<(), String> {
        check_common(self)?;
        if self.tax_system_code.is_some_and(|code| !(1..=TAX_SYSTEM_CODE_MAX).contains(&code)) {
            return Err(format!("tax_system_code: must be from 1 to {TAX_SYSTEM_CODE_MAX}"));
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
        vec![("token", &self.token)]
    }

    fn provider(&self) -> Result<Arc<dyn Provider>, ClientError> {
        let client = Client::new(Duration::from_secs(CALL_SECONDS_MAX), ANSWER_BYTES_MAX)?;
        let setup = Setup {
            url: self.url.clone(),
            shop_id: self.merchant_id.clone(),
            secret_key: self.token.clone(),
            manual_capture: self.capture == CaptureMode::Manual,
            receipts: self.receipts,
            payment_mode: self.payment_mode,
            tax_system_code: self.tax_system_code,
            payment_hosts: self.payment_hosts.clone(),
        };
        Ok(Arc::new(Yookassa::new(client, setup)))
    }

    fn verifier(&self) -> Verifier {
        Verifier::Networks(self.notification_networks.clone())
    }

    fn protocol(&self) -> Arc<dyn Protocol> {
        Arc::new(notifications::Yookassa)
    }
}
