//! The same with YooKassa, whose notifications have no signature, and whose
//! payments expire after an hour and cannot be cancelled.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use tillgate::kernel::Clock;
use tillgate::kernel::time::later;
use tillgate::peer::Client;
use tillgate_lab::sandbox::{Call, Entry, Outcome, Trouble};

use crate::world::till::{API_KEY, Till, json_of, order, text};
use crate::world::{DEADLINE, ask_again_soon, hook, payload};

const LOCAL: &str = "notification_networks = [\"127.0.0.0/8\"]";

fn started() -> Clock {
    Clock::manual(Clock::System.now())
}

async fn post(till: &Till, path: &str, key: &str, body: &Value) -> Value {
    let reply = till.call(Method::POST, path, API_KEY, Some(key), &body.to_string()).await;
    assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
    json_of(&reply)
}

/// The payments in the sandbox's ledger.
fn payments(till: &Till) -> Vec<Entry> {
    till.bank.ledger()
}

fn token_of(placed: &Value) -> String {
    text(&placed["payment"]["url"]).rsplit('/').next().expect("a token").to_owned()
}

/// The buyer presses the button on the order's page: only then is a payment
/// created.
async fn press(till: &Till, token: &str) -> (u16, String) {
    let (status, page, _) = till.browse(Method::POST, &format!("/pay/{token}")).await;
    (status, page)
}

/// Places an order, and presses its button.
async fn opened(till: &Till, id: &str, key: &str) -> Value {
    let placed = till.place(id, key).await;
    assert_eq!(press(till, &token_of(&placed)).await.0, 303);
    placed
}

fn buyer(till: &Till, number: &str, outcome: Outcome) {
    let remote = till.remote(number);
    assert!(till.bank.buyer_acts(&remote.container, outcome));
}

/// Waits until the look-ups that were caused are finished.
async fn looked_at(till: &Till) {
    waiting_in(till, "payment", Vec::is_empty).await;
}

/// Waits until the pending messages of a lane satisfy `ready`.
async fn waiting_in(till: &Till, lane: &str, ready: impl Fn(&Vec<Value>) -> bool) {
    let settled = async {
        loop {
            let pending = till.admin(&format!("/outbox?lane={lane}&state=pending")).await;
            if pending["items"].as_array().is_some_and(&ready) {
                return;
            }
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, settled).await.expect("the lane is ready");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_counts_when_the_payment_system_confirms_it() {
    let till = Till::open_yookassa(LOCAL, Clock::System).await;
    let placed = opened(&till, "A-1", "key").await;
    let number = text(&placed["number"]);
    assert_eq!(placed["payment"]["state"], "linked");
    let token = token_of(&placed);
    let (status, page, _) = till.browse(Method::GET, &format!("/pay/{token}")).await;
    assert_eq!((status, page.starts_with(&till.bank.url())), (303, true), "{page}");

    buyer(&till, &number, Outcome::Pay);
    let order = till.order_in(&number, "paid").await;
    assert_eq!(order["state"], "paid");
    let callbacks = till.site.wait_for(1, DEADLINE).await.expect("a callback");
    assert_eq!(
        (callbacks[0].body["type"].as_str(), callbacks.len()),
        (Some("payment.succeeded"), 1)
    );

    // A partial refund, then the rest: both are found by the number in their
    // metadata.
    let path = format!("/v1/orders/{number}/refunds");
    let sku = text(&order["items"][0]["sku"]);
    let part =
        post(&till, &path, "refund-1", &json!({"items": [{"sku": sku, "amount": "1.50"}]})).await;
    assert_eq!(
        (part["state"].as_str(), part["amount"]["amount"].as_str()),
        (Some("succeeded"), Some("1.50"))
    );
    till.bank.misbehave(Call::Operate, [Trouble::AcceptThenDrop]);
    let rest = post(&till, &path, "refund-2", &json!({})).await;
    assert_eq!(rest["state"], "succeeded");
    till.order_in(&number, "refunded").await;
    let done: Vec<_> = till.bank.done().into_iter().filter(|done| done.kind == "refund").collect();
    let back: i64 = done.iter().map(|done| done.amount.kopecks()).sum();
    assert_eq!((done.len(), back), (2, payments(&till)[0].amount.kopecks()));
    till.close().await;
}

/// A notification of a refund has no shop id and no signature: it only causes a
/// look-up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_refund_is_looked_up_when_it_is_notified() {
    let till = Till::open_yookassa(LOCAL, Clock::System).await;
    let number = text(&opened(&till, "A-1", "key").await["number"]);
    buyer(&till, &number, Outcome::Pay);
    till.order_in(&number, "paid").await;
    till.bank.misbehave(Call::Operate, [Trouble::Pending]);
    let refund = post(&till, &format!("/v1/orders/{number}/refunds"), "refund", &json!({})).await;
    assert_eq!(refund["state"], "pending");
    // The forged notification claims that the refund succeeded.
    let forged = json!({"type": "notification", "event": "refund.succeeded", "object": {
        "id": "216749f7", "payment_id": till.remote(&number).id, "status": "succeeded",
        "metadata": {"tillgate_number": text(&refund["id"])},
    }});
    let client = Client::new(DEADLINE, 1 << 20).expect("a client");
    let url = format!("{}/hooks/bank", till.url());
    let body = forged.to_string().into_bytes();
    let answer = client.call(Method::POST, &url, HeaderMap::new(), body).await.expect("an answer");
    assert_eq!(answer.status, 200);
    waiting_in(&till, "watch", |looks| looks.iter().any(|look| look["attempts"] == 1)).await;
    assert_eq!(till.order(&number).await["refunds"][0]["state"], "pending");
    till.bank.settle_refunds("completed");
    till.order_in(&number, "refunded").await;
    let callbacks = till.site.wait_for(2, DEADLINE).await.expect("callbacks");
    assert_eq!(callbacks[1].body["type"], "refund.succeeded");
    till.close().await;
}

/// While the previous payment can still be paid, the order shows the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_payment_of_a_changed_order_shows_the_current_total() {
    let till = Till::open_yookassa(LOCAL, Clock::System).await;
    let number = text(&opened(&till, "A-1", "key").await["number"]);
    let items = json!([{"sku": "1", "name": "Молоко", "quantity": "1", "price": "700.00",
        "vat": "RUS_VAT10"}]);
    let changed = till.change(&number, None, &items).await;
    for payment in [&json_of(&changed)["payment"], &till.order(&number).await["payment"]] {
        assert_eq!(
            (&payment["state"], &payment["amount"]["amount"]),
            (&json!("requested"), &json!("700.00"))
        );
    }
    assert_eq!(payments(&till).len(), 1, "there is no second payment");
    till.close().await;
}

