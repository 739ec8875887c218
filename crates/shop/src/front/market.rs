//! Looking for products: the home page, categories, search.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};
use tillgate_kernel::{Language, Money};

use super::Front;
use super::page::Frame;
use crate::Refusal;
use crate::form::Fault;
use crate::roubles::Roubles;
use crate::service_client::{Caller, Reply};

#[derive(Template)]
#[template(path = "market.html")]
struct Page {
    frame: Frame,
    title: String,
    wanted: Wanted,
    is_search: bool,
    above: Vec<Crumb>,
    categories: Vec<CategoryLine>,
    cards: Vec<Card>,
    /// The address of the next page.
    next: Option<String>,
}

/// A category above.
pub(super) struct Crumb {
    pub url: String,
    pub name: String,
}

struct CategoryLine {
    url: String,
    name: String,
    count: u64,
}

/// A product in a list.
struct Card {
    url: String,
    name: String,
    price: String,
    old_price: Option<String>,
    picture: Option<String>,
    places: Vec<Place>,
}

/// How much of a product a shop has.
pub(super) struct Place {
    pub name: String,
    pub address: String,
    pub quantity: u64,
}

/// The fields of the search form.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Wanted {
    query: String,
    category: String,
    store: String,
    price_from: String,
    price_to: String,
    sort: String,
    cursor: String,
}

impl Wanted {
    /// The address of a page with these fields, without the empty ones.
    fn address(&self, path: &str) -> String {
        let fields = [
            ("query", &self.query),
            ("category", &self.category),
            ("store", &self.store),
            ("priceFrom", &self.price_from),
            ("priceTo", &self.price_to),
            ("sort", &self.sort),
            ("cursor", &self.cursor),
        ];
        let sent = fields.into_iter().filter(|(_, value)| !value.is_empty());
        let sent = sent.map(|(name, value)| format!("{name}={}", encoded(value)));
        let sent: Vec<String> = sent.collect();
        if sent.is_empty() { path.to_owned() } else { format!("{path}?{}", sent.join("&")) }
    }
}

/// A value in an address.
pub(super) fn encoded(value: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let shown = |byte: u8| {
        if is_plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    value.bytes().map(shown).collect()
}

#[derive(Debug, Deserialize)]
struct Products {
    items: Vec<Item>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: u64,
    name: String,
    price: Roubles,
    old_price: Option<Roubles>,
    picture: Option<String>,
    product_places: Vec<ProductPlace>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ProductPlace {
    store: PlaceStore,
    quantity: u64,
}

#[derive(Debug, Deserialize)]
struct PlaceStore {
    name: String,
    address: String,
}

/// The shops that have a product.
pub(super) fn places(all: Vec<ProductPlace>) -> Vec<Place> {
    let place = |place: ProductPlace| Place {
        name: place.store.name,
        address: place.store.address,
        quantity: place.quantity,
    };
    all.into_iter().map(place).filter(|place| place.quantity > 0).collect()
}

#[derive(Debug, Deserialize)]
struct Categories {
    above: Vec<Category>,
    items: Vec<Category>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Category {
    id: u64,
    name: String,
    product_count: u64,
}

impl Category {
    pub(super) fn crumb(self) -> Crumb {
        Crumb { url: format!("/search?category={}", self.id), name: self.name }
    }
}

/// The address of a product's page.
pub(super) fn address_of(id: u64, name: &str) -> String {
    let mut slug = id.to_string();
    for word in name.to_lowercase().split(|c: char| !c.is_alphanumeric()) {
        if !word.is_empty() {
            slug.push('-');
            slug.push_str(word);
        }
    }
    format!("/goods/{}", encoded(&slug))
}

/// `GET /`
pub async fn home(State(front): State<Arc<Front>>, headers: HeaderMap) -> Response {
    front.market(Wanted::default(), false, &headers).await
}

/// `GET /search`
pub async fn search(
    State(front): State<Arc<Front>>,
    query: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Query(wanted)) = query else {
        return front.sorry(&Refusal::NotFound, &headers);
    };
    front.market(wanted, true, &headers).await
}

impl Front {
    async fn market(&self, wanted: Wanted, is_search: bool, headers: &HeaderMap) -> Response {
        match self.market_page(wanted, is_search, headers).await {
            Ok(page) => {
                let (visitor, _) = self.visitor(headers);
                self.page(&page, StatusCode::OK, &visitor)
            }
            Err(refusal) => self.sorry(&refusal, headers),
        }
    }

    async fn market_page(
        &self,
        wanted: Wanted,
        is_search: bool,
        headers: &HeaderMap,
    ) -> Result<Page, Refusal> {
        let caller = Caller::of(headers, None);
        let asked = Wanted {
            price_from: as_price("priceFrom", &wanted.price_from)?,
            price_to: as_price("priceTo", &wanted.price_to)?,
            ..wanted.clone()
        };
        let products: Products =
            self.ask_menu(&asked.address("/products"), &caller).await?.read()?;
        let below = Wanted { category: wanted.category.clone(), ..Wanted::default() };
        let categories: Categories =
            self.ask_menu(&below.address("/categories"), &caller).await?.read()?;
        let (frame, language) = (self.frame(headers), self.language_of(headers));
        let title = match (categories.above.last(), wanted.query.is_empty()) {
            (_, false) => wanted.query.clone(),
            (Some(category), true) => category.name.clone(),
            (None, true) => frame.words.goods.to_owned(),
        };
        let next = products
            .next_cursor
            .map(|cursor| Wanted { cursor, ..wanted.clone() }.address("/search"));
        let line = |category: Category| CategoryLine {
            url: Wanted {
                category: category.id.to_string(),
                cursor: String::new(),
                ..wanted.clone()
            }
            .address("/search"),
            name: category.name,
            count: category.product_count,
        };
        // Within a search categories narrow it; they are counted without it.
        let items = if wanted.query.is_empty() { categories.items } else { Vec::new() };
        Ok(Page {
            title,
            is_search,
            above: categories.above.into_iter().map(Category::crumb).collect(),
            categories: items.into_iter().map(line).collect(),
            cards: products.items.into_iter().map(|item| card(item, language)).collect(),
            next,
            frame,
            wanted,
        })
    }

    /// Asks for something in the catalogue.
    pub(super) async fn ask_menu(&self, path: &str, caller: &Caller) -> Result<Reply, Refusal> {
        let reply = self.menu.call(Method::GET, path, caller, None).await?;
        match reply.status {
            StatusCode::OK => Ok(reply),
            // Somebody has changed the address of the page.
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => Err(Refusal::NotFound),
            StatusCode::SERVICE_UNAVAILABLE => Err(Refusal::Busy),
            _ => Err(Refusal::Unavailable),
        }
    }
}

/// A price as people write it, for the service.
fn as_price(name: &str, text: &str) -> Result<String, Refusal> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let digits = digits.replace(',', ".");
    let is_price = digits.is_empty() || digits.parse::<Money>().is_ok();
    let fault = || Refusal::of_field(name, Fault::NotAnAmount);
    if is_price { Ok(digits) } else { Err(fault()) }
}

fn card(item: Item, language: Language) -> Card {
    Card {
        url: address_of(item.id, &item.name),
        price: item.price.0.shown(language),
        old_price: item.old_price.map(|price| price.0.shown(language)),
        picture: item.picture,
        places: places(item.product_places),
        name: item.name,
    }
}
