//! Messages to pickers: their texts, and the channel to the pickers' chats.
//!
//! [`render`] turns an event of an order into a text. The flow that receives
//! the hook puts the text into the outbox, in the same commit that the
//! acknowledgement of the hook depends on. A sender (`workers::sender`)
//! delivers it through a [`channel`]. The texts are for the store's staff, in a
//! third-party messenger: they have order numbers, goods and states, but never
//! a customer's name, phone, address or comments.

pub mod channel;
mod render;

use crate::outbox::Lane;
use crate::outbox::Ordering;
use crate::texts::Language;
pub use render::{Subject, render};

/// The lane of messages to the chats of the stores' pickers.
pub const LANE: Lane = Lane::new(1, Ordering::Strict, "telegram");

/// The key under which the chat for all other stores is configured.
pub const DEFAULT_CHAT: &str = "default";

/// The recipients of messages, and their language.
#[derive(Debug, Clone, Default)]
pub struct Audience {
    /// The language of messages.
    pub language: Language,
    /// The chats of the pickers, by store id or [`DEFAULT_CHAT`].
    pub chats: std::collections::BTreeMap<String, String>,
}

impl Audience {
    /// The chat of a store's pickers, if one is configured.
    #[must_use]
    pub fn chat_of(&self, store_id: &str) -> Option<&str> {
        self.chats.get(store_id).or_else(|| self.chats.get(DEFAULT_CHAT)).map(String::as_str)
    }
}

/// A message to pickers, as it is stored in the outbox. It is addressed to the
/// store and not to the chat. If a chat has moved, correcting the configuration
/// redirects the waiting messages too.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PickerMessage {
    pub store_id: String,
    pub text: String,
}
