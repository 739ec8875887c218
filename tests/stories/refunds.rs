//! Refunds, captures and shipments.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tillgate::kernel::Clock;
use tillgate::kernel::time::later;
use tillgate::peer::Reply;
use tillgate_lab::sandbox::{Call, Done, Outcome, Setup, Trouble};

use crate::world::DEADLINE;
use crate::world::till::{API_KEY, OTHER_API_KEY, Till, json_of, order, text};
use crate::world::{ADMIN_TOKEN, ask_again_soon, created, hook, payload};

pub(super) fn problem(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), text(&json_of(reply)["type"]).replace("urn:tillgate:problem:", ""))
}

/// Places an order of 2 × 129.90 and 0.355 × 1 000.00, together 614.80, pays
/// it, and returns its number.
pub(super) async fn paid(till: &Till) -> String {
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.order_in(&number, "paid").await;
    number
}

async fn refund(till: &Till, number: &str, key: &str, body: &Value) -> Reply {
    let path = format!("/v1/orders/{number}/refunds");
    loop {
        let reply = till.call(Method::POST, &path, API_KEY, Some(key), &body.to_string()).await;
        // On a slow disk the answer may be 503, as the outcome is not known in
        // time: the same request finds it.
        if reply.status != 503 {
            return reply;
        }
    }
}

/// The operations of a kind at the payment system: number, sum, and status.
pub(super) fn done(till: &Till, kind: &str) -> Vec<(String, String, String)> {
    let of_kind = till.bank.done().into_iter().filter(|done| done.kind == kind);
    of_kind
        .map(|Done { number, amount, status, .. }| (number, amount.to_string(), status))
        .collect()
}

