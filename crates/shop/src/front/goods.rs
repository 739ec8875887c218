//! The page of a product.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
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
    article: String,
    vendor: Option<String>,
    description: Vec<String>,
    above: Vec<Crumb>,
    places: Vec<Place>,
    is_on_sale: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    name: String,
    price: Roubles,
    old_price: Option<Roubles>,
    article: String,
    vendor: Option<String>,
    description: String,
    is_on_sale: bool,
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
        Ok(Page {
            frame: self.frame(headers),
            token: String::new(),
            id,
            name: product.name,
            price: product.price.0.shown(language),
            old_price: product.old_price.map(|price| price.0.shown(language)),
            article: product.article,
            vendor: product.vendor,
            description: product.description.lines().map(str::to_owned).collect(),
            above: product.categories.into_iter().map(Category::crumb).collect(),
            places: places(product.product_places),
            is_on_sale: product.is_on_sale,
        })
    }
}
