//! The HTTP contract of the service.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use tillgate_identity::origin::Sender;
use tillgate_identity::{Token, session};
use tillgate_kernel::text::clean;
use tillgate_kernel::{Language, Timestamp};
use tillgate_web::body::read_body;
use tillgate_web::forwarded;
use tillgate_web::server::Peer;

use super::Auth;
use super::client::{Client, Profile, Role};
use super::own::{Correction, PasswordChange, SessionShown};
use super::phone::read_code;
use super::register::Registration;
use super::reset::{Forgotten, NewPassword, read_token};
use super::sign_in::{Credentials, Opened, Visit};
use super::staff::Member;
use crate::form::{BODY_BYTES_MAX, Fault, Form};
use crate::{Refusal, assertion, cookie};

/// The cookie of a session.
const SESSION: &str = "sessionId";

/// The session that ends with a log-in may also be named by this cookie.
const OLD_SESSION: &str = "oldSessionId";

/// The cookie by which a device is known.
const DEVICE: &str = "device";

/// How long a device is known, in seconds: 400 days, which is the most that
/// browsers allow.
const DEVICE_SECONDS: u64 = 400 * 24 * 3600;

/// The routes of the service, without a prefix.
pub fn routes(auth: Arc<Auth>) -> Router {
    Router::new()
        .route("/login", post(login))
        .route("/register", post(register))
        .route("/logout", get(logout).post(logout))
        .route("/auth", get(check))
        .route("/me", get(own_data).patch(correct))
        .route("/password", post(change_password))
        .route("/verify", post(verify))
        .route("/verify/send", post(send_verification))
        .route("/verify/phone", post(verify_phone))
        .route("/verify/phone/send", post(send_phone_code))
        .route("/reset", post(ask_reset))
        .route("/reset/confirm", post(reset))
        .route("/me/sessions", get(sessions))
        .route("/me/sessions/{id}", delete(end_session))
        .with_state(auth)
}

/// The routes for the operator, who has been authenticated.
pub fn routes_for_operator(auth: Arc<Auth>) -> Router {
    Router::new()
        .route("/staff", get(staff))
        .route("/staff/{username}/{role}", put(give_role).delete(take_role))
        .with_state(auth)
}

/// A client, as the service's callers see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    username: String,
    first_name: Option<String>,
    last_name: Option<String>,
    email: String,
    phone: Option<String>,
}

/// A client's own data.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OwnData {
    #[serde(flatten)]
    client: ClientData,
    /// Whether the client has proved to receive messages at the address.
    email_verified: bool,
    /// The same for the telephone number.
    phone_verified: bool,
    language: Language,
    registered_at: Timestamp,
}

impl OwnData {
    fn of(client: &Client, profile: &Profile) -> OwnData {
        OwnData {
            client: ClientData::of(client, profile),
            email_verified: client.email_proved_at.is_some(),
            phone_verified: client.phone_proved_at.is_some(),
            language: client.language,
            registered_at: client.registered_at,
        }
    }
}

impl ClientData {
    fn of(client: &Client, profile: &Profile) -> ClientData {
        let text = |part: &Option<tillgate_kernel::Private>| {
            part.as_ref().map(|part| part.expose().to_owned())
        };
        ClientData {
            username: client.username.as_str().to_owned(),
            first_name: text(&profile.first_name),
            last_name: text(&profile.last_name),
            email: profile.email.expose().to_owned(),
            phone: text(&profile.phone),
        }
    }
}

/// `POST /login`
async fn login(
    State(auth): State<Arc<Auth>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let work = async {
        let visit = auth.visit(&headers, peer)?;
        let form = read_form(&headers, body).await?;
        auth.log_in(Credentials::read(form)?, &visit).await
    };
    auth.opened(work.await, language_of(&headers))
}

/// `POST /register`
async fn register(
    State(auth): State<Arc<Auth>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let language = language_of(&headers);
    let work = async {
        let visit = auth.visit(&headers, peer)?;
        let form = read_form(&headers, body).await?;
        auth.register(Registration::read(form, language)?, &visit).await
    };
    auth.opened(work.await, language)
}

