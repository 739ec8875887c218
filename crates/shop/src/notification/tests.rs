//! The service, from a message to the letter.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use lettre::transport::stub::AsyncStubTransport;
use serde_json::{Value, json};
use tillgate_kernel::outbox::{Claim, Lane, MessageId};
use tillgate_kernel::time::later;
use tillgate_kernel::{Clock, Fingerprint, Language, Partition, Private, Secret};
use tillgate_store::memory::Memory;
use tillgate_store::{Batch, Store};

use super::letter::Sender;
use super::mailer::Mailer;
use super::notice::Notice;
use super::recipient::Recipient;
use super::sender::{Channel, LetterSender};
use super::sms::{Sms, SmsProvider};
use super::take::{MAIL, SMS};
use super::wishes::Wishes;
use super::{Notification, mailer};
use crate::bus::inbox::Inbox;
use crate::bus::{Envelope, Format, NotTaken, Service, message_id};
use crate::formats::{AccountLetter, Contacts, Letter, WalletFilled};
use crate::seal::MasterKeys;
use crate::username::{ClientNumber, Username};

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
        let channel = Channel::Mail(Some(mailer));
        let sender = LetterSender { service: service.clone(), channel, sender };
        World { service, inbox, sender, kept }
    }

    async fn send<F: Format>(&self, number: u32, content: &F) {
        self.send_about(CLIENT, number, content).await;
    }

    async fn send_about<F: Format>(&self, client: Partition, number: u32, content: &F) {
        let id = message_id(Service::Auth, client, number);
        let Notification { store, clock, keys } = &self.service;
        let to = Service::Notification;
        let mut batch = Batch::new();
        batch.send(Envelope::message(to, id, content, keys, clock.now()));
        store.commit(batch).await.expect("stored");
        assert_eq!(self.inbox.take_all_twice().await, 1);
    }

    /// Sends the letters that wait. Returns how many there were.
    async fn send_letters(&self) -> usize {
        self.send_waiting(MAIL).await
    }

    async fn send_waiting(&self, lane: Lane) -> usize {
        let claim = Claim {
            lane,
            lease: Duration::from_secs(60),
            limit: 10,
            limit_of_queue: 10,
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
        ends_at: None,
    }
}

#[tokio::test]
async fn each_cause_makes_one_letter_which_is_kept_until_it_is_sent() {
    let world = World::new();
    world.send(1, &letter(1)).await;
    world.send(2, &letter(1)).await;
    let key = Notice::key_in(Notice::partition_of(CLIENT, letter(1).cause));
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
    assert_eq!(notice.content(&data_key), Ok(None), "what was sent is not kept");
    assert!(notice.sent_at.is_some());
}

#[tokio::test]
async fn who_is_given_money_hears_of_it_once_and_who_does_not_wish_it_does_not() {
    let world = World::new();
    let client = ClientNumber::of(&Username::parse("anna").expect("a username"));
    let contacts = Contacts {
        username: "anna".into(),
        first_name: None,
        last_name: None,
        email: Private::new("anna@example.org"),
        phone: None,
        language: Language::En,
        revision: 1,
    };
    let filled =
        |cause: u8| WalletFilled { cause: Fingerprint::of(&[&[cause]]), username: "Anna".into() };
    // The messages about the money come from elsewhere, and may be the first.
    let (subject, key) = (Partition::from_u64(9), Recipient::key_in(client.partition()));
    let incoming = |number: u32, content: &WalletFilled| {
        let id = MessageId { subject, sequence: number };
        Envelope::of(id, content, &world.service.keys)
    };
    let envelope = incoming(1, &filled(1));
    let id = MessageId { subject, sequence: 1 };
    let early = world.inbox.take_one(id, &envelope).await;
    assert!(matches!(early, Err(NotTaken::Refused(_))), "it waits: {early:?}");
    world.send_about(client.partition(), 1, &contacts).await;
    for _ in 0..2 {
        world.inbox.take_one(id, &envelope).await.expect("taken");
    }
    assert_eq!(world.send_letters().await, 1);
    let sent = world.letters().await.remove(0);
    for part in ["To: anna@example.org", "/account/wallet"] {
        assert!(sent.contains(part), "{sent}");
    }

    world.service.set_wishes(client, Wishes { wallet: false }).await.expect("kept");
    assert_eq!(world.service.wishes(client).await, Ok(Wishes { wallet: false }));
    let id = MessageId { subject, sequence: 2 };
    world.inbox.take_one(id, &incoming(2, &filled(2))).await.expect("taken");
    assert_eq!(world.send_letters().await, 0);
    // Letters about the account come all the same, and contacts stay.
    world.send_about(client.partition(), 2, &letter(9)).await;
    assert_eq!(world.send_letters().await, 1);
    let recipient = world.service.store.read::<Recipient>(key).await.expect("read");
    assert!(!recipient.expect("a recipient").wishes.wallet);
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
    let channel = std::mem::replace(&mut world.sender.channel, Channel::Mail(None));
    world.send(1, &letter(1)).await;
    assert_eq!(world.send_letters().await, 1);
    assert_eq!(world.letters().await.len(), 0);
    world.sender.channel = channel;
    world.service.clock.advance(Duration::from_secs(300));
    assert_eq!(world.send_letters().await, 1);
    assert_eq!(world.letters().await.len(), 1);
}