/// An order has no payment until the buyer presses the button. It is created
/// then, for the current total.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_cannot_be_cancelled_is_made_when_its_buyer_asks_and_not_before() {
    let clock = started();
    let till = Till::open_yookassa(LOCAL, clock.clone()).await;
    let placed = till.place("A-1", "key").await;
    let (number, token) = (text(&placed["number"]), token_of(&placed));
    assert_eq!(
        (&placed["payment"]["state"], &placed["payment"]["amount"]["amount"]),
        (&json!("linked"), &json!("614.80"))
    );
    let pay = format!("/pay/{token}");
    for method in [Method::GET, Method::HEAD, Method::GET] {
        assert_eq!(till.browse(method, &pay).await.0, 200);
    }
    for other in ["/status", "/slip", "/qr.svg"] {
        assert_eq!(till.browse(Method::GET, &format!("{pay}{other}")).await.0, 200);
    }
    assert_eq!(till.browse(Method::GET, &format!("/return/{token}")).await.0, 200);
    let items = json!([{"sku": "1", "name": "Молоко", "quantity": "1", "price": "50.00",
        "vat": "RUS_VAT10"}]);
    assert_eq!(till.change(&number, None, &items).await.status, 200);
    looked_at(&till).await;
    assert_eq!(payments(&till).len(), 0, "the button was not pressed");
    let (_, _, page) = till.browse(Method::GET, &pay).await;
    assert!(
        page.contains("50,00") && page.contains(&format!(r#"action="/pay/{token}""#)),
        "{page}"
    );

    for _ in 0..3 {
        let (status, page) = press(&till, &token).await;
        assert_eq!((status, page.starts_with(&till.bank.url())), (303, true), "{page}");
    }
    let made = payments(&till);
    assert_eq!((made.len(), made[0].amount.kopecks()), (1, 5000), "{made:?}");
    assert_eq!(till.browse(Method::GET, &pay).await.0, 303, "there is a payment page now");
    buyer(&till, &number, Outcome::Pay);
    assert_eq!(till.order_in(&number, "paid").await["state"], "paid");

    // The buyer never pays: the site gets one callback about the expiry all the
    // same.
    till.nothing_waits_in("callback").await;
    let before = till.site.callbacks().len();
    let number = text(&till.place("A-2", "key-2").await["number"]);
    till.nothing_waits_in("callback").await;
    clock.advance(Duration::from_secs(4 * 24 * 3600));
    let callbacks = till.site.wait_for(before + 1, DEADLINE).await.expect("a callback");
    let last = &callbacks.last().expect("one").body;
    assert_eq!((&last["type"], &last["data"]["id"]), (&json!("payment.expired"), &json!(number)));
    till.nothing_waits_in("watch").await;
    assert_eq!(till.order(&number).await["payment"]["state"], "expired");
    assert_eq!((till.site.callbacks().len(), payments(&till).len()), (before + 1, 1));
    till.close().await;
}

/// Anybody can post a forged notification: it causes a look-up, and only its
/// result counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_notification_pays_nothing() {
    let till = Till::open_yookassa(LOCAL, Clock::System).await;
    let number = text(&opened(&till, "A-1", "key").await["number"]);
    let remote = till.remote(&number);
    let forged = json!({"type": "notification", "event": "payment.succeeded", "object": {
        "id": remote.id, "status": "succeeded", "paid": true, "amount": {"value": "259.80",
            "currency": "RUB"},
        "recipient": {"account_id": till.bank.setup().merchant_id},
            "metadata": {"tillgate_number": format!("{number}-1")},
    }});
    let client = Client::new(DEADLINE, 1 << 20).expect("a client");
    let send = async |from: Option<&str>| {
        let mut headers = HeaderMap::new();
        headers.extend(from.map(|from| {
            (
                http::header::HeaderName::from_static("x-forwarded-for"),
                HeaderValue::from_str(from).expect("a header"),
            )
        }));
        let url = format!("{}/hooks/bank", till.url());
        let body = forged.to_string().into_bytes();
        client.call(Method::POST, &url, headers, body).await.expect("an answer").status.as_u16()
    };
    // Only the last address of the trusted proxy counts; the others are the
    // sender's own.
    assert_eq!(send(Some("185.71.76.1")).await, 403);
    assert_eq!(send(Some("203.0.113.9:4711")).await, 403);
    assert_eq!(send(Some("127.0.0.1, [2001:db8::9]:4711, 127.0.0.7:80")).await, 403);
    assert_eq!(send(Some("127.0.0.1, 203.0.113.9")).await, 403);
    assert_eq!(send(Some("nonsense")).await, 403);
    assert_eq!(send(None).await, 200);
    looked_at(&till).await;
    assert_eq!(till.order(&number).await["payment"]["state"], "linked");
    assert_eq!(till.site.callbacks().len(), 0);
    buyer(&till, &number, Outcome::Pay);
    till.order_in(&number, "paid").await;
    let journal = till.admin(&format!("/orders/{number}/journal")).await.to_string();
    assert!(journal.contains("payment.succeeded"), "{journal}");
    let callbacks = till.site.wait_for(1, DEADLINE).await.expect("a callback");
    assert_eq!(callbacks.len(), 1);
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_look_up_decides_whether_an_order_is_paid() {
    let till = Till::open_yookassa(LOCAL, Clock::System).await;
    let number = text(&opened(&till, "A-1", "key").await["number"]);
    let remote = till.remote(&number);
    let (mut notification, _) = till.bank.notification(&remote.id).expect("a notification");
    notification =
        String::from_utf8(notification).expect("text").replace("pending", "succeeded").into_bytes();
    let client = Client::new(DEADLINE, 1 << 20).expect("a client");
    let url = format!("{}/hooks/bank", till.url());
    let reply =
        client.call(Method::POST, &url, HeaderMap::new(), notification).await.expect("an answer");
    assert_eq!(reply.status, 200);
    looked_at(&till).await;
    assert_eq!(till.order(&number).await["payment"]["state"], "linked");
    assert_eq!(till.site.callbacks().len(), 0);
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_makes_no_second_payment() {
    let till = Till::open_yookassa(LOCAL, Clock::System).await;
    till.bank.misbehave(Call::Create, [Trouble::AcceptThenDrop]);
    let number = text(&opened(&till, "A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    assert_eq!(payments(&till).len(), 1);
    till.close().await;
}

/// Other programs of the same shop create payments too, with any metadata.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_payments_in_the_list_have_no_effect() {
    let till = Till::open_yookassa(LOCAL, Clock::System).await;
    till.bank.misbehave(Call::Create, [Trouble::AcceptThenDrop]);
    till.bank.misbehave_always(Call::Other, Some(Trouble::Unfiltered));
    let number = text(&opened(&till, "A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    assert_eq!(payments(&till).len(), 1, "the created payment is found in the list");
    buyer(&till, &number, Outcome::Pay);
    till.order_in(&number, "paid").await;
    till.close().await;
}

/// Several trusted proxies, some with ports, over several header lines; the
/// JSON is preceded by a byte order mark.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_is_taken_through_several_proxies_and_behind_a_byte_order_mark() {
    let networks = r#"notification_networks = ["127.0.0.0/8", "203.0.113.0/24", "2001:db8::/32"]"#;
    let till = Till::open_yookassa(networks, Clock::System).await;
    let number = text(&opened(&till, "A-1", "key").await["number"]);
    till.bank.misbehave_always(Call::Notification, Some(Trouble::Lost));
    buyer(&till, &number, Outcome::Pay);
    let (notification, _) =
        till.bank.notification(&till.remote(&number).id).expect("a notification");
    let body = [b"\xef\xbb\xbf", &notification[..]].concat();
    let client = Client::new(DEADLINE, 1 << 20).expect("a client");
    let mut headers = HeaderMap::new();
    for line in ["203.0.113.9, 198.51.100.1", "[2001:db8::7]:443,, 127.0.0.1:4711", "127.0.0.9"] {
        headers.append("x-forwarded-for", HeaderValue::from_static(line));
    }
    let url = format!("{}/hooks/bank", till.url());
    let reply = client.call(Method::POST, &url, headers, body).await.expect("an answer");
    assert_eq!(reply.status, 200);
    till.order_in(&number, "paid").await;
    till.close().await;
}

/// The contact of the hook is only used in the bill. Without a contact for a
/// required receipt there is no link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_marketplaces_order_has_a_receipt_if_its_hook_says_where_to_and_otherwise_no_link() {
    let hook_of = |id: &str, customer: Value| {
        let mut order = payload(id, "100", 2, "20.00");
        order["customer"] = customer;
        hook("order.created", Some("2026-11-22T12:00:00+03:00"), order)
    };
    let phone = json!({"name": "Анна", "phone": "8 (999) 123-45-67, доб. 12"});
    let both = json!({"name": "Анна", "phone": "+7 999 123 45 67", "email": " anna@example.org "});
    let nothing = json!({"name": "Анна", "phone": "-", "email": " "});
    let asks_for = "needs an email";
    for (receipts, customer, expected) in [
        ("", &phone, Ok(json!({"phone": "79991234567"}))),
        (
            "receipts = \"own\"",
            &both,
            Ok(json!({"email": "anna@example.org", "phone": "79991234567"})),
        ),
        ("receipts = true", &nothing, Err(asks_for)),
        ("receipts = \"yookassa\"", &phone, Err(asks_for)),
        ("receipts = \"yookassa\"", &both, Ok(json!({"email": "anna@example.org"}))),
        ("receipts = \"none\"", &nothing, Ok(Value::Null)),
        ("receipts = false", &nothing, Ok(Value::Null)),
    ] {
        let till = Till::open_yookassa(&format!("{LOCAL}\n{receipts}"), Clock::System).await;
        let number = till.number_of(&hook_of("H1", customer.clone())).await;
        let document = till.admin(&format!("/orders/{number}")).await;
        match expected {
            Ok(contact) => {
                let token = token_of(&till.document_in(&number, "linked").await);
                assert_eq!(press(&till, &token).await.0, 303, "{receipts} {customer}");
                let request: Value =
                    serde_json::from_str(&till.remote(&number).request).expect("json");
                assert_eq!(request["receipt"]["customer"], contact, "{receipts} {customer}");
                assert_eq!(document["attention"], json!([]), "{receipts} {customer}");
            }
            Err(why) => {
                let attention = document["attention"].to_string();
                assert!(
                    attention.contains("no payment was requested"),
                    "{receipts} {customer}: {document}"
                );
                assert!(attention.contains(why), "{receipts} {customer}: {attention}");
                assert_eq!(document["payment"], Value::Null, "{receipts} {customer}");
            }
        }
        let journal = till.admin(&format!("/orders/{number}/journal")).await;
        for shown in [&document, &journal] {
            let shown = shown.to_string();
            assert!(!shown.contains("1234567") && !shown.contains("anna@"), "{shown}");
        }
        till.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_manual_capture_money_is_held_and_partly_captured() {
    let till = Till::open_yookassa(&format!("{LOCAL}\ncapture = \"manual\""), Clock::System).await;
    let placed = opened(&till, "A-1", "key").await;
    let number = text(&placed["number"]);
    buyer(&till, &number, Outcome::Pay);
    till.order_in(&number, "held").await;
    till.bank.misbehave(Call::Operate, [Trouble::AcceptThenDrop]);
    let sku = text(&placed["items"][0]["sku"]);
    let request = json!({"items": [{"sku": sku, "quantity": "1"}]});
    let taken = post(&till, &format!("/v1/orders/{number}/capture"), "capture-1", &request).await;
    assert_eq!(
        (taken["state"].as_str(), taken["amount"]["amount"].as_str()),
        (Some("succeeded"), Some("129.90"))
    );
    till.order_in(&number, "paid").await;
    let captures = till.bank.done().into_iter().filter(|done| done.kind == "capture");
    let sums: Vec<i64> = captures.map(|done| done.amount.kopecks()).collect();
    assert_eq!(sums, [12_990]);
    till.close().await;
}

/// A capture at YooKassa makes no receipt of the goods: the receipt of full
/// payment is separate, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_captured_and_shipped_order_has_its_second_receipt() {
    let till = Till::open_yookassa(&format!("{LOCAL}\ncapture = \"manual\""), Clock::System).await;
    let number = text(&opened(&till, "A-1", "key").await["number"]);
    buyer(&till, &number, Outcome::Pay);
    till.order_in(&number, "held").await;
    for _ in 0..2 {
        let path = format!("/v1/orders/{number}/ship");
        assert_eq!(till.call(Method::POST, &path, API_KEY, None, "").await.status, 200);
        till.order_in(&number, "paid").await;
        looked_at(&till).await;
    }
    let kinds = |kind| till.bank.done().iter().filter(|done| done.kind == kind).count();
    assert_eq!((kinds("capture"), kinds("receipt")), (1, 1), "{:?}", till.bank.done());
    till.close().await;
}

/// The goods are shipped after the payment has expired: a buyer who pays at the
/// door gets another payment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpaid_shipped_order_can_be_paid_after_its_link_expired() {
    let clock = started();
    let till = Till::open_yookassa(LOCAL, clock.clone()).await;
    let placed = opened(&till, "A-1", "key").await;
    let number = text(&placed["number"]);
    let token = token_of(&placed);
    clock.advance(Duration::from_secs(3700));
    till.order_in(&number, "expired").await;
    let path = format!("/v1/orders/{number}/ship");
    assert_eq!(till.call(Method::POST, &path, API_KEY, None, "").await.status, 200);
    let (status, page) = press(&till, &token).await;
    assert_eq!((status, page.starts_with(&till.bank.url())), (303, true), "{page}");
    let second = payments(&till).pop().expect("a payment");
    assert!(till.bank.buyer_acts(&second.container, Outcome::Pay));
    till.order_in(&number, "paid").await;
    till.close().await;
}

/// A pending payment cannot be cancelled at YooKassa: the next one is created
/// when it has expired, and not before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_price_waits_for_the_old_payment_to_expire() {
    let clock = started();
    let till = Till::open_yookassa(LOCAL, clock.clone()).await;
    let placed = opened(&till, "A-1", "key").await;
    let number = text(&placed["number"]);
    let items = json!([{"sku": "1", "name": "Молоко", "quantity": "1", "price": "50.00",
        "vat": "RUS_VAT10"}]);
    assert_eq!(till.change(&number, None, &items).await.status, 200);
    till.let_retry_come("payment", 1).await;
    let token = token_of(&placed);
    let (_, _, page) = till.browse(Method::GET, &format!("/pay/{token}")).await;
    assert!(page.contains("50,00") && !page.contains("614,80"), "the current total: {page}");
    press(&till, &token).await;
    assert_eq!(payments(&till).len(), 1, "there is no second payable payment");
    clock.advance(Duration::from_secs(3600));
    let order = till.order_in(&number, "linked").await;
    assert_eq!(
        (order["payment"]["amount"]["amount"].as_str(), payments(&till).len()),
        (Some("50.00"), 1)
    );
    assert_eq!(press(&till, &token).await.0, 303);
    assert_eq!(payments(&till).len(), 2);
    till.close().await;
}

/// A payment cannot be updated at YooKassa: the buyer pays by the existing
/// link, and the next payment has the new payer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_payer_is_in_the_next_payment() {
    let clock = started();
    let till = Till::open_yookassa(LOCAL, clock.clone()).await;
    let placed = opened(&till, "A-1", "key").await;
    let number = text(&placed["number"]);
    let until = later(clock.now(), Duration::from_secs(10 * 24 * 3600));
    let change = json!({"customer": {"email": "olga@example.org"}, "expires_at": until});
    let changed = till.change_as(&number, &change).await;
    assert_eq!(
        (changed.status.as_u16(), text(&json_of(&changed)["payment"]["state"])),
        (200, "linked".into())
    );
    assert_eq!(json_of(&changed)["payment"]["expires_at"], json!(until));
    assert_eq!(
        till.admin(&format!("/orders/{number}")).await["attention"],
        json!([]),
        "this is the expected behaviour"
    );
    assert_eq!(payments(&till).len(), 1, "the link is unchanged");

    till.nothing_waits_in("payment").await;
    clock.advance(Duration::from_secs(4 * 24 * 3600));
    till.order_in(&number, "expired").await;
    let token = token_of(&placed);
    assert_eq!(press(&till, &token).await.0, 303, "the order has a later expiry");
    let [first, second] = payments(&till).try_into().expect("two payments");
    assert!(
        first.request.contains("a@example.org") && second.request.contains("olga@example.org"),
        "{second:?}"
    );
    till.close().await;
}

/// A receipt needs a contact: an order without one is refused, and so is a
/// change that removes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_without_a_contact_for_the_receipt_is_refused() {
    let till = Till::open_yookassa(LOCAL, Clock::System).await;
    let says_why = |reply: &tillgate::peer::Reply| {
        let why = text(&json_of(reply)["detail"]);
        assert!(reply.status == 422 && why.contains("needs an email or a phone"), "{reply:?}");
    };
    let mut unreachable = order("A-0");
    unreachable["customer"] = json!({"name": "Анна"});
    says_why(
        &till
            .call(Method::POST, "/v1/orders", API_KEY, Some("A-0"), &unreachable.to_string())
            .await,
    );
    let number = text(&opened(&till, "A-1", "key").await["number"]);
    for customer in [json!({}), json!({"name": "Анна"}), json!({"email": " "})] {
        says_why(&till.change_as(&number, &json!({"customer": customer})).await);
    }
    assert_eq!(payments(&till).len(), 1);
    till.close().await;
}

