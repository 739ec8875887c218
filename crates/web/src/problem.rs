//! Errors as our callers see them: RFC 9457 problem documents with a stable `type`.
//!
//! The detail is for the caller; what went wrong inside goes to the log.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use tillgate_store::Unavailable;

/// How long a caller is asked to wait when the store cannot be used, in seconds.
const RETRY_AFTER_SECONDS: u64 = 5;

/// A problem document.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:tillgate:problem:` and a name that does not change.
    #[serde(rename = "type")]
    kind: String,
    /// The name in words.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What the matter is in this case, and what to do.
    detail: String,
    #[serde(skip)]
    retry_after_seconds: Option<u64>,
}

impl Problem {
    /// A problem of a kind that the caller names.
    #[must_use]
    pub fn new(status: StatusCode, kind: &str, title: &'static str, detail: impl Into<String>) -> Problem {
        let kind = format!("urn:tillgate:problem:{kind}");
        Problem { kind, title, status: status.as_u16(), detail: detail.into(), retry_after_seconds: None }
    }

    /// The request cannot be read.
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", "The request cannot be read", detail)
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing here", detail)
    }

    /// The thing is not in a state in which this can be done.
    pub fn conflict(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::CONFLICT, "conflict", "This cannot be done now", detail)
    }

    /// The caller has not shown a right to this.
    pub fn unauthorized(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "A token is needed", detail)
    }

    /// It is switched off.
    pub fn not_configured(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "not-configured", "This is switched off", detail)
    }

    /// The body is longer than is read.
    pub fn too_large(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too long", detail)
    }

    /// The body has a form that is not taken.
    pub fn unsupported_media_type(detail: impl Into<String>) -> Problem {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Problem::new(status, "unsupported-media-type", "The body has a form that is not taken", detail)
    }

    /// The body did not come in time.
    pub fn request_timeout(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", "The body did not come in time", detail)
    }

    /// A part of ours failed; the log says why.
    pub fn unavailable(detail: impl Into<String>) -> Problem {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let problem = Problem::new(status, "unavailable", "Try again in a moment", detail);
        Problem { retry_after_seconds: Some(RETRY_AFTER_SECONDS), ..problem }
    }

    /// The merchant has used up its share of requests.
    pub fn too_many(per_minute_max: u32, wait_seconds: u64) -> Problem {
        let detail =
            format!("you may make {per_minute_max} requests a minute; repeat this one in {wait_seconds} s");
        let status = StatusCode::TOO_MANY_REQUESTS;
        let problem = Problem::new(status, "too-many-requests", "Too many requests", detail);
        Problem { retry_after_seconds: Some(wait_seconds), ..problem }
    }

    /// A merchant's order that makes no sense.
    pub fn validation_failed(detail: impl Into<String>) -> Problem {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Problem::new(status, "validation-failed", "The request is invalid", detail)
    }

    /// A request that moves money bears no idempotency key.
    pub fn no_key(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "no-idempotency-key", "An idempotency key is needed", detail)
    }

    /// The idempotency key was used for another request.
    pub fn key_used_otherwise() -> Problem {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let detail = "this Idempotency-Key was used with another body: use a new key for a new request";
        Problem::new(status, "idempotency-key-reused", "The idempotency key was used otherwise", detail)
    }

    /// The first request under this idempotency key is still under way.
    pub fn request_in_progress() -> Problem {
        let detail =
            "the first request with this Idempotency-Key is still under way: repeat this one in a moment";
        let problem = Problem::new(
            StatusCode::CONFLICT,
            "request-in-progress",
            "The same request is under way",
            detail,
        );
        Problem { retry_after_seconds: Some(RETRY_AFTER_SECONDS), ..problem }
    }

    /// The order is at another revision than the caller thinks.
    pub fn precondition_failed(detail: impl Into<String>) -> Problem {
        let status = StatusCode::PRECONDITION_FAILED;
        Problem::new(status, "precondition-failed", "The order has changed since you read it", detail)
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What a list cannot page through, or an id cannot be.
    pub fn bad_parameter(name: &str, why: impl std::fmt::Display) -> Problem {
        Problem::bad_request(format!("{name}: {why}"))
    }
}

impl From<Unavailable> for Problem {
    fn from(why: Unavailable) -> Problem {
        tracing::error!(error = %why, "a request failed because the store could not be used");
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
    Problem::not_found("no such address; hooks go to /hooks/<source>, the admin API is under /admin/v1")
}

/// The path is right and the method is not.
pub async fn method_not_allowed(method: http::Method) -> Problem {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(
        status,
        "method-not-allowed",
        "Another method is needed",
        format!("{method} is not for this address"),
    )
}
