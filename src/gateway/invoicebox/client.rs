//! The HTTP client: calls to the API, and the meaning of their outcomes.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;

use super::{map, wire};
use crate::gateway::{Addresses, Call, Failure, Provider, one_line, retry_after_in};
use crate::kernel::Currency;
use crate::kernel::{Secret, Timestamp, same_id};
use crate::payments::{
    Allowance, Bill, ContactNeed, LINES_MAX, Operation, OperationKind, PaymentId, PaymentMode,
    Receipts, RemoteOperation, RemotePayment, ShipmentReport, Terms,
};
use crate::peer::{self, Client, Reply, leads_home};

/// The timeout of a call, in seconds. Calls that took ten have been observed.
pub const CALL_SECONDS_MAX: u64 = 15;

/// The maximum size of an answer, in bytes. The answer for the largest bill is
/// a third of this.
pub const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The page size of lists. It is not known whether the API allows a larger one,
/// and an order has fewer refunds than this.
const PAGE_SIZE: usize = 50;

/// The path at which orders are created.
const CREATE: &str = "billing/api/order/order";

/// The paging parameters, in two spellings: the documentation and the vendor's
/// own software disagree about the underscore.
const PAGING: &str = "_page=1&_pageSize=50&page=1&pageSize=50";

/// The rate limit of an account, according to the documentation. Other programs
/// of the same merchant count too, so the payment system can answer 429 before
/// this limit is reached; the client then waits as long as the answer asks.
const ALLOWED: Allowance =
    Allowance { calls_max: 100, window: Duration::from_secs(30), kept_for_looking: 30 };

/// The version of the API, which is the prefix of every path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// For shops of app.invoicebox.ru.
    #[default]
    V3,
    /// For shops of business.invoicebox.ru.
    L3,
}

/// The configuration of a shop at Invoicebox.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The base URL of the API.
    pub url: String,
    pub version: Version,
    /// The bearer token of the API.
    pub token: Secret,
    /// The shop's id.
    pub merchant_id: String,
    /// Hosts that may serve payment pages, in addition to the API's own host.
    pub payment_hosts: Vec<String>,
    /// Who makes the fiscal receipts.
    pub receipts: Receipts,
    /// The payment mode on the receipts (tag 1214).
    pub payment_mode: PaymentMode,
    /// The numbers of what a payer can pay with, if they are known.
    pub methods: map::MethodIds,
}

/// The [`Provider`] for Invoicebox.
#[derive(Debug)]
pub struct Invoicebox {
    client: Client,
    setup: Setup,
}

impl Invoicebox {
    /// Creates a provider that sends its calls through `client`.
    #[must_use]
    pub fn new(client: Client, setup: Setup) -> Invoicebox {
        Invoicebox { client, setup }
    }

