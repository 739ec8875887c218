//! Orders and their journals.

use axum::Json;
use axum::extract::{Path, Query};
use serde::{Deserialize, Serialize};

use super::hooks::HookEntry;
use super::outbox::MessageEntry;
use crate::dedup::JournalEntry;
use crate::flows::acknowledge_order::acknowledge_order;
use crate::flows::{OrderRecord, find_record, load_record};
use crate::http::AppState;
use crate::http::page::{List, PAGE_MAX, Paging, gather};
use crate::http::problem::Problem;
use crate::http::request::ApiRequest;
use crate::kernel::DocKey;
use crate::kernel::Document;
use crate::kernel::{ExternalId, PartyName, Timestamp};
use crate::orders::Number;
use crate::orders::{Movement, Order, State as OrderState};
use crate::outbox::Delivery;
use crate::payments::{Checkout, Entry as PaymentEntry};
use crate::store::{Cursor, Scan, Unavailable};
use crate::texts::WithText;
use crate::views::{OrderDocument, order_document};

/// How many pages of orders one request searches for orders that need
/// attention. After that the list ends early, and its cursor continues from
/// there.
const PAGES_LOOKED_AT_MAX: usize = 10;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    source: Option<String>,
    external_id: Option<String>,
    state: Option<OrderState>,
    store: Option<String>,
    /// Whether to list only orders that need attention.
    attention: Option<bool>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /admin/v1/orders`
pub async fn list(
    app: ApiRequest,
    query: Result<Query<Filter>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<List<OrderDocument>>, Problem> {
    let Query(filter) = query.map_err(|why| Problem::bad_request(why.body_text()))?;
    let paging = Paging { cursor: filter.cursor.clone(), limit: filter.limit };
    let fits = |order: &Order, document: &OrderDocument| {
        filter.source.as_deref().is_none_or(|source| order.source.as_str() == source)
            && filter.external_id.as_deref().is_none_or(|id| order.external_id.as_str() == id)
            && filter.state.is_none_or(|state| document.state() == state)
            && filter.store.as_deref().is_none_or(|store| document.store_id() == store)
    };
    // With source and external id an order is found directly.
    if let (Some(source), Some(external_id)) = (&filter.source, &filter.external_id) {
        let mut items = Vec::new();
        if let Some(external_id) = ExternalId::parse(external_id) {
            let source = PartyName::new(source.clone());
            let found = find_record(&app.services, &source, &external_id).await?;
            items.extend(found.and_then(|OrderRecord { order, checkout, .. }| {
                let document = order_document(app.frame(), &order, checkout.as_deref())?;
                let wanted = filter.attention.unwrap_or(false);
                Some(document).filter(|document| {
                    fits(&order, document) && (!wanted || document.needs_attention())
                })
            }));
        }
        return Ok(Json(List { items, next_cursor: None }));
    }
    let limit = paging.limit();
    let wanted = filter.attention.unwrap_or(false);
    let mut items = Vec::new();
    let mut next_cursor = filter.cursor.clone();
    for _ in 0..PAGES_LOOKED_AT_MAX {
        // Payments, and what needs attention, are in the checkouts: those of a
        // page are read together.
        let at_once = if wanted { PAGE_MAX } else { limit };
        let paging = Paging { cursor: next_cursor.take(), limit: Some(at_once) };
        let page = gather(&app.services.store, Order::KIND, &paging, |stored| {
            let order: Order = stored.document()?;
            let document =
                order_document(app.frame(), &order, None).filter(|document| fits(&order, document));
            Ok(document
                .map(|_| (Cursor::at(stored.body.listed_at, Order::key(order.number)), order)))
        });
        let List { items: found, next_cursor: next } = page.await?;
        let shown = documents(&app, found.iter().map(|(_, order)| order)).await?;
        for ((place, _), document) in found.iter().zip(shown) {
            items.extend(document.filter(|document| !wanted || document.needs_attention()));
            if items.len() == limit {
                return Ok(Json(List { items, next_cursor: Some(place.to_string()) }));
            }
        }
        next_cursor = next;
        if !wanted || next_cursor.is_none() {
            break;
        }
    }
    Ok(Json(List { items, next_cursor }))
}

/// Orders as they are shown, with their payments.
async fn documents<'a>(
    app: &ApiRequest,
    orders: impl Iterator<Item = &'a Order> + Clone,
) -> Result<Vec<Option<OrderDocument>>, Unavailable> {
    let keys: Vec<DocKey> = orders.clone().map(|order| Checkout::key(order.number)).collect();
    let found = app.services.store.load(&keys).await?;
    let shown = |(order, stored): (&Order, Option<crate::store::Stored>)| {
        let checkout: Option<Checkout> = stored.map(|stored| stored.document()).transpose()?;
        Ok(order_document(app.frame(), order, checkout.as_ref()))
    };
    orders.zip(found).map(shown).collect()
}

async fn load(app: &AppState, number: Number) -> Result<Option<Order>, Unavailable> {
    let stored = app.services.store.load(&[Order::key(number)]).await?.pop().flatten();
    Ok(stored.map(|stored| stored.document()).transpose()?)
}

fn number_in(path: &str) -> Result<Number, Problem> {
    path.parse().map_err(|why: crate::orders::NotANumber| Problem::bad_parameter(path, why))
}

/// `GET /admin/v1/orders/{number}`
pub async fn show(
    app: ApiRequest,
    Path(number): Path<String>,
) -> Result<Json<OrderDocument>, Problem> {
    let record = load_record(&app.services.store, number_in(&number)?).await?;
    let (order, checkout) = match record {
        Some(OrderRecord { order, checkout, .. }) => (Some(order), checkout),
        None => (None, None),
    };
    let document =
        order.as_ref().and_then(|order| order_document(app.frame(), order, checkout.as_deref()));
    document.map(Json).ok_or_else(|| match order {
        Some(_) => Problem::not_found(format!(
            "order {number} has not been created yet; its hooks are parked: see its journal"
        )),
        None => Problem::not_found(format!("there is no order {number}")),
    })
}

/// `POST /admin/v1/orders/{number}/seen`: a person has dealt with what needed
/// attention.
pub async fn seen(
    app: ApiRequest,
    Path(number): Path<String>,
) -> Result<Json<OrderDocument>, Problem> {
    if !acknowledge_order(&app.services, number_in(&number)?).await? {
        return Err(Problem::not_found(format!("there is no order {number}")));
    }
    tracing::info!(order = number, "the operator marked an order as seen");
    show(app, Path(number)).await
}

/// An entry of an order's journal.
#[derive(Debug, Serialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum JournalLine {
    Hook(Box<HookEntry>),
    /// A message of the outbox.
    Message(Box<MessageEntry>),
    /// An entry of its payment history.
    Payment(WithText<PaymentEntry>),
    /// A movement of goods.
    Movement {
        at: Timestamp,
        movement: Movement,
    },
}

/// `GET /admin/v1/orders/{number}/journal`: everything that happened to the
/// order, oldest first.
pub async fn journal(
    app: ApiRequest,
    Path(number): Path<String>,
) -> Result<Json<List<JournalLine>>, Problem> {
    let number = number_in(&number)?;
    app.duplicates.write(&app.services).await;
    let mut entries: Vec<(Timestamp, u8, JournalLine)> = Vec::new();
    let partition = number.partition();
    for (rank, kind) in [(0, JournalEntry::KIND), (1, Movement::KIND), (2, Delivery::KIND)] {
        let scan = Scan::Partition { partition, kind };
        for (_, stored) in app.services.store.scan(&scan).await?.items {
            let at = stored.body.listed_at;
            let entry = if kind == JournalEntry::KIND {
                let entry: JournalEntry = stored.document().map_err(Unavailable::from)?;
                JournalLine::Hook(Box::new(HookEntry::of(entry, app.language)))
            } else if kind == Delivery::KIND {
                let delivery: Delivery = stored.document().map_err(Unavailable::from)?;
                JournalLine::Message(Box::new(MessageEntry::of(delivery, app.language)))
            } else {
                JournalLine::Movement {
                    at,
                    movement: stored.document().map_err(Unavailable::from)?,
                }
            };
            entries.push((at, rank, entry));
        }
    }
    if let Some(checkout) =
        load_record(&app.services.store, number).await?.and_then(|record| record.checkout)
    {
        entries.extend(
            checkout.history.iter().cloned().map(|entry| {
                (entry.at, 3, JournalLine::Payment(WithText::of(entry, app.language)))
            }),
        );
    }
    if entries.is_empty() && load(&app, number).await?.is_none() {
        return Err(Problem::not_found(format!("there is no order {number}")));
    }
    entries.sort_by_key(|(at, rank, _)| (*at, *rank));
    Ok(Json(List {
        items: entries.into_iter().map(|(_, _, entry)| entry).collect(),
        next_cursor: None,
    }))
}
