//! The client of СМ. Updates from a partner have the envelope
//! `{"event":{"type":…,"payload":…}}`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Shipment;
use crate::kernel::decimal::parse_lenient;
use crate::kernel::time::later;
use crate::kernel::{Clock, Secret, Timestamp};
use crate::orders::{FulfilmentKind, FulfilmentUpdate, Position, UpdateOutcome};
use crate::peer::{Client, Failure, Reply};

/// How long before its expiry an access token is no longer used.
const TOKEN_MARGIN: Duration = Duration::from_secs(30);

/// The maximum length of an answer's text in an error, in characters.
const WHY_CHARS_MAX: usize = 300;

/// Our credentials at the marketplace.
#[derive(Debug, Clone)]
pub enum Access {
    /// A fixed token, for the older API.
    Token(Secret),
    /// OAuth client credentials, for the newer API. They are exchanged for an
    /// access token that is valid for a few minutes.
    Client {
        /// The token endpoint.
        url: String,
        /// The client id.
        id: String,
        /// The client secret.
        secret: Secret,
    },
}

/// A client that sends fulfilment updates, or fetches the list of orders.
#[derive(Debug)]
pub struct Sm {
    client: Client,
    /// The endpoint for updates or for the list.
    url: String,
    access: Access,
    clock: Clock,
    /// The current access token, and its expiry if the marketplace gave one.
    token: Mutex<Option<(Secret, Option<Timestamp>)>>,
}

/// The page size of the list of orders, and the maximum number of pages.
const PAGE_SIZE: usize = 100;
const PAGES_MAX: usize = 500;

/// A page of orders.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    data: Vec<Box<RawValue>>,
    next_page_token: Option<String>,
}

/// An order in a page, limited to the fields that are used here.
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
    /// The token. The error does not quote the value: it may be a secret of
    /// another type.
    fn token(&self) -> Result<Secret, &'static str> {
        let token = self.access_token.as_ref().ok_or("it has no access_token")?;
        let token: String =
            serde_json::from_str(token.get()).map_err(|_| "its access_token is not a string")?;
        if token.is_empty() { Err("its access_token is empty") } else { Ok(Secret::new(token)) }
    }
}

/// Parses the lifetime of a token in seconds: a number, possibly with a
/// fraction, or the same as a string. None if it is missing or unreadable: then
/// the token is used until it is refused.
fn lifetime(expires_in: Option<&RawValue>) -> Option<Duration> {
    let text = expires_in?.get();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let thousandths = parse_lenient(text.trim(), 3).ok()?;
    u64::try_from(thousandths).ok().map(Duration::from_millis)
}

impl Sm {
    /// Creates a client for the endpoint `url`, for updates or for the list of
    /// orders.
    #[must_use]
    pub fn new(client: Client, url: String, access: Access, clock: Clock) -> Sm {
        Sm { client, url, access, clock, token: Mutex::default() }
    }

    /// Sends a fulfilment update.
    pub async fn send_update(&self, update: &FulfilmentUpdate) -> UpdateOutcome {
        let body = envelope(update).to_string().into_bytes();
        match self.call(Method::POST, &self.url, &body).await {
            Ok(Ok(reply)) => self.meaning(&reply),
            Ok(Err(Failure::Unknown(why))) => UpdateOutcome::Unknown(why),
            Ok(Err(Failure::NotSent(why))) | Err(why) => UpdateOutcome::NotTaken(why),
        }
    }

    /// Makes a call with our credentials. If an access token is refused, the
    /// call is retried once with a new one; this is safe, because nothing was
    /// done with the refused one. The outer error says why there are no
    /// credentials.
    async fn call(
        &self,
        method: Method,
        url: &str,
        body: &[u8],
    ) -> Result<Result<Reply, Failure>, String> {
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

    /// Fetches the orders that changed between `since` and `until`.
    pub async fn shipments(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Shipment>, String> {
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
                return Err(format!("it answered {}", reply.status));
            }
            let page: Page =
                reply.json().map_err(|why| format!("cannot parse its list of orders: {why}"))?;
            for raw in page.data {
                match serde_json::from_str::<Listed>(raw.get()) {
                    Ok(Listed { original_order_id, state }) => {
                        shipments.push(Shipment { external_id: original_order_id, state, raw });
                    }
                    // One unreadable order must not hide all others.
                    Err(why) => {
                        tracing::error!(
                            error = %why,
                            "skipping an unreadable order in the marketplace's list"
                        )
                    }
                }
            }
            match page.next_page_token.filter(|token| !token.is_empty()) {
                Some(token) => next = Some(token),
                None => return Ok(shipments),
            }
        }
        Err(format!("its list has more than {PAGES_MAX} pages of {PAGE_SIZE} orders"))
    }

