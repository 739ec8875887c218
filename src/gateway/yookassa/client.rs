//! Calls, and what their outcomes mean.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::de::DeserializeOwned;

use super::map::{self, Manner};
use super::wire;
use crate::gateway::{Addresses, Call, Failure, Provider, one_line, wish_in};
use crate::kernel::json::tidy;
use crate::kernel::time::earlier;
use crate::kernel::{Secret, Timestamp, same_id};
use crate::payments::{
    Bill, ContactNeed, Handover, LINES_MAX, Operation, OperationKind, PaymentId, PaymentMode, Receipts,
    Remote, RemoteOperation, RemoteStatus, Terms,
};
use crate::peer::{self, Client, Reply, leads_home};

/// How long a call may take, in seconds. The payment system answers within 30, or says that it is still at it.
pub const CALL_SECONDS_MAX: u64 = 35;

/// The most of an answer that is read, in bytes: a page of a hundred payments.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Entries of a page that are asked for: the most that is given.
const PAGE_SIZE: usize = 100;

/// Pages that are walked to find a payment, or to believe that it is not there.
const PAGES_MAX: usize = 30;

/// The most lines of a receipt, for a cash register and by YooKassa itself.
const RECEIPT_LINES_MAX: usize = 100;
const OWN_RECEIPT_LINES_MAX: usize = 80;

/// Before such a list is walked again.
const LIST_PAUSE: Duration = Duration::from_secs(60);

/// How far the payment system's clock may be behind ours.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(600);

/// A shop at YooKassa.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where the API is.
    pub url: String,
    /// The shop's id.
    pub shop_id: String,
    /// Its secret key.
    pub secret_key: Secret,
    /// Money is held first, and taken by a capture.
    pub two_steps: bool,
    /// Who makes the fiscal receipts.
    pub receipts: Receipts,
    /// What the money is on them.
    pub payment_mode: PaymentMode,
    /// How the shop is taxed, by the number in the payment system's list, if it is taxed in several ways.
    pub tax_system_code: Option<u8>,
    /// Hosts that a payment page may be on, besides the API's own.
    pub payment_hosts: Vec<String>,
}

/// The payment system.
#[derive(Debug)]
pub struct Yookassa {
    client: Client,
    setup: Setup,
}

impl Yookassa {
    /// The payment system, called through `client`.
    #[must_use]
    pub fn new(client: Client, setup: Setup) -> Yookassa {
        Yookassa { client, setup }
    }

    fn manner(&self) -> Manner {
        let &Setup { two_steps, receipts, payment_mode, tax_system_code, .. } = &self.setup;
        Manner { two_steps, receipts, payment_mode, tax_system_code }
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
        let mut basic = basic.map_err(|_| Failure::NoAccess("the key cannot stand in a header".into()))?;
        basic.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, basic);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(key) = key {
            let key = HeaderValue::from_str(key);
            let key = key.map_err(|_| Failure::Refused("the number cannot stand in a header".into()))?;
            headers.insert("idempotence-key", key);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let url = format!("{}/v3/{path}", self.setup.url.trim_end_matches('/'));
        let reply = self.client.call(method, &url, headers, body.into_bytes()).await;
        let reply = reply.map_err(|failure| match failure {
            peer::Failure::NotSent(why) => Failure::NotDone { why, wish: None },
            peer::Failure::Unknown(why) => Failure::Unknown(why),
        })?;
        match reply.status.as_u16() {
            200 => reply.json().map_err(|why| Failure::Unknown(format!("the answer cannot be read: {why}"))),
            _ => Err(error_in(&reply)),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path, None, String::new()).await
    }

    /// Sends a request as it was frozen.
    async fn send<T: DeserializeOwned>(&self, request: &str) -> Result<(wire::Frozen, T), Failure> {
        let frozen: wire::Frozen = serde_json::from_str(request)
            .map_err(|why| Failure::Refused(format!("the stored request cannot be read: {why}")))?;
        let path = &frozen.path;
        let body = frozen.body.get().to_owned();
        let made = self.call(Method::POST, path, Some(&frozen.key), body).await?;
        Ok((frozen, made))
    }

    /// Every entry of a list whose addresses begin with `path`, when they are not too many. Entries that cannot be read are
    /// others' and are passed over, but for one that names `number`: it may be what is looked for.
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
                        let why = format!("an entry of its list that names {number} cannot be read: {why}");
                        return Err(Failure::Unknown(why));
                    }
                    Err(why) => {
                        tracing::debug!(error = %why, "an entry of the payment system's list cannot be read and is passed over");
                    }
                }
            }
            let usable = |cursor: &String| cursor.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'&');
            match page.next_cursor.filter(usable) {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
        // The payment system is well: it is only too much to walk through now.
        let why = format!("the list has more than {PAGES_MAX} pages of {PAGE_SIZE}");
        Err(Failure::NotDone { why, wish: Some(LIST_PAUSE) })
    }

    fn remote(&self, payment: wire::Payment) -> Result<Remote, Failure> {
        let may_lead_to = |url: &str| leads_home(&self.setup.url, &self.setup.payment_hosts, url);
        map::remote(payment, may_lead_to).map_err(Failure::Unknown)
    }
}

