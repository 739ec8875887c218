//! However often and in however many forms a hook arrives, it counts once.

use serde_json::json;

use crate::world::{Services, created, hook, payload};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_duplicates_at_once_are_one_order_one_answer_and_one_message() {
    let services = Services::open().await;
    for round in 0..10 {
        let external_id = format!("H{round}");
        let body = created(&external_id);
        let mut duplicates = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let (marketplace, body) = (services.marketplace(), body.clone());
            duplicates.spawn(async move { marketplace.post(body.as_bytes()).await });
        }
        let answers = duplicates.join_all().await;
        assert!(answers.iter().all(|answer| answer.status() == 200));
        assert!(answers.iter().all(|answer| answer.body() == answers[0].body()), "{answers:?}");
    }
    assert_eq!(services.list("/orders?limit=500").await.len(), 10);
    services.outbox_is_empty().await;
    services.picker_messages(10).await;
    let noted = services.list("/hooks?verdict=replayed&limit=500").await;
    assert_eq!(
        noted.iter().map(|note| note["copies"].as_u64().expect("a count")).sum::<u64>(),
        630
    );
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_in_other_bytes_is_the_same_creation() {
    let services = Services::open().await;
    let first = include_str!("../../fixtures/sm/01-created.json");
    let resent = include_str!("../../fixtures/sm/02-created-resent.json");
    let answer = services.acknowledged(first).await;
    let order = services.order("H2611220001").await;
    assert_eq!(services.acknowledged(resent).await, answer);
    assert_eq!(services.order("H2611220001").await, order);
    services.outbox_is_empty().await;
    services.picker_messages(1).await;
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_with_other_content_is_a_change_and_not_a_second_order() {
    let services = Services::open().await;
    let answer = services.acknowledged(created("H1")).await;
    let other =
        hook("order.created", Some("2026-11-22T12:30:00+03:00"), payload("H1", "100", 5, "50.00"));
    assert_eq!(services.acknowledged(other).await, answer, "the same number, byte for byte");
    assert_eq!(services.list("/orders").await.len(), 1);
    let order = services.order("H1").await;
    assert_eq!((&order["revision"], &order["positions"][0]["quantity"]), (&json!(2), &json!("5")));
    let texts = services.picker_messages(2).await;
    assert!(texts[1].contains("2 → 5"), "{texts:?}");
    services.close().await;
}

/// A difference in a field that the gateway does not read is noted too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_difference_in_an_unknown_field_is_noted() {
    let services = Services::open().await;
    services.acknowledged(created("H1")).await;
    let mut odd = payload("H1", "100", 2, "20.00");
    odd["fieldOfTomorrow"] = json!({"deep": [1, 2]});
    services.acknowledged(hook("order.created", Some("2026-11-22T12:30:00+03:00"), odd)).await;
    let hooks = services.list("/hooks?verdict=applied").await;
    assert!(hooks[0]["changes"].to_string().contains("other details changed"), "{hooks:?}");
    assert_eq!(services.order("H1").await["revision"], 1);
    services.close().await;
}

/// Hooks of one order that arrive at the same time all count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_different_hooks_of_one_order_at_once_all_count() {
    let services = Services::open().await;
    let mut crowd = tokio::task::JoinSet::new();
    for minute in 1..50 {
        let marketplace = services.marketplace();
        let time = format!("2026-11-22T13:{minute:02}:00+03:00");
        let body = hook("order.changed", Some(&time), payload("H1", "100", minute, "10.00"));
        crowd.spawn(async move { marketplace.post(body.as_bytes()).await });
    }
    let marketplace = services.marketplace();
    crowd.spawn(async move { marketplace.post(created("H1").as_bytes()).await });
    assert!(crowd.join_all().await.iter().all(|answer| answer.status() == 200));
    let order = services.order("H1").await;
    assert_eq!(
        (&order["revision"], &order["positions"][0]["quantity"]),
        (&json!(50), &json!("49"))
    );
    services.close().await;
}
