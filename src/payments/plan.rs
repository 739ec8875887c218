//! Plans operations on a payment's money: captures of what is held, refunds of
//! what is left, and reports of shipments.

use std::fmt;

use super::bill::{Line, multiply};
use super::checkout::Checkout;
use super::note::PaymentNote;
use super::operation::{Operation, OperationState, ShipmentReport};
use super::operation_id::{OperationId, OperationKind};
use super::parts::{part_of, placed, repriced, share};
use super::payment_id::PaymentId;
use crate::kernel::{Fingerprint, Money, Quantity, Timestamp};

/// How many operations an order's payments may have together.
const OPERATIONS_MAX: usize = 40;

/// What to refund or to capture of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// This quantity of the goods, at the line's price.
    Goods(Quantity),
    /// This amount of money; the goods are not returned.
    Money(Money),
}

/// A reference to a line of a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineRef {
    /// By its place, from 1.
    Place(u32),
    /// By its article, if no other line has the same article.
    Sku(String),
}

impl fmt::Display for LineRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineRef::Place(place) => write!(f, "line {place}"),
            LineRef::Sku(sku) => write!(f, "sku {sku}"),
        }
    }
}

/// Why an operation is not planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPlanned {
    /// No money was received by this payment.
    #[error("no money was received for it")]
    NotPaid,
    #[error("no money is held for it")]
    NotHeld,
    #[error("nothing is left of it: it was done already, or is in progress")]
    NothingLeft,
    /// The request cannot be fulfilled.
    #[error("{0}")]
    Impossible(String),
}

impl Checkout {
    /// Plans a refund of `parts` of a payment, or of everything that is left of
    /// it if `parts` is empty.
    pub fn plan_refund(
        &mut self,
        named: Option<PaymentId>,
        parts: &[(LineRef, Part)],
        reason: Option<String>,
        request_fingerprint: Option<Fingerprint>,
        now: Timestamp,
    ) -> Result<OperationId, NotPlanned> {
        let payment = self.paid(named).ok_or(NotPlanned::NotPaid)?;
        let left = self.left(payment);
        if left.is_empty() {
            return Err(NotPlanned::NothingLeft);
        }
        let id = payment.id;
        let lines = if parts.is_empty() {
            left
        } else {
            self.parts(id, &placed(self.taken(payment)), parts)?
        };
        self.plan_operation(OperationKind::Refund, id, lines, reason, request_fingerprint, now)
    }

    /// Resolves `parts` to parts of `lines`.
    fn parts(
        &self,
        payment: PaymentId,
        lines: &[Line],
        parts: &[(LineRef, Part)],
    ) -> Result<Vec<Line>, NotPlanned> {
        let mut meant: Vec<Line> = Vec::with_capacity(parts.len());
        for (place, (named, part)) in parts.iter().enumerate() {
            let in_item = |why: String| NotPlanned::Impossible(format!("items[{place}]: {why}"));
            let line = named_line(lines, named).map_err(in_item)?;
            if meant.iter().any(|other| other.code() == line.code()) {
                return Err(in_item(format!("{named} is named by an earlier item already")));
            }
            meant.push(self.part(payment, line, part).map_err(in_item)?);
        }
        Ok(meant)
    }

    /// The part of one line that is captured or refunded. A part with all the
    /// remaining goods gets all the remaining money.
    fn part(&self, payment: PaymentId, sold: &Line, part: &Part) -> Result<Line, String> {
        let (quantity, total) = self.left_of(payment, sold);
        match part {
            Part::Goods(back) if *back <= Quantity::ZERO => {
                Err("quantity: it must be greater than 0".into())
            }
            Part::Goods(back) if *back > quantity => {
                Err(format!("quantity: {quantity} of {} are left", sold.goods()))
            }
            Part::Goods(back) if *back == quantity => {
                let line = part_of(sold, *back, total).filter(|line| line.total > Money::ZERO);
                line.ok_or_else(|| "quantity: no money is left of this line".into())
            }
            Part::Goods(back) => {
                // A line that was billed as one piece has no unit price: the
                // part gets its share of the line's total.
                let share = match sold.of_quantity {
                    None => multiply(sold.price, *back),
                    Some(of) => share(sold.total, *back, of),
                };
                let share = share.filter(|share| *share <= total && *share > Money::ZERO);
                let line = share.and_then(|share| part_of(sold, *back, share));
                line.ok_or_else(|| {
                    format!("quantity: {total} is left of this line; name an amount")
                })
            }
            Part::Money(back) if *back <= Money::ZERO => {
                Err("amount: it must be greater than 0".into())
            }
            Part::Money(back) if *back > total => {
                Err(format!("amount: {total} of {} is left", sold.total))
            }
            Part::Money(back) => repriced(sold, Quantity::from_thousandths(1000), *back)
                .map(|line| Line { of_quantity: Some(Quantity::ZERO), ..line })
                .ok_or_else(|| "amount: it is too large".into()),
        }
    }

