//! Calls, and what their outcomes mean.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;

use super::{map, wire};
use crate::gateway::{Addresses, Call, Failure, Provider, one_line, wish_in};
use crate::kernel::Currency;
use crate::kernel::{Secret, Timestamp, same_id};
use crate::payments::{
    Allowance, Bill, ContactNeed, Handover, LINES_MAX, Operation, OperationKind, PaymentId, PaymentMode,
    Receipts, Remote, RemoteOperation, Terms,
};
use crate::peer::{self, Client, Reply, leads_home};

/// How long a call may take, in seconds. The payment system has been seen to take ten.
pub const CALL_SECONDS_MAX: u64 = 15;

/// The most of an answer that is read, in bytes: the largest bill comes back as a third of this.
pub const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Entries of a list that are asked for. More are not known to be given, and an order has fewer refunds.
const PAGE_SIZE: usize = 50;

/// Where orders are made.
const CREATE: &str = "billing/api/order/order";

/// How they are asked for: the documents and the payment system's own software disagree about the underscore.
const PAGING: &str = "_page=1&_pageSize=50&page=1&pageSize=50";

/// What the payment system allows an account, by its documents. It counts itself too, and may have been called by
/// somebody else of the shop: then it says 429, and is heeded.
const ALLOWED: Allowance =
    Allowance { calls_max: 100, window: Duration::from_secs(30), kept_for_looking: 30 };

/// The prefix of every path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// Shops of app.invoicebox.ru.
    #[default]
    V3,
    /// Shops of business.invoicebox.ru.
    L3,
}

/// A shop at Invoicebox.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where the API is.
    pub url: String,
    /// Its prefix.
    pub version: Version,
    /// What opens it.
    pub token: Secret,
    /// The shop.
    pub merchant_id: String,
    /// Hosts that a payment page may be on, besides the API's own.
    pub payment_hosts: Vec<String>,
    /// Who makes the fiscal receipts.
    pub receipts: Receipts,
    /// What the money is on them.
    pub payment_mode: PaymentMode,
}

/// The payment system.
#[derive(Debug)]
pub struct Invoicebox {
    client: Client,
    setup: Setup,
}

