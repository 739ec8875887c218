//! The payment's calls of the gateway: it is a merchant there like any other,
//! and uses the API of merchants.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tillgate_kernel::{Money, Secret, Stopwatch};
use tillgate_peer::{Client, ClientError, Reply};

use super::Payment;
use super::attempt::{Attempt, BilledLine, Call, Goal, Known, Link, Means, Outcome, Stage};
use super::ledger::payment_id;
use super::shop_payment::ShopPayment;
use crate::formats::Contacts;
use crate::formats::agreement::Reason;
use crate::order_id::OrderId;
use crate::username::ClientNumber;

/// How long a call may take: the gateway waits three seconds for the payment
/// system.
pub const CALL_SECONDS_MAX: u64 = 10;

/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The gateway, and who we are there.
#[derive(Debug, Clone)]
pub struct Gateway {
    client: Client,
    url: String,
    api_key: Secret,
    /// What payers can pay with, and when that was asked.
    methods: Arc<Mutex<Option<(Stopwatch, Methods)>>>,
}

/// What payers can be asked to pay with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Methods {
    pub bank_card: bool,
    pub sbp: bool,
}

impl Methods {
    /// Whether the payer chooses on the payment page.
    #[must_use]
    pub const fn are_chosen_there(self) -> bool {
        !self.bank_card && !self.sbp
    }
}

/// For how long the answer is used.
const METHODS_KEPT: Duration = Duration::from_secs(60);

/// An order at the gateway, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Order {
    id: String,
    payment: State,
    #[serde(default)]
    payments: Vec<Entry>,
    #[serde(default)]
    refunds: Vec<Operation>,
}

#[derive(Debug, Deserialize)]
struct State {
    state: String,
    url: String,
}

#[derive(Debug, Deserialize)]
struct Entry {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Operation {
    id: String,
    state: String,
}

impl Gateway {
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(url: &str, api_key: Secret) -> Result<Gateway, ClientError> {
        let client = Client::new(Duration::from_secs(CALL_SECONDS_MAX), ANSWER_BYTES_MAX)?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Gateway { client, url, api_key, methods: Arc::default() })
    }

    /// What payers can be asked to pay with. `None` if that cannot be found
    /// out.
    pub async fn methods(&self) -> Option<Methods> {
        #[derive(Deserialize)]
        struct Page {
            items: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            #[serde(rename = "type")]
            kind: String,
        }
        let known = *self.methods.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, methods)) = known
            && since.elapsed() < METHODS_KEPT
        {
            return Some(methods);
        }
        let reply = self.send(Method::GET, "/v1/payment-methods", None, None).await?;
        if reply.status != StatusCode::OK {
            unexpected(&reply, "say what can be paid with");
            return None;
        }
        let page: Page = reply.json().ok()?;
        let has = |name: &str| page.items.iter().any(|item| item.kind == name);
        let methods = Methods { bank_card: has("bank_card"), sbp: has("sbp") };
        *self.methods.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Stopwatch::start(), methods));
        Some(methods)
    }

    /// Sends a request. `None` if there is no usable answer; the log says why.
    async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Option<Reply> {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", self.api_key.expose());
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&bearer).ok()?);
        if let Some(key) = key {
            headers.insert("idempotency-key", HeaderValue::from_str(key).ok()?);
        }
        if body.is_some() {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
        }
        let url = format!("{}{path}", self.url);
        let body = body.map(ToString::to_string).unwrap_or_default().into_bytes();
        match self.client.call(method, &url, headers, body).await {
            Ok(reply) => Some(reply),
            Err(why) => {
                tracing::warn!(error = %why, "the gateway cannot be called; will retry");
                None
            }
        }
    }
}

impl Payment {
    /// Makes a call that is the gateway's.
    pub(super) async fn call_gateway(
        &self,
        payment: &ShopPayment,
        attempt: &Attempt,
        call: &Call,
    ) -> Outcome {
        let Some(gateway) = &self.gateway else { return Outcome::Failed };
        let name = payment_id(payment.order, attempt.number);
        let id = attempt.link.as_ref().map(|link| link.id.as_str());
        match (call, id) {
            (Call::Place, _) => self.place(gateway, payment, attempt, &name).await,
            (_, None) => Outcome::Failed,
            (Call::Look, Some(id)) => look(gateway, attempt, id).await,
            (Call::Cancel, Some(id)) => cancel(gateway, id).await,
            (Call::Capture, Some(id)) => capture(gateway, id, &format!("capture-{name}")).await,
            (Call::Refund, Some(id)) => {
                refund(gateway, attempt, id, &format!("refund-{name}")).await
            }
            // These are the ledger's.
            (
                Call::LedgerHold
                | Call::LedgerReceive
                | Call::LedgerConfirm
                | Call::LedgerReverse
                | Call::LedgerRepaid { .. },
                Some(_),
            ) => Outcome::Failed,
        }
    }

