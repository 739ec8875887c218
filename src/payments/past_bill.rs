//! Bills of payments that have ended.
//!
//! An order that changes often has many of them, and its checkout is written
//! again whenever anything happens to it. So these bills are moved out of the
//! checkout, each to a document that never changes. They are read again only if
//! money arrives for such a payment after all.

use serde::{Deserialize, Serialize};

use super::bill::{Bill, Customer};
use super::checkout::Checkout;
use super::payment::PaymentState;
use super::payment_id::PaymentId;
use super::wishes::PaymentWishes;
use crate::kernel::document;
use crate::kernel::{DocKey, Document, Kind, Private, Unreadable};
use crate::orders::Number;

/// The bill of a payment that has ended, and the request that was made with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastBill {
    pub payment: PaymentId,
    pub bill: Bill,
    /// The request, if one was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Private>,
}

impl PastBill {
    /// The key of the bill of an order's payment that has ended.
    #[must_use]
    pub fn key(number: Number, attempt: u32) -> DocKey {
        DocKey { partition: number.partition(), kind: PastBill::KIND, id: u128::from(attempt) }
    }
}

impl Document for PastBill {
    const KIND: Kind = Kind::new(10, "past bills");
    const SCHEMA: u16 = 2;
    const OLDEST: u16 = 2;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<PastBill, Unreadable> {
        document::decode(schema, bytes)
    }
}

impl Checkout {
    /// Removes the bills of payments that have ended and are not the latest.
    /// Returns those that are not stored yet. A payment that has taken money
    /// keeps its bill.
    pub fn take_past_bills(&mut self) -> Vec<PastBill> {
        let Some((_, before)) = self.payments.split_last_mut() else { return Vec::new() };
        let mut past = Vec::new();
        for payment in before.iter_mut().filter(|payment| !payment.bill.lines.is_empty()) {
            let is_over = matches!(
                payment.state,
                PaymentState::Cancelled { .. }
                    | PaymentState::Expired { .. }
                    | PaymentState::Refused { .. }
            );
            if !is_over || payment.pending_update.is_some() {
                continue;
            }
            let Bill { total, vat, expires_at, .. } = payment.bill;
            // Of a payment that has ended only the sums and the expiry are
            // still needed.
            let rest = Bill {
                description: String::new(),
                lines: Vec::new(),
                total,
                vat,
                customer: Customer::default(),
                expires_at,
                wishes: PaymentWishes::default(),
            };
            let bill = std::mem::replace(&mut payment.bill, rest);
            let request = payment.request.take();
            if !payment.bill_is_apart {
                past.push(PastBill { payment: payment.id, bill, request });
            }
            payment.bill_is_apart = true;
        }
        past
    }

    /// Whether the bill of this payment is in a document of its own and has not
    /// been loaded.
    #[must_use]
    pub fn lacks_bill(&self, id: PaymentId) -> bool {
        self.payments.iter().any(|payment| {
            payment.id == id && payment.bill_is_apart && payment.bill.lines.is_empty()
        })
    }

    /// Restores a bill that was moved out.
    pub fn put_back(&mut self, past: PastBill) {
        if let Some(payment) = self.payment_mut(past.payment) {
            payment.bill = past.bill;
            payment.request = past.request;
        }
    }
}
