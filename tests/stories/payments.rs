//! A site's order: a link out, and paid.

use http::Method;
use serde_json::{Value, json};
use tillgate::demo::marketplace::Marketplace;
use tillgate::gateway::sandbox::{Call, Outcome, Setup, Trouble};
use tillgate::kernel::{Clock, Secret};
use tillgate::webhooks::invoicebox::{Algorithm, sign};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::till::{API_KEY, OTHER_API_KEY, Till, json_of, order, text};
use crate::world::{DEADLINE, TOKEN, created, payload};

async fn reply(till: &Till, method: Method, path: &str) -> (u16, String, String) {
    let reply = till.call(method, path, "", None, "").await;
    let location = reply.headers.get("location").map(|value| value.to_str().expect("ascii").to_owned());
    (reply.status.as_u16(), location.unwrap_or_default(), String::from_utf8_lossy(&reply.body).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_linked_paid_and_told() {
    let till = Till::open().await;
    let placed = till.place("A-1001", "first").await;
    assert_eq!(placed["state"], "open");
    assert_eq!(placed["revision"], 1);
    assert_eq!(placed["total"], json!({"amount": "614.80", "currency": "RUB"}));
    assert_eq!(placed["payment"]["state"], "linked", "{placed}");
    let number = text(&placed["number"]);

    // The buyer is sent to the payment page, pays there, and is sent back.
    let (status, page, _) = reply(&till, Method::GET, &text(&placed["payment"]["url"])).await;
    assert_eq!((status, page.starts_with(&till.bank.url())), (303, true), "{page}");
    let (status, way_back, _) = reply(&till, Method::POST, &format!("{page}/pay")).await;
    assert_eq!((status, way_back.starts_with(&format!("{}/return/{number}-", till.url()))), (303, true));

    let paid = till.order_in(&number, "paid").await;
    assert_eq!(paid["state"], "paid");
    assert!(paid["paid_at"].is_string() && paid["payment"]["paid_at"].is_string());
    let (status, _, page) = reply(&till, Method::GET, &way_back).await;
    assert!(
        status == 200 && page.contains("Заказ оплачен") && page.contains("https://shop.example/ok"),
        "{page}"
    );
    let (_, location, page) = reply(&till, Method::GET, &text(&placed["payment"]["url"])).await;
    assert!(location.is_empty() && page.contains("Заказ оплачен"), "a paid order leads to no payment page");

    // The site hears of it, and the payment system was answered.
    let callbacks = till.site.wait_for(1, DEADLINE).await.expect("a callback");
    assert!(callbacks[0].is_signed);
    assert_eq!(callbacks[0].body["type"], "payment.succeeded");
    assert_eq!(callbacks[0].body["data"]["merchant_order_id"], "A-1001");
    assert_eq!(callbacks[0].body["data"]["payment"]["state"], "paid");
    assert_eq!(till.notices(&number).await, [r#"{"status":"success"}"#]);

    let journal = till.admin(&format!("/orders/{number}/journal")).await.to_string();
    for what in ["614.80 paid", "can be paid", "order.placed"] {
        assert!(journal.contains(what), "{what}: {journal}");
    }
    till.close().await;
}

/// The request, field by field, against the vendor's documents; sums as its own checks want them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_payment_system_is_asked_in_its_own_form() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "k").await["number"]);
    let request: Value = serde_json::from_str(&till.remote(&number).request).expect("json");
    let fields: Vec<&str> = request.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        [
            "amount",
            "basketItems",
            "currencyId",
            "customer",
            "description",
            "expirationDate",
            "failUrl",
            "languageId",
            "merchantId",
            "merchantOrderId",
            "notificationUrl",
            "returnUrl",
            "successUrl",
            "vatAmount"
        ]
    );
    assert_eq!(request["merchantOrderId"], format!("{number}-1"));
    assert_eq!(request["amount"].to_string(), "614.8");
    assert_eq!(request["vatAmount"].to_string(), "82.79");
    assert_eq!(request["customer"]["phone"], "79990000000");
    assert_eq!(request["notificationUrl"], format!("{}/hooks/bank", till.url()));
    assert!(text(&request["expirationDate"]).ends_with("+00:00"));
    assert_eq!(
        request["basketItems"][1],
        json!({"sku": "778899", "name": "Сыр", "measure": "кг", "measureCode": "166", "quantity": 0.355,
            "amount": 1000, "amountWoVat": 833.32, "totalAmount": 355, "totalVatAmount": 59.17,
            "vatCode": "RUS_VAT20", "type": "commodity", "paymentType": "full_prepayment"})
    );
    till.close().await;
}

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

    let other = post(Some("key"), API_KEY, order("A-2").to_string()).await;
    assert_eq!(
        (other.status.as_u16(), json_of(&other)["type"].as_str()),
        (422, Some("urn:tillgate:problem:idempotency-key-reused"))
    );
    assert_eq!(post(None, API_KEY, body.clone()).await.status, 400);
    assert_eq!(post(Some("key"), "nobody's key", body.clone()).await.status, 401);
    // The same order under another key is the same order; another order under its number is none.
    let same = post(Some("second key"), API_KEY, body.clone()).await;
    assert_eq!((same.status.as_u16(), &json_of(&same)["number"]), (201, &json_of(&first)["number"]));
    let mut dearer = order("A-1");
    dearer["items"][0]["price"] = json!("130.00");
    let taken = post(Some("third key"), API_KEY, dearer.to_string()).await;
    assert_eq!(
        (taken.status.as_u16(), json_of(&taken)["type"].as_str()),
        (409, Some("urn:tillgate:problem:number-taken"))
    );
    // Another merchant's key of the same name is another key, and its number another order.
    let others = post(Some("key"), OTHER_API_KEY, body).await;
    assert_eq!(others.status, 201);
    assert_ne!(json_of(&others)["number"], json_of(&first)["number"]);
    let number = text(&json_of(&first)["number"]);
    assert_eq!(
        till.call(Method::GET, &format!("/v1/orders/{number}"), OTHER_API_KEY, None, "").await.status,
        404
    );
    let found = till.call(Method::GET, "/v1/orders?merchant_order_id=A-1", API_KEY, None, "").await;
    assert_eq!(json_of(&found)["items"][0]["number"], number.as_str());
    let all = till.call(Method::GET, "/v1/orders?state=open", API_KEY, None, "").await;
    assert_eq!(json_of(&all)["items"].as_array().map(Vec::len), Some(1));
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_under_way_is_not_begun_twice() {
    let till = Till::open().await;
    till.bank.misbehave(Call::Create, [Trouble::Slow(20_000)]);
    let body = order("A-1").to_string();
    let first = till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &body);
    let second = async {
        // The first is under way once the payment system has heard of it.
        assert!(till.bank.wait_until(DEADLINE, |orders| !orders.is_empty()).await);
        till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &body).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(second.status, 409, "{}", String::from_utf8_lossy(&second.body));
    assert_eq!(json_of(&second)["type"], "urn:tillgate:problem:under-way");
    assert_eq!(first.status, 201);
    assert_eq!(json_of(&first)["payment"]["state"], "requested");
    let again = till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &body).await;
    assert_eq!(again.body, first.body);
    assert_eq!(till.bank.ledger().len(), 1);
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_copies_of_a_request_at_once_are_one_order() {
    let till = Till::open().await;
    let body = order("A-1").to_string();
    let copies = (0..32).map(|_| till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &body));
    let mut numbers = std::collections::BTreeSet::new();
    let mut bodies = std::collections::BTreeSet::new();
    for reply in futures(copies).await {
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

/// Awaits all at once.
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
async fn an_order_that_makes_no_sense_is_refused_with_the_reason() {
    let till = Till::open().await;
    let cases: [(&str, Value, &str); 11] = [
        ("/items/0/quantity", json!("0"), "items[0]: quantity"),
        ("/items/1/price", json!("-1.00"), "items[1]: price"),
        ("/items/1/sku", json!("123456"), "items[1]: sku"),
        ("/items/0/price", json!(129.9), "invalid type"),
        ("/items/0/price", json!("1.005"), "digits after the dot"),
        ("/items/0/vat", json!("RUS_VAT18"), "unknown variant"),
        ("/items", json!([]), "items: 0 lines"),
        ("/currency", json!("USD"), "currency"),
        ("/success_url", json!("javascript:alert(1)"), "success_url"),
        ("/customer", json!({"nom": "x"}), "unknown field"),
        ("/merchant_order_id", json!(""), "merchant_order_id"),
    ];
    for (place, value, reason) in cases {
        let mut bad = order("A-1");
        *bad.pointer_mut(place).expect("a place") = value;
        let reply = till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &bad.to_string()).await;
        let problem = json_of(&reply);
        assert_eq!(reply.status, 422, "{place}: {problem}");
        assert!(text(&problem["detail"]).contains(reason), "{place}: {problem}");
    }
    let mut wrong_sum = order("A-1");
    wrong_sum["total"] = json!("614.81");
    wrong_sum["expires_at"] = json!("2020-01-01T00:00:00+03:00");
    let reply = till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &wrong_sum.to_string()).await;
    assert!(text(&json_of(&reply)["detail"]).contains("expires_at"));
    wrong_sum.as_object_mut().expect("an object").remove("expires_at");
    let reply = till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &wrong_sum.to_string()).await;
    assert!(text(&json_of(&reply)["detail"]).contains("614.80"));
    // None of them has used the key up.
    till.place("A-1", "key").await;
    till.close().await;
}

