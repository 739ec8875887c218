//! A message between services, as it is stored.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tillgate_kernel::outbox::{Delivery, Message, MessageId};
use tillgate_kernel::{Document, Partition, Timestamp};

use super::Service;
use crate::seal::{MasterKeys, Place, SealedMessage, Unsealable};

/// How many messages a service can send about one thing.
const MESSAGES_MAX: u32 = (1 << 24) - 1;

/// The content of messages of one format.
pub trait Format: Serialize + DeserializeOwned {
    /// The format's number in the contracts of the services.
    const NUMBER: u16;
}

/// The id of the message that a service sends about something as its `number`th
/// one. Two services number their messages about the same thing separately.
#[must_use]
pub const fn message_id(sender: Service, subject: Partition, number: u32) -> MessageId {
    assert!(number <= MESSAGES_MAX, "a service's messages about one thing have 24 bits");
    MessageId { subject, sequence: (sender.number() as u32) << 24 | number }
}

/// A message as it is stored: what format it has, and its sealed content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub format: u16,
    content: String,
}

/// Why a message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("it is no message between services: {0}")]
    NotAnEnvelope(String),
    #[error("format {0} is not taken here")]
    Format(u16),
    #[error("{0}")]
    Sealed(#[from] Unsealable),
}

impl Unreadable {
    /// Whether another version of the program, or another configuration, can
    /// read it: services are not replaced at the same moment.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Unreadable::Format(_) | Unreadable::Sealed(Unsealable::UnknownKey(_)) => true,
            Unreadable::NotAnEnvelope(_)
            | Unreadable::Sealed(Unsealable::Changed | Unsealable::Unreadable) => false,
        }
    }
}

impl Envelope {
    /// Seals the content of a message.
    #[must_use]
    pub fn of<F: Format>(id: MessageId, content: &F, keys: &MasterKeys) -> Envelope {
        let sealed = keys.seal_message(content, place(id));
        let bytes = rmp_serde::to_vec_named(&sealed).expect("a sealed value can be encoded");
        Envelope { format: F::NUMBER, content: BASE64.encode(bytes) }
    }

    /// The message with this content for the inbox of a service.
    #[must_use]
    pub fn message<F: Format>(
        to: Service,
        id: MessageId,
        content: &F,
        keys: &MasterKeys,
        created_at: Timestamp,
    ) -> Message {
        let envelope = Envelope::of(id, content, keys);
        let body = serde_json::to_string(&envelope).expect("an envelope can be written as JSON");
        let (lane, queue) = (to.lane(), String::new());
        Message { id, lane, queue, body, created_at, wait: Duration::ZERO }
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(body: &str) -> Result<Envelope, Unreadable> {
        serde_json::from_str(body).map_err(|why| Unreadable::NotAnEnvelope(why.to_string()))
    }

    /// The content.
    ///
    /// # Errors
    /// When it has another format, or cannot be opened.
    pub fn open<F: Format>(&self, id: MessageId, keys: &MasterKeys) -> Result<F, Unreadable> {
        if self.format != F::NUMBER {
            return Err(Unreadable::Format(self.format));
        }
        let broken = |why: String| Unreadable::NotAnEnvelope(why);
        let bytes = BASE64.decode(&self.content).map_err(|why| broken(why.to_string()))?;
        let sealed: SealedMessage =
            rmp_serde::from_slice(&bytes).map_err(|why| broken(why.to_string()))?;
        Ok(keys.open_message(&sealed, place(id))?)
    }
}

const fn place(id: MessageId) -> Place {
    Place { kind: Delivery::KIND, partition: id.subject, field: "content" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Greeting {
        to: String,
    }

    impl Format for Greeting {
        const NUMBER: u16 = 900;
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Other {}

    impl Format for Other {
        const NUMBER: u16 = 901;
    }

    #[test]
    fn a_message_is_opened_where_it_belongs_and_shows_nothing() {
        let keys = MasterKeys::new([3; 32], []);
        let id = message_id(Service::Auth, Partition::from_u64(7), 1);
        let greeting = Greeting { to: "anna@example.org".into() };
        let to = Service::Notification;
        let message = Envelope::message(to, id, &greeting, &keys, Timestamp::UNIX_EPOCH);
        assert!(!message.body.contains("anna"), "{}", message.body);
        let envelope = Envelope::parse(&message.body).expect("an envelope");
        assert_eq!(envelope.open::<Greeting>(id, &keys), Ok(greeting));
        assert_eq!(envelope.open::<Other>(id, &keys), Err(Unreadable::Format(900)));
        let elsewhere = MessageId { subject: Partition::from_u64(8), ..id };
        let refused = envelope.open::<Greeting>(elsewhere, &keys);
        assert_eq!(refused, Err(Unreadable::Sealed(Unsealable::Changed)));
        let rotated = MasterKeys::new([4; 32], [[3; 32]]);
        assert!(envelope.open::<Greeting>(id, &rotated).is_ok(), "an older key opens it");
        assert!(Envelope::parse("{\"text\": 1}").is_err());
    }

    #[test]
    fn services_number_their_messages_separately() {
        let subject = Partition::from_u64(7);
        let ids = [Service::Auth, Service::Notification]
            .map(|service| message_id(service, subject, 1).sequence);
        assert_eq!(ids, [0x0100_0001, 0x0400_0001]);
    }
}
