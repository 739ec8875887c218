//! A site reports that it has shipped goods: once, whether they are paid, their
//! money is held, or they are paid at the door.

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

/// Waits until no task at the payment system is pending.
async fn settled(till: &Till) {
    till.nothing_waits_in("payment").await;
}

async fn events(till: &Till, count: usize) -> Vec<String> {
    let callbacks = till.site.wait_for(count, DEADLINE).await.expect("callbacks");
    callbacks.iter().map(|callback| text(&callback.body["type"])).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_and_shipped_order_is_reported_once() {
    let till = Till::open().await;
    let number = paid(&till).await;
    assert_eq!(ship(&till, &number, API_KEY, "{\"to\":\"Anna\"}").await.status, 400);
    assert_eq!(problem(&ship(&till, &number, OTHER_API_KEY, "").await), (404, "not-found".into()));
    for _ in 0..3 {
        let shipped = ship(&till, &number, API_KEY, "").await;
        assert_eq!(
            (shipped.status.as_u16(), &json_of(&shipped)["state"]),
            (200, &json!("shipped"))
        );
        assert!(json_of(&shipped)["shipped_at"].is_string());
    }
    settled(&till).await;
    assert_eq!(
        done(&till, "shipment"),
        [(format!("{number}-1-1"), "614.80".into(), "completed".into())]
    );
    assert_eq!(events(&till, 2).await, ["payment.succeeded", "order.shipped"]);
    assert_eq!(till.change(&number, None, &order("A-1")["items"]).await.status, 409);
    // Returned goods can be refunded all the same.
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
    assert!(done(&till, "shipment").is_empty(), "nothing is paid");
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
async fn held_money_is_captured_with_the_shipment() {
    let till = Till::open().await;
    let number = held(&till).await;
    assert_eq!(ship(&till, &number, API_KEY, "").await.status, 200);
    till.order_in(&number, "paid").await;
    settled(&till).await;
    assert_eq!(
        done(&till, "shipment"),
        [(format!("{number}-1-1"), "614.80".into(), "completed".into())]
    );
    till.close().await;
}

/// The payment system refuses the shipment: reporting it again sends it again,
/// and nothing is sent twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_shipment_is_reported_when_it_is_sent_again() {
    let till = Till::open().await;
    let number = paid(&till).await;
    settled(&till).await;
    till.bank.misbehave(Call::Operate, [Trouble::Refused]);
    assert_eq!(ship(&till, &number, API_KEY, "").await.status, 200);
    settled(&till).await;
    assert!(done(&till, "shipment").is_empty());
    let document = till.admin(&format!("/orders/{number}")).await;
    assert!(
        document["attention"].to_string().contains("refused by the payment system"),
        "{document}"
    );
    for _ in 0..2 {
        assert_eq!(ship(&till, &number, API_KEY, "").await.status, 200);
        settled(&till).await;
    }
    assert_eq!(done(&till, "shipment").len(), 1);
    till.close().await;
}

/// A capture at shipment fails: the site gets a callback, and reporting the
/// shipment again repeats the capture.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_gets_a_callback_when_a_capture_at_shipment_fails() {
    let till = Till::open().await;
    let number = held(&till).await;
    till.bank.misbehave(Call::Operate, [Trouble::Refused]);
    assert_eq!(ship(&till, &number, API_KEY, "").await.status, 200);
    assert_eq!(events(&till, 3).await, ["payment.held", "order.shipped", "capture.failed"]);
    let capture = till.site.callbacks()[2].body["data"]["capture"].clone();
    assert_eq!(
        (&capture["state"], capture["problem"].is_object()),
        (&json!("failed"), true),
        "{capture}"
    );
    assert_eq!(till.order(&number).await["payment"]["state"], "held");
    assert_eq!(ship(&till, &number, API_KEY, "").await.status, 200);
    till.order_in(&number, "paid").await;
    till.close().await;
}

/// A refund was pending when the goods were shipped, and failed: the shipment
/// is reported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_refund_is_reported_as_shipped() {
    let clock = Clock::manual(Clock::System.now());
    let till =
        Till::open_with(Setup { calls_max: 100_000, ..Setup::default() }, &[], clock.clone()).await;
    let number = paid(&till).await;
    till.bank.misbehave(Call::Operate, [Trouble::Pending]);
    let path = format!("/v1/orders/{number}/refunds");
    let refund = till.call(Method::POST, &path, API_KEY, Some("r1"), "{}").await;
    assert_eq!(json_of(&refund)["state"], "pending");
    assert_eq!(ship(&till, &number, API_KEY, "").await.status, 200);
    assert!(done(&till, "shipment").is_empty());
    till.bank.settle_refunds("canceled");
    // Leases run on this clock: a callback that is being sent would be sent
    // twice.
    till.nothing_waits_in("callback").await;
    clock.advance(std::time::Duration::from_secs(601));
    assert_eq!(events(&till, 3).await, ["payment.succeeded", "order.shipped", "refund.failed"]);
    settled(&till).await;
    assert_eq!(done(&till, "shipment").len(), 1);
    till.close().await;
}

/// The same by the operator, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_shipment_is_reported_again_by_hand() {
    let till = Till::open().await;
    let number = paid(&till).await;
    till.bank.misbehave(Call::Operate, [Trouble::Refused]);
    assert_eq!(ship(&till, &number, API_KEY, "").await.status, 200);
    settled(&till).await;
    let path = format!("/admin/v1/payments/{number}-1-1/retry");
    let again = till.call(Method::POST, &path, ADMIN_TOKEN, None, "").await;
    assert_eq!((again.status.as_u16(), &json_of(&again)["attention"]), (200, &json!([])));
    settled(&till).await;
    assert_eq!(
        done(&till, "shipment"),
        [(format!("{number}-1-2"), "614.80".into(), "completed".into())]
    );
    assert_eq!(
        problem(&till.call(Method::POST, &path, ADMIN_TOKEN, None, "").await),
        (409, "conflict".into())
    );
    till.close().await;
}

/// A payment with the mode `full_payment` has only one receipt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_payment_has_no_second_receipt() {
    let (key, full) =
        ("signing_key = ", "payment_mode = \"full_payment\"\n            signing_key = ");
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

/// Without receipts of the payment system there is nothing to report to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_receipts_nothing_is_reported() {
    let (key, without) = ("signing_key = ", "receipts = false\n            signing_key = ");
    let till = Till::open_with(Setup::default(), &[(key, without)], Clock::System).await;
    let number = paid(&till).await;
    assert_eq!(json_of(&ship(&till, &number, API_KEY, "").await)["state"], "shipped");
    assert_eq!(events(&till, 2).await, ["payment.succeeded", "order.shipped"]);
    settled(&till).await;
    assert!(done(&till, "shipment").is_empty());
    till.close().await;
}
