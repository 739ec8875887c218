//! Whatever a sender sends, the answer is clear, the process keeps running, and
//! nothing is lost.

use std::time::Duration;

use serde_json::json;
use tillgate::kernel::{Clock, Secret};
use tillgate_lab::demo::marketplace::Marketplace;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{DEADLINE, Services, TOKEN, ask_again_soon, created, hook, payload};

fn order(field: &str) -> String {
    format!(
        "{{\"event_type\":\"order.created\",\"timestamp\":\"2026-11-22T12:00:00+03:00\",\
         \"payload\":{{\"originalOrderId\":\"H1\",{field}}}}}"
    )
}

/// Hooks that are invalid as a whole: the answer, and what is kept of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_hooks_are_refused_and_kept_with_the_reason() {
    let services = Services::open().await;
    let deep = "[".repeat(100_000);
    let bad: [(&str, Vec<u8>, u16, &str); 13] = [
        ("empty", b"".to_vec(), 400, "not a JSON object"),
        ("truncated", br#"{"event_type":"order.created","#.to_vec(), 400, "not a JSON object"),
        ("a list", b"[1,2]".to_vec(), 400, "not a JSON object"),
        ("not UTF-8", b"{\"event_type\":\"\xff\"}".to_vec(), 400, "not valid UTF-8"),
        ("a byte order mark and nothing after it", "\u{feff}".into(), 400, "not a JSON object"),
        ("no kind", br#"{"payload":{"originalOrderId":"H1"}}"#.to_vec(), 400, "event_type"),
        (
            "a kind that is a number",
            br#"{"event_type":{},"payload":{}}"#.to_vec(),
            400,
            "event_type",
        ),
        (
            "two payloads",
            include_bytes!("../../fixtures/sm/bad/payload-twice.json").to_vec(),
            400,
            "more than once",
        ),
        ("very deep nesting", deep.into_bytes(), 400, "not a JSON object"),
        ("no payload", br#"{"event_type":"order.paid"}"#.to_vec(), 422, "originalOrderId"),
        (
            "no number",
            hook("order.created", None, json!({"storeID": "17"})).into(),
            422,
            "originalOrderId",
        ),
        (
            "a number with NUL",
            hook("order.paid", None, json!({"originalOrderId": "H\u{0}1"})).into(),
            422,
            "originalOrderId",
        ),
        ("two numbers", order(r#""originalOrderId":"H2""#).into(), 422, "more than once"),
    ];
    for (name, body, status, reason) in &bad {
        let answer = services.post(body).await;
        assert_eq!(answer.status(), *status, "{name}: {}", answer.body());
        let problem: serde_json::Value =
            serde_json::from_str(answer.body()).expect("a problem document");
        assert!(
            problem["detail"].as_str().expect("a detail").contains(reason),
            "{name}: {problem}"
        );
        assert!(
            problem["type"].as_str().expect("a type").starts_with("urn:tillgate:problem:"),
            "{name}"
        );
    }
    // A hook that its sender has encoded as a JSON string. No answer, list or
    // log quotes it.
    let twice = serde_json::to_string(&created("H1")).expect("json");
    let answer = services.post(&twice).await;
    assert!(answer.status() == 400 && !answer.body().contains("Канарейкина"), "{}", answer.body());
    let kept = services.list("/hooks?verdict=rejected&limit=100").await;
    assert!(!serde_json::Value::from(kept.clone()).to_string().contains("Канарейкина"));
    assert_eq!(kept.len(), bad.len() + 1);
    assert!(kept.iter().all(|hook| hook["reason"].is_string()));
    assert!(services.list("/orders").await.is_empty());
    let id =
        kept.last().expect("the first that was kept")["id"].as_str().expect("an id").to_owned();
    assert_eq!(services.get(&format!("/hooks/{id}")).await["body"], "");
    services.close().await;
}

/// Invalid fields in an order with a usable number: the hook is acknowledged
/// all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_with_a_usable_number_is_acknowledged_whatever_else_is_in_it() {
    let odd = [
        r#""positions":null"#.to_owned(),
        r#""positions":{"a":1}"#.to_owned(),
        concat!(
            r#""positions":[1,"two",null,[],{},{"id":null},"#,
            r#"{"id":"1","quantity":"x"},{"id":"2","quantity":1e400}]"#
        )
        .to_owned(),
        concat!(
            r#""positions":[{"id":"1","quantity":-5,"price":"1.999","#,
            r#""totalPrice":"99999999999999999999"}]"#
        )
        .to_owned(),
        r#""storeID":"17","storeID":"18""#.to_owned(),
        r#""storeID":["17"]"#.to_owned(),
        r#""storeID":"a\u0000b""#.to_owned(),
        r#""customer":{"name":"\ud800"},"comment":"\udfff""#.to_owned(),
        r#""comment":"\u0000""#.to_owned(),
        r#""total":"12","delivery":7,"address":[[[[]]]]"#.to_owned(),
        format!(r#""deep":{}1{}"#, "[".repeat(5000), "]".repeat(5000)),
        format!(
            r#""wide":{{{}}}"#,
            (0..20_000).map(|n| format!(r#""k{n}":{n}"#)).collect::<Vec<_>>().join(",")
        ),
        (0..5_000).map(|n| format!(r#""f{n}":0"#)).collect::<Vec<_>>().join(","),
        format!(r#""long":"{}""#, "Ж".repeat(256 * 1024)),
    ];
    for (case, field) in odd.iter().enumerate() {
        let services = Services::open().await;
        let body = order(field);
        let answer = services.acknowledged(&body).await;
        assert!(answer.contains(r#""status":"created""#), "case {case}: {answer}");
        assert_eq!(services.acknowledged(&body).await, answer, "case {case}");
        assert_eq!(services.order("H1").await["state"], "open", "case {case}");
        let kept = services.list("/hooks?verdict=applied").await;
        let raw = services.get(&format!("/hooks/{}", kept[0]["id"].as_str().expect("an id"))).await;
        assert_eq!(raw["body"].as_str().expect("text"), body, "case {case}: the raw hook is kept");
        services.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_of_three_thousand_lines_is_an_order() {
    let services = Services::open().await;
    let mut long = payload("H1", "0", 1, "10.00");
    let lines = (0..3000).map(|line| {
        json!({"id": format!("{:06}", 100_000 + line), "quantity": 1 + line % 7,
            "originalQuantity": 1, "price": "129.90",
            "discountPrice": "0", "replacedByID": "", "weight": "", "totalPrice": "129.90",
                "totalDiscountPrice": "129.90"})
    });
    long["positions"] = lines.collect();
    let body = hook("order.created", Some("2026-11-22T12:00:00+03:00"), long);
    assert!(body.len() > 400_000 && body.len() < 1 << 20, "{} bytes", body.len());
    let answer = services.acknowledged(&body).await;
    assert_eq!(services.acknowledged(&body).await, answer);
    assert_eq!(services.order("H1").await["positions"].as_array().expect("a list").len(), 3000);
    services.acknowledged(hook("order.received", None, json!({"originalOrderId": "H1"}))).await;
    assert_eq!(services.balance("17", "100006").await, "-7");
    let texts = services.picker_messages(1).await;
    assert!(texts[0].encode_utf16().count() <= 4096 && texts[0].contains("и ещё"), "{}", texts[0]);
    let services = services.restart().await;
    assert_eq!(services.order("H1").await["state"], "shipped");
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_is_too_long_is_refused_and_its_beginning_kept() {
    let services = Services::open().await;
    let body = order(&format!(r#""comment":"{}""#, "x".repeat(2 << 20)));
    let answer = services.post(&body).await;
    assert_eq!(answer.status(), 413, "{answer:?}");
    let kept = services.list("/hooks?verdict=rejected").await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["body_bytes"], body.len());
    services.acknowledged(created("H2")).await;
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_token_nothing_is_received_or_kept() {
    let services = Services::open().await;
    let url = format!("{}/hooks/sm", services.url());
    for token in [
        "",
        "wrong",
        "token-of-the-marketplac",
        "token-of-the-marketplace2",
        "TOKEN-OF-THE-MARKETPLACE",
    ] {
        let forger = Marketplace::new(&url, Secret::new(token)).expect("a client");
        assert_eq!(forger.post(created("H1").as_bytes()).await.status(), 403, "{token:?}");
        assert_eq!(forger.post(b"not even JSON").await.status(), 403, "{token:?}");
    }
    let two = format!(
        "POST /hooks/sm HTTP/1.1\r\nhost: t\r\nclient-token: {TOKEN}\r\nclient-token: {TOKEN}\r\n\
         content-length: 2\r\nconnection: close\r\n\r\n{{}}"
    );
    assert!(raw(&services, two.as_bytes()).await.starts_with("HTTP/1.1 403"));
    assert!(services.list("/orders").await.is_empty() && services.list("/hooks").await.is_empty());
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_tokens_are_exchanged_both_are_valid() {
    let both = format!(r#"tokens = ["the-new-token-of-sm", "{TOKEN}"]"#);
    let exchange = [(format!(r#"token = "{TOKEN}""#), both)];
    let exchange: Vec<(&str, &str)> =
        exchange.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    let services = Services::open_with(&exchange, Clock::System).await;
    let url = format!("{}/hooks/sm", services.url());
    for (token, status) in
        [("the-new-token-of-sm", 200), (TOKEN, 200), ("the-next-token-of-sm", 403)]
    {
        let marketplace = Marketplace::new(&url, Secret::new(token)).expect("a client");
        assert_eq!(marketplace.post(created("H1").as_bytes()).await.status(), status, "{token}");
    }
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_methods_and_sources_are_refused() {
    let services = Services::open().await;
    let (status, _) = services.ask(http::Method::GET, "/hooks/sm", None).await;
    assert_eq!(status, 405);
    let marketplace =
        Marketplace::new(format!("{}/hooks/ozon", services.url()), Secret::new(TOKEN))
            .expect("a client");
    let answer = marketplace.post(created("H1").as_bytes()).await;
    assert!(
        answer.status() == 404 && answer.body().contains("no source with this name"),
        "{answer:?}"
    );
    let (status, _) = services.ask(http::Method::GET, "/wp-login.php", None).await;
    assert_eq!(status, 404);
    services.close().await;
}

/// Sends the bytes unchanged and returns the answer.
async fn raw(services: &Services, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(services.app.address()).await.expect("connected");
    stream.write_all(bytes).await.expect("written");
    let mut answer = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer))
        .await
        .expect("an answer in time")
        .expect("read");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_without_end_and_smuggled_bodies_are_refused() {
    let services = Services::open().await;
    let mut endless = b"POST /hooks/sm HTTP/1.1\r\nhost: t\r\n".to_vec();
    endless.extend(
        std::iter::repeat_n(b"x-header: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 5000).flatten(),
    );
    endless.extend_from_slice(b"\r\n");
    let answer = raw(&services, &endless).await;
    // The answer may be lost, because the connection is closed while the test
    // still writes.
    assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{answer}");
    let lengths =
        b"POST /hooks/sm HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n\
         hello!";
    let answer = raw(&services, lengths).await;
    assert!(answer.starts_with("HTTP/1.1 400") || answer.is_empty(), "{answer}");
    let both = format!(
        "POST /hooks/sm HTTP/1.1\r\nhost: t\r\nclient-token: {TOKEN}\r\ncontent-length: 9\r\n\
         transfer-encoding: chunked\r\n\r\n\
         0\r\n\r\nPOST /hooks/sm HTTP/1.1\r\nhost: t\r\nclient-token: {TOKEN}\r\ncontent-length: \
             2\r\n\r\n{{}}"
    );
    let answer = raw(&services, both.as_bytes()).await;
    assert!(
        answer.matches("HTTP/1.1 ").count() <= 1,
        "the second request is not a request of its own: {answer}"
    );
    let kept = services.list("/hooks").await;
    assert!(
        kept.iter().all(|hook| hook["body_bytes"] != 2),
        "the second was received as a request: {kept:?}"
    );
    services.acknowledged(created("H1")).await;
    services.close().await;
}

/// The sender closes the connection as soon as it has written; the hook is
/// processed all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_whose_sender_hangs_up_is_kept() {
    let services = Services::open().await;
    for order in 0..20 {
        let body = created(&format!("H{order}"));
        let request = format!(
            "POST /hooks/sm HTTP/1.1\r\nhost: t\r\nclient-token: {TOKEN}\r\ncontent-length: \
             {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(services.app.address()).await.expect("connected");
        stream.write_all(request.as_bytes()).await.expect("written");
        drop(stream);
    }
    let all = async {
        while services.list("/orders?limit=100").await.len() < 20 {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all)
        .await
        .expect("every hook that was written was kept");
    services.close().await;
}

/// The body of a request without a valid token is not read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_a_token_is_refused_before_the_body_is_read() {
    let services = Services::open().await;
    let address = services.url().replace("http://", "");
    let mut connection = TcpStream::connect(&address).await.expect("a connection");
    let head = "POST /hooks/sm HTTP/1.1\r\nhost: x\r\nclient-token: of-somebody-else\r\n\
        content-length: 1000000\r\n\r\n";
    connection.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = [0; 12];
    let read = tokio::time::timeout(DEADLINE, connection.read_exact(&mut answer)).await;
    read.expect("an answer in time").expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 403");
    services.close().await;
}
