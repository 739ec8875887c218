//! Bills of payments that are over.
//!
//! An order that is changed often has many of them, and its checkout is written anew whenever anything happens to it. So they
//! lie beside it, each in a document that never changes, and come back only when money arrives for such a payment after all.

use serde::{Deserialize, Serialize};

use super::bill::{Bill, Customer};
use super::checkout::Checkout;
use super::payment::PaymentState;
use super::payment_id::PaymentId;
use crate::kernel::document::{decode_json, encode_json};
use crate::kernel::{DocKey, Document, Kind, Private, Unreadable};
use crate::orders::Number;

/// The bill of a payment that is over, and the request that was made with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastBill {
    /// Which payment.
    pub payment: PaymentId,
    /// The bill.
    pub bill: Bill,
    /// The request, if one was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Private>,
}

impl PastBill {
    /// Where the bill of an order's payment lies that is over.
    #[must_use]
    pub fn key(number: Number, attempt: u32) -> DocKey {
        DocKey { partition: number.partition(), kind: PastBill::KIND, id: u128::from(attempt) }
    }
}

impl Document for PastBill {
    const KIND: Kind = Kind::unlisted(10, "past bills");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        encode_json(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<PastBill, Unreadable> {
        decode_json(schema, bytes)
    }
}

impl Checkout {
    /// Takes out the bills of payments that are over and have another behind them. Those that are returned are not stored
    /// yet; a payment that has taken money keeps its bill.
    pub fn take_past_bills(&mut self) -> Vec<PastBill> {
        let Some((_, before)) = self.payments.split_last_mut() else { return Vec::new() };
        let mut past = Vec::new();
        for payment in before.iter_mut().filter(|payment| !payment.bill.lines.is_empty()) {
            let is_over = matches!(
                payment.state,
                PaymentState::Cancelled { .. } | PaymentState::Expired { .. } | PaymentState::Refused { .. }
            );
            if !is_over || payment.alteration.is_some() {
                continue;
            }
            let Bill { total, vat, expires_at, .. } = payment.bill;
            // What is asked of a payment that is over is its sum and its end.
            let rest = Bill {
                description: String::new(),
                lines: Vec::new(),
                total,
                vat,
                customer: Customer::default(),
                expires_at,
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

    /// Whether the bill of this payment lies apart and is not at hand.
    #[must_use]
    pub fn lacks_bill(&self, id: PaymentId) -> bool {
        self.payments
            .iter()
            .any(|payment| payment.id == id && payment.bill_is_apart && payment.bill.lines.is_empty())
    }

    /// Puts a bill back that was taken out.
    pub fn put_back(&mut self, past: PastBill) {
        if let Some(payment) = self.payment_mut(past.payment) {
            payment.bill = past.bill;
            payment.request = past.request;
        }
    }
}