    /// Plans the capture of held money: of `parts`, or of the order's current
    /// total if `parts` is empty. What is not captured is released, so there is
    /// only one capture.
    pub fn plan_capture(
        &mut self,
        parts: &[(LineRef, Part)],
        request_fingerprint: Option<Fingerprint>,
        now: Timestamp,
    ) -> Result<OperationId, NotPlanned> {
        let held =
            self.payments.iter().find(|payment| payment.is_held() && payment.superseded.is_none());
        let payment = held.ok_or(NotPlanned::NotHeld)?;
        if self.is_being_captured(payment.id) {
            return Err(NotPlanned::NothingLeft);
        }
        let id = payment.id;
        // The order's current lines. Their total may be less than what is held.
        let wanted = self.next.as_ref().map_or(&payment.bill, |(_, bill)| bill);
        let wanted = placed(&wanted.lines);
        let lines = if parts.is_empty() { wanted } else { self.parts(id, &wanted, parts)? };
        self.plan_operation(OperationKind::Capture, id, lines, None, request_fingerprint, now)
    }

    /// Plans to report to the payment system that the paid goods were handed
    /// over. This happens once, and only for payment systems that are sent such
    /// reports.
    pub fn plan_shipment(
        &mut self,
        shipment_report: ShipmentReport,
        now: Timestamp,
    ) -> Option<OperationId> {
        let payment = self.payments.iter().find(|payment| payment.is_paid())?;
        let reports = |kind| match (kind, shipment_report) {
            (OperationKind::Shipment, _)
            | (OperationKind::Capture, ShipmentReport::ShipmentOrCapture) => true,
            (OperationKind::Capture | OperationKind::Refund, _) => false,
        };
        let mut of_payment =
            self.operations.iter().filter(|operation| operation.id.payment == payment.id);
        let is_reported = of_payment.any(|operation| reports(operation.kind) && operation.counts());
        let lines = self.left(payment);
        if is_reported || lines.is_empty() || shipment_report == ShipmentReport::NotReported {
            return None;
        }
        let id = payment.id;
        self.plan_operation(OperationKind::Shipment, id, lines, None, None, now).ok()
    }

    fn plan_operation(
        &mut self,
        kind: OperationKind,
        payment: PaymentId,
        lines: Vec<Line>,
        reason: Option<String>,
        request_fingerprint: Option<Fingerprint>,
        now: Timestamp,
    ) -> Result<OperationId, NotPlanned> {
        if self.operations.len() >= OPERATIONS_MAX {
            let why = format!(
                "the order has had {OPERATIONS_MAX} refunds; refund the rest at the payment system"
            );
            return Err(NotPlanned::Impossible(why));
        }
        let sum = |of: fn(&Line) -> Money| {
            Money::from_kopecks(
                lines.iter().fold(0, |sum, line| sum.saturating_add(of(line).kopecks())),
            )
        };
        let (total, vat) = (sum(|line| line.total), sum(|line| line.vat));
        let sequence = u32::try_from(self.operations.len() + 1).unwrap_or(u32::MAX);
        let id = OperationId { payment, sequence };
        let (operation, operation_kind, amount) = (id, kind, total);
        self.note(
            now,
            Some(payment),
            PaymentNote::OperationPlanned { operation, operation_kind, amount },
        );
        self.operations.push(Operation {
            id,
            kind,
            lines,
            total,
            vat,
            reason,
            state: OperationState::Planned,
            created_at: now,
            request_fingerprint,
            request: None,
            outcome_unknown: false,
            remote_id: None,
        });
        Ok(id)
    }
}

/// Finds a line by its place in the order, or by its article if no other line
/// has the same article.
fn named_line<'a>(lines: &'a [Line], named: &LineRef) -> Result<&'a Line, String> {
    match named {
        LineRef::Place(named) => {
            lines.iter().find(|line| line.place == Some(*named)).ok_or_else(|| {
                let places =
                    lines.iter().filter_map(|line| line.place).map(|place| place.to_string());
                let places = places.collect::<Vec<_>>().join(", ");
                format!(
                    "line: {named} is not a line of which money was taken or is held; \
                     those are {places}"
                )
            })
        }
        LineRef::Sku(sku) => {
            let mut of_article = lines.iter().filter(|line| line.sku == *sku);
            match (of_article.next(), of_article.next()) {
                (Some(line), None) => Ok(line),
                (Some(_), Some(_)) => Err(format!(
                    "sku {sku} is in several lines: name one by its line, 1 for the first"
                )),
                (None, _) => Err(format!(
                    "there is no sku {sku} among the lines of which money was taken or is held"
                )),
            }
        }
    }
}

#[cfg(test)]
mod tests;
