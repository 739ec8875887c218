//! The page on which a client logs in, and the log-out.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;

use super::Front;
use super::form_page::{Field, FormPage};
use super::market::encoded;
use super::reply::lead;
use crate::Refusal;

/// Where the log-in leads.
#[derive(Debug, Default, Deserialize)]
pub struct Onward {
    next: Option<String>,
}

impl Onward {
    /// A page of the shop, if it is one that asks for the log-in.
    fn page(&self) -> Option<&str> {
        let next = self.next.as_deref()?;
        let path = next.split('?').next().unwrap_or_default();
        let is_page = matches!(path, "/cart" | "/cart/add" | "/checkout" | "/orders");
        let is_address = next.bytes().all(|byte| byte.is_ascii_graphic());
        (is_page && is_address).then_some(next)
    }
}

/// `GET /login`
pub async fn form(
    State(front): State<Arc<Front>>,
    query: Result<Query<Onward>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let onward = query.map(|Query(onward)| onward).unwrap_or_default();
    let (visitor, token) = front.visitor(&headers);
    front.page(&front.login_page(&headers, token, &onward), StatusCode::OK, &visitor)
}

/// `POST /login`
pub async fn submit(
    State(front): State<Arc<Front>>,
    query: Result<Query<Onward>, QueryRejection>,
    request: Request,
) -> Response {
    let onward = query.map(|Query(onward)| onward).unwrap_or_default();
    let received = front.receive(request).await;
    let page = front.login_page(&received.headers, received.token.clone(), &onward);
    let body = received.posted.as_json(&["username", "password"]);
    match front.submit(page, &received, Method::POST, "/login", &body).await {
        Ok(reply) => lead(onward.page().unwrap_or("/account"), &reply),
        Err(page) => page,
    }
}

/// `POST /logout`
pub async fn leave(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    if !received.is_ours {
        return Redirect::to("/account").into_response();
    }
    match front.auth.call(Method::POST, "/logout", &received.caller, None).await {
        Ok(reply) if reply.status == StatusCode::OK => lead("/login", &reply),
        Ok(_) | Err(_) => front.sorry(&Refusal::Unavailable, &received.headers),
    }
}

impl Front {
    fn login_page(&self, headers: &HeaderMap, token: String, onward: &Onward) -> FormPage {
        let frame = self.frame(headers);
        let words = frame.words;
        FormPage {
            token,
            title: words.log_in,
            text: "",
            action: match onward.page() {
                Some(next) => format!("/login?next={}", encoded(next)),
                None => "/login".into(),
            },
            fields: vec![
                Field::new("username", words.login_name, "text", "username"),
                Field::new("password", words.password, "password", "current-password"),
            ],
            button: words.log_in,
            links: vec![("/reset", words.forgotten), ("/register", words.no_account)],
            problem: None,
            frame,
        }
    }
}
