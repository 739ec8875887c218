//! Messages that wait or are dead letters, and what the operator can do with
//! them.

use std::fmt;
use std::str::FromStr;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use serde::{Deserialize, Serialize};

use crate::flows::effects::{CALLBACKS, Task, parties_of};
use crate::flows::marketplace_update::MARKETPLACES;
use crate::flows::settle_delivery::{self, DeliveryChange};
use crate::flows::stored::{is_of_the_shop, lanes, named_lane};
use crate::http::page::{List, PAGE_DEFAULT, PAGE_MAX};
use crate::http::problem::Problem;
use crate::http::request::ApiRequest;
use crate::kernel::{Failure, Timestamp};
use crate::notify::{self, PickerMessage};
use crate::orders::FulfilmentUpdate;
use crate::outbox::NotAMessageId;
use crate::outbox::{Delivery, DeliveryState};
use crate::outbox::{Lane, MessageId};
use crate::payments::WATCH_LANE;
use crate::store::{Cursor, NotACursor, Scan, Unavailable};
use crate::texts::{Language, MessageSubject, PaymentCall, WithText};

/// A lane, written as its name.
#[derive(Debug, Clone, Copy)]
struct LaneName(Lane);

impl fmt::Display for LaneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LaneName {
    type Err = NotALane;

    fn from_str(name: &str) -> Result<LaneName, NotALane> {
        lanes().find(|lane| lane.name() == Some(name)).map(LaneName).ok_or(NotALane)
    }
}

impl Serialize for LaneName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LaneName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<LaneName, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The text is not the name of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no lane has this name: use one of {}", lanes().map(|lane| lane.to_string()).collect::<Vec<_>>().join(", "))]
struct NotALane;

/// A message in a list.
#[derive(Debug, Serialize)]
pub struct MessageEntry {
    id: MessageId,
    lane: LaneName,
    queue: String,
    /// What it is, and who receives it.
    subject: WithText<MessageSubject>,
    state: &'static str,
    created_at: Timestamp,
    /// When it will be tried next, or when it was sent, died or was dropped.
    at: Timestamp,
    attempts: u32,
    last_error: Option<WithText<Failure>>,
    body: serde_json::Value,
}

impl MessageEntry {
    #[must_use]
    pub fn of(delivery: Delivery, language: Language) -> MessageEntry {
        let at = match delivery.state {
            DeliveryState::Pending { due: at }
            | DeliveryState::Sent { at }
            | DeliveryState::Dead { at }
            | DeliveryState::Dropped { at } => at,
        };
        let subject = WithText::of(subject_of(&delivery), language);
        let body = serde_json::from_str(&delivery.body)
            .unwrap_or(serde_json::Value::String(delivery.body));
        MessageEntry {
            id: delivery.id,
            lane: LaneName(named_lane(delivery.lane)),
            queue: delivery.queue,
            subject,
            state: delivery.state.as_str(),
            created_at: delivery.created_at,
            at,
            attempts: delivery.attempts,
            last_error: delivery.last_error.map(|error| WithText::of(error, language)),
            body,
        }
    }
}

/// What a message is, by its lane and its body.
fn subject_of(delivery: &Delivery) -> MessageSubject {
    #[derive(Deserialize)]
    struct Callback {
        #[serde(rename = "type")]
        event: String,
    }
    #[derive(Deserialize)]
    struct ServiceMessage {
        format: u16,
    }
    let (lane, queue, body) = (delivery.lane, delivery.queue.clone(), delivery.body.as_str());
    let found = if lane == notify::LANE {
        serde_json::from_str(body).ok().map(|message: PickerMessage| {
            MessageSubject::PickerMessage { store_id: message.store_id }
        })
    } else if lane == CALLBACKS {
        serde_json::from_str(body).ok().map(|callback: Callback| MessageSubject::Callback {
            merchant: queue,
            event: callback.event,
        })
    } else if lane == MARKETPLACES {
        serde_json::from_str(body).ok().map(|update: FulfilmentUpdate| {
            MessageSubject::FulfilmentUpdate { source: queue, event: update.kind.as_str().into() }
        })
    } else if is_of_the_shop(lane) {
        // A letter's body is empty: its notice says what it is.
        let message = serde_json::from_str(body).ok();
        Some(message.map_or(MessageSubject::Letter, |ServiceMessage { format }| {
            MessageSubject::ServiceMessage { format }
        }))
    } else {
        serde_json::from_str(body).ok().map(|task: Task| {
            let (call, subject) = match task {
                Task::Payment { payment } | Task::Look { payment } => {
                    (PaymentCall::Payment, payment.to_string())
                }
                Task::PendingUpdate { payment } => (PaymentCall::Update, payment.to_string()),
                Task::Operation { operation } => (PaymentCall::Operation, operation.to_string()),
                Task::Refunds { payment } => (PaymentCall::Refunds, payment.to_string()),
            };
            let (gateway, _) = parties_of(&queue);
            MessageSubject::PaymentCall { gateway: gateway.to_string(), call, subject }
        })
    };
    found.unwrap_or(MessageSubject::Unknown)
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
    lane: Option<LaneName>,
    state: Option<Wanted>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Where a page begins: in which list, and after which position of it.
struct Start {
    list: (Lane, bool),
    after: Option<Cursor>,
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lane, dead) = self.list;
        write!(f, "{lane}.{}.", if dead { "dead" } else { "pending" })?;
        self.after.as_ref().map_or(Ok(()), |after| after.fmt(f))
    }
}

