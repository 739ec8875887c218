//! Records a refund that was made at the payment system, not by us, as one of
//! the order's refunds.

use super::bill::Line;
use super::checkout::Checkout;
use super::note::{PaymentNote, UnfitRefund};
use super::operation::{Operation, OperationState, RemoteOperation, RemoteOperationStatus};
use super::operation_id::{OperationId, OperationKind};
use super::parts::repriced;
use super::payment::Payment;
use super::payment_id::PaymentId;
use super::spread::spread;
use crate::kernel::{Money, Quantity, Timestamp, same_id};

/// The verdict on a refund that the payment system shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutsideRefund {
    /// It is already recorded, or will never be made.
    Known,
    /// It is not completed yet.
    Pending,
    /// Its payment is not known to be paid yet: notifications may overtake each
    /// other.
    Early,
    /// It was made at the payment system, and is recorded now.
    Taken(OperationId),
    /// It is not possible, for this reason.
    Unfit(UnfitRefund),
}

impl Checkout {
    /// Records a refund that the payment system shows, unless it is one of
    /// ours.
    pub fn take_outside_refund(
        &mut self,
        id: PaymentId,
        remote: &RemoteOperation,
        now: Timestamp,
    ) -> OutsideRefund {
        let is_known = |known: &Operation| {
            known.id.to_string() == remote.number
                || known.remote_id.as_deref().is_some_and(|known| same_id(known, &remote.id))
        };
        if remote.status == RemoteOperationStatus::Canceled || self.operations.iter().any(is_known)
        {
            return OutsideRefund::Known;
        }
        if remote.status == RemoteOperationStatus::Accepted {
            return OutsideRefund::Pending;
        }
        let payment = self.payment(id);
        if payment.is_some_and(Payment::is_live) {
            return OutsideRefund::Early;
        }
        let Some(payment) = payment.filter(|payment| payment.was_paid()) else {
            return OutsideRefund::Unfit(UnfitRefund::NoMoney);
        };
        let left = self.left(payment);
        let kopecks: Vec<i64> = left.iter().map(|line| line.total.kopecks()).collect();
        let sum = kopecks.iter().fold(0_i64, |sum, kopecks| sum.saturating_add(*kopecks));
        let back = remote.amount.kopecks();
        if back <= 0 || back > sum {
            return OutsideRefund::Unfit(UnfitRefund::MoreThanIsLeft {
                left: Money::from_kopecks(sum),
            });
        }
        // The payment system does not say which lines were refunded: assume
        // everything that is left, or a share of each line.
        let lines = if back == sum {
            left
        } else {
            let shares = spread(back, &kopecks).unwrap_or_default();
            let parts = left.iter().zip(shares).filter(|(_, share)| *share > 0);
            let one = Quantity::from_thousandths(1000);
            parts
                .filter_map(|(line, share)| repriced(line, one, Money::from_kopecks(share)))
                .map(|line| Line { of_quantity: Some(Quantity::ZERO), ..line })
                .collect()
        };
        let vat = lines.iter().fold(0_i64, |sum, line| sum.saturating_add(line.vat.kopecks()));
        let sequence = u32::try_from(self.operations.len() + 1).unwrap_or(u32::MAX);
        let operation = OperationId { payment: id, sequence };
        let (amount, remote_id) = (remote.amount, remote.id.clone());
        self.note(now, Some(id), PaymentNote::RefundedOutside { amount, remote_id });
        self.operations.push(Operation {
            id: operation,
            kind: OperationKind::Refund,
            lines,
            total: remote.amount,
            vat: Money::from_kopecks(vat),
            reason: None,
            state: OperationState::Done { at: now },
            created_at: now,
            request_fingerprint: None,
            request: None,
            outcome_unknown: false,
            remote_id: Some(remote.id.clone()),
        });
        let is_whole = self
            .payments
            .iter()
            .find(|payment| payment.id == id)
            .is_some_and(|payment| !self.has_unrefunded_money(payment));
        if is_whole {
            // All the money that a person had to look at has been refunded.
            self.resolve(id);
        }
        OutsideRefund::Taken(operation)
    }
}
