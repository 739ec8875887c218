//! The page of an order: what is in it, what has become of it, and what its
//! client can do next.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::Front;
use super::account::day_and_minute;
use super::cart::Order;
use super::case::ShownDelivery;
use super::checkout::Stop;
use super::market::encoded;
use super::orders::Line;
use super::page::Frame;
use super::pay::{Payment, lines_of, order_page};
use super::posted::Received;
use crate::Refusal;
use crate::formats::agreement::Reason;
use crate::refusal::is_kind;
use crate::service_client::{Caller, Reply};

/// How long a page waits before it looks again, in seconds.
const REFRESH_SECONDS: u32 = 2;

#[derive(Template)]
#[template(path = "order.html")]
struct Page {
    frame: Frame,
    token: String,
    line: Line,
    delivery: Option<ShownDelivery>,
    step: Step,
    /// After how many seconds the page looks again; 0 if it does not.
    refresh: u32,
    reason: String,
    short: Vec<Short>,
    /// What was refused just now.
    problem: Option<String>,
}

/// What the client can do next.
#[derive(PartialEq)]
enum Step {
    /// Nothing: the status says all.
    None,
    /// Confirm held money, until then.
    Confirm(String),
    /// Pay at the payment system.
    GoOn(String),
    /// It is looked whether the payment has come.
    Wait,
    /// The payment came to nothing: edit, or pay again.
    Retry,
    /// The order is being agreed on.
    Agreeing,
    /// Cancel what is agreed on.
    Paid,
    Canceling,
    TooLate,
    /// The order came to nothing: place it again.
    Again,
}

impl Step {
    /// How many seconds the page waits before it looks again.
    const fn refresh(&self) -> u32 {
        match self {
            Step::GoOn(_) | Step::Wait | Step::Agreeing | Step::Canceling => REFRESH_SECONDS,
            Step::None
            | Step::Confirm(_)
            | Step::Retry
            | Step::Paid
            | Step::TooLate
            | Step::Again => 0,
        }
    }
}

struct Short {
    name: String,
    wanted: u64,
    available: u64,
}

/// How far the agreement on an order is, beside the order itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    status: String,
    version: u64,
    reason: Option<String>,
    #[serde(default)]
    short: Vec<ShortItem>,
    withdrawal: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShortItem {
    product_name: String,
    wanted: u64,
    available: u64,
}

/// `GET /orders/{id}`
pub async fn show(
    State(front): State<Arc<Front>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    front.order_page(&id, &headers, None).await
}

/// `POST /orders/{id}/process`: confirms an order whose money is held.
pub async fn process(
    State(front): State<Arc<Front>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let received = front.receive(request).await;
    if !received.is_ours {
        return Redirect::to(&order_page(&id)).into_response();
    }
    let version = received.posted.get("version").trim().parse::<u64>();
    let Ok(version) = version else { return Redirect::to(&order_page(&id)).into_response() };
    match front.processed(&id, version, &received.caller).await {
        Ok(()) => Redirect::to(&order_page(&id)).into_response(),
        Err(Stop::Said(reply)) => front.order_with_problem(&id, &reply, &received).await,
        Err(stop) => front.stopped(stop, &received.headers),
    }
}

/// `POST /orders/{id}/cancel`: cancels an order.
pub async fn cancel(
    State(front): State<Arc<Front>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let received = front.receive(request).await;
    let page = order_page(&id);
    let version = received.posted.get("version").trim().parse::<u64>();
    let (true, Ok(version)) = (received.is_ours, version) else {
        return Redirect::to(&page).into_response();
    };
    let body = json!({"id": id, "version": version});
    let reply = front.order.call(Method::PUT, "/cancel", &received.caller, Some(&body)).await;
    match reply {
        Ok(reply) if reply.status == StatusCode::OK => Redirect::to(&page).into_response(),
        Ok(reply) if reply.status == StatusCode::UNAUTHORIZED => {
            Redirect::to("/login?next=/orders").into_response()
        }
        Ok(reply) => front.order_with_problem(&id, &reply, &received).await,
        // The page shows what has become of it.
        Err(Refusal::NotKnown) => Redirect::to(&page).into_response(),
        Err(refusal) => front.sorry(&refusal, &received.headers),
    }
}

/// `POST /orders/{id}/again`: puts what an order has into the basket.
pub async fn again(
    State(front): State<Arc<Front>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let received = front.receive(request).await;
    if !received.is_ours {
        return Redirect::to(&order_page(&id)).into_response();
    }
    match front.placed_again(&id, &received).await {
        Ok(()) => Redirect::to("/cart").into_response(),
        Err(Stop::Said(reply)) => front.order_with_problem(&id, &reply, &received).await,
        Err(stop) => front.stopped(stop, &received.headers),
    }
}

