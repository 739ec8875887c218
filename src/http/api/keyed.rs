//! Requests with an idempotency key.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::flows::place_order::Taken;
use crate::http::problem::Problem;
use crate::http::reply::tagged;

/// The header with the idempotency key.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest idempotency key, in bytes.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The answer to a request whose key has been taken before.
pub(super) fn taken_before(known: Taken) -> Result<Response, Problem> {
    match known {
        Taken::Answered(given) => {
            let mut response = tagged(given);
            response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
            Ok(response)
        }
        Taken::OtherRequest => Err(Problem::key_used_otherwise()),
        Taken::UnderWay | Taken::Ours(_) => Err(Problem::request_in_progress()),
    }
}

/// Reads the idempotency key of a request.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let key = match (values.next(), values.next()) {
        (Some(key), None) => key.to_str().unwrap_or_default().trim().to_owned(),
        (_, _) => String::new(),
    };
    if key.is_empty()
        || key.len() > IDEMPOTENCY_KEY_BYTES_MAX
        || !key.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    {
        return Err(Problem::no_key(format!(
            "send one header Idempotency-Key of 1 to {IDEMPOTENCY_KEY_BYTES_MAX} printable ASCII \
             characters: a new key for each request, and the same key when you repeat it"
        )));
    }
    Ok(key)
}
