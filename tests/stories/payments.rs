//! Payment links from the request to the payment, with every outcome.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tillgate::kernel::signature::{Algorithm, sign_body};
use tillgate::kernel::{Clock, Secret, Stopwatch};
use tillgate_lab::sandbox::{Call, Entry, Outcome, Sandbox, Setup, Trouble};

use crate::world::till::{API_KEY, OTHER_API_KEY, Till, json_of, order, text};
use crate::world::{DEADLINE, ask_again_soon, created, hook, payload};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_linked_paid_and_reported_to_its_site() {
    let till = Till::open().await;
    let placed = till.place("A-1001", "first").await;
    assert_eq!(placed["state"], "open");
    assert_eq!(placed["revision"], 1);
    assert_eq!(placed["total"], json!({"amount": "614.80", "currency": "RUB"}));
    assert_eq!(placed["payment"]["state"], "linked", "{placed}");
    let number = text(&placed["number"]);

    // The buyer is sent to the payment page, pays there, and is sent back.
    let (status, page, _) = till.browse(Method::GET, &text(&placed["payment"]["url"])).await;
    assert_eq!((status, page.starts_with(&till.bank.url())), (303, true), "{page}");
    let (status, return_url, _) = till.browse(Method::POST, &format!("{page}/pay")).await;
    assert_eq!(
        (status, return_url.starts_with(&format!("{}/return/{number}-", till.url()))),
        (303, true)
    );

    let paid = till.order_in(&number, "paid").await;
    assert_eq!(paid["state"], "paid");
    assert!(paid["paid_at"].is_string() && paid["payment"]["paid_at"].is_string());
    let (status, _, page) = till.browse(Method::GET, &return_url).await;
    assert!(
        status == 200 && page.contains("Заказ оплачен") && page.contains("https://shop.example/ok"),
        "{page}"
    );
    let (_, location, page) = till.browse(Method::GET, &text(&placed["payment"]["url"])).await;
    assert!(
        location.is_empty() && page.contains("Заказ оплачен"),
        "a paid order leads to no payment page"
    );

    // The site gets a callback, and the payment system's notification was
    // answered.
    let callbacks = till.site.wait_for(1, DEADLINE).await.expect("a callback");
    assert!(callbacks[0].is_signed);
    assert_eq!(callbacks[0].body["type"], "payment.succeeded");
    assert_eq!(callbacks[0].body["data"]["merchant_order_id"], "A-1001");
    assert_eq!(callbacks[0].body["data"]["payment"]["state"], "paid");
    let mut data = callbacks[0].body["data"].clone();
    let fields = data.as_object_mut().expect("an object");
    assert_eq!(fields.remove("payment_id"), Some(json!(format!("{number}-1"))));
    assert_eq!(
        (fields.remove("refund"), fields.remove("capture")),
        (Some(Value::Null), Some(Value::Null))
    );
    assert_eq!(data, till.order(&number).await, "the callback has the same data as the API");
    assert_eq!(till.notifications(&number).await, [r#"{"status":"success"}"#]);

    let journal = till.admin(&format!("/orders/{number}/journal")).await.to_string();
    for what in ["614.80 paid", "can be paid", "order.create"] {
        assert!(journal.contains(what), "{what}: {journal}");
    }
    till.close().await;
}

/// The request matches the vendor's documentation field by field, and passes
/// its checks of the sums.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_match_the_payment_systems_documentation() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "k").await["number"]);
    let request: Value = serde_json::from_str(&till.remote(&number).request).expect("json");
    let fields: Vec<&str> =
        request.as_object().expect("an object").keys().map(String::as_str).collect();
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
        json!({"sku": "778899", "name": "Сыр", "measure": "кг", "measureCode": "166",
            "quantity": 0.355,
            "amount": 1000, "amountWoVat": 833.32, "totalAmount": 355, "totalVatAmount": 59.17,
            "vatCode": "RUS_VAT20", "type": "commodity", "paymentType": "full_prepayment"})
    );
    till.close().await;
}

