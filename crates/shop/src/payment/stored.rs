//! Stored data is compatible: every format that a release has written can be
//! read.

use tillgate_kernel::{Document, Fingerprint, Language, Money, Private, Timestamp};

use super::attempt::{Attempt, BilledLine, Goal, Link, Means, Stage};
use super::payer::Payer;
use super::shop_payment::{Confirming, ShopPayment};
use crate::formats::Contacts;
use crate::formats::agreement::Reason;
use crate::order_id::OrderId;
use crate::seal::MasterKeys;
use crate::username::{ClientNumber, Username};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn attempt(number: u32, means: Means, stage: Stage, goal: Goal) -> Attempt {
    Attempt {
        number,
        means,
        version: 3,
        amount: Money::from_kopecks(37_880),
        delivery_cost: Money::from_kopecks(19_900),
        key: Fingerprint::of(&[b"key", &number.to_be_bytes()]),
        content: Fingerprint::of(&[b"content"]),
        stage,
        goal,
        lines: Vec::new(),
        link: None,
        until: at("2026-12-01T10:20:00Z"),
        made_at: at("2026-12-01T10:00:00Z"),
        refused: None,
        failures: 0,
        due_at: None,
    }
}

fn payment() -> ShopPayment {
    let order = OrderId::parse("482993011752").expect("a number");
    let mut payment = ShopPayment::new(order, Username::parse("anna"));
    let line = BilledLine {
        sku: "4031".into(),
        name: "Молоко".into(),
        quantity: 2,
        price: Money::from_kopecks(8990),
        vat: "RUS_VAT10".into(),
        is_service: false,
    };
    let refused = Stage::Over { reason: Reason::NotEnoughMoney };
    let wallet = Means::Wallet { token: 7, masked: "•••• 7".into() };
    let asked = Attempt {
        lines: vec![line],
        failures: 2,
        due_at: Some(at("2026-12-01T10:00:05Z")),
        ..attempt(2, Means::BankCard, Stage::Asked, Goal::Bring)
    };
    let link = Some(Link {
        id: "100000000007".into(),
        url: "https://pay.example/pay/1".into(),
        unexpected: Some("100000000007-1".into()),
    });
    let back = Stage::Refunding { refund: "100000000007-1-1".into() };
    let back = Attempt { link, ..attempt(3, Means::Sbp, back, Goal::Undo) };
    payment.attempts = vec![attempt(1, wallet, refused, Goal::Bring), asked, back];
    payment.confirming = Some(Confirming { request: 1, attempt: 2 });
    payment
}

fn contacts() -> Contacts {
    Contacts {
        username: "anna".into(),
        first_name: Some(Private::new("Анна")),
        last_name: None,
        email: Private::new("anna@example.org"),
        phone: None,
        language: Language::Ru,
        revision: 4,
    }
}

#[test]
fn payments_of_version_1_are_read() {
    let bytes = include_bytes!("../../../../fixtures/stored/shop-payment/v1/payment.bin");
    assert_eq!(ShopPayment::decode(1, bytes), Ok(payment()));
    let bytes = include_bytes!("../../../../fixtures/stored/shop-payment/v1/mark.bin");
    let mark = ShopPayment { is_reversed: true, ..ShopPayment::new(payment().order, None) };
    assert_eq!(ShopPayment::decode(1, bytes), Ok(mark));
}

#[test]
fn a_payer_of_version_1_is_opened() {
    let bytes = include_bytes!("../../../../fixtures/stored/payer/v1/payer.bin");
    let payer = Payer::decode(1, bytes).expect("read");
    let client = ClientNumber::of(&Username::parse("anna").expect("a name")).partition();
    let opened = payer.contacts(client, &MasterKeys::new([7; 32], []));
    assert_eq!(opened, Ok(contacts()));
}
