//! The token in the address of a page that a letter leads to.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::response::Response;
use http::request::Parts;
use tillgate_identity::Token;

use super::Front;
use crate::Refusal;

/// A part of an address that can be a token. Anything else would get into the
/// address that a form is posted to.
pub struct LinkToken(pub String);

impl FromRequestParts<Arc<Front>> for LinkToken {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        front: &Arc<Front>,
    ) -> Result<LinkToken, Response> {
        let path = Path::<String>::from_request_parts(parts, front).await;
        let token = path.ok().map(|Path(text)| text).filter(|text| Token::parse(text).is_some());
        let token = token.ok_or_else(|| front.sorry(&Refusal::LinkNotValid, &parts.headers));
        token.map(LinkToken)
    }
}
