//! The personal account.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode};

use super::Front;
use super::page::{Frame, language_of};
use crate::Refusal;
use crate::service_client::Caller;

#[derive(Template)]
#[template(path = "account.html")]
struct Page {
    frame: Frame,
    token: String,
    /// Whether the client has just registered.
    is_new: bool,
    /// The client's data: the words for it, and the value.
    data: Vec<(&'static str, String)>,
}

/// `GET /account`
pub async fn show(
    State(front): State<Arc<Front>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let caller = Caller::of(&headers, None);
    let reply = match front.auth.call(Method::GET, "/auth", &caller, None).await {
        Ok(reply) => reply,
        Err(refusal) => return refusal.into_response_in(language_of(&headers)),
    };
    if reply.status == StatusCode::UNAUTHORIZED {
        return Redirect::to("/login").into_response();
    }
    if reply.status != StatusCode::OK {
        return Refusal::Unavailable.into_response_in(language_of(&headers));
    }
    let frame = front.frame(&headers);
    let words = frame.words;
    let field = |name: &str| reply.body[name].as_str().map(str::to_owned);
    let shown = [
        (words.username, field("username")),
        (words.first_name, field("firstName")),
        (words.last_name, field("lastName")),
        (words.email, field("email")),
        (words.phone, field("phone")),
    ];
    let data = shown.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let (visitor, token) = front.visitor(&headers);
    let page = Page { frame, token, is_new: query.as_deref() == Some("new"), data };
    front.page(&page, StatusCode::OK, &visitor)
}
