//! The outcomes of hooks, as the marketplace sees them.

use http::Method;
use serde_json::json;

use crate::world::{Services, created, hook, payload};

const AT: &str = "2026-11-22T12:00:00+03:00";

fn at(minute: u32) -> String {
    format!("2026-11-22T13:{minute:02}:00+03:00")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_order_is_acknowledged_with_our_number_and_kept() {
    let services = Services::open().await;
    let answer: serde_json::Value =
        serde_json::from_str(&services.acknowledged(created("H1")).await).expect("json");
    assert_eq!(answer["status"], "created");
    let number = answer["number"].as_str().expect("the number is a string");
    let order = services.get(&format!("/orders/{number}")).await;
    assert_eq!(
        (&order["external_id"], &order["state"], &order["store_id"]),
        (&json!("H1"), &json!("open"), &json!("17"))
    );
    assert_eq!(order["created_at"], "2026-11-22T09:00:00Z");
    assert_eq!(order["total"], json!({"amount": "20.00", "currency": "RUB"}));
    assert_eq!(order["positions"][0]["quantity"], "2");
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_history_has_the_documented_outcomes() {
    let services = Services::open().await;
    services.count(&json!([{"store_id": "17", "sku": "100", "quantity": "10"}])).await;
    let number = created_number(&services.acknowledged(created("H1")).await);
    let ok = format!(r#"{{"status":"ok","number":"{number}"}}"#);

    let changed = hook("order.changed", Some(&at(1)), payload("H1", "100", 3, "30.00"));
    assert_eq!(services.acknowledged(changed).await, ok);
    let updated = hook("order.updated", Some(&at(2)), payload("H1", "100", 4, "40.00"));
    assert_eq!(services.acknowledged(updated).await, ok);
    assert_eq!(services.order("H1").await["revision"], 3);

    let paid = hook("order.paid", Some(&at(3)), payload("H1", "100", 4, "38.50"));
    assert_eq!(services.acknowledged(paid).await, ok);
    let order = services.order("H1").await;
    assert_eq!((&order["state"], &order["closed"]), (&json!("paid"), &json!(true)));
    assert_eq!(order["total"]["amount"], "38.50");

    let bare = |kind: &str, minute| hook(kind, Some(&at(minute)), json!({"originalOrderId": "H1"}));
    assert_eq!(services.acknowledged(bare("order.received", 4)).await, ok);
    assert_eq!(services.balance("17", "100").await, "6");
    assert_eq!(services.acknowledged(bare("order.delivering", 5)).await, r#"{"status":"ignored"}"#);
    assert_eq!(services.acknowledged(bare("order.delivered", 6)).await, ok);
    assert_eq!(services.balance("17", "100").await, "6", "written off once");
    let order = services.order("H1").await;
    assert_eq!(order["state"], "delivered");
    assert_eq!(order["shipped_at"], "2026-11-22T10:04:00Z");

    let late = format!(r#"{{"status":"late","number":"{number}"}}"#);
    let change = hook("order.changed", Some(&at(9)), payload("H1", "100", 1, "10.00"));
    assert_eq!(services.acknowledged(change).await, late);
    assert_eq!(services.acknowledged(bare("order.cancelled", 10)).await, late);
    assert_eq!(services.order("H1").await["revision"], order["revision"]);
    let kept = services.list("/hooks?verdict=late").await;
    assert_eq!(kept.len(), 2);
    assert!(
        kept.iter()
            .all(|hook| hook["reason"].as_str().expect("a reason").contains("the order was")),
        "{kept:?}"
    );
    services.close().await;
}

fn created_number(answer: &str) -> String {
    let answer: serde_json::Value = serde_json::from_str(answer).expect("json");
    answer["number"].as_str().expect("a number").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_spellings_of_a_cancellation_cancel() {
    let services = Services::open().await;
    for (external_id, kind) in [("H1", "order.cancelled"), ("H2", "order.canceled")] {
        services.acknowledged(created(external_id)).await;
        let payload =
            json!({"originalOrderId": external_id, "cancellation": {"slug": "customer_request"}});
        services.acknowledged(hook(kind, Some(&at(1)), payload)).await;
        let order = services.order(external_id).await;
        assert_eq!(
            (&order["state"], &order["cancel_reason"]),
            (&json!("cancelled"), &json!("customer_request"))
        );
    }
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_without_a_shipment_ships_the_order() {
    let services = Services::open().await;
    services.acknowledged(created("H1")).await;
    services
        .acknowledged(hook("order.delivered", Some(&at(1)), json!({"originalOrderId": "H1"})))
        .await;
    let order = services.order("H1").await;
    assert_eq!(
        (&order["state"], &order["shipped_at"]),
        (&json!("delivered"), &order["delivered_at"])
    );
    assert_eq!(
        services.balance("17", "100").await,
        "-2",
        "a negative stock level is shown, not refused"
    );
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_hooks_find_their_order_and_keep_their_answers() {
    let services = Services::open().await;
    let parked = r#"{"status":"parked"}"#;
    let change = hook("order.changed", Some(&at(1)), payload("H1", "100", 5, "50.00"));
    let received = hook("order.received", Some(&at(3)), json!({"originalOrderId": "H1"}));
    assert_eq!(services.acknowledged(&received).await, parked);
    assert_eq!(services.acknowledged(&change).await, parked);
    assert!(services.list("/orders").await.is_empty(), "there is no order yet");
    assert_eq!(services.list("/hooks?verdict=parked").await.len(), 2);

    let number = created_number(&services.acknowledged(created("H1")).await);
    let order = services.order("H1").await;
    assert_eq!(
        (&order["state"], &order["positions"][0]["quantity"]),
        (&json!("shipped"), &json!("5"))
    );
    assert_eq!(services.balance("17", "100").await, "-5");
    assert!(services.list("/hooks?verdict=parked").await.is_empty(), "their verdict has changed");
    assert_eq!(services.acknowledged(&change).await, parked, "a retry gets the first answer");
    let journal = services.list(&format!("/orders/{number}/journal")).await;
    let reasons: Vec<&str> = journal.iter().filter_map(|entry| entry["reason"].as_str()).collect();
    assert_eq!(
        reasons.iter().filter(|why| why.contains("parked until the order was created")).count(),
        2,
        "{reasons:?}"
    );
    services.close().await;
}

/// Content A, then B, then A again, without times: this is either a late
/// duplicate of the first hook or a change back, and cannot be known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_back_without_a_time_needs_attention() {
    let services = Services::open().await;
    let number = created_number(&services.acknowledged(created("H1")).await);
    let a = hook("order.changed", None, payload("H1", "100", 3, "30.00"));
    let b = hook("order.changed", None, payload("H1", "100", 4, "40.00"));
    let answer = services.acknowledged(&a).await;
    assert_eq!(services.acknowledged(&a).await, answer, "a retry gets the same answer");
    assert_eq!(services.order("H1").await["attention"], json!([]));
    services.acknowledged(&b).await;
    assert_eq!(services.acknowledged(&a).await, answer);
    assert_eq!(services.acknowledged(&a).await, answer);
    let order = services.get(&format!("/orders/{number}")).await;
    assert_eq!(order["positions"][0]["quantity"], "4", "the order is unchanged");
    let attention = order["attention"].as_array().expect("a list");
    assert_eq!(attention.len(), 1, "{attention:?}");
    assert!(attention[0]["text"].as_str().expect("text").contains("Compare with the marketplace"));
    // The operator has compared, and the marketplace repeats the hook once
    // more.
    let (status, seen) =
        services.ask(Method::POST, &format!("/admin/v1/orders/{number}/seen"), None).await;
    assert_eq!((status, &seen["attention"]), (200, &json!([])));
    assert_eq!(services.acknowledged(&a).await, answer);
    assert_eq!(services.order("H1").await["attention"], json!([]));
    services.close().await;
}

/// With times it is clear that it is a change back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_back_with_a_time_is_a_change() {
    let services = Services::open().await;
    services.acknowledged(created("H1")).await;
    for (minute, quantity) in [(1, 3), (2, 4), (3, 3)] {
        let total = format!("{quantity}0.00");
        services
            .acknowledged(hook(
                "order.changed",
                Some(&at(minute)),
                payload("H1", "100", quantity, &total),
            ))
            .await;
    }
    let order = services.order("H1").await;
    assert_eq!((&order["revision"], &order["positions"][0]["quantity"]), (&json!(4), &json!("3")));
    assert_eq!(order["attention"], json!([]));
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_fields_of_an_order_need_attention_and_the_order_is_kept() {
    let services = Services::open().await;
    let odd = include_str!("../../fixtures/sm/16-created-odd.json");
    let answer = services.acknowledged(odd).await;
    assert!(answer.contains(r#""status":"created""#));
    let order = services.order("H2611220006").await;
    assert_eq!(order["positions"].as_array().expect("a list").len(), 1);
    assert_eq!(order["positions"][0]["price"], "899.00");
    let attention = order["attention"].to_string();
    for what in ["timestamp", "positions[1]", "delivery.expectedFrom", "total is a string"] {
        assert!(attention.contains(what), "{what} in {attention}");
    }
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_orders_that_derive_the_same_number_get_different_numbers() {
    use tillgate::kernel::{ExternalId, PartyName};
    use tillgate::orders::Number;
    use tillgate::orders::Order;
    use tillgate::store::{Batch, Expect};

    let services = Services::open().await;
    let source = PartyName::new("sm");
    let ours = ExternalId::parse("H1").expect("usable");
    let (first, second) = (Number::derive(&source, &ours, 0), Number::derive(&source, &ours, 1));
    // Another order has the number that is derived first for H1.
    let other = Order::new(first, source, ExternalId::parse("H-other").expect("usable"));
    let mut batch = Batch::new();
    batch.put(Order::key(first), Expect::Absent, &other, tillgate::kernel::Timestamp::UNIX_EPOCH);
    services.app.store().commit(batch).await.expect("committed");

    let answer = services.acknowledged(created("H1")).await;
    assert_eq!(created_number(&answer), second.to_string());
    assert_eq!(services.acknowledged(created("H1")).await, answer);
    let changed = hook("order.changed", Some(&at(1)), payload("H1", "100", 9, "90.00"));
    assert!(services.acknowledged(changed).await.contains(&second.to_string()));
    assert_eq!(services.order("H1").await["positions"][0]["quantity"], "9");
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_there_after_a_restart() {
    let services = Services::open().await;
    let answer = services.acknowledged(created("H1")).await;
    let changed = hook("order.changed", Some(AT), payload("H1", "100", 7, "70.00"));
    services.acknowledged(&changed).await;
    let before = services.order("H1").await;
    services.picker_messages(2).await;
    let services = services.restart().await;
    assert_eq!(services.order("H1").await, before);
    assert_eq!(services.acknowledged(created("H1")).await, answer);
    services.outbox_is_empty().await;
    services.picker_messages(2).await;
    services.close().await;
}
