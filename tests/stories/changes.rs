//! A merchant's site changes its orders, and calls them off.

use http::Method;
use serde_json::{Value, json};
use tillgate::kernel::Clock;
use tillgate::orders::Order;
use tillgate::payments::Checkout;
use tillgate::peer::Reply;
use tillgate_lab::sandbox::{Call, Entry, Outcome, Setup, Trouble};

use crate::world::till::{API_KEY, OTHER_API_KEY, Till, json_of, order, text};
use crate::world::{ADMIN_TOKEN, DEADLINE};

/// The items of an order with a dearer first line: together 615.00.
fn dearer() -> Value {
    let mut items = order("A-1")["items"].clone();
    items[0]["price"] = json!("130.00");
    items
}

fn problem(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), text(&json_of(reply)["type"]).replace("urn:tillgate:problem:", ""))
}

/// The events that the site heard, once there are so many, and the payment that each is about.
async fn heard(till: &Till, count: usize) -> Vec<(String, Value)> {
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
    assert_eq!((changed.status.as_u16(), &changed.headers["etag"]), (200, &"\"2\"".parse().expect("a tag")));
    let changed = json_of(&changed);
    assert_eq!((&changed["revision"], &changed["total"]["amount"]), (&json!(2), &json!("615.00")));
    assert_eq!(changed["payment"]["url"], placed["payment"]["url"], "the buyer's address stays");
    let linked = till.order_in(&number, "linked").await;
    assert_eq!(linked["payment"]["amount"]["amount"], "615.00");
    let orders = till.bank.ledger();
    let standing: Vec<_> =
        orders.iter().map(|order| (order.status.as_str(), order.amount.to_string())).collect();
    assert_eq!(standing, [("canceled", "614.80".to_owned()), ("created", "615.00".to_owned())]);
    let (_, location, _) = till.browse(Method::GET, &text(&placed["payment"]["url"])).await;
    assert!(location.ends_with(&orders[1].container), "{location}");

    // The same again changes nothing; what was meant for the first revision is told so, and so is nonsense.
    let again = till.change(&number, None, &dearer()).await;
    assert_eq!((again.status.as_u16(), &json_of(&again)["revision"]), (200, &json!(2)));
    let late = till.change(&number, Some("\"1\""), &order("A-1")["items"]).await;
    assert_eq!(problem(&late), (412, "precondition-failed".into()));
    let nonsense = till.change(&number, Some("\"2\""), &json!([])).await;
    assert_eq!(problem(&nonsense), (422, "validation-failed".into()));

    assert!(till.bank.buyer_acts(&orders[1].container, Outcome::Pay));
    let paid = till.order_in(&number, "paid").await;
    assert_eq!((&paid["state"], &paid["payments"][1]["id"]), (&json!("paid"), &json!(format!("{number}-2"))));
    let after = till.change(&number, None, &order("A-1")["items"]).await;
    assert_eq!(problem(&after), (409, "order-paid".into()));
    assert_eq!(problem(&till.cancel(&number, API_KEY).await), (409, "order-paid".into()));
    let payment = |attempt: u32| json!(format!("{number}-{attempt}"));
    assert_eq!(
        heard(&till, 3).await,
        [
            ("order.changed".to_owned(), Value::Null),
            ("payment.superseded".to_owned(), payment(1)),
            ("payment.succeeded".to_owned(), payment(2)),
        ]
    );
    // Told before the old payment was off, and of the new lines all the same.
    let told = till.site.callbacks()[0].body["data"].clone();
    assert_eq!((&told["revision"], &told["total"]["amount"]), (&json!(2), &json!("615.00")), "{told}");
    assert_eq!(told["items"][0]["price"], "130.00");
    assert_eq!(till.bank.ledger().len(), 2);
    till.close().await;
}