impl Invoicebox {
    /// The payment system, called through `client`.
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
            bearer.map_err(|_| Failure::NoAccess("the token cannot stand in a header".into()))?;
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let reply = self.client.call(method, &self.address(path), headers, body.into_bytes()).await;
        let reply = reply.map_err(|failure| match failure {
            peer::Failure::NotSent(why) => Failure::NotDone { why, wish: None },
            peer::Failure::Unknown(why) => Failure::Unknown(why),
        })?;
        match reply.status.as_u16() {
            200 => reply
                .json::<wire::Envelope<T>>()
                .map(|envelope| envelope.data)
                .map_err(|why| Failure::Unknown(format!("the answer cannot be read: {why}"))),
            _ => Err(error_in(&reply)),
        }
    }

    async fn prove_identity(&self) -> Result<(), Failure> {
        let identity: wire::Identity =
            self.call(Method::GET, "security/api/auth/auth", String::new()).await?;
        // To a caller without a valid token the answer may be 200 all the same, with nobody in it.
        match identity.user_id {
            Some(id) if !id.is_empty() => Ok(()),
            Some(_) | None => Err(Failure::NoAccess(
                "the payment system does not know us: check the gateway's token".into(),
            )),
        }
    }

    /// Whether the shop is ours, where it has no order that would show it: orders for others' shops are forbidden, before
    /// anything else is looked at. The one that is asked for cannot be made: it is of nothing, and expired long ago.
    async fn prove_shop(&self) -> Result<(), Failure> {
        let trial = json!({
            "description": "tillgate check", "merchantId": self.setup.merchant_id, "merchantOrderId": "tillgate-check",
            "amount": 0, "vatAmount": 0, "currencyId": Currency::Rub.code(), "languageId": "ru",
            "expirationDate": "2000-01-01T00:00:00+00:00", "basketItems": [], "customer": {"type": "private"},
        });
        let made: Result<IgnoredAny, Failure> = self.call(Method::POST, CREATE, trial.to_string()).await;
        match made {
            Err(Failure::NoAccess(why)) => Err(Failure::NoAccess(format!(
                "the shop {} is not ours there, check merchant_id: {why}",
                self.setup.merchant_id
            ))),
            Ok(_) | Err(Failure::Refused(_) | Failure::Duplicate | Failure::Unclear(_)) => Ok(()),
            Err(why @ (Failure::NotDone { .. } | Failure::Unknown(_))) => Err(why),
        }
    }

    /// Why a refund was refused, with what the payment system would still pay back: somebody may have paid back by hand
    /// over there, which nobody here has heard of.
    async fn with_what_is_left(&self, why: String, request: &str) -> String {
        let Ok(wire::RefundOf { parent_id }) = serde_json::from_str(request) else { return why };
        let path = format!("billing/api/order/order/{parent_id}/refund-basket-item");
        let lines: Result<Vec<wire::Refundable>, Failure> =
            self.call(Method::GET, &path, String::new()).await;
        match lines.ok().and_then(|lines| map::refundable(&lines)) {
            Some(left) => format!("{why}; {left} of it can still be paid back there"),
            None => why,
        }
    }

    /// The refunds of an order, as many as a page has.
    async fn listed_refunds(&self, remote_id: &str) -> Result<Vec<RemoteOperation>, Failure> {
        let path = format!("filter/api/order/refund-order?parentId={remote_id}&{PAGING}");
        let refunds: Vec<wire::Refund> = self.call(Method::GET, &path, String::new()).await?;
        // A filter that was not heeded shows others' refunds too.
        let own = refunds
            .into_iter()
            .filter(|refund| refund.parent_id.as_deref().is_none_or(|parent| same_id(parent, remote_id)));
        own.map(map::refund).collect::<Result<_, _>>().map_err(Failure::Unknown)
    }

    fn remote(&self, order: wire::Order) -> Result<Remote, Failure> {
        let may_lead_to = |url: &str| leads_home(&self.setup.url, &self.setup.payment_hosts, url);
        map::remote(order, may_lead_to).map_err(Failure::Unknown)
    }
}

/// What an error means for what was asked.
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
        429 => Failure::NotDone { why, wish: Some(wish_in(reply)) },
        422 if code == "merchant_order_id_duplicate" => Failure::Duplicate,
        // With a code it is the payment system that refuses; without one it may be whatever stands before it.
        400 | 422 if !code.is_empty() => Failure::Refused(why),
        500.. => Failure::Unknown(why),
        _ => Failure::Unclear(why),
    }
}

impl Provider for Invoicebox {
    fn account(&self) -> &str {
        &self.setup.merchant_id
    }

    fn handover(&self) -> Handover {
        let is_told = self.setup.receipts.are_made() && self.setup.payment_mode.has_second_receipt();
        if is_told { Handover::ShipmentOrCapture } else { Handover::Untold }
    }

    fn terms(&self) -> Terms {
        Terms {
            contact: ContactNeed::Nothing,
            lines_max: LINES_MAX,
            free_lines: true,
            on_demand: false,
            tells_of_refunds: false,
        }
    }

    fn allowance(&self) -> Option<Allowance> {
        Some(ALLOWED)
    }

    fn freeze(&self, id: PaymentId, bill: &Bill, addresses: &Addresses) -> Result<String, String> {
        map::freeze(&self.setup.merchant_id, self.setup.payment_mode, id, bill, addresses)
    }