    fn address(&self, path: &str) -> String {
        let prefix = match self.setup.version {
            Version::V3 => "v3",
            Version::L3 => "l3",
        };
        format!("{}/{prefix}/{path}", self.setup.url.trim_end_matches('/'))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<T, Failure> {
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {}", self.setup.token.expose()));
        let mut bearer =
            bearer.map_err(|_| Failure::NoAccess("the token cannot be put in a header".into()))?;
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let reply = self.client.call(method, &self.address(path), headers, body.into_bytes()).await;
        let reply = reply.map_err(|failure| match failure {
            peer::Failure::NotSent(why) => Failure::NotDone { why, retry_after: None },
            peer::Failure::Unknown(why) => Failure::Unknown(why),
        })?;
        match reply.status.as_u16() {
            200 => reply
                .json::<wire::Envelope<T>>()
                .map(|envelope| envelope.data)
                .map_err(|why| Failure::Unknown(format!("cannot parse the answer: {why}"))),
            _ => Err(error_in(&reply)),
        }
    }

    async fn prove_identity(&self) -> Result<(), Failure> {
        let identity: wire::Identity =
            self.call(Method::GET, "security/api/auth/auth", String::new()).await?;
        // A caller without a valid token may also get 200, but with no user.
        match identity.user_id {
            Some(id) if !id.is_empty() => Ok(()),
            Some(_) | None => Err(Failure::NoAccess(
                "the payment system did not accept the token: check the gateway's token".into(),
            )),
        }
    }

    /// Checks that the shop is ours, for a shop without orders that would show
    /// it. The payment system forbids orders for other shops before it checks
    /// anything else. The order requested here can never be created: it is
    /// empty and expired long ago.
    async fn prove_shop(&self) -> Result<(), Failure> {
        let trial = json!({
            "description": "tillgate check",
            "merchantId": self.setup.merchant_id,
            "merchantOrderId": "tillgate-check",
            "amount": 0,
            "vatAmount": 0,
            "currencyId": Currency::Rub.code(),
            "languageId": "ru",
            "expirationDate": "2000-01-01T00:00:00+00:00",
            "basketItems": [],
            "customer": {"type": "private"},
        });
        let made: Result<IgnoredAny, Failure> =
            self.call(Method::POST, CREATE, trial.to_string()).await;
        match made {
            Err(Failure::NoAccess(why)) => Err(Failure::NoAccess(format!(
                "no access to the shop {}, check merchant_id: {why}",
                self.setup.merchant_id
            ))),
            Ok(_) | Err(Failure::Refused(_) | Failure::Duplicate | Failure::Unclear(_)) => Ok(()),
            Err(why @ (Failure::NotDone { .. } | Failure::Unknown(_))) => Err(why),
        }
    }

    /// Adds the amount that can still be refunded to the reason of a refused
    /// refund. Part of it may have been refunded by hand in the payment
    /// system's cabinet, which this program does not know about.
    async fn with_what_is_left(&self, why: String, request: &str) -> String {
        let Ok(wire::RefundOf { parent_id }) = serde_json::from_str(request) else { return why };
        let path = format!("billing/api/order/order/{parent_id}/refund-basket-item");
        let lines: Result<Vec<wire::Refundable>, Failure> =
            self.call(Method::GET, &path, String::new()).await;
        match lines.ok().and_then(|lines| map::refundable(&lines)) {
            Some(left) => format!("{why}; {left} of it can still be refunded there"),
            None => why,
        }
    }

    /// The refunds of an order, at most one page.
    async fn listed_refunds(&self, remote_id: &str) -> Result<Vec<RemoteOperation>, Failure> {
        let path = format!("filter/api/order/refund-order?parentId={remote_id}&{PAGING}");
        let refunds: Vec<wire::Refund> = self.call(Method::GET, &path, String::new()).await?;
        // If the filter was ignored, the list has refunds of other orders too.
        let own = refunds.into_iter().filter(|refund| {
            refund.parent_id.as_deref().is_none_or(|parent| same_id(parent, remote_id))
        });
        own.map(map::refund).collect::<Result<_, _>>().map_err(Failure::Unknown)
    }

    fn remote(&self, order: wire::Order) -> Result<RemotePayment, Failure> {
        let may_lead_to = |url: &str| leads_home(&self.setup.url, &self.setup.payment_hosts, url);
        map::remote(order, may_lead_to).map_err(Failure::Unknown)
    }
}

/// Classifies an error answer: whether the request may have been carried out.
fn error_in(reply: &Reply) -> Failure {
    let body: wire::ErrorBody = reply.json().unwrap_or_default();
    let detail = body.error.unwrap_or_default();
    let code = detail.code.or(body.code).unwrap_or_default();
    let message = detail.message.or(body.message).unwrap_or_default();
    let fields: Vec<String> =
        detail.fields.iter().map(|field| format!("{} ({})", field.name, field.code)).collect();
    let mut why = format!("{} {code} {message} {}", reply.status.as_u16(), fields.join(", "));
    if let Some(id) = reply.headers.get("x-request-id").and_then(|id| id.to_str().ok()) {
        why = format!("{why} (X-Request-Id {id})");
    }
    let why = one_line(&why);
    match reply.status.as_u16() {
        401 | 403 => Failure::NoAccess(why),
        429 => Failure::NotDone { why, retry_after: Some(retry_after_in(reply)) },
        422 if code == "merchant_order_id_duplicate" => Failure::Duplicate,
        // An answer with a code comes from the payment system. One without a
        // code may come from a proxy in front of it.
        400 | 422 if !code.is_empty() => Failure::Refused(why),
        500.. => Failure::Unknown(why),
        _ => Failure::Unclear(why),
    }
}

impl Provider for Invoicebox {
    fn account(&self) -> &str {
        &self.setup.merchant_id
    }

