//! What can be done with a payment's money: what can be taken of what is held, what is left to pay back, and what was
//! shipped.

use std::fmt;
use std::time::Duration;

use super::bill::{Line, multiply, named_with};
use super::checkout::Checkout;
use super::operation::{
    Handover, Operation, OperationId, OperationKind, OperationState, RemoteOperation, RemoteOperationStatus,
};
use super::payment::{Payment, PaymentId};
use super::spread::spread;
use crate::kernel::{Fingerprint, Money, Quantity, Timestamp, same_id};

/// By when a call to a payment system has been answered or given up.
const ANSWERED_WITHIN: Duration = Duration::from_secs(45);

/// Operations that an order's payments may have together.
const OPERATIONS_MAX: usize = 40;

/// What is to be paid back of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// So much of the goods, at the line's price.
    Goods(Quantity),
    /// So much of the money: the goods stay.
    Money(Money),
}

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
    Unfit(String),
}

/// Which line of a bill is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineRef {
    /// By its place, 1 for the first.
    Place(u32),
    /// By its article, which stands in no other line.
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

/// Why it is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPlanned {
    /// No money came by this payment.
    #[error("no money has come for it")]
    NotPaid,
    /// No money is held.
    #[error("no money is held for it")]
    NotHeld,
    /// Nothing is left.
    #[error("nothing is left of it: that was done, or is about to be")]
    NothingLeft,
    /// The request cannot be met.
    #[error("{0}")]
    Impossible(String),
}

impl Checkout {
    /// The payment whose money can be paid back: the one named, else the one that paid the order, else one that brought
    /// money for something else.
    #[must_use]
    pub fn paid(&self, named: Option<PaymentId>) -> Option<&Payment> {
        let took = || self.payments.iter().filter(|payment| payment.took_money());
        match named {
            Some(id) => took().find(|payment| payment.id == id),
            None => took().find(|payment| payment.is_paid()).or_else(|| took().next()),
        }
    }

    /// What was paid back of a payment, for certain.
    #[must_use]
    pub fn refunded(&self, payment: PaymentId) -> Money {
        let done = self.refunds_of(payment).filter(|refund| refund.is_done());
        Money::from_kopecks(done.fold(0, |sum, refund| sum.saturating_add(refund.total.kopecks())))
    }