    /// Checks our credentials, as far as this is possible without sending an
    /// update. A fixed token cannot be checked. Returns a description of the
    /// result.
    pub async fn introduce(&self) -> Result<String, String> {
        self.credentials().await?;
        Ok(match self.access {
            Access::Token(_) => {
                format!("will get updates at {}; a fixed token cannot be checked", self.url)
            }
            Access::Client { .. } => {
                format!("issued an access token, and will get updates at {}", self.url)
            }
        })
    }

    async fn credentials(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        let mut insert = |name: &'static str, text: &str| {
            let mut value =
                HeaderValue::from_str(text).map_err(|_| "the token cannot be put in a header")?;
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
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
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
            .map_err(|why| format!("no access token: cannot parse the answer of {url}: {why}"))?;
        let access_token = granted.token();
        let access_token =
            access_token.map_err(|why| format!("no access token: the answer of {url}: {why}"))?;
        let lives = lifetime(granted.expires_in.as_deref());
        if let (None, Some(raw)) = (lives, &granted.expires_in) {
            let raw: String = raw.get().chars().take(WHY_CHARS_MAX).collect();
            tracing::warn!(
                url,
                expires_in = raw,
                "cannot parse expires_in of an access token: using the token until it is refused"
            );
        }
        let lives = lives.map(|lives| lives.saturating_sub(TOKEN_MARGIN));
        let kept = (access_token.clone(), lives.map(|lives| later(self.clock.now(), lives)));
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok(access_token)
    }

    fn meaning(&self, reply: &Reply) -> UpdateOutcome {
        let text: String =
            String::from_utf8_lossy(&reply.body).chars().take(WHY_CHARS_MAX).collect();
        let why = format!("{} {text}", reply.status.as_u16());
        match reply.status.as_u16() {
            200 | 202 => UpdateOutcome::Taken,
            // A wrong token can also get 404.
            401 | 403 | 404 => {
                self.forget_token();
                UpdateOutcome::NotTaken(format!("{why}: check the token in [sources.….outgoing]"))
            }
            429 => UpdateOutcome::NotTaken(why),
            405 => UpdateOutcome::Refused(format!(
                "{why}: this partner's type of integration does not accept such updates"
            )),
            422 => UpdateOutcome::OutOfTurn(why),
            400 | 413 | 415 => UpdateOutcome::Refused(why),
            _ => UpdateOutcome::Unknown(why),
        }
    }
}

fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// Encodes fields as `application/x-www-form-urlencoded`.
fn form_of(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| {
        let byte = |byte: u8| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                (byte as char).to_string()
            }
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

/// Builds the JSON of a fulfilment update.
fn envelope(update: &FulfilmentUpdate) -> Value {
    let id = update.external_id.as_str();
    let (kind, mut order) = match update.kind {
        FulfilmentKind::InWork => ("order.in_work", json!({"originalOrderId": id})),
        FulfilmentKind::Canceled => ("order.canceled", json!({"originalOrderId": id})),
        FulfilmentKind::Ready => {
            let changed = update.positions.is_some();
            ("order.ready_for_delivery", json!({"originalOrderId": id, "changed": changed}))
        }
    };
    if let Some(positions) = &update.positions {
        order["positions"] = positions.iter().map(position).collect();
    }
    let mut payload = json!({"order_id": id, "order": order});
    if let Some(reason) = &update.reason {
        payload["reason"] = json!(reason);
    }
    json!({"event": {"type": kind, "payload": payload}})
}

fn position(position: &Position) -> Value {
    let decimal =
        |text: String| text.parse::<serde_json::Number>().map_or(Value::Null, Value::Number);
    let mut shown =
        json!({"id": position.sku, "quantity": decimal(position.known_quantity().to_string())});
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
