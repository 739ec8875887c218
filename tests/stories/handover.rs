//! A site says that it has handed goods over: once, whether they were paid before, are held, or are paid at the door.

use http::Method;
use serde_json::{Value, json};
use tillgate::kernel::Clock;
use tillgate::peer::Reply;
use tillgate_lab::sandbox::{Call, Outcome, Setup, Trouble};

use super::refunds::{done, held, paid, problem};
use crate::world::till::{API_KEY, OTHER_API_KEY, Till, json_of, order, text};
use crate::world::{ADMIN_TOKEN, DEADLINE};

async fn ship(till: &Till, number: &str, bearer: &str, body: &str) -> Reply {
    till.call(Method::POST, &format!("/v1/orders/{number}/ship"), bearer, None, body).await
}

/// Waits until nothing is left to do at the payment system.
async fn settled(till: &Till) {
    till.nothing_waits_in("payment").await;
}

async fn events(till: &Till, count: usize) -> Vec<String> {
    let told = till.site.wait_for(count, DEADLINE).await.expect("callbacks");
    told.iter().map(|callback| text(&callback.body["type"])).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_paid_and_handed_over_is_told_once() {
    let till = Till::open().await;
    let number = paid(&till).await;
    assert_eq!(ship(&till, &number, API_KEY, "{\"to\":\"Anna\"}").await.status, 400);
    assert_eq!(problem(&ship(&till, &number, OTHER_API_KEY, "").await), (404, "not-found".into()));
    for _ in 0..3 {
        let shipped = ship(&till, &number, API_KEY, "").await;
        assert_eq!((shipped.status.as_u16(), &json_of(&shipped)["state"]), (200, &json!("shipped")));
        assert!(json_of(&shipped)["shipped_at"].is_string());
    }
    settled(&till).await;
    assert_eq!(done(&till, "shipment"), [(format!("{number}-1-1"), "614.80".into(), "completed".into())]);
    assert_eq!(events(&till, 2).await, ["payment.succeeded", "order.shipped"]);
    assert_eq!(till.change(&number, None, &order("A-1")["items"]).await.status, 409);
    // Goods that come back are paid back all the same.
    let path = format!("/v1/orders/{number}/refunds");
    let back = "{\"items\":[{\"sku\":\"123456\",\"quantity\":\"1\"}]}";
    let refund = till.call(Method::POST, &path, API_KEY, Some("back"), back).await;
    assert_eq!(json_of(&refund)["state"], "succeeded");
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_paid_at_the_door_can_be_paid_after_it_was_handed_over() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "key").await["number"]);
    assert_eq!(json_of(&ship(&till, &number, API_KEY, "").await)["state"], "shipped");
    assert_eq!(problem(&till.cancel(&number, API_KEY).await), (409, "order-closed".into()));
    assert!(done(&till, "shipment").is_empty(), "nothing has been paid");
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.order_in(&number, "paid").await;
    settled(&till).await;
    assert_eq!(done(&till, "shipment").len(), 1);
    assert_eq!(events(&till, 2).await, ["order.shipped", "payment.succeeded"]);

    let number = text(&till.place("A-2", "key-2").await["number"]);
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
    assert_eq!(problem(&ship(&till, &number, API_KEY, "").await), (409, "order-closed".into()));
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_is_held_is_taken_with_the_goods() {
    let till = Till::open().await;
    let number = held(&till).await;
    assert_eq!(ship(&till, &number, API_KEY, "").await.status, 200);
    till.order_in(&number, "paid").await;
    settled(&till).await;
    assert_eq!(done(&till, "shipment"), [(format!("{number}-1-1"), "614.80".into(), "completed".into())]);
    till.close().await;
}

/// The payment system would not hear of it: saying it again tells it again, and nothing is told twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_payment_system_refused_is_told_when_it_is_said_again() {
    let till = Till::open().await;
    let number = paid(&till).await;
    till.bank.misbehave(Call::Operate, [Trouble::Refused]);
    assert_eq!(ship(&till, &number, API_KEY, "").await.status, 200);
    settled(&till).await;
    assert!(done(&till, "shipment").is_empty());
    let document = till.admin(&format!("/orders/{number}")).await;
    assert!(document["attention"].to_string().contains("refused by the payment system"), "{document}");
    for _ in 0..2 {
        assert_eq!(ship(&till, &number, API_KEY, "").await.status, 200);
        settled(&till).await;
    }
    assert_eq!(done(&till, "shipment").len(), 1);
    till.close().await;
}

