//! A refund that was made at the payment system itself becomes one of the order's.

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

/// What a refund is that the payment system shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutsideRefund {
    /// One that is known here, or will never be made.
    Known,
    /// One that is not over yet.
    Pending,
    /// One of a payment that is not known to be paid yet: notifications overtake each other.
    Early,
    /// One that was made over there, and is known here from now on.
    Taken(OperationId),
    /// One that cannot be, and why.
    Unfit(UnfitRefund),
}

impl Checkout {
    /// Takes in a refund as the payment system shows it, if it is none of ours.
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
        if remote.status == RemoteOperationStatus::Canceled || self.operations.iter().any(is_known) {
            return OutsideRefund::Known;
        }
        if remote.status == RemoteOperationStatus::Accepted {
            return OutsideRefund::Pending;
        }
        let payment = self.payments.iter().find(|payment| payment.id == id);
        if payment.is_some_and(Payment::is_live) {
            return OutsideRefund::Early;
        }
        let Some(payment) = payment.filter(|payment| payment.took_money()) else {
            return OutsideRefund::Unfit(UnfitRefund::NoMoney);
        };
        let left = self.left(payment);
        let kopecks: Vec<i64> = left.iter().map(|line| line.total.kopecks()).collect();
        let sum = kopecks.iter().fold(0_i64, |sum, kopecks| sum.saturating_add(*kopecks));
        let back = remote.amount.kopecks();
        if back <= 0 || back > sum {
            return OutsideRefund::Unfit(UnfitRefund::MoreThanIsLeft { left: Money::from_kopecks(sum) });
        }
        // Which lines were meant is not told: all that is left, or a share of each.
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
            asked: None,
            request: None,
            outcome_unknown: false,
            remote_id: Some(remote.id.clone()),
        });
        let is_whole = self
            .payments
            .iter()
            .find(|payment| payment.id == id)
            .is_some_and(|payment| !self.keeps_money(payment));
        if is_whole {
            self.resolve(id); // the money that a person was to look at has gone back
        }
        OutsideRefund::Taken(operation)
    }
}
