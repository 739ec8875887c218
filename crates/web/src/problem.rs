//! Errors sent to callers: RFC 9457 problem documents with a stable `type`.
//!
//! The detail is for the caller; the internal cause is logged.

use std::fmt::Write;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use tillgate_store::Unavailable;

/// The `Retry-After` in seconds when the store cannot be used, or the same
/// request is in progress.
const RETRY_AFTER_SECONDS: u64 = 5;

/// A problem document, as in RFC 9457.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:tillgate:problem:` and a name that does not change.
    #[serde(rename = "type")]
    kind: String,
    /// A short summary, the same for all problems of this type.
    title: &'static str,
    /// The HTTP status of the answer.
    status: u16,
    /// What is wrong in this case, and what to do about it.
    detail: String,
    /// With `validation-failed`: what is wrong with each field, at most 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    #[serde(skip)]
    retry_after_seconds: Option<u64>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// The field, as a JSON Pointer (RFC 6901) into the request's body.
    #[schema(example = "/items/0/price")]
    pub pointer: String,
    /// What it must be.
    #[schema(example = "must be a decimal string such as \"129.90\"")]
    pub detail: String,
}

impl Fault {
    /// The fault in one line, with the field as programmers write it:
    /// `items[0].price: must be …`.
    pub(crate) fn in_line(&self) -> String {
        let mut name = String::new();
        for part in self.pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) {
                let _ = write!(name, "[{part}]");
            } else {
                let _ = write!(name, "{}{part}", if name.is_empty() { "" } else { "." });
            }
        }
        if name.is_empty() { self.detail.clone() } else { format!("{name}: {}", self.detail) }
    }
}

impl Problem {
    /// Creates a problem of the given kind.
    #[must_use]
    pub fn new(
        status: StatusCode,
        kind: &str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Problem {
        let kind = format!("urn:tillgate:problem:{kind}");
        Problem {
            kind,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_seconds: None,
        }
    }

    /// The same with the faults of the request's fields.
    #[must_use]
    pub(crate) fn with_faults(self, errors: Vec<Fault>) -> Problem {
        Problem { errors, ..self }
    }

    /// The request cannot be parsed.
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", "The request cannot be read", detail)
    }

    /// The requested resource does not exist.
    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// The resource is in a state that does not allow this.
    pub fn conflict(detail: impl Into<String>) -> Problem {
        Problem::new(
            StatusCode::CONFLICT,
            "conflict",
            "This cannot be done in the current state",
            detail,
        )
    }

    /// The request has no valid token.
    pub fn unauthorized(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "A valid token is required", detail)
    }

    /// The feature is switched off.
    pub fn not_configured(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "not-configured", "This is switched off", detail)
    }

    /// The body is longer than the limit.
    pub fn too_large(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too long", detail)
    }

    /// The format of the body is not supported.
    pub fn unsupported_media_type(detail: impl Into<String>) -> Problem {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Problem::new(
            status,
            "unsupported-media-type",
            "The format of the body is not supported",
            detail,
        )
    }

    /// The body did not arrive in time.
    pub fn request_timeout(detail: impl Into<String>) -> Problem {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request-timeout",
            "The body did not arrive in time",
            detail,
        )
    }

    /// An internal part failed; the log says why.
    pub fn unavailable(detail: impl Into<String>) -> Problem {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let problem = Problem::new(status, "unavailable", "Try again in a moment", detail);
        Problem { retry_after_seconds: Some(RETRY_AFTER_SECONDS), ..problem }
    }

    /// The merchant has exceeded its rate limit.
    pub fn too_many(per_minute_max: u32, wait_seconds: u64) -> Problem {
        let detail = format!(
            "the limit is {per_minute_max} requests a minute; repeat this one in {wait_seconds} s"
        );
        Problem::share_used_up(detail, wait_seconds)
    }

    /// The caller has used up its share of something that others need too.
    pub fn share_used_up(detail: impl Into<String>, wait_seconds: u64) -> Problem {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let problem = Problem::new(status, "too-many-requests", "Too many requests", detail);
        Problem { retry_after_seconds: Some(wait_seconds), ..problem }
    }

    /// The merchant's request is well-formed but invalid.
    pub fn validation_failed(detail: impl Into<String>) -> Problem {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Problem::new(status, "validation-failed", "The request is invalid", detail)
    }

    /// A request that moves money has no idempotency key.
    pub fn no_key(detail: impl Into<String>) -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "no-idempotency-key",
            "An idempotency key is required",
            detail,
        )
    }

    /// The idempotency key was already used for another request.
    pub fn key_used_otherwise() -> Problem {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let detail =
            "this Idempotency-Key was used with another body: use a new key for a new request";
        Problem::new(
            status,
            "idempotency-key-reused",
            "The idempotency key was already used",
            detail,
        )
    }

    /// The first request with this idempotency key is still in progress.
    pub fn request_in_progress() -> Problem {
        let detail = "the first request with this Idempotency-Key is still in progress: \
                      repeat this one in a moment";
        let problem = Problem::new(
            StatusCode::CONFLICT,
            "request-in-progress",
            "The same request is in progress",
            detail,
        );
        Problem { retry_after_seconds: Some(RETRY_AFTER_SECONDS), ..problem }
    }

    /// The order's revision is not the one that the caller expects.
    pub fn precondition_failed(detail: impl Into<String>) -> Problem {
        let status = StatusCode::PRECONDITION_FAILED;
        Problem::new(
            status,
            "precondition-failed",
            "The order has changed since you read it",
            detail,
        )
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A query parameter or an id in the path is invalid.
    pub fn bad_parameter(name: &str, why: impl std::fmt::Display) -> Problem {
        Problem::bad_request(format!("{name}: {why}"))
    }
}

impl From<Unavailable> for Problem {
    fn from(why: Unavailable) -> Problem {
        if matches!(why, Unavailable::TooManyParked { .. } | Unavailable::QuotaUsedUp { .. }) {
            return Problem::unavailable(why.to_string());
        }
        tracing::error!(error = %why, "a request failed because the store cannot be used");
        Problem::unavailable("the store cannot be used at the moment; send the request again")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// No route has this path.
pub async fn no_such_page() -> Problem {
    Problem::not_found(
        "no such address. The API is under /v1, and /docs describes it; hooks go to \
         /hooks/<source>; the admin API is under /admin/v1",
    )
}

/// The path exists, but not with this method.
pub async fn method_not_allowed(method: http::Method) -> Problem {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(
        status,
        "method-not-allowed",
        "Method not allowed",
        format!("{method} is not supported at this address"),
    )
}
