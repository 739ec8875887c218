//! The section `[notify]`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::kernel::Secret;
use crate::texts::Language;

/// Who is notified.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// The language of messages.
    #[serde(default)]
    pub language: Language,
    /// Pickers' chats.
    pub telegram: Option<Telegram>,
}

/// Pickers' chats in Telegram.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telegram {
    /// The address of the Bot API.
    #[serde(default = "telegram_url_default")]
    pub url: String,
    /// The bot's token.
    pub token: Secret,
    /// The chat of each store; `default` for all others.
    #[serde(default)]
    pub chats: BTreeMap<String, String>,
    /// The pause between two messages to one chat. Telegram allows a group one
    /// message a second.
    #[serde(default = "gap_default")]
    pub gap_milliseconds: u32,
}

fn telegram_url_default() -> String {
    "https://api.telegram.org".into()
}

fn gap_default() -> u32 {
    1000
}
