//! The basket: what is in it, and how it changes.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawQuery, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tillgate_kernel::{Language, Money};

use super::Front;
use super::market::{address_of, encoded};
use super::page::Frame;
use super::posted::Received;
use crate::Refusal;
use crate::refusal::{is_kind, is_not_known};
use crate::roubles::Roubles;
use crate::service_client::{Caller, Reply};

/// How often a change is tried again after another one has come before it.
const ATTEMPTS: u32 = 5;

#[derive(Template)]
#[template(path = "cart.html")]
struct Page {
    frame: Frame,
    token: String,
    order: Option<ShownOrder>,
    /// What has gone wrong with the change before.
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "remove.html")]
struct Removal {
    frame: Frame,
    token: String,
    id: String,
    version: u64,
    line: ShownLine,
}

/// An order on a page.
pub(super) struct ShownOrder {
    pub id: String,
    pub version: u64,
    pub status: String,
    pub lines: Vec<ShownLine>,
    pub total: String,
}

pub(super) struct ShownLine {
    pub product: u64,
    pub url: String,
    pub name: String,
    pub price: String,
    pub quantity: u64,
    pub total: String,
}

/// An order as its service answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    pub id: String,
    pub version: u64,
    status: String,
    order_items: Vec<Item>,
    total: Roubles,
    /// What of the total is for the delivery, once that is fixed.
    delivery: Option<Roubles>,
    pub created_at: String,
}

#[derive(Debug, Deserialize)]
struct Item {
    product: Product,
    quantity: u64,
    total: Roubles,
}

#[derive(Debug, Deserialize)]
struct Product {
    id: u64,
    name: String,
    price: Roubles,
}

impl Order {
    pub(super) fn shown(self, language: Language) -> ShownOrder {
        let line = |item: Item| ShownLine {
            product: item.product.id,
            url: address_of(item.product.id, &item.product.name),
            name: item.product.name,
            price: item.product.price.0.shown(language),
            quantity: item.quantity,
            total: item.total.0.shown(language),
        };
        ShownOrder {
            id: self.id,
            version: self.version,
            status: self.status,
            lines: self.order_items.into_iter().map(line).collect(),
            total: self.total.0.shown(language),
        }
    }

    /// What the goods cost.
    pub(super) fn total(&self) -> Money {
        let delivery = self.delivery.map_or(0, |one| one.0.kopecks());
        Money::from_kopecks(self.total.0.kopecks().saturating_sub(delivery))
    }

    /// The product of the first line, and how many pieces are wanted.
    pub(super) fn first_line(&self) -> Option<(u64, u64)> {
        self.order_items.first().map(|item| (item.product.id, item.quantity))
    }

    fn quantity_of(&self, product: u64) -> u64 {
        self.order_items
            .iter()
            .find(|item| item.product.id == product)
            .map_or(0, |item| item.quantity)
    }
}

/// What a change of the basket has led to.
enum Outcome {
    Done,
    /// Nobody is logged in.
    NoSession,
    /// It is not known whether it was made.
    NotKnown,
    /// The service says why not.
    Refused(Reply),
}

/// `GET /cart`
pub async fn show(
    State(front): State<Arc<Front>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let words = front.frame(&headers).words;
    let problem = match query.as_deref() {
        Some("look") => Some((StatusCode::OK, words.cart_look.to_owned())),
        Some("expired") => Some((StatusCode::OK, words.hold_expired.to_owned())),
        _ => None,
    };
    match front.basket(&Caller::of(&headers, None)).await {
        Ok(Some(order)) => front.cart_page(order, &headers, problem),
        Ok(None) => Redirect::to("/login?next=/cart").into_response(),
        Err(refusal) => front.sorry(&refusal, &headers),
    }
}