/// Back and forth: each change is an event of its own, and the last word counts.
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
        let open: Vec<_> = till.bank.ledger().into_iter().filter(|order| order.status == "created").collect();
        assert_eq!(open.iter().map(|order| order.amount.to_string()).collect::<Vec<_>>(), [sum]);
    }
    assert_eq!(till.order(&number).await["revision"], 4);
    let journal = till.admin(&format!("/orders/{number}/journal")).await.to_string();
    assert_eq!(journal.matches("order.revised").count(), 3, "{journal}");
    till.close().await;
}

/// However often an order has been changed, a change writes what the order is and not what it was. What it was is not lost:
/// money that comes for the first of many payments can be paid back line by line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tenth_change_writes_no_more_than_the_third() {
    let till = Till::open().await;
    let mut wanted = order("A-1");
    wanted.as_object_mut().expect("an object").remove("total");
    let line = wanted["items"][0].clone();
    wanted["items"] = json!(vec![line; 200]);
    let placed = till.call(Method::POST, "/v1/orders", API_KEY, Some("key"), &wanted.to_string()).await;
    let number = text(&json_of(&placed)["number"]);
    till.order_in(&number, "linked").await;
    let (unpaid, _) = till.bank.notice(&till.remote(&number).id).expect("a notification");
    let parsed = number.parse().expect("a number");
    let written = async || {
        let documents =
            till.app.store().load(&[Order::key(parsed), Checkout::key(parsed)]).await.expect("read");
        documents.into_iter().flatten().map(|stored| stored.body.bytes.len()).sum::<usize>()
    };
    let mut sizes = Vec::new();
    for count in 1..=10 {
        wanted["items"][0]["price"] = json!(format!("{}.00", 200 + count));
        assert_eq!(till.change(&number, None, &wanted["items"]).await.status, 200);
        let sum = text(&till.order_in(&number, "linked").await["total"]["amount"]);
        let asked = |orders: &[Entry]| {
            orders.iter().any(|order| order.status == "created" && order.amount.to_string() == sum)
        };
        assert!(till.bank.wait_until(DEADLINE, asked).await);
        sizes.push(written().await);
    }
    assert_eq!(till.order(&number).await["revision"], 11);
    assert!(sizes[9] * 10 < sizes[2] * 12, "{sizes:?}");
    let late =
        String::from_utf8(unpaid).expect("text").replace(r#""status":"created""#, r#""status":"completed""#);
    let signature = till.bank.sign(late.as_bytes());
    assert_eq!(till.notify(late.as_bytes(), &[&signature]).await["status"], "success");
    till.document_in(&number, "review").await;
    let path = format!("/admin/v1/payments/{number}-1/refund");
    let asked = till.call(Method::POST, &path, ADMIN_TOKEN, None, "").await;
    assert_eq!(asked.status, 200, "{}", String::from_utf8_lossy(&asked.body));
    let stored =
        till.app.store().load(&[Checkout::key(parsed)]).await.expect("read").remove(0).expect("a checkout");
    let checkout: Checkout = stored.document().expect("a checkout");
    assert_eq!(checkout.operations[0].lines.len(), 200, "each line goes back");
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_called_off_takes_no_money() {
    let till = Till::open().await;
    let placed = till.place("A-1", "key").await;
    let number = text(&placed["number"]);
    assert_eq!(till.cancel(&number, OTHER_API_KEY).await.status, 404, "it is another merchant's");
    assert_eq!(till.cancel(&number, "nobody's").await.status, 401);
    let cancelled = till.cancel(&number, API_KEY).await;
    assert_eq!(cancelled.status, 200, "{}", String::from_utf8_lossy(&cancelled.body));
    let cancelled = json_of(&cancelled);
    assert_eq!(
        (&cancelled["state"], &cancelled["payment"]["state"]),
        (&json!("cancelled"), &json!("cancelled"))
    );
    assert!(till.bank.wait_until(DEADLINE, |orders| orders[0].status == "canceled").await);
    assert!(!till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay), "nothing is left to pay");
    let (_, location, page) = till.browse(Method::GET, &text(&placed["payment"]["url"])).await;
    assert!(location.is_empty() && page.contains("Заказ отменён"), "{page}");
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200, "a repeat finds it done");
    assert_eq!(problem(&till.change(&number, None, &dearer()).await), (409, "order-closed".into()));
    let payment = json!(format!("{number}-1"));
    let events = [("order.canceled".to_owned(), Value::Null), ("payment.canceled".to_owned(), payment)];
    assert_eq!(heard(&till, 2).await, events);
    till.close().await;
}

