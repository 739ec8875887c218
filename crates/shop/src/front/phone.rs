//! Confirming a telephone number: a short message is sent, and its code typed.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode};

use super::Front;
use super::form_page::{Field, FormPage};

/// `POST /account/phone/send`: sends a code, and asks for it.
pub async fn send(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    if !received.is_ours {
        return Redirect::to("/account").into_response();
    }
    match front.auth.call(Method::POST, "/verify/phone/send", &received.caller, None).await {
        Ok(reply) if reply.status.is_success() => {
            let page = front.code_page(&received.headers, received.token.clone());
            front.page(&page, StatusCode::OK, &received.visitor)
        }
        Ok(reply) if reply.status == StatusCode::UNAUTHORIZED => {
            Redirect::to("/login").into_response()
        }
        Ok(reply) => front.apology(&reply, &received),
        Err(refusal) => front.sorry(&refusal, &received.headers),
    }
}

/// `POST /account/phone`: takes the code.
pub async fn confirm(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    if !received.is_ours {
        return Redirect::to("/account").into_response();
    }
    let page = front.code_page(&received.headers, received.token.clone());
    let body = received.posted.as_json(&["code"]);
    match front.submit(page, &received, Method::POST, "/verify/phone", &body).await {
        Ok(_) => Redirect::to("/account").into_response(),
        Err(page) => page,
    }
}

impl Front {
    fn code_page(&self, headers: &HeaderMap, token: String) -> FormPage {
        let frame = self.frame(headers);
        let words = frame.words;
        FormPage {
            token,
            title: words.confirm_phone,
            text: words.code_text,
            action: "/account/phone".into(),
            fields: vec![Field::new("code", words.code, "text", "one-time-code")],
            button: words.confirm_phone_button,
            links: vec![("/account", words.account)],
            problem: None,
            frame,
        }
    }
}