    fn shipment_report(&self) -> ShipmentReport {
        let is_reported =
            self.setup.receipts.are_made() && self.setup.payment_mode.has_second_receipt();
        if is_reported { ShipmentReport::ShipmentOrCapture } else { ShipmentReport::NotReported }
    }

    fn terms(&self) -> Terms {
        Terms {
            contact: ContactNeed::Nothing,
            lines_max: LINES_MAX,
            free_lines: true,
            on_demand: false,
            notifies_of_refunds: false,
            methods: self.setup.methods.known(),
        }
    }

    fn allowance(&self) -> Option<Allowance> {
        Some(ALLOWED)
    }

    fn build_request(
        &self,
        id: PaymentId,
        bill: &Bill,
        addresses: &Addresses,
    ) -> Result<String, String> {
        let Setup { merchant_id, payment_mode, methods, .. } = &self.setup;
        map::build_request(merchant_id, *payment_mode, *methods, id, bill, addresses)
    }

    fn identify(&self) -> Call<'_, ()> {
        Box::pin(async move {
            self.prove_identity().await?;
            // The API does not say whose shop an id is. What can be checked is
            // whether we may list its orders.
            let path = format!(
                "filter/api/order/order?merchantId={}&_page=1&_pageSize=1&page=1&pageSize=1",
                self.setup.merchant_id
            );
            let listed: Result<Vec<wire::Listed>, Failure> =
                self.call(Method::GET, &path, String::new()).await;
            match listed {
                Ok(orders)
                    if orders.iter().any(|order| order.is_anothers(&self.setup.merchant_id)) =>
                {
                    let why =
                        "the list for this merchant_id has other shops' orders: check merchant_id";
                    Err(Failure::NoAccess(why.into()))
                }
                Ok(orders) if orders.is_empty() => self.prove_shop().await,
                Ok(_) => Ok(()),
                Err(Failure::Refused(why) | Failure::NoAccess(why)) => {
                    Err(Failure::NoAccess(format!(
                        "cannot list the orders of the shop {}, check merchant_id: {why}",
                        self.setup.merchant_id
                    )))
                }
                Err(why) => Err(why),
            }
        })
    }

    fn create<'a>(&'a self, request: &'a str) -> Call<'a, RemotePayment> {
        Box::pin(async move {
            let order = self.call(Method::POST, CREATE, request.to_owned()).await?;
            self.remote(order)
        })
    }