/// The buyer is quicker than the payment system hears of the change: the money is a person's affair, nobody is asked twice,
/// and the order is not taken for paid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_that_changes_while_the_buyer_pays_is_put_before_a_person() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.bank.misbehave_always(Call::Other, Some(Trouble::Broken));
    assert_eq!(till.change(&number, None, &dearer()).await.status, 200);
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    let document = till.document_in(&number, "review").await;
    assert_eq!(document["state"], "open", "{document}");
    assert!(document["attention"].to_string().contains("should not have taken it"), "{document}");
    let review = ("payment.review".to_owned(), json!(format!("{number}-1")));
    assert_eq!(heard(&till, 2).await, [("order.changed".to_owned(), Value::Null), review]);
    till.bank.misbehave_always(Call::Other, None);
    assert_eq!(problem(&till.cancel(&number, API_KEY).await), (409, "order-paid".into()));
    assert_eq!(till.bank.ledger().len(), 1);
    till.close().await;
}

/// A change gives no more time; and what a request cannot mean is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_time_is_over_is_not_changed() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    let number = text(&till.place("A-1", "key").await["number"]);
    let path = format!("/v1/orders/{number}");
    let wrong_sum = json!({"items": dearer(), "total": "615.01"}).to_string();
    let wrong = till.call(Method::PATCH, &path, API_KEY, None, &wrong_sum).await;
    assert_eq!(problem(&wrong), (422, "validation-failed".into()));
    assert!(text(&json_of(&wrong)["detail"]).contains("come to 615.00"), "{wrong:?}");
    let with_words = till.call(Method::POST, &format!("{path}/cancel"), API_KEY, None, "because").await;
    assert_eq!(problem(&with_words), (400, "bad-request".into()));
    till.clock.advance(std::time::Duration::from_secs(4 * 24 * 3600));
    let late = till.change(&number, None, &dearer()).await;
    assert_eq!(problem(&late), (409, "order-closed".into()));
    assert_eq!(till.order(&number).await["revision"], 1);
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
    till.close().await;
}

