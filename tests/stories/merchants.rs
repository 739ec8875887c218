//! A merchant's site places orders: each once, however often a request is
//! repeated.

use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use tillgate::kernel::Clock;
use tillgate::peer::{Client, Reply};
use tillgate_lab::sandbox::{Call, Setup, Trouble};

use crate::world::till::{API_KEY, OTHER_API_KEY, Till, json_of, order, text};
use crate::world::{DEADLINE, created};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_sent_again_is_answered_again() {
    let till = Till::open().await;
    let body = order("A-1").to_string();
    let post = |key: Option<&'static str>, bearer: &'static str, body: String| {
        let till = &till;
        async move { till.call(Method::POST, "/v1/orders", bearer, key, &body).await }
    };
    let first = post(Some("key"), API_KEY, body.clone()).await;
    let again = post(Some("key"), API_KEY, body.clone()).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!(first.body, again.body, "byte for byte");
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert!(!first.headers.contains_key("idempotent-replayed"));
    assert_eq!(
        (&first.headers["etag"], &again.headers["etag"]),
        (&"\"1\"".parse().expect("a tag"), &"\"1\"".parse().expect("a tag"))
    );

    let other = post(Some("key"), API_KEY, order("A-2").to_string()).await;
    assert_eq!(
        (other.status.as_u16(), json_of(&other)["type"].as_str()),
        (422, Some("urn:tillgate:problem:idempotency-key-reused"))
    );
    assert_eq!(post(None, API_KEY, body.clone()).await.status, 400);
    assert_eq!(post(Some("key"), "unknown key", body.clone()).await.status, 401);
    // The same order under another key is the same order. Another order under
    // its number is refused.
    let same = post(Some("second key"), API_KEY, body.clone()).await;
    assert_eq!(
        (same.status.as_u16(), &json_of(&same)["number"]),
        (201, &json_of(&first)["number"])
    );
    let mut dearer = order("A-1");
    dearer["items"][0]["price"] = json!("130.00");
    let conflict = post(Some("third key"), API_KEY, dearer.to_string()).await;
    assert_eq!(
        (conflict.status.as_u16(), json_of(&conflict)["type"].as_str()),
        (409, Some("urn:tillgate:problem:order-exists"))
    );
    // The same key of another merchant is a different key, and its order is a
    // different order.
    let others = post(Some("key"), OTHER_API_KEY, body).await;
    assert_eq!(others.status, 201);
    assert_ne!(json_of(&others)["number"], json_of(&first)["number"]);
    let number = text(&json_of(&first)["number"]);
    assert_eq!(
        till.call(Method::GET, &format!("/v1/orders/{number}"), OTHER_API_KEY, None, "")
            .await
            .status,
        404
    );
    let found = till.call(Method::GET, "/v1/orders?merchant_order_id=A-1", API_KEY, None, "").await;
    assert_eq!(json_of(&found)["items"][0]["number"], number.as_str());
    let all = till.call(Method::GET, "/v1/orders?state=open", API_KEY, None, "").await;
    assert_eq!(json_of(&all)["items"].as_array().map(Vec::len), Some(1));
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_progress_is_not_started_twice() {
    let till = Till::open().await;
    till.bank.misbehave(Call::Create, [Trouble::Slow(20_000)]);
    let body = order("A-1").to_string();
    let first = till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &body);
    let second = async {
        // The first request is in progress once the payment system has the
        // order.
        assert!(till.bank.wait_until(DEADLINE, |orders| !orders.is_empty()).await);
        till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &body).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(second.status, 409, "{}", String::from_utf8_lossy(&second.body));
    assert_eq!(json_of(&second)["type"], "urn:tillgate:problem:request-in-progress");
    assert_eq!(first.status, 201);
    assert_eq!(json_of(&first)["payment"]["state"], "requested");
    let again = till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &body).await;
    assert_eq!(again.body, first.body);
    assert_eq!(till.bank.ledger().len(), 1);
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_duplicates_of_a_request_at_once_are_one_order() {
    let till = Till::open().await;
    let body = order("A-1").to_string();
    let duplicates =
        (0..32).map(|_| till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &body));
    let mut numbers = std::collections::BTreeSet::new();
    let mut bodies = std::collections::BTreeSet::new();
    for reply in futures(duplicates).await {
        match reply.status.as_u16() {
            201 => {
                numbers.insert(text(&json_of(&reply)["number"]));
                bodies.insert(reply.body);
            }
            409 => {}
            status => panic!("{status}: {}", String::from_utf8_lossy(&reply.body)),
        }
    }
    assert_eq!((numbers.len(), bodies.len(), till.bank.ledger().len()), (1, 1, 1));
    till.close().await;
}

