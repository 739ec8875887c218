//! What an operator decides about a payment.

use super::bill::Bill;
use super::checkout::Checkout;
use super::note::Superseded;
use super::parts::part_of;
use super::payment::{Payment, PaymentState, RemotePaymentStatus};
use super::payment_id::PaymentId;
use super::plan::{LineRef, NotPlanned, Part};
use super::spread::spread;
use crate::kernel::{Currency, Money, Timestamp};

impl Payment {
    /// The amount that has come, if the payment system shows another one than
    /// was asked for.
    #[must_use]
    pub fn other_amount(&self) -> Option<Money> {
        let remote = self.money_under_review()?;
        let is_whole =
            remote.status == RemotePaymentStatus::Completed && remote.amount > Money::ZERO;
        let has_currency = Currency::read(&remote.currency) == Some(self.bill.total.currency());
        (is_whole && has_currency && remote.number == self.id.to_string()).then_some(remote.amount)
    }
}

impl Checkout {
    /// Records that the payment system has another amount than was asked for,
    /// as money that should not have come: then it can be accepted or refunded.
    /// Without such money nothing changes.
    pub fn record_other_amount(&mut self, id: PaymentId, now: Timestamp) {
        let Some(payment) = self.payment_mut(id) else { return };
        let Some(bill) = payment.other_amount().and_then(|sum| payment.bill.for_amount(sum)) else {
            return;
        };
        payment.bill = bill;
        payment.state = PaymentState::Paid { at: now };
        payment.paid_under = payment.remote.as_ref().map(|remote| remote.id.clone());
        payment.superseded.get_or_insert(Superseded::OtherAmount);
    }

    /// The parts of a refund of `amount`, with nothing returned: from the first
    /// line on, as far as their money is left.
    pub fn parts_of_amount(
        &self,
        id: PaymentId,
        amount: Money,
    ) -> Result<Vec<(LineRef, Part)>, NotPlanned> {
        let payment = self.paid(Some(id)).ok_or(NotPlanned::NotPaid)?;
        if amount <= Money::ZERO {
            return Err(NotPlanned::Impossible("amount: it must be greater than 0".into()));
        }
        let (mut open, mut parts, mut left) = (amount.kopecks(), Vec::new(), 0);
        for line in self.left(payment) {
            left += line.total.kopecks();
            let part = open.min(line.total.kopecks());
            if let (Some(place), true) = (line.place, part > 0) {
                parts.push((LineRef::Place(place), Part::Money(Money::from_kopecks(part))));
                open -= part;
            }
        }
        if open > 0 {
            let left = Money::from_kopecks(left);
            return Err(NotPlanned::Impossible(format!("amount: {left} is left to refund")));
        }
        Ok(parts)
    }
}

impl Bill {
    /// The same goods for another total, which their lines share in proportion.
    fn for_amount(&self, total: Money) -> Option<Bill> {
        let totals: Vec<i64> = self.lines.iter().map(|line| line.total.kopecks()).collect();
        let shares = spread(total.kopecks(), &totals)?;
        let priced = self.lines.iter().zip(shares).filter(|(_, share)| *share > 0);
        let lines: Option<Vec<_>> = priced
            .map(|(line, share)| part_of(line, line.goods(), Money::from_kopecks(share)))
            .collect();
        let lines = lines?;
        let vat = lines.iter().fold(0, |sum: i64, line| sum.saturating_add(line.vat.kopecks()));
        Some(Bill { lines, total, vat: Money::from_kopecks(vat), ..self.clone() })
    }
}
