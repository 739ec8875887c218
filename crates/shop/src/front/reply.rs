//! What a service answers, for pages.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Redirect, Response};
use http::header;
use serde_json::Value;

use crate::service_client::Reply;

/// Leads to another page, with the cookies that a service has set.
pub fn lead(to: &str, reply: &Reply) -> Response {
    let mut response = Redirect::to(to).into_response();
    for cookie in reply.headers.get_all(header::SET_COOKIE) {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    response
}

/// The faults of a problem document, by field.
pub fn faults_of(reply: &Reply) -> BTreeMap<String, String> {
    let errors = reply.body()["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let pair = |error: &Value| {
        Some((text(&error["pointer"])?.trim_start_matches('/').to_owned(), text(&error["detail"])?))
    };
    errors.iter().filter_map(pair).collect()
}
