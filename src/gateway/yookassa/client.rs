//! The HTTP client: calls to the API, and the meaning of their outcomes.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::de::DeserializeOwned;

use super::map::{self, PaymentOptions};
use super::wire;
use crate::gateway::{Addresses, Call, Failure, Provider, one_line, retry_after_in};
use crate::kernel::json::tidy;
use crate::kernel::time::earlier;
use crate::kernel::{Secret, Timestamp, same_id};
use crate::payments::{
    Bill, ContactNeed, LINES_MAX, Operation, OperationKind, PaymentId, PaymentMethod, PaymentMode,
    Receipts, RemoteOperation, RemotePayment, RemotePaymentStatus, ShipmentReport, Terms,
};
use crate::peer::{self, Client, Reply, leads_home};

/// The timeout of a call, in seconds. The payment system answers within 30, or
/// says that it is still processing the call.
pub const CALL_SECONDS_MAX: u64 = 35;

/// The maximum size of an answer, in bytes: enough for a page of a hundred
/// payments.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The page size of lists: the largest that the API allows.
const PAGE_SIZE: usize = 100;

/// The maximum number of pages that are read to find a payment, or to conclude
/// that it does not exist.
const PAGES_MAX: usize = 30;

/// The maximum number of lines on a receipt of the merchant's own cash
/// register.
const RECEIPT_LINES_MAX: usize = 100;
/// The same for receipts that YooKassa makes itself.
const OWN_RECEIPT_LINES_MAX: usize = 80;

/// The pause before a list that has too many pages is read again.
const LIST_PAUSE: Duration = Duration::from_secs(60);

/// The maximum clock skew: how far the payment system's clock may be behind
/// ours.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(600);

/// The configuration of a shop at YooKassa.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The base URL of the API.
    pub url: String,
    /// The shop's id.
    pub shop_id: String,
    /// The shop's secret key.
    pub secret_key: Secret,
    /// Money is held first and taken by a separate capture.
    pub manual_capture: bool,
    /// Who makes the fiscal receipts.
    pub receipts: Receipts,
    /// The payment mode on the receipts (tag 1214).
    pub payment_mode: PaymentMode,
    /// The shop's tax system: its number in the payment system's list. Needed
    /// only if the shop has several.
    pub tax_system_code: Option<u8>,
    /// Hosts that may serve payment pages, in addition to the API's own host.
    pub payment_hosts: Vec<String>,
}

/// The [`Provider`] for YooKassa.
#[derive(Debug)]
pub struct Yookassa {
    client: Client,
    setup: Setup,
}

impl Yookassa {
    /// Creates a provider that sends its calls through `client`.
    #[must_use]
    pub fn new(client: Client, setup: Setup) -> Yookassa {
        Yookassa { client, setup }
    }

    fn manner(&self) -> PaymentOptions {
        let &Setup { manual_capture, receipts, payment_mode, tax_system_code, .. } = &self.setup;
        PaymentOptions { manual_capture, receipts, payment_mode, tax_system_code }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: String,
    ) -> Result<T, Failure> {
        let mut headers = HeaderMap::new();
        let credentials = format!("{}:{}", self.setup.shop_id, self.setup.secret_key.expose());
        let basic = HeaderValue::from_str(&format!("Basic {}", BASE64.encode(credentials)));
        let mut basic = basic
            .map_err(|_| Failure::NoAccess("the credentials cannot be put in a header".into()))?;
        basic.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, basic);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(key) = key {
            let key = HeaderValue::from_str(key);
            let key = key.map_err(|_| {
                Failure::Refused("the idempotence key cannot be put in a header".into())
            })?;
            headers.insert("idempotence-key", key);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let url = format!("{}/v3/{path}", self.setup.url.trim_end_matches('/'));
        let reply = self.client.call(method, &url, headers, body.into_bytes()).await;
        let reply = reply.map_err(|failure| match failure {
            peer::Failure::NotSent(why) => Failure::NotDone { why, retry_after: None },
            peer::Failure::Unknown(why) => Failure::Unknown(why),
        })?;
        match reply.status.as_u16() {
            200 => reply
                .json()
                .map_err(|why| Failure::Unknown(format!("cannot parse the answer: {why}"))),
            _ => Err(error_in(&reply)),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path, None, String::new()).await
    }

    /// Sends a stored request exactly as it was built.
    async fn send<T: DeserializeOwned>(
        &self,
        request: &str,
    ) -> Result<(wire::StoredRequest, T), Failure> {
        let stored: wire::StoredRequest = serde_json::from_str(request)
            .map_err(|why| Failure::Refused(format!("cannot parse the stored request: {why}")))?;
        let path = &stored.path;
        let body = stored.body.get().to_owned();
        let made = self.call(Method::POST, path, Some(&stored.key), body).await?;
        Ok((stored, made))
    }

