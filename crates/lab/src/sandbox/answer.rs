//! Answers calls in the format of each protocol, with errors on request.

use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::World;
use super::ids::new_id;
use super::ledger::Dialect;
use super::trouble::{Call, TOO_LONG_BYTES, Trouble};
use tillgate_kernel::Timestamp;
use tillgate_kernel::time::between;

/// The window of the rate limit.
const CALLS_WINDOW: Duration = Duration::from_secs(30);

/// The result of a call, before it is formatted.
pub(super) type Answer = Result<Value, Error>;

/// An error with its status, code, message and field.
pub(super) struct Error(
    pub(super) StatusCode,
    pub(super) &'static str,
    pub(super) String,
    pub(super) Option<&'static str>,
);

pub(super) fn malformed(why: String) -> Error {
    Error(StatusCode::BAD_REQUEST, "validation", why, None)
}

pub(super) fn wrong(code: &'static str, field: &'static str) -> Error {
    Error(StatusCode::UNPROCESSABLE_ENTITY, code, "Calculation Error".into(), Some(field))
}

impl Dialect {
    /// Does `work` for an authorized caller, and answers. Troubles for this
    /// call are applied.
    pub(super) async fn answer(
        self,
        world: &Weak<World>,
        call: Call,
        headers: &HeaderMap,
        work: impl FnOnce(&World, Option<Trouble>) -> Answer,
    ) -> Response {
        let Some(world) = world.upgrade() else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        if self.knows(&world, headers) != Some(true) {
            return self.respond(Err(self.unauthorized()));
        }
        if has_called_too_often(&world) {
            return self.told_to_wait(Some(CALLS_WINDOW.as_secs()));
        }
        let trouble = world.troubles().meet(call);
        match trouble {
            Some(Trouble::Broken) => return self.respond(Err(self.broken())),
            Some(Trouble::TooMany(seconds)) => return self.told_to_wait(Some(seconds)),
            Some(Trouble::Busy) => return self.told_to_wait(None),
            Some(Trouble::Refused) => return self.respond(Err(self.refused())),
            Some(Trouble::NoAccess) => return self.respond(Err(self.unauthorized())),
            Some(Trouble::Redirect) => {
                let elsewhere =
                    [(header::LOCATION, HeaderValue::from_static("https://elsewhere.example/"))];
                return (StatusCode::FOUND, elsewhere).into_response();
            }
            Some(
                Trouble::Slow(_)
                | Trouble::AcceptThenDrop
                | Trouble::Garbage
                | Trouble::OtherAmount
                | Trouble::Duplicate(_)
                | Trouble::Pending
                | Trouble::Lost
                | Trouble::BadGateway
                | Trouble::CutShort
                | Trouble::TooLong
                | Trouble::NoUrl
                | Trouble::Elsewhere
                | Trouble::AnotherOrder
                | Trouble::Twofold
                | Trouble::Unfiltered
                | Trouble::Unheeded
                | Trouble::Trickle
                | Trouble::Zipped
                | Trouble::Unsigned
                | Trouble::Forged
                | Trouble::Rewritten,
            )
            | None => {}
        }
        let answer = work(&world, trouble);
        world.something_happened();
        let page = "<html><body>502 Bad Gateway</body></html>";
        match trouble {
            Some(Trouble::Slow(milliseconds)) => {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                self.respond(answer)
            }
            Some(Trouble::AcceptThenDrop) => Response::new(Body::new(Breaks)),
            Some(Trouble::Trickle) => Response::new(Body::new(Trickles::default())),
            Some(Trouble::Zipped) => {
                zipped(&answer.map_or_else(|_| String::new(), |body| body.to_string()))
            }
            Some(Trouble::Garbage) => page.into_response(),
            Some(Trouble::BadGateway) => (StatusCode::BAD_GATEWAY, page).into_response(),
            Some(Trouble::TooLong) => " ".repeat(TOO_LONG_BYTES).into_response(),
            Some(Trouble::CutShort) => {
                let whole = answer.map_or_else(|_| String::new(), |body| body.to_string());
                let half: String = whole.chars().take(whole.chars().count() / 2).collect();
                half.into_response()
            }
            Some(trouble) => self.respond(answer.map(|mut body| {
                self.spoil(trouble, &mut body);
                body
            })),
            None => self.respond(answer),
        }
    }

    /// Makes an answer wrong in a way that the caller must detect.
    fn spoil(self, trouble: Trouble, body: &mut Value) {
        let (list, url) = match self {
            Dialect::Invoicebox => ("data", "paymentUrl"),
            Dialect::Yookassa => ("items", "confirmation"),
        };
        let elsewhere = match self {
            Dialect::Invoicebox => json!("https://pay.elsewhere.example/order/1"),
            Dialect::Yookassa => {
                json!({"confirmation_url": "https://pay.elsewhere.example/order/1"})
            }
        };
        let is_of_one = self == Dialect::Yookassa || body[list].is_object();
        let one = if self == Dialect::Invoicebox { &mut body["data"] } else { &mut *body };
        if trouble == Trouble::NoUrl && is_of_one {
            one[url] = Value::Null;
        } else if trouble == Trouble::Elsewhere && is_of_one && !one[url].is_null() {
            one[url] = elsewhere;
        } else if trouble == Trouble::AnotherOrder && one["id"].is_string() {
            one["id"] = json!("018f0000-0000-7000-8000-00000000dddd");
            one["merchantOrderId"] = json!("another-1");
            one["metadata"] = json!({"tillgate_number": "another-1"});
        } else if matches!(trouble, Trouble::Twofold | Trouble::Unfiltered)
            && let Some(entries) = body[list].as_array_mut()
        {
            let mut others = entries.clone();
            for other in &mut others {
                other["id"] = json!(new_id(Timestamp::UNIX_EPOCH));
                if trouble == Trouble::Unfiltered {
                    other["merchantOrderId"] = json!("another-1");
                    other["metadata"] = json!({"tillgate_number": "another-1"});
                }
            }
            if trouble == Trouble::Unfiltered && self == Dialect::Yookassa {
                // Entries of another program that uses the same shop.
                others.push(json!({"id": 7, "amount": "free", "metadata": [37, null]}));
                let shapes =
                    [json!({"order_id": 37, "cart": [1, 2]}), json!([]), json!("37"), Value::Null];
                for (mut other, metadata) in others.clone().into_iter().zip(shapes) {
                    other["metadata"] = metadata;
                    others.push(other);
                }
            }
            entries.append(&mut others);
        }
    }

