//! The personal account: the client's data, the sessions, the password.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode};
use jiff::tz::TimeZone;
use serde_json::Value;
use tillgate_kernel::{Fingerprint, Timestamp};

use super::Front;
use super::page::Frame;
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
    /// What the wallet holds, if it can be found out.
    balance: Option<String>,
    is_email_verified: bool,
    /// Whether the telephone number can be confirmed.
    is_phone_open: bool,
    sessions: Vec<SessionLine>,
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
        Err(refusal) => front.sorry(&refusal, &headers),
    }
}

/// `POST /account/sessions`: ends a session.
pub async fn end_session(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    let id: Option<Fingerprint> = received.posted.get("id").parse().ok();
    if let Some(id) = id.filter(|_| received.is_ours) {
        let path = format!("/me/sessions/{id}");
        // A session that has ended already needs no word about it.
        if let Err(refusal) = front.auth.call(Method::DELETE, &path, &received.caller, None).await {
            return front.sorry(&refusal, &received.headers);
        }
    }
    Redirect::to("/account").into_response()
}

impl Front {
    fn account_page(&self, page: Page, status: StatusCode, headers: &HeaderMap) -> Response {
        let (visitor, token) = self.visitor(headers);
        self.page(&Page { token, ..page }, status, &visitor)
    }

    /// The account of the session's client. `None` without a session.
    async fn account(&self, headers: &HeaderMap) -> Result<Option<Page>, Refusal> {
        let caller = Caller::of(headers, None);
        let client = self.own_data(headers).await?;
        if client.status == StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        let sessions = self.auth.call(Method::GET, "/me/sessions", &caller, None).await?;
        if client.status != StatusCode::OK || sessions.status != StatusCode::OK {
            return Err(Refusal::Unavailable);
        }
        let username = client.body()["username"].as_str().unwrap_or_default();
        let balance = self.balance(username, headers).await;
        let frame = self.frame(headers);
        let words = frame.words;
        let field = |name: &str| client.body()[name].as_str().map(str::to_owned);
        let shown = [
            (words.username, field("username")),
            (words.first_name, field("firstName")),
            (words.last_name, field("lastName")),
            (words.email, field("email")),
            (words.phone, field("phone")),
        ];
        let sessions = sessions.body()["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(Some(Page {
            token: String::new(),
            is_new: false,
            data: shown.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            sessions: sessions
                .iter()
                .map(|session| line_of(session, words.no_device, &self.time_zone))
                .collect(),
            balance,
            is_email_verified: client.body()["emailVerified"] == true,
            is_phone_open: self.has_sms
                && client.body()["phone"].is_string()
                && client.body()["phoneVerified"] == false,
            frame,
        }))
    }
}

fn line_of(session: &Value, no_device: &str, zone: &TimeZone) -> SessionLine {
    let text = |name: &str| session[name].as_str().unwrap_or_default().to_owned();
    let device = text("device");
    SessionLine {
        id: text("id"),
        device: if device.is_empty() { no_device.to_owned() } else { device },
        used_at: day_and_minute(&text("usedAt"), zone),
        is_current: session["isCurrent"] == true,
    }
}

/// The day and the minute of a time in a zone.
pub fn day_and_minute(time: &str, zone: &TimeZone) -> String {
    let Ok(time) = time.parse::<Timestamp>() else { return time.to_owned() };
    time.to_zoned(zone.clone()).strftime("%d.%m.%Y %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_to_the_minute_in_the_shops_zone() {
        let shown = |time, zone| day_and_minute(time, &TimeZone::get(zone).expect("a zone"));
        assert_eq!(shown("2026-11-30T22:07:59.123Z", "Europe/Moscow"), "01.12.2026 01:07");
        assert_eq!(shown("2026-11-30T22:07:59.123Z", "UTC"), "30.11.2026 22:07");
        assert_eq!(shown("soon", "UTC"), "soon");
    }
}