    /// The refunds, oldest first.
    pub fn refunds(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|operation| operation.kind == OperationKind::Refund)
    }

    fn refunds_of(&self, payment: PaymentId) -> impl Iterator<Item = &Operation> {
        self.refunds().filter(move |refund| refund.id.payment == payment)
    }

    /// The operation with this number.
    pub fn operation_mut(&mut self, id: OperationId) -> Option<&mut Operation> {
        self.operations.iter_mut().find(|operation| operation.id == id)
    }

    /// When it is worth looking what the payment system has made of an operation of which it says something: none when it is
    /// over, or looked for anyway.
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
            | OperationState::Frozen { .. } => None,
        }
    }

    /// The lines whose money was taken by a payment: what was captured of it, if it was held before.
    fn taken<'a>(&'a self, payment: &'a Payment) -> &'a [Line] {
        let capture = self.captures_of(payment.id).find(|capture| capture.is_done());
        capture.map_or(&payment.bill.lines, |capture| &capture.lines)
    }

    fn captures_of(&self, payment: PaymentId) -> impl Iterator<Item = &Operation> {
        let of_payment = self.operations.iter().filter(move |operation| operation.id.payment == payment);
        of_payment.filter(|operation| operation.kind == OperationKind::Capture)
    }

    /// Whether money that is held is being taken, or was.
    #[must_use]
    pub fn is_being_captured(&self, payment: PaymentId) -> bool {
        self.captures_of(payment).any(Operation::counts)
    }

    /// Whether money has come for the order, or is on the point of it.
    #[must_use]
    pub fn has_money(&self) -> bool {
        self.payments.iter().any(|payment| {
            self.keeps_money(payment) || (payment.is_held() && self.is_being_captured(payment.id))
        })
    }

    /// Whether money came by a payment and has not all gone back.
    #[must_use]
    pub fn keeps_money(&self, payment: &Payment) -> bool {
        payment.took_money() && self.refunded(payment.id) < payment.taken()
    }

    /// What is left of a payment's lines.
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

    /// The goods and the money of a line that are left.
    fn left_of(&self, payment: PaymentId, line: &Line) -> (Quantity, Money) {
        let (mut thousandths, mut kopecks) = (line.goods().thousandths(), line.total.kopecks());
        let taken = self.refunds_of(payment).filter(|refund| refund.counts());
        for back in taken.flat_map(|refund| &refund.lines).filter(|back| back.code() == line.code()) {
            kopecks = kopecks.saturating_sub(back.total.kopecks());
            if back.price == line.price || back.of_quantity.is_some() {
                thousandths = thousandths.saturating_sub(back.goods().thousandths());
            }
        }
        (Quantity::from_thousandths(thousandths.max(0)), Money::from_kopecks(kopecks.max(0)))
    }

    /// Plans to pay back `parts` of a payment by article, or all that is left of it when there are none.
    pub fn plan_refund(
        &mut self,
        named: Option<PaymentId>,
        parts: &[(LineRef, Part)],
        (reason, asked): (Option<String>, Option<Fingerprint>),
        now: Timestamp,
    ) -> Result<OperationId, NotPlanned> {
        let payment = self.paid(named).ok_or(NotPlanned::NotPaid)?;
        let left = self.left(payment);
        if left.is_empty() {
            return Err(NotPlanned::NothingLeft);
        }
        let id = payment.id;
        let lines =
            if parts.is_empty() { left } else { self.parts(id, &placed(self.taken(payment)), parts)? };
        self.plan_operation(OperationKind::Refund, id, lines, (reason, asked), now)
    }

    /// What is meant by `parts` of `lines`.
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
                return Err(in_item(format!("{named} stands in an earlier item already")));
            }
            meant.push(self.part(payment, line, part).map_err(in_item)?);
        }
        Ok(meant)
    }

    /// What is taken or paid back of one line. Who takes all the goods that are left gets all the money that is left.
    fn part(&self, payment: PaymentId, sold: &Line, part: &Part) -> Result<Line, String> {
        let (quantity, total) = self.left_of(payment, sold);
        match part {
            Part::Goods(back) if *back <= Quantity::ZERO => Err("quantity: it must be greater than 0".into()),
            Part::Goods(back) if *back > quantity => {
                Err(format!("quantity: {quantity} of {} are left", sold.goods()))
            }
            Part::Goods(back) if *back == quantity => {
                let line = part_of(sold, *back, total).filter(|line| line.total > Money::ZERO);
                line.ok_or_else(|| "quantity: no money is left of this line".into())
            }
            Part::Goods(back) => {
                // A line that was sold as one thing has no price of one: so much of its sum as of its goods.
                let share = match sold.of_quantity {
                    None => multiply(sold.price, *back),
                    Some(of) => share(sold.total, *back, of),
                };
                let share = share.filter(|share| *share <= total && *share > Money::ZERO);
                let line = share.and_then(|share| part_of(sold, *back, share));
                line.ok_or_else(|| format!("quantity: {total} is left of this line; name an amount"))
            }
            Part::Money(back) if *back <= Money::ZERO => Err("amount: it must be greater than 0".into()),
            Part::Money(back) if *back > total => Err(format!("amount: {total} of {} is left", sold.total)),
            Part::Money(back) => repriced(sold, (Quantity::from_thousandths(1000), *back))
                .map(|line| Line { of_quantity: Some(Quantity::ZERO), ..line })
                .ok_or_else(|| "amount: it is too large".into()),
        }
    }

    /// Plans to take money that is held: `parts` by article, or what the order comes to now when there are none. What is
    /// not taken is let go, so this is done once.
    pub fn plan_capture(
        &mut self,
        parts: &[(LineRef, Part)],
        asked: Option<Fingerprint>,
        now: Timestamp,
    ) -> Result<OperationId, NotPlanned> {
        let held = self.payments.iter().find(|payment| payment.is_held() && payment.superseded.is_none());
        let payment = held.ok_or(NotPlanned::NotHeld)?;
        if self.is_being_captured(payment.id) {
            return Err(NotPlanned::NothingLeft);
        }
        let id = payment.id;
        // What is in the order now, which may have become less since the money was set aside.
        let wanted = self.next.as_ref().map_or(&payment.bill, |(_, bill)| bill);
        let wanted = placed(&wanted.lines);
        let lines = if parts.is_empty() { wanted } else { self.parts(id, &wanted, parts)? };
        self.plan_operation(OperationKind::Capture, id, lines, (None, asked), now)
    }

    /// Plans to tell the payment system that what was paid for was handed over, once, if it is told that.
    pub fn plan_shipment(&mut self, handover: Handover, now: Timestamp) -> Option<OperationId> {
        let payment = self.payments.iter().find(|payment| payment.is_paid())?;
        let tells = |kind| match (kind, handover) {
            (OperationKind::Shipment, _) | (OperationKind::Capture, Handover::ShipmentOrCapture) => true,
            (OperationKind::Capture | OperationKind::Refund, _) => false,
        };
        let mut of_payment = self.operations.iter().filter(|operation| operation.id.payment == payment.id);
        let is_told = of_payment.any(|operation| tells(operation.kind) && operation.counts());
        let lines = self.left(payment);
        if is_told || lines.is_empty() || handover == Handover::Untold {
            return None;
        }
        let id = payment.id;
        self.plan_operation(OperationKind::Shipment, id, lines, (None, None), now).ok()
    }

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
            return OutsideRefund::Unfit("no money is known to have come by it".into());
        };
        let left = self.left(payment);
        let kopecks: Vec<i64> = left.iter().map(|line| line.total.kopecks()).collect();
        let sum = kopecks.iter().fold(0_i64, |sum, kopecks| sum.saturating_add(*kopecks));
        let back = remote.amount.kopecks();
        if back <= 0 || back > sum {
            return OutsideRefund::Unfit(format!("{} are left of it here", Money::from_kopecks(sum)));
        }
        // Which lines were meant is not told: all that is left, or a share of each.
        let lines = if back == sum {
            left
        } else {
            let shares = spread(back, &kopecks).unwrap_or_default();
            let parts = left.iter().zip(shares).filter(|(_, share)| *share > 0);
            let one = Quantity::from_thousandths(1000);
            parts
                .filter_map(|(line, share)| repriced(line, (one, Money::from_kopecks(share))))
                .map(|line| Line { of_quantity: Some(Quantity::ZERO), ..line })
                .collect()
        };
        let vat = lines.iter().fold(0_i64, |sum, line| sum.saturating_add(line.vat.kopecks()));
        let sequence = u32::try_from(self.operations.len() + 1).unwrap_or(u32::MAX);
        let operation = OperationId { payment: id, sequence };
        self.note(
            now,
            Some(id),
            format!("{} were paid back at the payment system, under its id {}", remote.amount, remote.id),
        );
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
            doubtful: false,
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

    /// Whether the order was paid, and all of the money has gone back.
    #[must_use]
    pub fn is_paid_back(&self) -> bool {
        self.payments.iter().any(Payment::is_paid)
            && !self.payments.iter().any(|payment| self.keeps_money(payment))
    }

    fn plan_operation(
        &mut self,
        kind: OperationKind,
        payment: PaymentId,
        lines: Vec<Line>,
        (reason, asked): (Option<String>, Option<Fingerprint>),
        now: Timestamp,
    ) -> Result<OperationId, NotPlanned> {
        if self.operations.len() >= OPERATIONS_MAX {
            let why = format!(
                "the order has had {OPERATIONS_MAX} refunds; pay the rest back at the payment system"
            );
            return Err(NotPlanned::Impossible(why));
        }
        let sum = |of: fn(&Line) -> Money| {
            Money::from_kopecks(lines.iter().fold(0, |sum, line| sum.saturating_add(of(line).kopecks())))
        };
        let (total, vat) = (sum(|line| line.total), sum(|line| line.vat));
        let sequence = u32::try_from(self.operations.len() + 1).unwrap_or(u32::MAX);
        let id = OperationId { payment, sequence };
        self.note(now, Some(payment), format!("{} {id} of {total} is to be made", kind.name()));
        self.operations.push(Operation {
            id,
            kind,
            lines,
            total,
            vat,
            reason,
            state: OperationState::Planned,
            created_at: now,
            asked,
            request: None,
            doubtful: false,
            remote_id: None,
        });
        Ok(id)
    }
}

