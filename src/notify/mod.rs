//! Telling people: what pickers read in their chat, and how it gets there.
//!
//! [`render`] turns what happened to an order into a text; the flow that took the hook puts the text into
//! the outbox, in the commit that the hook is acknowledged from; a courier (`workers::courier`) takes it to a
//! [`channel`]. Texts are for the shop's staff in a foreign messenger: order numbers, goods and states, never
//! a customer's name, phone, address or words.

pub mod channel;
mod render;

use crate::outbox::Lane;
use crate::outbox::Ordering;
use crate::texts::Language;
pub use render::{Subject, render};

/// Messages to the chats of the shops' pickers.
pub const LANE: Lane = Lane::new(1, Ordering::Strict, "telegram");

/// The name under which the chat for all other shops is configured.
pub const DEFAULT_CHAT: &str = "default";

/// Whom to tell, and in which language.
#[derive(Debug, Clone, Default)]
pub struct Audience {
    /// The language of messages.
    pub language: Language,
    /// Shops, and [`DEFAULT_CHAT`], with the chats of their pickers.
    pub chats: std::collections::BTreeMap<String, String>,
}

impl Audience {
    /// The chat of a shop's pickers, if anyone listens.
    #[must_use]
    pub fn chat_of(&self, store_id: &str) -> Option<&str> {
        self.chats.get(store_id).or_else(|| self.chats.get(DEFAULT_CHAT)).map(String::as_str)
    }
}

/// What a message to pickers holds in the outbox. The shop and not the chat is its addressee: a chat that
/// has moved is mended in the configuration, and waiting messages follow.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Letter {
    /// The shop.
    pub store_id: String,
    /// The text.
    pub text: String,
}
