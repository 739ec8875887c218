//! The sandbox is as strict as a real payment system.

use http::Method;
use serde_json::{Value, json};
use tillgate::kernel::Clock;
use tillgate_lab::sandbox::{Call, Outcome, Setup, Trouble};

use crate::world::DEADLINE;
use crate::world::till::{Till, json_of, text};

/// A request as the gateway sent it, to be changed by a test.
async fn a_request(till: &Till) -> Value {
    let number = text(&till.place("A-1", "k").await["number"]);
    let mut request: Value = serde_json::from_str(&till.remote(&number).request).expect("json");
    request["merchantOrderId"] = json!("changed-1");
    request
}

async fn post(till: &Till, token: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}/v3/billing/api/order/order", till.bank.url());
    let reply = till.call(Method::POST, &url, token, None, &body.to_string()).await;
    assert!(reply.headers.contains_key("x-request-id"));
    (reply.status.as_u16(), json_of(&reply))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_checks_the_sums_of_orders() {
    let till = Till::open().await;
    let request = a_request(&till).await;
    let token = till.bank.setup().token.expose().to_owned();
    for (place, value, status, code) in [
        ("/amount", json!(614.81), 422, "wrong_total_amount"),
        ("/vatAmount", json!(82.78), 422, "wrong_total_vat_amount"),
        ("/basketItems/0/totalAmount", json!(259.81), 422, "wrong_basket_item_total_amount"),
        ("/basketItems/0/totalVatAmount", json!(23.61), 422, "wrong_basket_item_total_vat_amount"),
        ("/basketItems/0/amountWoVat", json!(118.2), 422, "wrong_basket_item_amount_wo_vat"),
        ("/currencyId", json!("XYZ"), 422, "wrong_currency"),
        ("/languageId", json!("de"), 422, "language_not_found"),
        ("/expirationDate", json!("2020-01-01T00:00:00+00:00"), 422, "wrong_expiration_date"),
        ("/merchantId", json!("018f0000-0000-7000-8000-00000000ffff"), 403, "forbidden"),
        ("/basketItems", json!([]), 400, "validation"),
    ] {
        let mut wrong = request.clone();
        *wrong.pointer_mut(place).expect("a place") = value;
        let (answered, body) = post(&till, &token, &wrong).await;
        assert_eq!(
            (answered, body["error"]["code"].as_str()),
            (status, Some(code)),
            "{place}: {body}"
        );
    }
    let (status, body) = post(&till, &token, &request).await;
    assert_eq!((status, body["data"]["status"].as_str()), (200, Some("created")), "{body}");
    let (status, body) = post(&till, &token, &request).await;
    assert_eq!(
        (status, body["error"]["code"].as_str()),
        (422, Some("merchant_order_id_duplicate"))
    );
    let (status, body) = post(&till, "another token", &request).await;
    assert_eq!((status, body["error"]["code"].as_str()), (401, Some("unauthorized")));
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_checks_the_caller_and_the_rate_limit() {
    let clock = Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"));
    let till = Till::open_with(Setup { calls_max: 5, ..Setup::default() }, &[], clock).await;
    let ask = async |path: &str, token: &str| {
        let mut headers = http::HeaderMap::new();
        if !token.is_empty() {
            let bearer = http::HeaderValue::from_str(&format!("Bearer {token}")).expect("a header");
            headers.insert("authorization", bearer);
        }
        let client = tillgate::peer::Client::new(DEADLINE, 1 << 20).expect("a client");
        let url = format!("{}/l3/{path}", till.bank.url());
        client.call(Method::GET, &url, headers, Vec::new()).await.expect("an answer")
    };
    let token = till.bank.setup().token.expose().to_owned();
    let anonymous = ask("security/api/auth/auth", "").await;
    assert_eq!(
        (anonymous.status.as_u16(), &json_of(&anonymous)["data"]["userId"]),
        (200, &Value::Null)
    );
    assert_eq!(ask("security/api/auth/auth", "wrong").await.status, 401);
    assert!(json_of(&ask("security/api/auth/auth", &token).await)["data"]["userId"].is_string());
    for _ in 0..5 {
        assert_eq!(ask("filter/api/order/order?_page=1", &token).await.status, 200);
    }
    let refused = ask("filter/api/order/order", &token).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.headers["retry-after"]),
        (429, &http::HeaderValue::from(30))
    );
    till.clock.advance(std::time::Duration::from_secs(30));
    assert_eq!(ask("filter/api/order/order", &token).await.status, 200);
    till.close().await;
}

