//! The page on which clients choose what they want to hear of.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::Front;
use super::page::Frame;
use crate::Refusal;
use crate::service_client::Caller;

#[derive(Template)]
#[template(path = "wishes.html")]
struct Page {
    frame: Frame,
    token: String,
    wallet: bool,
}

/// `GET /account/notifications`
pub async fn form(State(front): State<Arc<Front>>, headers: HeaderMap) -> Response {
    let caller = Caller::of(&headers, None);
    match front.notification.call(Method::GET, "/wishes", &caller, None).await {
        Ok(reply) if reply.status == StatusCode::OK => {
            let (visitor, token) = front.visitor(&headers);
            let wallet = reply.body()["wallet"] == true;
            let page = Page { frame: front.frame(&headers), token, wallet };
            front.page(&page, StatusCode::OK, &visitor)
        }
        Ok(reply) if reply.status == StatusCode::UNAUTHORIZED => {
            Redirect::to("/login").into_response()
        }
        Ok(_) => front.sorry(&Refusal::Unavailable, &headers),
        Err(refusal) => front.sorry(&refusal, &headers),
    }
}

/// `POST /account/notifications`
pub async fn submit(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    if !received.is_ours {
        return Redirect::to("/account").into_response();
    }
    // A box that is not ticked is not sent.
    let body = json!({"wallet": !received.posted.get("wallet").is_empty()});
    match front.notification.call(Method::PUT, "/wishes", &received.caller, Some(&body)).await {
        Ok(reply) if reply.status == StatusCode::OK => Redirect::to("/account").into_response(),
        Ok(reply) if reply.status == StatusCode::UNAUTHORIZED => {
            Redirect::to("/login").into_response()
        }
        Ok(reply) => front.apology(&reply, &received),
        Err(refusal) => front.sorry(&refusal, &received.headers),
    }
}
