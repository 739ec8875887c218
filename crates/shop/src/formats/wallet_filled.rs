//! Format 20: the shop has given money to a client. From `billing` to
//! `notification`.

use serde::{Deserialize, Serialize};
use tillgate_kernel::Fingerprint;

use crate::bus::Format;

/// Whose wallet was filled. Neither the sum nor the reason is said: the address
/// may not be proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WalletFilled {
    /// What has caused it. There is one letter for each cause.
    pub cause: Fingerprint,
    pub username: String,
}

impl Format for WalletFilled {
    const NUMBER: u16 = 20;
}