    /// Reads all entries of the list at `path`, page by page. Unreadable
    /// entries are skipped, because they belong to others. One that contains
    /// `number` is an error instead: it may be the entry we look for. A list
    /// with more than [`PAGES_MAX`] pages is an error too.
    async fn all<T: DeserializeOwned>(&self, path: &str, number: &str) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let after = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
            let page: wire::List = self.get(&format!("{path}&limit={PAGE_SIZE}{after}")).await?;
            for entry in page.items {
                match serde_json::from_slice(&tidy(entry.get().as_bytes()).text) {
                    Ok(entry) => all.push(entry),
                    Err(why) if entry.get().contains(number) => {
                        let why = format!("cannot parse the list entry that names {number}: {why}");
                        return Err(Failure::Unknown(why));
                    }
                    Err(why) => {
                        tracing::debug!(
                            error = %why,
                            "skipping an unreadable entry in the payment system's list"
                        );
                    }
                }
            }
            let usable = |cursor: &String| {
                cursor.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'&')
            };
            match page.next_cursor.filter(usable) {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
        // The payment system is up, so this must not count as an outage.
        let why = format!("the list has more than {PAGES_MAX} pages of {PAGE_SIZE} entries");
        Err(Failure::NotDone { why, retry_after: Some(LIST_PAUSE) })
    }

    fn remote(&self, payment: wire::Payment) -> Result<RemotePayment, Failure> {
        let may_lead_to = |url: &str| leads_home(&self.setup.url, &self.setup.payment_hosts, url);
        map::remote(payment, may_lead_to).map_err(Failure::Unknown)
    }
}

/// Classifies an error answer: whether the request may have been carried out.
fn error_in(reply: &Reply) -> Failure {
    let body: wire::ErrorBody = reply.json().unwrap_or_default();
    let code = body.code.unwrap_or_default();
    let (text, field) = (body.description.unwrap_or_default(), body.parameter.unwrap_or_default());
    let id = body.id.map(|id| format!("(id {id})")).unwrap_or_default();
    let why = format!("{} {code} {text} {field} {id}", reply.status.as_u16());
    let why = one_line(&why);
    match reply.status.as_u16() {
        401 | 403 => Failure::NoAccess(why),
        429 => Failure::NotDone { why, retry_after: Some(retry_after_in(reply)) },
        // An answer with a code comes from the payment system. One without a
        // code may come from a proxy in front of it.
        400 | 404 | 405 | 415 if !code.is_empty() => Failure::Refused(why),
        500.. => Failure::Unknown(why),
        // 202 is among these: the request is still being processed.
        _ => Failure::Unclear(why),
    }
}

impl Provider for Yookassa {
    fn account(&self) -> &str {
        &self.setup.shop_id
    }

    fn shipment_report(&self) -> ShipmentReport {
        let is_reported =
            self.setup.receipts.are_made() && self.setup.payment_mode.has_second_receipt();
        if is_reported { ShipmentReport::Shipment } else { ShipmentReport::NotReported }
    }

    fn terms(&self) -> Terms {
        let (contact, lines_max) = match self.setup.receipts {
            Receipts::None => (ContactNeed::Nothing, LINES_MAX),
            Receipts::Own => (ContactNeed::EmailOrPhone, RECEIPT_LINES_MAX),
            // YooKassa sends its own receipts only by e-mail.
            Receipts::PaymentSystem => (ContactNeed::Email, OWN_RECEIPT_LINES_MAX),
        };
        let free_lines = self.setup.receipts == Receipts::None;
        // On demand, because a payment that waits for its buyer cannot be
        // cancelled and expires after an hour.
        Terms {
            contact,
            lines_max,
            free_lines,
            on_demand: true,
            notifies_of_refunds: true,
            methods: &PaymentMethod::ALL,
        }
    }

    fn build_request(
        &self,
        id: PaymentId,
        bill: &Bill,
        addresses: &Addresses,
    ) -> Result<String, String> {
        map::build_request(self.manner(), id, bill, addresses)
    }

