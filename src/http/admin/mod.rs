//! The admin API, under `/admin/v1`: what the console and the command line use.
//!
//! Lists are pages, the latest first: `{"items":[…],"next_cursor":"…"}`, with `cursor` for the next page
//! and `limit` for its size.

mod hooks;
mod orders;
mod outbox;
mod payments;
mod stock;
mod tidings;

use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Problem;
use super::{Edge, log};
use crate::store::{Cursor, NotACursor, Scan, Unavailable};

/// The routes. Each needs the admin token.
pub fn routes(edge: &Arc<Edge>) -> Router<Arc<Edge>> {
    Router::new()
        .route("/orders", get(orders::list))
        .route("/orders/{number}", get(orders::show))
        .route("/orders/{number}/journal", get(orders::journal))
        .route("/orders/{number}/seen", post(orders::seen))
        .route("/orders/{number}/tell", post(tidings::tell))
        .route("/hooks", get(hooks::list))
        .route("/hooks/{id}", get(hooks::show))
        .route("/hooks/{id}/replay", post(hooks::replay))
        .route("/payments/{id}/accept", post(payments::accept))
        .route("/payments/{id}/refund", post(payments::refund))
        .route("/payments/{id}/look", post(payments::look))
        .route("/payments/{id}/retry", post(payments::retry))
        .route("/payments/{id}/drop", post(payments::drop_it))
        .route("/payments/{id}/done", post(payments::done))
        .route("/outbox", get(outbox::list))
        .route("/outbox/{id}/retry", post(outbox::retry))
        .route("/outbox/{id}/drop", post(outbox::drop_message))
        .route("/stock", get(stock::list).put(stock::set))
        .route_layer(middleware::from_fn_with_state(Arc::clone(edge), require_token))
}

async fn require_token(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let Some(tokens) = &edge.admin else {
        let detail = "the admin API is off: set admin_token in tillgate.toml";
        return Problem::not_configured(detail).into_response();
    };
    let mut values = request.headers().get_all(header::AUTHORIZATION).iter();
    let bearer = match (values.next(), values.next()) {
        (Some(value), None) => super::bearer(value),
        (_, _) => None,
    };
    if bearer.is_some_and(|token| tokens.accept(token)) {
        let mut response = log::whole(None, request, next).await;
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    } else {
        edge.refuse_log_in("admin", request.headers());
        Problem::unauthorized("send the admin token: Authorization: Bearer <admin_token>").into_response()
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// Entries of a page unless `limit` says otherwise, and at most.
pub(super) const PAGE_DEFAULT: usize = 50;
pub(super) const PAGE_MAX: usize = 500;

/// Documents that a filtered list looks at for one page. When they are used up the page ends early, and its
/// cursor goes on from there.
const LOOKED_AT_MAX: usize = 5000;

/// What every list takes.
#[derive(Debug, Default, Deserialize)]
pub struct Paging {
    pub(super) cursor: Option<String>,
    pub(super) limit: Option<usize>,
}

impl Paging {
    fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        let read = self.cursor.as_deref().map(Cursor::from_str).transpose();
        let of_list = read.and_then(|cursor| match &cursor {
            Some(elsewhere) if elsewhere.queue().is_some() => Err(NotACursor),
            Some(_) | None => Ok(cursor),
        });
        of_list.map_err(|why| Problem::bad_parameter("cursor", why))
    }

    fn limit(&self) -> usize {
        self.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX)
    }
}

/// Gathers one page of a filtered list: walks documents of a kind, the latest first, and keeps what `keep`
/// makes of them.
pub(super) async fn gather<T>(
    edge: &Edge,
    kind: crate::kernel::Kind,
    paging: &Paging,
    mut keep: impl FnMut(&crate::store::Stored) -> Result<Option<T>, Unavailable>,
) -> Result<List<T>, Problem> {
    let (limit, mut after) = (paging.limit(), paging.cursor()?);
    let mut items = Vec::new();
    let mut looked_at = 0;
    loop {
        let looked_at_once = PAGE_MAX.min(limit * 2);
        let scan = Scan::Listed { kind, newest_first: true, after: after.clone(), limit: looked_at_once };
        let page = edge.shop.store.scan(&scan).await?;
        for (key, stored) in &page.items {
            looked_at += 1;
            after = Some(Cursor::at(stored.body.listed_at, *key));
            items.extend(keep(stored)?);
            if items.len() == limit {
                return Ok(List { items, next_cursor: after.map(|after| after.to_string()) });
            }
        }
        if page.next.is_none() {
            return Ok(List { items, next_cursor: None });
        }
        if looked_at >= LOOKED_AT_MAX {
            return Ok(List { items, next_cursor: after.map(|after| after.to_string()) });
        }
    }
}