/// The last event that the site received, once there are `count` of them.
async fn last_event(till: &Till, count: usize) -> Value {
    let callbacks = till.site.wait_for(count, DEADLINE).await.expect("callbacks");
    assert!(callbacks.iter().all(|callback| callback.is_signed));
    callbacks.last().expect("a callback").body.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_is_refunded_in_part_and_then_in_full() {
    let till = Till::open().await;
    let number = paid(&till).await;
    let one_milk = json!({"items": [{"sku": "123456", "quantity": "1"}], "reason": "Разбито"});
    let first = refund(&till, &number, "r1", &one_milk).await;
    assert_eq!(first.status, 201, "{}", String::from_utf8_lossy(&first.body));
    let shown = json_of(&first);
    assert_eq!(
        (&shown["state"], &shown["amount"]["amount"]),
        (&json!("succeeded"), &json!("129.90"))
    );
    assert_eq!(shown["id"], format!("{number}-1-1"));
    let again = refund(&till, &number, "r1", &one_milk).await;
    assert_eq!(
        (&again.body, &again.headers["idempotent-replayed"]),
        (&first.body, &"true".parse().expect("a value"))
    );
    assert_eq!(
        problem(&refund(&till, &number, "r1", &json!({})).await),
        (422, "idempotency-key-reused".into())
    );

    // An impossible refund is refused with the reason, and nothing is sent.
    let path = format!("/v1/orders/{number}/refunds");
    for (key, bearer, body, expected) in [
        (None, API_KEY, "{}", (400, "no-idempotency-key")),
        (Some("k"), "unknown-key", "{}", (401, "unauthorized")),
        (Some("k"), OTHER_API_KEY, "{}", (404, "not-found")),
        (Some("k"), API_KEY, "{", (400, "bad-request")),
        (Some("k"), API_KEY, r#"{"sum":"1.00"}"#, (422, "validation-failed")),
        (Some("k"), API_KEY, r#"{"items":[{"sku":"123456"}]}"#, (422, "validation-failed")),
        (
            Some("k1"),
            API_KEY,
            r#"{"items":[{"sku":"123456","quantity":"2"}]}"#,
            (422, "validation-failed"),
        ),
        (
            Some("k2"),
            API_KEY,
            r#"{"items":[{"sku":"123456","amount":"129.91"}]}"#,
            (422, "validation-failed"),
        ),
        (
            Some("k3"),
            API_KEY,
            r#"{"items":[{"sku":"1","amount":"1.00"}]}"#,
            (422, "validation-failed"),
        ),
    ] {
        let refused = till.call(Method::POST, &path, bearer, key, body).await;
        let (status, name) = problem(&refused);
        assert_eq!((status, name.as_str()), expected, "{body}");
    }
    let some_money = json!({"items": [{"sku": "778899", "amount": "5.00"}]});
    assert_eq!(json_of(&refund(&till, &number, "r2", &some_money).await)["state"], "succeeded");
    assert_eq!(till.order(&number).await["payment"]["refunded"]["amount"], "134.90");
    assert_eq!(till.order(&number).await["payment"]["state"], "paid");

    let rest = json_of(&refund(&till, &number, "r3", &json!({})).await);
    assert_eq!(
        (&rest["state"], &rest["amount"]["amount"]),
        (&json!("succeeded"), &json!("479.90"))
    );
    let order = till.order(&number).await;
    assert_eq!(
        (&order["payment"]["state"], &order["refunds"][2]["id"]),
        (&json!("refunded"), &rest["id"])
    );
    assert_eq!(
        problem(&refund(&till, &number, "r4", &json!({})).await),
        (409, "not-refundable".into())
    );
    let sums: Vec<String> = done(&till, "refund").into_iter().map(|(_, sum, _)| sum).collect();
    assert_eq!(sums, ["129.90", "5.00", "479.90"]);
    let event = last_event(&till, 4).await;
    assert_eq!((&event["type"], &event["data"]["refund"]), (&json!("refund.succeeded"), &rest));
    let (_, _, page) = till.browse(Method::GET, &text(&order["payment"]["url"])).await;
    assert!(page.contains("Деньги возвращены"), "{page}");
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpaid_order_is_not_refunded() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "key").await["number"]);
    assert_eq!(
        problem(&refund(&till, &number, "r1", &json!({})).await),
        (409, "not-refundable".into())
    );
    assert!(done(&till, "refund").is_empty());
    till.close().await;
}

/// The answer is lost: the refund is looked up at the payment system, and not
/// requested twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_is_not_answered_is_made_once() {
    let till = Till::open().await;
    let number = paid(&till).await;
    till.bank.misbehave(Call::Operate, [Trouble::AcceptThenDrop]);
    let reply = json_of(&refund(&till, &number, "r1", &json!({})).await);
    assert_eq!(reply["state"], "succeeded", "{reply}");
    assert_eq!(
        done(&till, "refund"),
        [(format!("{number}-1-1"), "614.80".into(), "completed".into())]
    );
    till.close().await;
}

/// The payment system refuses a refund: the site gets a callback, the order
/// needs attention, and the refund can be requested again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_refund_sends_a_callback() {
    let till = Till::open().await;
    let number = paid(&till).await;
    till.bank.misbehave(Call::Operate, [Trouble::Refused]);
    let refused = json_of(&refund(&till, &number, "r1", &json!({})).await);
    assert_eq!(refused["state"], "failed", "{refused}");
    assert!(text(&refused["problem"]["text"]).contains("wrong_currency"), "{refused}");
    assert!(
        text(&refused["problem"]["text"]).contains("614.80 of it can still be refunded there"),
        "{refused}"
    );
    let callback = last_event(&till, 2).await;
    assert_eq!(
        (&callback["type"], &callback["data"]["refund"]["id"]),
        (&json!("refund.failed"), &refused["id"])
    );
    let document = till.admin(&format!("/orders/{number}")).await;
    assert!(
        document["attention"].to_string().contains("was refused by the payment system"),
        "{document}"
    );
    assert_eq!(json_of(&refund(&till, &number, "r2", &json!({})).await)["state"], "succeeded");
    assert_eq!(done(&till, "refund").len(), 1);
    till.close().await;
}