/// Money is held for an order, and the order changes. Captures and refunds use
/// the lines of the changed order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captures_and_refunds_use_the_lines_of_the_changed_order() {
    let till = Till::open_yookassa(&format!("{LOCAL}\ncapture = \"manual\""), Clock::System).await;
    let line = |sku: &str, quantity: &str, price: &str| {
        json!({"sku": sku, "name": sku,
        "quantity": quantity, "price": price, "vat": "RUS_VAT10"})
    };
    let held = async |id: &str, lines: Value, now: Value| {
        let mut body = order(id);
        body["items"] = lines;
        let reply =
            till.call(Method::POST, "/v1/orders", API_KEY, Some(id), &body.to_string()).await;
        assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
        let placed = json_of(&reply);
        let number = text(&placed["number"]);
        assert_eq!(press(&till, &token_of(&placed)).await.0, 303);
        buyer(&till, &number, Outcome::Pay);
        till.order_in(&number, "held").await;
        assert_eq!(till.change(&number, None, &now).await.status, 200);
        number
    };
    let ask = async |number: &str, way: &str, key: &str, body: Value| {
        let path = format!("/v1/orders/{number}/{way}");
        let reply = till.call(Method::POST, &path, API_KEY, Some(key), &body.to_string()).await;
        (reply.status.as_u16(), json_of(&reply))
    };

    let number = held(
        "A-1",
        json!([line("X", "1", "100.00"), line("Y", "1", "50.00")]),
        json!([line("Y", "1", "50.00"), line("X", "1", "100.00")]),
    )
    .await;
    assert_eq!(ask(&number, "capture", "1", json!({})).await.0, 201);
    till.order_in(&number, "paid").await;
    let (status, refund) =
        ask(&number, "refunds", "2", json!({"items": [{"line": 1, "quantity": "1"}]})).await;
    assert_eq!((status, &refund["amount"]["amount"]), (201, &json!("50.00")), "{refund}");
    assert_eq!(
        refund["items"][0],
        json!({"line": 1, "sku": "Y", "quantity": "1", "amount": "50.00"})
    );

    let number =
        held("A-2", json!([line("A", "2", "100.00")]), json!([line("A", "2", "60.00")])).await;
    let page =
        till.browse(Method::GET, &format!("/pay/{}", token_of(&till.order(&number).await))).await.2;
    assert!(page.contains("120,00") && !page.contains("200,00"), "the current total: {page}");
    let (status, taken) =
        ask(&number, "capture", "1", json!({"items": [{"sku": "A", "quantity": "1"}]})).await;
    assert_eq!((status, &taken["amount"]["amount"]), (201, &json!("60.00")), "{taken}");

    let number = held(
        "A-3",
        json!([line("A", "1", "100.00"), line("B", "1", "50.00")]),
        json!([line("C", "1", "70.00"), line("B", "1", "50.00")]),
    )
    .await;
    let (status, taken) =
        ask(&number, "capture", "1", json!({"items": [{"sku": "C", "quantity": "1"}]})).await;
    assert_eq!((status, &taken["amount"]["amount"]), (201, &json!("70.00")), "{taken}");
    till.order_in(&number, "paid").await;
    let (status, refused) =
        ask(&number, "refunds", "2", json!({"items": [{"line": 2, "quantity": "1"}]})).await;
    assert_eq!(status, 422, "{refused}");
    assert!(text(&refused["detail"]).ends_with("those are 1"), "{refused}");
    let (status, refund) =
        ask(&number, "refunds", "3", json!({"items": [{"sku": "C", "quantity": "1"}]})).await;
    assert_eq!((status, &refund["amount"]["amount"]), (201, &json!("70.00")), "{refund}");
    till.close().await;
}

