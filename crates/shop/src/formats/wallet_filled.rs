//! Format 20: the shop has given money to a client. From `billing` to
//! `notification`.

use serde::{Deserialize, Serialize};
use tillgate_kernel::{Fingerprint, Money, Private};

use crate::bus::Format;

/// What was given, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WalletFilled {
    /// What has caused it. There is one letter for each cause.
    pub cause: Fingerprint,
    pub username: String,
    pub amount: Money,
    pub reason: Private,
}

impl Format for WalletFilled {
    const NUMBER: u16 = 20;
}
