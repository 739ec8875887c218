//! Choosing what to pay with, and paying.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tillgate_kernel::chance::random_bytes;
use tillgate_kernel::{Fingerprint, Money};

use super::Front;
use super::account::day_and_minute;
use super::cart::{Order, ShownOrder};
use super::case::{Case, ShownDelivery};
use super::checkout::{Hold, Stop};
use super::page::Frame;
use super::posted::Received;
use crate::Refusal;
use crate::refusal::is_kind;
use crate::roubles::Roubles;
use crate::service_client::Caller;

#[derive(Template)]
#[template(path = "checkout_pay.html")]
struct Page {
    frame: Frame,
    token: String,
    /// The idempotency key of the payment that this page makes.
    key: String,
    order: ShownOrder,
    delivery: ShownDelivery,
    until: String,
    means: Vec<Means>,
    problem: Option<String>,
}

/// What can be paid with.
struct Means {
    /// The value of the field.
    value: String,
    name: &'static str,
    hint: String,
    is_enough: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    tokens: Vec<Token>,
    token_types: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    id: u64,
    token_type: String,
    balance: Option<Roubles>,
}

/// A payment, as its service answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    pub status: String,
    /// Of the order.
    pub version: u64,
    pub redirect_url: Option<String>,
    pub until: String,
    pub error_msg: Option<String>,
}

/// `GET /checkout/pay`: what is held and booked, and what it can be paid with.
pub async fn show(State(front): State<Arc<Front>>, headers: HeaderMap) -> Response {
    front.pay_page(&headers, None).await
}

/// `POST /checkout/pay`: pays. A payment that the ledger has made confirms the
/// order in the same press.
pub async fn submit(State(front): State<Arc<Front>>, request: Request) -> Response {
    let received = front.receive(request).await;
    if !received.is_ours {
        return Redirect::to("/checkout/pay").into_response();
    }
    match front.paid(&received).await {
        Ok(response) => response,
        Err(stop) => front.stopped(stop, &received.headers),
    }
}

impl Front {
    async fn pay_page(
        &self,
        headers: &HeaderMap,
        problem: Option<(StatusCode, String)>,
    ) -> Response {
        let caller = Caller::of(headers, None);
        let ready = async {
            let (order, hold, case) = self.ready(&caller).await?;
            let means = self.means(&order, &case, &caller, headers).await?;
            Ok((order, hold, case, means))
        };
        let (order, hold, case, means) = match ready.await {
            Ok(ready) => ready,
            Err(stop) => return self.stopped(stop, headers),
        };
        let (frame, language) = (self.frame(headers), self.language_of(headers));
        let Some(delivery) = case.shown(order.total(), frame.words, language) else {
            return Redirect::to("/checkout").into_response();
        };
        // Both times are in one form, in UTC.
        let until = case.until.clone().unwrap_or_default().min(hold.until);
        let (visitor, token) = self.visitor(headers);
        let (status, problem) = match problem {
            Some((status, problem)) => (status, Some(problem)),
            None => (StatusCode::OK, None),
        };
        let page = Page {
            frame,
            token,
            key: Fingerprint::of(&[&random_bytes::<32>()]).to_string(),
            order: order.shown(language),
            delivery,
            until: day_and_minute(&until, &self.time_zone),
            means,
            problem,
        };
        self.page(&page, status, &visitor)
    }

    /// The basket, with what is held and booked for it.
    async fn ready(&self, caller: &Caller) -> Result<(Order, Hold, Case), Stop> {
        let (order, hold) = self.held_basket(caller).await?;
        let case = self.case_of(&order, caller).await?;
        let case = case.filter(|case| case.is_preliminary() && case.version == order.version);
        Ok((order, hold, case.ok_or(Stop::To("/checkout"))?))
    }