/// A receipt cannot have a line of 0.00: such an order is refused before there
/// is a link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_costs_nothing_has_no_link_where_a_receipt_is_made() {
    for (receipts, is_taken) in [("own", false), ("yookassa", false), ("none", true)] {
        let till =
            Till::open_yookassa(&format!("{LOCAL}\nreceipts = \"{receipts}\""), Clock::System)
                .await;
        let mut gift = order("A-1");
        gift["items"][0]["price"] = json!("0.00");
        let reply =
            till.call(Method::POST, "/v1/orders", API_KEY, Some("A-1"), &gift.to_string()).await;
        let answer = String::from_utf8_lossy(&reply.body);
        assert_eq!(reply.status, if is_taken { 201 } else { 422 }, "{receipts}: {answer}");
        assert!(is_taken || answer.contains("sku 123456 costs 0.00"), "{answer}");
        let mut free = payload("H1", "100", 2, "20.00");
        free["customer"]["email"] = json!("a@example.org");
        free["positions"]
            .as_array_mut()
            .expect("a list")
            .push(json!({"id": "200", "quantity": 1, "price": "0.00", "totalPrice": "0.00",
                "totalDiscountPrice": "0.00"}));
        let number =
            till.number_of(&hook("order.created", Some("2026-11-22T12:00:00+03:00"), free)).await;
        let shown = till.admin(&format!("/orders/{number}")).await;
        assert_eq!(shown["payment"].is_null(), !is_taken, "{receipts}: {shown}");
        assert_eq!(
            shown["attention"].to_string().contains("sku 200 costs 0.00"),
            !is_taken,
            "{shown}"
        );
        till.close().await;
    }
}