/// Notifications as they are, altered, forged, doubled and for others: what is answered, and that nothing is paid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_right_notification_pays() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "k").await["number"]);
    till.bank.misbehave_always(Call::Notice, Some(Trouble::Lost));
    let remote = till.remote(&number);
    assert!(till.bank.buyer_acts(&remote.container, Outcome::Pay));
    let (right, signature) = till.bank.notice(&remote.id).expect("a notification");
    let key = till.bank.setup().signing_key.clone();
    let signed = |body: &str| sign(&key, Algorithm::Sha1, body.as_bytes());
    let right_text = String::from_utf8(right.clone()).expect("text");

    let forged = |signatures: Vec<String>, body: String| {
        let till = &till;
        async move {
            let signatures: Vec<&str> = signatures.iter().map(String::as_str).collect();
            till.notify(body.as_bytes(), &signatures).await
        }
    };
    let other_key = sign(&Secret::new("another key"), Algorithm::Sha1, &right);
    let sha256 = sign(&key, Algorithm::Sha256, &right);
    for (what, signatures) in [
        ("no signature", vec![]),
        ("another key", vec![other_key]),
        ("two signatures", vec![signature.clone(), signature.clone()]),
        ("another algorithm", vec![sha256]),
        ("no hex", vec!["zz".into()]),
    ] {
        let answer = forged(signatures, right_text.clone()).await;
        assert_eq!(
            (answer["status"].as_str(), answer["code"].as_str()),
            (Some("error"), Some("signature_error")),
            "{what}"
        );
    }
    let spaced = right_text.replace("\\/", "/");
    assert_eq!(
        forged(vec![signature.clone()], spaced).await["code"],
        "signature_error",
        "bytes, not meaning"
    );

    let altered = |from: &str, to: &str| {
        let text = right_text.replacen(from, to, 1);
        assert_ne!(text, right_text, "{from}");
        text
    };
    for (what, body, code) in [
        ("wrong sum", altered(r#""amount":614.8,"#, r#""amount":614.79,"#), Some("order_wrong_amount")),
        ("wrong currency", altered("RUB", "USD"), Some("order_wrong_currency")),
        (
            "wrong shop",
            altered("018f0000-0000-7000-8000-000000000001", "018f0000-0000-7000-8000-000000000002"),
            Some("order_not_found"),
        ),
        ("another id", altered(&remote.id, "018f0000-0000-7000-8000-00000000ffff"), Some("order_not_found")),
        ("unknown number", altered(&format!("{number}-1"), &format!("{number}-2")), Some("out_of_service")),
        ("not ours", altered(&format!("{number}-1"), "whatever"), Some("out_of_service")),
        ("success is not paid", altered(r#""status":"completed""#, r#""status":"success""#), None),
        ("no amount", r#"{"id":"1","status":"completed"}"#.to_owned(), Some("out_of_service")),
    ] {
        let answer = till.notify(body.as_bytes(), &[&signed(&body)]).await;
        match code {
            Some(code) => assert_eq!(answer["code"], code, "{what}: {answer}"),
            None => assert_eq!(answer["status"], "success", "{what}: {answer}"),
        }
        assert_eq!(till.order(&number).await["state"], "open", "{what}");
    }
    let document = till.admin(&format!("/orders/{number}")).await;
    let attention = document["attention"].to_string();
    assert!(attention.contains("614.79") && attention.contains("USD"), "{attention}");
    let journal = till.admin(&format!("/orders/{number}/journal")).await.to_string();
    assert!(journal.contains("we asked for 614.80"), "{journal}");

    // The test of the connection changes nothing.
    let test = r#"{"id":"ffffffff-ffff-ffff-ffff-ffffffffffff","merchantOrderId":"","merchantId":"018f0000-0000-7000-8000-000000000001","amount":0,"status":"completed"}"#;
    assert_eq!(till.notify(test.as_bytes(), &[&signed(test)]).await["status"], "success");

    // The right one, a hundred times over.
    for _ in 0..100 {
        assert_eq!(till.notify(&right, &[&signature]).await["status"], "success");
    }
    assert_eq!(till.order(&number).await["state"], "paid");
    let callbacks = till.site.wait_for(1, DEADLINE).await.expect("a callback");
    assert_eq!(callbacks.len(), 1);
    // Told of again under another id: money came twice.
    let twice = altered(&remote.id, "018f0000-0000-7000-8000-00000000ffff");
    assert_eq!(till.notify(twice.as_bytes(), &[&signed(&twice)]).await["code"], "order_already_paid");
    let document = till.admin(&format!("/orders/{number}")).await;
    assert!(document["attention"].to_string().contains("money came twice"));
    assert_eq!(till.site.callbacks().len(), 1);
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_fails_is_told_again_under_the_same_id() {
    let till = Till::open_with(
        Setup::default(),
        &[],
        Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time")),
    )
    .await;
    till.site.fails(2);
    let number = text(&till.place("A-1", "k").await["number"]);
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    for attempts in 1..=2 {
        till.let_retry_come("callback", attempts).await;
    }
    let callbacks = till.site.wait_for(3, DEADLINE).await.expect("three callbacks");
    assert!(callbacks.iter().all(|callback| callback.id == callbacks[0].id && callback.is_signed));
    assert!(callbacks.iter().all(|callback| callback.body == callbacks[0].body));
    till.close().await;
}

/// An order of a marketplace that leaves the money to us: linked like any other, and followed when it changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_of_the_marketplace_gets_a_link_for_what_it_comes_to() {
    let till = Till::open().await;
    let hook = |body: String| {
        let till = &till;
        async move {
            let marketplace =
                Marketplace::new(format!("{}/hooks/sm", till.url()), Secret::new(TOKEN)).expect("a client");
            let attempt = marketplace.post(body.as_bytes()).await;
            assert_eq!(attempt.status(), 200, "{}", attempt.body());
            let answer: Value = serde_json::from_str(attempt.body()).expect("json");
            text(&answer["number"])
        }
    };
    let number = hook(created("H1")).await;
    let linked = till.document_in(&number, "linked").await;
    assert_eq!(linked["payment"]["amount"], json!({"amount": "20.00", "currency": "RUB"}));
    let first = till.remote(&number);
    assert_eq!((first.amount.to_string(), first.vat.to_string()), ("20.00".into(), "1.82".into()));

    // Another sum: the first link is called off before there is a second.
    let changed = payload("H1", "100", 3, "30.00");
    hook(crate::world::hook("order.changed", Some("2026-11-22T12:05:00+03:00"), changed)).await;
    assert!(till.bank.wait_until(DEADLINE, |orders| orders.len() == 2).await, "{:?}", till.bank.ledger());
    let orders = till.bank.ledger();
    assert_eq!((orders[0].status.as_str(), orders[1].status.as_str()), ("canceled", "created"));
    assert_eq!(
        (orders[1].number.as_str(), orders[1].amount.to_string()),
        (format!("{number}-2").as_str(), "30.00".into())
    );
    let linked = till.document_in(&number, "linked").await;
    assert_eq!(linked["payment"]["amount"]["amount"], "30.00");
    let (_, page, _) = reply(&till, Method::GET, &text(&linked["payment"]["url"])).await;
    assert!(page.ends_with(&orders[1].container), "{page}");

    // Cancelled: nothing can be paid any more.
    hook(crate::world::hook(
        "order.cancelled",
        Some("2026-11-22T12:10:00+03:00"),
        json!({"originalOrderId": "H1"}),
    ))
    .await;
    till.document_in(&number, "cancelled").await;
    assert!(
        till.bank.wait_until(DEADLINE, |orders| orders.iter().all(|order| order.status == "canceled")).await
    );
    let (_, location, page) = reply(&till, Method::GET, &text(&linked["payment"]["url"])).await;
    assert!(location.is_empty() && page.contains("Заказ отменён"), "{page}");
    till.close().await;
}

/// Money that comes for what the order no longer is: a fact, and a person's affair.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_for_an_older_revision_is_put_before_a_person() {
    let till = Till::open().await;
    let marketplace =
        Marketplace::new(format!("{}/hooks/sm", till.url()), Secret::new(TOKEN)).expect("a client");
    let attempt = marketplace.post(created("H1").as_bytes()).await;
    let number = text(&serde_json::from_str::<Value>(attempt.body()).expect("json")["number"]);
    till.document_in(&number, "linked").await;
    // The payment system cannot be reached when the order changes, and the buyer pays the old sum meanwhile.
    till.bank.misbehave_always(Call::Other, Some(Trouble::Broken));
    let changed = payload("H1", "100", 3, "30.00");
    let attempt = marketplace
        .post(crate::world::hook("order.changed", Some("2026-11-22T12:05:00+03:00"), changed).as_bytes())
        .await;
    assert_eq!(attempt.status(), 200);
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.document_in(&number, "review").await;
    till.bank.misbehave_always(Call::Other, None);
    let document = till.admin(&format!("/orders/{number}")).await;
    assert_eq!(document["state"], "open", "the order is not paid: {document}");
    assert!(document["attention"].to_string().contains("should not have taken it"), "{document}");
    assert_eq!(
        till.remote(&number).notices,
        [r#"{"status":"success"}"#],
        "the payment system has done its part"
    );
    assert_eq!(till.bank.ledger().len(), 1, "nobody is asked for more without a person's word");
    till.close().await;
}

/// A link expires, a dearer one takes its place, and then the old money comes: the new link must not take more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_money_ends_the_link_that_came_after() {
    let till = Till::open().await;
    let marketplace =
        Marketplace::new(format!("{}/hooks/sm", till.url()), Secret::new(TOKEN)).expect("a client");
    let attempt = marketplace.post(created("H1").as_bytes()).await;
    let number = text(&serde_json::from_str::<Value>(attempt.body()).expect("json")["number"]);
    till.document_in(&number, "linked").await;
    let first = till.remote(&number);
    let (unpaid, _) = till.bank.notice(&first.id).expect("a notification");
    let changed = payload("H1", "100", 3, "30.00");
    marketplace
        .post(crate::world::hook("order.changed", Some("2026-11-22T12:05:00+03:00"), changed).as_bytes())
        .await;
    assert!(till.bank.wait_until(DEADLINE, |orders| orders.len() == 2).await);
    till.document_in(&number, "linked").await;
    // The payment system says after all that the first was paid.
    let late =
        String::from_utf8(unpaid).expect("text").replace(r#""status":"created""#, r#""status":"completed""#);
    let signature = sign(&till.bank.setup().signing_key, Algorithm::Sha1, late.as_bytes());
    assert_eq!(till.notify(late.as_bytes(), &[&signature]).await["status"], "success");
    till.document_in(&number, "review").await;
    let is_over =
        |orders: &[tillgate::gateway::sandbox::Entry]| orders.iter().all(|order| order.status == "canceled");
    assert!(till.bank.wait_until(DEADLINE, is_over).await, "{:?}", till.bank.ledger());
    let document = till.admin(&format!("/orders/{number}")).await;
    assert_eq!(document["state"], "open");
    let (_, location, page) = reply(&till, Method::GET, &text(&document["payment"]["url"])).await;
    assert!(location.is_empty() && page.contains("платить ещё раз не нужно"), "{page}");
    till.close().await;
}

/// What was right when it came first is answered as it was then, whatever has expired since.
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
    let (_, location, page) = reply(&till, Method::GET, &text(&json_of(&first)["payment"]["url"])).await;
    assert!(location.is_empty() && page.contains("Срок оплаты истёк"), "{page}");
    till.close().await;
}

/// A sum with discounts of nought may mean that nothing is to pay, or nothing at all: a person is asked, nobody is charged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_sum_is_in_doubt_charges_nobody() {
    let till = Till::open().await;
    let marketplace =
        Marketplace::new(format!("{}/hooks/sm", till.url()), Secret::new(TOKEN)).expect("a client");
    let mut doubtful = payload("H1", "100", 2, "20.00");
    doubtful["total"]["discountTotalPrice"] = json!("0.00");
    let hook = crate::world::hook("order.created", Some("2026-11-22T12:00:00+03:00"), doubtful);
    let attempt = marketplace.post(hook.as_bytes()).await;
    let number = text(&serde_json::from_str::<Value>(attempt.body()).expect("json")["number"]);
    let document = till.admin(&format!("/orders/{number}")).await;
    assert!(document["payment"].is_null(), "{document}");
    assert!(document["attention"].to_string().contains("no payment was asked for"), "{document}");
    assert!(till.bank.ledger().is_empty());
    till.close().await;
}

/// The process dies while the payment system is being asked. What was sent is looked for, and not sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_the_middle_of_a_call_makes_no_second_order() {
    let till = Till::open().await;
    till.bank.misbehave(Call::Create, [Trouble::AcceptThenDrop]);
    till.bank.misbehave_always(Call::Other, Some(Trouble::Broken));
    let number = text(&till.place("A-1", "k").await["number"]);
    let till = till.restart().await;
    till.bank.misbehave_always(Call::Other, None);
    till.order_in(&number, "linked").await;
    assert_eq!(till.bank.ledger().len(), 1);
    till.close().await;
}

/// The buyer pays and no notification ever comes: the link is looked at by itself, and what is found counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_whose_notification_is_lost_is_found() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    till.bank.misbehave_always(Call::Notice, Some(Trouble::Lost));
    let paid = text(&till.place("A-1", "1").await["number"]);
    let unpaid = text(&till.place("A-2", "2").await["number"]);
    assert!(till.bank.buyer_acts(&till.remote(&paid).container, Outcome::Pay));
    till.clock.advance(std::time::Duration::from_secs(601));
    till.order_in(&paid, "paid").await;
    let callbacks = till.site.wait_for(1, DEADLINE).await.expect("a callback");
    assert_eq!(callbacks[0].body["data"]["merchant_order_id"], "A-1");
    assert!(till.remote(&paid).notices.is_empty());
    // The other waits on, and is known to be over when its time is.
    assert_eq!(till.order(&unpaid).await["payment"]["state"], "linked");
    till.clock.advance(std::time::Duration::from_secs(4 * 24 * 3600));
    till.order_in(&unpaid, "expired").await;
    let done = async {
        while !till.admin("/outbox?lane=watch&state=pending").await["items"]
            .as_array()
            .expect("a list")
            .is_empty()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, done).await.expect("nothing is left to look after");
    till.close().await;
}