    async fn place(
        &self,
        gateway: &Gateway,
        payment: &ShopPayment,
        attempt: &Attempt,
        name: &str,
    ) -> Outcome {
        let Some(username) = &payment.username else { return Outcome::Failed };
        let contacts = match self.contacts_of(ClientNumber::of(username)).await {
            Ok(contacts) => contacts,
            Err(why) => {
                tracing::error!(error = %why, "the contacts of a payer cannot be read");
                return Outcome::Failed;
            }
        };
        if contacts.is_none() {
            // Another message has them; receipts need them.
            tracing::warn!(order = %payment.order, "the contacts of a payer have not arrived");
            return Outcome::Failed;
        }
        let Some(methods) = gateway.methods().await else { return Outcome::Failed };
        let mut body = self.bill(payment.order, attempt, name, contacts.as_ref());
        if methods.are_chosen_there()
            && let Some(fields) = body.as_object_mut()
        {
            fields.remove("payment_method");
        }
        let Some(reply) = gateway.send(Method::POST, "/v1/orders", Some(name), Some(&body)).await
        else {
            return Outcome::Failed;
        };
        match reply.status {
            StatusCode::CREATED => match reply.json::<Order>() {
                Ok(order) => {
                    let known = known(&order.payment.state, attempt.goal);
                    let link = Link { id: order.id, url: order.payment.url, unexpected: None };
                    // Where it is not known yet, the buyer can be sent all the
                    // same.
                    Outcome::Placed(link, known.unwrap_or(Known::Linked))
                }
                Err(why) => unreadable(&why),
            },
            StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => {
                tracing::error!(
                    order = %payment.order,
                    detail = detail(&reply),
                    "the gateway refuses a payment of the shop"
                );
                Outcome::Refused(Reason::PaymentRefused)
            }
            _ => unexpected(&reply, "create a payment"),
        }
    }

    /// The merchant's order of an attempt.
    fn bill(
        &self,
        order: OrderId,
        attempt: &Attempt,
        name: &str,
        contacts: Option<&Contacts>,
    ) -> Value {
        let item = |line: &BilledLine| {
            json!({"sku": line.sku, "name": line.name, "quantity": line.quantity.to_string(),
                "price": line.price.to_string(), "vat": line.vat,
                "type": if line.is_service { "service" } else { "commodity" }})
        };
        let items: Vec<Value> = attempt.lines.iter().map(item).collect();
        let text =
            |value: Option<&tillgate_kernel::Private>| value.map(|one| one.expose().to_owned());
        let names = contacts.map(|known| {
            let parts = [&known.first_name, &known.last_name].into_iter().flatten();
            parts.map(|part| part.expose().to_owned()).collect::<Vec<_>>().join(" ")
        });
        let mut customer = json!({"email": text(contacts.map(|known| &known.email)),
            "phone": text(contacts.and_then(|known| known.phone.as_ref())),
            "name": names.filter(|name| !name.is_empty())});
        if let Some(fields) = customer.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        let method = match attempt.means {
            Means::BankCard => "bank_card",
            Means::Sbp | Means::Wallet { .. } => "sbp",
        };
        let page = format!("{}/orders/{order}", self.settings.public_url);
        json!({
            "merchant_order_id": name,
            "description": format!("{} {order}", self.settings.description),
            "customer": customer,
            "items": items,
            "total": attempt.amount.to_string(),
            "payment_method": {"type": method},
            "success_url": page, "fail_url": page, "return_url": page,
            "expires_at": attempt.until,
        })
    }
}

async fn look(gateway: &Gateway, attempt: &Attempt, id: &str) -> Outcome {
    let path = format!("/v1/orders/{id}");
    let Some(reply) = gateway.send(Method::GET, &path, None, None).await else {
        return Outcome::Failed;
    };
    if reply.status != StatusCode::OK {
        return unexpected(&reply, "look at a payment");
    }
    match reply.json::<Order>() {
        Ok(order) => of_order(&order, attempt),
        Err(why) => unreadable(&why),
    }
}

fn of_order(order: &Order, attempt: &Attempt) -> Outcome {
    if let Stage::Refunding { refund } = &attempt.stage {
        let ours = order.refunds.iter().find(|one| one.id == *refund);
        return match ours {
            Some(one) => Outcome::Known(of_refund(one)),
            None => Outcome::Known(Known::Pending),
        };
    }
    match (order.payment.state.as_str(), order.payments.last()) {
        ("review", Some(last)) => Outcome::Unexpected(last.id.clone()),
        (state, _) => match known(state, attempt.goal) {
            Some(known) => Outcome::Known(known),
            None => Outcome::Known(Known::Pending),
        },
    }
}