/// The receipt is as configured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_receipt_is_as_configured() {
    let more = format!("{LOCAL}\ntax_system_code = 2\npayment_mode = \"full_payment\"");
    let till = Till::open_yookassa(&more, Clock::System).await;
    let number = text(&opened(&till, "A-1", "key").await["number"]);
    let request: Value = serde_json::from_str(&till.remote(&number).request).expect("json");
    let receipt = &request["receipt"];
    assert_eq!(
        (&receipt["tax_system_code"], &receipt["items"][0]["payment_mode"]),
        (&json!(2), &json!("full_payment"))
    );
    buyer(&till, &number, Outcome::Pay);
    till.order_in(&number, "paid").await;
    let shipped =
        till.call(Method::POST, &format!("/v1/orders/{number}/ship"), API_KEY, None, "").await;
    assert_eq!(shipped.status, 200);
    looked_at(&till).await;
    assert!(!till.bank.done().iter().any(|done| done.kind == "receipt"), "{:?}", till.bank.done());
    till.close().await;
}

/// A bill cannot be updated once its money is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_payment_is_not_updated() {
    let till = Till::open_yookassa(&format!("{LOCAL}\ncapture = \"manual\""), Clock::System).await;
    let number = text(&opened(&till, "A-1", "key").await["number"]);
    buyer(&till, &number, Outcome::Pay);
    till.order_in(&number, "held").await;
    let refused =
        till.change_as(&number, &json!({"customer": {"email": "olga@example.org"}})).await;
    let detail = json_of(&refused);
    assert_eq!(
        (refused.status.as_u16(), text(&detail["type"])),
        (409, "urn:tillgate:problem:order-paid".into())
    );
    assert!(text(&detail["detail"]).contains("the money is held"), "{detail}");
    till.close().await;
}

