//! From the basket to the button that pays: goods are held, and the client
//! chooses how they come.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Front;
use super::account::day_and_minute;
use super::cart::{Order, ShownOrder};
use super::choice::{Couriers, Points, Wanted};
use super::market::encoded;
use super::page::Frame;
use super::posted::Received;
use crate::Refusal;
use crate::refusal::is_kind;
use crate::service_client::{Caller, Reply};

#[derive(Template)]
#[template(path = "checkout.html")]
struct Page {
    frame: Frame,
    token: String,
    order: ShownOrder,
    /// Until when the goods are held.
    until: String,
    /// `courier`, `point`, or nothing yet.
    way: String,
    points: Points,
    couriers: Couriers,
    problem: Option<String>,
}

/// The list of points alone, for the script.
#[derive(Template)]
#[template(path = "checkout_points.html")]
struct PointsPart {
    frame: Frame,
    points: Points,
}

/// What companies offer alone, for the script.
#[derive(Template)]
#[template(path = "checkout_couriers.html")]
struct CouriersPart {
    frame: Frame,
    couriers: Couriers,
}

/// What is held for an order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hold {
    version: u64,
    store_id: u64,
    pub until: String,
}

/// Why a page is not shown.
pub(super) enum Stop {
    To(&'static str),
    Refused(Refusal),
    /// What a service says against it.
    Said(Box<Reply>),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

const LOG_IN: Stop = Stop::To("/login?next=/checkout");
/// Before something is held there is no checkout to come back to.
const LOG_IN_FOR_CART: Stop = Stop::To("/login?next=/cart");
/// The basket, saying that the time is over.
const HOLD_AGAIN_PAGE: &str = "/cart?expired";
const HOLD_AGAIN: Stop = Stop::To(HOLD_AGAIN_PAGE);

/// `POST /checkout/begin`: looks at the prices again, and holds the goods.
pub async fn begin(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    if !received.is_ours {
        return Redirect::to("/cart").into_response();
    }
    match front.hold_basket(&received).await {
        Ok(Some(reply)) => front.cart_with_problem(&reply, &received).await,
        Ok(None) => Redirect::to("/checkout").into_response(),
        Err(stop) => front.stopped(stop, &received.headers),
    }
}

/// `GET /checkout`
pub async fn show(State(front): State<Arc<Front>>, headers: HeaderMap) -> Response {
    let caller = Caller::of(&headers, None);
    let outcome = async {
        let (order, hold) = front.held_basket(&caller).await?;
        let case = front.case_of(&order, &caller).await?;
        let wanted = case.map(|case| Wanted::of_case(&case)).unwrap_or_default();
        Ok((order, hold, wanted))
    };
    match outcome.await {
        Ok((order, hold, wanted)) => {
            front.checkout_page(order, hold, wanted, &caller, &headers, None).await
        }
        Err(stop) => front.stopped(stop, &headers),
    }
}

/// `POST /checkout`: shows what there is, or books what was chosen.
pub async fn submit(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    if !received.is_ours {
        return Redirect::to("/checkout").into_response();
    }
    let wanted = Wanted::of_form(&received.posted);
    let (order, hold) = match front.basket_held_again(&received).await {
        Ok(held) => held,
        Err(stop) => return front.stopped(stop, &received.headers),
    };
    let mut problem = None;
    if received.posted.get("action") == "pay" {
        let words = front.frame(&received.headers).words;
        match wanted.booking(&order.id, order.version, words) {
            Err(missing) => problem = Some((StatusCode::BAD_REQUEST, missing.to_owned())),
            Ok(body) => match front.book(&body, &received.caller).await {
                Ok(None) => return Redirect::to("/checkout/pay").into_response(),
                Ok(Some(reply)) if is_kind(reply.body(), "stale-version") => {
                    return front.cart_with_problem(&reply, &received).await;
                }
                Ok(Some(reply)) => {
                    let said = reply.body()["detail"].as_str().unwrap_or_default().to_owned();
                    problem = Some((reply.status, said));
                }
                Err(stop) => return front.stopped(stop, &received.headers),
            },
        }
    }
    let (caller, headers) = (&received.caller, &received.headers);
    front.checkout_page(order, hold, wanted, caller, headers, problem).await
}

/// `POST /checkout/points`: the list of points, for the script.
pub async fn points(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    if !received.is_ours {
        return StatusCode::FORBIDDEN.into_response();
    }
    let wanted = Wanted::of_form(&received.posted);
    match front.points_for(&wanted, &received.caller).await {
        Ok(points) => {
            let part = PointsPart { frame: front.frame(&received.headers), points };
            front.page(&part, StatusCode::OK, &received.visitor)
        }
        Err(refusal) => refusal.kind().0.into_response(),
    }
}

/// `POST /checkout/couriers`: what companies offer, for the script.
pub async fn couriers(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    if !received.is_ours {
        return StatusCode::FORBIDDEN.into_response();
    }
    let wanted = Wanted::of_form(&received.posted);
    let order = received.posted.get("id");
    match front.couriers_for(order, &wanted, &received.caller, received.language).await {
        Ok(couriers) => {
            let part = CouriersPart { frame: front.frame(&received.headers), couriers };
            front.page(&part, StatusCode::OK, &received.visitor)
        }
        Err(refusal) => refusal.kind().0.into_response(),
    }
}

impl Front {
    pub(super) fn stopped(&self, stop: Stop, headers: &HeaderMap) -> Response {
        match stop {
            Stop::To(page) => Redirect::to(page).into_response(),
            Stop::Refused(refusal) => self.sorry(&refusal, headers),
            Stop::Said(reply) => self.refused(&reply, headers),
        }
    }

    /// The basket with what is held for it. If the time has run out while the
    /// client was choosing, the goods are held again.
    async fn basket_held_again(&self, received: &Received) -> Result<(Order, Hold), Stop> {
        match self.held_basket(&received.caller).await {
            Err(Stop::To(page)) if page == HOLD_AGAIN_PAGE => {}
            held => return held,
        }
        match self.hold_basket(received).await? {
            None => self.held_basket(&received.caller).await,
            Some(reply) => Err(Stop::Said(Box::new(reply))),
        }
    }

    /// Holds what the basket has. Returns what a service says against it.
    async fn hold_basket(&self, received: &Received) -> Result<Option<Reply>, Stop> {
        let number = received.posted.get("version").trim().parse::<u64>();
        let version = number.map_err(|_| Refusal::NotFound)?;
        let (id, caller) = (received.posted.get("id"), &received.caller);
        let body = json!({"id": id, "version": version});
        let reply = self.order.call(Method::PUT, "/check", caller, Some(&body)).await?;
        let order: Order = match reply.status {
            StatusCode::OK => reply.read()?,
            StatusCode::UNAUTHORIZED => return Err(LOG_IN_FOR_CART),
            _ => return Ok(Some(reply)),
        };
        let mut outlet = match self.hold_of(&order, caller).await? {
            Some(hold) => hold.store_id,
            None => match self.outlet_with(&order, caller).await? {
                Some(outlet) => outlet,
                None => return Err(Refusal::Unavailable.into()),
            },
        };
        // The outlet that has the first line may lack another, or not sell it:
        // the answer names those that do.
        let mut tried = Vec::new();
        loop {
            tried.push(outlet);
            let body = json!({"orderId": order.id, "version": order.version, "storeId": outlet});
            let reply = self.store.call(Method::POST, "/reserve", caller, Some(&body)).await;
            let reply = match reply {
                // The page shows what is held; to begin again does no harm.
                Err(Refusal::NotKnown) => return Err(Stop::To("/cart?look")),
                reply => reply?,
            };
            match reply.status {
                StatusCode::OK => return Ok(None),
                StatusCode::UNAUTHORIZED => return Err(LOG_IN_FOR_CART),
                _ => {
                    let others = reply.body()["stores"].as_array().into_iter().flatten();
                    let mut others = others.filter_map(Value::as_u64);
                    match others.find(|other| !tried.contains(other)) {
                        Some(other) => outlet = other,
                        None => return Ok(Some(reply)),
                    }
                }
            }
        }
    }

    /// An outlet that has what the first line wants; any, if none has.
    async fn outlet_with(&self, order: &Order, caller: &Caller) -> Result<Option<u64>, Refusal> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Places {
            product_places: Vec<Place>,
        }
        #[derive(Deserialize)]
        struct Place {
            store: Outlet,
            quantity: u64,
        }
        #[derive(Deserialize)]
        struct Outlet {
            id: u64,
        }
        let Some((product, quantity)) = order.first_line() else { return Ok(None) };
        let path = format!("/get?productId={product}");
        let reply = self.store.call(Method::GET, &path, caller, None).await?;
        if reply.status != StatusCode::OK {
            return Err(Refusal::Unavailable);
        }
        let Places { product_places } = reply.read()?;
        let with_all = product_places.iter().find(|place| place.quantity >= quantity);
        Ok(with_all.or(product_places.first()).map(|place| place.store.id))
    }

    /// What is held for an order.
    async fn hold_of(&self, order: &Order, caller: &Caller) -> Result<Option<Hold>, Stop> {
        let path = format!("/reserve?orderId={}", encoded(&order.id));
        let reply = self.store.call(Method::GET, &path, caller, None).await?;
        match reply.status {
            StatusCode::OK => Ok(Some(reply.read()?)),
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::UNAUTHORIZED => Err(LOG_IN),
            _ => Err(Refusal::Unavailable.into()),
        }
    }

    /// The basket with what is held for it.
    pub(super) async fn held_basket(&self, caller: &Caller) -> Result<(Order, Hold), Stop> {
        let Some(order) = self.basket(caller).await? else { return Err(LOG_IN) };
        let Some(order) = order.filter(|order| order.first_line().is_some()) else {
            return Err(Stop::To("/cart"));
        };
        let hold = self.hold_of(&order, caller).await?;
        let hold = hold.filter(|hold| hold.version == order.version).ok_or(HOLD_AGAIN)?;
        Ok((order, hold))
    }

    /// Books a way. Returns what the service says against it.
    async fn book(&self, body: &Value, caller: &Caller) -> Result<Option<Reply>, Stop> {
        let reply = match self.delivery.call(Method::POST, "/book", caller, Some(body)).await {
            // The page shows what is booked; to book it again does no harm.
            Err(Refusal::NotKnown) => return Err(Stop::To("/checkout")),
            reply => reply?,
        };
        match reply.status {
            StatusCode::OK => Ok(None),
            StatusCode::UNAUTHORIZED => Err(LOG_IN),
            _ => Ok(Some(reply)),
        }
    }

    async fn checkout_page(
        &self,
        order: Order,
        hold: Hold,
        wanted: Wanted,
        caller: &Caller,
        headers: &HeaderMap,
        problem: Option<(StatusCode, String)>,
    ) -> Response {
        let language = self.language_of(headers);
        let points = match self.points_for(&wanted, caller).await {
            Ok(points) => points,
            Err(refusal) => return self.sorry(&refusal, headers),
        };
        let couriers = match self.couriers_for(&order.id, &wanted, caller, language).await {
            Ok(couriers) => couriers,
            Err(refusal) => return self.sorry(&refusal, headers),
        };
        let (status, problem) = match problem {
            Some((status, problem)) => (status, Some(problem)),
            None => (StatusCode::OK, None),
        };
        let (visitor, token) = self.visitor(headers);
        let page = Page {
            frame: self.frame(headers),
            token,
            order: order.shown(language),
            until: day_and_minute(&hold.until, &self.time_zone),
            way: wanted.way,
            points,
            couriers,
            problem,
        };
        self.page(&page, status, &visitor)
    }
}
