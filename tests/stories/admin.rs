//! The operator's view and actions.

use serde_json::json;

use crate::world::{Services, created, hook, payload};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_admin_token_nothing_is_shown() {
    let services = Services::open().await;
    let client = tillgate::peer::Client::new(crate::world::DEADLINE, 1 << 20).expect("a client");
    for path in ["/orders", "/hooks", "/outbox", "/stock"] {
        let url = format!("{}/admin/v1{path}", services.url());
        for bearer in [None, Some("Bearer wrong"), Some("token-of-the-operator")] {
            let mut headers = http::HeaderMap::new();
            if let Some(bearer) = bearer {
                headers.insert(http::header::AUTHORIZATION, http::HeaderValue::from_static(bearer));
            }
            let reply =
                client.call(http::Method::GET, &url, headers, Vec::new()).await.expect("an answer");
            assert_eq!(reply.status.as_u16(), 401, "{path} with {bearer:?}");
        }
    }
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_filtered_and_paged() {
    let services = Services::open().await;
    for order in 0..23 {
        services.acknowledged(created(&format!("H{order}"))).await;
    }
    for order in 0..5 {
        let bare = json!({"originalOrderId": format!("H{order}")});
        services.acknowledged(hook("order.paid", Some("2026-11-22T13:00:00+03:00"), bare)).await;
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = services.get(&format!("/orders?limit=5{cursor}")).await;
        seen.extend(
            page["items"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|order| order["external_id"].clone()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 23);
    assert_eq!(seen[0], "H22", "the latest is first");
    assert_eq!(services.list("/orders?state=paid&limit=3").await.len(), 3);
    assert_eq!(services.list("/orders?state=paid").await.len(), 5);
    assert_eq!(services.list("/orders?store=17&limit=100").await.len(), 23);
    assert!(services.list("/orders?store=18").await.is_empty());
    assert!(services.list("/orders?source=ozon").await.is_empty());
    let (status, problem) =
        services.ask(http::Method::GET, "/admin/v1/orders?cursor=zzz", None).await;
    assert!(
        status == 400 && problem["detail"].as_str().expect("a detail").contains("next_cursor"),
        "{problem}"
    );
    let (status, _) = services.ask(http::Method::GET, "/admin/v1/orders?colour=red", None).await;
    assert_eq!(status, 400);
    let (status, _) = services.ask(http::Method::GET, "/admin/v1/orders/123", None).await;
    assert_eq!(status, 400);
    let (status, _) = services.ask(http::Method::GET, "/admin/v1/orders/482993011752", None).await;
    assert_eq!(status, 404);
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balances_are_set_and_moved_and_explained() {
    let services = Services::open().await;
    let csv = "store_id;sku;quantity\n17;100;10\n17;200;0.5\n18;100;3\n";
    let (status, body) =
        services.ask(http::Method::PUT, "/admin/v1/stock", Some(("text/csv", csv))).await;
    assert_eq!((status, &body["set"]), (200, &json!(3)));
    services.acknowledged(created("H1")).await;
    services.acknowledged(hook("order.received", None, json!({"originalOrderId": "H1"}))).await;
    assert_eq!(services.balance("17", "100").await, "8");
    assert_eq!(services.balance("18", "100").await, "3");
    let stock = services.get("/stock?store=17").await;
    let movements = stock["movements"].as_array().expect("a list");
    assert_eq!(movements.len(), 2);
    assert_eq!(
        (&movements[0]["kind"], &movements[0]["lines"][0]["quantity"]),
        (&json!("order"), &json!("-2"))
    );
    assert_eq!(movements[1]["kind"], "opening");
    services.count(&json!([{"store_id": "17", "sku": "100", "quantity": "20"}])).await;
    assert_eq!(services.balance("17", "100").await, "20", "a count replaces the stock level");
    let all = services.list("/stock?limit=2").await;
    assert_eq!(all.len(), 2);
    let cursor =
        services.get("/stock?limit=2").await["next_cursor"].as_str().expect("more").to_owned();
    let path = format!(
        "/stock?limit=2&cursor={}",
        cursor.replace('"', "%22").replace('[', "%5B").replace(']', "%5D")
    );
    assert_eq!(services.list(&path).await.len(), 1);
    let (status, problem) =
        services.ask(http::Method::PUT, "/admin/v1/stock", Some(("text/csv", "a,b\n1,2\n"))).await;
    assert!(
        status == 400
            && problem["detail"].as_str().expect("a detail").contains("store_id,sku,quantity")
    );
    services.close().await;
}

/// A correction of shipped goods is a movement of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_from_before_the_shipping_corrects_the_stock() {
    let services = Services::open().await;
    services.acknowledged(created("H1")).await;
    services
        .acknowledged(hook(
            "order.received",
            Some("2026-11-22T13:00:00+03:00"),
            json!({"originalOrderId": "H1"}),
        ))
        .await;
    assert_eq!(services.balance("17", "100").await, "-2");
    let before =
        hook("order.changed", Some("2026-11-22T12:30:00+03:00"), payload("H1", "100", 5, "50.00"));
    services.acknowledged(before).await;
    assert_eq!(services.balance("17", "100").await, "-5");
    let texts = services.picker_messages(2).await;
    assert!(
        texts[1].contains("⚠️") && texts[1].contains("передан курьеру"),
        "the message says that the order was shipped: {}",
        texts[1]
    );
    let movements = services.get("/stock?store=17").await["movements"].clone();
    assert_eq!(movements[0]["lines"][0]["quantity"], "-3");
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_can_be_replayed() {
    let services = Services::open().await;
    services.acknowledged(created("H1")).await;
    services.post("{broken").await;
    let applied =
        services.list("/hooks?verdict=applied").await[0]["id"].as_str().expect("an id").to_owned();
    let rejected =
        services.list("/hooks?verdict=rejected").await[0]["id"].as_str().expect("an id").to_owned();
    let replay = |id: String| {
        let path = format!("/admin/v1/hooks/{id}/replay");
        let services = &services;
        async move { services.ask(http::Method::POST, &path, None).await }
    };
    let (status, outcome) = replay(applied).await;
    assert_eq!(
        (status, &outcome["verdict"]),
        (200, &json!("replayed")),
        "an applied hook is not applied twice"
    );
    let (status, problem) = replay(rejected).await;
    assert!(
        status == 400
            && problem["detail"].as_str().expect("a detail").contains("not a JSON object"),
        "{problem}"
    );
    let (status, _) = replay("1-000000000000000000000000".into()).await;
    assert_eq!(status, 404);
    assert_eq!(services.list("/orders").await.len(), 1);
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_metrics_are_served() {
    let services = Services::open().await;
    services.acknowledged(created("H1")).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(services.ask(http::Method::GET, path, None).await.0, 200, "{path}");
    }
    services.close().await;
}

/// What the operator's dashboards need is measured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_requests_and_money_are_measured() {
    use tillgate_lab::sandbox::Outcome;

    use crate::world::till::{Till, text};

    let till = Till::open().await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.order_in(&number, "paid").await;
    till.nothing_waits_in("callback").await;
    let url = format!("{}/metrics", till.url());
    let reply = till.call(http::Method::GET, &url, crate::world::ADMIN_TOKEN, None, "").await;
    assert_eq!(reply.status, 200);
    let metrics = String::from_utf8_lossy(&reply.body).into_owned();
    for part in [
        "tillgate_requests_total{route=\"/v1/orders\",status=\"201\"}",
        "tillgate_request_seconds_bucket{route=\"/v1/orders/{id}\"",
        "tillgate_peer_call_seconds_count{peer=\"bank\",outcome=\"answered\"}",
        "tillgate_peer_call_seconds_count{peer=\"site\",outcome=\"accepted\"}",
        "tillgate_outbox_oldest_seconds{lane=\"callback\"}",
        "tillgate_attention_orders",
        "tillgate_money{state=\"paid\",currency=\"RUB\"}",
    ] {
        assert!(metrics.contains(part), "{part}: {metrics}");
    }
    till.close().await;
}