/// Each merchant has its own payment system. A payment system's notifications
/// have no effect on the other's orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merchants_with_two_payment_systems_are_kept_apart() {
    let second = Sandbox::start(Setup::default()).await.expect("a second payment system");
    let gateway = format!(
        r#"
        [gateways.second]
        protocol = "invoicebox"
        version = "l3"
        url = "{}"
        token = "{}"
        merchant_id = "{}"
        signing_key = "the key of the second one"
        [merchants.site]
        gateway = "bank""#,
        second.url(),
        second.setup().token.expose(),
        second.setup().merchant_id,
    );
    let other = format!("[merchants.other]\n            api_key = \"{OTHER_API_KEY}\"");
    let of_second = format!("{other}\n gateway = \"second\"");
    let replace = [
        ("[merchants.site]", gateway.as_str()),
        (&other, of_second.as_str()),
        ("payment = \"link\"", "payment = \"link\"\n gateway = \"bank\""),
    ];
    let till =
        Till::open_with(Setup { calls_max: 1000, ..Setup::default() }, &replace, Clock::System)
            .await;
    let ours = text(&till.place("A-1", "k").await["number"]);
    let reply = till
        .call(Method::POST, "/v1/orders", OTHER_API_KEY, Some("k"), &order("A-1").to_string())
        .await;
    let theirs = text(&json_of(&reply)["number"]);
    assert_eq!(json_of(&reply)["payment"]["state"], "linked");
    assert_eq!((till.bank.ledger().len(), second.ledger().len()), (1, 1));
    assert_eq!(second.ledger()[0].number, format!("{theirs}-1"));
    // The second payment system signs with its own key that an order of the
    // first one is paid.
    let (notification, _) = till.bank.notification(&till.remote(&ours).id).expect("a notification");
    let lie = String::from_utf8(notification)
        .expect("text")
        .replace(r#""status":"created""#, r#""status":"completed""#);
    let signature =
        sign_body(&Secret::new("the key of the second one"), Algorithm::Sha1, lie.as_bytes());
    let mut headers = http::HeaderMap::new();
    headers.insert("x-signature", http::HeaderValue::from_str(&signature).expect("a header"));
    let client = tillgate::peer::Client::new(DEADLINE, 1 << 20).expect("a client");
    let url = format!("{}/hooks/second", till.url());
    let answer =
        client.call(Method::POST, &url, headers, lie.into_bytes()).await.expect("an answer");
    assert_eq!(
        json_of(&answer)["code"],
        "out_of_service",
        "the order is unknown to the second payment system"
    );
    assert_eq!(till.order(&ours).await["state"], "open");
    till.close().await;
}

