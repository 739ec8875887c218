//! What the sandbox has: its orders, and what was paid for them.

use serde::Serialize;
use serde_json::value::RawValue;

use tillgate_kernel::{Money, Timestamp};

/// Whose words an answer is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Invoicebox: bearer tokens, errors by field, escaped slashes.
    Invoicebox,
    /// YooKassa: Basic authentication, one code for most errors.
    Yookassa,
}

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
