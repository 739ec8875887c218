//! Shows agreements on orders to the operator, who has been authenticated.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tillgate_kernel::{Language, ListName, Timestamp};
use tillgate_store::{Cursor, Scan, Unavailable};

use super::Orchestra;
use super::saga::Saga;
use crate::Refusal;
use crate::form::Fault;
use crate::order_id::OrderId;

/// How many agreements a page has.
pub const PAGE: usize = 100;

/// The states by which they are listed.
pub const STATES: &[&str] = &["open", "done", "over"];

/// An agreement in a list.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listed {
    pub order: String,
    pub stage: String,
    pub needs_person: bool,
    pub begun_at: Timestamp,
    pub since: Timestamp,
}

/// A page of agreements.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sagas {
    pub items: Vec<Listed>,
    pub next_cursor: Option<String>,
}

/// The routes for the operator.
pub fn routes_for_operator(orchestra: Arc<Orchestra>) -> Router {
    Router::new()
        .route("/orchestra/sagas", get(list))
        .route("/orchestra/sagas/{order}", get(show))
        .with_state(orchestra)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    state: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /orchestra/sagas`
async fn list(
    State(orchestra): State<Arc<Orchestra>>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    answer(listed(query, &orchestra).await)
}

async fn listed(
    query: Result<Query<Wanted>, QueryRejection>,
    orchestra: &Orchestra,
) -> Result<Sagas, Refusal> {
    let Query(Wanted { state, cursor, limit }) =
        query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    let lists: Vec<ListName> = match state.as_deref() {
        None => vec![Saga::open(), Saga::done(), Saga::over()],
        Some("open") => vec![Saga::open()],
        Some("done") => vec![Saga::done()],
        Some("over") => vec![Saga::over()],
        Some(_) => return Err(Refusal::of_field("state", Fault::NotAChoice(STATES))),
    };
    let read = |text: String| {
        text.parse::<Cursor>().map_err(|_| Refusal::of_field("cursor", Fault::NotACursor))
    };
    let after = cursor.map(read).transpose()?;
    let limit = limit.unwrap_or(PAGE).clamp(1, PAGE);
    let scan = Scan::Lists { lists, newest_first: true, after, limit };
    let page = orchestra.store.scan(&scan).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for (_, stored) in &page.items {
        let saga: Saga = stored.document().map_err(Unavailable::from)?;
        items.push(Listed {
            order: saga.order.to_string(),
            stage: saga.stage.as_str().to_owned(),
            needs_person: saga.needs_person,
            begun_at: saga.begun_at,
            since: saga.since,
        });
    }
    Ok(Sagas { items, next_cursor: page.next.map(|next| next.to_string()) })
}

/// `GET /orchestra/sagas/{order}`
async fn show(State(orchestra): State<Arc<Orchestra>>, Path(order): Path<String>) -> Response {
    let outcome = async {
        let order = OrderId::parse(&order).ok_or(Refusal::NotFound)?;
        orchestra.saga(order).await?.ok_or(Refusal::NotFound)
    };
    answer(outcome.await)
}

/// Commands word refusals in their own language.
fn answer(outcome: Result<impl Serialize, Refusal>) -> Response {
    match outcome {
        Ok(data) => axum::Json(data).into_response(),
        Err(refusal) => refusal.into_response_in(Language::En),
    }
}
