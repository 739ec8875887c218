//! A merchant's site changes its orders, and cancels them.

use http::Method;
use serde_json::{Value, json};
use tillgate::kernel::Clock;
use tillgate::orders::Order;
use tillgate::payments::Checkout;
use tillgate::peer::Reply;
use tillgate_lab::sandbox::{Call, Entry, Outcome, Setup, Trouble};

use crate::world::till::{API_KEY, OTHER_API_KEY, Till, json_of, order, text};
use crate::world::{ADMIN_TOKEN, DEADLINE, ask_again_soon};

/// The items of an order with a more expensive first line; their total is
/// 615.00.
fn dearer() -> Value {
    let mut items = order("A-1")["items"].clone();
    items[0]["price"] = json!("130.00");
    items
}

fn problem(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), text(&json_of(reply)["type"]).replace("urn:tillgate:problem:", ""))
}

/// The events that the site received, once there are `count` of them, each with
/// its payment.
async fn callback_events(till: &Till, count: usize) -> Vec<(String, Value)> {
    let callbacks = till.site.wait_for(count, DEADLINE).await.expect("callbacks");
    assert!(callbacks.iter().all(|callback| callback.is_signed));
    let event = |body: &Value| (text(&body["type"]), body["data"]["payment_id"].clone());
    callbacks.iter().map(|callback| event(&callback.body)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_price_is_what_the_buyer_pays() {
    let till = Till::open().await;
    let placed = till.place("A-1", "key").await;
    let number = text(&placed["number"]);
    let changed = till.change(&number, Some("\"1\""), &dearer()).await;
    assert_eq!(
        (changed.status.as_u16(), &changed.headers["etag"]),
        (200, &"\"2\"".parse().expect("a tag"))
    );
    let changed = json_of(&changed);
    assert_eq!((&changed["revision"], &changed["total"]["amount"]), (&json!(2), &json!("615.00")));
    assert_eq!(
        changed["payment"]["url"], placed["payment"]["url"],
        "the buyer's address does not change"
    );
    let linked = till.order_in(&number, "linked").await;
    assert_eq!(linked["payment"]["amount"]["amount"], "615.00");
    let orders = till.bank.ledger();
    let statuses: Vec<_> =
        orders.iter().map(|order| (order.status.as_str(), order.amount.to_string())).collect();
    assert_eq!(statuses, [("canceled", "614.80".to_owned()), ("created", "615.00".to_owned())]);
    let (_, location, _) = till.browse(Method::GET, &text(&placed["payment"]["url"])).await;
    assert!(location.ends_with(&orders[1].container), "{location}");

    // The same change again has no effect. A change for the first revision is
    // refused, and so is an empty order.
    let again = till.change(&number, None, &dearer()).await;
    assert_eq!((again.status.as_u16(), &json_of(&again)["revision"]), (200, &json!(2)));
    let late = till.change(&number, Some("\"1\""), &order("A-1")["items"]).await;
    assert_eq!(problem(&late), (412, "precondition-failed".into()));
    let nonsense = till.change(&number, Some("\"2\""), &json!([])).await;
    assert_eq!(problem(&nonsense), (422, "validation-failed".into()));

    assert!(till.bank.buyer_acts(&orders[1].container, Outcome::Pay));
    let paid = till.order_in(&number, "paid").await;
    assert_eq!(
        (&paid["state"], &paid["payments"][1]["id"]),
        (&json!("paid"), &json!(format!("{number}-2")))
    );
    let after = till.change(&number, None, &order("A-1")["items"]).await;
    assert_eq!(problem(&after), (409, "order-paid".into()));
    assert_eq!(problem(&till.cancel(&number, API_KEY).await), (409, "order-paid".into()));
    let payment = |attempt: u32| json!(format!("{number}-{attempt}"));
    assert_eq!(
        callback_events(&till, 3).await,
        [
            ("order.changed".to_owned(), Value::Null),
            ("payment.superseded".to_owned(), payment(1)),
            ("payment.succeeded".to_owned(), payment(2)),
        ]
    );
    // The first callback was sent before the old payment was cancelled, and has
    // the new lines.
    let changed = till.site.callbacks()[0].body["data"].clone();
    assert_eq!(
        (&changed["revision"], &changed["total"]["amount"]),
        (&json!(2), &json!("615.00")),
        "{changed}"
    );
    assert_eq!(changed["items"][0]["price"], "130.00");
    assert_eq!(till.bank.ledger().len(), 2);
    till.close().await;
}

/// Each change is an event, even if it restores an earlier state. The last
/// change counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_back_is_a_change() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "key").await["number"]);
    for (items, sum) in
        [(dearer(), "615.00"), (order("A-1")["items"].clone(), "614.80"), (dearer(), "615.00")]
    {
        let changed = till.change(&number, None, &items).await;
        assert_eq!(changed.status, 200, "{}", String::from_utf8_lossy(&changed.body));
        till.order_in(&number, "linked").await;
        let open: Vec<_> =
            till.bank.ledger().into_iter().filter(|order| order.status == "created").collect();
        assert_eq!(open.iter().map(|order| order.amount.to_string()).collect::<Vec<_>>(), [sum]);
    }
    assert_eq!(till.order(&number).await["revision"], 4);
    let journal = till.admin(&format!("/orders/{number}/journal")).await.to_string();
    assert_eq!(journal.matches("\"event_type\":\"order.change\"").count(), 3, "{journal}");
    till.close().await;
}

/// The size of a change does not grow with the number of changes: it writes the
/// current state of the order, not its history. The history is not lost: money
/// for the first of many payments can be refunded line by line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tenth_change_writes_no_more_than_the_third() {
    let till = Till::open().await;
    let mut wanted = order("A-1");
    wanted.as_object_mut().expect("an object").remove("total");
    let line = wanted["items"][0].clone();
    wanted["items"] = json!(vec![line; 200]);
    let placed =
        till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &wanted.to_string()).await;
    let number = text(&json_of(&placed)["number"]);
    till.order_in(&number, "linked").await;
    let (unpaid, _) = till.bank.notification(&till.remote(&number).id).expect("a notification");
    let parsed = number.parse().expect("a number");
    let written = async || {
        let documents = till
            .app
            .store()
            .load(&[Order::key(parsed), Checkout::key(parsed)])
            .await
            .expect("read");
        documents.into_iter().flatten().map(|stored| stored.body.bytes.len()).sum::<usize>()
    };
    let mut sizes = Vec::new();
    for count in 1..=10 {
        wanted["items"][0]["price"] = json!(format!("{}.00", 200 + count));
        assert_eq!(till.change(&number, None, &wanted["items"]).await.status, 200);
        let sum = text(&till.order_in(&number, "linked").await["total"]["amount"]);
        let requested = |orders: &[Entry]| {
            orders.iter().any(|order| order.status == "created" && order.amount.to_string() == sum)
        };
        assert!(till.bank.wait_until(DEADLINE, requested).await);
        sizes.push(written().await);
    }
    assert_eq!(till.order(&number).await["revision"], 11);
    assert!(sizes[9] * 10 < sizes[2] * 12, "{sizes:?}");
    let late = String::from_utf8(unpaid)
        .expect("text")
        .replace(r#""status":"created""#, r#""status":"completed""#);
    let signature = till.bank.sign(late.as_bytes());
    assert_eq!(till.notify(late.as_bytes(), &[&signature]).await["status"], "success");
    till.document_in(&number, "review").await;
    let path = format!("/admin/v1/payments/{number}-1/refund");
    let refund = till.call(Method::POST, &path, ADMIN_TOKEN, None, "").await;
    assert_eq!(refund.status, 200, "{}", String::from_utf8_lossy(&refund.body));
    let stored = till
        .app
        .store()
        .load(&[Checkout::key(parsed)])
        .await
        .expect("read")
        .remove(0)
        .expect("a checkout");
    let checkout: Checkout = stored.document().expect("a checkout");
    assert_eq!(checkout.operations[0].lines.len(), 200, "each line is refunded");
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_order_takes_no_money() {
    let till = Till::open().await;
    let placed = till.place("A-1", "key").await;
    let number = text(&placed["number"]);
    assert_eq!(
        till.cancel(&number, OTHER_API_KEY).await.status,
        404,
        "the order of another merchant is not found"
    );
    assert_eq!(till.cancel(&number, "unknown-key").await.status, 401);
    let cancelled = till.cancel(&number, API_KEY).await;
    assert_eq!(cancelled.status, 200, "{}", String::from_utf8_lossy(&cancelled.body));
    let cancelled = json_of(&cancelled);
    assert_eq!(
        (&cancelled["state"], &cancelled["payment"]["state"]),
        (&json!("cancelled"), &json!("cancelled"))
    );
    assert!(till.bank.wait_until(DEADLINE, |orders| orders[0].status == "canceled").await);
    assert!(
        !till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay),
        "a cancelled payment cannot be paid"
    );
    let (_, location, page) = till.browse(Method::GET, &text(&placed["payment"]["url"])).await;
    assert!(location.is_empty() && page.contains("Заказ отменён"), "{page}");
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200, "a repeated request succeeds");
    assert_eq!(problem(&till.change(&number, None, &dearer()).await), (409, "order-closed".into()));
    let payment = json!(format!("{number}-1"));
    let events =
        [("order.canceled".to_owned(), Value::Null), ("payment.canceled".to_owned(), payment)];
    assert_eq!(callback_events(&till, 2).await, events);
    till.close().await;
}

