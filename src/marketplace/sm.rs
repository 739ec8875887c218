//! СМ: notifications of a partner, in the envelope `{"event":{"type":…,"payload":…}}`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Heard, Shipment};
use crate::kernel::decimal::parse_lenient;
use crate::kernel::time::later;
use crate::kernel::{Clock, Secret, Timestamp};
use crate::orders::{Position, Tiding, Told};
use crate::peer::{Client, Failure, Reply};

/// How long before its end an access token is no longer used.
const TOKEN_MARGIN: Duration = Duration::from_secs(30);

/// The most of an answer that is kept, in characters.
const WHY_CHARS_MAX: usize = 300;

/// How we prove who we are.
#[derive(Debug, Clone)]
pub enum Access {
    /// The older addresses: a fixed token.
    Token(Secret),
    /// The newer ones: a token for a few minutes, for which these are exchanged.
    Client {
        /// Where.
        url: String,
        /// Who.
        id: String,
        /// The proof.
        secret: Secret,
    },
}

/// The marketplace, as one who is told, and asked.
#[derive(Debug)]
pub struct Sm {
    client: Client,
    /// Where it is told, or asked.
    url: String,
    access: Access,
    clock: Clock,
    /// The token that is valid, and until when, if that was said.
    token: Mutex<Option<(Secret, Option<Timestamp>)>>,
}

/// Orders of a page that are asked for, and pages that are turned.
const PAGE_SIZE: usize = 100;
const PAGES_MAX: usize = 500;

/// A page of orders.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    data: Vec<Box<RawValue>>,
    next_page_token: Option<String>,
}

/// An order in it, as far as it is looked at here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    original_order_id: String,
    #[serde(default)]
    state: String,
}

#[derive(Deserialize)]
struct Granted {
    #[serde(default)]
    access_token: Option<Box<RawValue>>,
    #[serde(default)]
    expires_in: Option<Box<RawValue>>,
}

impl Granted {
    /// The token. The error shows nothing of what is there: it may be a secret in another type.
    fn token(&self) -> Result<Secret, &'static str> {
        let token = self.access_token.as_ref().ok_or("it has no access_token")?;
        let token: String = serde_json::from_str(token.get()).map_err(|_| "its access_token is no text")?;
        if token.is_empty() { Err("its access_token is empty") } else { Ok(Secret::new(token)) }
    }
}

/// For how many seconds a token is valid: a number, with a fraction too, or the same as text. None where it is not said, or
/// in words that nobody understands: then the token is used until it is refused.
fn lifetime(expires_in: Option<&RawValue>) -> Option<Duration> {
    let text = expires_in?.get();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let thousandths = parse_lenient(text.trim(), 3).ok()?;
    u64::try_from(thousandths).ok().map(Duration::from_millis)
}

impl Sm {
    /// The marketplace that is told, or asked for its orders, at `url`.
    #[must_use]
    pub fn new(client: Client, url: String, access: Access, clock: Clock) -> Sm {
        Sm { client, url, access, clock, token: Mutex::default() }
    }

    /// Tells it.
    pub async fn tell(&self, told: &Told) -> Heard {
        let body = envelope(told).to_string().into_bytes();
        match self.call(Method::POST, &self.url, &body).await {
            Ok(Ok(reply)) => self.meaning(&reply),
            Ok(Err(Failure::Unknown(why))) => Heard::Unknown(why),
            Ok(Err(Failure::NotSent(why))) | Err(why) => Heard::NotTaken(why),
        }
    }

    /// Calls with our credentials. A token that was given to us and is refused now is exchanged for another, once: nothing was
    /// carried out with it. The outer error says why there are no credentials.
    async fn call(&self, method: Method, url: &str, body: &[u8]) -> Result<Result<Reply, Failure>, String> {
        let mut is_second = false;
        loop {
            let mut headers = self.credentials().await?;
            if !body.is_empty() {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            let reply = self.client.call(method.clone(), url, headers, body.to_vec()).await;
            let is_refused = reply.as_ref().is_ok_and(|reply| reply.status.as_u16() == 401);
            let is_ours_to_renew = matches!(self.access, Access::Client { .. });
            if is_second || !is_refused || !is_ours_to_renew {
                return Ok(reply);
            }
            is_second = true;
            self.forget_token();
        }
    }

    fn forget_token(&self) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The orders that have changed in a time.
    pub async fn shipments(&self, since: Timestamp, until: Timestamp) -> Result<Vec<Shipment>, String> {
        let mut shipments = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut query = vec![
                ("filters[updatedFrom]", seconds(since)),
                ("filters[updatedTo]", seconds(until)),
                ("maxPageSize", PAGE_SIZE.to_string()),
            ];
            query.extend(next.take().map(|token| ("nextPageToken", token)));
            let fields: Vec<(&str, &str)> =
                query.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let url = format!("{}?{}", self.url, form_of(&fields));
            let reply = self.call(Method::GET, &url, &[]).await?.map_err(|why| why.to_string())?;
            if !reply.status.is_success() {
                self.forget_token();
                return Err(format!("it answers {}", reply.status));
            }
            let page: Page = reply.json().map_err(|why| format!("its list cannot be read: {why}"))?;
            for raw in page.data {
                match serde_json::from_str::<Listed>(raw.get()) {
                    Ok(Listed { original_order_id, state }) => {
                        shipments.push(Shipment { external_id: original_order_id, state, raw });
                    }
                    // One that is not understood must not hide all others.
                    Err(why) => {
                        tracing::error!(error = %why, "an order in the marketplace's list cannot be read")
                    }
                }
            }
            match page.next_page_token.filter(|token| !token.is_empty()) {
                Some(token) => next = Some(token),
                None => return Ok(shipments),
            }
        }
        Err(format!("its list has more than {PAGES_MAX} pages of {PAGE_SIZE}"))
    }