/// Lines with their places in the order.
fn placed(lines: &[Line]) -> Vec<Line> {
    let placed = |(line, place): (&Line, u32)| Line { place: line.place.or(Some(place)), ..line.clone() };
    lines.iter().zip(1..).map(placed).collect()
}

/// The line that is named by its place in the order, or by its article if that stands in no other.
fn named_line<'a>(lines: &'a [Line], named: &LineRef) -> Result<&'a Line, String> {
    match named {
        LineRef::Place(named) => lines.iter().find(|line| line.place == Some(*named)).ok_or_else(|| {
            let places = lines.iter().filter_map(|line| line.place).map(|place| place.to_string());
            let places = places.collect::<Vec<_>>().join(", ");
            format!("line: {named} is not a line of which money was taken or is held; those are {places}")
        }),
        LineRef::Sku(sku) => {
            let mut of_article = lines.iter().filter(|line| line.sku == *sku);
            match (of_article.next(), of_article.next()) {
                (Some(line), None) => Ok(line),
                (Some(_), Some(_)) => {
                    Err(format!("sku {sku} stands in several lines: name one by its line, 1 for the first"))
                }
                (None, _) => {
                    Err(format!("there is no sku {sku} among the lines of which money was taken or is held"))
                }
            }
        }
    }
}

