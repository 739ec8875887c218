//! The service, from a message to the letter.

use std::sync::Arc;

use lettre::transport::stub::AsyncStubTransport;
use tillgate_kernel::outbox::Claim;
use tillgate_kernel::{Clock, Fingerprint, Language, Partition, Private};
use tillgate_store::memory::Memory;
use tillgate_store::{Batch, Store};

use super::letter::Sender;
use super::mailer::Mailer;
use super::notice::Notice;
use super::recipient::Recipient;
use super::sender::LetterSender;
use super::take::MAIL;
use super::{Notification, mailer};
use crate::bus::inbox::Inbox;
use crate::bus::{Envelope, Format, Service, message_id};
use crate::formats::{AccountLetter, Contacts, Letter};
use crate::seal::MasterKeys;

const CLIENT: Partition = Partition::from_u64(7);

struct World {
    service: Notification,
    inbox: Inbox<Notification>,
    sender: LetterSender,
    kept: AsyncStubTransport,
}

impl World {
    fn new() -> World {
        let clock = Clock::manual("2026-11-30T10:00:00Z".parse().expect("a time"));
        let store = Store::Memory(Arc::new(Memory::new(clock.clone())));
        let keys = MasterKeys::new([7; 32], []);
        let service = Notification { store: store.clone(), clock, keys: keys.clone() };
        let inbox = Inbox { consumer: Arc::new(service.clone()), store, keys };
        let (mailer, kept) = Mailer::keeping();
        let sender =
            Sender { name: "Лавка".into(), public_url: "https://shop.example".into() };
        let sender = LetterSender { service: service.clone(), mailer: Some(mailer), sender };
        World { service, inbox, sender, kept }
    }

    async fn send<F: Format>(&self, number: u32, content: &F) {
        let id = message_id(Service::Auth, CLIENT, number);
        let Notification { store, clock, keys } = &self.service;
        let to = Service::Notification;
        let mut batch = Batch::new();
        batch.send(Envelope::message(to, id, content, keys, clock.now()));
        store.commit(batch).await.expect("stored");
        assert_eq!(self.inbox.take_all_twice().await, 1);
    }

    /// Sends the letters that wait. Returns how many there were.
    async fn send_letters(&self) -> usize {
        let claim = Claim {
            lane: MAIL,
            lease: std::time::Duration::from_secs(60),
            limit: 10,
            paused_queues: Vec::new(),
            after_queue: String::new(),
        };
        let claimed = self.service.store.claim(&claim).await.expect("a claim");
        let count = claimed.len();
        for claimed in claimed {
            self.sender.deliver(claimed).await;
        }
        count
    }

    async fn letters(&self) -> Vec<String> {
        self.kept.messages().await.into_iter().map(|(_, text)| text).collect()
    }
}

fn letter(cause: u8) -> AccountLetter {
    AccountLetter {
        cause: Fingerprint::of(&[&[cause]]),
        to: Private::new("anna@example.org"),
        language: Language::En,
        letter: Letter::Verify { token: Private::new("TOKEN-1") },
    }
}

#[tokio::test]
async fn each_cause_makes_one_letter_which_is_kept_until_it_is_sent() {
    let world = World::new();
    world.send(1, &letter(1)).await;
    world.send(2, &letter(1)).await;
    let key = Notice::key_in(CLIENT, letter(1).cause);
    let stored = world.service.store.load(&[key]).await.expect("loaded").remove(0);
    let bytes = stored.expect("a notice").body.bytes;
    for canary in ["anna@example.org", "TOKEN-1"] {
        assert!(!bytes.windows(canary.len()).any(|part| part == canary.as_bytes()), "{canary}");
    }
    assert_eq!(world.send_letters().await, 1);
    assert_eq!(world.send_letters().await, 0);
    let letters = world.letters().await;
    assert_eq!(letters.len(), 1);
    let id = format!("Message-ID: <{}@shop.example>", letter(1).cause);
    assert!(letters[0].contains(&id), "{}", letters[0]);
    assert!(letters[0].contains("Date: Mon, 30 Nov 2026 10:00:00 +0000"), "{}", letters[0]);
    assert!(letters[0].contains("To: anna@example.org"), "{}", letters[0]);
    assert!(letters[0].contains("https://shop.example/verify/TOKEN-1"), "{}", letters[0]);
    assert!(letters[0].contains("text/plain") && letters[0].contains("text/html"));
    let notice = world.service.store.read::<Notice>(key).await.expect("read").expect("a notice");
    let recipient = world.service.store.read::<Recipient>(Recipient::key_in(CLIENT)).await;
    let recipient = recipient.expect("read").expect("a recipient");
    let data_key = recipient.data_key(CLIENT, &world.service.keys).expect("a key");
    assert_eq!(notice.content(CLIENT, &data_key), Ok(None), "what was sent is not kept");
    assert!(notice.sent_at.is_some());
}

#[tokio::test]
async fn an_older_change_of_contacts_that_arrives_later_changes_nothing() {
    let world = World::new();
    let contacts = |revision, email: &str| Contacts {
        username: "anna".into(),
        first_name: Some(Private::new("Анна")),
        last_name: None,
        email: Private::new(email),
        phone: None,
        language: Language::Ru,
        revision,
    };
    world.send(3, &contacts(3, "new@example.org")).await;
    world.send(1, &contacts(1, "old@example.org")).await;
    let recipient = world.service.store.read::<Recipient>(Recipient::key_in(CLIENT)).await;
    let recipient = recipient.expect("read").expect("a recipient");
    let known = recipient.contacts(CLIENT, &world.service.keys).expect("opened").expect("known");
    assert_eq!(known.email.expose(), "new@example.org");
}

#[tokio::test]
async fn a_letter_waits_while_no_mail_server_is_configured() {
    let mut world = World::new();
    let mailer = world.sender.mailer.take();
    world.send(1, &letter(1)).await;
    assert_eq!(world.send_letters().await, 1);
    assert_eq!(world.letters().await.len(), 0);
    world.sender.mailer = mailer;
    world.service.clock.advance(std::time::Duration::from_secs(10));
    assert_eq!(world.send_letters().await, 1);
    assert_eq!(world.letters().await.len(), 1);
}

#[test]
fn a_sender_is_an_address_with_or_without_a_name() {
    for from in ["shop@example.org", "Лавка <shop@example.org>", "\"A, B\" <a@example.org>"] {
        assert!(mailer::sender_of(from).is_ok(), "{from}");
    }
    for from in ["", "shop", "Лавка", "Лавка <shop>"] {
        assert!(mailer::sender_of(from).is_err(), "{from}");
    }
}