    fn identify(&self) -> Call<'_, ()> {
        Box::pin(async move {
            self.prove_identity().await?;
            // Nothing tells whose shop an id is: whether its orders may be listed is what can be seen.
            let path = format!(
                "filter/api/order/order?merchantId={}&_page=1&_pageSize=1&page=1&pageSize=1",
                self.setup.merchant_id
            );
            let listed: Result<Vec<wire::Listed>, Failure> =
                self.call(Method::GET, &path, String::new()).await;
            match listed {
                Ok(orders) if orders.iter().any(|order| order.is_anothers(&self.setup.merchant_id)) => {
                    let why = "the payment system shows other shops' orders under this merchant_id: check it";
                    Err(Failure::NoAccess(why.into()))
                }
                Ok(orders) if orders.is_empty() => self.prove_shop().await,
                Ok(_) => Ok(()),
                Err(Failure::Refused(why) | Failure::NoAccess(why)) => Err(Failure::NoAccess(format!(
                    "the orders of the shop {} are not shown to us, check merchant_id: {why}",
                    self.setup.merchant_id
                ))),
                Err(why) => Err(why),
            }
        })
    }

    fn create<'a>(&'a self, request: &'a str) -> Call<'a, Remote> {
        Box::pin(async move {
            let order = self.call(Method::POST, CREATE, request.to_owned()).await?;
            self.remote(order)
        })
    }

    fn find(&self, id: PaymentId, _since: Timestamp) -> Call<'_, Vec<Remote>> {
        Box::pin(async move {
            self.prove_identity().await?;
            let path = format!(
                "filter/api/order/order?merchantOrderId={id}&merchantId={}&{PAGING}",
                self.setup.merchant_id
            );
            let orders: Vec<wire::Order> = self.call(Method::GET, &path, String::new()).await?;
            // A filter that is not understood finds everything, a page of it: that ours is not there proves nothing.
            let number = id.to_string();
            if orders.iter().any(|order| order.merchant_order_id != number) {
                return Err(Failure::Unknown(
                    "the payment system did not look for the number it was given".into(),
                ));
            }
            orders.into_iter().map(|order| self.remote(order)).collect()
        })
    }

    fn read<'a>(&'a self, remote_id: &'a str) -> Call<'a, Remote> {
        Box::pin(async move {
            let path = format!("billing/api/order/order/{remote_id}");
            let order = self.call(Method::GET, &path, String::new()).await?;
            self.remote(order)
        })
    }

    fn cancel<'a>(&'a self, remote_id: &'a str) -> Call<'a, Remote> {
        Box::pin(async move {
            let path = format!("billing/api/order/order/{remote_id}");
            let order = self.call(Method::DELETE, &path, String::new()).await?;
            self.remote(order)
        })
    }

    fn alter<'a>(&'a self, remote_id: &'a str, bill: &'a Bill) -> Option<Call<'a, Remote>> {
        Some(Box::pin(async move {
            let path = format!("billing/api/order/order/{remote_id}");
            let request = map::update(self.setup.payment_mode, bill).map_err(Failure::Refused)?;
            let order: wire::Order = self.call(Method::PUT, &path, request).await?;
            if let Some(kept) = map::kept(&order, bill) {
                let why = format!("it answered that all is well, and shows another {kept}");
                return Err(Failure::Refused(why));
            }
            self.remote(order)
        }))
    }

    fn freeze_operation(
        &self,
        operation: &Operation,
        _bill: &Bill,
        remote_id: &str,
    ) -> Result<String, String> {
        map::freeze_operation(self.setup.payment_mode, operation, remote_id)
    }

    fn operate<'a>(&'a self, kind: OperationKind, request: &'a str) -> Call<'a, RemoteOperation> {
        Box::pin(async move {
            let request = request.to_owned();
            let made = match kind {
                OperationKind::Refund => {
                    let asked =
                        self.call(Method::POST, "billing/api/order/refund-order", request.clone()).await;
                    match asked {
                        Ok(made) => map::refund(made),
                        Err(Failure::Refused(why)) => {
                            return Err(Failure::Refused(self.with_what_is_left(why, &request).await));
                        }
                        Err(failure) => return Err(failure),
                    }
                }
                OperationKind::Capture | OperationKind::Shipment => {
                    map::shipment(self.call(Method::POST, "billing/api/order/shipment", request).await?)
                }
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
                    let shipments: Vec<wire::Shipment> = self.call(Method::GET, &path, String::new()).await?;
                    shipments.into_iter().map(map::shipment).collect()
                }
            };
            let found = found.map_err(Failure::Unknown)?;
            let is_full = found.len() >= PAGE_SIZE;
            let own: Vec<RemoteOperation> =
                found.into_iter().filter(|operation| operation.number == number).collect();
            if own.is_empty() && is_full {
                // It may stand on the next page: that it is not on this one proves nothing.
                return Err(Failure::Unknown(format!("the order has more than {PAGE_SIZE} of its kind")));
            }
            Ok(own)
        })
    }
}
