//! The content of the pages for buyers.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::Found;
use crate::flows::Services;
use crate::http::problem::Problem;
use crate::payments::{Checkout, Payment, PaymentPhase};
use crate::texts::{Language, PageWords, PaymentPage, buyer_words};

#[derive(Template)]
#[template(path = "buyer/page.html")]
struct Page {
    lang: &'static str,
    face: &'static str,
    title: &'static str,
    text: &'static str,
    /// The name of the shop; empty if none is configured.
    shop: String,
    /// The address of its logo.
    logo: Option<String>,
    order: String,
    sum: String,
    /// The main button: its address and label.
    go: Option<(String, &'static str)>,
    /// Whether the main button requests a payment with `POST`, instead of
    /// leading to one.
    asks: bool,
    /// The secondary button: its address and label.
    back: Option<(String, &'static str)>,
    /// After how many seconds the page reloads, and which address it loads.
    refresh: Option<(u32, String)>,
    /// The address of the live updates, and the state that the page shows.
    live: Option<(String, &'static str)>,
    live_note: &'static str,
}

pub(in crate::http) fn face(services: &Services, checkout: &Checkout) -> PaymentPage {
    let now = services.clock.now();
    if checkout.waits_for_buyer(now) && checkout.payments.is_empty() {
        return PaymentPage::Ready;
    }
    if checkout.waits_for_buyer(now) || checkout.is_renewable(now) {
        return PaymentPage::Unpaid; // a buyer who asks to pay gets another payment
    }
    let is_closing =
        |payment: &Payment| payment.is_live() && payment.superseded.is_some() && checkout.on_demand;
    if checkout.next.is_some() && checkout.payments.iter().any(is_closing) {
        return PaymentPage::Closing;
    }
    match checkout.phase(now) {
        PaymentPhase::Requested => PaymentPage::Preparing,
        PaymentPhase::Linked => PaymentPage::Unpaid,
        PaymentPhase::Paid => PaymentPage::Paid,
        PaymentPhase::Review => PaymentPage::Review,
        PaymentPhase::Held => PaymentPage::Held,
        PaymentPhase::Refunded => PaymentPage::Refunded,
        PaymentPhase::Expired => PaymentPage::Expired,
        PaymentPhase::Cancelled => PaymentPage::Cancelled,
        PaymentPhase::Failed => PaymentPage::Failed,
    }
}

pub(in crate::http) fn name_of(face: PaymentPage) -> &'static str {
    match face {
        PaymentPage::Preparing | PaymentPage::Closing => "preparing",
        PaymentPage::Ready | PaymentPage::Unpaid | PaymentPage::Waiting => "ready",
        PaymentPage::Paid => "paid",
        PaymentPage::Review => "review",
        PaymentPage::Held => "held",
        PaymentPage::Refunded => "refunded",
        PaymentPage::Expired => "expired",
        PaymentPage::Cancelled => "cancelled",
        PaymentPage::Failed => "failed",
        PaymentPage::Unknown => "unknown",
    }
}

pub(in crate::http) fn page(
    language: Language,
    found: Option<&Found>,
    face: PaymentPage,
) -> Response {
    let urls = found.map(|found| found.checkout.urls.clone()).unwrap_or_default();
    let token = found.map(|found| found.token.as_str()).unwrap_or_default();
    let to_shop = buyer_words(language).back_to_shop;
    let pay = Some((format!("/pay/{token}"), buyer_words(language).pay));
    let after_failure = urls.fail.clone().or(urls.back.clone()).map(|url| (url, to_shop));
    let PageWords { title, text } = face.words(language);
    let here = format!("/return/{token}");
    let (go, back, refresh) = match face {
        PaymentPage::Preparing => (None, after_failure, Some((3, format!("/pay/{token}")))),
        PaymentPage::Closing => (None, after_failure, Some((30, format!("/pay/{token}")))),
        PaymentPage::Ready | PaymentPage::Unpaid => (pay, after_failure, None),
        // A buyer who has just paid is not asked to pay again; one who has not
        // still finds the link.
        PaymentPage::Waiting => {
            let pay_page = buyer_words(language).open_payment_page;
            (None, Some((format!("/pay/{token}"), pay_page)), Some((5, here.clone())))
        }
        PaymentPage::Paid => {
            let way = urls.success.or(urls.back);
            let refresh = way.clone().map(|url| (4, url));
            (way.map(|url| (url, to_shop)), None, refresh)
        }
        PaymentPage::Held
        | PaymentPage::Review
        | PaymentPage::Refunded
        | PaymentPage::Expired
        | PaymentPage::Cancelled
        | PaymentPage::Failed => (after_failure, None, None),
        PaymentPage::Unknown => (None, None, None),
    };
    let is_open = matches!(
        face,
        PaymentPage::Ready
            | PaymentPage::Unpaid
            | PaymentPage::Waiting
            | PaymentPage::Preparing
            | PaymentPage::Closing
    );
    let asks = go.is_some()
        && matches!(face, PaymentPage::Ready | PaymentPage::Unpaid)
        && !found.is_some_and(|found| found.has_link);
    let sum = found.and_then(|found| found.checkout.sum_to_pay());
    let (shop, logo) = found.map(Found::shop).unwrap_or_default();
    let page = Page {
        lang: language.code(),
        face: name_of(face),
        title,
        text,
        shop,
        logo,
        order: found.map_or_else(String::new, |found| {
            format!("{} {}", buyer_words(language).order, found.external_id)
        }),
        sum: sum.map_or_else(String::new, |sum| sum.shown(language)),
        go,
        asks,
        back,
        refresh,
        live: is_open.then(|| (format!("{here}/events"), name_of(face))),
        live_note: buyer_words(language).live_note,
    };
    let status = match face {
        PaymentPage::Unknown => StatusCode::NOT_FOUND,
        PaymentPage::Preparing
        | PaymentPage::Closing
        | PaymentPage::Ready
        | PaymentPage::Unpaid
        | PaymentPage::Waiting
        | PaymentPage::Paid
        | PaymentPage::Review
        | PaymentPage::Held
        | PaymentPage::Refunded
        | PaymentPage::Expired
        | PaymentPage::Cancelled
        | PaymentPage::Failed => StatusCode::OK,
    };
    match page.render() {
        Ok(html) => guarded((status, html).into_response()),
        Err(why) => {
            tracing::error!(error = %why, "a buyer's page could not be rendered");
            Problem::unavailable("the page could not be rendered; try again").into_response()
        }
    }
}

/// Adds the headers of a page. Its address is a secret of the buyer: it is not
/// cached, not indexed and not sent to the next site, and the page loads
/// nothing from other sites.
pub(in crate::http) fn guarded(mut response: Response) -> Response {
    // The only form, a button, is answered with a redirect to the payment page:
    // browsers require that `form-action` allows the target of that redirect,
    // too.
    const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                          connect-src 'self'; \
                          base-uri 'none'; form-action 'self' https: http:; frame-ancestors 'none'";
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::VARY, "accept-language"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