/// Notifications are repeated until they are accepted. Duplicate and late ones
/// pay once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_notifications_are_repeated_until_they_are_accepted() {
    let setup = Setup {
        first_pause: std::time::Duration::from_millis(20),
        calls_max: 1000,
        ..Setup::default()
    };
    let till = Till::open_with(setup, &[], Clock::System).await;
    let number = text(&till.place("A-1", "k").await["number"]);
    till.bank.misbehave(Call::Notification, [Trouble::Duplicate(3)]);
    let container = till.remote(&number).container;
    // The gateway is stopped and misses the first notifications.
    let till = till.stopped().await;
    assert!(till.bank.buyer_acts(&container, Outcome::Pay));
    assert!(till.bank.wait_until(DEADLINE, |orders| orders[0].notifications.len() >= 3).await);
    let till = till.started().await;
    till.order_in(&number, "paid").await;
    let is_accepted = |orders: &[tillgate_lab::sandbox::Entry]| {
        orders[0].notifications.last().is_some_and(|answer| answer == r#"{"status":"success"}"#)
    };
    assert!(till.bank.wait_until(DEADLINE, is_accepted).await);
    assert_eq!(till.site.wait_for(1, DEADLINE).await.map(|callbacks| callbacks.len()), Ok(1));
    till.close().await;
}

/// The sandbox's faults and ledger are available over HTTP.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_faults_are_set_over_http() {
    let till = Till::open().await;
    let set = async |body: Value| {
        let url = format!("{}/sandbox/troubles", till.bank.url());
        till.call(Method::POST, &url, "", None, &body.to_string()).await.status.as_u16()
    };
    assert_eq!(set(json!({"on": "create", "next": ["refused"]})).await, 204);
    assert_eq!(till.place("A-1", "1").await["payment"]["state"], "failed");
    assert_eq!(set(json!({"on": "create", "always": {"slow": 1}, "clear": true})).await, 204);
    assert_eq!(till.place("A-2", "2").await["payment"]["state"], "linked");
    assert_eq!(set(json!({"on": "create", "next": ["nonsense"]})).await, 422);
    let ledger =
        till.call(Method::GET, &format!("{}/sandbox/ledger", till.bank.url()), "", None, "").await;
    assert_eq!(json_of(&ledger).as_array().map(Vec::len), Some(1));
    let url = format!("{}/sandbox/test-notification", till.bank.url());
    let target = json!({"url": format!("{}/hooks/bank", till.url())}).to_string();
    let tested = till.call(Method::POST, &url, "", None, &target).await;
    assert_eq!(json_of(&tested)["answer"], r#"{"status":"success"}"#);
    till.close().await;
}

/// The sandbox's page shows its orders, and makes calls fail at a click.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_page_shows_orders_and_makes_calls_fail() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "k").await["number"]);
    let url = |path: &str| format!("{}{path}", till.bank.url());
    let page = async || {
        let reply = till.call(Method::GET, &url("/"), "", None, "").await;
        String::from_utf8_lossy(&reply.body).into_owned()
    };
    assert!(page().await.contains(&format!("{number}-1")), "the order is listed");
    let click = async |form: &'static str| {
        let mut headers = http::HeaderMap::new();
        let kind = http::HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert("content-type", kind);
        let url = url("/sandbox/click");
        let reply = till.client.call(Method::POST, &url, headers, form.as_bytes().to_vec()).await;
        reply.expect("an answer").status.as_u16()
    };
    assert_eq!(click("on=create&next=refused").await, 303);
    assert!(page().await.contains("next: [Refused]"));
    assert_eq!(click("on=create&next=nothing").await, 422, "there is no such trouble");
    let refused = text(&till.place("A-2", "k2").await["number"]);
    till.order_in(&refused, "failed").await;
    assert_eq!(click("on=other&always=broken").await, 303);
    let clear =
        till.call(Method::POST, &url("/sandbox/troubles"), "", None, r#"{"clear":true}"#).await;
    assert_eq!(clear.status.as_u16(), 204, "as it prints it");
    assert!(!page().await.contains("always: Broken"));
    till.close().await;
}