/// The receipt is to go to somebody else, and there is more time: the buyer's link stays what it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_payer_and_more_time_leave_the_link_as_it_is() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    let placed = till.place("A-1", "key").await;
    let number = text(&placed["number"]);
    till.order_in(&number, "linked").await;
    let before = till.remote(&number);
    let altered = till
        .alter(
            &number,
            &json!({
                "description": "Заказ A-1, ко дню рождения", "total": "614.80",
                "customer": {"name": "Ольга", "email": "olga@example.org"},
                "expires_at": "2026-12-10T12:00:00+03:00",
            }),
        )
        .await;
    assert_eq!(
        (altered.status.as_u16(), &altered.headers["etag"]),
        (200, &"\"1.1\"".parse().expect("a tag"))
    );
    let altered = json_of(&altered);
    assert_eq!(altered["revision"], 1, "the goods are what they were");
    assert_eq!(altered["payment"]["expires_at"], "2026-12-10T09:00:00Z", "it is told when it is so");
    assert_eq!((&altered["payment"]["state"], &altered["payments"][1]), (&json!("linked"), &Value::Null));

    let after = till.remote(&number);
    assert_eq!((&after.id, &after.container, after.amount), (&before.id, &before.container, before.amount));
    assert_eq!(
        (after.status.as_str(), after.description.as_str()),
        ("created", "Заказ A-1, ко дню рождения")
    );
    assert_eq!(after.expires_at.to_string(), "2026-12-10T09:00:00Z");
    let customer: Value = serde_json::from_str(after.customer.expect("a customer").get()).expect("json");
    assert_eq!(customer, json!({"type": "private", "name": "Ольга", "email": "olga@example.org"}));
    // As the payment system's documents have it, field by field.
    let update: Value = serde_json::from_str(&after.updates[0]).expect("json");
    let mut fields: Vec<&String> = update.as_object().expect("an object").keys().collect();
    fields.sort();
    assert_eq!(fields, ["amount", "basketItems", "customer", "description", "expirationDate", "vatAmount"]);
    assert_eq!(
        (&update["amount"], &update["expirationDate"]),
        (&json!(614.8), &json!("2026-12-10T09:00:00+00:00"))
    );
    assert_eq!(update["basketItems"][1]["measure"], "кг", "{update}");

    // Said again it is nothing new; there and back it is.
    assert_eq!(till.alter(&number, &json!({"description": "Заказ A-1, ко дню рождения"})).await.status, 200);
    assert_eq!(till.alter(&number, &json!({"description": "Заказ A-1"})).await.status, 200);
    assert_eq!(till.alter(&number, &json!({"description": "Заказ A-1, ко дню рождения"})).await.status, 200);
    assert_eq!(till.remote(&number).updates.len(), 3);
    let journal = till.admin(&format!("/orders/{number}/journal")).await.to_string();
    assert_eq!(journal.matches("order.bill_altered").count(), 3, "{journal}");

    // The old time is over, and the buyer pays.
    till.nothing_waits_in("payment").await;
    till.clock.advance(std::time::Duration::from_secs(10 * 24 * 3600));
    let (_, location, _) = till.browse(Method::GET, &text(&placed["payment"]["url"])).await;
    assert!(location.ends_with(&before.container), "{location}");
    assert!(till.bank.buyer_acts(&before.container, Outcome::Pay));
    till.order_in(&number, "paid").await;
    let late = till.alter(&number, &json!({"description": "Иное"})).await;
    assert_eq!(problem(&late), (409, "order-paid".into()));
    assert_eq!(heard(&till, 1).await, [("payment.succeeded".to_owned(), json!(format!("{number}-1")))]);
    till.close().await;
}

/// The payment system says no, or yes without meaning it: the buyer can pay all the same, and a person is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_payment_system_does_not_take_over_is_put_before_a_person() {
    let till = Till::open().await;
    for (id, wish, trouble, said) in [
        ("A-1", json!({"expires_at": "2027-01-01T00:00:00Z"}), Trouble::Refused, "422"),
        ("A-2", json!({"expires_at": "2027-01-01T00:00:00Z"}), Trouble::Unheeded, "another time"),
        ("A-3", json!({"description": "Иной заказ"}), Trouble::Unheeded, "another description"),
        ("A-4", json!({"customer": {"email": "olga@example.org"}}), Trouble::Unheeded, "another payer"),
    ] {
        let number = text(&till.place(id, id).await["number"]);
        till.order_in(&number, "linked").await;
        till.bank.misbehave(Call::Update, [trouble]);
        assert_eq!(till.alter(&number, &wish).await.status, 200);
        let document = till.document_in(&number, "linked").await;
        let attention = document["attention"].to_string();
        assert!(attention.contains("may not have taken over all") && attention.contains(said), "{document}");
        // Said once more, it is taken over, and there is nothing left to look at.
        let again = json!({"expires_at": "2027-01-02T00:00:00Z", "description": "Третий заказ"});
        assert_eq!(till.alter(&number, &again).await.status, 200);
        let document = till.document_in(&number, "linked").await;
        assert_eq!(document["attention"], json!([]), "{document}");
        assert_eq!(till.remote(&number).description, "Третий заказ");
        assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
        till.order_in(&number, "paid").await;
    }
    till.close().await;
}

