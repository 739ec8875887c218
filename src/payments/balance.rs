//! The money of an order in four sums.

use super::checkout::Checkout;
use super::payment::Payment;
use crate::kernel::{Money, Timestamp};

/// Where the money of an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Received, refunds not subtracted.
    pub paid: Money,
    /// Held by the payment system and not captured.
    pub held: Money,
    /// Refunded for certain.
    pub refunded: Money,
    /// Asked of the buyer and not received.
    pub due: Money,
}

impl Checkout {
    #[must_use]
    pub fn balance(&self, now: Timestamp) -> Balance {
        let sum = |sums: &mut dyn Iterator<Item = Money>| {
            Money::from_kopecks(sums.fold(0, |sum, part| sum.saturating_add(part.kopecks())))
        };
        let paid = self.payments.iter().filter(|payment| payment.was_paid());
        let held = self.payments.iter().filter(|payment| payment.is_held());
        let waits = |payment: &&Payment| {
            payment.is_open() && payment.superseded.is_none() && now < payment.bill.expires_at
        };
        let next = self.next.as_ref().map(|(_, bill)| bill).filter(|bill| now < bill.expires_at);
        let due = match next {
            Some(bill) => Some(bill.total),
            None => self.payments.iter().find(waits).map(|payment| payment.bill.total),
        };
        Balance {
            paid: sum(&mut paid.clone().map(Payment::taken)),
            held: sum(&mut held.map(Payment::taken)),
            refunded: sum(&mut paid.map(|payment| self.refunded(payment.id))),
            due: due.unwrap_or(Money::ZERO),
        }
    }
}
