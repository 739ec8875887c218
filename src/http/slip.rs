//! The way to pay for those who do not sit at a screen of ours: a code for the camera, and a slip to print, for the bag or
//! the table.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

use super::Edge;
use super::buyer::{Found, face, find, guarded, page};
use super::problem::Problem;
use super::request::language_of;
use crate::texts::Language;
use crate::texts::PaymentPage;
use crate::texts::money;
use crate::views::buyers_address;

/// The code's width in an image of its own, in pixels: it is a picture of lines and can be scaled.
const CODE_PIXELS_MIN: u32 = 240;

#[derive(Template)]
#[template(path = "buyer/slip.html")]
struct Slip {
    lang: &'static str,
    title: &'static str,
    text: &'static str,
    order: String,
    sum: String,
    /// The image's elements.
    code: String,
    label: &'static str,
    address: String,
}

/// `GET /pay/{token}/qr.svg`: the buyer's address as a code. It stays the same for the order's life.
pub async fn code(State(edge): State<Arc<Edge>>, Path(token): Path<String>) -> Result<Response, Problem> {
    let Some(found) = find(&edge, &token).await? else {
        return Err(Problem::not_found("there is no such order"));
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, draw(&address(&edge, &found))?).into_response())
}

/// `GET /pay/{token}/slip`: for printing. What cannot be paid any more has none.
pub async fn slip(
    State(edge): State<Arc<Edge>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let language = language_of(&headers, Language::Ru);
    let Some(found) = find(&edge, &token).await? else {
        return Ok(page(language, None, PaymentPage::Unknown));
    };
    let face = face(&edge.shop, &found.checkout);
    if !matches!(
        face,
        PaymentPage::Ready | PaymentPage::Unpaid | PaymentPage::Preparing | PaymentPage::Closing
    ) {
        return Ok(page(language, Some(&found), face));
    }
    let address = address(&edge, &found);
    let drawn = draw(&address)?;
    let slip = Slip {
        lang: language.code(),
        title: language.buyer_words().slip_title,
        text: language.buyer_words().slip_text,
        order: format!("{} {}", language.buyer_words().order, found.external_id),
        sum: found.checkout.sum_to_pay().map_or_else(String::new, |sum| money(language, sum)),
        // Within a page there is no declaration.
        code: drawn.split_once("?>").map_or(drawn.clone(), |(_, elements)| elements.to_owned()),
        label: language.buyer_words().code_label,
        address,
    };
    match slip.render() {
        Ok(html) => Ok(guarded(html.into_response())),
        Err(why) => {
            tracing::error!(error = %why, "a slip could not be shown");
            Err(Problem::unavailable("the slip could not be shown; try again"))
        }
    }
}

fn address(edge: &Edge, found: &Found) -> String {
    buyers_address(&edge.shop.public_url, "pay", &found.checkout)
}

/// With a quiet zone, and readable when a sixth of it is soiled.
fn draw(address: &str) -> Result<String, Problem> {
    let code = QrCode::with_error_correction_level(address, EcLevel::M).map_err(|why| {
        tracing::error!(error = %why, "public_url is too long for a QR code");
        Problem::unavailable("the address is too long for a code: open it as it is")
    })?;
    Ok(code.render::<svg::Color>().min_dimensions(CODE_PIXELS_MIN, CODE_PIXELS_MIN).build())
}
