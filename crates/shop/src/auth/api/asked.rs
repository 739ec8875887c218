//! A request, with the cookies of the service.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use tillgate_identity::{Token, session};
use tillgate_kernel::Timestamp;
use tillgate_kernel::text::clean;
use tillgate_web::forwarded;

use super::answers::ClientData;
use crate::Refusal;
use crate::asked::Served;
use crate::assertion::Assertions;
use crate::auth::Auth;
use crate::auth::sign_in::{Opened, Visit};

/// The cookie of a session.
const SESSION: &str = "sessionId";

/// The session that ends with a log-in may also be named by this cookie.
const OLD_SESSION: &str = "oldSessionId";

/// The cookie by which a device is known.
const DEVICE: &str = "device";

/// How long a device is known, in seconds: 400 days, which is the most that
/// browsers allow.
const DEVICE_SECONDS: u64 = 400 * 24 * 3600;

/// The longest name of a device that is kept, in characters.
const USER_AGENT_CHARACTERS_MAX: usize = 200;

/// A request to the service.
pub type Asked = crate::asked::Asked<Auth>;

impl Served for Auth {
    const NAME: &'static str = "auth";

    fn public_url(&self) -> &str {
        &self.public_url
    }

    fn assertions(&self) -> &Assertions {
        &self.assertions
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Asked {
    /// The session of the request.
    pub fn session(&self) -> Option<Token> {
        self.cookie(SESSION).and_then(Token::parse)
    }

    /// Where the request comes from.
    pub fn visit(&self) -> Visit {
        let old = || self.cookie(OLD_SESSION).and_then(Token::parse);
        Visit {
            address: self.address().and_then(|address| {
                forwarded::sender(&self.service.trusted_proxies, address, &self.headers)
            }),
            session: self.session().or_else(old),
            device: self.cookie(DEVICE).map(str::to_owned),
            user_agent: self.user_agent(),
        }
    }

    fn user_agent(&self) -> Option<String> {
        let text = clean(self.text(header::USER_AGENT.as_str())?);
        let text: String = text.chars().take(USER_AGENT_CHARACTERS_MAX).collect();
        (!text.trim().is_empty()).then_some(text)
    }

    /// The answer with a session that has begun.
    pub fn opened(&self, outcome: Result<Opened, Refusal>) -> Response {
        let opened = match outcome {
            Ok(opened) => opened,
            Err(refusal) => return refusal.into_response_in(self.language()),
        };
        let mut response = self.personal(Ok(ClientData::of(&opened.client, &opened.profile)));
        let seconds = u64::from(session::DAYS_MAX) * 24 * 3600;
        self.set_cookie(&mut response, SESSION, &opened.session.text(), seconds);
        self.set_cookie(&mut response, DEVICE, &opened.device, DEVICE_SECONDS);
        response
    }

    /// The answer without a session.
    pub fn closed(&self, outcome: Result<(), Refusal>) -> Response {
        match outcome {
            Ok(()) => {
                let mut response = StatusCode::OK.into_response();
                self.set_cookie(&mut response, SESSION, "", 0);
                response
            }
            Err(refusal) => refusal.into_response_in(self.language()),
        }
    }

    fn set_cookie(&self, response: &mut Response, name: &str, value: &str, seconds: u64) {
        let secure = if self.service.is_secure() { "; Secure" } else { "" };
        let cookie =
            format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        let cookie = HeaderValue::from_str(&cookie).expect("names and values need no escaping");
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}