/// A pending refund may still fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_refund_is_followed_until_it_ends() {
    for (outcome, state, event) in
        [("completed", "succeeded", "refund.succeeded"), ("canceled", "failed", "refund.failed")]
    {
        let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
        let till =
            Till::open_with(Setup { calls_max: 100_000, ..Setup::default() }, &[], clock.clone())
                .await;
        let number = paid(&till).await;
        till.bank.misbehave(Call::Operate, [Trouble::Pending]);
        assert_eq!(json_of(&refund(&till, &number, "r1", &json!({})).await)["state"], "pending");
        assert_eq!(
            problem(&refund(&till, &number, "r2", &json!({})).await),
            (409, "not-refundable".into())
        );
        till.bank.settle_refunds(outcome);
        till.nothing_waits_in("callback").await;
        clock.advance(std::time::Duration::from_secs(601));
        let callback = last_event(&till, 2).await;
        assert_eq!(
            (&callback["type"], &callback["data"]["refund"]["state"]),
            (&json!(event), &json!(state))
        );
        assert_eq!(till.order(&number).await["refunds"][0]["state"], state);
        till.close().await;
    }
}

/// Places an order that is paid by its old link after a change of the price:
/// its money needs review.
async fn in_review(till: &Till) -> String {
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    till.bank.misbehave_always(Call::Other, Some(Trouble::Broken));
    let mut dearer = order("A-1")["items"].clone();
    dearer[0]["price"] = json!("130.00");
    assert_eq!(till.change(&number, None, &dearer).await.status, 200);
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    let document = till.document_in(&number, "review").await;
    assert!(document["attention"].to_string().contains("should not have been paid"), "{document}");
    till.bank.misbehave_always(Call::Other, None);
    number
}

async fn decide(till: &Till, payment: &str, action: &str) -> Reply {
    till.call(
        Method::POST,
        &format!("/admin/v1/payments/{payment}/{action}"),
        ADMIN_TOKEN,
        None,
        "",
    )
    .await
}

/// Money for an order that had changed is refunded: the attention is gone, and
/// the buyer is asked to pay the current total.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_under_review_is_refunded() {
    let till = Till::open().await;
    let number = in_review(&till).await;
    let refunded = decide(&till, &format!("{number}-1"), "refund").await;
    assert_eq!(refunded.status, 200, "{}", String::from_utf8_lossy(&refunded.body));
    let document = till.document_in(&number, "linked").await;
    assert_eq!(document["attention"], json!([]), "{document}");
    assert_eq!(document["payment"]["amount"]["amount"], "615.00");
    let again = decide(&till, &format!("{number}-1"), "refund").await;
    assert_eq!(problem(&again), (409, "not-refundable".into()));
    assert_eq!(
        problem(&decide(&till, &format!("{number}-1"), "accept").await),
        (409, "conflict".into())
    );
    assert_eq!(
        done(&till, "refund"),
        [(format!("{number}-1-1"), "614.80".into(), "completed".into())]
    );
    // The old notification changes nothing, and the new payment can be paid.
    let (notification, signature) =
        till.bank.notification(&till.remote(&number).id).expect("a notification");
    assert_eq!(till.notify(&notification, &[&signature]).await["status"], "success");
    let second = till.bank.orders(&format!("{number}-2")).remove(0);
    assert!(till.bank.buyer_acts(&second.container, Outcome::Pay));
    let paid = till.order_in(&number, "paid").await;
    assert_eq!((&paid["state"], &paid["total"]["amount"]), (&json!("paid"), &json!("615.00")));
    till.close().await;
}

/// An order with all its money refunded can be cancelled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_with_all_its_money_refunded_is_cancelled() {
    let till = Till::open().await;
    let number = held(&till).await;
    assert_eq!(json_of(&capture(&till, &number, "c1", &json!({})).await)["state"], "succeeded");
    till.order_in(&number, "paid").await;
    assert_eq!(problem(&till.cancel(&number, API_KEY).await), (409, "order-paid".into()));
    assert_eq!(json_of(&refund(&till, &number, "r1", &json!({})).await)["state"], "succeeded");
    let cancelled = till.cancel(&number, API_KEY).await;
    assert_eq!(
        (cancelled.status.as_u16(), &json_of(&cancelled)["state"]),
        (200, &json!("cancelled"))
    );
    assert_eq!(json_of(&cancelled)["payment"]["state"], "refunded");
    assert_eq!(till.admin(&format!("/orders/{number}")).await["attention"], json!([]));
    till.close().await;
}

