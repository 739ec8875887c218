//! Requests of the operator, who has been authenticated.

use axum::extract::Path;
use axum::response::Response;

use super::answers::Staff;
use super::asked::Asked;
use crate::Refusal;
use crate::auth::client::Role;

/// `GET /staff`
pub async fn staff(asked: Asked) -> Response {
    let outcome = asked.service.staff().await;
    asked.personal(outcome.map(|items| Staff { items, next_cursor: None }))
}

/// `PUT /staff/{username}/{role}`
pub async fn give_role(Path((username, role)): Path<(String, String)>, asked: Asked) -> Response {
    set_role(&username, &role, true, asked).await
}

/// `DELETE /staff/{username}/{role}`
pub async fn take_role(Path((username, role)): Path<(String, String)>, asked: Asked) -> Response {
    set_role(&username, &role, false, asked).await
}

async fn set_role(username: &str, role: &str, is_given: bool, asked: Asked) -> Response {
    let outcome = match Role::parse(role) {
        Some(role) => asked.service.set_role(username, role, is_given).await,
        None => Err(Refusal::NotFound),
    };
    asked.personal(outcome)
}
