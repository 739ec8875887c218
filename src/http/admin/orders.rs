//! Orders and their journals.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, Query};
use serde::{Deserialize, Serialize};

use super::hooks::HookEntry;
use super::outbox::MessageEntry;
use crate::dedup::JournalEntry;
use crate::flows::acknowledge_order::acknowledge_order;
use crate::flows::parties::known_parties;
use crate::flows::{ListedOrder, OrderRecord, find_record, list_records, load_record};
use crate::http::AppState;
use crate::http::page::{self, List, Paging};
use crate::http::problem::Problem;
use crate::http::request::ApiRequest;
use crate::kernel::Document;
use crate::kernel::{ExternalId, PartyName, Timestamp};
use crate::orders::Number;
use crate::orders::{Movement, Order, State as OrderState, listing};
use crate::outbox::Delivery;
use crate::payments::{Checkout, Entry as PaymentEntry};
use crate::store::{Scan, Unavailable};
use crate::texts::WithText;
use crate::views::{OrderDocument, order_document};

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

impl Filter {
    fn fits(&self, document: &OrderDocument) -> bool {
        self.source.as_deref().is_none_or(|source| document.source().as_str() == source)
            && self.state.is_none_or(|state| document.state() == state)
            && self.store.as_deref().is_none_or(|store| document.store_id() == store)
            && (!self.wants_attention() || document.needs_attention())
    }

    fn wants_attention(&self) -> bool {
        self.attention.unwrap_or(false)
    }

    /// The names of the sources whose orders are wanted.
    async fn sources(&self, app: &AppState) -> Result<BTreeSet<PartyName>, Unavailable> {
        match &self.source {
            Some(source) => Ok(BTreeSet::from([PartyName::new(source.clone())])),
            None => known_parties(&app.services).await,
        }
    }
}

/// `GET /admin/v1/orders`. A page that is filtered by `store` or `attention`
/// can have fewer entries than `limit`.
pub async fn list(
    app: ApiRequest,
    query: Result<Query<Filter>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<List<OrderDocument>>, Problem> {
    let Query(filter) = query.map_err(|why| Problem::bad_request(why.body_text()))?;
    let paging = Paging { cursor: filter.cursor.clone(), limit: filter.limit };
    if let Some(external_id) = &filter.external_id {
        let items = with_external_id(&app, &filter, external_id).await?;
        return Ok(Json(List { items, next_cursor: None }));
    }
    let lists = if filter.wants_attention() {
        vec![listing::waiting_for_a_person()]
    } else {
        let states = filter.state.as_ref().map_or(&OrderState::ALL[..], std::slice::from_ref);
        let sources = filter.sources(&app).await?;
        let of_source = |source| states.iter().map(move |state| listing::in_state(source, *state));
        sources.iter().flat_map(of_source).collect()
    };
    let shows_all = filter.store.is_none() && !filter.wants_attention();
    let page = list_records(&app.services.store, &paging.scan(lists, shows_all)?).await?;
    let shown = |ListedOrder { key, at, record: OrderRecord { order, checkout } }: ListedOrder| {
        // An order that is in the list itself is not shown for its payments.
        let is_repeat = key.kind == Checkout::KIND && order.needs_attention();
        let document = order_document(app.frame(), &order, checkout.as_deref());
        (at, document.filter(|document| !is_repeat && filter.fits(document)))
    };
    let shown = page::prepare(page.items, shown).await;
    Ok(Json(List::of(shown, page.next, paging.limit())))
}

/// The orders with a sender's number: those of one source, or one of each.
async fn with_external_id(
    app: &ApiRequest,
    filter: &Filter,
    external_id: &str,
) -> Result<Vec<OrderDocument>, Unavailable> {
    let Some(external_id) = ExternalId::parse(external_id) else { return Ok(Vec::new()) };
    let mut items = Vec::new();
    for source in filter.sources(app).await? {
        let found = find_record(&app.services, &source, &external_id).await?;
        let document = found.and_then(|OrderRecord { order, checkout }| {
            order_document(app.frame(), &order, checkout.as_deref())
        });
        items.extend(document.filter(|document| filter.fits(document)));
    }
    Ok(items)
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