/// While the payment system does not answer nothing is lost, and what came to an end meanwhile is asked for anew as it
/// should be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_told_in_time_is_in_the_next_payment() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    till.bank.misbehave_always(Call::Update, Some(Trouble::Broken));
    let wish = json!({"expires_at": "2027-01-01T00:00:00Z", "description": "Иной заказ"});
    let altered = json_of(&till.alter(&number, &wish).await);
    assert_eq!(altered["payment"]["expires_at"], "2026-11-25T10:00:00Z", "it is not so yet: {altered}");
    till.let_retry_come("watch", 1).await;
    till.has_failed("watch", 2).await;
    till.clock.advance(std::time::Duration::from_secs(4 * 24 * 3600));
    till.bank.forget_troubles();
    let linked = till.order_in(&number, "linked").await;
    assert_eq!(
        (&linked["payment"]["expires_at"], &linked["revision"]),
        (&json!("2027-01-01T00:00:00Z"), &json!(1))
    );
    let standing: Vec<_> = till
        .bank
        .ledger()
        .into_iter()
        .map(|order| (order.number, order.description, order.amount.to_string()))
        .collect();
    let sum = || "614.80".to_owned();
    assert_eq!(
        standing,
        [
            (format!("{number}-1"), "Заказ A-1".to_owned(), sum()),
            (format!("{number}-2"), "Иной заказ".to_owned(), sum())
        ]
    );
    till.close().await;
}

/// The link is due for a look while the payment system cannot be told: the looks go on all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_altered_late_is_looked_at_as_ever() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    till.nothing_waits_in("payment").await;
    till.bank.misbehave_always(Call::Update, Some(Trouble::Broken));
    assert_eq!(till.alter(&number, &json!({"description": "Иной заказ"})).await.status, 200);
    till.let_retry_come("watch", 1).await; // now the look is due as well
    till.has_failed("watch", 2).await;
    till.bank.forget_troubles();
    till.clock.advance(std::time::Duration::from_secs(600));
    let is_told = |orders: &[Entry]| orders[0].description == "Иной заказ";
    assert!(till.bank.wait_until(DEADLINE, is_told).await);
    till.bank.misbehave_always(Call::Notice, Some(Trouble::Lost));
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.clock.advance(std::time::Duration::from_secs(24 * 3600));
    till.order_in(&number, "paid").await;
    till.close().await;
}

/// The end comes nearer than the next look: it is looked at then, as if it had been so from the beginning.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_earlier_is_looked_at_earlier() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    let shorter = json!({"expires_at": "2026-11-22T10:01:00Z"});
    assert_eq!(
        json_of(&till.alter(&number, &shorter).await)["payment"]["expires_at"],
        "2026-11-22T10:01:00Z"
    );
    till.nothing_waits_in("payment").await;
    till.bank.misbehave_always(Call::Notice, Some(Trouble::Lost));
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.clock.advance(std::time::Duration::from_secs(75));
    till.order_in(&number, "paid").await;
    till.close().await;
}

/// What is said anew does not keep the order from being called off, nor from being looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_told_holds_up_nothing() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    till.bank.misbehave_always(Call::Update, Some(Trouble::Broken));
    assert_eq!(till.alter(&number, &json!({"description": "Иной заказ"})).await.status, 200);
    till.has_failed("watch", 1).await;
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
    assert!(till.bank.wait_until(DEADLINE, |orders| orders[0].status == "canceled").await, "at once");
    till.close().await;
}

/// When the payment system could not be told for an hour a person hears of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_told_for_an_hour_is_put_before_a_person() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    till.bank.misbehave_always(Call::Update, Some(Trouble::NoAccess));
    assert_eq!(till.alter(&number, &json!({"description": "Иной заказ"})).await.status, 200);
    till.has_failed("watch", 1).await;
    till.clock.advance(std::time::Duration::from_secs(3601));
    let waiting = async {
        loop {
            let document = till.admin(&format!("/orders/{number}")).await;
            if document["attention"].to_string().contains("may not have taken over all") {
                return document;
            }
            tokio::task::yield_now().await;
        }
    };
    let document = tokio::time::timeout(DEADLINE, waiting).await.expect("a person is told");
    assert!(document["attention"].to_string().contains("401"), "{document}");
    till.close().await;
}

