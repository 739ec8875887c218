//! Sends notifications to the merchant: signed if the protocol has signatures,
//! and repeated until they are accepted.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ledger::Dialect;
use super::trouble::{Call, Trouble};
use super::{World, form, yookassa};
use tillgate_kernel::Secret;
use tillgate_kernel::signature::sign_body;

/// The header with the signature of an Invoicebox notification.
const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("x-signature");

/// The maximum number of attempts to send a notification: one, and ten retries.
const ATTEMPTS_MAX: u32 = 11;

/// The body of a notification about an order, or about a refund at YooKassa,
/// and its signature. YooKassa's have none.
pub fn compose(world: &World, id: &str) -> Option<(Vec<u8>, String)> {
    let refund = world.ledger().done().iter().find(|done| done.id == id).cloned();
    if let Some(refund) = refund {
        return Some((yookassa::refund_notification(&refund).into_bytes(), String::new()));
    }
    let entry = world.ledger().find(|entry| entry.id == id).cloned()?;
    if entry.dialect == Dialect::Yookassa {
        return Some((yookassa::notification(world, &entry).into_bytes(), String::new()));
    }
    let body = form::written(world, &entry).into_bytes();
    let signature = sign_body(&world.setup.signing_key, world.setup.algorithm, &body);
    Some((body, signature))
}

/// Sends a notification until it is accepted, or until [`ATTEMPTS_MAX`].
pub async fn deliver(world: Weak<World>, id: String) {
    let (mut pause, mut attempt) = (Duration::ZERO, 0);
    loop {
        let Some(strong) = world.upgrade() else { return };
        let trouble = strong.troubles().meet(Call::Notification);
        let times = match trouble {
            Some(Trouble::Lost) => return,
            Some(Trouble::Duplicate(times)) => times,
            Some(_) | None => 1,
        };
        if let Some(Trouble::Slow(milliseconds)) = trouble {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        }
        let mut is_accepted = false;
        for _ in 0..times {
            is_accepted = send_once(&strong, &id, trouble).await;
        }
        attempt += 1;
        if is_accepted || attempt >= ATTEMPTS_MAX {
            return;
        }
        pause = if pause.is_zero() { strong.setup.first_pause } else { pause * 2 };
        let stop = strong.stop.clone();
        drop(strong);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Sends one notification and records the answer in the ledger. Returns whether
/// it was accepted.
async fn send_once(world: &Arc<World>, id: &str, trouble: Option<Trouble>) -> bool {
    let Some((body, signature)) = compose(world, id) else { return false };
    let order =
        world.ledger().done().iter().find(|done| done.id == id).map(|done| done.order.clone());
    let id = order.unwrap_or_else(|| id.to_owned());
    let Some(entry) = world.ledger().find(|entry| entry.id == id).cloned() else { return false };
    let (body, signature) = updated(world, entry.dialect, trouble, body, signature);
    let url = match entry.dialect {
        Dialect::Invoicebox => entry.notification_url,
        Dialect::Yookassa => {
            world.yookassa_notifications.lock().unwrap_or_else(PoisonError::into_inner).clone()
        }
    };
    let answer = match url {
        Some(url) => post(world, &url, body, &signature).await,
        None => Err("no address for notifications is set".into()),
    };
    let is_accepted = match (&answer, entry.dialect) {
        (Ok(body), Dialect::Invoicebox) => is_final(body),
        (Ok(_), Dialect::Yookassa) => true,
        (Err(_), _) => false,
    };
    if let Some(entry) = world.ledger().find(|entry| entry.id == id) {
        entry.notifications.push(answer.unwrap_or_else(|why| why));
    }
    world.something_happened();
    is_accepted
}

/// Applies a trouble to a notification, so that the merchant must not believe
/// it. YooKassa's are never signed.
fn updated(
    world: &World,
    dialect: Dialect,
    trouble: Option<Trouble>,
    body: Vec<u8>,
    signature: String,
) -> (Vec<u8>, String) {
    let signed = |key: &Secret, body: Vec<u8>| {
        let signature = match dialect {
            Dialect::Invoicebox => sign_body(key, world.setup.algorithm, &body),
            Dialect::Yookassa => String::new(),
        };
        (body, signature)
    };
    let mut content: Value = serde_json::from_slice(&body).unwrap_or_default();
    match (trouble, dialect) {
        (Some(Trouble::Unsigned), _) => return (body, String::new()),
        (Some(Trouble::Forged), _) => return signed(&Secret::new("somebody else's key"), body),
        (Some(Trouble::Rewritten), _) => return (content.to_string().into_bytes(), signature),
        (Some(Trouble::OtherAmount), Dialect::Invoicebox) => content["amount"] = json!(1),
        (Some(Trouble::OtherAmount), Dialect::Yookassa) => {
            content["object"]["amount"]["value"] = json!("1.00");
        }
        (Some(Trouble::AnotherOrder), Dialect::Invoicebox) => {
            content["merchantOrderId"] = json!("another-1")
        }
        (Some(Trouble::AnotherOrder), Dialect::Yookassa) => {
            content["object"]["metadata"]["tillgate_number"] = json!("another-1");
        }
        (Some(_) | None, _) => return (body, signature),
    }
    signed(&world.setup.signing_key, content.to_string().into_bytes())
}

/// Whether Invoicebox stops sending after this answer.
fn is_final(body: &str) -> bool {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let status = body.get("status").and_then(Value::as_str);
    let code = body.get("code").and_then(Value::as_str).unwrap_or("out_of_service");
    status == Some("success") || (status == Some("error") && code != "out_of_service")
}

/// The body of an answer with status 200, or what went wrong.
async fn post(world: &World, url: &str, body: Vec<u8>, signature: &str) -> Result<String, String> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(signature) = HeaderValue::from_str(signature).ok().filter(|value| !value.is_empty())
    {
        headers.insert(SIGNATURE_HEADER, signature);
    }
    match world.client.call(Method::POST, url, headers, body).await {
        Ok(reply) if reply.status == StatusCode::OK => {
            Ok(String::from_utf8_lossy(&reply.body).into_owned())
        }
        Ok(reply) => Err(format!("HTTP {}", reply.status.as_u16())),
        Err(why) => Err(why.to_string()),
    }
}

/// `POST /sandbox/test-notification`: the button in the cabinet that tests the
/// connection.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    url: String,
}

pub async fn test(State(world): State<Weak<World>>, Json(target): Json<Target>) -> Response {
    let Some(world) = world.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let body = json!({
        "id": "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "status": "completed",
        "merchantId": world.setup.merchant_id,
        "merchantOrderId": "",
        "amount": 0,
        "currencyId": "RUB",
    });
    let body = body.to_string().into_bytes();
    let signature = sign_body(&world.setup.signing_key, world.setup.algorithm, &body);
    let answer = post(&world, &target.url, body, &signature).await;
    Json(json!({"answer": answer.unwrap_or_else(|why| why)})).into_response()
}

/// Sends notifications of an order or a refund, in the background.
pub fn announce(world: &Arc<World>, id: String) {
    tokio::spawn(deliver(Arc::downgrade(world), id));
}