    /// What the client can pay with.
    async fn means(
        &self,
        order: &Order,
        case: &Case,
        caller: &Caller,
        headers: &HeaderMap,
    ) -> Result<Vec<Means>, Stop> {
        let reply = self.payment.call(Method::GET, "/tokens/get", caller, None).await?;
        match reply.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err(Stop::To("/login?next=/checkout")),
            _ => return Err(Refusal::Unavailable.into()),
        }
        let Tokens { tokens, token_types } = reply.read()?;
        let (frame, language) = (self.frame(headers), self.language_of(headers));
        let total = order.total().kopecks().saturating_add(case.cost.0.kopecks());
        let mut means = Vec::new();
        for kind in token_types {
            let (name, hint) = match kind.as_str() {
                "BANK_CARD" => (frame.pay.by_card, frame.pay.other_card.to_owned()),
                "QR_PAY" => (frame.pay.by_sbp, String::new()),
                _ => continue,
            };
            means.push(Means { value: kind, name, hint, is_enough: true });
        }
        for token in tokens.into_iter().filter(|token| token.token_type == "WALLET") {
            let balance = token.balance.map_or(Money::ZERO, |Roubles(balance)| balance);
            let is_enough = balance.kopecks() >= total;
            let holds = format!("{} {}", balance.shown(language), frame.pay.wallet_holds);
            let hint =
                if is_enough { holds } else { format!("{holds}. {}", frame.pay.wallet_short) };
            let value = token.id.to_string();
            means.push(Means { value, name: frame.pay.by_wallet, hint, is_enough });
        }
        Ok(means)
    }

    async fn paid(&self, received: &Received) -> Result<Response, Stop> {
        let (posted, headers) = (&received.posted, &received.headers);
        let frame = self.frame(headers);
        let (id, means) = (posted.get("id"), posted.get("means"));
        let version = posted.get("version").trim().parse::<u64>();
        let version = version.map_err(|_| Refusal::NotFound)?;
        let mut body = json!({"orderId": id, "version": version});
        match means.parse::<u64>() {
            Ok(token) => body["tokenId"] = json!(token),
            Err(_) if means.is_empty() => {
                let problem = (StatusCode::BAD_REQUEST, frame.pay.choose.to_owned());
                return Ok(self.pay_page(headers, Some(problem)).await);
            }
            Err(_) => body["tokenType"] = json!(means),
        }
        let mut caller = received.caller.clone();
        caller.idempotency_key = HeaderValue::from_str(posted.get("key")).ok();
        let page = order_page(id);
        let reply = match self.payment.call(Method::POST, "/pay", &caller, Some(&body)).await {
            // The order's page shows what has become of it.
            Err(Refusal::NotKnown) => return Ok(Redirect::to(&page).into_response()),
            reply => reply?,
        };
        match reply.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err(Stop::To("/login?next=/checkout")),
            _ if is_kind(reply.body(), "hold-expired") => return Err(Stop::To("/cart?expired")),
            _ if is_kind(reply.body(), "payment-in-progress") => {
                return Ok(Redirect::to(&page).into_response());
            }
            status => {
                let said = reply.body()["detail"].as_str().unwrap_or_default().to_owned();
                return Ok(self.pay_page(headers, Some((status, said))).await);
            }
        }
        let payment: Payment = reply.read()?;
        match (payment.status.as_str(), payment.redirect_url) {
            ("PENDING", Some(url)) => Ok(Redirect::to(&url).into_response()),
            ("HELD", _) => {
                self.processed(id, version, &received.caller).await?;
                Ok(Redirect::to(&page).into_response())
            }
            _ => Ok(Redirect::to(&page).into_response()),
        }
    }

    /// Sends an order to be agreed on. What is refused is shown by its page.
    pub(super) async fn processed(
        &self,
        id: &str,
        version: u64,
        caller: &Caller,
    ) -> Result<(), Stop> {
        let body = json!({"id": id, "version": version});
        match self.order.call(Method::PUT, "/process", caller, Some(&body)).await {
            // To repeat it changes nothing, and the page shows what was done.
            Err(Refusal::NotKnown) => Ok(()),
            reply => match reply? {
                reply if reply.status == StatusCode::UNAUTHORIZED => {
                    Err(Stop::To("/login?next=/orders"))
                }
                reply if reply.status == StatusCode::OK => Ok(()),
                reply => Err(Stop::Said(Box::new(reply))),
            },
        }
    }

    /// The latest payment of an order, if there is one.
    pub(super) async fn payment_of(
        &self,
        order: &str,
        caller: &Caller,
    ) -> Result<Option<Payment>, Refusal> {
        let path = format!("/pay?orderId={}", super::market::encoded(order));
        let reply = self.payment.call(Method::GET, &path, caller, None).await?;
        match reply.status {
            StatusCode::OK => reply.read().map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(Refusal::Unavailable),
        }
    }
}

/// The address of an order's page.
pub fn order_page(id: &str) -> String {
    format!("/orders/{}", super::market::encoded(id))
}

/// Lines of an order as a request that places or sets them.
pub fn lines_of(order: &Value) -> Value {
    let items = order["orderItems"].as_array().map(Vec::as_slice).unwrap_or_default();
    let line = |item: &Value| json!({"product": {"id": item["product"]["id"]}, "quantity": item["quantity"]});
    items.iter().map(line).collect()
}