/// The site changes its mind before there is a link: the link is made, altered, and looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_before_there_is_a_link_is_looked_at_too() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup::default(), &[], clock).await;
    // Made, and nobody knows: the number is found by a look, the first of which fails.
    till.bank.misbehave(Call::Create, [Trouble::AcceptThenDrop]);
    till.bank.misbehave(Call::Other, [Trouble::Broken]);
    let placed = till.place("A-1", "key").await;
    assert_eq!(placed["payment"]["state"], "requested");
    let number = text(&placed["number"]);
    assert_eq!(till.alter(&number, &json!({"description": "Иной заказ"})).await.status, 200);
    till.let_retry_come("payment", 2).await;
    till.order_in(&number, "linked").await;
    assert!(till.bank.wait_until(DEADLINE, |orders| orders[0].description == "Иной заказ").await);
    till.nothing_waits_in("payment").await;
    till.bank.misbehave_always(Call::Notice, Some(Trouble::Lost));
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.clock.advance(std::time::Duration::from_secs(3600));
    till.order_in(&number, "paid").await;
    till.close().await;
}

/// Money that came for what the order was has gone back, and the buyer is asked again: what is said anew then is said of
/// what is asked for now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_of_an_order_that_was_asked_for_again_is_kept() {
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
        assert_eq!(till.alter(&number, &change).await.status, 200, "{change}");
    }
    let (entry, payer) = (second(), second().customer.expect("a payer").to_string());
    assert_eq!((entry.updates.len(), entry.description.as_str()), (3, "Заказ A-1"));
    assert!(payer.contains("olga@example.org"), "{payer}");
    till.close().await;
}

/// Two people change the same order: the second is told, whatever it is that they change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobodys_change_is_overwritten() {
    let till = Till::open().await;
    let placed = till.place("A-1", "key").await;
    let number = text(&placed["number"]);
    let payer = |email: &str| json!({"customer": {"email": email}});
    let path = format!("/v1/orders/{number}");
    let first = till.alter_as(&number, "\"1\"", &payer("olga@example.org")).await;
    assert_eq!((first.status.as_u16(), &first.headers["etag"]), (200, &"\"1.1\"".parse().expect("a tag")));
    let second = till.alter_as(&number, "\"1\"", &payer("ivan@example.org")).await;
    assert_eq!(problem(&second), (412, "precondition-failed".into()));
    assert!(text(&json_of(&second)["detail"]).contains("\"1.1\""), "{second:?}");
    let read = till.call(Method::GET, &path, API_KEY, None, "").await;
    let tag = read.headers["etag"].to_str().expect("text").to_owned();
    assert_eq!(till.alter_as(&number, &tag, &payer("ivan@example.org")).await.status, 200);
    till.close().await;
}

/// A change that says nothing, or what no order can hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_without_sense_says_why() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "key").await["number"]);
    let long = "ы".repeat(1001);
    for (change, says) in [
        (json!({}), "send items, description, customer or expires_at"),
        (json!({"total": "614.80"}), "send items"),
        (json!({"items": null}), "send items"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), "must lie ahead"),
        (json!({"expires_at": "2999-01-01T00:00:00Z"}), "366 days"),
        (json!({"description": long}), "from 1 to 1000"),
        (json!({"description": "a\u{7}"}), "control characters"),
        (json!({"customer": {"email": long}}), "customer.email: at most 100"),
        (json!({"customer": ["a"]}), "expected an object"),
        (json!({"description": "Иное", "total": "1.00"}), "come to 614.80"),
    ] {
        let refused = till.alter(&number, &change).await;
        assert_eq!(problem(&refused), (422, "validation-failed".into()), "{change}");
        assert!(text(&json_of(&refused)["detail"]).contains(says), "{change}: {refused:?}");
    }
    assert_eq!(till.remote(&number).updates.len(), 0);
    till.close().await;
}
