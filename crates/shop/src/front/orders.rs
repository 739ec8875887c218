//! The client's orders.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;

use super::Front;
use super::account::day_and_minute;
use super::cart::{Order, ShownOrder};
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

pub(super) struct Line {
    pub order: ShownOrder,
    pub status: &'static str,
    pub at: String,
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

    pub(super) fn line(&self, order: Order, headers: &HeaderMap) -> Line {
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