/// The money cannot be taken: the site hears so, and saying it again takes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_hears_when_the_money_of_what_it_handed_over_cannot_be_taken() {
    let till = Till::open().await;
    let number = held(&till).await;
    till.bank.misbehave(Call::Operate, [Trouble::Refused]);
    assert_eq!(ship(&till, &number, API_KEY, "").await.status, 200);
    assert_eq!(events(&till, 3).await, ["payment.held", "order.shipped", "capture.failed"]);
    let told = till.site.callbacks()[2].body["data"]["capture"].clone();
    assert_eq!((&told["state"], told["problem"].is_object()), (&json!("failed"), true), "{told}");
    assert_eq!(till.order(&number).await["payment"]["state"], "held");
    assert_eq!(ship(&till, &number, API_KEY, "").await.status, 200);
    till.order_in(&number, "paid").await;
    till.close().await;
}

/// A refund was under way when the goods went out, and came to nothing: the goods are paid for, and told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_paid_back_after_all_is_told_as_handed_over() {
    let clock = Clock::manual(Clock::System.now());
    let till = Till::open_with(Setup { calls_max: 100_000, ..Setup::default() }, &[], clock.clone()).await;
    let number = paid(&till).await;
    till.bank.misbehave(Call::Operate, [Trouble::Pending]);
    let path = format!("/v1/orders/{number}/refunds");
    let refund = till.call(Method::POST, &path, API_KEY, Some("r1"), "{}").await;
    assert_eq!(json_of(&refund)["state"], "pending");
    assert_eq!(ship(&till, &number, API_KEY, "").await.status, 200);
    assert!(done(&till, "shipment").is_empty());
    till.bank.settle_refunds("canceled");
    // Leases run on this clock: what is being told would be told twice.
    till.nothing_waits_in("callback").await;
    clock.advance(std::time::Duration::from_secs(601));
    assert_eq!(events(&till, 3).await, ["payment.succeeded", "order.shipped", "refund.failed"]);
    settled(&till).await;
    assert_eq!(done(&till, "shipment").len(), 1);
    till.close().await;
}

/// The same by the operator's word, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shipment_that_was_refused_is_told_again_by_hand() {
    let till = Till::open().await;
    let number = paid(&till).await;
    till.bank.misbehave(Call::Operate, [Trouble::Refused]);
    assert_eq!(ship(&till, &number, API_KEY, "").await.status, 200);
    settled(&till).await;
    let path = format!("/admin/v1/payments/{number}-1-1/retry");
    let again = till.call(Method::POST, &path, ADMIN_TOKEN, None, "").await;
    assert_eq!((again.status.as_u16(), &json_of(&again)["attention"]), (200, &json!([])));
    settled(&till).await;
    assert_eq!(done(&till, "shipment"), [(format!("{number}-1-2"), "614.80".into(), "completed".into())]);
    assert_eq!(
        problem(&till.call(Method::POST, &path, ADMIN_TOKEN, None, "").await),
        (409, "conflict".into())
    );
    till.close().await;
}

/// What is paid as the goods change hands has one receipt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_paid_in_full_has_no_second_receipt() {
    let (key, full) = ("signing_key = ", "payment_mode = \"full_payment\"\n            signing_key = ");
    let till = Till::open_with(Setup::default(), &[(key, full)], Clock::System).await;
    let number = paid(&till).await;
    let request: Value = serde_json::from_str(&till.remote(&number).request).expect("json");
    assert_eq!(request["basketItems"][0]["paymentType"], "full_payment", "{request}");
    assert_eq!(json_of(&ship(&till, &number, API_KEY, "").await)["state"], "shipped");
    assert_eq!(events(&till, 2).await, ["payment.succeeded", "order.shipped"]);
    settled(&till).await;
    assert!(done(&till, "shipment").is_empty());
    till.close().await;
}

/// Who makes its receipts itself has nothing to tell the payment system.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_receipts_nothing_is_told() {
    let (key, without) = ("signing_key = ", "receipts = false\n            signing_key = ");
    let till = Till::open_with(Setup::default(), &[(key, without)], Clock::System).await;
    let number = paid(&till).await;
    assert_eq!(json_of(&ship(&till, &number, API_KEY, "").await)["state"], "shipped");
    assert_eq!(events(&till, 2).await, ["payment.succeeded", "order.shipped"]);
    settled(&till).await;
    assert!(done(&till, "shipment").is_empty());
    till.close().await;
}
