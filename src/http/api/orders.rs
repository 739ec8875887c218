//! Reads orders: one, or a list.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Caller;
use super::describe::{Found, Refusals};
use crate::flows::{ListedOrder, OrderRecord, find_record, list_records, load_record};
use crate::http::number_in;
use crate::http::page::{self, List, Paging};
use crate::http::problem::Problem;
use crate::http::reply::with_revision;
use crate::http::request::ApiRequest;
use crate::kernel::{ExternalId, PartyName};
use crate::orders::{Number, State as OrderState, listing};
use crate::store::Unavailable;
use crate::views::schema::ExternalIdText;
use crate::views::{MerchantOrder, merchant_order};

/// Shows one of your orders.
#[utoipa::path(
    get, path = "/v1/orders/{id}", operation_id = "showOrder", tag = "orders",
    params(("id" = Number, Path, description = "The `id` of the order, twelve digits.")),
    responses(
        (status = OK, body = MerchantOrder,
         description = "The order in its current state.",
         headers(("ETag" = String, description = "The tag of the order; it changes with every \
             change of the order's content. Send it in `If-Match`."))),
        Refusals, Found,
    ),
)]
pub async fn show(
    app: ApiRequest,
    Path(id): Path<String>,
    Extension(Caller(merchant)): Extension<Caller>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found(format!("there is no order {id} of yours"));
    let number = number_in(&id)?.ok_or_else(missing)?;
    let record = load_record(&app.services.store, number).await?;
    let own = record.filter(|record| record.order.source == merchant);
    let found = own.and_then(|OrderRecord { order, checkout, .. }| {
        merchant_order(app.frame(), &order, &*checkout?)
    });
    found.map(with_revision).ok_or_else(missing)
}

/// Filters for the list of a site's orders.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Only the order with this number of yours.
    #[param(value_type = Option<ExternalIdText>)]
    merchant_order_id: Option<String>,
    /// Only orders in this state.
    state: Option<OrderState>,
    /// The `next_cursor` of the previous page.
    cursor: Option<String>,
    /// The number of entries on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// Lists your orders, newest first.
///
/// A page can have fewer entries than `limit`, even none: read on as long as
/// `next_cursor` is not null.
#[utoipa::path(
    get, path = "/v1/orders", operation_id = "listOrders", tag = "orders", params(Filter),
    responses((status = OK, body = List<MerchantOrder>, description = "A page of orders, newest \
        first."), Refusals),
)]
pub async fn list(
    app: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<List<MerchantOrder>>, Problem> {
    let Query(filter) = query.map_err(|why| Problem::bad_request(why.body_text()))?;
    let fits = |shown: &MerchantOrder| filter.state.is_none_or(|state| shown.state == state);
    if let Some(id) = &filter.merchant_order_id {
        let found = find(&app, &merchant, id).await?.filter(fits);
        return Ok(Json(List { items: found.into_iter().collect(), next_cursor: None }));
    }
    let states = filter.state.as_ref().map_or(&OrderState::ALL[..], std::slice::from_ref);
    let lists = states.iter().map(|state| listing::in_state(&merchant, *state)).collect();
    let paging = Paging { cursor: filter.cursor.clone(), limit: filter.limit };
    let page = list_records(&app.services.store, &paging.scan(lists, true)?).await?;
    let shown = |ListedOrder { at, record: OrderRecord { order, checkout }, .. }: ListedOrder| {
        let shown = checkout.and_then(|checkout| merchant_order(app.frame(), &order, &checkout));
        // Its state may have changed since the list was read.
        (at, shown.filter(fits))
    };
    let shown = page::prepare(page.items, shown).await;
    Ok(Json(List::of(shown, page.next, paging.limit())))
}

async fn find(
    app: &ApiRequest,
    merchant: &PartyName,
    id: &str,
) -> Result<Option<MerchantOrder>, Unavailable> {
    let Some(id) = ExternalId::parse(id) else { return Ok(None) };
    let found = find_record(&app.services, merchant, &id).await?;
    Ok(found.and_then(|OrderRecord { order, checkout, .. }| {
        merchant_order(app.frame(), &order, &*checkout?)
    }))
}
