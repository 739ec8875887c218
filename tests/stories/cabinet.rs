//! Refunds that people make in the payment system's own web interface are
//! refunds of the order.

use std::time::Duration;

use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tillgate::kernel::{Clock, Money};
use tillgate::peer::Client;
use tillgate_lab::sandbox::{Call, Outcome, Setup, Trouble};

use crate::world::till::{API_KEY, Till, json_of, text};
use crate::world::{ADMIN_TOKEN, DEADLINE, ask_again_soon};

const LOCAL: &str = "notification_networks = [\"127.0.0.0/8\"]";

fn money(text: &str) -> Money {
    text.parse().expect("a sum")
}

/// Places an order, pays it at YooKassa, and returns its number.
async fn paid(till: &Till, id: &str) -> String {
    let placed = till.place(id, id).await;
    let number = text(&placed["number"]);
    let token = text(&placed["payment"]["url"]).rsplit('/').next().expect("a token").to_owned();
    assert_eq!(till.browse(Method::POST, &format!("/pay/{token}")).await.0, 303);
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.order_in(&number, "paid").await;
    till.nothing_waits_in("callback").await;
    number
}

async fn shipped(till: &Till, number: &str) -> u16 {
    till.call(Method::POST, &format!("/v1/orders/{number}/ship"), API_KEY, None, "")
        .await
        .status
        .as_u16()
}

