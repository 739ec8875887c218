//! How buyers' pages call a shop.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use super::AppState;
use super::problem::Problem;
use crate::kernel::PartyName;

/// The address of a merchant's logo.
pub(super) fn logo_address(merchant: &PartyName) -> String {
    format!("/assets/logo/{merchant}")
}

/// `GET /assets/logo/{merchant}`
pub async fn logo(
    State(app): State<Arc<AppState>>,
    Path(merchant): Path<String>,
) -> Result<Response, Problem> {
    let shop = app.shops.get(&PartyName::new(merchant));
    let logo = shop.and_then(|shop| shop.logo.clone());
    let logo = logo.ok_or_else(|| Problem::not_found("there is no such logo"))?;
    let headers = [
        (header::CONTENT_TYPE, logo.content_type()),
        (header::CACHE_CONTROL, "public, max-age=3600"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ];
    let mut response = logo.bytes().to_vec().into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
