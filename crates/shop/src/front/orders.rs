//! The client's orders.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;

use super::Front;
use super::account::day_and_minute;
use super::cart::{Order, ShownOrder};
use super::case::ShownDelivery;
use super::market::encoded;
use super::page::Frame;
use super::words::Words;
use crate::Refusal;
use crate::service_client::Caller;

#[derive(Template)]
#[template(path = "orders.html")]
struct List {
    frame: Frame,
    orders: Vec<Line>,
    /// The address of the page with earlier orders.
    older: Option<String>,
}

struct Line {
    order: ShownOrder,
    status: &'static str,
    at: String,
}

#[derive(Template)]
#[template(path = "order.html")]
struct Page {
    frame: Frame,
    line: Line,
    delivery: Option<ShownDelivery>,
}

#[derive(Debug, Deserialize)]
struct Orders {
    items: Vec<Order>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Part {
    cursor: Option<String>,
}

/// `GET /orders`
pub async fn list(
    State(front): State<Arc<Front>>,
    Query(part): Query<Part>,
    headers: HeaderMap,
) -> Response {
    match front.orders_page(part, &headers).await {
        Ok(Some(page)) => {
            let (visitor, _) = front.visitor(&headers);
            front.page(&page, StatusCode::OK, &visitor)
        }
        Ok(None) => Redirect::to("/login?next=/orders").into_response(),
        Err(refusal) => front.sorry(&refusal, &headers),
    }
}

/// `GET /orders/{id}`
pub async fn show(
    State(front): State<Arc<Front>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    match front.order_page(&id, &headers).await {
        Ok(Some(page)) => {
            let (visitor, _) = front.visitor(&headers);
            front.page(&page, StatusCode::OK, &visitor)
        }
        Ok(None) => Redirect::to("/login?next=/orders").into_response(),
        Err(refusal) => front.sorry(&refusal, &headers),
    }
}

impl Front {
    /// `None` without a session.
    async fn orders_page(&self, part: Part, headers: &HeaderMap) -> Result<Option<List>, Refusal> {
        let cursor = part.cursor.unwrap_or_default();
        let path = format!("/list?cursor={}", encoded(&cursor));
        let reply = self.order.call(Method::GET, &path, &Caller::of(headers, None), None).await?;
        match reply.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Ok(None),
            StatusCode::BAD_REQUEST => return Err(Refusal::NotFound),
            _ => return Err(Refusal::Unavailable),
        }
        let orders: Orders = reply.read()?;
        let orders_of = orders.items.into_iter().map(|order| self.line(order, headers));
        let older = orders.next_cursor.map(|next| format!("/orders?cursor={}", encoded(&next)));
        Ok(Some(List { orders: orders_of.collect(), older, frame: self.frame(headers) }))
    }

    /// `None` without a session.
    async fn order_page(&self, id: &str, headers: &HeaderMap) -> Result<Option<Page>, Refusal> {
        let path = format!("/get?orderId={}", encoded(id));
        let reply = self.order.call(Method::GET, &path, &Caller::of(headers, None), None).await?;
        match reply.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Ok(None),
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => return Err(Refusal::NotFound),
            _ => return Err(Refusal::Unavailable),
        }
        let order: Order = reply.read()?;
        // Without the service of deliveries the order is shown all the same;
        // the log has why.
        let delivery = self.delivery_of(&order, headers).await.ok().flatten();
        let line = self.line(order, headers);
        Ok(Some(Page { line, delivery, frame: self.frame(headers) }))
    }

    fn line(&self, order: Order, headers: &HeaderMap) -> Line {
        let at = day_and_minute(&order.created_at, &self.time_zone);
        let order = order.shown(self.language_of(headers));
        let status = meaning(&order.status, self.frame(headers).words);
        Line { order, status, at }
    }
}

/// What a status of the contract means for the client.
fn meaning(status: &str, words: &Words) -> &'static str {
    match status {
        "IN_PROGRESS" => words.status_in_progress,
        "COMPLETED" => words.status_completed,
        "FAILED" => words.status_failed,
        "CANCELED" => words.status_canceled,
        _ => words.status_new,
    }
}
