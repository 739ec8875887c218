//! However often and in however many ways a hook comes, it happens once.

use serde_json::json;

use crate::world::{Shop, created, hook, payload};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_copies_at_once_are_one_order_one_answer_and_one_message() {
    let shop = Shop::open().await;
    for round in 0..10 {
        let external_id = format!("H{round}");
        let body = created(&external_id);
        let mut copies = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let (marketplace, body) = (shop.marketplace(), body.clone());
            copies.spawn(async move { marketplace.post(body.as_bytes()).await });
        }
        let answers = copies.join_all().await;
        assert!(answers.iter().all(|answer| answer.status() == 200));
        assert!(answers.iter().all(|answer| answer.body() == answers[0].body()), "{answers:?}");
    }
    assert_eq!(shop.list("/orders?limit=500").await.len(), 10);
    shop.outbox_is_empty().await;
    shop.pickers_heard(10).await;
    let noted = shop.list("/hooks?verdict=replayed&limit=500").await;
    assert_eq!(noted.iter().map(|note| note["copies"].as_u64().expect("a count")).sum::<u64>(), 630);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_in_other_bytes_is_the_same_creation() {
    let shop = Shop::open().await;
    let first = include_str!("../../fixtures/sm/01-created.json");
    let resent = include_str!("../../fixtures/sm/02-created-resent.json");
    let answer = shop.acknowledged(first).await;
    let order = shop.order("H2611220001").await;
    assert_eq!(shop.acknowledged(resent).await, answer);
    assert_eq!(shop.order("H2611220001").await, order);
    shop.outbox_is_empty().await;
    shop.pickers_heard(1).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_with_other_content_is_a_change_and_not_a_second_order() {
    let shop = Shop::open().await;
    let answer = shop.acknowledged(created("H1")).await;
    let other = hook("order.created", Some("2026-11-22T12:30:00+03:00"), payload("H1", "100", 5, "50.00"));
    assert_eq!(shop.acknowledged(other).await, answer, "the same number, byte for byte");
    assert_eq!(shop.list("/orders").await.len(), 1);
    let order = shop.order("H1").await;
    assert_eq!((&order["revision"], &order["positions"][0]["quantity"]), (&json!(2), &json!("5")));
    let texts = shop.pickers_heard(2).await;
    assert!(texts[1].contains("2 → 5"), "{texts:?}");
    shop.close().await;
}

/// Even a field that nobody here reads makes a difference that is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_difference_in_an_unknown_field_does_not_pass_unnoticed() {
    let shop = Shop::open().await;
    shop.acknowledged(created("H1")).await;
    let mut odd = payload("H1", "100", 2, "20.00");
    odd["fieldOfTomorrow"] = json!({"deep": [1, 2]});
    shop.acknowledged(hook("order.created", Some("2026-11-22T12:30:00+03:00"), odd)).await;
    let hooks = shop.list("/hooks?verdict=applied").await;
    assert!(hooks[0]["changes"].to_string().contains("other details changed"), "{hooks:?}");
    assert_eq!(shop.order("H1").await["revision"], 1);
    shop.close().await;
}

/// Hooks of one order that arrive at the same moment all count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_different_hooks_about_one_order_is_all_taken_in() {
    let shop = Shop::open().await;
    let mut crowd = tokio::task::JoinSet::new();
    for minute in 1..50 {
        let marketplace = shop.marketplace();
        let time = format!("2026-11-22T13:{minute:02}:00+03:00");
        let body = hook("order.changed", Some(&time), payload("H1", "100", minute, "10.00"));
        crowd.spawn(async move { marketplace.post(body.as_bytes()).await });
    }
    let marketplace = shop.marketplace();
    crowd.spawn(async move { marketplace.post(created("H1").as_bytes()).await });
    assert!(crowd.join_all().await.iter().all(|answer| answer.status() == 200));
    let order = shop.order("H1").await;
    assert_eq!((&order["revision"], &order["positions"][0]["quantity"]), (&json!(50), &json!("49")));
    shop.close().await;
}