/// Awaits all futures concurrently.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut is_done = true;
        for (future, slot) in waiting.iter_mut().zip(&mut done) {
            if slot.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(output) => *slot = Some(output),
                    std::task::Poll::Pending => is_done = false,
                }
            }
        }
        if is_done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_order_is_refused_with_the_reason() {
    let till = Till::open().await;
    let cases: [(&str, Value, &str); 14] = [
        ("/items/0/quantity", json!("0"), "items[0].quantity: must be greater than 0"),
        ("/items/1/price", json!("-1.00"), "items[1].price: must not be below 0"),
        ("/items/0/price", json!(129.9), "items[0].price: must be a decimal string"),
        ("/items/0/price", json!("1.005"), "items[0].price: must be a decimal string"),
        ("/items/0/vat", json!("RUS_VAT18"), "items[0].vat: must be one of VATNONE, RUS_VAT0"),
        ("/items", json!([]), "items: must have from 1 to 500 lines"),
        ("/currency", json!("USD"), "currency"),
        ("/success_url", json!("javascript:alert(1)"), "success_url"),
        ("/customer", json!({"nom": "x"}), "customer.nom: is not a field of this request"),
        ("/merchant_order_id", json!(""), "merchant_order_id"),
        ("/items/0/name", json!("a\u{0}b"), "items[0].name: must not have control characters"),
        ("/description", json!("a\u{7}b"), "description: must not have control characters"),
        (
            "/customer",
            json!({"email": "a@b.example\r\nBcc: c@d.example"}),
            "customer.email: must not have control",
        ),
        ("/items/0", json!(["1", "n", "1", "1.00", "VATNONE"]), "items[0]: must be an object"),
    ];
    for (place, value, reason) in cases {
        let mut bad = order("A-1");
        *bad.pointer_mut(place).expect("a place") = value;
        let reply =
            till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &bad.to_string()).await;
        let problem = json_of(&reply);
        assert_eq!(reply.status, 422, "{place}: {problem}");
        assert!(text(&problem["detail"]).contains(reason), "{place}: {problem}");
    }
    let mut wrong_sum = order("A-1");
    wrong_sum["total"] = json!("614.81");
    wrong_sum["expires_at"] = json!("2020-01-01T00:00:00+03:00");
    let reply =
        till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &wrong_sum.to_string()).await;
    assert!(text(&json_of(&reply)["detail"]).contains("expires_at"));
    wrong_sum.as_object_mut().expect("an object").remove("expires_at");
    let reply =
        till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &wrong_sum.to_string()).await;
    assert!(text(&json_of(&reply)["detail"]).contains("614.80"));
    // None of the refused requests has used the key.
    till.place("A-1", "key").await;
    till.close().await;
}

/// Sites whose payment system does not answer wait for their links. Hooks of
/// marketplaces are answered meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sites_that_wait_leave_room_for_hooks() {
    // The others have another payment system, so no share of the calls limits
    // the site.
    let second = "[gateways.second]\nprotocol = \"invoicebox\"\nurl = \"http://127.0.0.1:9\"\n\
        token = \"token-of-the-second\"\nmerchant_id = \"second\"\n\
        signing_key = \"key-of-the-second-one\"\n[merchants.other]\ngateway = \"second\"";
    let alone = [
        ("[merchants.other]", second),
        ("[merchants.site]", "[merchants.site]\ngateway = \"bank\""),
        ("payment = \"link\"", "payment = \"link\"\ngateway = \"second\""),
    ];
    let setup = Setup { calls_max: 100_000, ..Setup::default() };
    let till = Till::open_with(setup, &alone, Clock::System).await;
    till.bank.misbehave_always(Call::Create, Some(Trouble::Slow(60_000)));
    let (one, many) = (order("A-0").to_string(), tillgate::http::ORDERS_AT_ONCE_MAX + 50);
    let keys: Vec<String> = (0..many).map(|key| key.to_string()).collect();
    let orders = futures(keys.iter().map(|key| {
        let body = one.replace("A-0", &format!("A-{key}"));
        let till = &till;
        async move {
            till.call(Method::POST, "/v1/orders", API_KEY, Some(key), &body).await.status.as_u16()
        }
    }));
    let hook = async {
        assert!(till.bank.wait_until(DEADLINE, |orders| !orders.is_empty()).await);
        till.hook(&created("H1")).await
    };
    let (statuses, hook) = tokio::join!(orders, hook);
    assert_eq!(hook.status(), 200, "{}", hook.body());
    assert!(statuses.iter().all(|status| [201, 503].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&503), "requests over the limit get 503");
    till.close().await;
}