impl FromStr for Start {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Start, NotACursor> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(NotACursor);
        let lane = part()?;
        let LaneName(lane) = lane.parse().map_err(|_| NotACursor)?;
        let dead = match part()? {
            "dead" => true,
            "pending" => false,
            _ => return Err(NotACursor),
        };
        let after = part()?;
        let after: Option<Cursor> = if after.is_empty() { None } else { Some(after.parse()?) };
        if after.as_ref().is_some_and(|after| after.queue().is_none()) {
            return Err(NotACursor);
        }
        Ok(Start { list: (lane, dead), after })
    }
}

/// `GET /admin/v1/outbox`: without `state`, dead messages come first in each
/// lane; without `lane`, pending look-ups are left out.
pub async fn list(
    app: ApiRequest,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<List<MessageEntry>>, Problem> {
    let Query(filter) = query.map_err(|why| Problem::bad_request(why.body_text()))?;
    let limit = filter.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let start = filter.cursor.as_deref().map(Start::from_str).transpose();
    let start = start.map_err(|why| Problem::bad_parameter("cursor", why))?;
    let lanes = filter.lane.map_or_else(|| lanes().collect(), |LaneName(lane)| vec![lane]);
    let sides: &[bool] = match filter.state {
        Some(Wanted::Pending) => &[false],
        Some(Wanted::Dead) => &[true],
        None => &[true, false],
    };
    // Look-ups that wait for their time are routine: they are shown if their
    // lane is asked for.
    let is_shown =
        |(lane, dead): &(Lane, bool)| filter.lane.is_some() || *dead || *lane != WATCH_LANE;
    // The lists are concatenated.
    let lists: Vec<_> = lanes
        .iter()
        .flat_map(|lane| sides.iter().map(|&dead| (*lane, dead)))
        .filter(is_shown)
        .collect();
    let (mut first, mut after) = (0, None);
    if let Some(start) = start {
        let position = lists.iter().position(|list| *list == start.list);
        first = position.ok_or_else(|| Problem::bad_parameter("cursor", NotACursor))?;
        after = start.after;
    }
    let mut items = Vec::new();
    for &(lane, dead) in &lists[first..] {
        let room = limit - items.len();
        let scan =
            Scan::Outbox { lane, dead, queue: None, after: after.take(), limit: room.max(1) };
        let page = app.services.store.scan(&scan).await?;
        if room == 0 && !page.items.is_empty() {
            let next_cursor = Some(Start { list: (lane, dead), after: None }.to_string());
            return Ok(Json(List { items, next_cursor }));
        }
        for (_, stored) in page.items {
            let delivery: Delivery = stored.document().map_err(Unavailable::from)?;
            items.push(MessageEntry::of(delivery, app.language));
        }
        if let Some(after) = page.next {
            let next_cursor = Some(Start { list: (lane, dead), after: Some(after) }.to_string());
            return Ok(Json(List { items, next_cursor }));
        }
    }
    Ok(Json(List { items, next_cursor: None }))
}

/// `POST /admin/v1/outbox/{id}/retry`: tries the message at once. Its retry
/// period starts again.
pub async fn retry(app: ApiRequest, Path(id): Path<String>) -> Result<Json<MessageEntry>, Problem> {
    change_delivery(&app, &id, |delivery, _| match delivery.state {
        DeliveryState::Pending { .. } => Ok(DeliveryChange::Woken(delivery)),
        DeliveryState::Dead { .. } | DeliveryState::Dropped { .. } => {
            Ok(settle_delivery::begun_again(delivery))
        }
        DeliveryState::Sent { at } => {
            Err(Problem::conflict(format!("the message was already sent at {at}")))
        }
    })
    .await
}

/// `POST /admin/v1/outbox/{id}/drop`: the message is not sent.
pub async fn drop_message(
    app: ApiRequest,
    Path(id): Path<String>,
) -> Result<Json<MessageEntry>, Problem> {
    change_delivery(&app, &id, |delivery, now| match delivery.state {
        DeliveryState::Pending { .. }
        | DeliveryState::Dead { .. }
        | DeliveryState::Dropped { .. } => Ok(DeliveryChange::Kept(Delivery {
            state: DeliveryState::Dropped { at: now },
            ..delivery
        })),
        DeliveryState::Sent { at } => {
            Err(Problem::conflict(format!("the message was already sent at {at}")))
        }
    })
    .await
}

async fn change_delivery(
    app: &ApiRequest,
    id: &str,
    change: impl Fn(Delivery, Timestamp) -> Result<DeliveryChange, Problem>,
) -> Result<Json<MessageEntry>, Problem> {
    let id: MessageId =
        id.parse().map_err(|why: NotAMessageId| Problem::bad_parameter("message", why))?;
    let changed = settle_delivery::change_delivery(&app.services, id, change).await?;
    let changed = changed.ok_or_else(|| Problem::not_found(format!("there is no message {id}")))?;
    let changed = changed?;
    tracing::info!(
        message.id = %id,
        state = changed.state.as_str(),
        "the operator changed a message of the outbox"
    );
    Ok(Json(MessageEntry::of(changed, app.language)))
}
