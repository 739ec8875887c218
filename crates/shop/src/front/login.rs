//! The page on which a client logs in, and the log-out.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode};
use tillgate_web::server::Peer;

use super::Front;
use super::page::{Frame, language_of, lead};
use super::posted::Posted;
use crate::Refusal;
use crate::service_client::Caller;

#[derive(Template)]
#[template(path = "login.html")]
struct Page {
    frame: Frame,
    token: String,
    username: String,
    problem: Option<String>,
}

/// `GET /login`
pub async fn form(State(front): State<Arc<Front>>, headers: HeaderMap) -> Response {
    let (visitor, token) = front.visitor(&headers);
    let frame = front.frame(&headers);
    let page = Page { frame, token, username: String::new(), problem: None };
    front.page(&page, StatusCode::OK, &visitor)
}

/// `POST /login`
pub async fn submit(
    State(front): State<Arc<Front>>,
    peer: Option<Extension<Peer>>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    let posted = Posted::read(request).await.unwrap_or_default();
    let (visitor, token) = front.visitor(&headers);
    let frame = front.frame(&headers);
    let mut page = Page { frame, token, username: posted.get("username").into(), problem: None };
    if !front.is_from_us(&headers, &posted) {
        page.problem = Some(page.frame.words.expired_form.into());
        return front.page(&page, StatusCode::FORBIDDEN, &visitor);
    }
    let caller = Caller::of(&headers, peer.map(|Extension(peer)| peer));
    let body = posted.as_json(&["username", "password"]);
    match front.auth.call(Method::POST, "/login", &caller, Some(&body)).await {
        Ok(reply) if reply.status == StatusCode::OK => lead("/account", &reply),
        Ok(reply) => {
            page.problem = reply.body["detail"].as_str().map(str::to_owned);
            front.page(&page, reply.status, &visitor)
        }
        Err(refusal) => {
            page.problem = Some(refusal.text(language_of(&headers)));
            front.page(&page, StatusCode::SERVICE_UNAVAILABLE, &visitor)
        }
    }
}

/// `POST /logout`
pub async fn leave(State(front): State<Arc<Front>>, request: Request) -> Response {
    let headers = request.headers().clone();
    let posted = Posted::read(request).await.unwrap_or_default();
    if !front.is_from_us(&headers, &posted) {
        return Redirect::to("/account").into_response();
    }
    let caller = Caller::of(&headers, None);
    match front.auth.call(Method::POST, "/logout", &caller, None).await {
        Ok(reply) if reply.status == StatusCode::OK => lead("/login", &reply),
        Ok(_) | Err(_) => Refusal::Unavailable.into_response_in(language_of(&headers)),
    }
}