    fn identify(&self) -> Call<'_, ()> {
        Box::pin(async move {
            let known: Result<wire::ShopAccount, Failure> = self.get("me").await;
            if let Err(Failure::NoAccess(why)) = &known {
                let why = format!("credentials not accepted, check merchant_id and token: {why}");
                return Err(Failure::NoAccess(why));
            }
            let me = known?;
            if same_id(&me.account_id, &self.setup.shop_id) {
                return Ok(());
            }
            let why = format!("the token belongs to the shop {}: check merchant_id", me.account_id);
            Err(Failure::NoAccess(why))
        })
    }

    fn create<'a>(&'a self, request: &'a str) -> Call<'a, RemotePayment> {
        Box::pin(async move {
            let (_, made) = self.send(request).await?;
            self.remote(made)
        })
    }

    fn find(&self, id: PaymentId, since: Timestamp) -> Call<'_, Vec<RemotePayment>> {
        Box::pin(async move {
            let since = earlier(since, CLOCKS_APART_MAX);
            let number = id.to_string();
            let path = format!("payments?created_at.gte={since}");
            let payments: Vec<wire::Payment> = self.all(&path, &number).await?;
            let own = |payment: &wire::Payment| {
                wire::number_in(payment.metadata.as_deref()) == Some(number.clone())
            };
            payments.into_iter().filter(own).map(|payment| self.remote(payment)).collect()
        })
    }

    fn read<'a>(&'a self, remote_id: &'a str) -> Call<'a, RemotePayment> {
        Box::pin(async move { self.remote(self.get(&format!("payments/{remote_id}")).await?) })
    }

    fn cancel<'a>(&'a self, remote_id: &'a str) -> Call<'a, RemotePayment> {
        Box::pin(async move {
            // Only a held payment can be cancelled. Trying earlier could store
            // a refusal under the idempotence key, and YooKassa might repeat it
            // once there is a hold to release.
            let current = self.remote(self.get(&format!("payments/{remote_id}")).await?)?;
            if current.status != RemotePaymentStatus::Held {
                let why = "only a held payment can be cancelled: an unpaid one expires by itself";
                return Err(Failure::Refused(why.into()));
            }
            let path = format!("payments/{remote_id}/cancel");
            let key = format!("cancel-{remote_id}");
            self.remote(self.call(Method::POST, &path, Some(&key), "{}".into()).await?)
        })
    }

    fn update<'a>(
        &'a self,
        _remote_id: &'a str,
        _bill: &'a Bill,
    ) -> Option<Call<'a, RemotePayment>> {
        // Of an existing payment, the API can change only the metadata.
        None
    }

    fn build_operation_request(
        &self,
        operation: &Operation,
        bill: &Bill,
        remote_id: &str,
    ) -> Result<String, String> {
        map::build_operation_request(self.manner(), operation, bill, remote_id)
    }

    fn operate<'a>(&'a self, kind: OperationKind, request: &'a str) -> Call<'a, RemoteOperation> {
        Box::pin(async move {
            let made = match kind {
                OperationKind::Refund => {
                    let (_, refund) = self.send(request).await?;
                    map::refund(refund).map(Some)
                }
                OperationKind::Capture => {
                    let (stored, payment) = self.send(request).await?;
                    map::capture(&payment, &stored.key)
                }
                OperationKind::Shipment => {
                    let (stored, receipt) = self.send(request).await?;
                    map::shipment(receipt, &stored.key)
                }
            };
            let made = made.map_err(Failure::Unknown)?;
            made.ok_or_else(|| {
                Failure::Unknown("the answer does not describe the requested operation".into())
            })
        })
    }

    fn refunds<'a>(&'a self, remote_id: &'a str) -> Call<'a, Vec<RemoteOperation>> {
        Box::pin(async move {
            let refunds = self.all(&format!("refunds?payment_id={remote_id}"), remote_id).await?;
            refunds.into_iter().map(map::refund).collect::<Result<_, _>>().map_err(Failure::Unknown)
        })
    }

    fn find_operation<'a>(
        &'a self,
        operation: &'a Operation,
        remote_id: &'a str,
    ) -> Call<'a, Vec<RemoteOperation>> {
        Box::pin(async move {
            let number = operation.id.to_string();
            let found: Result<Vec<RemoteOperation>, String> = match operation.kind {
                OperationKind::Refund => {
                    let refunds =
                        self.all(&format!("refunds?payment_id={remote_id}"), &number).await?;
                    refunds.into_iter().map(map::refund).collect()
                }
                OperationKind::Capture => {
                    let payment = self.get(&format!("payments/{remote_id}")).await?;
                    map::capture(&payment, &number).map(|found| found.into_iter().collect())
                }
                OperationKind::Shipment => {
                    let receipts =
                        self.all(&format!("receipts?payment_id={remote_id}"), remote_id).await?;
                    let shipments =
                        receipts.into_iter().map(|receipt| map::shipment(receipt, &number));
                    shipments.filter_map(Result::transpose).collect()
                }
            };
            let found = found.map_err(Failure::Unknown)?;
            Ok(found.into_iter().filter(|operation| operation.number == number).collect())
        })
    }
}