/// The payment system takes the order and its answer is lost, or is not understood: looked up, and never made twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_looked_up() {
    for trouble in [Trouble::AcceptThenDrop, Trouble::Garbage] {
        let till = Till::open().await;
        till.bank.misbehave(Call::Create, [trouble]);
        let placed = till.place("A-1", "k").await;
        let number = text(&placed["number"]);
        till.order_in(&number, "linked").await;
        assert_eq!(till.bank.ledger().len(), 1, "{trouble:?}");
        let (status, ..) = reply(&till, Method::GET, &text(&placed["payment"]["url"])).await;
        assert_eq!(status, 303);
        till.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_payment_system_does_not_hold_up_the_site() {
    let till = Till::open().await;
    till.bank.misbehave(Call::Create, [Trouble::Slow(8000)]);
    let watch = tillgate::kernel::Stopwatch::start();
    let placed = till.place("A-1", "k").await;
    let took = watch.elapsed();
    assert!(took.as_secs() < 4, "{took:?}: the payment system answers after eight seconds");
    assert_eq!(placed["payment"]["state"], "requested");
    let (status, _, page) = reply(&till, Method::GET, &text(&placed["payment"]["url"])).await;
    assert!(status == 200 && page.contains("Готовим оплату") && page.contains("refresh"), "{page}");
    till.order_in(&text(&placed["number"]), "linked").await;
    let (status, ..) = reply(&till, Method::GET, &text(&placed["payment"]["url"])).await;
    assert_eq!(status, 303);
    assert_eq!(till.bank.ledger().len(), 1);
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_payment_system_refuses_is_put_before_a_person() {
    for (trouble, why) in [(Trouble::Refused, "wrong_currency"), (Trouble::OtherAmount, "615.80")] {
        let till = Till::open().await;
        till.bank.misbehave(Call::Create, [trouble]);
        let placed = till.place("A-1", "k").await;
        assert_eq!(placed["payment"]["state"], "failed", "{placed}");
        let document = till.admin(&format!("/orders/{}", text(&placed["number"]))).await;
        assert!(document["attention"].to_string().contains(why), "{document}");
        let (status, _, page) = reply(&till, Method::GET, &text(&placed["payment"]["url"])).await;
        assert!(status == 200 && page.contains("Оплатить не получится"), "{page}");
        till.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declined_and_an_abandoned_payment_can_be_tried_again() {
    let till = Till::open().await;
    for (act, words) in [("decline", "Заказ не оплачен"), ("abandon", "Заказ не оплачен")]
    {
        let placed = till.place(act, act).await;
        let number = text(&placed["number"]);
        let page = format!("{}/order/{}", till.bank.url(), till.remote(&number).container);
        let (_, way_back, _) = reply(&till, Method::POST, &format!("{page}/{act}")).await;
        let (status, _, shown) = reply(&till, Method::GET, &way_back).await;
        assert!(status == 200 && shown.contains(words), "{act}: {shown}");
        assert_eq!(till.order(&number).await["state"], "open");
        let (status, again, _) = reply(&till, Method::GET, &text(&placed["payment"]["url"])).await;
        assert_eq!((status, again.as_str()), (303, page.as_str()));
        reply(&till, Method::POST, &format!("{page}/pay")).await;
        till.order_in(&number, "paid").await;
    }
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guessed_address_leads_nowhere() {
    let till = Till::open().await;
    let placed = till.place("A-1", "k").await;
    let (number, url) = (text(&placed["number"]), text(&placed["payment"]["url"]));
    let token = url.rsplit('/').next().expect("a token");
    let secret = token.split_once('-').expect("a secret").1;
    assert_eq!(secret.len(), 32, "128 bits");
    for guess in [
        "",
        "x",
        &number,
        &format!("{number}-"),
        &format!("{number}-{}", &secret[1..]),
        &format!("{number}-{secret}0"),
    ] {
        for way in ["pay", "return"] {
            let (status, location, _) = reply(&till, Method::GET, &format!("/{way}/{guess}")).await;
            assert_eq!((status, location.as_str()), (404, ""), "{way}/{guess}");
        }
    }
    till.close().await;
}

/// The live page says how the payment stands, and says it again when that changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_back_follows_the_payment_live() {
    let till = Till::open().await;
    let placed = till.place("A-1", "k").await;
    let number = text(&placed["number"]);
    let way_back = text(&placed["payment"]["url"]).replace("/pay/", "/return/");
    let (_, _, page) = reply(&till, Method::GET, &way_back).await;
    assert!(
        page.contains("Ждём подтверждения") && page.contains("<noscript><meta http-equiv=\"refresh\""),
        "{page}"
    );
    let address = till.url().replace("http://", "");
    let path = way_back.replace(&till.url(), "");
    let mut stream = tokio::net::TcpStream::connect(&address).await.expect("a connection");
    let request = format!("GET {path}/events HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut heard = String::new();
    let mut hears = async |words: &str| {
        let mut buffer = [0; 1024];
        while !heard.contains(words) {
            let read = tokio::time::timeout(DEADLINE, stream.read(&mut buffer)).await;
            let count = read.expect("in time").expect("a stream");
            assert!(count > 0, "it ended: {heard}");
            heard.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    };
    hears("data: ready").await;
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    hears("data: paid").await;
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buyers_are_spoken_to_in_their_language_and_their_address_stays_secret() {
    let till = Till::open().await;
    let placed = till.place("A-1\"><script>alert(1)</script>", "k").await;
    let way_back = text(&placed["payment"]["url"]).replace("/pay/", "/return/");
    for (wanted, lang) in
        [("en-GB,en;q=0.9", "en"), ("ru", "ru"), ("de,en;q=0.5", "en"), ("de", "ru"), ("", "ru")]
    {
        let mut headers = http::HeaderMap::new();
        headers.insert("accept-language", http::HeaderValue::from_str(wanted).expect("a header"));
        let client = tillgate::peer::Client::new(DEADLINE, 1 << 20).expect("a client");
        let reply = client.call(Method::GET, &way_back, headers, Vec::new()).await.expect("an answer");
        let page = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(page.contains(&format!("<html lang=\"{lang}\">")), "{wanted}: {page}");
        assert!(!page.contains("<script>alert"), "{page}");
        for (name, value) in
            [("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("x-robots-tag", "noindex")]
        {
            assert_eq!(reply.headers[name], value);
        }
        assert!(
            reply.headers["content-security-policy"]
                .to_str()
                .expect("ascii")
                .starts_with("default-src 'none'")
        );
    }
    till.close().await;
}
