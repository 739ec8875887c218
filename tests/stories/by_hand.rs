//! The operator decides what the payment system leaves undecided.

use http::Method;
use serde_json::{Value, json};
use tillgate_lab::sandbox::{Call, Outcome, Trouble};

use crate::world::till::{API_KEY, Till, json_of, text};
use crate::world::{ADMIN_TOKEN, DEADLINE, ask_again_soon};

async fn decide(till: &Till, id: &str, word: &str) -> u16 {
    let path = format!("/admin/v1/payments/{id}/{word}");
    till.call(Method::POST, &path, ADMIN_TOKEN, None, "").await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_payment_is_retried() {
    let till = Till::open().await;
    till.bank.misbehave(Call::Create, [Trouble::Refused]);
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "failed").await;
    let attention = till.admin(&format!("/orders/{number}")).await["attention"].to_string();
    assert!(attention.contains("was refused"), "{attention}");

    assert_eq!(
        decide(&till, &format!("{number}-2"), "retry").await,
        409,
        "there is no such payment"
    );
    assert_eq!(decide(&till, &format!("{number}-1"), "retry").await, 200);
    till.order_in(&number, "linked").await;
    assert_eq!(till.bank.ledger()[0].number, format!("{number}-2"));
    assert_eq!(till.admin(&format!("/orders/{number}")).await["attention"], json!([]));
    assert_eq!(
        decide(&till, &format!("{number}-2"), "retry").await,
        409,
        "the payment is still payable"
    );
    till.close().await;
}

/// Texts are in the language that the client asks for; the kind is the same in
/// all languages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_come_in_the_requested_language() {
    let till = Till::open().await;
    till.bank.misbehave(Call::Create, [Trouble::OtherAmount]);
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "failed").await;
    for (path, bearer) in [("/v1", API_KEY), ("/admin/v1", ADMIN_TOKEN)] {
        let mut kinds = Vec::new();
        for (language, is_russian) in [("", false), ("de, en;q=0.5", false), ("ru-RU, en", true)] {
            let mut headers = http::HeaderMap::new();
            let header = |text: &str| http::HeaderValue::from_str(text).expect("a header");
            headers.insert("authorization", header(&format!("Bearer {bearer}")));
            headers.insert("accept-language", header(language));
            let url = format!("{}{path}/orders/{number}", till.url());
            let reply =
                till.client.call(Method::GET, &url, headers, Vec::new()).await.expect("an answer");
            let problem = json_of(&reply)["payment"]["problem"].clone();
            let words = problem["text"].as_str().expect("words").to_lowercase();
            let has_cyrillic = words.chars().any(|c| ('а'..='я').contains(&c));
            assert_eq!(has_cyrillic, is_russian, "{path} {language}: {words}");
            kinds.push(problem["kind"].clone());
        }
        assert!(kinds.iter().all(|kind| *kind == kinds[0] && kind.is_string()), "{kinds:?}");
    }
    till.close().await;
}

/// The order at the payment system differs from the request: the buyer is not
/// sent there, and no other payment is created meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_under_review_is_dropped_and_replaced() {
    let till = Till::open().await;
    till.bank.misbehave(Call::Create, [Trouble::OtherAmount]);
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "failed").await;
    assert_eq!(
        decide(&till, &format!("{number}-1"), "retry").await,
        409,
        "the payment needs review first"
    );
    assert_eq!(decide(&till, &format!("{number}-1"), "drop").await, 200);
    assert_eq!(decide(&till, &format!("{number}-1"), "retry").await, 200);
    till.order_in(&number, "linked").await;
    till.nothing_waits_in("callback").await;
    assert!(
        till.site.callbacks().is_empty(),
        "the site gets no callback, as the order could be paid again"
    );
    assert_eq!(till.bank.ledger().len(), 2);
    till.close().await;
}