    /// Whether the caller's credentials are right. `None` if there are none.
    pub(super) fn knows(self, world: &World, headers: &HeaderMap) -> Option<bool> {
        let value = headers.get(header::AUTHORIZATION)?.as_bytes();
        let token = world.setup.token.expose();
        Some(match self {
            Dialect::Invoicebox => value.strip_prefix(b"Bearer ") == Some(token.as_bytes()),
            Dialect::Yookassa => {
                let right = format!(
                    "Basic {}",
                    BASE64.encode(format!("{}:{token}", world.setup.merchant_id))
                );
                value == right.as_bytes()
            }
        })
    }

    pub(super) fn unauthorized(self) -> Error {
        let code = match self {
            Dialect::Invoicebox => "unauthorized",
            Dialect::Yookassa => "invalid_credentials",
        };
        Error(StatusCode::UNAUTHORIZED, code, "Unauthorized".into(), None)
    }

    fn broken(self) -> Error {
        let code = match self {
            Dialect::Invoicebox => "internal",
            Dialect::Yookassa => "internal_server_error",
        };
        Error(StatusCode::INTERNAL_SERVER_ERROR, code, "Internal Server Error".into(), None)
    }

    fn refused(self) -> Error {
        match self {
            Dialect::Invoicebox => wrong("wrong_currency", "currencyId"),
            Dialect::Yookassa => {
                let text = "Currency is not supported".to_owned();
                Error(StatusCode::BAD_REQUEST, "invalid_request", text, Some("amount.currency"))
            }
        }
    }

    fn told_to_wait(self, seconds: Option<u64>) -> Response {
        let error = Error(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            "Too Many Requests".into(),
            None,
        );
        let mut response = self.respond(Err(error));
        if let Some(seconds) = seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    pub(super) fn respond(self, answer: Answer) -> Response {
        let (status, body) = match answer {
            Ok(data) => (StatusCode::OK, data),
            Err(Error(status, code, message, field)) => (status, self.error(code, &message, field)),
        };
        let body = match self {
            // Invoicebox escapes slashes. So a merchant who serializes the body
            // again before checking a signature fails.
            Dialect::Invoicebox => body.to_string().replace('/', "\\/"),
            Dialect::Yookassa => body.to_string(),
        };
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(&new_id(Timestamp::UNIX_EPOCH)) {
            headers.insert("x-request-id", id);
        }
        response
    }

    fn error(self, code: &str, message: &str, field: Option<&str>) -> Value {
        match self {
            Dialect::Invoicebox => {
                let fields: Vec<Value> = field
                    .iter()
                    .map(|name| json!({"name": name, "code": "wrong_value", "message": ""}))
                    .collect();
                json!({"error": {"message": message, "code": code, "fields": fields}})
            }
            Dialect::Yookassa => json!({
                "type": "error", "id": new_id(Timestamp::UNIX_EPOCH), "code": code,
                "description": message, "parameter": field,
            }),
        }
    }
}

/// A body that ends with an error, which breaks the connection.
struct Breaks;

impl http_body::Body for Breaks {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::other("the sandbox drops this answer on request"))))
    }
}

/// A body that never ends: one space every 100 ms.
struct Trickles(tokio::time::Interval);

impl Default for Trickles {
    fn default() -> Trickles {
        Trickles(tokio::time::interval(Duration::from_millis(100)))
    }
}

impl http_body::Body for Trickles {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::convert::Infallible>>> {
        self.0
            .poll_tick(context)
            .map(|_| Some(Ok(http_body::Frame::data(Bytes::from_static(b" ")))))
    }
}

/// An answer compressed with gzip, although the client did not ask for it: one
/// block, stored without compression.
fn zipped(text: &str) -> Response {
    let bytes = text.as_bytes();
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let bytes = &bytes[..usize::from(length)];
    let mut zipped = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    zipped.extend_from_slice(&length.to_le_bytes());
    zipped.extend_from_slice(&(!length).to_le_bytes());
    zipped.extend_from_slice(bytes);
    zipped.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
    zipped.extend_from_slice(&u32::from(length).to_le_bytes());
    ([(header::CONTENT_ENCODING, "gzip"), (header::CONTENT_TYPE, "application/json")], zipped)
        .into_response()
}

/// Counts a call, and returns whether it exceeds the rate limit.
fn has_called_too_often(world: &World) -> bool {
    let now = world.setup.clock.now();
    let calls = &mut world.ledger().calls;
    while calls.front().is_some_and(|at| between(*at, now) >= CALLS_WINDOW) {
        calls.pop_front();
    }
    let is_too_often = calls.len() >= world.setup.calls_max;
    if !is_too_often {
        calls.push_back(now);
    }
    is_too_often
}
