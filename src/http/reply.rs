//! Builds responses: from a stored answer, and from an order with its revision.

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::Full;
use serde::Deserialize;

use crate::dedup::Answer;
use crate::views::MerchantOrder;

/// Turns a stored answer into a response.
pub(super) fn answer(answer: Answer) -> Response {
    whole(answer).map(Body::new)
}

/// Turns a stored answer into a response with one piece of memory.
pub(super) fn whole(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    if let Ok(content_type) = HeaderValue::from_str(&answer.content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}

/// Turns a stored answer into a response. If it shows an order, its revision
/// becomes the `ETag`.
pub(super) fn tagged(given: Answer) -> Response {
    #[derive(Deserialize)]
    struct Shown {
        revision: u32,
    }
    let shown: Option<Shown> =
        serde_json::from_str(&given.body).ok().filter(|_| given.status == 201);
    let tag =
        shown.and_then(|shown| HeaderValue::from_str(&format!("\"{}\"", shown.revision)).ok());
    let mut response = answer(given);
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    response
}

/// Responds with the order and its `ETag`. A later change can name this tag in
/// `If-Match`.
pub(super) fn with_revision(shown: MerchantOrder) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{}\"", shown.tag));
    let mut response = Json(shown).into_response();
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    response
}