/// A payment that expires after an hour does not end its order, which can be
/// paid for days. The site gets one callback when the order itself expires.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_expiry_is_reported_when_the_order_can_no_longer_be_paid() {
    let clock = started();
    let till = Till::open_yookassa(LOCAL, clock.clone()).await;
    for (id, payments_made) in [("A-1", 1), ("A-2", 2)] {
        let placed = opened(&till, id, id).await;
        let number = text(&placed["number"]);
        for attempt in 1..=payments_made {
            if attempt > 1 {
                let token = token_of(&placed);
                assert_eq!(press(&till, &token).await.0, 303);
            }
            till.nothing_waits_in("payment").await;
            clock.advance(Duration::from_secs(3700));
            till.order_in(&number, "expired").await;
        }
        till.nothing_waits_in("callback").await;
        let before = till.site.callbacks().len();
        assert_eq!(before, payments_made - 1, "no callback for this order yet");
        clock.advance(Duration::from_secs(4 * 24 * 3600));
        let callbacks = till.site.wait_for(before + 1, DEADLINE).await.expect("a callback");
        let last = &callbacks.last().expect("one").body;
        assert_eq!(
            (text(&last["type"]), text(&last["data"]["payment_id"])),
            ("payment.expired".into(), format!("{number}-{payments_made}"))
        );
    }
    till.nothing_waits_in("watch").await;
    till.nothing_waits_in("callback").await;
    assert_eq!(till.site.callbacks().len(), 2);
    till.close().await;
}

