//! СМ: notifications of a partner, in the envelope `{"event":{"type":…,"payload":…}}`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Heard;
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

/// The marketplace, as one who is told.
#[derive(Debug)]
pub struct Sm {
    client: Client,
    url: String,
    access: Access,
    clock: Clock,
    /// The token that is valid, and until when.
    token: Mutex<Option<(Secret, Timestamp)>>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: Secret,
    expires_in: u64,
}

impl Sm {
    /// The marketplace whose notifications go to `url`.
    #[must_use]
    pub fn new(client: Client, url: String, access: Access, clock: Clock) -> Sm {
        Sm { client, url, access, clock, token: Mutex::default() }
    }

    /// Tells it.
    pub async fn tell(&self, told: &Told) -> Heard {
        let mut headers = match self.credentials().await {
            Ok(headers) => headers,
            Err(why) => return Heard::NotTaken(why),
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = envelope(told).to_string().into_bytes();
        match self.client.call(Method::POST, &self.url, headers, body).await {
            Ok(reply) => self.meaning(&reply),
            Err(Failure::NotSent(why)) => Heard::NotTaken(why),
            Err(Failure::Unknown(why)) => Heard::Unknown(why),
        }
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
        token.as_ref().filter(|(_, until)| now < *until).map(|(token, _)| token.clone())
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
        let granted: Option<Granted> =
            reply.status.is_success().then(|| serde_json::from_slice(&reply.body).ok()).flatten();
        let Granted { access_token, expires_in } = granted.ok_or_else(|| {
            format!("no access token: {} answered {}; check client_id and client_secret", url, reply.status)
        })?;
        let lives = Duration::from_secs(expires_in).saturating_sub(TOKEN_MARGIN);
        let kept = (access_token.clone(), later(self.clock.now(), lives));
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
                *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
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

/// A form as browsers send it.
fn form_of(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| {
        let byte = |byte: u8| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => (byte as char).to_string(),
            _ => format!("%{byte:02X}"),
        };
        text.bytes().map(byte).collect::<String>()
    };
    fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect::<Vec<_>>().join("&")
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
    let mut shown = json!({"id": position.sku, "quantity": decimal(position.quantity.to_string())});
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
