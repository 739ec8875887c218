//! What an order's buyer meets: `/pay/{token}` sends them to the payment page, `/return/{token}` receives them again.
//!
//! `GET` and `HEAD` show what is stored and make nothing: previews of links and scanners send them too. A payment that is to
//! be made is asked for by a button, which sends `POST`. All of it works without JavaScript; with it, the way back follows
//! the payment live.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::problem::Problem;
use super::{Edge, number_in};
use crate::flows::open_payment::{Wanting, open_payment};
use crate::flows::{OrderRecord, Shop, load_record, payment_document};
use crate::kernel::{Money, Number, Secret, Stopwatch, Tokens};
use crate::notify::{Language, money};
use crate::payments::{Checkout, Payment};
use crate::peer::leads_home;

/// How long `/pay` waits for a link that is being made before it says so.
const LINK_WAIT: Duration = Duration::from_secs(3);

/// How often whoever waits looks by itself: another node may have done the work.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// How long one live connection lasts; the browser opens the next by itself.
const LIVE_SECONDS_MAX: u64 = 60;

/// The length of the secret in an address that 0.1.0 gave out, in characters.
const OLD_SECRET_CHARS: usize = 32;

/// How long one waits whose address is an old one, when others do.
const OLD_ADDRESS_WAIT: Duration = Duration::from_secs(2);

/// The style and the script of the pages.
const STYLE: &str = include_str!("../../assets/buyer.css");
const SCRIPT: &str = include_str!("../../assets/buyer.js");

/// The languages that buyers are spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    Ru,
    En,
}

impl Tongue {
    /// The first of ours that the browser names; Russian if it names none.
    pub(super) fn of(headers: &HeaderMap) -> Tongue {
        let wanted =
            headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let named = wanted.split(',').find_map(|range| {
            let range = range.trim().to_ascii_lowercase();
            let is = |tongue: &str| {
                range == tongue
                    || range.starts_with(&format!("{tongue}-"))
                    || range.starts_with(&format!("{tongue};"))
            };
            if is("ru") {
                Some(Tongue::Ru)
            } else if is("en") {
                Some(Tongue::En)
            } else {
                None
            }
        });
        named.unwrap_or(Tongue::Ru)
    }

    /// A sum as people write it: `1 558,80 ₽`, `₽1,558.80`.
    pub(super) fn sum(self, sum: Money) -> String {
        let language = match self {
            Tongue::Ru => Language::Ru,
            Tongue::En => Language::En,
        };
        money(language, sum)
    }

    pub(super) fn pick(self, ru: &'static str, en: &'static str) -> &'static str {
        match self {
            Tongue::Ru => ru,
            Tongue::En => en,
        }
    }
}

/// What a page is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// The link is being made.
    Preparing,
    /// The order has changed, and what was asked for before it may still take money: nothing else is asked for yet.
    Closing,
    /// It can be paid as soon as the buyer asks to.
    Ready,
    /// It can be paid, and the buyer came back without.
    Unpaid,
    /// It can be paid, and the buyer says it is: the payment system has not told us yet.
    Waiting,
    /// It is paid.
    Paid,
    /// Money came that does not fit what the order is now.
    Review,
    /// The money is set aside.
    Held,
    /// The money has gone back.
    Refunded,
    /// Its time is over.
    Expired,
    /// It was called off.
    Cancelled,
    /// The payment system would not have it.
    Failed,
    /// There is no such order.
    Unknown,
}