/// The buyer has paid an order that differs from the request. The site gets one
/// callback that the money needs review, however the payment is found out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_of_a_payment_under_review_sends_one_callback() {
    for is_notified in [true, false] {
        let till = Till::open().await;
        // The difference is known from the beginning, or only when the buyer
        // has paid.
        let number = if is_notified {
            till.bank.misbehave(Call::Create, [Trouble::OtherAmount]);
            let number = text(&till.place("A-1", "key").await["number"]);
            till.order_in(&number, "failed").await;
            number
        } else {
            till.bank.misbehave_always(Call::Notification, Some(Trouble::Lost));
            till.bank.misbehave(Call::Create, [Trouble::AcceptThenDrop]);
            till.bank.misbehave_always(Call::Other, Some(Trouble::Broken));
            let number = text(&till.place("A-1", "key").await["number"]);
            assert!(
                till.bank.wait_until(DEADLINE, |orders| orders.len() == 1).await,
                "the order was created there"
            );
            number
        };
        assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
        if !is_notified {
            till.bank.misbehave_always(Call::Other, Some(Trouble::OtherAmount));
        }
        let callbacks = till.site.wait_for(1, DEADLINE).await.expect("a callback");
        assert_eq!(callbacks[0].body["type"], "payment.review", "{:?}", callbacks[0].body);
        let attention = till.admin(&format!("/orders/{number}")).await["attention"].to_string();
        assert!(attention.contains(&format!("{number}-1")), "{attention}");
        if is_notified {
            let (again, signature) =
                till.bank.notification(&till.remote(&number).id).expect("a notification");
            till.notify(&again, &[&signature]).await;
        }
        till.nothing_waits_in("callback").await;
        assert_eq!(till.site.callbacks().len(), 1, "{:?}", till.site.callbacks());
        assert_ne!(till.order(&number).await["state"], "paid");
        till.close().await;
    }
}

/// A dropped payment is paid all the same: the money is found, and can be
/// accepted. Meanwhile no other payment takes money.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_of_a_dropped_payment_is_found() {
    let till = Till::open().await;
    till.bank.misbehave(Call::Create, [Trouble::OtherAmount]);
    let number = text(&till.place("A-1", "key").await["number"]);
    let first = format!("{number}-1");
    till.order_in(&number, "failed").await;
    assert_eq!(decide(&till, &first, "drop").await, 200);
    assert_eq!(decide(&till, &first, "retry").await, 200);
    till.order_in(&number, "linked").await;

    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    let callbacks = till.site.wait_for(1, DEADLINE).await.expect("a callback");
    assert_eq!(callbacks[0].body["type"], "payment.review", "{:?}", callbacks[0].body);
    let second = format!("{number}-2");
    let is_cancelled = till.bank.wait_until(DEADLINE, |orders| {
        orders.iter().any(|order| order.number == second && order.status == "canceled")
    });
    assert!(is_cancelled.await, "no other payment takes money");
    assert_eq!(decide(&till, &first, "accept").await, 200);
    let document = till.document_in(&number, "paid").await;
    assert_eq!(document["money"]["paid"]["amount"], "615.80", "{document}");
    assert_eq!(document["attention"], json!([]), "{document}");
    till.close().await;
}

/// Money that has come is not dropped, nor dismissed, whether or not it is
/// known yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_came_is_neither_dropped_nor_dismissed() {
    let till = Till::open().await;
    till.bank.misbehave(Call::Create, [Trouble::OtherAmount]);
    till.bank.misbehave_always(Call::Notification, Some(Trouble::Lost));
    let number = text(&till.place("A-1", "key").await["number"]);
    let payment = format!("{number}-1");
    till.order_in(&number, "failed").await;
    let steps = async || till.admin(&format!("/payments/{payment}")).await["next_steps"].clone();
    let command = |action: &str| format!("tillgate payments {action} {payment}");
    let dismissal = format!("tillgate orders seen {number}");
    assert_eq!(steps().await, json!([command("look"), command("drop"), dismissal]));

    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    let path = format!("/admin/v1/payments/{payment}/drop");
    let reply = till.call(Method::POST, &path, ADMIN_TOKEN, None, "").await;
    let why = json_of(&reply)["detail"].to_string();
    assert!(reply.status == 409 && why.contains("615.80 RUB came for it"), "{why}");
    assert_eq!(steps().await, json!([command("accept"), command("refund")]));
    till.order_in(&number, "review").await;

    let path = format!("/admin/v1/orders/{number}/seen");
    let seen = till.call(Method::POST, &path, ADMIN_TOKEN, None, "").await;
    let attention = &json_of(&seen)["attention"];
    assert_eq!(attention[0]["kind"], "payment_needs_review", "{attention}");
    assert_eq!(decide(&till, &payment, "refund").await, 200);
    assert_eq!(till.document_in(&number, "refunded").await["attention"], json!([]));
    till.close().await;
}

