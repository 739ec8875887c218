//! The page on which a client registers.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use tillgate_kernel::chance::random_bytes;

use super::Front;
use super::page::Frame;
use super::posted::Received;
use super::reply::{faults_of, lead};
use super::words::CONSENT_VERSION;

/// The fields that are sent to the service.
const SENT: [&str; 6] = ["username", "password", "firstName", "lastName", "email", "phone"];

#[derive(Template)]
#[template(path = "register.html")]
struct Page {
    frame: Frame,
    token: String,
    /// What the client has typed; the password is not sent back.
    typed: BTreeMap<&'static str, String>,
    /// What is wrong, by field.
    faults: BTreeMap<String, String>,
    /// What is wrong otherwise.
    problem: Option<String>,
    has_agreed: bool,
}

impl Page {
    fn typed(&self, name: &str) -> &str {
        self.typed.get(name).map_or("", String::as_str)
    }

    fn fault(&self, name: &str) -> Option<&String> {
        self.faults.get(name)
    }
}

/// `GET /register`
pub async fn form(State(front): State<Arc<Front>>, headers: HeaderMap) -> Response {
    let (visitor, token) = front.visitor(&headers);
    let page = Page {
        frame: front.frame(&headers),
        token,
        typed: BTreeMap::from([("username", suggested_username())]),
        faults: BTreeMap::new(),
        problem: None,
        has_agreed: false,
    };
    front.page(&page, StatusCode::OK, &visitor)
}

/// `POST /register`
pub async fn submit(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    let Received { headers, posted, visitor, .. } = &received;
    let frame = front.frame(headers);
    let has_agreed = posted.get("consent") == "yes";
    let mut page = Page {
        token: received.token.clone(),
        typed: SENT.into_iter().map(|name| (name, posted.get(name).to_owned())).collect(),
        faults: BTreeMap::new(),
        problem: None,
        has_agreed,
        frame,
    };
    page.typed.remove("password");
    if !received.is_ours {
        page.problem = Some(page.frame.words.expired_form.into());
        return front.page(&page, StatusCode::FORBIDDEN, visitor);
    }
    if !has_agreed {
        page.faults.insert("consent".into(), page.frame.words.consent_missing.into());
        return front.page(&page, StatusCode::UNPROCESSABLE_ENTITY, visitor);
    }
    let mut body = posted.as_json(&SENT);
    body["consent"] = CONSENT_VERSION.into();
    let reply = front.auth.call(Method::POST, "/register", &received.caller, Some(&body)).await;
    match reply {
        Ok(reply) if reply.status == StatusCode::OK => lead("/account?new", &reply),
        Ok(reply) => {
            page.faults = faults_of(&reply);
            if page.faults.is_empty() {
                page.problem = reply.body()["detail"].as_str().map(str::to_owned);
            }
            if reply.status == StatusCode::CONFLICT {
                page.faults.extend(page.problem.take().map(|text| ("username".into(), text)));
            }
            front.page(&page, reply.status, visitor)
        }
        Err(refusal) => {
            page.problem = Some(refusal.text(received.language));
            front.page(&page, StatusCode::SERVICE_UNAVAILABLE, visitor)
        }
    }
}

/// A name that nobody has yet, most probably.
fn suggested_username() -> String {
    let number = u32::from_be_bytes(random_bytes()) % 100_000_000;
    format!("buyer{number:08}")
}
