//! The personal account: the client's data, the sessions, the password.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, RawQuery, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use tillgate_kernel::Fingerprint;
use tillgate_web::server::Peer;

use super::Front;
use super::page::{Frame, language_of, lead};
use super::posted::Posted;
use super::register::faults_of;
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
    sessions: Vec<SessionLine>,
    /// What is wrong with a change of the password, by field.
    faults: BTreeMap<String, String>,
    problem: Option<String>,
}

struct SessionLine {
    id: String,
    device: String,
    used_at: String,
    is_current: bool,
}

/// `GET /account`
pub async fn show(
    State(front): State<Arc<Front>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match front.account(&headers).await {
        Ok(Some(page)) => {
            let page = Page { is_new: query.as_deref() == Some("new"), ..page };
            front.account_page(page, StatusCode::OK, &headers)
        }
        Ok(None) => Redirect::to("/login").into_response(),
        Err(refusal) => refusal.into_response_in(language_of(&headers)),
    }
}

/// `POST /account/sessions`: ends a session.
pub async fn end_session(State(front): State<Arc<Front>>, request: Request) -> Response {
    let headers = request.headers().clone();
    let posted = Posted::read(request).await.unwrap_or_default();
    let id: Option<Fingerprint> = posted.get("id").parse().ok();
    if let Some(id) = id.filter(|_| front.is_from_us(&headers, &posted)) {
        let path = format!("/sessions/{id}");
        let caller = Caller::of(&headers, None);
        // A session that has ended already needs no word about it.
        if let Err(refusal) = front.auth.call(Method::DELETE, &path, &caller, None).await {
            return refusal.into_response_in(language_of(&headers));
        }
    }
    Redirect::to("/account").into_response()
}

/// `POST /account/password`: changes the password.
pub async fn change_password(
    State(front): State<Arc<Front>>,
    peer: Option<Extension<Peer>>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    let posted = Posted::read(request).await.unwrap_or_default();
    let language = language_of(&headers);
    if !front.is_from_us(&headers, &posted) {
        return Redirect::to("/account").into_response();
    }
    let caller = Caller::of(&headers, peer.map(|Extension(peer)| peer));
    let body = posted.as_json(&["password", "newPassword"]);
    let reply = match front.auth.call(Method::POST, "/password", &caller, Some(&body)).await {
        Ok(reply) if reply.status == StatusCode::OK => return lead("/account", &reply),
        Ok(reply) => reply,
        Err(refusal) => return refusal.into_response_in(language),
    };
    match front.account(&headers).await {
        Ok(Some(page)) => {
            let mut faults = faults_of(&reply);
            // The service names the new password as the one that is weak.
            if reply.body["type"].as_str().is_some_and(|kind| kind.ends_with(":weak-password"))
                && let Some(fault) = faults.remove("password")
            {
                faults.insert("newPassword".into(), fault);
            }
            let detail = reply.body["detail"].as_str().map(str::to_owned);
            let problem = detail.filter(|_| faults.is_empty());
            let page = Page { faults, problem, ..page };
            front.account_page(page, reply.status, &headers)
        }
        Ok(None) => Redirect::to("/login").into_response(),
        Err(refusal) => refusal.into_response_in(language),
    }
}

impl Page {
    fn fault(&self, name: &str) -> Option<&String> {
        self.faults.get(name)
    }
}

impl Front {
    fn account_page(&self, page: Page, status: StatusCode, headers: &HeaderMap) -> Response {
        let (visitor, token) = self.visitor(headers);
        self.page(&Page { token, ..page }, status, &visitor)
    }

    /// The account of the session's client. `None` without a session.
    async fn account(&self, headers: &HeaderMap) -> Result<Option<Page>, Refusal> {
        let caller = Caller::of(headers, None);
        let client = self.auth.call(Method::GET, "/me", &caller, None).await?;
        if client.status == StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        let sessions = self.auth.call(Method::GET, "/sessions", &caller, None).await?;
        if client.status != StatusCode::OK || sessions.status != StatusCode::OK {
            return Err(Refusal::Unavailable);
        }
        let frame = self.frame(headers);
        let words = frame.words;
        let field = |name: &str| client.body[name].as_str().map(str::to_owned);
        let shown = [
            (words.username, field("username")),
            (words.first_name, field("firstName")),
            (words.last_name, field("lastName")),
            (words.email, field("email")),
            (words.phone, field("phone")),
        ];
        let sessions = sessions.body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(Some(Page {
            token: String::new(),
            is_new: false,
            data: shown.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            sessions: sessions.iter().map(|session| line_of(session, words.no_device)).collect(),
            faults: BTreeMap::new(),
            problem: None,
            frame,
        }))
    }
}

fn line_of(session: &Value, no_device: &str) -> SessionLine {
    let text = |name: &str| session[name].as_str().unwrap_or_default().to_owned();
    let device = text("device");
    SessionLine {
        id: text("id"),
        device: if device.is_empty() { no_device.to_owned() } else { device },
        used_at: day_and_minute(&text("usedAt")),
        is_current: session["isCurrent"] == true,
    }
}

/// The day and the minute of a time in UTC.
fn day_and_minute(time: &str) -> String {
    let (day, rest) = time.split_once('T').unwrap_or_default();
    let minute = rest.get(..5).unwrap_or_default();
    let mut parts = day.split('-').rev();
    let (day, month, year) = (parts.next(), parts.next(), parts.next());
    match (day, month, year) {
        (Some(day), Some(month), Some(year)) => format!("{day}.{month}.{year} {minute} UTC"),
        _ => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_to_the_minute() {
        assert_eq!(day_and_minute("2026-11-30T10:07:59.123Z"), "30.11.2026 10:07 UTC");
        assert_eq!(day_and_minute("soon"), "soon");
    }
}
