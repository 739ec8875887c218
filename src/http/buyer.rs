//! The pages for the buyer of an order: `/pay/{token}` redirects to the payment
//! page, `/return/{token}` is where the buyer comes back.
//!
//! `GET` and `HEAD` show what is stored and create nothing, because link
//! previews and scanners send them too. To create a payment, the buyer presses
//! a button, which sends `POST`. All of this works without JavaScript; with it,
//! the return page follows the payment live.

mod events;
mod page;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;

pub use self::events::events;
pub(super) use self::page::{face, guarded, name_of, page};
use super::problem::Problem;
use super::request::language_of;
use super::shop::logo_address;
use super::{AppState, number_in};
use crate::flows::open_payment::{RequestedBy, open_payment};
use crate::flows::{OrderRecord, load_record};
use crate::kernel::Stopwatch;
use crate::orders::Number;
use crate::payments::Checkout;
use crate::peer::leads_home;
use crate::texts::{Language, PaymentPage};

/// How long `/pay` waits for a link that is being created before it shows a
/// page instead.
const LINK_WAIT: Duration = Duration::from_secs(3);

/// How often a waiting request reads the store: another receiver may have done
/// the work.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// The style sheet and the script of the pages.
const STYLE: &str = include_str!("../../assets/buyer.css");
const SCRIPT: &str = include_str!("../../assets/buyer.js");

/// The checkout to which a token belongs.
pub(super) struct Found {
    token: String,
    number: Number,
    pub external_id: String,
    pub checkout: Checkout,
    /// How the shop is called, and the address of its logo.
    shop: Option<(String, Option<String>)>,
    /// Whether there is a link on which it can be paid at the payment system.
    has_link: bool,
}

impl Found {
    /// The name of the shop, and the address of its logo.
    pub fn shop(&self) -> (String, Option<String>) {
        self.shop.clone().unwrap_or_default()
    }
}

/// Reads the order of a token `<number>-<secret>`. The secret is verified
/// before anything is read, so a wrong one takes the same time whether or not
/// the order exists.
pub(super) async fn find(app: &AppState, token: &str) -> Result<Option<Found>, Problem> {
    let Some((number, secret)) = token.split_once('-') else { return Ok(None) };
    let Some(number) = number_in(number)? else { return Ok(None) };
    if !app.services.key().await?.accepts_address(number, secret) {
        return Ok(None);
    }
    let Some(OrderRecord { order, checkout, .. }) =
        load_record(&app.services.store, number).await?
    else {
        return Ok(None);
    };
    let Some(checkout) = checkout else { return Ok(None) };
    let now = app.services.clock.now();
    let has_link = checkout.current().is_some_and(|payment| payment.link(now).is_some());
    let shop = app
        .shops
        .get(&order.source)
        .map(|shop| (shop.name.clone(), shop.logo.as_ref().map(|_| logo_address(&order.source))));
    let external_id = order.external_id.to_string();
    let checkout = checkout.into_document();
    Ok(Some(Found { token: token.to_owned(), number, external_id, checkout, shop, has_link }))
}

/// `GET /pay/{token}`: redirects to the payment page while there is one,
/// otherwise shows a page that says why not.
pub async fn pay(
    State(app): State<Arc<AppState>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    to_payment_page(&app, &token, language_of(&headers, Language::Ru)).await
}

/// `POST /pay/{token}`: the buyer asks to pay.
pub async fn open(
    State(app): State<Arc<AppState>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let language = language_of(&headers, Language::Ru);
    let Some(found) = find(&app, &token).await? else {
        return Ok(page(language, None, PaymentPage::Unknown));
    };
    // If the new payment ends at once at the payment system, the buyer has to
    // press again; it is not repeated here.
    if !found.has_link {
        open_payment(&app.services, found.number, RequestedBy::Buyer).await?;
    }
    let answer = to_payment_page(&app, &token, language).await?;
    // If a page answered the POST, reloading it would send the POST again.
    let is_page = answer.status() == StatusCode::OK;
    Ok(if is_page { see_other(&format!("/pay/{token}")) } else { answer })
}

async fn to_payment_page(
    app: &AppState,
    token: &str,
    language: Language,
) -> Result<Response, Problem> {
    let mut change_feed = app.services.change_feed.listen();
    let watch = Stopwatch::start();
    loop {
        let Some(found) = find(app, token).await? else {
            return Ok(page(language, None, PaymentPage::Unknown));
        };
        let link =
            found.checkout.current().and_then(|payment| payment.link(app.services.clock.now()));
        if let Some(url) = link {
            if !is_payment_page(app, &found.checkout, url) {
                tracing::error!(
                    order.number = found.number.get(),
                    "a stored link leads to no payment page of its payment system: its buyer was \
                    not redirected. Check whether payment_hosts has changed, or whether another \
                    program has written to the store"
                );
                return Ok(page(language, Some(&found), PaymentPage::Failed));
            }
            return Ok(see_other(url));
        }
        let face = face(&app.services, &found.checkout);
        let left = LINK_WAIT.saturating_sub(watch.elapsed());
        if face != PaymentPage::Preparing || left.is_zero() {
            return Ok(page(language, Some(&found), face));
        }
        let _ = tokio::time::timeout(
            left.min(LOOK_PAUSE),
            change_feed.watches(found.number.partition()),
        )
        .await;
    }
}

/// Whether a buyer may be redirected to a link. It was checked when it arrived;
/// it is checked again so that somebody who can write to the store cannot
/// redirect buyers elsewhere.
fn is_payment_page(app: &AppState, checkout: &Checkout, url: &str) -> bool {
    let pages = app.payment_pages.get(&checkout.gateway);
    pages.is_some_and(|(api, hosts)| leads_home(api, hosts, url))
}

/// How the buyer left the payment page, as the URL claims. It only chooses the
/// text of the page.
#[derive(Debug, Deserialize)]
pub struct ReturnQuery {
    from: Option<String>,
}

/// `GET /return/{token}`
pub async fn back(
    State(app): State<Arc<AppState>>,
    Path(token): Path<String>,
    Query(ReturnQuery { from }): Query<ReturnQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let language = language_of(&headers, Language::Ru);
    let found = find(&app, &token).await?;
    let face =
        found.as_ref().map_or(PaymentPage::Unknown, |found| face(&app.services, &found.checkout));
    // A buyer who returns by the success address has probably just paid: the
    // result is about to arrive.
    let face =
        if face == PaymentPage::Unpaid && from.is_none() { PaymentPage::Waiting } else { face };
    Ok(page(language, found.as_ref(), face))
}

/// `GET /assets/buyer.css`
pub async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

/// `GET /assets/buyer.js`
pub async fn script() -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) fn asset(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, text).into_response()
}

fn see_other(url: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(url) else {
        return Problem::unavailable("the address of the payment page is invalid").into_response();
    };
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}