/// What an error means for what was asked.
fn error_in(reply: &Reply) -> Failure {
    let body: wire::ErrorBody = reply.json().unwrap_or_default();
    let code = body.code.unwrap_or_default();
    let (text, field) = (body.description.unwrap_or_default(), body.parameter.unwrap_or_default());
    let id = body.id.map(|id| format!("(id {id})")).unwrap_or_default();
    let why = format!("{} {code} {text} {field} {id}", reply.status.as_u16());
    let why = one_line(&why);
    match reply.status.as_u16() {
        401 | 403 => Failure::NoAccess(why),
        429 => Failure::NotDone { why, wish: Some(wish_in(reply)) },
        // With a code it is the payment system that refuses; without one it may be whatever stands before it.
        400 | 404 | 405 | 415 if !code.is_empty() => Failure::Refused(why),
        // 202 too: it is still at it.
        500.. => Failure::Unknown(why),
        _ => Failure::Unclear(why),
    }
}

impl Provider for Yookassa {
    fn account(&self) -> &str {
        &self.setup.shop_id
    }

    fn handover(&self) -> Handover {
        let is_told = self.setup.receipts.are_made() && self.setup.payment_mode.has_second_receipt();
        if is_told { Handover::Shipment } else { Handover::Untold }
    }

    fn terms(&self) -> Terms {
        let (contact, lines_max) = match self.setup.receipts {
            Receipts::None => (ContactNeed::Nothing, LINES_MAX),
            Receipts::Own => (ContactNeed::EmailOrPhone, RECEIPT_LINES_MAX),
            // It sends its own receipts by e-mail alone.
            Receipts::PaymentSystem => (ContactNeed::Email, OWN_RECEIPT_LINES_MAX),
        };
        // A payment that waits for its buyer cannot be cancelled, and lives for an hour.
        let free_lines = self.setup.receipts == Receipts::None;
        Terms { contact, lines_max, free_lines, on_demand: true, tells_of_refunds: true }
    }

    fn freeze(&self, id: PaymentId, bill: &Bill, addresses: &Addresses) -> Result<String, String> {
        map::freeze(self.manner(), id, bill, addresses)
    }

    fn identify(&self) -> Call<'_, ()> {
        Box::pin(async move {
            let known: Result<wire::Me, Failure> = self.get("me").await;
            if let Err(Failure::NoAccess(why)) = &known {
                let why = format!("we are not known there, check merchant_id and token: {why}");
                return Err(Failure::NoAccess(why));
            }
            let me = known?;
            if same_id(&me.account_id, &self.setup.shop_id) {
                return Ok(());
            }
            let why = format!("the key is the shop {}'s: check the gateway's merchant_id", me.account_id);
            Err(Failure::NoAccess(why))
        })
    }

    fn create<'a>(&'a self, request: &'a str) -> Call<'a, Remote> {
        Box::pin(async move {
            let (_, made) = self.send(request).await?;
            self.remote(made)
        })
    }

    fn find(&self, id: PaymentId, since: Timestamp) -> Call<'_, Vec<Remote>> {
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

    fn read<'a>(&'a self, remote_id: &'a str) -> Call<'a, Remote> {
        Box::pin(async move { self.remote(self.get(&format!("payments/{remote_id}")).await?) })
    }

    fn cancel<'a>(&'a self, remote_id: &'a str) -> Call<'a, Remote> {
        Box::pin(async move {
            // The refusal might be given again under the same key, when there is something to let go.
            let stands = self.remote(self.get(&format!("payments/{remote_id}")).await?)?;
            if stands.status != RemoteStatus::Held {
                let why = "it waits for its buyer, and dies by itself: only what is held is let go";
                return Err(Failure::Refused(why.into()));
            }
            let path = format!("payments/{remote_id}/cancel");
            let key = format!("cancel-{remote_id}");
            self.remote(self.call(Method::POST, &path, Some(&key), "{}".into()).await?)
        })
    }

    fn alter<'a>(&'a self, _remote_id: &'a str, _bill: &'a Bill) -> Option<Call<'a, Remote>> {
        None // a payment is made once; only its metadata can be written anew
    }

    fn freeze_operation(
        &self,
        operation: &Operation,
        bill: &Bill,
        remote_id: &str,
    ) -> Result<String, String> {
        map::freeze_operation(self.manner(), operation, bill, remote_id)
    }

    fn operate<'a>(&'a self, kind: OperationKind, request: &'a str) -> Call<'a, RemoteOperation> {
        Box::pin(async move {
            let made = match kind {
                OperationKind::Refund => {
                    let (_, refund) = self.send(request).await?;
                    map::refund(refund).map(Some)
                }
                OperationKind::Capture => {
                    let (frozen, payment) = self.send(request).await?;
                    map::capture(&payment, &frozen.key)
                }
                OperationKind::Shipment => {
                    let (frozen, receipt) = self.send(request).await?;
                    map::shipment(receipt, &frozen.key)
                }
            };
            let made = made.map_err(Failure::Unknown)?;
            made.ok_or_else(|| Failure::Unknown("the answer is not about what was asked for".into()))
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
                    let refunds = self.all(&format!("refunds?payment_id={remote_id}"), &number).await?;
                    refunds.into_iter().map(map::refund).collect()
                }
                OperationKind::Capture => {
                    let payment = self.get(&format!("payments/{remote_id}")).await?;
                    map::capture(&payment, &number).map(|found| found.into_iter().collect())
                }
                OperationKind::Shipment => {
                    let receipts = self.all(&format!("receipts?payment_id={remote_id}"), remote_id).await?;
                    let shipments = receipts.into_iter().map(|receipt| map::shipment(receipt, &number));
                    shipments.filter_map(Result::transpose).collect()
                }
            };
            let found = found.map_err(Failure::Unknown)?;
            Ok(found.into_iter().filter(|operation| operation.number == number).collect())
        })
    }
}