#[tokio::test]
async fn a_letter_whose_link_has_ended_is_not_sent() {
    let world = World::new();
    let now = world.service.clock.now();
    let ends_at = Some(later(now, Duration::from_secs(3600)));
    world.send(1, &AccountLetter { ends_at, ..letter(1) }).await;
    world.service.clock.advance(Duration::from_secs(3600));
    assert_eq!(world.send_letters().await, 1);
    assert_eq!(world.letters().await.len(), 0);
    world.service.clock.advance(Duration::from_secs(3600));
    assert_eq!(world.send_letters().await, 0, "and it does not wait any more");
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

/// A provider of short messages, which answers with these statuses in turn.
async fn provider(statuses: Vec<u16>) -> (String, Arc<Mutex<Vec<(HeaderMap, Value)>>>) {
    let seen: Arc<Mutex<Vec<(HeaderMap, Value)>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let take = move |headers: HeaderMap, axum::Json(body): axum::Json<Value>| {
        let kept = Arc::clone(&kept);
        let statuses = statuses.clone();
        async move {
            let mut kept = kept.lock().expect("no panic");
            kept.push((headers, body));
            StatusCode::from_u16(statuses[kept.len() - 1]).expect("a status")
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/messages", listener.local_addr().expect("an address"));
    let routes = axum::Router::new().route("/messages", axum::routing::post(take));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, seen)
}

#[tokio::test]
async fn a_short_message_is_handed_to_the_provider_until_it_is_taken() {
    let mut world = World::new();
    let (url, seen) = provider(vec![503, 429, 202, 400]).await;
    let token = Secret::new("token-of-the-provider");
    let sms = Sms::new(SmsProvider { url, token, from: "LAVKA".into() }).expect("a client");
    world.sender.channel = Channel::Sms(Some(sms));
    let code = |cause: u8| AccountLetter {
        to: Private::new("79990000000"),
        letter: Letter::PhoneCode { code: Private::new("012345") },
        ..letter(cause)
    };
    world.send(1, &code(1)).await;
    for expected in 1..=3 {
        assert_eq!(world.send_waiting(SMS).await, 1);
        assert_eq!(seen.lock().expect("no panic").len(), expected);
        world.service.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(world.send_waiting(SMS).await, 0, "the third attempt was taken");
    let key = letter(1).cause.to_string();
    for (headers, body) in seen.lock().expect("no panic").iter() {
        assert_eq!(headers["authorization"], "Bearer token-of-the-provider");
        assert_eq!(headers["idempotency-key"], key.as_str());
        assert_eq!((&body["to"], &body["from"]), (&json!("+79990000000"), &json!("LAVKA")));
        assert!(body["text"].as_str().is_some_and(|text| text.contains("012345")), "{body}");
    }
    // What the provider will never take is given up.
    world.send(2, &code(2)).await;
    assert_eq!(world.send_waiting(SMS).await, 1);
    world.service.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(world.send_waiting(SMS).await, 0);
}
