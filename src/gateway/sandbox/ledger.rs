//! What the sandbox has: its orders, and what was paid for them.

use std::sync::Weak;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::Dialect;
use super::{World, operations};
use crate::kernel::chance::random_bytes;
use crate::kernel::{Money, Timestamp};

/// An order.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// The id that its payment page bears.
    pub container: String,
    /// The merchant's number.
    pub number: String,
    /// What the payer reads.
    pub description: String,
    /// The sum.
    pub amount: Money,
    /// The tax in it.
    pub vat: Money,
    /// The currency.
    pub currency: String,
    /// `created`, `hold`, `completed`, `expired`, `canceled`.
    pub status: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be paid.
    pub expires_at: Timestamp,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// How often somebody tried to pay and was declined.
    pub declined: u32,
    /// Addresses for the buyer and the notification.
    pub success_url: Option<String>,
    /// Likewise.
    pub fail_url: Option<String>,
    /// Likewise.
    pub return_url: Option<String>,
    /// Likewise.
    pub notification_url: Option<String>,
    /// Answers to the notifications, in order.
    pub notices: Vec<String>,
    /// The request's lines and customer, as they came.
    pub basket: Box<RawValue>,
    /// Likewise.
    pub customer: Option<Box<RawValue>>,
    /// Requests that altered it, as they came.
    pub updates: Vec<String>,
    /// Whose words it was asked for in.
    #[serde(skip)]
    pub(super) dialect: Dialect,
    /// Its money is held first, however the buyer pays.
    pub two_steps: bool,
    /// The request, as it came.
    pub request: String,
}

impl Entry {
    /// Where it stands at `now`.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> &str {
        if self.status == "created" && now >= self.expires_at { "expired" } else { &self.status }
    }
}

/// What a merchant did with a paid order.
#[derive(Debug, Clone, Serialize)]
pub struct Done {
    /// Its id.
    pub id: String,
    /// `refund`, `shipment`, `capture` or `receipt`.
    pub kind: &'static str,
    /// The order's id.
    pub order: String,
    /// The merchant's number.
    pub number: String,
    /// What the payer reads.
    pub description: String,
    /// The sum.
    pub amount: Money,
    /// The tax in it.
    pub vat: Money,
    /// `created`, `completed`, `canceled`.
    pub status: String,
    /// When it came.
    pub created_at: Timestamp,
    /// Whether it took money that was held.
    pub captures: bool,
    /// Its lines, as they came.
    pub basket: Box<RawValue>,
}

/// What the buyer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Pays.
    Pay,
    /// Agrees, and the bank sets the money aside.
    Hold,
    /// Tries to, and the bank says no.
    Decline,
    /// Goes back to the shop.
    Abandon,
}

#[derive(Debug, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    done: Vec<Done>,
    /// What was answered under an idempotence key, and to which request.
    pub keys: std::collections::HashMap<String, (String, serde_json::Value)>,
    /// When calls came, for the limit.
    pub calls: std::collections::VecDeque<Timestamp>,
}

impl Ledger {
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub fn done(&self) -> &[Done] {
        &self.done
    }

    pub fn add_done(&mut self, done: Done) {
        self.done.push(done);
    }

    /// Ends the refunds that were only taken in: the money is there, or will never be. Returns them.
    pub fn settle_refunds(&mut self, status: &str) -> Vec<Done> {
        let open = self.done.iter_mut().filter(|done| done.status == "created");
        open.map(|done| {
            done.status = status.to_owned();
            done.clone()
        })
        .collect()
    }

    pub fn find(&mut self, is_it: impl Fn(&Entry) -> bool) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| is_it(entry))
    }
}

/// An id as the payment system makes them: the time in milliseconds, then chance, in the layout of a UUID but without
/// its version.
pub fn new_id(now: Timestamp) -> String {
    let time = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let hex: String = random_bytes::<10>().iter().map(|byte| format!("{byte:02x}")).collect();
    let hex = format!("{time:012x}{hex}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

/// `GET /sandbox/refunds`: refunds and shipments.
pub async fn show_done(State(world): State<Weak<World>>) -> Response {
    let Some(world) = world.upgrade() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let done = world.ledger().done().to_vec();
    Json(done).into_response()
}

/// How the refunds end that were only taken in.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Completed,
    Canceled,
}

/// `POST /sandbox/refunds`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    status: End,
}

pub async fn settle(State(world): State<Weak<World>>, Json(Ending { status }): Json<Ending>) -> Response {
    let Some(world) = world.upgrade() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    operations::settle(
        &world,
        match status {
            End::Completed => "completed",
            End::Canceled => "canceled",
        },
    );
    StatusCode::NO_CONTENT.into_response()
}

/// `POST /sandbox/cabinet-refunds`: somebody pays money back in the cabinet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CabinetRefund {
    order: String,
    amount: Money,
}

pub async fn refund_in_cabinet(
    State(world): State<Weak<World>>,
    Json(CabinetRefund { order, amount }): Json<CabinetRefund>,
) -> Response {
    let Some(world) = world.upgrade() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let is_made = operations::refund_in_cabinet(&world, &order, amount);
    if is_made { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }.into_response()
}

/// `GET /sandbox/ledger`
pub async fn show(State(world): State<Weak<World>>) -> Response {
    let Some(world) = world.upgrade() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let entries = world.ledger().entries().to_vec();
    Json(entries).into_response()
}