/// A merchant whose requests of a day have used up its quota is answered 429
/// until midnight. Marketplaces are not affected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merchant_over_its_quota_is_answered_429_until_midnight() {
    let clock = Clock::manual("2026-11-22T23:00:00Z".parse().expect("a time"));
    let quota = [("[merchants.site]", "[merchants.site]\nmegabytes_per_day_max = 1")];
    let setup = Setup { calls_max: 100_000, ..Setup::default() };
    let till = Till::open_with(setup, &quota, clock.clone()).await;
    let place = async |number: usize| {
        let mut long = order(&format!("A-{number}"));
        let line = long["items"][0].clone();
        long["items"] = Value::Array(vec![line; 400]);
        let (key, body) = (format!("key-{number}"), long.to_string());
        till.call(Method::POST, "/v1/orders", API_KEY, Some(&key), &body).await
    };
    let mut number = 0;
    let refused = loop {
        let answer = place(number).await;
        if answer.status != 201 {
            break answer;
        }
        number += 1;
        assert!(number < 1000, "more than 1 MB was stored");
    };
    assert_eq!(
        (refused.status.as_u16(), &refused.headers["retry-after"]),
        (429, &"3600".parse().expect("a value"))
    );
    assert!(text(&json_of(&refused)["detail"]).contains("megabytes_per_day_max"));
    assert_eq!(place(0).await.status, 201, "a repeated request gets its answer");
    // So does the same order under another key, and a change that was made
    // already; another change does not.
    let mut long = order("A-0");
    long["items"] = Value::Array(vec![long["items"][0].clone(); 400]);
    let same = till.call(Method::POST, "/v1/orders", API_KEY, Some("new"), &long.to_string()).await;
    assert_eq!(same.status, 201);
    let id = text(&json_of(&same)["id"]);
    assert_eq!(till.change(&id, None, &long["items"]).await.status, 200);
    let fewer = Value::Array(vec![long["items"][0].clone()]);
    assert_eq!(till.change(&id, None, &fewer).await.status, 429);
    assert_eq!(till.hook(&created("H1")).await.status(), 200);
    clock.advance(std::time::Duration::from_secs(3600));
    assert_eq!(place(number).await.status, 201);
    till.close().await;
}

/// A repeated request gets the first answer, even if the order has expired
/// since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_after_the_expiry_is_still_the_same_answer() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    let mut body = order("A-1");
    body["expires_at"] = json!("2026-11-22T10:15:00Z");
    let body = body.to_string();
    let first = till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &body).await;
    till.clock.advance(std::time::Duration::from_secs(1200));
    let again = till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &body).await;
    assert_eq!((first.status.as_u16(), &first.body), (201, &again.body));
    let number = text(&json_of(&first)["number"]);
    assert_eq!(till.order(&number).await["payment"]["state"], "expired");
    let (_, location, page) =
        till.browse(Method::GET, &text(&json_of(&first)["payment"]["url"])).await;
    assert!(location.is_empty() && page.contains("Срок оплаты истёк"), "{page}");
    till.close().await;
}