/// A marketplace cancels an order that was paid by our link: the order needs
/// attention, as its money is here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_order_that_the_marketplace_cancels_needs_attention() {
    let till = Till::open().await;
    let number = till.number_of(&created("H1")).await;
    till.document_in(&number, "linked").await;
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.document_in(&number, "paid").await;
    for second in 1..3 {
        // After the payment, and not so far ahead that the hook counts as dated
        // ahead.
        let at = later(Clock::System.now(), Duration::from_secs(second)).to_string();
        till.number_of(&hook("order.cancelled", Some(&at), payload("H1", "100", 2, "20.00"))).await;
    }
    let document = till.admin(&format!("/orders/{number}")).await;
    assert!(
        document["attention"].to_string().contains("was cancelled since: refund it"),
        "{document}"
    );
    assert_eq!(decide(&till, &format!("{number}-1"), "refund").await.status, 200);
    let document = till.document_in(&number, "refunded").await;
    assert_eq!(document["attention"], json!([]), "{document}");
    till.close().await;
}

/// The operator accepts the money for the current order: the order is paid, and
/// the site gets a callback.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_the_operator_accepts_pays_the_order() {
    let till = Till::open().await;
    let number = in_review(&till).await;
    for (payment, expected) in [(format!("{number}-2"), 404), (format!("{number}-x"), 400)] {
        assert_eq!(decide(&till, &payment, "accept").await.status, expected);
    }
    let accepted = decide(&till, &format!("{number}-1"), "accept").await;
    let document = json_of(&accepted);
    assert_eq!(
        (&document["state"], &document["payment"]["state"]),
        (&json!("paid"), &json!("paid"))
    );
    assert_eq!(document["attention"], json!([]), "{document}");
    let callback = last_event(&till, 3).await;
    assert_eq!(
        (&callback["type"], &callback["data"]["payment_id"]),
        (&json!("payment.succeeded"), &json!(format!("{number}-1")))
    );
    // The order keeps its total, and the payment its amount.
    assert_eq!(
        (&callback["data"]["total"]["amount"], &callback["data"]["payment"]["amount"]["amount"]),
        (&json!("615.00"), &json!("614.80"))
    );
    assert_eq!(
        problem(&decide(&till, &format!("{number}-1"), "accept").await),
        (409, "conflict".into())
    );
    assert_eq!(till.bank.ledger().len(), 1, "no other payment was created");
    till.close().await;
}

/// Money for a cancelled order can only be refunded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_for_a_cancelled_order_is_not_accepted() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    till.bank.misbehave_always(Call::Other, Some(Trouble::Broken));
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.document_in(&number, "review").await;
    till.bank.misbehave_always(Call::Other, None);
    assert_eq!(
        problem(&decide(&till, &format!("{number}-1"), "accept").await),
        (409, "conflict".into())
    );
    assert_eq!(decide(&till, &format!("{number}-1"), "refund").await.status, 200);
    let document = till.document_in(&number, "refunded").await;
    assert_eq!(
        (&document["state"], &document["attention"]),
        (&json!("cancelled"), &json!([])),
        "{document}"
    );
    till.close().await;
}

/// The marketplace sends that the order was shipped: the payment system gets
/// the shipment once, however many hooks come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shipment_is_reported_to_the_payment_system_once() {
    let till = Till::open().await;
    let number = till.number_of(&created("H1")).await;
    till.document_in(&number, "linked").await;
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.document_in(&number, "paid").await;
    for (kind, at) in [
        ("order.received", "2030-11-22T13:00:00+03:00"),
        ("order.received", "2030-11-22T13:00:00+03:00"),
        ("order.received", "2030-11-22T13:01:00+03:00"),
        ("order.delivered", "2030-11-22T14:00:00+03:00"),
    ] {
        till.number_of(&hook(kind, Some(at), payload("H1", "100", 2, "20.00"))).await;
    }
    let all_is_done = async {
        while done(&till, "shipment").is_empty()
            || till.admin("/outbox?lane=payment&state=pending").await["items"] != json!([])
        {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, all_is_done).await.expect("the shipment is reported");
    assert_eq!(
        done(&till, "shipment"),
        [(format!("{number}-1-1"), "20.00".into(), "completed".into())]
    );
    till.close().await;
}