    /// Proves who we are, as far as that can be tried without telling anything: a fixed token can not. Says what was seen.
    pub async fn introduce(&self) -> Result<String, String> {
        self.credentials().await?;
        Ok(match self.access {
            Access::Token(_) => format!("will be told at {}; a fixed token cannot be tried", self.url),
            Access::Client { .. } => format!("gives us a token, and will be told at {}", self.url),
        })
    }

    async fn credentials(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        let mut insert = |name: &'static str, text: &str| {
            let mut value = HeaderValue::from_str(text).map_err(|_| "the token cannot stand in a header")?;
            value.set_sensitive(true);
            headers.insert(name, value);
            Ok::<(), String>(())
        };
        match &self.access {
            Access::Token(token) => {
                insert("client-token", token.expose())?;
                insert("api-version", "3.0")?;
            }
            Access::Client { url, id, secret } => {
                let token = match self.token_at_hand() {
                    Some(token) => token,
                    None => self.fetch_token(url, id, secret).await?,
                };
                insert("authorization", &format!("Bearer {}", token.expose()))?;
            }
        }
        Ok(headers)
    }

    fn token_at_hand(&self) -> Option<Secret> {
        let now = self.clock.now();
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let valid = token.as_ref().filter(|(_, until)| until.is_none_or(|until| now < until));
        valid.map(|(token, _)| token.clone())
    }

    async fn fetch_token(&self, url: &str, id: &str, secret: &Secret) -> Result<Secret, String> {
        let form = form_of(&[
            ("client_id", id),
            ("client_secret", secret.expose()),
            ("grant_type", "client_credentials"),
        ]);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let reply = self.client.call(Method::POST, url, headers, form.into_bytes()).await;
        let reply = reply.map_err(|why| format!("no access token: {why}"))?;
        if !reply.status.is_success() {
            return Err(format!(
                "no access token: {url} answered {}; check client_id and client_secret",
                reply.status
            ));
        }
        let granted: Granted = reply
            .json()
            .map_err(|why| format!("no access token: the answer of {url} cannot be read: {why}"))?;
        let access_token = granted.token();
        let access_token =
            access_token.map_err(|why| format!("no access token: in the answer of {url} {why}"))?;
        let lives = lifetime(granted.expires_in.as_deref());
        if let (None, Some(said)) = (lives, &granted.expires_in) {
            let said: String = said.get().chars().take(WHY_CHARS_MAX).collect();
            tracing::warn!(
                url,
                expires_in = said,
                "expires_in of an access token cannot be read: the token is used until it is refused"
            );
        }
        let lives = lives.map(|lives| lives.saturating_sub(TOKEN_MARGIN));
        let kept = (access_token.clone(), lives.map(|lives| later(self.clock.now(), lives)));
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok(access_token)
    }

    fn meaning(&self, reply: &Reply) -> Heard {
        let said: String = String::from_utf8_lossy(&reply.body).chars().take(WHY_CHARS_MAX).collect();
        let why = format!("{} {said}", reply.status.as_u16());
        match reply.status.as_u16() {
            200 | 202 => Heard::Taken,
            // 404 is also what a wrong token gets.
            401 | 403 | 404 => {
                self.forget_token();
                Heard::NotTaken(format!("{why}: check the token in [sources.….outgoing]"))
            }
            429 => Heard::NotTaken(why),
            405 => Heard::Refused(format!("{why}: this shop's kind of integration does not tell that")),
            422 => Heard::OutOfTurn(why),
            400 | 413 | 415 => Heard::Refused(why),
            _ => Heard::Unknown(why),
        }
    }
}

fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// A form as browsers send it.
fn form_of(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| {
        let byte = |byte: u8| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => (byte as char).to_string(),
            _ => format!("%{byte:02X}"),
        };
        text.bytes().map(byte).collect::<String>()
    };
    fields
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect::<Vec<_>>()
        .join("&")
}

/// The bytes of a notification.
fn envelope(told: &Told) -> Value {
    let id = told.external_id.as_str();
    let (kind, mut order) = match told.tiding {
        Tiding::InWork => ("order.in_work", json!({"originalOrderId": id})),
        Tiding::Canceled => ("order.canceled", json!({"originalOrderId": id})),
        Tiding::Ready => {
            let changed = told.positions.is_some();
            ("order.ready_for_delivery", json!({"originalOrderId": id, "changed": changed}))
        }
    };
    if let Some(positions) = &told.positions {
        order["positions"] = positions.iter().map(position).collect();
    }
    let mut payload = json!({"order_id": id, "order": order});
    if let Some(reason) = &told.reason {
        payload["reason"] = json!(reason);
    }
    json!({"event": {"type": kind, "payload": payload}})
}

fn position(position: &Position) -> Value {
    let decimal = |text: String| text.parse::<serde_json::Number>().map_or(Value::Null, Value::Number);
    let mut shown = json!({"id": position.sku, "quantity": decimal(position.known_quantity().to_string())});
    let texts = [
        ("price", position.price.map(|sum| sum.to_string())),
        ("discountPrice", position.discount_price.map(|sum| sum.to_string())),
        ("totalPrice", position.total.map(|sum| sum.to_string())),
        ("totalDiscountPrice", position.discount_total.map(|sum| sum.to_string())),
        ("weight", position.weight_grams.map(|grams| grams.to_string())),
        ("replacedByID", position.replaced_by.clone()),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            shown[name] = json!(text);
        }
    }
    if let Some(ordered) = position.original_quantity {
        shown["originalQuantity"] = decimal(ordered.to_string());
    }
    shown
}

#[cfg(test)]
mod tests;
