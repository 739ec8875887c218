//! The sandbox's ledger: orders, and operations on them.

use serde::Serialize;
use serde_json::value::RawValue;

use tillgate_kernel::{Money, Timestamp};

/// The API that an order belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Invoicebox: bearer tokens, errors by field, escaped slashes.
    Invoicebox,
    /// YooKassa: Basic authentication, one code for most errors.
    Yookassa,
}

#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    pub id: String,
    /// The id in the address of its payment page.
    pub container: String,
    /// The merchant's number of the order.
    pub number: String,
    /// The text that the payer sees.
    pub description: String,
    pub amount: Money,
    /// The tax included in the amount.
    pub vat: Money,
    pub currency: String,
    /// `created`, `hold`, `completed` or `canceled`. See [`Entry::status_at`]
    /// for `expired`.
    pub status: String,
    pub created_at: Timestamp,
    /// The time until which it can be paid.
    pub expires_at: Timestamp,
    pub paid_at: Option<Timestamp>,
    /// How many attempts to pay were declined.
    pub declined: u32,
    /// Where the buyer is sent after paying.
    pub success_url: Option<String>,
    /// Where the buyer is sent after a declined payment.
    pub fail_url: Option<String>,
    /// Where the buyer is sent after abandoning the payment.
    pub return_url: Option<String>,
    /// Where notifications are sent.
    pub notification_url: Option<String>,
    /// The answers to the notifications, in order.
    pub notifications: Vec<String>,
    /// The lines, as the merchant sent them.
    pub basket: Box<RawValue>,
    /// The customer, as the merchant sent it.
    pub customer: Option<Box<RawValue>>,
    /// The requests that changed the order, as the merchant sent them.
    pub updates: Vec<String>,
    /// The API in which it was created.
    #[serde(skip)]
    pub(super) dialect: Dialect,
    /// Whether its money is held until it is captured, however the buyer pays.
    pub manual_capture: bool,
    /// What it is paid with, if the merchant has said so: `bank_card` or `sbp`.
    pub method: Option<String>,
    /// The request that created it, as the merchant sent it.
    pub request: String,
}

/// The numbers of what a payer can pay with, in the sandbox.
pub const METHODS: [(u32, &str); 2] = [(1, "bank_card"), (2, "sbp")];

impl Entry {
    /// The status at `now`: an unpaid order expires by itself.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> &str {
        if self.status == "created" && now >= self.expires_at { "expired" } else { &self.status }
    }
}

/// An operation of a merchant on a paid order.
#[derive(Debug, Clone, Serialize)]
pub struct Done {
    pub id: String,
    /// `refund`, `shipment`, `capture` or `receipt`.
    pub kind: &'static str,
    /// The id of the order.
    pub order: String,
    /// The merchant's number of the operation.
    pub number: String,
    /// The text that the payer sees.
    pub description: String,
    pub amount: Money,
    /// The tax included in the amount.
    pub vat: Money,
    /// `created`, `completed` or `canceled`.
    pub status: String,
    pub created_at: Timestamp,
    /// Whether it captured money that was held.
    pub captures: bool,
    /// The lines, as the merchant sent them.
    pub basket: Box<RawValue>,
}

/// What the buyer does on the payment page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Pays.
    Pay,
    /// Pays, and the bank holds the money.
    Hold,
    /// Tries to pay, and the bank declines.
    Decline,
    /// Returns to the shop without paying.
    Abandon,
}

#[derive(Debug, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    done: Vec<Done>,
    /// The answer given under each idempotence key, and the request it belongs
    /// to.
    pub keys: std::collections::HashMap<String, (String, serde_json::Value)>,
    /// The times of calls, for the rate limit.
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

    /// Ends the pending refunds with this status. Returns them.
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
