//! A pay button for sites without a developer: the script, and the status that
//! it polls.
//!
//! The site already has the payment's address. The status reveals no more than
//! the page at that address.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::AppState;
use super::buyer::{Found, asset, face, find, name_of};
use super::problem::Problem;
use super::request::language_of;
use crate::texts::Language;
use crate::texts::PaymentPage;
use crate::texts::buyer_words;

const SCRIPT: &str = include_str!("../../assets/embed.js");

/// The status of an order's payment, in texts for the buyer.
#[derive(Debug, Serialize)]
struct Status {
    state: &'static str,
    title: &'static str,
    /// The name of the shop; empty if none is configured.
    shop: String,
    /// The label of the button; `None` when there is nothing to pay.
    pay: Option<String>,
}

/// `GET /embed.js`
pub async fn script() -> Response {
    let mut response = asset("text/javascript; charset=utf-8", SCRIPT);
    // Pages of other sites load the script.
    response.headers_mut().insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
    response
}

/// `GET /pay/{token}/status`
pub async fn status(
    State(app): State<Arc<AppState>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let language = language_of(&headers, Language::Ru);
    let found = find(&app, &token).await?;
    let face =
        found.as_ref().map_or(PaymentPage::Unknown, |found| face(&app.services, &found.checkout));
    let title = face.words(language).title;
    let sum = found.as_ref().and_then(|found| found.checkout.sum_to_pay());
    let pay = sum
        .filter(|_| {
            matches!(
                face,
                PaymentPage::Ready
                    | PaymentPage::Unpaid
                    | PaymentPage::Preparing
                    | PaymentPage::Closing
            )
        })
        .map(|sum| format!("{} {}", buyer_words(language).pay, sum.shown(language)));
    let (shop, _) = found.as_ref().map(Found::shop).unwrap_or_default();
    let code = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let fixed = [
        // Any page that has the address may ask; the request carries nothing
        // else.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::VARY, "accept-language"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    let mut response =
        (code, Json(Status { state: name_of(face), title, shop, pay })).into_response();
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
