//! Authenticates requests under `/v1` by the key of a merchant, and applies the
//! rate limit of that merchant.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::rate_limit::{MerchantAccess, seconds_up};
use crate::http::problem::Problem;
use crate::http::request::bearer;
use crate::http::{AppState, log};
use crate::kernel::PartyName;

/// The merchant whose key the request has. Handlers find it in the extensions
/// of the request.
#[derive(Debug, Clone)]
pub struct Caller(pub PartyName);

/// Passes a request on if it has the key of a merchant and is within the rate
/// limit.
pub async fn admit(State(app): State<Arc<AppState>>, mut request: Request, next: Next) -> Response {
    let Some(merchant) = merchant_of(&app, request.headers()) else {
        app.refuse_log_in("v1", request.headers());
        let detail = "send the key of the merchant: Authorization: Bearer <api_key>";
        return Problem::unauthorized(detail).into_response();
    };
    let left = merchant.rate_limit.take_one();
    let mut response = match left {
        Ok(_) => {
            request.extensions_mut().insert(Caller(merchant.name.clone()));
            log::whole(Some(merchant.name.as_str()), request, next).await
        }
        Err(wait) => Problem::too_many(merchant.rate_limit.per_minute.get(), seconds_up(wait))
            .into_response(),
    };
    merchant.rate_limit.add_headers(&left, response.headers_mut());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The header in which the operator names the merchant to act for.
const MERCHANT: HeaderName = HeaderName::from_static("tillgate-merchant");

/// Passes on a request of the operator, as one of the merchant that it names.
pub async fn act_for(mut request: Request, next: Next) -> Response {
    let named = request.headers().get(MERCHANT).and_then(|name| name.to_str().ok());
    let Some(merchant) = named.map(|name| PartyName::new(name.to_owned())) else {
        return Problem::bad_parameter("Tillgate-Merchant", "name the merchant in this header")
            .into_response();
    };
    request.extensions_mut().insert(Caller(merchant));
    next.run(request).await
}

/// The merchant whose key the request has. The keys of all merchants are
/// compared, so that the time of the answer reveals nothing.
fn merchant_of<'a>(app: &'a AppState, headers: &HeaderMap) -> Option<&'a MerchantAccess> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let bearer = match (values.next(), values.next()) {
        (Some(value), None) => bearer(value)?,
        (_, _) => return None,
    };
    let mut found = None;
    for merchant in &app.merchants {
        if merchant.keys.accept(bearer) {
            found = Some(merchant);
        }
    }
    found
}
