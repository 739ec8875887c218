//! A section `[gateways.<name>]` with `protocol = "yookassa"`: `merchant_id` is the shop's id, `token` its secret key.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::client::{ANSWER_BYTES_MAX, CALL_SECONDS_MAX, Setup, Yookassa};
use super::notices;
use crate::gateway::section::{Declared, check_common};
use crate::gateway::{Provider, section};
use crate::kernel::Secret;
use crate::kernel::setting::{Holds, Key};
use crate::payments::{PaymentMode, Receipts};
use crate::peer::{Client, ClientError};
use crate::webhooks::verify::Networks;
use crate::webhooks::{Protocol, Verifier};

/// The last of the numbers that YooKassa gives to ways of being taxed.
const TAX_SYSTEM_CODE_MAX: u8 = 6;

/// What it says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Where the API is, if not where YooKassa has it.
    #[serde(default = "url_default")]
    url: String,
    /// The shop's secret key.
    token: Secret,
    /// The shop's id.
    merchant_id: String,
    /// Where a payment page may be, besides the host of `url`.
    #[serde(default = "payment_hosts_default")]
    payment_hosts: Vec<String>,
    /// Money is held first, and taken by a capture.
    #[serde(default)]
    two_steps: bool,
    /// Who makes the fiscal receipts: `"yookassa"` by itself, or as everywhere.
    #[serde(default, deserialize_with = "receipts")]
    receipts: Receipts,
    /// What the money is on its receipt.
    #[serde(default)]
    payment_mode: PaymentMode,
    /// How the shop is taxed, if it is taxed in several ways: the number in YooKassa's list.
    tax_system_code: Option<u8>,
    /// The networks that notifications come from, if not those of YooKassa's documents.
    #[serde(default = "notices::networks")]
    notice_networks: Networks,
}

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
    const KEYS: &'static [Key] = &[
        ("url", Holds::Text),
        ("token", Holds::Secret),
        ("merchant_id", Holds::Text),
        ("payment_hosts", Holds::List),
        ("two_steps", Holds::Switch),
        ("receipts", Holds::SwitchOrText),
        ("payment_mode", Holds::Text),
        ("tax_system_code", Holds::Number),
        ("notice_networks", Holds::List),
    ];
}

impl section::Section for Section {
    fn check(&self) -> Result<(), String> {
        check_common(self)?;
        if self.tax_system_code.is_some_and(|code| !(1..=TAX_SYSTEM_CODE_MAX).contains(&code)) {
            return Err(format!("tax_system_code: from 1 to {TAX_SYSTEM_CODE_MAX}"));
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
            two_steps: self.two_steps,
            receipts: self.receipts,
            payment_mode: self.payment_mode,
            tax_system_code: self.tax_system_code,
            payment_hosts: self.payment_hosts.clone(),
        };
        Ok(Arc::new(Yookassa::new(client, setup)))
    }

    fn verifier(&self) -> Verifier {
        Verifier::Networks(self.notice_networks.clone())
    }

    fn protocol(&self) -> Arc<dyn Protocol> {
        Arc::new(notices::Yookassa)
    }
}
