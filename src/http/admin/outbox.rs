//! Messages that wait or have died, and what an operator can do about them.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};

use super::{List, PAGE_DEFAULT, PAGE_MAX};
use crate::flows::tend_delivery;
use crate::http::Edge;
use crate::http::problem::Problem;
use crate::kernel::message::NotAMessageId;
use crate::kernel::{Lane, MessageId, Timestamp};
use crate::store::{Delivery, DeliveryState, Scan, Unavailable};

/// A message as it is listed.
#[derive(Debug, Serialize)]
pub struct MessageEntry {
    id: MessageId,
    lane: Lane,
    queue: String,
    state: &'static str,
    created_at: Timestamp,
    /// When it is tried next, was sent, died or was dropped.
    at: Timestamp,
    attempts: u32,
    last_error: Option<String>,
    body: serde_json::Value,
}

impl MessageEntry {
    /// Shows a message.
    #[must_use]
    pub fn of(delivery: Delivery) -> MessageEntry {
        let at = match delivery.state {
            DeliveryState::Pending { due: at }
            | DeliveryState::Sent { at }
            | DeliveryState::Dead { at }
            | DeliveryState::Dropped { at } => at,
        };
        let body = serde_json::from_str(&delivery.body).unwrap_or(serde_json::Value::String(delivery.body));
        MessageEntry {
            id: delivery.id,
            lane: delivery.lane,
            queue: delivery.queue,
            state: delivery.state.as_str(),
            created_at: delivery.created_at,
            at,
            attempts: delivery.attempts,
            last_error: delivery.last_error,
            body,
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    Pending,
    Dead,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    lane: Option<Lane>,
    state: Option<Wanted>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /admin/v1/outbox`. Without a state, the dead come first.
pub async fn list(
    State(edge): State<Arc<Edge>>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<List<MessageEntry>>, Problem> {
    let Query(filter) = query.map_err(|why| Problem::bad_request(why.body_text()))?;
    let limit = filter.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let start: usize = match &filter.cursor {
        Some(cursor) => {
            cursor.parse().map_err(|_| Problem::bad_parameter("cursor", crate::store::NotACursor))?
        }
        None => 0,
    };
    let lanes = filter.lane.map_or_else(|| Lane::ALL.to_vec(), |lane| vec![lane]);
    let sides = match filter.state {
        Some(Wanted::Pending) => vec![false],
        Some(Wanted::Dead) => vec![true],
        None => vec![true, false],
    };
    // The lists are laid end to end and walked by place.
    let mut items = Vec::new();
    let mut skip = start;
    for lane in lanes {
        for &dead in &sides {
            let wanted = limit + 1 - items.len();
            let scan = Scan::Outbox { lane, dead, skip: 0, limit: skip.saturating_add(wanted) };
            let found = edge.shop.store.scan(&scan).await?.items;
            let skipped = skip.min(found.len());
            for (_, stored) in found.into_iter().skip(skipped) {
                let delivery: Delivery = stored.document().map_err(Unavailable::from)?;
                items.push(MessageEntry::of(delivery));
            }
            skip -= skipped;
        }
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = more.then(|| (start + items.len()).to_string());
    Ok(Json(List { items, next_cursor }))
}

/// `POST /admin/v1/outbox/{id}/retry`: to be tried at once, with all its time before it again.
pub async fn retry(
    State(edge): State<Arc<Edge>>,
    Path(id): Path<String>,
) -> Result<Json<MessageEntry>, Problem> {
    alter(&edge, &id, |delivery, now| match delivery.state {
        DeliveryState::Pending { .. } => {
            Ok(Delivery { state: DeliveryState::Pending { due: now }, ..delivery })
        }
        DeliveryState::Dead { .. } | DeliveryState::Dropped { .. } => {
            Ok(tend_delivery::begun_anew(delivery, now))
        }
        DeliveryState::Sent { at } => Err(Problem::conflict(format!("the message was sent at {at}"))),
    })
    .await
}

/// `POST /admin/v1/outbox/{id}/drop`: need not be sent.
pub async fn drop_message(
    State(edge): State<Arc<Edge>>,
    Path(id): Path<String>,
) -> Result<Json<MessageEntry>, Problem> {
    alter(&edge, &id, |delivery, now| match delivery.state {
        DeliveryState::Pending { .. } | DeliveryState::Dead { .. } | DeliveryState::Dropped { .. } => {
            Ok(Delivery { state: DeliveryState::Dropped { at: now }, ..delivery })
        }
        DeliveryState::Sent { at } => Err(Problem::conflict(format!("the message was sent at {at}"))),
    })
    .await
}

async fn alter(
    edge: &Edge,
    id: &str,
    change: impl Fn(Delivery, Timestamp) -> Result<Delivery, Problem>,
) -> Result<Json<MessageEntry>, Problem> {
    let id: MessageId = id.parse().map_err(|why: NotAMessageId| Problem::bad_parameter("message", why))?;
    let changed = tend_delivery::alter(&edge.shop, id, change).await?;
    let changed = changed.ok_or_else(|| Problem::not_found(format!("there is no message {id}")))?;
    let changed = changed?;
    tracing::info!(message.id = %id, state = changed.state.as_str(), "a message was changed by the operator");
    Ok(Json(MessageEntry::of(changed)))
}