/// Transformations by languages and libraries, such as a byte order mark or
/// gzip, do not make another order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_the_same_behind_a_byte_order_mark_in_gzip_and_with_codes_in_any_case() {
    let till = Till::open().await;
    let client = Client::new(DEADLINE, 1 << 20).expect("a client");
    let post = async |key: &'static str, more: &[(&'static str, &'static str)], body: Vec<u8>| {
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {API_KEY}")).expect("a header");
        headers.insert(http::header::AUTHORIZATION, bearer);
        headers.insert("idempotency-key", HeaderValue::from_static(key));
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in more {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        let url = format!("{}/v1/orders", till.url());
        client.call(Method::POST, &url, headers, body).await.expect("an answer")
    };
    let gzip = |body: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, body).expect("written");
        encoder.finish().expect("packed")
    };
    let plain = order("A-1").to_string();
    let first = post("1", &[], plain.clone().into_bytes()).await;
    assert_eq!(first.status, 201);
    let number = text(&json_of(&first)["number"]);
    let packed = gzip(plain.as_bytes());
    let zipped = [("content-encoding", "gzip")];
    let again = post("1", &zipped, packed.clone()).await;
    assert_eq!((again.status.as_u16(), &again.body), (201, &first.body), "the same request");
    for (key, currency) in [("2", "rub"), ("3", "RUR"), ("4", "Rur")] {
        let mut body = order("A-1");
        body["currency"] = json!(currency);
        let body = format!("\u{feff}{body}");
        let reply = post(key, &[("content-encoding", "GZIP")], gzip(body.as_bytes())).await;
        assert_eq!(
            (reply.status.as_u16(), text(&json_of(&reply)["number"])),
            (201, number.clone())
        );
    }
    let refused = |reply: &Reply| (reply.status.as_u16(), text(&json_of(reply)["detail"]));
    assert_eq!(post("5", &zipped, packed[..40].to_vec()).await.status, 400);
    let big = gzip(&vec![b' '; 3 << 20]);
    assert!(big.len() < 1 << 16);
    assert_eq!(post("6", &zipped, big).await.status, 413);
    let (status, why) = refused(&post("7", &[("content-encoding", "zstd")], packed).await);
    assert!(status == 415 && why.contains("zstd"), "{status} {why}");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let (status, why) = refused(&post("8", &form, b"order=%7B%7D".to_vec()).await);
    assert!(status == 415 && why.contains("JSON"), "{status} {why}");
    till.close().await;
}

/// A contact is stored and sent in the normalized form in which it was
/// validated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contacts_are_normalised() {
    let till = Till::open().await;
    for (place, (written, sent)) in [
        (json!({"phone": "8 (999) 000-00-00 доб. 12"}), json!({"phone": "79990000000"})),
        (json!({"phone": "+7 999 0000000"}), json!({"phone": "79990000000"})),
        (json!({"phone": "9990000000"}), json!({"phone": "79990000000"})),
        (json!({"email": "  a@example.org\t"}), json!({"email": "a@example.org"})),
        (json!({"email": " ", "phone": "8-999-000-00-00"}), json!({"phone": "79990000000"})),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("A-{place}");
        let mut body = order(&id);
        body["customer"] = written.clone();
        body["customer"]["name"] = json!("Анна");
        let reply =
            till.call(Method::POST, "/v1/orders", API_KEY, Some(&id), &body.to_string()).await;
        assert_eq!(reply.status, 201, "{written}: {}", String::from_utf8_lossy(&reply.body));
        let number = text(&json_of(&reply)["number"]);
        let request: Value = serde_json::from_str(&till.remote(&number).request).expect("json");
        for field in ["email", "phone"] {
            let there = &request["customer"][field];
            let is_blank = there.is_null() || there == "";
            assert!(
                *there == sent[field] || (sent[field].is_null() && is_blank),
                "{written}: {request}"
            );
        }
    }
    till.close().await;
}

/// A text that a site has cut within a character is accepted, and the order has
/// an attention about it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_accepted_as_php_writes_it() {
    let till = Till::open().await;
    let mut body = order("A-1");
    body["items"] = json!({"0": body["items"][0], "2": body["items"][1]});
    let body = body.to_string().replace("Сыр", r"Сыр \ud83d");
    let reply = till.call(Method::POST, "/v1/orders", API_KEY, Some("A-1"), &body).await;
    assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
    let number = text(&json_of(&reply)["number"]);
    let items = json_of(&reply)["items"].clone();
    assert_eq!((&items[0]["sku"], &items[1]["name"]), (&json!("123456"), &json!("Сыр \u{fffd}")));
    let seen = till.admin(&format!("/orders/{number}")).await["attention"].to_string();
    assert!(seen.contains("U+FFFD"), "{seen}");
    till.close().await;
}