impl Front {
    async fn order_with_problem(&self, id: &str, reply: &Reply, received: &Received) -> Response {
        let said = reply.body()["detail"].as_str().unwrap_or_default().to_owned();
        self.order_page(id, &received.headers, Some((reply.status, said))).await
    }

    async fn order_page(
        &self,
        id: &str,
        headers: &HeaderMap,
        problem: Option<(StatusCode, String)>,
    ) -> Response {
        match self.order_shown(id, headers, problem.as_ref().map(|(_, text)| text.clone())).await {
            Ok(Some(page)) => {
                let (visitor, _) = self.visitor(headers);
                let status = problem.map_or(StatusCode::OK, |(status, _)| status);
                self.page(&page, status, &visitor)
            }
            Ok(None) => Redirect::to("/login?next=/orders").into_response(),
            Err(refusal) => self.sorry(&refusal, headers),
        }
    }

    /// `None` without a session.
    async fn order_shown(
        &self,
        id: &str,
        headers: &HeaderMap,
        problem: Option<String>,
    ) -> Result<Option<Page>, Refusal> {
        let caller = Caller::of(headers, None);
        let path = format!("/get?orderId={}", encoded(id));
        let reply = self.order.call(Method::GET, &path, &caller, None).await?;
        match reply.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Ok(None),
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => return Err(Refusal::NotFound),
            _ => return Err(Refusal::Unavailable),
        }
        let (order, progress): (Order, Progress) = (reply.read()?, reply.read()?);
        // Without these services the order is shown all the same; the log has
        // why.
        let delivery = self.delivery_of(&order, headers).await.ok().flatten();
        let payment = self.payment_of(&order.id, &caller).await.ok().flatten();
        let language = self.language_of(headers);
        let failed = payment.as_ref().and_then(|payment| payment.error_msg.clone());
        let reason = progress.reason.clone().or(failed);
        let reason = reason.as_deref().and_then(Reason::named).map(|one| one.text(language));
        let step = self.step(&progress, payment.as_ref());
        let short = |item: ShortItem| Short {
            name: item.product_name,
            wanted: item.wanted,
            available: item.available,
        };
        let (_, token) = self.visitor(headers);
        Ok(Some(Page {
            token,
            refresh: step.refresh(),
            step,
            reason: reason.unwrap_or_default().to_owned(),
            short: progress.short.into_iter().map(short).collect(),
            line: self.line(order, headers),
            delivery,
            problem,
            frame: self.frame(headers),
        }))
    }

    fn step(&self, progress: &Progress, payment: Option<&Payment>) -> Step {
        match (progress.status.as_str(), progress.withdrawal.as_deref()) {
            ("NEW", _) => {
                let Some(payment) = payment else { return Step::None };
                let is_current = payment.version == progress.version;
                match (payment.status.as_str(), &payment.redirect_url) {
                    ("HELD", _) if is_current => {
                        Step::Confirm(day_and_minute(&payment.until, &self.time_zone))
                    }
                    ("PENDING", Some(url)) if is_current => Step::GoOn(url.clone()),
                    ("PENDING" | "SUCCESS", _) => Step::Wait,
                    ("FAIL", _) => Step::Retry,
                    _ => Step::None,
                }
            }
            ("IN_PROGRESS", _) => Step::Agreeing,
            ("COMPLETED", Some("ASKED")) => Step::Canceling,
            ("COMPLETED", Some("REFUSED")) => Step::TooLate,
            ("COMPLETED", _) => Step::Paid,
            ("FAILED", _) => Step::Again,
            _ => Step::None,
        }
    }

    /// Puts what an order has into the basket.
    async fn placed_again(&self, id: &str, received: &Received) -> Result<(), Stop> {
        let caller = &received.caller;
        let path = format!("/get?orderId={}", encoded(id));
        let reply = self.order.call(Method::GET, &path, caller, None).await?;
        match reply.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err(Stop::To("/login?next=/orders")),
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => return Err(Refusal::NotFound.into()),
            _ => return Err(Refusal::Unavailable.into()),
        }
        let lines = lines_of(reply.body());
        let body = json!({"orderItems": lines});
        let placed = self.order.call(Method::POST, "/place", caller, Some(&body)).await?;
        if placed.status == StatusCode::OK {
            return Ok(());
        }
        if !is_kind(placed.body(), "stale-version") {
            return Err(Stop::Said(Box::new(placed)));
        }
        // There is a basket already: it gets these lines too.
        let basket = self.order.call(Method::GET, "/get", caller, None).await?;
        let (id, version) = (&basket.body()["id"], &basket.body()["version"]);
        let body = json!({"id": id, "version": version, "orderItems": lines});
        let set = self.order.call(Method::PUT, "/adjust", caller, Some(&body)).await?;
        if set.status == StatusCode::OK { Ok(()) } else { Err(Stop::Said(Box::new(set))) }
    }
}