/// The buyer pays before the payment system gets the change. The money needs
/// attention, the buyer is not asked to pay again, and the order does not count
/// as paid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_that_changes_while_the_buyer_pays_needs_attention() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.bank.misbehave_always(Call::Other, Some(Trouble::Broken));
    assert_eq!(till.change(&number, None, &dearer()).await.status, 200);
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    let document = till.document_in(&number, "review").await;
    assert_eq!(document["state"], "open", "{document}");
    assert!(document["attention"].to_string().contains("should not have been paid"), "{document}");
    let review = ("payment.review".to_owned(), json!(format!("{number}-1")));
    assert_eq!(
        callback_events(&till, 2).await,
        [("order.changed".to_owned(), Value::Null), review]
    );
    till.bank.misbehave_always(Call::Other, None);
    assert_eq!(problem(&till.cancel(&number, API_KEY).await), (409, "order-paid".into()));
    assert_eq!(till.bank.ledger().len(), 1);
    till.close().await;
}

/// A change does not extend the time of an order. An invalid request says what
/// is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_order_is_not_changed() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    let number = text(&till.place("A-1", "key").await["number"]);
    let path = format!("/v1/orders/{number}");
    let wrong_sum = json!({"items": dearer(), "total": "615.01"}).to_string();
    let wrong = till.call(Method::PATCH, &path, API_KEY, None, &wrong_sum).await;
    assert_eq!(problem(&wrong), (422, "validation-failed".into()));
    assert!(text(&json_of(&wrong)["detail"]).contains("add up to 615.00"), "{wrong:?}");
    let with_words =
        till.call(Method::POST, &format!("{path}/cancel"), API_KEY, None, "because").await;
    assert_eq!(problem(&with_words), (400, "bad-request".into()));
    till.clock.advance(std::time::Duration::from_secs(4 * 24 * 3600));
    let late = till.change(&number, None, &dearer()).await;
    assert_eq!(problem(&late), (409, "order-closed".into()));
    assert_eq!(till.order(&number).await["revision"], 1);
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
    till.close().await;
}

