//! The HTTP contract of the service.

use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use http::{HeaderValue, header};
use serde::Deserialize;
use tillgate_kernel::{Money, Timestamp};

use super::Menu;
use super::category_id::CategoryId;
use super::keep::{Changes, Kept};
use super::limits::Limits;
use super::picture::{KEPT_BYTES_MAX, Picture};
use super::price::{Priced, Prices};
use super::question::{PAGE, Position, Question, Sort};
use super::shown::{self, Products, ShownCategories, ShownProduct};
use crate::Refusal;
use crate::asked::Served;
use crate::assertion::Assertions;
use crate::form::Fault;
use crate::product_id::ProductId;

impl Served for Menu {
    const NAME: &'static str = "menu";

    fn public_url(&self) -> &str {
        &self.public_url
    }

    fn assertions(&self) -> &Assertions {
        &self.assertions
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

type Asked = crate::asked::Asked<Menu>;

/// The routes of the service, without a prefix.
pub fn routes(menu: Arc<Menu>) -> Router {
    Router::new()
        .route("/products", get(products))
        .route("/product", get(product))
        .route("/categories", get(categories))
        .route("/price", post(prices))
        .route("/picture", get(picture))
        .with_state(menu)
}

/// The routes for the operator, who has been authenticated.
pub fn routes_for_operator(menu: Arc<Menu>) -> Router {
    Router::new()
        .route("/menu/products", get(kept))
        .route("/menu/categories", get(kept_categories))
        .route("/menu/changes", post(keep))
        .route("/menu/limits", get(limits).merge(put(set_limits)))
        .route("/menu/found", get(found))
        .route("/menu/picture", put(keep_picture))
        .route("/menu/product", get(product))
        .with_state(menu)
}

/// The most characters of a question.
pub const QUERY_CHARACTERS_MAX: usize = 200;

/// The most products of a page, for clients and for the operator.
pub const LIMIT_MAX: u64 = 100;
const OPERATORS_LIMIT_MAX: u64 = 500;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    query: Option<String>,
    category: Option<String>,
    store: Option<String>,
    price_from: Option<String>,
    price_to: Option<String>,
    sort: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// The number in a parameter. An empty one is none.
fn number(name: &str, text: Option<&str>, most: u64) -> Result<Option<u64>, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.map(Some).ok_or_else(|| Refusal::of_field(name, Fault::NotWhole(1, most)))
}

fn price(name: &str, text: Option<&str>) -> Result<Option<Money>, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let price = text.parse().map_err(|_| Refusal::of_field(name, Fault::NotAnAmount))?;
    if price < Money::ZERO {
        Err(Refusal::of_field(name, Fault::AmountOutOfRange))
    } else {
        Ok(Some(price))
    }
}

impl Wanted {
    fn read(self, limit_max: u64) -> Result<shown::Selection, Refusal> {
        let text = self.query.unwrap_or_default();
        if text.chars().count() > QUERY_CHARACTERS_MAX {
            return Err(Refusal::of_field("query", Fault::TooLong(QUERY_CHARACTERS_MAX)));
        }
        let id = |name, text: &Option<String>| number(name, text.as_deref(), ProductId::MAX);
        let category = id("category", &self.category)?.and_then(CategoryId::new);
        let outlet = id("store", &self.store)?;
        let from = price("priceFrom", self.price_from.as_deref())?;
        let to = price("priceTo", self.price_to.as_deref())?;
        let sort = self.sort.filter(|sort| !sort.is_empty());
        let sort = sort.map(|sort| {
            Sort::parse(&sort)
                .ok_or_else(|| Refusal::of_field("sort", Fault::NotAChoice(Sort::NAMES)))
        });
        let limit = number("limit", self.limit.as_deref(), limit_max)?;
        let mut question = Question {
            text: text.trim().to_owned(),
            category,
            price: from.unwrap_or_default()..=to.unwrap_or(Money::from_kopecks(i64::MAX)),
            sort: sort.transpose()?.unwrap_or_default(),
            after: None,
            limit: limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE),
        };
        let cursor = self.cursor.filter(|cursor| !cursor.is_empty());
        question.after = cursor
            .map(|cursor| {
                let position: Option<Position> = cursor.parse().ok();
                let position = position.filter(|position| question.has(position));
                position.ok_or_else(|| Refusal::of_field("cursor", Fault::NotACursor))
            })
            .transpose()?;
        Ok(shown::Selection { question, outlet })
    }
}

/// `GET /products`
async fn products(query: Result<Query<Wanted>, QueryRejection>, asked: Asked) -> Response {
    let menu = Arc::clone(&asked.service);
    let outcome = products_of(query, LIMIT_MAX, &menu).await;
    asked.shared(outcome)
}

/// `GET /menu/found`
async fn found(query: Result<Query<Wanted>, QueryRejection>, asked: Asked) -> Response {
    let menu = Arc::clone(&asked.service);
    let outcome = products_of(query, OPERATORS_LIMIT_MAX, &menu).await;
    asked.shared(outcome)
}

