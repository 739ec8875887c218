//! The pages for a forgotten password: asking for a letter, and the page that
//! its link leads to.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use super::Front;
use super::form_page::{Field, FormPage};
use super::link_token::LinkToken;
use super::page::Note;
use super::reply::lead;

/// `GET /reset`
pub async fn form(State(front): State<Arc<Front>>, headers: HeaderMap) -> Response {
    let (visitor, token) = front.visitor(&headers);
    front.page(&front.forgotten_page(&headers, token), StatusCode::OK, &visitor)
}

/// `POST /reset`
pub async fn submit(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    let page = front.forgotten_page(&received.headers, received.token.clone());
    let body = received.posted.as_json(&["username"]);
    if let Err(page) = front.submit(page, &received, Method::POST, "/reset", &body).await {
        return page;
    }
    let frame = front.frame(&received.headers);
    let words = frame.words;
    let link = ("/login", words.log_in);
    let note = Note { title: words.letter_sent, text: words.reset_sent, link, frame };
    front.page(&note, StatusCode::OK, &received.visitor)
}

/// `GET /reset/{token}`
pub async fn new_password(
    State(front): State<Arc<Front>>,
    LinkToken(token): LinkToken,
    headers: HeaderMap,
) -> Response {
    let (visitor, form_token) = front.visitor(&headers);
    front.page(&front.reset_page(&headers, form_token, &token), StatusCode::OK, &visitor)
}

/// `POST /reset/{token}`
pub async fn set_password(
    State(front): State<Arc<Front>>,
    LinkToken(token): LinkToken,
    request: Request,
) -> Response {
    let received = front.receive(request).await;
    let page = front.reset_page(&received.headers, received.token.clone(), &token);
    let mut body = received.posted.as_json(&["password"]);
    body["token"] = Value::from(token);
    match front.submit(page, &received, Method::POST, "/reset/confirm", &body).await {
        Ok(reply) => lead("/account", &reply),
        Err(page) => page,
    }
}

impl Front {
    fn forgotten_page(&self, headers: &HeaderMap, token: String) -> FormPage {
        let frame = self.frame(headers);
        let words = frame.words;
        FormPage {
            token,
            title: words.forgotten,
            text: words.forgotten_text,
            action: "/reset".into(),
            fields: vec![Field::new("username", words.login_name, "text", "username")],
            button: words.send_letter,
            links: vec![("/login", words.log_in)],
            problem: None,
            frame,
        }
    }

    fn reset_page(&self, headers: &HeaderMap, form_token: String, token: &str) -> FormPage {
        let frame = self.frame(headers);
        let words = frame.words;
        let password = Field::new("password", words.new_password, "password", "new-password");
        FormPage {
            token: form_token,
            title: words.reset,
            text: words.password_ends_sessions,
            action: format!("/reset/{token}"),
            fields: vec![password.hint(words.password_hint)],
            button: words.reset_button,
            links: vec![("/reset", words.forgotten)],
            problem: None,
            frame,
        }
    }
}