/// What a notification says and a look-up does not confirm needs no decision.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_of_a_wrong_sum_is_looked_up() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    till.bank.misbehave_always(Call::Notification, Some(Trouble::OtherAmount));
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    let document = till.document_in(&number, "paid").await;
    assert_eq!(document["attention"], json!([]), "the look-up has settled it: {document}");
    let journal = till.admin(&format!("/orders/{number}/journal")).await.to_string();
    assert!(journal.contains("does not match"), "{journal}");
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_under_review_is_settled_by_the_operator() {
    let till = Till::open().await;
    for (order, word, state, event) in [
        ("A-1", "done", "succeeded", "refund.succeeded"),
        ("A-2", "drop", "failed", "refund.failed"),
    ] {
        let number = text(&till.place(order, order).await["number"]);
        assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
        till.order_in(&number, "paid").await;
        till.bank.misbehave(Call::Operate, [Trouble::OtherAmount]);
        let path = format!("/v1/orders/{number}/refunds");
        let refund = till.call(Method::POST, &path, API_KEY, Some("refund"), "{}").await;
        assert_eq!(json_of(&refund)["state"], "review", "{}", json_of(&refund));
        let id = text(&json_of(&refund)["id"]);
        assert_eq!(decide(&till, &id, word).await, 200);
        assert_eq!(decide(&till, &id, word).await, 409, "a refund is settled once");
        let refunds = json_of(&till.call(Method::GET, &path, API_KEY, None, "").await);
        assert_eq!(refunds["items"][0]["state"], state);
        let is_it =
            |body: &Value| body["type"] == event && body["data"]["number"] == number.as_str();
        let callback = async {
            while !till.site.callbacks().iter().any(|call| is_it(&call.body)) {
                ask_again_soon().await;
            }
        };
        tokio::time::timeout(DEADLINE, callback)
            .await
            .unwrap_or_else(|_| panic!("no callback {event}"));
    }
    till.close().await;
}

/// Orders that need attention are found among many, a page at a time, each of
/// them once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_need_attention_are_listed() {
    let till = Till::open().await;
    let mut refused = Vec::new();
    for order in 0..7 {
        let is_refused = order % 3 == 0;
        if is_refused {
            till.bank.misbehave(Call::Create, [Trouble::Refused]);
        }
        let number =
            text(&till.place(&format!("A-{order}"), &format!("key-{order}")).await["number"]);
        till.order_in(&number, if is_refused { "failed" } else { "linked" }).await;
        refused.extend(is_refused.then_some(number));
    }
    let mut listed = Vec::new();
    let mut path = "/orders?attention=true&limit=2".to_owned();
    loop {
        let page = till.admin(&path).await;
        let items = page["items"].as_array().expect("items").clone();
        assert!(items.len() <= 2);
        for item in &items {
            assert!(
                item["attention"][0]["text"]
                    .as_str()
                    .is_some_and(|why| why.contains("was refused")),
                "{item}"
            );
            listed.push(text(&item["number"]));
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/orders?attention=true&limit=2&cursor={next}");
    }
    refused.reverse(); // the latest first
    assert_eq!(listed, refused);
    assert_eq!(
        till.admin("/orders?attention=false").await["items"].as_array().map(Vec::len),
        Some(7)
    );
    // An order that a person has seen is removed from the list. A later
    // attention adds it again.
    let seen = till
        .call(Method::POST, &format!("/admin/v1/orders/{}/seen", refused[0]), ADMIN_TOKEN, None, "")
        .await;
    assert_eq!((seen.status.as_u16(), &json_of(&seen)["attention"]), (200, &json!([])));
    assert_eq!(
        till.admin("/orders?attention=true").await["items"].as_array().map(Vec::len),
        Some(2)
    );
    till.bank.misbehave(Call::Create, [Trouble::Refused]);
    assert_eq!(decide(&till, &format!("{}-1", refused[0]), "retry").await, 200);
    till.order_in(&refused[0], "failed").await;
    let again = async {
        while till.admin("/orders?attention=true").await["items"].as_array().map(Vec::len)
            != Some(3)
        {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, again).await.expect("it is listed again");
    let unknown =
        till.call(Method::POST, "/admin/v1/orders/100000000000/seen", ADMIN_TOKEN, None, "").await;
    assert_eq!(unknown.status, 404);
    let alone = |id: &str| format!("/orders?attention=true&source=site&external_id={id}");
    assert_eq!(till.admin(&alone("A-0")).await["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(till.admin(&alone("A-1")).await["items"].as_array().map(Vec::len), Some(0));
    till.close().await;
}
