//! Who calls: each request under `/v1` bears a merchant's key, and each merchant has its share.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};

use super::pace::{MerchantDoor, seconds_up};
use crate::http::problem::Problem;
use crate::http::request::bearer;
use crate::http::{Edge, log};
use crate::kernel::PartyName;

/// The merchant whose key a request bears. Handlers find it among the request's extensions.
#[derive(Debug, Clone)]
pub struct Caller(pub PartyName);

/// Lets in who bears a merchant's key and has not used up its share.
pub async fn admit(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let Some(merchant) = merchant_of(&edge, request.headers()) else {
        edge.refuse_log_in("v1", request.headers());
        let detail = "send the merchant's key: Authorization: Bearer <api_key>";
        return Problem::unauthorized(detail).into_response();
    };
    let left = merchant.pace.take_one();
    let mut response = match left {
        Ok(_) => {
            request.extensions_mut().insert(Caller(merchant.name.clone()));
            log::whole(Some(merchant.name.as_str()), request, next).await
        }
        Err(wait) => Problem::too_many(merchant.pace.per_minute.get(), seconds_up(wait)).into_response(),
    };
    merchant.pace.tell(&left, response.headers_mut());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whose key the caller bears. Every merchant's is compared, so that time tells nothing.
fn merchant_of<'a>(edge: &'a Edge, headers: &HeaderMap) -> Option<&'a MerchantDoor> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let bearer = match (values.next(), values.next()) {
        (Some(value), None) => bearer(value)?,
        (_, _) => return None,
    };
    let mut found = None;
    for merchant in &edge.merchants {
        if merchant.keys.accept(bearer) {
            found = Some(merchant);
        }
    }
    found
}