fn of_refund(refund: &Operation) -> Known {
    match refund.state.as_str() {
        "succeeded" => Known::Refunded(refund.id.clone()),
        "failed" => Known::RefundRefused,
        _ => Known::Refunding(refund.id.clone()),
    }
}

/// What a state of the gateway's contract means. `None` if it is not known yet.
fn known(state: &str, goal: Goal) -> Option<Known> {
    Some(match state {
        "linked" => Known::Linked,
        "held" => Known::Held,
        "paid" | "refunded" => Known::Paid,
        "expired" => Known::Dead(Reason::NotPaid),
        "cancelled" if goal == Goal::Undo => Known::Dead(Reason::Reversed),
        "cancelled" => Known::Dead(Reason::NotPaid),
        "failed" => Known::Dead(Reason::PaymentRefused),
        _ => return None,
    })
}

async fn cancel(gateway: &Gateway, id: &str) -> Outcome {
    let path = format!("/v1/orders/{id}/cancel");
    let Some(reply) = gateway.send(Method::POST, &path, None, None).await else {
        return Outcome::Failed;
    };
    match reply.status {
        StatusCode::OK => match reply.json::<Order>() {
            Ok(order) => match known(&order.payment.state, Goal::Undo) {
                Some(dead @ Known::Dead(_)) => Outcome::Known(dead),
                _ => Outcome::Done,
            },
            Err(why) => unreadable(&why),
        },
        // It is paid, or over.
        StatusCode::CONFLICT => Outcome::Refused(Reason::Reversed),
        _ => unexpected(&reply, "cancel a payment"),
    }
}

async fn capture(gateway: &Gateway, id: &str, key: &str) -> Outcome {
    let path = format!("/v1/orders/{id}/capture");
    let Some(reply) = gateway.send(Method::POST, &path, Some(key), None).await else {
        return Outcome::Failed;
    };
    match reply.status {
        StatusCode::CREATED => match reply.json::<Operation>() {
            Ok(capture) if capture.state == "failed" => Outcome::Known(Known::CaptureRefused),
            Ok(_) => Outcome::Done,
            Err(why) => unreadable(&why),
        },
        // It is captured already, or not held any more.
        StatusCode::CONFLICT => Outcome::Refused(Reason::PaymentRefused),
        _ => unexpected(&reply, "capture a payment"),
    }
}

async fn refund(gateway: &Gateway, attempt: &Attempt, id: &str, key: &str) -> Outcome {
    let path = format!("/v1/orders/{id}/refunds");
    let unexpected_payment = attempt.link.as_ref().and_then(|link| link.unexpected.as_ref());
    let body = match unexpected_payment {
        Some(payment) => json!({"payment_id": payment}),
        None => json!({}),
    };
    let Some(reply) = gateway.send(Method::POST, &path, Some(key), Some(&body)).await else {
        return Outcome::Failed;
    };
    match reply.status {
        StatusCode::CREATED => match reply.json::<Operation>() {
            Ok(refund) => Outcome::Known(of_refund(&refund)),
            Err(why) => unreadable(&why),
        },
        // Somebody has refunded it before.
        StatusCode::CONFLICT => {
            let path = format!("/v1/orders/{id}");
            let order = gateway.send(Method::GET, &path, None, None).await;
            let order = order.and_then(|reply| reply.json::<Order>().ok());
            match order.as_ref().and_then(|order| order.refunds.last()) {
                Some(last) => Outcome::Known(of_refund(last)),
                None => unexpected(&reply, "refund a payment"),
            }
        }
        StatusCode::UNPROCESSABLE_ENTITY => Outcome::Refused(Reason::PaymentRefused),
        _ => unexpected(&reply, "refund a payment"),
    }
}

fn unreadable(why: &serde_json::Error) -> Outcome {
    tracing::error!(error = %why, "the answer of the gateway cannot be read; will retry");
    Outcome::Failed
}

fn detail(reply: &Reply) -> String {
    let body: Value = reply.json().unwrap_or(Value::Null);
    body["detail"].as_str().unwrap_or_default().to_owned()
}

fn unexpected(reply: &Reply, what: &str) -> Outcome {
    tracing::warn!(
        status = reply.status.as_u16(),
        detail = detail(reply),
        "the gateway did not {what}; will retry"
    );
    Outcome::Failed
}

/// What is paid for the delivery, as a line of the bill.
#[must_use]
pub fn delivery_line(name: &str, cost: Money, vat: &str) -> Option<BilledLine> {
    (cost > Money::ZERO).then(|| BilledLine {
        sku: "delivery".into(),
        name: name.to_owned(),
        quantity: 1,
        price: cost,
        vat: vat.to_owned(),
        is_service: true,
    })
}
