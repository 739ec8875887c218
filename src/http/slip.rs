//! Payment without a screen of ours: a QR code for the camera, and a printable
//! slip for the bag or the table.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

use super::AppState;
use super::buyer::{Found, face, find, guarded, page};
use super::problem::Problem;
use super::request::language_of;
use crate::texts::Language;
use crate::texts::PaymentPage;
use crate::texts::buyer_words;
use crate::views::buyers_address;

/// The least width of the code as an image, in pixels. The image is vector
/// graphics and can be scaled.
const CODE_PIXELS_MIN: u32 = 240;

#[derive(Template)]
#[template(path = "buyer/slip.html")]
struct PaymentSlip {
    lang: &'static str,
    title: &'static str,
    text: &'static str,
    shop: String,
    logo: Option<String>,
    order: String,
    sum: String,
    /// The SVG elements of the code.
    code: String,
    label: &'static str,
    address: String,
}

/// `GET /pay/{token}/qr.svg`: the buyer's payment address as a QR code. It
/// stays the same for as long as the order exists.
pub async fn code(
    State(app): State<Arc<AppState>>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let Some(found) = find(&app, &token).await? else {
        return Err(Problem::not_found("there is no such order"));
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, draw(&address(&app, &found))?).into_response())
}

/// `GET /pay/{token}/slip`: a page for printing. An order that cannot be paid
/// any more has none.
pub async fn slip(
    State(app): State<Arc<AppState>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let language = language_of(&headers, Language::Ru);
    let Some(found) = find(&app, &token).await? else {
        return Ok(page(language, None, PaymentPage::Unknown));
    };
    let face = face(&app.services, &found.checkout);
    if !matches!(
        face,
        PaymentPage::Ready | PaymentPage::Unpaid | PaymentPage::Preparing | PaymentPage::Closing
    ) {
        return Ok(page(language, Some(&found), face));
    }
    let address = address(&app, &found);
    let drawn = draw(&address)?;
    let (shop, logo) = found.shop();
    let slip = PaymentSlip {
        shop,
        logo,
        lang: language.code(),
        title: buyer_words(language).slip_title,
        text: buyer_words(language).slip_text,
        order: format!("{} {}", buyer_words(language).order, found.external_id),
        sum: found.checkout.sum_to_pay().map_or_else(String::new, |sum| sum.shown(language)),
        // SVG inside a page must not have an XML declaration.
        code: drawn.split_once("?>").map_or(drawn.clone(), |(_, elements)| elements.to_owned()),
        label: buyer_words(language).code_label,
        address,
    };
    match slip.render() {
        Ok(html) => Ok(guarded(html.into_response())),
        Err(why) => {
            tracing::error!(error = %why, "a payment slip could not be rendered");
            Err(Problem::unavailable("the slip could not be rendered; try again"))
        }
    }
}

fn address(app: &AppState, found: &Found) -> String {
    buyers_address(&app.services.public_url, "pay", &found.checkout)
}

/// Draws the code with a quiet zone. It stays readable when about a seventh of
/// it is soiled.
fn draw(address: &str) -> Result<String, Problem> {
    let code = QrCode::with_error_correction_level(address, EcLevel::M).map_err(|why| {
        tracing::error!(error = %why, "public_url is too long for a QR code: shorten it");
        Problem::unavailable("the address is too long for a QR code: open it in the browser")
    })?;
    Ok(code.render::<svg::Color>().min_dimensions(CODE_PIXELS_MIN, CODE_PIXELS_MIN).build())
}
