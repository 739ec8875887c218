//! The page of a product.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

use super::Front;
use super::market::{Category, Crumb, Place, ProductPlace, places};
use super::page::Frame;
use crate::Refusal;
use crate::roubles::Roubles;
use crate::service_client::Caller;

#[derive(Template)]
#[template(path = "goods.html")]
struct Page {
    frame: Frame,
    token: String,
    id: u64,
    name: String,
    price: String,
    old_price: Option<String>,
    picture: Option<String>,
    article: String,
    vendor: Option<String>,
    description: Vec<String>,
    above: Vec<Crumb>,
    places: Vec<Place>,
    is_on_sale: bool,
    /// How many pieces an order may have, and when they are sold.
    limits: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    name: String,
    price: Roubles,
    old_price: Option<Roubles>,
    picture: Option<String>,
    article: String,
    vendor: Option<String>,
    description: String,
    is_on_sale: bool,
    order_max: Option<u64>,
    sold_from: Option<String>,
    sold_until: Option<String>,
    categories: Vec<Category>,
    product_places: Vec<ProductPlace>,
}

/// `GET /goods/{id}-{name}`
pub async fn show(
    State(front): State<Arc<Front>>,
    Path(slug): Path<String>,
    headers: HeaderMap,
) -> Response {
    match front.product_page(&slug, &headers).await {
        Ok(page) => {
            let (visitor, token) = front.visitor(&headers);
            front.page(&Page { token, ..page }, StatusCode::OK, &visitor)
        }
        Err(refusal) => front.sorry(&refusal, &headers),
    }
}

impl Front {
    async fn product_page(&self, slug: &str, headers: &HeaderMap) -> Result<Page, Refusal> {
        // The name in the address is for people.
        let id = slug.split('-').next().unwrap_or_default();
        let id: u64 = id.parse().map_err(|_| Refusal::NotFound)?;
        let caller = Caller::of(headers, None);
        let reply = self.ask_menu(&format!("/product?productId={id}"), &caller).await?;
        let product: Product = reply.read()?;
        let language = self.language_of(headers);
        let frame = self.frame(headers);
        let most = product
            .order_max
            .map(|most| frame.words.order_max.replace("{most}", &most.to_string()));
        let hours = product.sold_from.zip(product.sold_until);
        let hours = hours.map(|(from, until)| {
            frame.words.sold_hours.replace("{from}", &from).replace("{until}", &until)
        });
        Ok(Page {
            frame,
            limits: most.into_iter().chain(hours).collect(),
            token: String::new(),
            id,
            name: product.name,
            price: product.price.0.shown(language),
            old_price: product.old_price.map(|price| price.0.shown(language)),
            picture: product.picture,
            article: product.article,
            vendor: product.vendor,
            description: product.description.lines().map(str::to_owned).collect(),
            above: product.categories.into_iter().map(Category::crumb).collect(),
            places: places(product.product_places),
            is_on_sale: product.is_on_sale,
        })
    }
}

/// `GET /pictures/{name}`: the picture of a product.
pub async fn picture(
    State(front): State<Arc<Front>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let id = name.strip_suffix(".jpg").filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let Some(id) = id else { return front.sorry(&Refusal::NotFound, &headers) };
    let path = format!("/picture?id={id}");
    let reply = front.menu.call(Method::GET, &path, &Caller::default(), None).await;
    match reply {
        Ok(reply) if reply.status == StatusCode::OK => {
            let kept =
                [header::CONTENT_TYPE, header::CACHE_CONTROL, header::X_CONTENT_TYPE_OPTIONS];
            let kept = kept.map(|name| {
                let value = reply.headers.get(&name).cloned();
                (name, value.unwrap_or(HeaderValue::from_static("")))
            });
            (kept, reply.bytes()).into_response()
        }
        Ok(_) => front.sorry(&Refusal::NotFound, &headers),
        Err(refusal) => front.sorry(&refusal, &headers),
    }
}