/// The payment expires after an hour, the order after days: a buyer who comes
/// in between can pay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_link_is_replaced_when_the_buyer_comes() {
    let clock = started();
    let till = Till::open_yookassa(LOCAL, clock.clone()).await;
    let placed = opened(&till, "A-1", "key").await;
    let number = text(&placed["number"]);
    let token = token_of(&placed);
    clock.advance(Duration::from_secs(3700));
    till.order_in(&number, "expired").await;
    let (status, _, page) = till.browse(Method::GET, &format!("/return/{token}")).await;
    assert_eq!((status, page.contains(&format!("/pay/{token}"))), (200, true), "{page}");
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(till.browse(method, &format!("/pay/{token}")).await.0, 200);
    }
    assert_eq!(payments(&till).len(), 1, "the button was not pressed");
    let (status, page) = press(&till, &token).await;
    assert_eq!((status, page.starts_with(&till.bank.url())), (303, true), "{page}");
    let second = payments(&till).pop().expect("a payment");
    assert_eq!((second.number, payments(&till).len()), (format!("{number}-2"), 2));
    assert!(till.bank.buyer_acts(&second.container, Outcome::Pay));
    till.order_in(&number, "paid").await;

    // A cancelled order gets no new payment.
    let number = text(&opened(&till, "A-2", "key-2").await["number"]);
    clock.advance(Duration::from_secs(3700));
    let order = till.order_in(&number, "expired").await;
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
    let token = token_of(&order);
    let (status, page) = press(&till, &token).await;
    assert_eq!((status, page, payments(&till).len()), (303, format!("/pay/{token}"), 3));
    till.close().await;
}