/// Genuine, changed, forged, duplicate and foreign notifications: what they are
/// answered, and that only the genuine one marks the order paid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_right_notification_pays() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "k").await["number"]);
    till.bank.misbehave_always(Call::Notification, Some(Trouble::Lost));
    let remote = till.remote(&number);
    // Some of the notifications below cause a look-up, which would find that
    // the order is paid.
    till.bank.misbehave_always(Call::Other, Some(Trouble::Broken));
    assert!(till.bank.buyer_acts(&remote.container, Outcome::Pay));
    let (right, signature) = till.bank.notification(&remote.id).expect("a notification");
    let key = till.bank.setup().signing_key.clone();
    let signed = |body: &str| sign_body(&key, Algorithm::Sha1, body.as_bytes());
    let right_text = String::from_utf8(right.clone()).expect("text");

    let forged = |signatures: Vec<String>, body: String| {
        let till = &till;
        async move {
            let signatures: Vec<&str> = signatures.iter().map(String::as_str).collect();
            till.notify(body.as_bytes(), &signatures).await
        }
    };
    let other_key = sign_body(&Secret::new("another key"), Algorithm::Sha1, &right);
    let sha256 = sign_body(&key, Algorithm::Sha256, &right);
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
        "the signature is over the bytes"
    );

    let changed = |from: &str, to: &str| {
        let text = right_text.replacen(from, to, 1);
        assert_ne!(text, right_text, "{from}");
        text
    };
    for (what, body, code) in [
        (
            "wrong sum",
            changed(r#""amount":614.8,"#, r#""amount":614.79,"#),
            Some("order_wrong_amount"),
        ),
        ("wrong currency", changed("RUB", "USD"), Some("order_wrong_currency")),
        (
            "wrong shop",
            changed("018f0000-0000-7000-8000-000000000001", "018f0000-0000-7000-8000-000000000002"),
            Some("order_not_found"),
        ),
        (
            "another id",
            changed(&remote.id, "018f0000-0000-7000-8000-00000000ffff"),
            Some("order_not_found"),
        ),
        (
            "unknown number",
            changed(&format!("{number}-1"), &format!("{number}-2")),
            Some("out_of_service"),
        ),
        ("not ours", changed(&format!("{number}-1"), "whatever"), Some("out_of_service")),
        ("success is not paid", changed(r#""status":"completed""#, r#""status":"success""#), None),
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
    assert!(journal.contains("but 614.80 was requested"), "{journal}");

    // The test of the connection changes nothing.
    let test = concat!(
        r#"{"id":"ffffffff-ffff-ffff-ffff-ffffffffffff","merchantOrderId":"","#,
        r#""merchantId":"018f0000-0000-7000-8000-000000000001","amount":0,"status":"completed"}"#
    );
    assert_eq!(till.notify(test.as_bytes(), &[&signed(test)]).await["status"], "success");

    // The genuine notification, a hundred times.
    till.bank.misbehave_always(Call::Other, None);
    for _ in 0..100 {
        assert_eq!(till.notify(&right, &[&signature]).await["status"], "success");
    }
    assert_eq!(till.order(&number).await["state"], "paid");
    let callbacks = till.site.wait_for(1, DEADLINE).await.expect("a callback");
    assert_eq!(callbacks.len(), 1);
    // The payment is notified under another id: money came twice.
    let twice = changed(&remote.id, "018f0000-0000-7000-8000-00000000ffff");
    assert_eq!(
        till.notify(twice.as_bytes(), &[&signed(&twice)]).await["code"],
        "order_already_paid"
    );
    let document = till.admin(&format!("/orders/{number}")).await;
    assert!(document["attention"].to_string().contains("money arrived twice"));
    assert_eq!(till.site.callbacks().len(), 1);
    till.close().await;
}

/// Ids are case-insensitive, `RUR` is an old code of the rouble, and a
/// signature is over the bytes as received.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_pays_in_whatever_case_its_ids_are_and_behind_a_byte_order_mark() {
    let till = Till::open().await;
    till.bank.misbehave_always(Call::Notification, Some(Trouble::Lost));
    let key = till.bank.setup().signing_key.clone();
    let merchant = till.bank.setup().merchant_id.clone();
    for (id, mark, currency) in [
        ("A-1", "", "RUB"),
        ("A-2", "\u{feff}", "RUB"),
        ("A-3", "\u{feff}", "RUR"),
        ("A-4", "", "rub"),
    ] {
        let number = text(&till.place(id, id).await["number"]);
        let remote = till.remote(&number);
        assert!(till.bank.buyer_acts(&remote.container, Outcome::Pay));
        let (notification, _) = till.bank.notification(&remote.id).expect("a notification");
        let notification = String::from_utf8(notification).expect("text");
        for own in [&remote.id, &merchant, "\"RUB\""] {
            assert!(notification.contains(own), "{own}: {notification}");
        }
        let body = notification
            .replace(&remote.id, &remote.id.to_uppercase())
            .replace(&merchant, &merchant.to_uppercase())
            .replace("\"RUB\"", &format!("\"{currency}\""));
        let body = format!("{mark}{body}");
        let answer = till
            .notify(body.as_bytes(), &[&sign_body(&key, Algorithm::Sha1, body.as_bytes())])
            .await;
        assert_eq!(answer["status"], "success", "{id}: {answer}");
        assert_eq!(till.order(&number).await["state"], "paid", "{id}");
        assert_eq!(till.order(&number).await["attention"], Value::Null, "{id}");
    }
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_callback_is_retried_under_the_same_id() {
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

/// An order of a marketplace that is paid through the gateway: it gets a link,
/// which follows its changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_of_the_marketplace_gets_a_link_for_its_total() {
    let till = Till::open().await;
    let number = till.number_of(&created("H1")).await;
    let linked = till.document_in(&number, "linked").await;
    assert_eq!(linked["payment"]["amount"], json!({"amount": "20.00", "currency": "RUB"}));
    let first = till.remote(&number);
    assert_eq!((first.amount.to_string(), first.vat.to_string()), ("20.00".into(), "1.82".into()));

    // Another sum: the first link is cancelled before there is a second.
    let changed = payload("H1", "100", 3, "30.00");
    till.number_of(&hook("order.changed", Some("2026-11-22T12:05:00+03:00"), changed)).await;
    assert!(
        till.bank.wait_until(DEADLINE, |orders| orders.len() == 2).await,
        "{:?}",
        till.bank.ledger()
    );
    let orders = till.bank.ledger();
    assert_eq!((orders[0].status.as_str(), orders[1].status.as_str()), ("canceled", "created"));
    assert_eq!(
        (orders[1].number.as_str(), orders[1].amount.to_string()),
        (format!("{number}-2").as_str(), "30.00".into())
    );
    let linked = till.document_in(&number, "linked").await;
    assert_eq!(linked["payment"]["amount"]["amount"], "30.00");
    let (_, page, _) = till.browse(Method::GET, &text(&linked["payment"]["url"])).await;
    assert!(page.ends_with(&orders[1].container), "{page}");

    // After the cancellation nothing can be paid.
    till.number_of(&hook(
        "order.cancelled",
        Some("2026-11-22T12:10:00+03:00"),
        json!({"originalOrderId": "H1"}),
    ))
    .await;
    till.document_in(&number, "cancelled").await;
    assert!(
        till.bank
            .wait_until(DEADLINE, |orders| orders.iter().all(|order| order.status == "canceled"))
            .await
    );
    let (_, location, page) = till.browse(Method::GET, &text(&linked["payment"]["url"])).await;
    assert!(location.is_empty() && page.contains("Заказ отменён"), "{page}");
    till.close().await;
}

/// Money for an older revision of an order is recorded, and the order needs
/// attention.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_for_an_older_revision_needs_attention() {
    let till = Till::open().await;
    let number = till.number_of(&created("H1")).await;
    till.document_in(&number, "linked").await;
    // The payment system is unreachable when the order changes, and the buyer
    // pays the old sum meanwhile.
    till.bank.misbehave_always(Call::Other, Some(Trouble::Broken));
    let changed = payload("H1", "100", 3, "30.00");
    till.number_of(&hook("order.changed", Some("2026-11-22T12:05:00+03:00"), changed)).await;
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.document_in(&number, "review").await;
    till.bank.misbehave_always(Call::Other, None);
    let document = till.admin(&format!("/orders/{number}")).await;
    assert_eq!(document["state"], "open", "the order is not paid: {document}");
    assert!(document["attention"].to_string().contains("should not have been paid"), "{document}");
    assert_eq!(
        till.notifications(&number).await,
        [r#"{"status":"success"}"#],
        "the notification is accepted"
    );
    assert_eq!(till.bank.ledger().len(), 1, "no other payment is created before a decision");
    till.close().await;
}

/// The first payment is replaced by a larger one, and its money comes
/// afterwards: the new link is cancelled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_money_ends_the_link_that_came_after() {
    let till = Till::open().await;
    let number = till.number_of(&created("H1")).await;
    till.document_in(&number, "linked").await;
    let first = till.remote(&number);
    let (unpaid, _) = till.bank.notification(&first.id).expect("a notification");
    let changed = payload("H1", "100", 3, "30.00");
    till.number_of(&hook("order.changed", Some("2026-11-22T12:05:00+03:00"), changed)).await;
    assert!(till.bank.wait_until(DEADLINE, |orders| orders.len() == 2).await);
    till.document_in(&number, "linked").await;
    // The payment system notifies after all that the first was paid.
    let late = String::from_utf8(unpaid)
        .expect("text")
        .replace(r#""status":"created""#, r#""status":"completed""#);
    let signature = sign_body(&till.bank.setup().signing_key, Algorithm::Sha1, late.as_bytes());
    assert_eq!(till.notify(late.as_bytes(), &[&signature]).await["status"], "success");
    till.document_in(&number, "review").await;
    let is_over = |orders: &[Entry]| orders.iter().all(|order| order.status == "canceled");
    assert!(till.bank.wait_until(DEADLINE, is_over).await, "{:?}", till.bank.ledger());
    let document = till.admin(&format!("/orders/{number}")).await;
    assert_eq!(document["state"], "open");
    let (_, location, page) = till.browse(Method::GET, &text(&document["payment"]["url"])).await;
    assert!(location.is_empty() && page.contains("платить ещё раз не нужно"), "{page}");
    till.close().await;
}

/// A discounted total of 0.00 may mean that there is nothing to pay, or that
/// there is no discount: nobody is charged, and the order needs attention.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_with_an_inconsistent_total_charges_nobody() {
    let till = Till::open().await;
    let mut unclear = payload("H1", "100", 2, "20.00");
    unclear["total"]["discountTotalPrice"] = json!("0.00");
    let created = hook("order.created", Some("2026-11-22T12:00:00+03:00"), unclear);
    let number = till.number_of(&created).await;
    let document = till.admin(&format!("/orders/{number}")).await;
    assert!(document["payment"].is_null(), "{document}");
    assert!(document["attention"].to_string().contains("no payment was requested"), "{document}");
    assert!(till.bank.ledger().is_empty());
    till.close().await;
}

/// The process dies during a call to the payment system. The call is looked up,
/// and not repeated.
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

/// The buyer pays and the notification is lost: a scheduled check of the link
/// finds the payment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_whose_notification_is_lost_is_found() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    till.bank.misbehave_always(Call::Notification, Some(Trouble::Lost));
    let paid = text(&till.place("A-1", "1").await["number"]);
    let unpaid = text(&till.place("A-2", "2").await["number"]);
    assert!(till.bank.buyer_acts(&till.remote(&paid).container, Outcome::Pay));
    till.clock.advance(std::time::Duration::from_secs(601));
    till.order_in(&paid, "paid").await;
    let callbacks = till.site.wait_for(1, DEADLINE).await.expect("a callback");
    assert_eq!(callbacks[0].body["data"]["merchant_order_id"], "A-1");
    assert!(till.remote(&paid).notifications.is_empty());
    // The other payment is still pending, and ends when it expires.
    assert_eq!(till.order(&unpaid).await["payment"]["state"], "linked");
    till.clock.advance(std::time::Duration::from_secs(4 * 24 * 3600));
    till.order_in(&unpaid, "expired").await;
    let done = async {
        while !till.admin("/outbox?lane=watch&state=pending").await["items"]
            .as_array()
            .expect("a list")
            .is_empty()
        {
            // Refunds at the payment system are looked for during a month.
            till.clock.advance(std::time::Duration::from_secs(24 * 3600));
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, done).await.expect("no checks are left");
    till.close().await;
}

/// After three days without success a callback is given up, and the operator
/// can see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_never_answers_is_given_up_and_shown() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    till.site.fails(u32::MAX);
    let number = text(&till.place("A-1", "k").await["number"]);
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.let_retry_come("callback", 1).await;
    till.clock.advance(std::time::Duration::from_secs(3 * 24 * 3600));
    let dead = async {
        loop {
            let dead = till.admin("/outbox?lane=callback&state=dead").await;
            if let Some(message) = dead["items"].get(0) {
                return message.clone();
            }
            ask_again_soon().await;
        }
    };
    let message = tokio::time::timeout(DEADLINE, dead).await.expect("it is given up");
    assert!(text(&message["last_error"]["text"]).contains("500"), "{message}");
    assert_eq!(till.order(&number).await["state"], "paid", "the order is paid all the same");
    till.close().await;
}

/// The payment system creates the order, and its answer is lost or not
/// understood: the order is looked up, and not created twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_looked_up() {
    for trouble in [Trouble::AcceptThenDrop, Trouble::Garbage] {
        let till = Till::open().await;
        till.bank.misbehave(Call::Create, [trouble]);
        let placed = till.place("A-1", "k").await;
        let number = text(&placed["number"]);
        till.order_in(&number, "linked").await;
        assert_eq!(till.bank.ledger().len(), 1, "{trouble:?}");
        let (status, ..) = till.browse(Method::GET, &text(&placed["payment"]["url"])).await;
        assert_eq!(status, 303);
        till.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_payment_system_does_not_hold_up_the_site() {
    let till = Till::open().await;
    // One call is answered after eight seconds, the other one never completely.
    for (place, trouble) in [Trouble::Slow(8000), Trouble::Trickle].into_iter().enumerate() {
        till.bank.misbehave(Call::Create, [trouble]);
        let watch = tillgate::kernel::Stopwatch::start();
        let placed = till.place(&format!("A-{place}"), &format!("k-{place}")).await;
        let took = watch.elapsed();
        assert!(took.as_secs() < 4, "{took:?} for {trouble:?}");
        assert_eq!(placed["payment"]["state"], "requested");
        let (status, _, page) = till.browse(Method::GET, &text(&placed["payment"]["url"])).await;
        assert!(
            status == 200 && page.contains("Готовим оплату") && page.contains("refresh"),
            "{page}"
        );
        till.order_in(&text(&placed["number"]), "linked").await;
        let (status, ..) = till.browse(Method::GET, &text(&placed["payment"]["url"])).await;
        assert_eq!(status, 303);
        assert_eq!(till.bank.ledger().len(), place + 1);
    }
    till.close().await;
}

/// Corrupt notifications pay nothing. A scheduled check finds what was paid; a
/// verified notification of another amount is checked at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrupt_notifications_pay_nothing_and_a_check_finds_the_payment() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let setup = Setup { calls_max: 1000, first_pause: Duration::ZERO, ..Setup::default() };
    let till = Till::open_with(setup, &[], clock.clone()).await;
    let troubles = [
        (Trouble::Unsigned, "signature_error"),
        (Trouble::Forged, "signature_error"),
        (Trouble::Rewritten, "signature_error"),
        (Trouble::OtherAmount, "order_wrong_amount"),
        (Trouble::AnotherOrder, "out_of_service"),
    ];
    let mut numbers = Vec::new();
    for (trouble, code) in troubles {
        let number =
            text(&till.place(&format!("{trouble:?}"), &format!("{trouble:?}")).await["number"]);
        till.bank.misbehave(Call::Notification, [trouble]);
        till.bank.misbehave_always(Call::Notification, Some(Trouble::Lost));
        assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
        let answers = till.notifications(&number).await;
        assert!(answers[0].contains(code), "{trouble:?}: {answers:?}");
        if trouble == Trouble::OtherAmount {
            till.order_in(&number, "paid").await;
        } else {
            assert_eq!(till.order(&number).await["payment"]["state"], "linked", "{trouble:?}");
        }
        numbers.push(number);
    }
    till.nothing_waits_in("callback").await;
    assert_eq!(till.site.callbacks().len(), 1);
    clock.advance(Duration::from_secs(601));
    for number in &numbers {
        assert_eq!(till.order_in(number, "paid").await["state"], "paid");
    }
    let callbacks = till.site.wait_for(numbers.len(), DEADLINE).await.expect("callbacks");
    assert!(
        callbacks.iter().all(|callback| callback.body["type"] == "payment.succeeded"),
        "{callbacks:?}"
    );
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_the_payment_system_refuses_needs_attention() {
    for (trouble, why) in [(Trouble::Refused, "wrong_currency"), (Trouble::OtherAmount, "615.80")] {
        let till = Till::open().await;
        till.bank.misbehave(Call::Create, [trouble]);
        let placed = till.place("A-1", "k").await;
        assert_eq!(placed["payment"]["state"], "failed", "{placed}");
        let document = till.admin(&format!("/orders/{}", text(&placed["number"]))).await;
        assert!(document["attention"].to_string().contains(why), "{document}");
        let (status, _, page) = till.browse(Method::GET, &text(&placed["payment"]["url"])).await;
        assert!(status == 200 && page.contains("Оплатить не получится"), "{page}");
        till.close().await;
    }
}

/// The number of calls to the payment system is limited: the limit is kept, and
/// look-ups are made while new orders wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rush_of_orders_keeps_the_rate_limit_of_the_payment_system() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock.clone()).await;
    let first = till.place("A-1", "key-1").await;
    // Of 100 calls, 30 are reserved for look-ups, and a quarter of the others
    // for other merchants.
    for order in 2..=52 {
        assert_eq!(
            till.place(&format!("A-{order}"), &format!("key-{order}")).await["payment"]["state"],
            "linked"
        );
    }
    let next = till.place("A-53", "key-53").await;
    assert_eq!(next["payment"]["state"], "requested", "its share is used up");
    assert_eq!(till.bank.ledger().len(), 52);
    let (bearer, body) = (OTHER_API_KEY, order("B-1").to_string());
    let others = till.call(Method::POST, "/v1/orders", bearer, Some("key"), &body).await;
    assert_eq!(json_of(&others)["payment"]["state"], "linked", "{}", json_of(&others));

    // A cancellation does not wait for that.
    let number = text(&first["number"]);
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
    let is_gone = |orders: &[Entry]| orders.iter().any(|order| order.status == "canceled");
    assert!(till.bank.wait_until(DEADLINE, is_gone).await);

    clock.advance(Duration::from_secs(31));
    till.order_in(&text(&next["number"]), "linked").await;
    till.close().await;
}

/// One merchant places orders faster than the payment system takes them: it is
/// answered 429 when its backlog is its share of a minute, and another merchant
/// gets its link within 5 s all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rush_at_one_merchant_does_not_delay_the_link_of_another() {
    let till = Arc::new(Till::open_with(Setup::default(), &[], Clock::System).await);
    let mut rush = tokio::task::JoinSet::new();
    for order_number in 0..400 {
        let till = Arc::clone(&till);
        rush.spawn(async move {
            let (id, key) = (format!("A-{order_number}"), format!("key-{order_number}"));
            let body = order(&id).to_string();
            till.call(Method::POST, "/v1/orders", API_KEY, Some(&key), &body).await
        });
    }
    let mut refused = None;
    while let Some(answer) = rush.join_next().await {
        let answer = answer.expect("no panic");
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("the backlog of the rush exceeds its share");
    let wait: u64 = refused.headers["retry-after"].to_str().expect("text").parse().expect("s");
    assert!((1..=60).contains(&wait));
    let detail = text(&json_of(&refused)["detail"]);
    assert!(detail.contains("104 of your orders wait for the payment system"), "{detail}");

    let since = Stopwatch::start();
    let body = order("B-1").to_string();
    let placed = till.call(Method::POST, "/v1/orders", OTHER_API_KEY, Some("key"), &body).await;
    assert_eq!(placed.status, 201, "{}", json_of(&placed));
    let path = format!("/v1/orders/{}", text(&json_of(&placed)["id"]));
    loop {
        let shown = json_of(&till.call(Method::GET, &path, OTHER_API_KEY, None, "").await);
        if shown["payment"]["state"] == "linked" {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(5), "{shown}");
        ask_again_soon().await;
    }
    rush.shutdown().await;
    Arc::into_inner(till).expect("nobody else has it").close().await;
}

/// A payment system that answers, even with 404, is not down: the next order is
/// tried at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_system_that_answers_404_is_called_again_and_never_left_alone() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let setup = Setup { calls_max: 100_000, ..Setup::default() };
    let address = "\"\n            token = \"b1946";
    let till =
        Till::open_with(setup, &[(address, &format!("/nothing-here{address}"))], clock).await;
    for order in 0..15 {
        till.number_of(&created(&format!("H{order}"))).await;
    }
    let tried = async {
        loop {
            let waiting = till.admin("/outbox?lane=payment&state=pending&limit=100").await;
            let waiting = waiting["items"].as_array().expect("messages");
            assert!(
                waiting.iter().all(|one| !one.to_string().contains("calls to it are paused")),
                "{waiting:?}"
            );
            if waiting.len() == 15 && waiting.iter().all(|one| one["attempts"].as_u64() > Some(0)) {
                return waiting[0].to_string();
            }
            ask_again_soon().await;
        }
    };
    let why = tokio::time::timeout(DEADLINE, tried).await.expect("each of them is tried");
    assert!(why.contains("404"), "{why}");
    till.close().await;
}