#[derive(Template)]
#[template(path = "buyer/page.html")]
struct Page {
    lang: &'static str,
    face: &'static str,
    title: &'static str,
    text: &'static str,
    order: String,
    sum: String,
    /// The main button.
    go: Option<(String, &'static str)>,
    /// It asks for a payment instead of leading to one.
    asks: bool,
    /// The other one.
    back: Option<(String, &'static str)>,
    /// After how many seconds the page looks anew, and where.
    refresh: Option<(u32, String)>,
    /// Where it is followed live, and the state that is shown.
    live: Option<(String, &'static str)>,
    live_note: &'static str,
}

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
    let is_old = secret.len() == OLD_SECRET_CHARS;
    if !is_old && !edge.shop.key().await?.accepts_address(number, secret) {
        return Ok(None);
    }
    // An old secret is known to its order alone. Few are looked up at once, so that guessing costs others nothing.
    let _place = if is_old {
        let place = tokio::time::timeout(OLD_ADDRESS_WAIT, edge.old_addresses_at_once.acquire()).await;
        Some(place.map_err(|_| Problem::unavailable("too many old addresses are opened; try again"))?)
    } else {
        None
    };
    let Some(OrderRecord { order, checkout, .. }) = load_record(&edge.shop.store, number).await? else {
        return Ok(None);
    };
    let Some(checkout) = checkout else { return Ok(None) };
    let right = Tokens::new([&Secret::new(checkout.secret.expose())], edge.key);
    let now = edge.shop.clock.now();
    let has_link = checkout.current().is_some_and(|payment| payment.link(now).is_some());
    let external_id = order.external_id.to_string();
    let checkout = checkout.into_document();
    let found = Found { token: token.to_owned(), number, external_id, checkout, has_link };
    Ok(right.accept(secret.as_bytes()).then_some(found))
}

/// `GET /pay/{token}`: to the payment page while there is one, else a page that says what is the matter.
pub async fn pay(
    State(edge): State<Arc<Edge>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    to_payment_page(&edge, &token, Tongue::of(&headers)).await
}

/// `POST /pay/{token}`: the buyer asks to pay.
pub async fn open(
    State(edge): State<Arc<Edge>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tongue = Tongue::of(&headers);
    let Some(found) = find(&edge, &token).await? else { return Ok(page(tongue, None, Face::Unknown)) };
    // One that dies at once over there is asked for again by the buyer's next press, and not by us.
    if !found.has_link {
        open_payment(&edge.shop, found.number, Wanting::Buyer).await?;
    }
    let answer = to_payment_page(&edge, &token, tongue).await?;
    // A page that answers a POST would be sent for again by POST when it is loaded anew.
    let is_page = answer.status() == StatusCode::OK;
    Ok(if is_page { see_other(&format!("/pay/{token}")) } else { answer })
}

async fn to_payment_page(edge: &Edge, token: &str, tongue: Tongue) -> Result<Response, Problem> {
    let mut news = edge.shop.news.listen();
    let watch = Stopwatch::start();
    loop {
        let Some(found) = find(edge, token).await? else { return Ok(page(tongue, None, Face::Unknown)) };
        let link = found.checkout.current().and_then(|payment| payment.link(edge.shop.clock.now()));
        if let Some(url) = link {
            if !is_payment_page(edge, &found.checkout, url) {
                tracing::error!(
                    order.number = found.number.get(),
                    "a stored link leads to no payment page of its payment system: its buyer was not sent there. Was the store \
                     written to by somebody else, or payment_hosts changed?"
                );
                return Ok(page(tongue, Some(&found), Face::Failed));
            }
            return Ok(see_other(url));
        }
        let face = face(&edge.shop, &found.checkout);
        let left = LINK_WAIT.saturating_sub(watch.elapsed());
        if face != Face::Preparing || left.is_zero() {
            return Ok(page(tongue, Some(&found), face));
        }
        let _ = tokio::time::timeout(left.min(LOOK_PAUSE), news.hears_of(found.number)).await;
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
    let tongue = Tongue::of(&headers);
    let found = find(&edge, &token).await?;
    let face = found.as_ref().map_or(Face::Unknown, |found| face(&edge.shop, &found.checkout));
    // Who comes back by the way of success is on the point of being told so.
    let face = if face == Face::Unpaid && from.is_none() { Face::Waiting } else { face };
    Ok(page(tongue, found.as_ref(), face))
}

/// `GET /return/{token}/events`: the payment's state, whenever it changes.
pub async fn events(State(edge): State<Arc<Edge>>, Path(token): Path<String>) -> Result<Response, Problem> {
    let Some(found) = find(&edge, &token).await? else {
        return Err(Problem::not_found("there is no such order"));
    };
    let Some(place) = edge.live_pages.take(found.number) else {
        return Err(Problem::unavailable(
            "this order is followed on enough pages, or all together are too many; look again by yourself",
        ));
    };
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Event, Infallible>>(4);
    tokio::spawn(async move {
        let _place = place;
        let mut news = edge.shop.news.listen();
        let watch = Stopwatch::start();
        let mut told = "";
        let mut checkout = Some(found.checkout);
        while let Some(known) = checkout {
            let state = name_of(face(&edge.shop, &known));
            if state != told && sender.send(Ok(Event::default().event("state").data(state))).await.is_err() {
                return;
            }
            told = state;
            let draining = edge.draining.load(std::sync::atomic::Ordering::Relaxed);
            if draining || watch.elapsed() > Duration::from_secs(LIVE_SECONDS_MAX) {
                return;
            }
            tokio::select! {
                () = sender.closed() => return,
                _ = tokio::time::timeout(LOOK_PAUSE, news.hears_of(found.number)) => {}
            }
            checkout = find(&edge, &found.token).await.ok().flatten().map(|found| found.checkout);
        }
    });
    let stream = ReceiverStream(receiver);
    let mut response = Sse::new(stream).keep_alive(KeepAlive::default()).into_response();
    // A proxy in front must pass each event on as it comes.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Events as a stream.
struct ReceiverStream(tokio::sync::mpsc::Receiver<Result<Event, Infallible>>);

impl futures_core::Stream for ReceiverStream {
    type Item = Result<Event, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
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

pub(super) fn face(shop: &Shop, checkout: &Checkout) -> Face {
    let now = shop.clock.now();
    if checkout.waits_for_buyer(now) && checkout.payments.is_empty() {
        return Face::Ready;
    }
    if checkout.waits_for_buyer(now) || checkout.is_renewable(now) {
        return Face::Unpaid; // who asks to pay gets another payment
    }
    let is_closing =
        |payment: &Payment| payment.is_live() && payment.superseded.is_some() && checkout.on_demand;
    if checkout.next.is_some() && checkout.payments.iter().any(is_closing) {
        return Face::Closing;
    }
    match payment_document(shop, checkout).state {
        "requested" => Face::Preparing,
        "linked" => Face::Unpaid,
        "paid" => Face::Paid,
        "review" => Face::Review,
        "held" => Face::Held,
        "refunded" => Face::Refunded,
        "expired" => Face::Expired,
        "cancelled" => Face::Cancelled,
        _ => Face::Failed,
    }
}

pub(super) fn name_of(face: Face) -> &'static str {
    match face {
        Face::Preparing | Face::Closing => "preparing",
        Face::Ready | Face::Unpaid | Face::Waiting => "ready",
        Face::Paid => "paid",
        Face::Review => "review",
        Face::Held => "held",
        Face::Refunded => "refunded",
        Face::Expired => "expired",
        Face::Cancelled => "cancelled",
        Face::Failed => "failed",
        Face::Unknown => "unknown",
    }
}

pub(super) fn page(tongue: Tongue, found: Option<&Found>, face: Face) -> Response {
    let ways = found.map(|found| found.checkout.ways.clone()).unwrap_or_default();
    let token = found.map(|found| found.token.as_str()).unwrap_or_default();
    let to_shop = tongue.pick("Вернуться в магазин", "Back to the shop");
    let pay = Some((format!("/pay/{token}"), tongue.pick("Оплатить", "Pay")));
    let after_failure = ways.fail.clone().or(ways.back.clone()).map(|url| (url, to_shop));
    let (title, text) = words_of(face, tongue);
    let here = format!("/return/{token}");
    let (go, back, refresh) = match face {
        Face::Preparing => (None, after_failure, Some((3, format!("/pay/{token}")))),
        Face::Closing => (None, after_failure, Some((30, format!("/pay/{token}")))),
        Face::Ready | Face::Unpaid => (pay, after_failure, None),
        // Who has just paid is not asked to pay; who has not still finds the way.
        Face::Waiting => {
            let pay_page = tongue.pick("Открыть страницу оплаты", "Open the payment page");
            (None, Some((format!("/pay/{token}"), pay_page)), Some((5, here.clone())))
        }
        Face::Paid => {
            let way = ways.success.or(ways.back);
            let refresh = way.clone().map(|url| (4, url));
            (way.map(|url| (url, to_shop)), None, refresh)
        }
        Face::Held | Face::Review | Face::Refunded | Face::Expired | Face::Cancelled | Face::Failed => {
            (after_failure, None, None)
        }
        Face::Unknown => (None, None, None),
    };
    let is_open =
        matches!(face, Face::Ready | Face::Unpaid | Face::Waiting | Face::Preparing | Face::Closing);
    let asks = go.is_some()
        && matches!(face, Face::Ready | Face::Unpaid)
        && !found.is_some_and(|found| found.has_link);
    let sum = found.and_then(|found| found.checkout.sum_to_pay());
    let page = Page {
        lang: tongue.pick("ru", "en"),
        face: name_of(face),
        title,
        text,
        order: found.map_or_else(String::new, |found| {
            format!("{} {}", tongue.pick("Заказ", "Order"), found.external_id)
        }),
        sum: sum.map_or_else(String::new, |sum| tongue.sum(sum)),
        go,
        asks,
        back,
        refresh,
        live: is_open.then(|| (format!("{here}/events"), name_of(face))),
        live_note: tongue.pick("Страница следит за оплатой", "This page follows the payment"),
    };
    let status = match face {
        Face::Unknown => StatusCode::NOT_FOUND,
        Face::Preparing
        | Face::Closing
        | Face::Ready
        | Face::Unpaid
        | Face::Waiting
        | Face::Paid
        | Face::Review
        | Face::Held
        | Face::Refunded
        | Face::Expired
        | Face::Cancelled
        | Face::Failed => StatusCode::OK,
    };
    match page.render() {
        Ok(html) => guarded((status, html).into_response()),
        Err(why) => {
            tracing::error!(error = %why, "a buyer's page could not be shown");
            Problem::unavailable("the page could not be shown; try again").into_response()
        }
    }
}

/// A page's title and text.
pub(super) fn words_of(face: Face, tongue: Tongue) -> (&'static str, &'static str) {
    match face {
        Face::Preparing => tongue_pair(
            tongue,
            ("Готовим оплату", "Платёжная система отвечает дольше обычного. Страница обновится сама."),
            (
                "Preparing your payment",
                "The payment system is slower than usual. This page refreshes by itself.",
            ),
        ),
        Face::Closing => tongue_pair(
            tongue,
            (
                "Заказ изменился",
                "Прежний счёт ещё открыт у платёжной системы. Как только он закроется, не позже чем через час, здесь \
                 можно будет оплатить новый. Платить по прежнему не нужно.",
            ),
            (
                "The order has changed",
                "The payment system still has the earlier bill open. As soon as it is closed, within an hour, you can \
                 pay the new one here. Do not pay the earlier one.",
            ),
        ),
        Face::Ready => tongue_pair(
            tongue,
            ("Оплата заказа", "Кнопка откроет страницу платёжной системы."),
            ("Pay for your order", "The button opens the payment system's page."),
        ),
        Face::Unpaid => tongue_pair(
            tongue,
            ("Заказ не оплачен", "Платёжная система оплаты не подтвердила. Можно попробовать ещё раз."),
            ("Not paid yet", "The payment system has confirmed no payment. You can try again."),
        ),
        Face::Waiting => tongue_pair(
            tongue,
            ("Ждём подтверждения", "Как только платёжная система подтвердит оплату, мы покажем это здесь."),
            (
                "Waiting for confirmation",
                "As soon as the payment system confirms the payment, it will show here.",
            ),
        ),
        Face::Paid => tongue_pair(
            tongue,
            ("Заказ оплачен", "Спасибо! Магазин уже знает об оплате."),
            ("Paid", "Thank you! The shop has been told."),
        ),
        Face::Held => tongue_pair(
            tongue,
            (
                "Деньги зарезервированы",
                "Банк придержал сумму заказа. Магазин спишет её, когда соберёт заказ, и не больше.",
            ),
            (
                "Your money is reserved",
                "Your bank holds the sum. The shop takes it when the order is ready, and never more.",
            ),
        ),
        Face::Refunded => tongue_pair(
            tongue,
            ("Деньги возвращены", "Магазин вернул оплату. Банк зачислит её в ближайшие дни."),
            ("Paid back", "The shop has returned your payment. Your bank will credit it within days."),
        ),
        Face::Review => tongue_pair(
            tongue,
            (
                "Деньги получены",
                "Заказ за это время изменился. Магазин проверит оплату; платить ещё раз не нужно.",
            ),
            (
                "Your money has arrived",
                "The order has changed meanwhile. The shop is looking into it; do not pay again.",
            ),
        ),
        Face::Expired => tongue_pair(
            tongue,
            ("Срок оплаты истёк", "Оформите заказ в магазине заново."),
            ("The time to pay is over", "Please place the order in the shop again."),
        ),
        Face::Cancelled => tongue_pair(
            tongue,
            ("Заказ отменён", "Платить не нужно."),
            ("The order was cancelled", "There is nothing to pay."),
        ),
        Face::Failed => tongue_pair(
            tongue,
            ("Оплатить не получится", "Магазин видит, что случилось. Свяжитесь с ним, пожалуйста."),
            ("This cannot be paid", "The shop sees what happened. Please get in touch with it."),
        ),
        Face::Unknown => tongue_pair(
            tongue,
            ("Такой ссылки нет", "Проверьте адрес или откройте ссылку из магазина ещё раз."),
            ("There is no such link", "Check the address, or open the link from the shop again."),
        ),
    }
}

fn tongue_pair(
    tongue: Tongue,
    ru: (&'static str, &'static str),
    en: (&'static str, &'static str),
) -> (&'static str, &'static str) {
    match tongue {
        Tongue::Ru => ru,
        Tongue::En => en,
    }
}

/// The page's address is a secret of the buyer's: it is not cached, not indexed and not told to the next site, and the page
/// loads nothing from anywhere else.
pub(super) fn guarded(mut response: Response) -> Response {
    // The one form, a button, is answered with the way to the payment page: browsers want that way to be allowed too.
    const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
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