    fn find(&self, id: PaymentId, _since: Timestamp) -> Call<'_, Vec<RemotePayment>> {
        Box::pin(async move {
            self.prove_identity().await?;
            let path = format!(
                "filter/api/order/order?merchantOrderId={id}&merchantId={}&{PAGING}",
                self.setup.merchant_id
            );
            let orders: Vec<wire::Order> = self.call(Method::GET, &path, String::new()).await?;
            // If the filter was ignored, the answer is one page of all orders.
            // The absence of ours there proves nothing.
            let number = id.to_string();
            if orders.iter().any(|order| order.merchant_order_id != number) {
                return Err(Failure::Unknown(
                    "the payment system ignored the filter by order number".into(),
                ));
            }
            orders.into_iter().map(|order| self.remote(order)).collect()
        })
    }

    fn read<'a>(&'a self, remote_id: &'a str) -> Call<'a, RemotePayment> {
        Box::pin(async move {
            let path = format!("billing/api/order/order/{remote_id}");
            let order = self.call(Method::GET, &path, String::new()).await?;
            self.remote(order)
        })
    }

    fn cancel<'a>(&'a self, remote_id: &'a str) -> Call<'a, RemotePayment> {
        Box::pin(async move {
            let path = format!("billing/api/order/order/{remote_id}");
            let order = self.call(Method::DELETE, &path, String::new()).await?;
            self.remote(order)
        })
    }

    fn update<'a>(&'a self, remote_id: &'a str, bill: &'a Bill) -> Option<Call<'a, RemotePayment>> {
        Some(Box::pin(async move {
            let path = format!("billing/api/order/order/{remote_id}");
            let request = map::update(self.setup.payment_mode, bill).map_err(Failure::Refused)?;
            let order: wire::Order = self.call(Method::PUT, &path, request).await?;
            if let Some(kept) = map::kept(&order, bill) {
                let why = format!("the update was accepted, but the {kept} has not changed");
                return Err(Failure::Refused(why));
            }
            self.remote(order)
        }))
    }

    fn build_operation_request(
        &self,
        operation: &Operation,
        _bill: &Bill,
        remote_id: &str,
    ) -> Result<String, String> {
        map::build_operation_request(self.setup.payment_mode, operation, remote_id)
    }

    fn operate<'a>(&'a self, kind: OperationKind, request: &'a str) -> Call<'a, RemoteOperation> {
        Box::pin(async move {
            let request = request.to_owned();
            let made = match kind {
                OperationKind::Refund => {
                    let asked = self
                        .call(Method::POST, "billing/api/order/refund-order", request.clone())
                        .await;
                    match asked {
                        Ok(made) => map::refund(made),
                        Err(Failure::Refused(why)) => {
                            return Err(Failure::Refused(
                                self.with_what_is_left(why, &request).await,
                            ));
                        }
                        Err(failure) => return Err(failure),
                    }
                }
                OperationKind::Capture | OperationKind::Shipment => map::shipment(
                    self.call(Method::POST, "billing/api/order/shipment", request).await?,
                ),
            };
            made.map_err(Failure::Unknown)
        })
    }

    fn refunds<'a>(&'a self, remote_id: &'a str) -> Call<'a, Vec<RemoteOperation>> {
        Box::pin(async move {
            self.prove_identity().await?;
            self.listed_refunds(remote_id).await
        })
    }

    fn find_operation<'a>(
        &'a self,
        operation: &'a Operation,
        remote_id: &'a str,
    ) -> Call<'a, Vec<RemoteOperation>> {
        Box::pin(async move {
            self.prove_identity().await?;
            let number = operation.id.to_string();
            let found: Result<Vec<RemoteOperation>, String> = match operation.kind {
                OperationKind::Refund => Ok(self.listed_refunds(remote_id).await?),
                OperationKind::Capture | OperationKind::Shipment => {
                    let path = format!("filter/api/order/shipment?orderId={remote_id}&{PAGING}");
                    let shipments: Vec<wire::Shipment> =
                        self.call(Method::GET, &path, String::new()).await?;
                    shipments.into_iter().map(map::shipment).collect()
                }
            };
            let found = found.map_err(Failure::Unknown)?;
            let is_full = found.len() >= PAGE_SIZE;
            let own: Vec<RemoteOperation> =
                found.into_iter().filter(|operation| operation.number == number).collect();
            if own.is_empty() && is_full {
                // It may be on the next page. Its absence from this one proves
                // nothing.
                return Err(Failure::Unknown(format!(
                    "the order has {PAGE_SIZE} or more operations of this kind"
                )));
            }
            Ok(own)
        })
    }
}
