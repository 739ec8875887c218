//! How much money was received for an order, and how much of it is left.

use std::time::Duration;

use super::bill::Line;
use super::checkout::Checkout;
use super::operation::{Operation, OperationState};
use super::operation_id::{OperationId, OperationKind};
use super::parts::{part_of, placed};
use super::payment::Payment;
use super::payment_id::PaymentId;
use crate::kernel::{Money, Quantity};

/// The time after which a call to a payment system has been answered or has
/// timed out.
const ANSWERED_WITHIN: Duration = Duration::from_secs(45);

impl Checkout {
    /// The payment whose money can be refunded: the named one; otherwise the
    /// one that paid the order; otherwise one whose money came for something
    /// else.
    #[must_use]
    pub fn paid(&self, named: Option<PaymentId>) -> Option<&Payment> {
        let took = || self.payments.iter().filter(|payment| payment.was_paid());
        match named {
            Some(id) => took().find(|payment| payment.id == id),
            None => took().find(|payment| payment.is_paid()).or_else(|| took().next()),
        }
    }

    /// How much of a payment has certainly been refunded.
    #[must_use]
    pub fn refunded(&self, payment: PaymentId) -> Money {
        let done = self.refunds_of(payment).filter(|refund| refund.is_done());
        Money::from_kopecks(done.fold(0, |sum, refund| sum.saturating_add(refund.total.kopecks())))
    }

    /// The refunds, oldest first.
    pub fn refunds(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|operation| operation.kind == OperationKind::Refund)
    }

    pub(super) fn refunds_of(&self, payment: PaymentId) -> impl Iterator<Item = &Operation> {
        self.refunds().filter(move |refund| refund.id.payment == payment)
    }

    pub fn operation_mut(&mut self, id: OperationId) -> Option<&mut Operation> {
        self.operations.iter_mut().find(|operation| operation.id == id)
    }

    /// How long to wait before it is worth looking up an operation that the
    /// payment system has just reported on. `None` if the operation is over, or
    /// will be looked up anyway.
    #[must_use]
    pub fn operation_awaits(&self, id: OperationId) -> Option<Duration> {
        let known = self.operations.iter().find(|known| known.id == id)?;
        match known.state {
            OperationState::Accepted { .. } => Some(Duration::ZERO),
            OperationState::Sending { .. } => Some(ANSWERED_WITHIN),
            OperationState::Planned
            | OperationState::Unknown { .. }
            | OperationState::Done { .. }
            | OperationState::Refused { .. }
            | OperationState::NeedsReview { .. } => None,
        }
    }

    /// The lines that a payment was taken for: those that were captured, if the
    /// money was held first.
    pub(super) fn taken<'a>(&'a self, payment: &'a Payment) -> &'a [Line] {
        let capture = self.captures_of(payment.id).find(|capture| capture.is_done());
        capture.map_or(&payment.bill.lines, |capture| &capture.lines)
    }

    pub(super) fn captures_of(&self, payment: PaymentId) -> impl Iterator<Item = &Operation> {
        let of_payment =
            self.operations.iter().filter(move |operation| operation.id.payment == payment);
        of_payment.filter(|operation| operation.kind == OperationKind::Capture)
    }

    /// Whether held money is being captured, or was.
    #[must_use]
    pub fn is_being_captured(&self, payment: PaymentId) -> bool {
        self.captures_of(payment).any(Operation::counts)
    }

    /// Whether money was received for the order, or is being captured.
    #[must_use]
    pub fn has_money(&self) -> bool {
        self.payments.iter().any(|payment| {
            self.has_unrefunded_money(payment)
                || (payment.is_held() && self.is_being_captured(payment.id))
        })
    }

    /// Whether a payment brought money that has not been refunded in full.
    #[must_use]
    pub fn has_unrefunded_money(&self, payment: &Payment) -> bool {
        payment.was_paid() && self.refunded(payment.id) < payment.taken()
    }

    /// What is left of a payment's lines after its refunds.
    #[must_use]
    pub fn left(&self, payment: &Payment) -> Vec<Line> {
        let left = placed(self.taken(payment)).into_iter().filter_map(|line| {
            let (quantity, total) = self.left_of(payment.id, &line);
            if total <= Money::ZERO {
                return None;
            }
            if (quantity, total) == (line.goods(), line.total) {
                Some(line)
            } else {
                part_of(&line, quantity, total)
            }
        });
        left.collect()
    }

    /// The goods and the money that are left of a line.
    pub(super) fn left_of(&self, payment: PaymentId, line: &Line) -> (Quantity, Money) {
        let (mut thousandths, mut kopecks) = (line.goods().thousandths(), line.total.kopecks());
        let taken = self.refunds_of(payment).filter(|refund| refund.counts());
        for back in taken.flat_map(|refund| &refund.lines).filter(|back| back.code() == line.code())
        {
            kopecks = kopecks.saturating_sub(back.total.kopecks());
            if back.price == line.price || back.of_quantity.is_some() {
                thousandths = thousandths.saturating_sub(back.goods().thousandths());
            }
        }
        (Quantity::from_thousandths(thousandths.max(0)), Money::from_kopecks(kopecks.max(0)))
    }

    /// Whether the order was paid and all of the money has been refunded.
    #[must_use]
    pub fn is_paid_back(&self) -> bool {
        self.payments.iter().any(Payment::is_paid)
            && !self.payments.iter().any(|payment| self.has_unrefunded_money(payment))
    }
}
