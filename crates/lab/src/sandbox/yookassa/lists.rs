//! Lists of payments, refunds and receipts.

use std::sync::Weak;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::sandbox::World;
use crate::sandbox::form::pairs;
use crate::sandbox::ledger::Dialect;
use crate::sandbox::ledger::Done;
use crate::sandbox::trouble::Call;
use tillgate_kernel::Timestamp;

use super::document::refund_of;
use super::document::shown;
use super::invalid;
use super::money::receipt_of;

/// One page of the results, with the cursor of the next page.
pub(super) fn page(found: Vec<Value>, pairs: &[(&str, &str)]) -> Value {
    let asked =
        |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let limit =
        asked("limit").and_then(|limit| limit.parse().ok()).unwrap_or(10_usize).clamp(1, 100);
    let start = asked("cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(0_usize);
    let more = found.len() > start.saturating_add(limit);
    let items: Vec<Value> = found.into_iter().skip(start).take(limit).collect();
    let mut page = json!({"type": "list", "items": items});
    if more {
        page["next_cursor"] = json!((start + limit).to_string());
    }
    page
}

pub(super) async fn list(
    State(world): State<Weak<World>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let work = |world: &World, _| {
        let query = query.unwrap_or_default();
        let pairs = pairs(&query);
        let since = pairs.iter().find(|(name, _)| *name == "created_at.gte");
        let since: Option<Timestamp> = since
            .map(|(_, at)| at.parse())
            .transpose()
            .map_err(|_| invalid("Incorrect time", "created_at.gte"))?;
        let ledger = world.ledger();
        let own = ledger.entries().iter().filter(|entry| entry.dialect == Dialect::Yookassa);
        // The latest first, as at YooKassa.
        let found = own.rev().filter(|entry| since.is_none_or(|since| entry.created_at >= since));
        Ok(page(found.map(|entry| shown(world, &ledger, entry)).collect(), &pairs))
    };
    Dialect::Yookassa.answer(&world, Call::Other, &headers, work).await
}

pub(super) async fn refunds(
    State(world): State<Weak<World>>,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    list_done(&world, query, &headers, "refund", refund_of).await
}

pub(super) async fn receipts(
    State(world): State<Weak<World>>,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    list_done(&world, query, &headers, "receipt", receipt_of).await
}

pub(super) async fn list_done(
    world: &Weak<World>,
    RawQuery(query): RawQuery,
    headers: &HeaderMap,
    kind: &'static str,
    show: fn(&Done) -> Value,
) -> Response {
    let work = |world: &World, _| {
        let query = query.unwrap_or_default();
        let pairs = pairs(&query);
        let payment = pairs.iter().find(|(name, _)| *name == "payment_id").map(|(_, id)| *id);
        let ledger = world.ledger();
        let fits = |done: &&Done| done.kind == kind && payment.is_none_or(|id| done.order == id);
        Ok(page(ledger.done().iter().filter(fits).map(show).collect(), &pairs))
    };
    Dialect::Yookassa.answer(world, Call::Other, headers, work).await
}