/// The receipt goes to somebody else, and the expiry is later: the buyer's link
/// is unchanged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_payer_and_a_later_expiry_keep_the_link() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    let placed = till.place("A-1", "key").await;
    let number = text(&placed["number"]);
    till.order_in(&number, "linked").await;
    let before = till.remote(&number);
    let changed = till
        .change_as(
            &number,
            &json!({
                "description": "Заказ A-1, ко дню рождения", "total": "614.80",
                "customer": {"name": "Ольга", "email": "olga@example.org"},
                "expires_at": "2026-12-10T12:00:00+03:00",
            }),
        )
        .await;
    assert_eq!(
        (changed.status.as_u16(), &changed.headers["etag"]),
        (200, &"\"1.1\"".parse().expect("a tag"))
    );
    let changed = json_of(&changed);
    assert_eq!(changed["revision"], 1, "the goods are unchanged");
    assert_eq!(
        changed["payment"]["expires_at"], "2026-12-10T09:00:00Z",
        "the new expiry is shown once it is in effect"
    );
    assert_eq!(
        (&changed["payment"]["state"], &changed["payments"][1]),
        (&json!("linked"), &Value::Null)
    );

    let after = till.remote(&number);
    assert_eq!(
        (&after.id, &after.container, after.amount),
        (&before.id, &before.container, before.amount)
    );
    assert_eq!(
        (after.status.as_str(), after.description.as_str()),
        ("created", "Заказ A-1, ко дню рождения")
    );
    assert_eq!(after.expires_at.to_string(), "2026-12-10T09:00:00Z");
    let customer: Value =
        serde_json::from_str(after.customer.expect("a customer").get()).expect("json");
    assert_eq!(customer, json!({"type": "private", "name": "Ольга", "email": "olga@example.org"}));
    // The fields are those of the payment system's documentation.
    let update: Value = serde_json::from_str(&after.updates[0]).expect("json");
    let mut fields: Vec<&String> = update.as_object().expect("an object").keys().collect();
    fields.sort();
    assert_eq!(
        fields,
        ["amount", "basketItems", "customer", "description", "expirationDate", "vatAmount"]
    );
    assert_eq!(
        (&update["amount"], &update["expirationDate"]),
        (&json!(614.8), &json!("2026-12-10T09:00:00+00:00"))
    );
    assert_eq!(update["basketItems"][1]["measure"], "кг", "{update}");

    // The same value again is no update; there and back are two updates.
    assert_eq!(
        till.change_as(&number, &json!({"description": "Заказ A-1, ко дню рождения"})).await.status,
        200
    );
    assert_eq!(till.change_as(&number, &json!({"description": "Заказ A-1"})).await.status, 200);
    assert_eq!(
        till.change_as(&number, &json!({"description": "Заказ A-1, ко дню рождения"})).await.status,
        200
    );
    assert_eq!(till.remote(&number).updates.len(), 3);
    let journal = till.admin(&format!("/orders/{number}/journal")).await.to_string();
    assert_eq!(journal.matches("order.bill_altered").count(), 3, "{journal}");

    // The first expiry has passed, and the buyer can still pay.
    till.nothing_waits_in("payment").await;
    till.clock.advance(std::time::Duration::from_secs(10 * 24 * 3600));
    let (_, location, _) = till.browse(Method::GET, &text(&placed["payment"]["url"])).await;
    assert!(location.ends_with(&before.container), "{location}");
    assert!(till.bank.buyer_acts(&before.container, Outcome::Pay));
    till.order_in(&number, "paid").await;
    let late = till.change_as(&number, &json!({"description": "Иное"})).await;
    assert_eq!(problem(&late), (409, "order-paid".into()));
    assert_eq!(
        callback_events(&till, 1).await,
        [("payment.succeeded".to_owned(), json!(format!("{number}-1")))]
    );
    till.close().await;
}

