//! The page that the link of a letter leads to. The address is confirmed by a
//! button, because programs that check letters open their links.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::Front;
use super::form_page::FormPage;
use super::link_token::LinkToken;
use super::page::Note;

/// `GET /verify/{token}`
pub async fn form(
    State(front): State<Arc<Front>>,
    LinkToken(token): LinkToken,
    headers: HeaderMap,
) -> Response {
    let (visitor, form_token) = front.visitor(&headers);
    front.page(&front.verify_page(&headers, form_token, &token), StatusCode::OK, &visitor)
}

/// `POST /verify/{token}`
pub async fn submit(
    State(front): State<Arc<Front>>,
    LinkToken(token): LinkToken,
    request: Request,
) -> Response {
    let received = front.receive(request).await;
    let page = front.verify_page(&received.headers, received.token.clone(), &token);
    let body = json!({ "token": token });
    if let Err(page) = front.submit(page, &received, Method::POST, "/verify", &body).await {
        return page;
    }
    let frame = front.frame(&received.headers);
    let words = frame.words;
    let link = ("/account", words.account);
    let note = Note { title: words.verified, text: words.verified_text, link, frame };
    front.page(&note, StatusCode::OK, &received.visitor)
}

/// `POST /account/verify`: sends the letter again.
pub async fn send_again(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    if !received.is_ours {
        return Redirect::to("/account").into_response();
    }
    let frame = front.frame(&received.headers);
    let words = frame.words;
    match front.auth.call(Method::POST, "/verify/send", &received.caller, None).await {
        Ok(reply) if reply.status.is_success() => {
            let link = ("/account", words.account);
            let note = Note { title: words.letter_sent, text: words.letter_text, link, frame };
            front.page(&note, StatusCode::OK, &received.visitor)
        }
        Ok(reply) if reply.status == StatusCode::UNAUTHORIZED => {
            Redirect::to("/login").into_response()
        }
        Ok(reply) => front.apology(&reply, &received),
        Err(refusal) => front.sorry(&refusal, &received.headers),
    }
}

impl Front {
    fn verify_page(&self, headers: &HeaderMap, form_token: String, token: &str) -> FormPage {
        let frame = self.frame(headers);
        let words = frame.words;
        FormPage {
            token: form_token,
            title: words.verify,
            text: words.verify_text,
            action: format!("/verify/{token}"),
            fields: Vec::new(),
            button: words.verify_button,
            links: vec![("/account", words.account)],
            problem: None,
            frame,
        }
    }
}
