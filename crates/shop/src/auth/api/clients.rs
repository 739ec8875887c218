//! Requests of clients who are logged in.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use super::answers::{ClientData, OwnData, Sessions};
use super::asked::Asked;
use crate::Refusal;
use crate::auth::client::Role;
use crate::auth::own::{Correction, PasswordChange};
use crate::auth::phone::read_code;
use crate::form::Fault;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    role: Option<String>,
}

impl Wanted {
    /// The role that is asked for. A misspelt parameter must not pass for a
    /// question without a role.
    fn role(query: Result<Query<Wanted>, QueryRejection>) -> Result<Option<Role>, Refusal> {
        let misspelt = |_| Refusal::of_field("query", Fault::Unknown);
        let Query(Wanted { role }) = query.map_err(misspelt)?;
        role.map(|name| Role::parse(&name).ok_or(Refusal::NoRole)).transpose()
    }
}

/// `GET /auth`
pub async fn check(query: Result<Query<Wanted>, QueryRejection>, asked: Asked) -> Response {
    let outcome = match Wanted::role(query) {
        Ok(role) => asked.service.authorise(asked.session().as_ref(), role).await,
        Err(refusal) => Err(refusal),
    };
    asked.personal(outcome.map(|(client, profile)| ClientData::of(&client, &profile)))
}

/// `GET /me`
pub async fn own_data(asked: Asked) -> Response {
    let outcome = asked.service.authorise(asked.session().as_ref(), None).await;
    asked.personal(outcome.map(|(client, profile)| OwnData::of(&client, &profile)))
}

/// `PATCH /me`
pub async fn correct(mut asked: Asked) -> Response {
    let outcome = match asked.change(Correction::read).await {
        Ok(correction) => asked.service.correct(correction, &asked.visit()).await,
        Err(refusal) => Err(refusal),
    };
    asked.personal(outcome.map(|(client, profile)| OwnData::of(&client, &profile)))
}

/// `POST /password`
pub async fn change_password(mut asked: Asked) -> Response {
    let outcome = match asked.change(PasswordChange::read).await {
        Ok(change) => asked.service.change_password(change, &asked.visit()).await,
        Err(refusal) => Err(refusal),
    };
    asked.opened(outcome)
}

/// `POST /verify/send`
pub async fn send_verification(asked: Asked) -> Response {
    let language = asked.language();
    let outcome = match asked.same_site() {
        Ok(()) => asked.service.ask_verification(asked.session().as_ref(), language).await,
        Err(refusal) => Err(refusal),
    };
    asked.done(outcome)
}

/// `POST /verify/phone`
pub async fn verify_phone(mut asked: Asked) -> Response {
    let outcome = match asked.change(read_code).await {
        Ok(code) => asked.service.verify_phone(asked.session().as_ref(), &code).await,
        Err(refusal) => Err(refusal),
    };
    asked.done(outcome)
}

/// `POST /verify/phone/send`
pub async fn send_phone_code(asked: Asked) -> Response {
    let language = asked.language();
    let outcome = match asked.same_site() {
        Ok(()) => asked.service.ask_phone_code(language, &asked.visit()).await,
        Err(refusal) => Err(refusal),
    };
    asked.done(outcome)
}

/// `GET /me/sessions`
pub async fn sessions(asked: Asked) -> Response {
    let outcome = asked.service.sessions(asked.session().as_ref()).await;
    asked.personal(outcome.map(|items| Sessions { items }))
}

/// `DELETE /me/sessions/{id}`
pub async fn end_session(Path(id): Path<String>, asked: Asked) -> Response {
    let outcome = match (asked.same_site(), id.parse()) {
        (Ok(()), Ok(id)) => asked.service.end_session(asked.session().as_ref(), id).await,
        (Ok(()), Err(_)) => Err(Refusal::NotFound),
        (Err(refusal), _) => Err(refusal),
    };
    asked.done(outcome)
}
