//! What real senders send, over real HTTP: nothing of it loses an order, and what is doubtful is noted.

use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use tillgate::peer::Client;

use crate::world::till::Till;
use crate::world::{DEADLINE, Shop, TOKEN, created, hook, payload};

async fn journal(shop: &Shop, external_id: &str) -> Vec<Value> {
    let number = shop.order(external_id).await["number"].as_str().expect("a number").to_owned();
    shop.list(&format!("/orders/{number}/journal")).await
}

/// Posts a hook to an address, with further headers, and returns the status and the body.
async fn post(url: &str, more: &[(&'static str, &'static str)], body: &[u8]) -> (u16, String) {
    let client = Client::new(DEADLINE, 1 << 20).expect("a client");
    let mut headers = HeaderMap::new();
    headers.insert("client-token", HeaderValue::from_static(TOKEN));
    for (name, value) in more {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    let reply = client.call(Method::POST, url, headers, body.to_vec()).await.expect("an answer");
    (reply.status.as_u16(), String::from_utf8_lossy(&reply.body).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_byte_order_mark_before_a_hook_is_passed_over() {
    let shop = Shop::open().await;
    shop.acknowledged(format!("\u{feff}{}", created("H1"))).await;
    assert_eq!(shop.order("H1").await["state"], "open");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_types_are_recognised_in_any_case_and_with_any_separator() {
    let shop = Shop::open().await;
    for (place, kind) in
        ["ORDER_CREATED", "order-created", "Order.Created", "order_created"].into_iter().enumerate()
    {
        let id = format!("H{place}");
        let body = hook(kind, Some("2026-11-22T12:00:00+03:00"), payload(&id, "100", 2, "20.00"));
        shop.acknowledged(body).await;
        assert_eq!(shop.order(&id).await["state"], "open", "{kind}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trailing_slash_is_the_same_address_and_the_hook_the_same_hook() {
    let shop = Shop::open().await;
    let first = shop.acknowledged(created("H1")).await;
    let (status, again) = post(&format!("{}/hooks/sm/", shop.url()), &[], created("H1").as_bytes()).await;
    assert_eq!((status, again), (200, first));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_in_gzip_is_the_same_hook_and_other_forms_are_refused_by_name() {
    use std::io::Write;
    let shop = Shop::open().await;
    let first = shop.acknowledged(created("H1")).await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(created("H1").as_bytes()).expect("written");
    let packed = encoder.finish().expect("packed");
    let url = format!("{}/hooks/sm", shop.url());
    assert_eq!(post(&url, &[("content-encoding", "gzip")], &packed).await, (200, first));
    assert_eq!(post(&url, &[("content-encoding", "gzip")], &packed[..20]).await.0, 400);
    let (status, why) = post(&url, &[("content-encoding", "br")], &packed).await;
    assert!(status == 415 && why.contains("br is not taken"), "{status} {why}");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(post(&url, &form, b"payload=%7B%7D").await.0, 415);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_emoji_loses_its_own_place_and_nothing_else() {
    let shop = Shop::open().await;
    let body = created("H1").replace("домофон 4242", r"домофон \ud83d 4242");
    shop.acknowledged(body).await;
    let entries = journal(&shop, "H1").await;
    assert!(entries[0]["changes"].to_string().contains("U+FFFD"), "{entries:?}");
    assert_eq!(shop.order("H1").await["state"], "open");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_a_newer_one_has_overtaken_says_so_in_the_journal() {
    let shop = Shop::open().await;
    shop.acknowledged(created("H1")).await;
    let changed =
        |time, quantity, total| hook("order.changed", Some(time), payload("H1", "100", quantity, total));
    shop.acknowledged(changed("2026-11-22T14:00:00+03:00", 5, "50.00")).await;
    shop.acknowledged(changed("2026-11-22T13:00:00+03:00", 3, "30.00")).await;
    let entries = journal(&shop, "H1").await;
    let verdicts: Vec<&str> = entries.iter().filter_map(|entry| entry["verdict"].as_str()).collect();
    assert!(verdicts.contains(&"outdated"), "{entries:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_php_with_gaps_are_lines_and_unreadable_quantities_are_not_guessed() {
    let shop = Shop::open().await;
    let mut order = payload("H1", "100", 2, "20.00");
    let line = order["positions"][0].clone();
    order["positions"] = json!({"0": line, "2": {"id": "200", "quantity": "many", "originalQuantity": 7}});
    shop.acknowledged(hook("order.created", Some("2026-11-22T12:00:00+03:00"), order)).await;
    let order = shop.order("H1").await;
    let number = order["number"].as_str().expect("a number");
    let shown = shop.get(&format!("/orders/{number}")).await.to_string();
    assert!(shown.contains("\"200\"") && shown.contains("\"100\""), "{shown}");
    let heard = shop.pickers_heard(1).await;
    assert!(heard[0].contains("200 × ?"), "{heard:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sum_of_before_is_not_billed_for_the_goods_of_now() {
    let till = Till::open().await;
    let number = till.number_of(&created("H1")).await;
    assert_eq!(till.document_in(&number, "linked").await["payment"]["amount"]["amount"], "20.00");
    let mut changed = payload("H1", "100", 1, "10.00");
    changed.as_object_mut().expect("an object").remove("total");
    till.number_of(&hook("order.changed", Some("2026-11-22T13:00:00+03:00"), changed)).await;
    let waiting = async {
        while !till
            .bank
            .orders(&format!("{number}-2"))
            .iter()
            .any(|order| order.amount.to_string() == "10.00")
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("the next payment is for the goods of now");
    till.close().await;
}
