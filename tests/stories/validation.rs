//! A request with faults is answered with all of them, each with its field.

use http::Method;
use serde_json::{Value, json};

use crate::world::till::{API_KEY, Till, json_of, order};

async fn faults_of(till: &Till, body: &Value) -> (Value, Vec<(String, String)>) {
    let path = "/v1/orders";
    let reply = till.call(Method::POST, path, API_KEY, Some("k"), &body.to_string()).await;
    assert_eq!(reply.status.as_u16(), 422, "{body}");
    let problem = json_of(&reply);
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let fault = |error: &Value| {
        let text = |name: &str| error[name].as_str().expect("a text").to_owned();
        (text("pointer"), text("detail"))
    };
    (problem.clone(), errors.iter().map(fault).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_request_is_named_at_once() {
    let till = Till::open().await;
    let mut body = order("A-1");
    body["items"][0]["price"] = json!(129.9);
    body["items"][1]["vat"] = json!("VAT20");
    body["items"][1]["colour"] = json!("red");
    body["customer"]["email"] = json!("anna(at)example.org");
    body["customer"]["phone"] = json!("12");
    body["customer"]["vat_number"] = json!("7707083894");
    body["success_url"] = json!("javascript:alert(1)");
    body["total"] = json!("much");
    let (problem, faults) = faults_of(&till, &body).await;
    let pointers: Vec<&str> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/customer/phone",
            "/customer/email",
            "/customer/vat_number",
            "/items/0/price",
            "/items/1/vat",
            "/items/1/colour",
            "/total",
            "/success_url",
        ],
        "{problem}"
    );
    let price = &faults[3].1;
    assert_eq!(price, "must be a decimal string such as \"129.90\"");
    assert!(faults[4].1.contains("RUS_VAT10"), "{}", faults[4].1);
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.starts_with("customer.phone: must be a telephone number"), "{detail}");
    assert!(detail.ends_with("; and 7 more faults, see errors"), "{detail}");
    till.close().await;
}

/// What only shows when the lines are priced comes with the index of its line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bill_that_cannot_be_made_names_its_lines() {
    let till = Till::open().await;
    let mut body = order("A-1");
    body["items"][0]["quantity"] = json!("0");
    body["items"][1]["price"] = json!("-5.00");
    let (problem, faults) = faults_of(&till, &body).await;
    let pointers: Vec<&str> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/items/0/quantity", "/items/1/price"], "{problem}");
    till.close().await;
}

/// At most twenty are listed, and all are counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_most_twenty_faults_are_listed() {
    let till = Till::open().await;
    let mut body = order("A-1");
    body["items"] = json!(vec![json!({}); 10]);
    let (problem, faults) = faults_of(&till, &body).await;
    assert_eq!(faults.len(), 20);
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains("items[0].sku: is required") && detail.contains("49 more"), "{detail}");
    till.close().await;
}