/// `POST /cart/add`
pub async fn add(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    let Ok(product) = received.posted.get("product").parse::<u64>() else {
        return front.sorry(&Refusal::NotFound, &received.headers);
    };
    if !received.is_ours {
        return Redirect::to(&format!("/goods/{product}")).into_response();
    }
    match front.add_one(product, &received.caller).await {
        Ok(Outcome::Done) => Redirect::to("/cart").into_response(),
        Ok(Outcome::NotKnown) => Redirect::to("/cart?look").into_response(),
        Ok(Outcome::NoSession) => {
            // After the log-in the product is added by a link that only this
            // visitor can use.
            let key = front.adding.sign(&product.to_be_bytes(), received.visitor.as_bytes());
            let next = format!("/cart/add?product={product}&key={}", encoded(&key));
            Redirect::to(&format!("/login?next={}", encoded(&next))).into_response()
        }
        Ok(Outcome::Refused(reply)) => front.refused(&reply, &received.headers),
        Err(refusal) => front.sorry(&refusal, &received.headers),
    }
}

#[derive(Debug, Deserialize)]
pub struct Added {
    product: u64,
    key: String,
}

/// `GET /cart/add`: where the log-in leads.
pub async fn add_after_log_in(
    State(front): State<Arc<Front>>,
    query: Result<Query<Added>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Query(Added { product, key })) = query else {
        return front.sorry(&Refusal::NotFound, &headers);
    };
    let (visitor, _) = front.visitor(&headers);
    let signed = front.adding.read(&key, visitor.as_bytes());
    if signed.as_deref() != Some(&product.to_be_bytes()) {
        return Redirect::to(&format!("/goods/{product}")).into_response();
    }
    match front.add_one(product, &Caller::of(&headers, None)).await {
        Ok(Outcome::Done) => Redirect::to("/cart").into_response(),
        Ok(Outcome::NotKnown) => Redirect::to("/cart?look").into_response(),
        Ok(Outcome::NoSession) => Redirect::to(&format!("/goods/{product}")).into_response(),
        Ok(Outcome::Refused(reply)) => front.refused(&reply, &headers),
        Err(refusal) => front.sorry(&refusal, &headers),
    }
}

/// `POST /cart`: how many pieces of a product there are to be.
pub async fn set(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    if !received.is_ours {
        return Redirect::to("/cart").into_response();
    }
    let number = |name: &str| received.posted.get(name).trim().parse::<u64>().ok();
    let (Some(product), Some(version)) = (number("product"), number("version")) else {
        return front.sorry(&Refusal::NotFound, &received.headers);
    };
    // The service says what is wrong with it.
    let quantity = number("quantity").map_or(Value::Null, Value::from);
    let body = json!({"id": received.posted.get("id"), "version": version,
        "orderItems": [{"product": {"id": product}, "quantity": quantity}]});
    match front.order.call(Method::PUT, "/adjust", &received.caller, Some(&body)).await {
        Ok(reply) if reply.status == StatusCode::OK => Redirect::to("/cart").into_response(),
        Ok(reply) if reply.status == StatusCode::UNAUTHORIZED => {
            Redirect::to("/login?next=/cart").into_response()
        }
        Ok(reply) => front.cart_with_problem(&reply, &received).await,
        Err(refusal) => front.sorry(&refusal, &received.headers),
    }
}

#[derive(Debug, Deserialize)]
pub struct Removed {
    product: u64,
}

/// `GET /cart/remove`: asks before a product is removed, for browsers without
/// scripts.
pub async fn remove(
    State(front): State<Arc<Front>>,
    query: Result<Query<Removed>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Query(Removed { product })) = query else {
        return front.sorry(&Refusal::NotFound, &headers);
    };
    let order = match front.basket(&Caller::of(&headers, None)).await {
        Ok(Some(order)) => order,
        Ok(None) => return Redirect::to("/login?next=/cart").into_response(),
        Err(refusal) => return front.sorry(&refusal, &headers),
    };
    let order = order.map(|order| order.shown(front.language_of(&headers)));
    let found = order.and_then(|order| {
        let line = order.lines.into_iter().find(|line| line.product == product)?;
        Some((order.id, order.version, line))
    });
    let Some((id, version, line)) = found else {
        return Redirect::to("/cart").into_response();
    };
    let (visitor, token) = front.visitor(&headers);
    let page = Removal { frame: front.frame(&headers), token, id, version, line };
    front.page(&page, StatusCode::OK, &visitor)
}