async fn products_of(
    query: Result<Query<Wanted>, QueryRejection>,
    limit_max: u64,
    menu: &Menu,
) -> Result<Products, Refusal> {
    let Query(wanted) = query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    menu.products(wanted.read(limit_max)?).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Named {
    product_id: Option<String>,
}

/// `GET /product`
async fn product(query: Result<Query<Named>, QueryRejection>, asked: Asked) -> Response {
    let menu = Arc::clone(&asked.service);
    let outcome = product_of(query, &menu).await;
    asked.shared(outcome)
}

async fn product_of(
    query: Result<Query<Named>, QueryRejection>,
    menu: &Menu,
) -> Result<ShownProduct, Refusal> {
    let Query(Named { product_id }) =
        query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    let id = number("productId", product_id.as_deref(), ProductId::MAX)?;
    let id = id
        .and_then(ProductId::new)
        .ok_or_else(|| Refusal::of_field("productId", Fault::Missing))?;
    menu.product(id).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Below {
    category: Option<String>,
}

/// `GET /categories`
async fn categories(query: Result<Query<Below>, QueryRejection>, asked: Asked) -> Response {
    let menu = Arc::clone(&asked.service);
    let outcome = categories_of(query, &menu).await;
    asked.shared(outcome)
}

async fn categories_of(
    query: Result<Query<Below>, QueryRejection>,
    menu: &Menu,
) -> Result<ShownCategories, Refusal> {
    let Query(Below { category }) =
        query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    let below = number("category", category.as_deref(), ProductId::MAX)?;
    menu.categories(below.and_then(CategoryId::new)).await
}

/// `POST /price`
async fn prices(mut asked: Asked) -> Response {
    let outcome = prices_of(&mut asked).await;
    asked.shared(outcome)
}

async fn prices_of(asked: &mut Asked) -> Result<Prices, Refusal> {
    let priced = asked.change(Priced::read).await?;
    asked.service.prices(priced).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    after: Option<String>,
}

/// `GET /menu/products`
async fn kept(query: Result<Query<After>, QueryRejection>, asked: Asked) -> Response {
    let menu = Arc::clone(&asked.service);
    let outcome = kept_after(query, &menu).await;
    asked.personal(outcome)
}

async fn kept_after(
    query: Result<Query<After>, QueryRejection>,
    menu: &Menu,
) -> Result<Kept, Refusal> {
    let Query(After { after }) = query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    let after =
        after.map(|text| text.parse().map_err(|_| Refusal::of_field("after", Fault::NotACursor)));
    menu.kept(after.transpose()?).await
}

/// `GET /menu/categories`
async fn kept_categories(asked: Asked) -> Response {
    let menu = Arc::clone(&asked.service);
    let outcome = menu.kept_categories().await;
    asked.personal(outcome)
}

/// `GET /menu/limits`
async fn limits(asked: Asked) -> Response {
    let outcome = asked.service.kept_limits().await.map_err(Refusal::from);
    asked.personal(outcome)
}

/// `PUT /menu/limits`
async fn set_limits(mut asked: Asked) -> Response {
    let outcome = limits_set(&mut asked).await;
    asked.done(outcome)
}

async fn limits_set(asked: &mut Asked) -> Result<(), Refusal> {
    let limits: Limits = asked.json().await?;
    asked.service.keep_limits(limits).await
}

/// `POST /menu/changes`
async fn keep(mut asked: Asked) -> Response {
    let outcome = kept_changes(&mut asked).await;
    asked.done(outcome)
}

async fn kept_changes(asked: &mut Asked) -> Result<(), Refusal> {
    let changes: Changes = asked.json().await?;
    asked.service.keep(changes).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfPicture {
    id: String,
}

/// `GET /picture`
async fn picture(query: Result<Query<OfPicture>, QueryRejection>, asked: Asked) -> Response {
    let outcome = async {
        let Query(OfPicture { id }) =
            query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
        let id = id.parse().map_err(|_| Refusal::NotFound)?;
        asked.service.picture(id).await
    };
    match outcome.await {
        Ok(picture) => {
            // Another content would have another id.
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg")),
                (header::CACHE_CONTROL, HeaderValue::from_static(KEPT_FOR_EVER)),
                (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            ];
            (headers, picture.bytes).into_response()
        }
        Err(refusal) => refusal.into_response_in(asked.language()),
    }
}

/// How long clients and proxies may keep a picture.
const KEPT_FOR_EVER: &str = "public, max-age=31536000, immutable";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fetched {
    article: String,
    source: String,
}

/// `PUT /menu/picture`
async fn keep_picture(query: Result<Query<Fetched>, QueryRejection>, mut asked: Asked) -> Response {
    let outcome = picture_kept(query, &mut asked).await;
    asked.done(outcome)
}

async fn picture_kept(
    query: Result<Query<Fetched>, QueryRejection>,
    asked: &mut Asked,
) -> Result<(), Refusal> {
    let Query(Fetched { article, source }) =
        query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    let bytes = asked.bytes(KEPT_BYTES_MAX).await?;
    let picture = Picture::of(bytes).map_err(|_| Refusal::NotAPicture)?;
    asked.service.keep_picture(&article, &source, picture).await
}