/// Places an order whose money is held, 614.80, and returns its number.
pub(super) async fn held(till: &Till) -> String {
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Hold));
    till.order_in(&number, "held").await;
    number
}

async fn capture(till: &Till, number: &str, key: &str, body: &Value) -> Reply {
    let path = format!("/v1/orders/{number}/capture");
    till.call(Method::POST, &path, API_KEY, Some(key), &body.to_string()).await
}

/// A part of the held money is captured, once. What was captured can be
/// refunded, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_held_money_is_captured() {
    let till = Till::open().await;
    let number = held(&till).await;
    let order = till.order(&number).await;
    assert_eq!(
        (&order["state"], &order["paid_at"]),
        (&json!("open"), &Value::Null),
        "nothing is captured yet"
    );
    let (_, location, page) = till.browse(Method::GET, &text(&order["payment"]["url"])).await;
    assert!(location.is_empty() && page.contains("Деньги зарезервированы"), "{page}");
    assert_eq!(
        problem(&refund(&till, &number, "r1", &json!({})).await),
        (409, "not-refundable".into())
    );
    let too_much = json!({"items": [{"sku": "123456", "quantity": "3"}]});
    assert_eq!(
        problem(&capture(&till, &number, "c0", &too_much).await),
        (422, "validation-failed".into())
    );

    let less = json!({"items": [{"sku": "123456", "quantity": "2"}, {"sku": "778899",
        "amount": "300.00"}]});
    let first = capture(&till, &number, "c1", &less).await;
    let taken = json_of(&first);
    assert_eq!((first.status.as_u16(), &taken["state"]), (201, &json!("succeeded")), "{taken}");
    assert_eq!(taken["amount"]["amount"], "559.80");
    assert_eq!(capture(&till, &number, "c1", &less).await.body, first.body);
    assert_eq!(problem(&capture(&till, &number, "c2", &json!({})).await), (409, "not-held".into()));
    let paid = till.order_in(&number, "paid").await;
    assert_eq!(
        (&paid["state"], &paid["payment"]["amount"]["amount"]),
        (&json!("paid"), &json!("559.80"))
    );
    assert_eq!(
        done(&till, "shipment"),
        [(format!("{number}-1-1"), "559.80".into(), "completed".into())]
    );
    assert_eq!(till.remote(&number).status, "completed");
    let callback = last_event(&till, 2).await;
    assert_eq!(
        (&callback["type"], &callback["data"]["payment"]["amount"]["amount"]),
        (&json!("payment.succeeded"), &json!("559.80"))
    );
    assert_eq!(
        callback["data"]["total"]["amount"], "614.80",
        "the order keeps its total, and less is captured"
    );

    let back = json_of(&refund(&till, &number, "r2", &json!({})).await);
    assert_eq!(
        (&back["state"], &back["amount"]["amount"]),
        (&json!("succeeded"), &json!("559.80")),
        "{back}"
    );
    till.order_in(&number, "refunded").await;
    till.close().await;
}

/// The answer to a capture is lost: the capture is looked up, and not made
/// twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_that_is_not_answered_is_made_once() {
    let till = Till::open().await;
    let number = held(&till).await;
    till.bank.misbehave(Call::Operate, [Trouble::AcceptThenDrop]);
    let taken = json_of(&capture(&till, &number, "c1", &json!({})).await);
    assert_eq!(
        (&taken["state"], &taken["amount"]["amount"]),
        (&json!("succeeded"), &json!("614.80")),
        "{taken}"
    );
    till.order_in(&number, "paid").await;
    assert_eq!(done(&till, "shipment").len(), 1);
    till.close().await;
}