/// `GET /logout`, `POST /logout`
async fn logout(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Response {
    let work = async {
        auth.refuse_other_sites(&headers)?;
        match session_in(&headers, SESSION) {
            Some(session) => auth.log_out(&session).await,
            None => Ok(()),
        }
    };
    match work.await {
        Ok(()) => {
            let mut response = StatusCode::OK.into_response();
            auth.set_cookie(&mut response, SESSION, "", 0);
            response
        }
        Err(refusal) => refusal.into_response_in(language_of(&headers)),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    role: Option<String>,
}

/// `GET /auth`
async fn check(
    State(auth): State<Arc<Auth>>,
    query: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let work = async {
        // A misspelt parameter must not pass for a question without a role.
        let misspelt = |_| Refusal::Fields(vec![("query".to_owned(), Fault::Unknown)]);
        let Query(wanted) = query.map_err(misspelt)?;
        let role = match wanted.role {
            Some(name) => Some(Role::parse(&name).ok_or(Refusal::NoRole)?),
            None => None,
        };
        auth.authorise(session_in(&headers, SESSION).as_ref(), role).await
    };
    match work.await {
        Ok((client, profile)) => personal(&ClientData::of(&client, &profile)),
        Err(refusal) => refusal.into_response_in(language_of(&headers)),
    }
}

/// `GET /me`
async fn own_data(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Response {
    match auth.authorise(session_in(&headers, SESSION).as_ref(), None).await {
        Ok((client, profile)) => personal(&OwnData::of(&client, &profile)),
        Err(refusal) => refusal.into_response_in(language_of(&headers)),
    }
}

/// `PATCH /me`
async fn correct(State(auth): State<Arc<Auth>>, headers: HeaderMap, body: Body) -> Response {
    let work = async {
        auth.refuse_other_sites(&headers)?;
        let correction = Correction::read(read_form(&headers, body).await?)?;
        auth.correct(session_in(&headers, SESSION).as_ref(), correction).await
    };
    match work.await {
        Ok((client, profile)) => personal(&OwnData::of(&client, &profile)),
        Err(refusal) => refusal.into_response_in(language_of(&headers)),
    }
}

/// `POST /password`
async fn change_password(
    State(auth): State<Arc<Auth>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let work = async {
        let visit = auth.visit(&headers, peer)?;
        let change = PasswordChange::read(read_form(&headers, body).await?)?;
        auth.change_password(change, &visit).await
    };
    auth.opened(work.await, language_of(&headers))
}

/// `POST /verify`
async fn verify(State(auth): State<Arc<Auth>>, headers: HeaderMap, body: Body) -> Response {
    let work = async {
        auth.refuse_other_sites(&headers)?;
        auth.verify(&read_token(read_form(&headers, body).await?)?).await
    };
    done(work.await, language_of(&headers))
}

/// `POST /verify/send`
async fn send_verification(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Response {
    let language = language_of(&headers);
    let work = async {
        auth.refuse_other_sites(&headers)?;
        auth.ask_verification(session_in(&headers, SESSION).as_ref(), language).await
    };
    done(work.await, language)
}

/// `POST /verify/phone`
async fn verify_phone(State(auth): State<Arc<Auth>>, headers: HeaderMap, body: Body) -> Response {
    let work = async {
        auth.refuse_other_sites(&headers)?;
        let code = read_code(read_form(&headers, body).await?)?;
        auth.verify_phone(session_in(&headers, SESSION).as_ref(), &code).await
    };
    done(work.await, language_of(&headers))
}

/// `POST /verify/phone/send`
async fn send_phone_code(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Response {
    let language = language_of(&headers);
    let work = async {
        auth.refuse_other_sites(&headers)?;
        auth.ask_phone_code(session_in(&headers, SESSION).as_ref(), language).await
    };
    done(work.await, language)
}

/// `POST /reset`
async fn ask_reset(
    State(auth): State<Arc<Auth>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let language = language_of(&headers);
    let work = async {
        let visit = auth.visit(&headers, peer)?;
        let forgotten = Forgotten::read(read_form(&headers, body).await?)?;
        auth.ask_reset(forgotten, language, &visit).await
    };
    done(work.await, language)
}

/// `POST /reset/confirm`
async fn reset(
    State(auth): State<Arc<Auth>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let work = async {
        let visit = auth.visit(&headers, peer)?;
        auth.reset(NewPassword::read(read_form(&headers, body).await?)?, &visit).await
    };
    auth.opened(work.await, language_of(&headers))
}

/// The answer to what gives nothing back.
fn done(outcome: Result<(), Refusal>, language: Language) -> Response {
    match outcome {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refusal.into_response_in(language),
    }
}

#[derive(Debug, Serialize)]
struct Sessions {
    items: Vec<SessionShown>,
}

/// `GET /me/sessions`
async fn sessions(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Response {
    match auth.sessions(session_in(&headers, SESSION).as_ref()).await {
        Ok(items) => personal(&Sessions { items }),
        Err(refusal) => refusal.into_response_in(language_of(&headers)),
    }
}

/// `DELETE /me/sessions/{id}`
async fn end_session(
    State(auth): State<Arc<Auth>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let work = async {
        auth.refuse_other_sites(&headers)?;
        let id = id.parse().map_err(|_| Refusal::NotFound)?;
        auth.end_session(session_in(&headers, SESSION).as_ref(), id).await
    };
    done(work.await, language_of(&headers))
}

#[derive(Debug, Serialize)]
struct Staff {
    items: Vec<Member>,
    /// The list has one page.
    next_cursor: Option<String>,
}

/// `GET /staff`
async fn staff(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Response {
    match auth.staff().await {
        Ok(items) => axum::Json(Staff { items, next_cursor: None }).into_response(),
        Err(refusal) => refusal.into_response_in(language_of(&headers)),
    }
}

/// `PUT /staff/{username}/{role}`
async fn give_role(
    State(auth): State<Arc<Auth>>,
    Path((username, role)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    auth.role_set(&username, &role, true, &headers).await
}

/// `DELETE /staff/{username}/{role}`
async fn take_role(
    State(auth): State<Arc<Auth>>,
    Path((username, role)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    auth.role_set(&username, &role, false, &headers).await
}

impl Auth {
    async fn role_set(
        &self,
        username: &str,
        role: &str,
        is_given: bool,
        headers: &HeaderMap,
    ) -> Response {
        let outcome = match Role::parse(role) {
            Some(role) => self.set_role(username, role, is_given).await,
            None => Err(Refusal::NotFound),
        };
        match outcome {
            Ok(member) => axum::Json(member).into_response(),
            Err(refusal) => refusal.into_response_in(language_of(headers)),
        }
    }

    /// What a change is sent with.
    fn visit(&self, headers: &HeaderMap, peer: Option<Extension<Peer>>) -> Result<Visit, Refusal> {
        self.refuse_other_sites(headers)?;
        let asserted = headers.get(assertion::HEADER).and_then(|value| value.to_str().ok());
        let asserted =
            asserted.and_then(|value| self.assertions.read(value, "auth", self.clock.now()));
        let peer = match asserted {
            Some(asserted) => asserted.address,
            None => peer.and_then(|Extension(Peer(peer))| peer),
        };
        let session = session_in(headers, SESSION).or_else(|| session_in(headers, OLD_SESSION));
        Ok(Visit {
            address: peer.and_then(|peer| forwarded::sender(&self.trusted_proxies, peer, headers)),
            session,
            device: cookie::find(headers, DEVICE).map(str::to_owned),
            user_agent: user_agent(headers),
        })
    }

    fn refuse_other_sites(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let sender = Sender { fetch_site: text("sec-fetch-site"), origin: text("origin") };
        if sender.is_another_site(&self.public_url) { Err(Refusal::CrossSite) } else { Ok(()) }
    }

    fn opened(&self, outcome: Result<Opened, Refusal>, language: Language) -> Response {
        let opened = match outcome {
            Ok(opened) => opened,
            Err(refusal) => return refusal.into_response_in(language),
        };
        let mut response = personal(&ClientData::of(&opened.client, &opened.profile));
        let seconds = u64::from(session::DAYS_MAX) * 24 * 3600;
        self.set_cookie(&mut response, SESSION, &opened.session.text(), seconds);
        self.set_cookie(&mut response, DEVICE, &opened.device, DEVICE_SECONDS);
        response
    }

    fn set_cookie(&self, response: &mut Response, name: &str, value: &str, seconds: u64) {
        let secure = if self.is_secure() { "; Secure" } else { "" };
        let cookie =
            format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        let cookie = HeaderValue::from_str(&cookie).expect("names and values need no escaping");
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// An answer with personal data, which nobody may keep.
fn personal(data: &impl Serialize) -> Response {
    let mut response = axum::Json(data).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The language that the caller asks for; English if none is supported.
fn language_of(headers: &HeaderMap) -> Language {
    let accept = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    accept.and_then(Language::accepted).unwrap_or(Language::En)
}

/// The longest name of a device that is kept, in characters.
const USER_AGENT_CHARACTERS_MAX: usize = 200;

fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::USER_AGENT)?.to_str().ok()?;
    let text: String = clean(text).chars().take(USER_AGENT_CHARACTERS_MAX).collect();
    (!text.trim().is_empty()).then_some(text)
}

fn session_in(headers: &HeaderMap, name: &str) -> Option<Token> {
    cookie::find(headers, name).and_then(Token::parse)
}

async fn read_form(headers: &HeaderMap, body: Body) -> Result<Form, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Refusal::NotJsonType);
    }
    let (body, is_whole) = read_body(body).await.map_err(|_| Refusal::BrokenOff)?;
    if !is_whole || body.len() > BODY_BYTES_MAX {
        return Err(Refusal::TooLarge(BODY_BYTES_MAX));
    }
    Form::of_json(&body).map_err(Refusal::Body)
}
