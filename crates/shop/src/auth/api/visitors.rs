//! Requests of anybody.

use axum::response::Response;

use super::asked::Asked;
use crate::auth::register::Registration;
use crate::auth::reset::{Forgotten, NewPassword, read_token};
use crate::auth::sign_in::Credentials;

/// `POST /login`
pub async fn login(mut asked: Asked) -> Response {
    let outcome = match asked.change(Credentials::read).await {
        Ok(credentials) => asked.service.log_in(credentials, &asked.visit()).await,
        Err(refusal) => Err(refusal),
    };
    asked.opened(outcome)
}

/// `POST /register`
pub async fn register(mut asked: Asked) -> Response {
    let language = asked.language();
    let outcome = match asked.change(|form| Registration::read(form, language)).await {
        Ok(registration) => asked.service.register(registration, &asked.visit()).await,
        Err(refusal) => Err(refusal),
    };
    asked.opened(outcome)
}

/// `GET /logout`, `POST /logout`
pub async fn logout(asked: Asked) -> Response {
    let outcome = match (asked.same_site(), asked.session()) {
        (Ok(()), Some(session)) => asked.service.log_out(&session).await,
        (outcome, _) => outcome,
    };
    asked.closed(outcome)
}

/// `POST /verify`
pub async fn verify(mut asked: Asked) -> Response {
    let outcome = match asked.change(read_token).await {
        Ok(token) => asked.service.verify(&token).await,
        Err(refusal) => Err(refusal),
    };
    asked.done(outcome)
}

/// `POST /reset`
pub async fn ask_reset(mut asked: Asked) -> Response {
    let language = asked.language();
    let outcome = match asked.change(Forgotten::read).await {
        Ok(forgotten) => asked.service.ask_reset(forgotten, language, &asked.visit()).await,
        Err(refusal) => Err(refusal),
    };
    asked.done(outcome)
}

/// `POST /reset/confirm`
pub async fn reset(mut asked: Asked) -> Response {
    let outcome = match asked.change(NewPassword::read).await {
        Ok(new) => asked.service.reset(new, &asked.visit()).await,
        Err(refusal) => Err(refusal),
    };
    asked.opened(outcome)
}