/// Cancelling an order releases its held money.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_money_is_released_when_the_order_is_cancelled() {
    let till = Till::open().await;
    let number = held(&till).await;
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
    assert!(till.bank.wait_until(DEADLINE, |orders| orders[0].status == "canceled").await);
    till.order_in(&number, "cancelled").await;
    assert_eq!(problem(&capture(&till, &number, "c1", &json!({})).await), (409, "not-held".into()));
    till.close().await;
}

/// A more expensive order needs another payment: the held money is released,
/// and the buyer is asked to pay again. A cheaper order is captured from the
/// held money.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_keeps_held_money_that_is_enough_and_releases_other_money() {
    let till = Till::open().await;
    let number = held(&till).await;
    let mut items = order("A-1")["items"].clone();
    items[0]["price"] = json!("100.00");
    assert_eq!(till.change(&number, None, &items).await.status, 200);
    assert_eq!(till.order(&number).await["payment"]["state"], "held");
    items[0]["price"] = json!("200.00");
    assert_eq!(till.change(&number, None, &items).await.status, 200);
    let order = till.order_in(&number, "linked").await;
    assert_eq!(order["payment"]["amount"]["amount"], "755.00");
    assert_eq!(till.remote(&number).status, "canceled");
    let second = till.bank.orders(&format!("{number}-2")).remove(0);
    assert!(till.bank.buyer_acts(&second.container, Outcome::Hold));
    till.order_in(&number, "held").await;
    items[0]["price"] = json!("150.00");
    assert_eq!(till.change(&number, None, &items).await.status, 200);
    let taken = json_of(&capture(&till, &number, "c1", &json!({})).await);
    assert_eq!(
        (&taken["state"], &taken["amount"]["amount"]),
        (&json!("succeeded"), &json!("655.00")),
        "{taken}"
    );
    assert_eq!(problem(&till.change(&number, None, &items).await), (409, "order-paid".into()));
    till.close().await;
}

/// An order of a marketplace: at shipment, its final total is captured from the
/// held money.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shipped_order_is_captured_from_held_money() {
    let till = Till::open().await;
    let number = till.number_of(&created("H1")).await;
    till.document_in(&number, "linked").await;
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Hold));
    till.document_in(&number, "held").await;
    let changed =
        hook("order.changed", Some("2026-11-22T12:05:00+03:00"), payload("H1", "100", 1, "10.00"));
    till.number_of(&changed).await;
    let received =
        hook("order.received", Some("2026-11-22T13:00:00+03:00"), payload("H1", "100", 1, "10.00"));
    till.number_of(&received).await;
    let paid = till.document_in(&number, "paid").await;
    assert_eq!(paid["payment"]["amount"]["amount"], "10.00", "{paid}");
    assert_eq!(paid["attention"], json!([]), "{paid}");
    till.number_of(&received.replace("order.received", "order.delivered")).await;
    assert_eq!(
        done(&till, "shipment"),
        [(format!("{number}-1-1"), "10.00".into(), "completed".into())]
    );
    till.close().await;
}

/// An order that is paid at the door was shipped before: its shipment is
/// reported all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_paid_after_the_handover_is_reported_too() {
    for (outcome, state) in [(Outcome::Pay, "paid"), (Outcome::Hold, "paid")] {
        let till = Till::open().await;
        let number = till.number_of(&created("H1")).await;
        till.document_in(&number, "linked").await;
        let at = Some("2026-11-22T13:00:00+03:00");
        till.number_of(&hook("order.received", at, payload("H1", "100", 2, "20.00"))).await;
        assert!(till.bank.buyer_acts(&till.remote(&number).container, outcome));
        till.document_in(&number, state).await;
        let reporting = async {
            while done(&till, "shipment").is_empty() {
                ask_again_soon().await;
            }
        };
        tokio::time::timeout(DEADLINE, reporting).await.expect("the shipment is reported");
        assert_eq!(
            done(&till, "shipment"),
            [(format!("{number}-1-1"), "20.00".into(), "completed".into())]
        );
        assert_eq!(till.admin(&format!("/orders/{number}")).await["attention"], json!([]));
        till.close().await;
    }
}
