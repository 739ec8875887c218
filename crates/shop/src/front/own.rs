//! The pages on which clients change their own data and the password.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use super::Front;
use super::form_page::{Field, FormPage};
use super::posted::Received;
use super::reply::lead;
use crate::Refusal;
use crate::service_client::{Caller, Reply};

/// `GET /account/data`
pub async fn data(State(front): State<Arc<Front>>, headers: HeaderMap) -> Response {
    let known = front.own_data(&headers).await;
    front.with_session(&headers, known, |known, token| {
        let mut page = front.data_page(&headers, token);
        for field in page.fields.iter_mut().filter(|field| field.kind != "password") {
            known[field.name].as_str().unwrap_or_default().clone_into(&mut field.value);
        }
        page
    })
}

/// `POST /account/data`
pub async fn change_data(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    let page = front.data_page(&received.headers, received.token.clone());
    let body = received.posted.as_json(&["firstName", "lastName", "phone", "email", "password"]);
    front.change(page, &received, Method::PATCH, "/me", &body).await
}

/// `GET /account/password`
pub async fn password(State(front): State<Arc<Front>>, headers: HeaderMap) -> Response {
    let known = front.own_data(&headers).await;
    front.with_session(&headers, known, |_, token| front.password_page(&headers, token))
}

/// `POST /account/password`
pub async fn change_password(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    let page = front.password_page(&received.headers, received.token.clone());
    let body = received.posted.as_json(&["password", "newPassword"]);
    front.change(page, &received, Method::POST, "/password", &body).await
}

impl Front {
    /// The data of the session's client.
    pub(super) async fn own_data(&self, headers: &HeaderMap) -> Result<Reply, Refusal> {
        self.auth.call(Method::GET, "/me", &Caller::of(headers, None), None).await
    }

    /// A page for a client who is logged in. Leads to the log-in otherwise.
    fn with_session(
        &self,
        headers: &HeaderMap,
        known: Result<Reply, Refusal>,
        page: impl FnOnce(&Value, String) -> FormPage,
    ) -> Response {
        match known {
            Ok(reply) if reply.status == StatusCode::OK => {
                let (visitor, token) = self.visitor(headers);
                self.page(&page(reply.body(), token), StatusCode::OK, &visitor)
            }
            Ok(reply) if reply.status == StatusCode::UNAUTHORIZED => {
                Redirect::to("/login").into_response()
            }
            Ok(_) => self.sorry(&Refusal::Unavailable, headers),
            Err(refusal) => self.sorry(&refusal, headers),
        }
    }

    /// Sends a change to the service, and leads back to the account.
    async fn change(
        &self,
        page: FormPage,
        received: &Received,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Response {
        // A form that another site has made changes nothing.
        if !received.is_ours {
            return Redirect::to("/account").into_response();
        }
        match self.submit(page, received, method, path, body).await {
            Ok(reply) => lead("/account", &reply),
            Err(page) => page,
        }
    }

    fn data_page(&self, headers: &HeaderMap, token: String) -> FormPage {
        let frame = self.frame(headers);
        let words = frame.words;
        let password = Field::new("password", words.password, "password", "current-password");
        FormPage {
            token,
            title: words.change_data,
            text: "",
            action: "/account/data".into(),
            fields: vec![
                Field::new("firstName", words.first_name, "text", "given-name").optional(),
                Field::new("lastName", words.last_name, "text", "family-name").optional(),
                Field::new("phone", words.phone, "tel", "tel").optional().hint(words.phone_hint),
                Field::new("email", words.email, "email", "email"),
                password.optional().hint(words.password_for_email),
            ],
            button: words.save,
            links: vec![("/account", words.account)],
            problem: None,
            frame,
        }
    }

    fn password_page(&self, headers: &HeaderMap, token: String) -> FormPage {
        let frame = self.frame(headers);
        let words = frame.words;
        let new = Field::new("newPassword", words.new_password, "password", "new-password");
        FormPage {
            token,
            title: words.change_password,
            text: words.password_ends_sessions,
            action: "/account/password".into(),
            fields: vec![
                Field::new("password", words.old_password, "password", "current-password"),
                new.hint(words.password_hint),
            ],
            button: words.change_password,
            links: vec![("/account", words.account)],
            problem: None,
            frame,
        }
    }
}
