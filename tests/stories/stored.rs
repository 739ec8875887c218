//! Stored data is compatible: every format that a release has written can be
//! read.

use std::path::Path;

use tillgate::dedup::{JournalEntry, Verdict};
use tillgate::flows::endpoint::Endpoint;
use tillgate::flows::parties::Parties;
use tillgate::flows::share_counts::ByteCount;
use tillgate::flows::shop_key::StoredKey;
use tillgate::kernel::{Document, PartyName, Timestamp};
use tillgate::orders::{Movement, Order};
use tillgate::outbox::Delivery;
use tillgate::payments::{Alias, Allowance, Budget, CallsFor, Checkout, PastBill, Purpose};
use tillgate::texts::Language;
use tillgate::views::{Frame, order_document};

const FRAME: Frame<'static> =
    Frame { public_url: "http://localhost", now: Timestamp::UNIX_EPOCH, language: Language::En };

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stored").join(name);
    std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

#[test]
fn an_order_of_version_3_is_read() {
    let order = Order::decode(3, &fixture("order/v3/delivered.bin")).expect("readable");
    let document = serde_json::to_value(order_document(FRAME, &order, None)).expect("json");
    assert_eq!(
        (document["state"].as_str(), document["revision"].as_u64()),
        (Some("delivered"), Some(3))
    );
    assert_eq!(document["discount_total"]["amount"], "1097.60");
    assert_eq!((order.messages, order.movements), (2, 1));
}

#[test]
fn a_journal_entry_of_version_4_is_read() {
    let entry = JournalEntry::decode(4, &fixture("journal/v4/applied.bin")).expect("readable");
    assert_eq!(entry.record.verdict, Verdict::Applied);
    assert_eq!(entry.body.len() as u64, entry.body_bytes);
    assert!(entry.record.answer.expect("an answer").body.contains("created"));
}

#[test]
fn a_message_of_version_4_is_read() {
    let message = Delivery::decode(4, &fixture("message/v4/sent.bin")).expect("readable");
    assert_eq!((message.state.as_str(), message.attempts), ("sent", 1));
}

#[test]
fn a_movement_of_version_2_is_read() {
    let movement = Movement::decode(2, &fixture("movement/v2/order.bin")).expect("readable");
    assert_eq!(movement.lines().len(), 5);
    let opening = Movement::decode(2, &fixture("movement/v2/opening.bin")).expect("readable");
    assert!(matches!(opening, Movement::Opening { .. }));
}

#[test]
fn a_checkout_of_version_4_is_read() {
    let checkout = Checkout::decode(4, &fixture("checkout/v4/paid.bin")).expect("readable");
    let current = checkout.current().expect("a payment");
    assert!(current.is_paid() && current.id.attempt == 2, "{current:?}");
    assert_eq!(current.bill.total.to_string(), "30.00");
    let old = &checkout.payments[0];
    assert!(!old.is_live() && old.superseded.is_some() && old.request.is_some(), "{old:?}");
}

#[test]
fn a_checkout_of_version_4_with_a_pending_update_is_read() {
    let checkout = Checkout::decode(4, &fixture("checkout/v4/updated.bin")).expect("readable");
    let current = checkout.current().expect("a payment");
    let wished = &current.pending_update.as_ref().expect("a pending update").bill;
    assert_eq!(
        (wished.description.as_str(), wished.total),
        ("Заказ H1, ко дню рождения", current.bill.total)
    );
    assert_eq!(checkout.urls.callback.as_deref(), Some("https://branch.example/tillgate"));
    assert!(checkout.has_pending_update() && checkout.updates == 2);
    assert_eq!(checkout.bill_of(1), Some(wished));
}

#[test]
fn a_past_bill_of_version_2_is_read() {
    let past = PastBill::decode(2, &fixture("bill/v2/cancelled.bin")).expect("readable");
    assert_eq!((past.payment.to_string().as_str(), past.bill.lines.len()), ("482993011752-1", 1));
    assert_eq!(past.bill.total.to_string(), "259.80");
    assert!(past.request.is_some());
}

#[test]
fn a_key_of_version_2_is_read() {
    let key = StoredKey::decode(2, &fixture("key/v2/key.bin"))
        .expect("readable")
        .key()
        .expect("32 bytes");
    // The key derives buyers' addresses, which must not change.
    let number = "482993011752".parse().expect("a number");
    assert_eq!(key.address_secret(number), "qUfz3SKpUDwvwsp1bZN2OA");
}

#[test]
fn a_budget_of_version_3_is_read() {
    let merchant = PartyName::new("shop");
    let by = CallsFor { merchant: &merchant, is_alone: true };
    let mut budget = Budget::decode(3, &fixture("budget/v3/three-calls.bin")).expect("readable");
    let window = std::time::Duration::from_secs(30);
    let allowed = Allowance { calls_max: 3, window, kept_for_looking: 0 };
    let at = |second: i64| Timestamp::from_second(1_795_341_600 + second).expect("a time");
    assert!(budget.spend(1, allowed, Purpose::Look, by, at(29)).is_err(), "three calls were made");
    assert!(
        budget.spend(2, allowed, Purpose::Look, by, at(31)).is_ok(),
        "the calls before the window do not count"
    );
    assert!(budget.spend(1, allowed, Purpose::Look, by, at(31)).is_err());
}

#[test]
fn an_alias_of_version_2_is_read() {
    let alias = Alias::decode(2, &fixture("alias/v2/payment.bin")).expect("readable");
    assert_eq!(alias.number.to_string(), "482993011752");
}

#[test]
fn a_byte_count_of_version_1_is_read() {
    let bytes = fixture("bytes/v1/a-day.bin");
    assert_eq!(ByteCount::decode(1, &bytes).expect("readable").encode(), bytes);
}

#[test]
fn parties_of_version_1_are_read() {
    let bytes = fixture("parties/v1/two.bin");
    let parties = Parties::decode(1, &bytes).expect("readable");
    assert_eq!(parties.encode(), bytes);
}

#[test]
fn an_endpoint_of_version_2_is_read() {
    let endpoint = Endpoint::decode(2, &fixture("endpoint/v2/gone.bin")).expect("readable");
    assert_eq!(endpoint.gone_since.expect("a time").to_string(), "2026-11-28T10:00:00Z");
    assert_eq!(endpoint.was_gone.len(), 1);
}

#[test]
fn a_form_of_a_later_version_is_refused_and_says_so() {
    let why = Order::decode(4, b"{}").expect_err("from the future").to_string();
    assert!(why.contains("a newer tillgate"), "{why}");
}

#[test]
fn a_form_from_before_the_first_release_is_refused_and_says_so() {
    for why in [
        Order::decode(2, b"{}").expect_err("old").to_string(),
        Checkout::decode(3, b"{}").expect_err("old").to_string(),
        JournalEntry::decode(3, b"{}").expect_err("old").to_string(),
        Delivery::decode(3, b"{}").expect_err("old").to_string(),
    ] {
        assert!(why.contains("before the first release"), "{why}");
    }
}