async fn refunds(till: &Till, number: &str, count: usize) -> Vec<Value> {
    let seen = async {
        loop {
            let order = till.order(number).await;
            let refunds = order["refunds"].as_array().expect("refunds").clone();
            if refunds.len() >= count {
                return refunds;
            }
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, seen).await.expect("refunds")
}

/// Posts a notification as YooKassa does, and returns the status of the answer.
async fn notify(till: &Till, notification: &Value) -> u16 {
    let client = Client::new(DEADLINE, 1 << 20).expect("a client");
    let url = format!("{}/hooks/bank", till.url());
    let body = notification.to_string().into_bytes();
    client
        .call(Method::POST, &url, HeaderMap::new(), body)
        .await
        .expect("an answer")
        .status
        .as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_made_in_the_cabinet_is_a_refund_of_the_order() {
    let till = Till::open_yookassa(LOCAL, Clock::System).await;
    let number = paid(&till, "A-1").await;
    let remote = till.remote(&number).id;
    let before = till.site.callbacks().len();
    assert!(till.bank.refund_in_cabinet(&remote, money("100.00")));
    let seen = refunds(&till, &number, 1).await;
    assert_eq!(
        (&seen[0]["state"], &seen[0]["amount"]["amount"]),
        (&json!("succeeded"), &json!("100.00"))
    );
    let callbacks = till.site.wait_for(before + 1, DEADLINE).await.expect("a callback");
    let last = &callbacks.last().expect("one").body;
    assert_eq!(
        (&last["type"], &last["data"]["refund"]["id"]),
        (&json!("refund.succeeded"), &seen[0]["id"])
    );
    assert_eq!(till.order(&number).await["payment"]["refunded"]["amount"], "100.00");
    // The goods are shipped after a partial refund: the journal has a note.
    assert_eq!(shipped(&till, &number).await, 200);
    let journal = till.admin(&format!("/orders/{number}/journal")).await.to_string();
    assert!(journal.contains("handed over after 100.00 of its money was refunded"), "{journal}");
    // Only what is left can be refunded here.
    let path = format!("/v1/orders/{number}/refunds");
    let rest = till.call(Method::POST, &path, API_KEY, Some("rest"), "{}").await;
    assert_eq!(
        (rest.status.as_u16(), &json_of(&rest)["amount"]["amount"]),
        (201, &json!("514.80"))
    );

    // A full refund: the order cannot be shipped.
    let number = paid(&till, "A-2").await;
    assert!(till.bank.refund_in_cabinet(&till.remote(&number).id, money("614.80")));
    till.order_in(&number, "refunded").await;
    assert_eq!(shipped(&till, &number).await, 409);
    let again = till
        .call(Method::POST, &format!("/v1/orders/{number}/refunds"), API_KEY, Some("again"), "{}")
        .await;
    assert_eq!(again.status, 409);
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notified_refund_counts_only_when_the_payment_system_shows_it() {
    let till = Till::open_yookassa(LOCAL, Clock::System).await;
    let number = paid(&till, "A-1").await;
    let remote = till.remote(&number).id;
    let refund = |payment: &str| {
        json!({"type": "notification", "event": "refund.succeeded", "object": {
            "id": "2d000000-0015-5000-a000-000000000009", "payment_id": payment,
                "status": "succeeded",
            "amount": {"value": "259.80", "currency": "RUB"}, "created_at": "2026-11-28T10:00:00Z",
        }})
    };
    // The notification claims a refund that the payment system does not have.
    assert_eq!(notify(&till, &refund(&remote.to_uppercase())).await, 200);
    // A refund of more than is left: the order needs attention.
    assert!(till.bank.refund_in_cabinet(&remote, money("1000.00")));
    let flagged = async {
        loop {
            let attention = till.admin(&format!("/orders/{number}")).await["attention"].to_string();
            if attention.contains("1000.00") {
                return attention;
            }
            ask_again_soon().await;
        }
    };
    let attention =
        tokio::time::timeout(DEADLINE, flagged).await.expect("the order needs attention");
    assert_eq!(
        till.order(&number).await["refunds"],
        json!([]),
        "neither the claimed refund nor the impossible one counts"
    );
    assert!(
        attention.contains("that is not ours") && attention.contains("614.80 is left"),
        "{attention}"
    );
    // Nothing is kept of a foreign payment of the same shop.
    let kept = till.admin("/hooks?limit=100").await["items"].as_array().expect("hooks").len();
    for metadata in [json!(null), json!({"order_id": 37}), json!([])] {
        let mut foreign = refund("2d000000-000f-5000-a000-000000000001");
        foreign["object"]["metadata"] = metadata;
        assert_eq!(notify(&till, &foreign).await, 200);
    }
    assert_eq!(
        till.admin("/hooks?limit=100").await["items"].as_array().expect("hooks").len(),
        kept
    );
    till.close().await;
}

/// Notifications overtake each other: a refund may be notified before its
/// payment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_notified_before_its_payment_is_not_lost() {
    let till = Till::open_yookassa(LOCAL, Clock::System).await;
    for (id, is_changed) in [("A-1", false), ("A-2", true)] {
        let placed = till.place(id, id).await;
        let number = text(&placed["number"]);
        let token = text(&placed["payment"]["url"]).rsplit('/').next().expect("a token").to_owned();
        assert_eq!(till.browse(Method::POST, &format!("/pay/{token}")).await.0, 303);
        if is_changed {
            let items = json!([{"sku": "1", "name": "Молоко", "quantity": "1", "price": "700.00",
                "vat": "RUS_VAT10"}]);
            assert_eq!(till.change(&number, None, &items).await.status, 200);
        }
        till.bank.misbehave_always(Call::Notification, Some(Trouble::Lost));
        let remote = till.remote(&number);
        assert!(till.bank.buyer_acts(&remote.container, Outcome::Pay));
        assert!(till.bank.refund_in_cabinet(&remote.id, money("614.80")));
        let notification = json!({"type": "notification", "event": "refund.succeeded", "object": {
            "id": "2d000000-0015-5000-a000-000000000009", "payment_id": remote.id,
                "status": "succeeded",
            "amount": {"value": "614.80", "currency": "RUB"}, "created_at": "2026-11-28T10:00:00Z",
        }});
        assert_eq!(notify(&till, &notification).await, 200);
        let seen = refunds(&till, &number, 1).await;
        assert_eq!(
            (&seen[0]["state"], &seen[0]["amount"]["amount"]),
            (&json!("succeeded"), &json!("614.80"))
        );
        let state = text(&till.order(&number).await["payment"]["state"]);
        // A changed order has a new payment; an unchanged one was paid and
        // refunded.
        assert_eq!(state, if is_changed { "linked" } else { "refunded" });
        assert_eq!(shipped(&till, &number).await, if is_changed { 200 } else { 409 }, "{id}");
    }
    till.close().await;
}

/// Refunds that are made in the web interface or by another program may have
/// any number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_of_our_payment_is_found_whatever_number_it_bears() {
    let till = Till::open_yookassa(LOCAL, Clock::System).await;
    for (place, other) in ["", "-1", "999999999999-1", "37"].into_iter().enumerate() {
        let number = paid(&till, &format!("A-{place}")).await;
        let remote = till.remote(&number).id;
        till.bank.misbehave_always(Call::Notification, Some(Trouble::Lost));
        assert!(till.bank.refund_in_cabinet(&remote, money("100.00")));
        till.bank.misbehave_always(Call::Notification, None);
        let bears =
            if other.starts_with('-') { format!("{number}{other}") } else { other.to_owned() };
        let notification = json!({"type": "notification", "event": "refund.succeeded", "object": {
            "id": format!("2d000000-0015-5000-a000-00000000000{place}"), "payment_id": remote,
            "status": "succeeded", "amount": {"value": "100.00", "currency": "RUB"},
            "metadata": {"tillgate_number": bears},
        }});
        assert_eq!(notify(&till, &notification).await, 200, "{bears}");
        let seen = refunds(&till, &number, 1).await;
        assert_eq!(seen[0]["amount"]["amount"], "100.00", "{bears}");
    }
    till.close().await;
}

/// Invoicebox sends no notifications of refunds: its list of refunds is read at
/// intervals, and when the operator asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_notifications_refunds_are_found_in_the_list() {
    let clock = Clock::manual(Clock::System.now());
    let setup = Setup { calls_max: 100_000, ..Setup::default() };
    let till = Till::open_with(setup, &[], clock.clone()).await;
    for (id, is_asked) in [("A-1", true), ("A-2", false)] {
        let number = text(&till.place(id, id).await["number"]);
        assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
        till.order_in(&number, "paid").await;
        till.nothing_waits_in("callback").await;
        assert!(till.bank.refund_in_cabinet(&till.remote(&number).id, money("14.80")));
        if is_asked {
            let path = format!("/admin/v1/payments/{number}-1/look");
            assert_eq!(till.call(Method::POST, &path, ADMIN_TOKEN, None, "").await.status, 200);
        } else {
            clock.advance(Duration::from_secs(3700));
        }
        let seen = refunds(&till, &number, 1).await;
        assert_eq!(
            (&seen[0]["state"], &seen[0]["amount"]["amount"]),
            (&json!("succeeded"), &json!("14.80"))
        );
        till.nothing_waits_in("callback").await;
    }
    till.close().await;
}