/// The payment system refuses the update, or accepts it and ignores it. The
/// buyer can still pay, and the order needs attention.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_the_payment_system_ignores_needs_attention() {
    let till = Till::open().await;
    for (id, change, trouble, reason) in [
        ("A-1", json!({"expires_at": "2027-01-01T00:00:00Z"}), Trouble::Refused, "422"),
        ("A-2", json!({"expires_at": "2027-01-01T00:00:00Z"}), Trouble::Unheeded, "another expiry"),
        (
            "A-3",
            json!({"description": "Иной заказ"}),
            Trouble::Unheeded,
            "but the description has not changed",
        ),
        (
            "A-4",
            json!({"customer": {"email": "olga@example.org"}}),
            Trouble::Unheeded,
            "but the payer has not changed",
        ),
    ] {
        let number = text(&till.place(id, id).await["number"]);
        till.order_in(&number, "linked").await;
        till.bank.misbehave(Call::Update, [trouble]);
        assert_eq!(till.change_as(&number, &change).await.status, 200);
        let document = till.document_in(&number, "linked").await;
        let attention = document["attention"].to_string();
        assert!(
            attention.contains("may not have applied every change") && attention.contains(reason),
            "{document}"
        );
        // The next update is applied, and the attention is gone.
        let again = json!({"expires_at": "2027-01-02T00:00:00Z", "description": "Третий заказ"});
        assert_eq!(till.change_as(&number, &again).await.status, 200);
        let document = till.document_in(&number, "linked").await;
        assert_eq!(document["attention"], json!([]), "{document}");
        assert_eq!(till.remote(&number).description, "Третий заказ");
        assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
        till.order_in(&number, "paid").await;
    }
    till.close().await;
}