/// So much of a line's goods for so much of its money: at its price where that gives the sum, else as one thing.
fn part_of(line: &Line, quantity: Quantity, total: Money) -> Option<Line> {
    if line.of_quantity.is_none()
        && quantity > Quantity::ZERO
        && multiply(line.price, quantity) == Some(total)
    {
        return repriced(line, (quantity, line.price));
    }
    let one = repriced(line, (Quantity::from_thousandths(1000), total))?;
    let name = if line.of_quantity.is_none() { named_with(&line.name, quantity) } else { one.name };
    Some(Line { of_quantity: Some(quantity), name, ..one })
}

/// The part of `total` that `quantity` is of `of`, to the nearest kopeck.
fn share(total: Money, quantity: Quantity, of: Quantity) -> Option<Money> {
    let (part, of) = (i128::from(quantity.thousandths()), i128::from(of.thousandths()));
    let kopecks = (2 * i128::from(total.kopecks()) * part + of).checked_div(2 * of)?;
    i64::try_from(kopecks).ok().map(Money::from_kopecks)
}

/// The same article in another quantity or at another price.
fn repriced(line: &Line, (quantity, price): (Quantity, Money)) -> Option<Line> {
    let priced = Line::priced(line.sku.clone(), line.name.clone(), (quantity, price), line.vat_code).ok()?;
    let Line { code, place, measure, measure_code, kind, .. } = line.clone();
    Some(Line { code, place, measure, measure_code, kind, ..priced })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::{Number, Private, SourceName};
    use crate::payments::{Bill, Customer, PaymentState, VatCode, Ways};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// Paid: 3 × 33.33 (99.99) and 0.355 × 99.99 (35.50).
    fn paid() -> Checkout {
        let line = |sku: &str, thousandths, kopecks| {
            let priced = (Quantity::from_thousandths(thousandths), Money::from_kopecks(kopecks));
            Line::priced(sku.into(), "Чай".into(), priced, VatCode::Ten).expect("a line")
        };
        let lines = vec![line("1", 3000, 3333), line("2", 355, 9999)];
        let expires_at = crate::kernel::time::later(NOW, std::time::Duration::from_secs(60));
        let bill = Bill::over("Заказ".into(), lines, Customer::default(), expires_at).expect("a bill");
        let number = Number::smallest();
        let mut checkout = Checkout {
            number,
            gateway: SourceName::new("bank"),
            account: "shop".into(),
            alterations: 0,
            changes: 0,
            secret: Private::new("s"),
            ways: Ways::default(),
            asked: None,
            payments: Vec::new(),
            operations: Vec::new(),
            next: None,
            on_demand: false,
            watched_end: None,
            told_end: None,
            contact: None,
            contact_said_at: [None, None],
            unasked: None,
            history: Vec::new(),
            attention: Vec::new(),
        };
        checkout.wants(Some((1, bill)), NOW);
        checkout.payments[0].state = PaymentState::Paid { at: NOW };
        checkout
    }

    fn back(checkout: &mut Checkout, sku: &str, part: Part) -> Result<Money, NotPlanned> {
        let id = checkout.plan_refund(None, &[(LineRef::Sku(sku.into()), part)], (None, None), NOW)?;
        Ok(checkout.operation_mut(id).expect("planned").total)
    }

    fn rest(checkout: &mut Checkout) -> Result<Money, NotPlanned> {
        let id = checkout.plan_refund(None, &[], (None, None), NOW)?;
        Ok(checkout.operation_mut(id).expect("planned").total)
    }

    #[test]
    fn never_more_is_paid_back_than_came() {
        let money = |n| Part::Money(Money::from_kopecks(n));
        let mut checkout = paid();
        assert_eq!(back(&mut checkout, "1", goods(1000)), Ok(Money::from_kopecks(3333)));
        assert_eq!(back(&mut checkout, "2", money(50)), Ok(Money::from_kopecks(50)));
        for (sku, part, why) in [
            ("1", goods(2001), "items[0]: quantity: 2 of 3 are left"),
            ("1", goods(0), "items[0]: quantity: it must be greater"),
            ("2", goods(354), "items[0]: quantity: 35.00 is left of this line"),
            ("2", money(3501), "items[0]: amount: 35.00 of 35.50"),
            ("2", money(-1), "items[0]: amount: it must be greater"),
            ("3", money(1), "items[0]: there is no sku 3"),
        ] {
            let said = back(&mut checkout, sku, part).expect_err("refused").to_string();
            assert!(said.starts_with(why), "{said}");
        }
        assert_eq!(rest(&mut checkout), Ok(Money::from_kopecks(6666 + 3500)));
        assert_eq!(rest(&mut checkout), Err(NotPlanned::NothingLeft));
        // What the payment system refused was not paid back, and can be asked for again.
        checkout.operations[2].state = OperationState::Refused { at: NOW, why: "no".into() };
        assert_eq!(rest(&mut checkout), Ok(Money::from_kopecks(6666 + 3500)));
    }

    fn goods(thousandths: i64) -> Part {
        Part::Goods(Quantity::from_thousandths(thousandths))
    }

    #[test]
    fn an_article_in_two_lines_is_named_by_the_line() {
        let mut checkout = paid();
        let line = |price| {
            let priced = (Quantity::from_thousandths(1000), Money::from_kopecks(price));
            Line::priced("1".into(), "Чай".into(), priced, VatCode::Ten).expect("a line")
        };
        let bill = &checkout.payments[0].bill;
        let lines = vec![line(3333), line(3334)];
        let twice = Bill::over("Заказ".into(), lines, Customer::default(), bill.expires_at).expect("a bill");
        checkout.payments[0].bill = twice;
        let why = back(&mut checkout, "1", goods(1000)).expect_err("ambiguous").to_string();
        assert!(why.contains("name one by its line"), "{why}");
        let mut of_line = |place, part| {
            let id = checkout.plan_refund(None, &[(LineRef::Place(place), part)], (None, None), NOW)?;
            Ok::<_, NotPlanned>(checkout.operation_mut(id).expect("planned").total.kopecks())
        };
        for place in [0, 3] {
            let why = of_line(place, goods(1000)).expect_err("no such line").to_string();
            assert!(why.contains(&format!("line: {place} is not a line")) && why.ends_with("1, 2"), "{why}");
        }
        assert_eq!(of_line(2, goods(1000)), Ok(3334));
        assert_eq!(of_line(1, Part::Money(Money::from_kopecks(33))), Ok(33));
        assert_eq!(of_line(1, goods(1000)), Ok(3300));
    }

    proptest! {
        /// However the goods of a line come back, the last part brings the last kopeck, and never more than is left.
        #[test]
        fn who_takes_back_all_that_is_left_gets_all_the_money(
            weight in 2_i64..5_000,
            price in 1_i64..100_000,
            total in proptest::option::of(1_i64..1_000_000),
            parts in proptest::collection::vec(1_i64..2_000, 0..8),
        ) {
            let mut checkout = paid();
            let quantity = Quantity::from_thousandths(weight);
            let lines = match total {
                // Sold for a sum, in one line or as one thing.
                Some(total) => Line::sold_for(("1", "Сыр"), (quantity, Money::from_kopecks(total)), None, VatCode::Ten).expect("lines"),
                None => vec![Line::priced("1".into(), "Сыр".into(), (quantity, Money::from_kopecks(price)), VatCode::Ten).expect("a line")],
            };
            prop_assume!(lines.len() == 1 && lines[0].total > Money::ZERO);
            let sold = lines[0].total;
            let expires_at = checkout.payments[0].bill.expires_at;
            checkout.payments[0].bill = Bill::over("Заказ".into(), lines, Customer::default(), expires_at).expect("a bill");
            let (mut left, mut returned) = (weight, 0);
            for part in parts.into_iter().filter(|part| *part < weight) {
                if part >= left {
                    break;
                }
                if let Ok(sum) = back(&mut checkout, "1", goods(part)) {
                    left -= part;
                    returned += sum.kopecks();
                }
            }
            if returned < sold.kopecks() {
                let last = back(&mut checkout, "1", goods(left)).expect("what is left").kopecks();
                prop_assert_eq!(returned + last, sold.kopecks());
            }
            prop_assert_eq!(rest(&mut checkout), Err(NotPlanned::NothingLeft));
            let names = |line: &&Line| multiply(line.price, line.quantity) == Some(line.total);
            prop_assert!(checkout.operations.iter().flat_map(|operation| &operation.lines).all(|line| names(&line)));
        }
    }

    #[test]
    fn what_was_not_paid_is_not_paid_back_and_not_shipped() {
        let mut checkout = paid();
        checkout.payments[0].state = PaymentState::Linked { at: NOW };
        assert_eq!(rest(&mut checkout), Err(NotPlanned::NotPaid));
        assert_eq!(checkout.plan_shipment(Handover::ShipmentOrCapture, NOW), None);
    }

    #[test]
    fn a_shipment_is_told_once_and_of_what_is_left() {
        let mut checkout = paid();
        back(&mut checkout, "1", Part::Goods(Quantity::from_thousandths(3000))).expect("planned");
        let id = checkout.plan_shipment(Handover::ShipmentOrCapture, NOW).expect("planned");
        let shipment = checkout.operation_mut(id).expect("planned");
        assert_eq!((shipment.total, shipment.lines.len()), (Money::from_kopecks(3550), 1));
        assert_eq!(checkout.plan_shipment(Handover::ShipmentOrCapture, NOW), None);
    }

    #[test]
    fn a_hook_that_changes_nothing_alarms_nobody_while_money_is_held_or_taken() {
        let mut checkout = paid();
        checkout.payments[0].state = PaymentState::Held { at: NOW };
        let bill = checkout.payments[0].bill.clone();
        let later = crate::kernel::time::later(NOW, std::time::Duration::from_secs(3600));
        let less = Bill::over("Заказ".into(), vec![bill.lines[0].clone()], Customer::default(), later);
        let less = less.expect("a bill");
        let again = Bill { expires_at: later, ..bill };
        assert_eq!(checkout.wants(Some((2, less.clone())), NOW), []);
        assert_eq!(checkout.wants(Some((3, again.clone())), NOW), []);
        assert_eq!(checkout.next, None, "what is held is wanted whole again");
        let entries = checkout.history.len();
        checkout.wants(Some((4, again)), NOW);
        assert_eq!(checkout.history.len(), entries);

        checkout.wants(Some((5, less.clone())), NOW);
        let id = checkout.plan_capture(&[], None, NOW).expect("planned");
        assert_eq!(checkout.operation_mut(id).expect("planned").total, less.total);
        assert_eq!((checkout.wants(Some((5, less)), NOW), checkout.attention.len()), (vec![], 0));
        assert_eq!((checkout.wants(None, NOW), checkout.attention.len()), (vec![], 1));
        assert_eq!(checkout.plan_capture(&[], None, NOW), Err(NotPlanned::NothingLeft));
    }
}
