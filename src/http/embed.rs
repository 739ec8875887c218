//! A pay button for sites without a developer: a script, and what it asks.
//!
//! The payment's address is what the site has been given; the answer says no more than the page behind that address.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::Edge;
use super::buyer::{asset, face, find, name_of};
use super::problem::Problem;
use super::request::language_of;
use crate::texts::Language;
use crate::texts::PaymentPage;
use crate::texts::money;

const SCRIPT: &str = include_str!("../../assets/embed.js");

/// How an order's payment stands, in the buyer's words.
#[derive(Debug, Serialize)]
struct Status {
    state: &'static str,
    title: &'static str,
    /// What stands on the button; none when there is nothing to pay.
    pay: Option<String>,
}

/// `GET /embed.js`
pub async fn script() -> Response {
    let mut response = asset("text/javascript; charset=utf-8", SCRIPT);
    // Other sites' pages load it.
    response.headers_mut().insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
    response
}

/// `GET /pay/{token}/status`
pub async fn status(
    State(edge): State<Arc<Edge>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let language = language_of(&headers, Language::Ru);
    let found = find(&edge, &token).await?;
    let face = found.as_ref().map_or(PaymentPage::Unknown, |found| face(&edge.shop, &found.checkout));
    let title = face.words(language).title;
    let sum = found.as_ref().and_then(|found| found.checkout.sum_to_pay());
    let pay = sum
        .filter(|_| {
            matches!(
                face,
                PaymentPage::Ready | PaymentPage::Unpaid | PaymentPage::Preparing | PaymentPage::Closing
            )
        })
        .map(|sum| format!("{} {}", language.buyer_words().pay, money(language, sum)));
    let code = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let fixed = [
        // Whoever has the address may ask, from whatever page, and sends nothing but the address.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::VARY, "accept-language"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    let mut response = (code, Json(Status { state: name_of(face), title, pay })).into_response();
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