/// While the payment system does not answer, the update is not lost. The
/// payment expires meanwhile, and the next one is created with the update.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_did_not_arrive_in_time_is_in_the_next_payment() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    till.bank.misbehave_always(Call::Update, Some(Trouble::Broken));
    let change = json!({"expires_at": "2027-01-01T00:00:00Z", "description": "Иной заказ"});
    let changed = json_of(&till.change_as(&number, &change).await);
    assert_eq!(
        changed["payment"]["expires_at"], "2026-11-25T10:00:00Z",
        "the update is not in effect yet: {changed}"
    );
    till.let_retry_come("watch", 1).await;
    till.has_failed("watch", 2).await;
    till.clock.advance(std::time::Duration::from_secs(4 * 24 * 3600));
    till.bank.forget_troubles();
    let linked = till.order_in(&number, "linked").await;
    assert_eq!(
        (&linked["payment"]["expires_at"], &linked["revision"]),
        (&json!("2027-01-01T00:00:00Z"), &json!(1))
    );
    let orders: Vec<_> = till
        .bank
        .ledger()
        .into_iter()
        .map(|order| (order.number, order.description, order.amount.to_string()))
        .collect();
    let sum = || "614.80".to_owned();
    assert_eq!(
        orders,
        [
            (format!("{number}-1"), "Заказ A-1".to_owned(), sum()),
            (format!("{number}-2"), "Иной заказ".to_owned(), sum())
        ]
    );
    till.close().await;
}

/// The link is due for a check while the update fails: the checks continue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_update_does_not_stop_the_checks_of_the_link() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    till.nothing_waits_in("payment").await;
    till.bank.misbehave_always(Call::Update, Some(Trouble::Broken));
    assert_eq!(till.change_as(&number, &json!({"description": "Иной заказ"})).await.status, 200);
    till.let_retry_come("watch", 1).await; // now the check is due as well
    till.has_failed("watch", 2).await;
    till.bank.forget_troubles();
    till.clock.advance(std::time::Duration::from_secs(600));
    let is_updated = |orders: &[Entry]| orders[0].description == "Иной заказ";
    assert!(till.bank.wait_until(DEADLINE, is_updated).await);
    till.bank.misbehave_always(Call::Notification, Some(Trouble::Lost));
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.clock.advance(std::time::Duration::from_secs(24 * 3600));
    till.order_in(&number, "paid").await;
    till.close().await;
}

/// The new expiry is before the next check: the link is checked then, as if it
/// had had this expiry from the beginning.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_expires_earlier_is_checked_earlier() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    let shorter = json!({"expires_at": "2026-11-22T10:01:00Z"});
    assert_eq!(
        json_of(&till.change_as(&number, &shorter).await)["payment"]["expires_at"],
        "2026-11-22T10:01:00Z"
    );
    till.nothing_waits_in("payment").await;
    till.bank.misbehave_always(Call::Notification, Some(Trouble::Lost));
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.clock.advance(std::time::Duration::from_secs(75));
    till.order_in(&number, "paid").await;
    till.close().await;
}

/// A pending update blocks neither a cancellation nor the checks of the link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_fails_does_not_block_a_cancellation() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    till.bank.misbehave_always(Call::Update, Some(Trouble::Broken));
    assert_eq!(till.change_as(&number, &json!({"description": "Иной заказ"})).await.status, 200);
    till.has_failed("watch", 1).await;
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
    assert!(
        till.bank.wait_until(DEADLINE, |orders| orders[0].status == "canceled").await,
        "at once"
    );
    till.close().await;
}

/// When an update has failed for an hour, the order needs attention.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_fails_for_an_hour_needs_attention() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    till.bank.misbehave_always(Call::Update, Some(Trouble::NoAccess));
    assert_eq!(till.change_as(&number, &json!({"description": "Иной заказ"})).await.status, 200);
    till.has_failed("watch", 1).await;
    till.clock.advance(std::time::Duration::from_secs(3601));
    let waiting = async {
        loop {
            let document = till.admin(&format!("/orders/{number}")).await;
            if document["attention"].to_string().contains("may not have applied every change") {
                return document;
            }
            ask_again_soon().await;
        }
    };
    let document =
        tokio::time::timeout(DEADLINE, waiting).await.expect("the order needs attention");
    assert!(document["attention"].to_string().contains("401"), "{document}");
    till.close().await;
}