/// A payment system that fails is left alone. Its tasks wait, single calls try
/// it, and when it answers, all tasks continue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_system_that_fails_is_left_alone_and_tried_again() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let setup = Setup { calls_max: 100_000, ..Setup::default() };
    let till = Till::open_with(setup, &[], clock.clone()).await;
    till.bank.misbehave_always(Call::Create, Some(Trouble::Broken));
    till.bank.misbehave_always(Call::Other, Some(Trouble::Broken));
    let mut numbers = Vec::new();
    for order in 0..30 {
        numbers.push(till.number_of(&created(&format!("H{order}"))).await);
    }
    let left_alone = async {
        let waiting = async || till.admin("/outbox?lane=payment&state=pending").await.to_string();
        while !waiting().await.contains("calls to it are paused") {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, left_alone).await.expect("calls to it are paused");
    assert_eq!(till.bank.ledger().len(), 0);
    // Sites do not wait for it: each gets the address of its order at once, and
    // the link later.
    let since = Stopwatch::start();
    for id in ["A-1", "A-2", "A-3"] {
        let placed = till.place(id, id).await;
        assert_eq!(placed["payment"]["state"], "requested");
        numbers.push(text(&placed["number"]));
    }
    assert!(since.elapsed() < Duration::from_secs(3), "the sites did not wait for links");

    till.bank.misbehave_always(Call::Create, None);
    till.bank.misbehave_always(Call::Other, None);
    let answering = async {
        while till.bank.ledger().len() < numbers.len() {
            // In small steps with pauses, as leases run on this clock too.
            ask_again_soon().await;
            clock.advance(Duration::from_millis(250));
        }
    };
    // On a slow machine the breaker opens for up to a minute, and the worker
    // leaves the queue alone for that long by tokio's clock.
    tokio::time::timeout(DEADLINE + Duration::from_secs(60), answering)
        .await
        .expect("the payment system is called again");
    for number in &numbers {
        till.document_in(number, "linked").await;
    }
    assert_eq!(till.bank.ledger().len(), numbers.len());
    till.close().await;
}
