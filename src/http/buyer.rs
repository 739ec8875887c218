//! What an order's buyer meets: `/pay/{token}` sends them to the payment page, `/return/{token}` receives them again.
//!
//! `GET` and `HEAD` show what is stored and make nothing: previews of links and scanners send them too. A payment that is to
//! be made is asked for by a button, which sends `POST`. All of it works without JavaScript; with it, the way back follows
//! the payment live.

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
use super::{Edge, number_in};
use crate::flows::open_payment::{Wanting, open_payment};
use crate::flows::{OrderRecord, load_record};
use crate::kernel::Stopwatch;
use crate::orders::Number;
use crate::payments::Checkout;
use crate::peer::leads_home;
use crate::texts::{Language, PaymentPage};

/// How long `/pay` waits for a link that is being made before it says so.
const LINK_WAIT: Duration = Duration::from_secs(3);

/// How often whoever waits looks by itself: another node may have done the work.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// The style and the script of the pages.
const STYLE: &str = include_str!("../../assets/buyer.css");
const SCRIPT: &str = include_str!("../../assets/buyer.js");

/// An order's checkout that a token leads to.
pub(super) struct Found {
    token: String,
    number: Number,
    pub external_id: String,
    pub checkout: Checkout,
    /// It can be paid at the payment system.
    has_link: bool,
}

/// Reads the order of a token `<number>-<secret>`. Nothing is read before the secret is known to be right, so a wrong one
/// costs the same whether or not there is such an order.
pub(super) async fn find(edge: &Edge, token: &str) -> Result<Option<Found>, Problem> {
    let Some((number, secret)) = token.split_once('-') else { return Ok(None) };
    let Some(number) = number_in(number)? else { return Ok(None) };
    if !edge.shop.key().await?.accepts_address(number, secret) {
        return Ok(None);
    }
    let Some(OrderRecord { order, checkout, .. }) = load_record(&edge.shop.store, number).await? else {
        return Ok(None);
    };
    let Some(checkout) = checkout else { return Ok(None) };
    let now = edge.shop.clock.now();
    let has_link = checkout.current().is_some_and(|payment| payment.link(now).is_some());
    let external_id = order.external_id.to_string();
    let checkout = checkout.into_document();
    Ok(Some(Found { token: token.to_owned(), number, external_id, checkout, has_link }))
}

/// `GET /pay/{token}`: to the payment page while there is one, else a page that says what is the matter.
pub async fn pay(
    State(edge): State<Arc<Edge>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    to_payment_page(&edge, &token, language_of(&headers, Language::Ru)).await
}

/// `POST /pay/{token}`: the buyer asks to pay.
pub async fn open(
    State(edge): State<Arc<Edge>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let language = language_of(&headers, Language::Ru);
    let Some(found) = find(&edge, &token).await? else {
        return Ok(page(language, None, PaymentPage::Unknown));
    };
    // One that dies at once over there is asked for again by the buyer's next press, and not by us.
    if !found.has_link {
        open_payment(&edge.shop, found.number, Wanting::Buyer).await?;
    }
    let answer = to_payment_page(&edge, &token, language).await?;
    // A page that answers a POST would be sent for again by POST when it is loaded anew.
    let is_page = answer.status() == StatusCode::OK;
    Ok(if is_page { see_other(&format!("/pay/{token}")) } else { answer })
}

async fn to_payment_page(edge: &Edge, token: &str, language: Language) -> Result<Response, Problem> {
    let mut news = edge.shop.news.listen();
    let watch = Stopwatch::start();
    loop {
        let Some(found) = find(edge, token).await? else {
            return Ok(page(language, None, PaymentPage::Unknown));
        };
        let link = found.checkout.current().and_then(|payment| payment.link(edge.shop.clock.now()));
        if let Some(url) = link {
            if !is_payment_page(edge, &found.checkout, url) {
                tracing::error!(
                    order.number = found.number.get(),
                    "a stored link leads to no payment page of its payment system: its buyer was not sent there. Was the store \
                     written to by somebody else, or payment_hosts changed?"
                );
                return Ok(page(language, Some(&found), PaymentPage::Failed));
            }
            return Ok(see_other(url));
        }
        let face = face(&edge.shop, &found.checkout);
        let left = LINK_WAIT.saturating_sub(watch.elapsed());
        if face != PaymentPage::Preparing || left.is_zero() {
            return Ok(page(language, Some(&found), face));
        }
        let _ = tokio::time::timeout(left.min(LOOK_PAUSE), news.hears_of(found.number.partition())).await;
    }
}

/// Whether a link is where a buyer may be sent. That was looked at when it came; whoever can write the store must not send
/// buyers elsewhere.
fn is_payment_page(edge: &Edge, checkout: &Checkout, url: &str) -> bool {
    let pages = edge.payment_pages.get(&checkout.gateway);
    pages.is_some_and(|(api, hosts)| leads_home(api, hosts, url))
}

/// How the buyer left the payment page, by its own word. It chooses the words and nothing else.
#[derive(Debug, Deserialize)]
pub struct WayBack {
    from: Option<String>,
}

/// `GET /return/{token}`
pub async fn back(
    State(edge): State<Arc<Edge>>,
    Path(token): Path<String>,
    Query(WayBack { from }): Query<WayBack>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let language = language_of(&headers, Language::Ru);
    let found = find(&edge, &token).await?;
    let face = found.as_ref().map_or(PaymentPage::Unknown, |found| face(&edge.shop, &found.checkout));
    // Who comes back by the way of success is on the point of being told so.
    let face = if face == PaymentPage::Unpaid && from.is_none() { PaymentPage::Waiting } else { face };
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
        return Problem::unavailable("the payment page's address cannot be used").into_response();
    };
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}