/// The site changes the order before there is a link: the link is created,
/// updated, and checked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_before_the_link_exists_is_sent_and_the_link_is_checked() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    // The order is created, and the answer is lost: it is found by a look-up,
    // the first of which fails.
    till.bank.misbehave(Call::Create, [Trouble::AcceptThenDrop]);
    till.bank.misbehave(Call::Other, [Trouble::Broken]);
    let placed = till.place("A-1", "key").await;
    assert_eq!(placed["payment"]["state"], "requested");
    let number = text(&placed["number"]);
    assert_eq!(till.change_as(&number, &json!({"description": "Иной заказ"})).await.status, 200);
    till.let_retry_come("payment", 2).await;
    till.order_in(&number, "linked").await;
    assert!(till.bank.wait_until(DEADLINE, |orders| orders[0].description == "Иной заказ").await);
    till.nothing_waits_in("payment").await;
    till.bank.misbehave_always(Call::Notification, Some(Trouble::Lost));
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.clock.advance(std::time::Duration::from_secs(3600));
    till.order_in(&number, "paid").await;
    till.close().await;
}

/// Money for an outdated bill was refunded, and the buyer is asked to pay
/// again: an update then applies to the new payment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_apply_to_the_current_payment_of_an_order() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.bank.misbehave_always(Call::Other, Some(Trouble::Broken));
    assert_eq!(till.change(&number, None, &dearer()).await.status, 200);
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.document_in(&number, "review").await;
    till.bank.misbehave_always(Call::Other, None);
    let path = format!("/admin/v1/payments/{number}-1/refund");
    assert_eq!(till.call(Method::POST, &path, ADMIN_TOKEN, None, "").await.status, 200);
    till.order_in(&number, "linked").await;
    let second = || till.bank.orders(&format!("{number}-2")).pop().expect("a second payment");
    for change in [
        json!({"customer": {"email": "olga@example.org"}}),
        json!({"customer": {"email": "olga@example.org"}}),
        json!({"description": "Иной заказ"}),
        json!({"description": "Заказ A-1"}),
    ] {
        assert_eq!(till.change_as(&number, &change).await.status, 200, "{change}");
    }
    let (entry, payer) = (second(), second().customer.expect("a payer").to_string());
    assert_eq!((entry.updates.len(), entry.description.as_str()), (3, "Заказ A-1"));
    assert!(payer.contains("olga@example.org"), "{payer}");
    till.close().await;
}

/// Two people change the same order: the second change is refused, whichever
/// fields it changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_changes_do_not_overwrite_each_other() {
    let till = Till::open().await;
    let placed = till.place("A-1", "key").await;
    let number = text(&placed["number"]);
    let payer = |email: &str| json!({"customer": {"email": email}});
    let path = format!("/v1/orders/{number}");
    let first = till.alter_as(&number, "\"1\"", &payer("olga@example.org")).await;
    assert_eq!(
        (first.status.as_u16(), &first.headers["etag"]),
        (200, &"\"1.1\"".parse().expect("a tag"))
    );
    let second = till.alter_as(&number, "\"1\"", &payer("ivan@example.org")).await;
    assert_eq!(problem(&second), (412, "precondition-failed".into()));
    assert!(text(&json_of(&second)["detail"]).contains("\"1.1\""), "{second:?}");
    let read = till.call(Method::GET, &path, API_KEY, None, "").await;
    let tag = read.headers["etag"].to_str().expect("text").to_owned();
    assert_eq!(till.alter_as(&number, &tag, &payer("ivan@example.org")).await.status, 200);
    till.close().await;
}

/// Changes that change nothing, or that no order can have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_change_is_refused_with_the_reason() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "key").await["number"]);
    let long = "ы".repeat(1001);
    for (change, says) in [
        (json!({}), "send items, description, customer or expires_at"),
        (json!({"total": "614.80"}), "send items"),
        (json!({"items": null}), "send items"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), "must be in the future"),
        (json!({"expires_at": "2999-01-01T00:00:00Z"}), "366 days"),
        (json!({"description": long}), "at most 1000"),
        (json!({"description": "a\u{7}"}), "control characters"),
        (json!({"customer": {"email": long}}), "customer.email: must have at most"),
        (json!({"customer": ["a"]}), "customer: must be an object"),
        (json!({"description": "Иное", "total": "1.00"}), "add up to 614.80"),
    ] {
        let refused = till.change_as(&number, &change).await;
        assert_eq!(problem(&refused), (422, "validation-failed".into()), "{change}");
        assert!(text(&json_of(&refused)["detail"]).contains(says), "{change}: {refused:?}");
    }
    assert_eq!(till.remote(&number).updates.len(), 0);
    till.close().await;
}
