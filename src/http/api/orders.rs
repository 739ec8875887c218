//! How orders stand: one, and the list.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Caller;
use super::describe::{Found, Refusals};
use crate::flows::{OrderRecord, find_record, load_record};
use crate::http::number_in;
use crate::http::page::{List, Paging, gather};
use crate::http::problem::Problem;
use crate::http::reply::with_revision;
use crate::http::request::ApiRequest;
use crate::kernel::{Document, ExternalId, PartyName};
use crate::orders::{Number, Order, State as OrderState};
use crate::payments::Checkout;
use crate::store::Unavailable;
use crate::views::schema::ExternalIdText;
use crate::views::{MerchantOrder, merchant_order};

/// Shows an order.
#[utoipa::path(
    get, path = "/v1/orders/{id}", operation_id = "showOrder", tag = "orders",
    params(("id" = Number, Path, description = "The order's `id`.")),
    responses(
        (status = OK, body = MerchantOrder, description = "The order as it is now.", headers(("ETag" = String, description = "It is another after every change."))),
        Refusals, Found,
    ),
)]
pub async fn show(
    edge: ApiRequest,
    Path(id): Path<String>,
    Extension(Caller(merchant)): Extension<Caller>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found(format!("there is no order {id} of yours"));
    let number = number_in(&id)?.ok_or_else(missing)?;
    let record = load_record(&edge.shop.store, number).await?;
    let own = record.filter(|record| record.order.source == merchant);
    let found =
        own.and_then(|OrderRecord { order, checkout, .. }| merchant_order(edge.frame(), &order, &*checkout?));
    found.map(with_revision).ok_or_else(missing)
}

/// What a site's list can be narrowed by.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The one under your number.
    #[param(value_type = Option<ExternalIdText>)]
    merchant_order_id: Option<String>,
    /// Those that stand so.
    state: Option<OrderState>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Entries of a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// Lists your orders, the latest first.
#[utoipa::path(
    get, path = "/v1/orders", operation_id = "listOrders", tag = "orders", params(Filter),
    responses((status = OK, body = List<MerchantOrder>, description = "A page of orders, the latest first."), Refusals),
)]
pub async fn list(
    edge: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<List<MerchantOrder>>, Problem> {
    let Query(filter) = query.map_err(|why| Problem::bad_request(why.body_text()))?;
    let fits = |shown: &MerchantOrder| filter.state.is_none_or(|state| shown.state == state);
    if let Some(id) = &filter.merchant_order_id {
        let found = find(&edge, &merchant, id).await?;
        return Ok(Json(List { items: found.into_iter().filter(fits).collect(), next_cursor: None }));
    }
    let paging = Paging { cursor: filter.cursor.clone(), limit: filter.limit };
    let numbers = gather(&edge.shop.store, Order::KIND, &paging, |stored| {
        let order: Order = stored.document()?;
        Ok((order.source == merchant).then_some(order))
    });
    let List { items, next_cursor } = numbers.await?;
    let mut shown_items = Vec::with_capacity(items.len());
    for order in items {
        let stored = edge.shop.store.load(&[Checkout::key(order.number)]).await?.pop().flatten();
        let checkout: Option<Checkout> =
            stored.map(|stored| stored.document()).transpose().map_err(Unavailable::from)?;
        shown_items.extend(
            checkout.and_then(|checkout| merchant_order(edge.frame(), &order, &checkout)).filter(fits),
        );
    }
    Ok(Json(List { items: shown_items, next_cursor }))
}

async fn find(
    edge: &ApiRequest,
    merchant: &PartyName,
    id: &str,
) -> Result<Option<MerchantOrder>, Unavailable> {
    let Some(id) = ExternalId::parse(id) else { return Ok(None) };
    let found = find_record(&edge.shop, merchant, &id).await?;
    Ok(found
        .and_then(|OrderRecord { order, checkout, .. }| merchant_order(edge.frame(), &order, &*checkout?)))
}