impl Front {
    /// The basket of the caller: `None` if nobody is logged in, and no order if
    /// it was not begun.
    pub(super) async fn basket(&self, caller: &Caller) -> Result<Option<Option<Order>>, Refusal> {
        let reply = self.order.call(Method::GET, "/get", caller, None).await?;
        match reply.status {
            StatusCode::OK => Ok(Some(Some(reply.read()?))),
            StatusCode::NOT_FOUND => Ok(Some(None)),
            StatusCode::UNAUTHORIZED => Ok(None),
            _ => Err(Refusal::Unavailable),
        }
    }

    fn cart_page(
        &self,
        order: Option<Order>,
        headers: &HeaderMap,
        problem: Option<(StatusCode, String)>,
    ) -> Response {
        let (visitor, token) = self.visitor(headers);
        let order = order.map(|order| order.shown(self.language_of(headers)));
        let order = order.filter(|order| !order.lines.is_empty());
        let (status, problem) = match problem {
            Some((status, problem)) => (status, Some(problem)),
            None => (StatusCode::OK, None),
        };
        self.page(&Page { frame: self.frame(headers), token, order, problem }, status, &visitor)
    }

    /// The basket as it is now, with why it was not changed.
    pub(super) async fn cart_with_problem(&self, reply: &Reply, received: &Received) -> Response {
        let headers = &received.headers;
        let is_stale = is_kind(reply.body(), "stale-version");
        let said = reply.body()["detail"].as_str().unwrap_or_default().to_owned();
        let words = self.frame(headers).words;
        let problem = if is_stale { words.cart_changed.to_owned() } else { said };
        match self.basket(&received.caller).await {
            Ok(Some(order)) => self.cart_page(order, headers, Some((reply.status, problem))),
            Ok(None) => Redirect::to("/login?next=/cart").into_response(),
            Err(refusal) => self.sorry(&refusal, headers),
        }
    }

    /// Adds a piece of a product to the basket, whatever has happened to it
    /// meanwhile.
    async fn add_one(&self, product: u64, caller: &Caller) -> Result<Outcome, Refusal> {
        for _ in 0..ATTEMPTS {
            let Some(order) = self.basket(caller).await? else { return Ok(Outcome::NoSession) };
            let reply = match order {
                None => {
                    let body = json!({"orderItems": [{"product": {"id": product}, "quantity": 1}]});
                    self.order.call(Method::POST, "/place", caller, Some(&body)).await
                }
                Some(order) => {
                    let quantity = order.quantity_of(product) + 1;
                    let body = json!({"id": order.id, "version": order.version,
                        "orderItems": [{"product": {"id": product}, "quantity": quantity}]});
                    self.order.call(Method::PUT, "/adjust", caller, Some(&body)).await
                }
            };
            let reply = match reply {
                Err(Refusal::NotKnown) => return Ok(Outcome::NotKnown),
                reply => reply?,
            };
            match reply.status {
                StatusCode::OK => return Ok(Outcome::Done),
                StatusCode::UNAUTHORIZED => return Ok(Outcome::NoSession),
                // It may have been added: the client looks before adding again.
                _ if is_not_known(reply.body()) => return Ok(Outcome::NotKnown),
                // Another tab has changed it: what is added is added to that.
                StatusCode::CONFLICT if reply.body()["version"].is_u64() => {}
                _ => return Ok(Outcome::Refused(reply)),
            }
        }
        Err(Refusal::Busy)
    }
}
