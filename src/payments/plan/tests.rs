use proptest::prelude::*;

use super::*;
use crate::kernel::{PartyName, Private};
use crate::orders::Number;
use crate::payments::Step;
use crate::payments::attempt::Attempt;
use crate::payments::{
    Bill, Customer, GoodsKind, Notification, NotificationStatus, NotificationVerdict,
    OutsideRefund, PaymentState, Recorded, RemoteOperation, RemoteOperationStatus, SiteUrls,
    VatCode,
};
use crate::payments::{RemotePayment, RemotePaymentStatus};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A checkout with a paid order: 3 × 33.33 (99.99) and 0.355 × 99.99 (35.50).
fn paid() -> Checkout {
    let line = |sku: &str, thousandths, kopecks| {
        let priced = (Quantity::from_thousandths(thousandths), Money::from_kopecks(kopecks));
        Line::priced(sku.into(), "Чай".into(), priced.0, priced.1, VatCode::Ten).expect("a line")
    };
    let lines = vec![line("1", 3000, 3333), line("2", 355, 9999)];
    let expires_at = crate::kernel::time::later(NOW, std::time::Duration::from_secs(60));
    let bill = Bill::over("Заказ".into(), lines, Customer::default(), expires_at).expect("a bill");
    let number = Number::smallest();
    let mut checkout = Checkout {
        number,
        gateway: PartyName::new("bank"),
        account: "shop".into(),
        updates: 0,
        changes: 0,
        secret: Private::new("s"),
        urls: SiteUrls::default(),
        request_fingerprint: None,
        payments: Vec::new(),
        operations: Vec::new(),
        next: None,
        on_demand: false,
        watched_end: None,
        reported_end: None,
        contact: None,
        contact_said_at: [None, None],
        withheld: None,
        history: Vec::new(),
        attention: Vec::new(),
    };
    checkout.set_bill(Some((1, bill)), NOW);
    checkout.payments[0].state = PaymentState::Paid { at: NOW };
    checkout
}

fn back(checkout: &mut Checkout, sku: &str, part: Part) -> Result<Money, NotPlanned> {
    let id = checkout.plan_refund(None, &[(LineRef::Sku(sku.into()), part)], None, None, NOW)?;
    Ok(checkout.operation_mut(id).expect("planned").total)
}

fn rest(checkout: &mut Checkout) -> Result<Money, NotPlanned> {
    let id = checkout.plan_refund(None, &[], None, None, NOW)?;
    Ok(checkout.operation_mut(id).expect("planned").total)
}

#[test]
fn no_more_is_refunded_than_was_received() {
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
    // A refund that the payment system refused returned no money, so it can be
    // requested again.
    checkout.operations[2].state =
        OperationState::Refused { at: NOW, reason: crate::payments::Refusal::ByOperator };
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
        Line::priced("1".into(), "Чай".into(), priced.0, priced.1, VatCode::Ten).expect("a line")
    };
    let bill = &checkout.payments[0].bill;
    let lines = vec![line(3333), line(3334)];
    let twice =
        Bill::over("Заказ".into(), lines, Customer::default(), bill.expires_at).expect("a bill");
    checkout.payments[0].bill = twice;
    let why = back(&mut checkout, "1", goods(1000)).expect_err("ambiguous").to_string();
    assert!(why.contains("name one by its line"), "{why}");
    let mut of_line = |place, part| {
        let id = checkout.plan_refund(None, &[(LineRef::Place(place), part)], None, None, NOW)?;
        Ok::<_, NotPlanned>(checkout.operation_mut(id).expect("planned").total.kopecks())
    };
    for place in [0, 3] {
        let why = of_line(place, goods(1000)).expect_err("no such line").to_string();
        assert!(
            why.contains(&format!("line: {place} is not a line")) && why.ends_with("1, 2"),
            "{why}"
        );
    }
    assert_eq!(of_line(2, goods(1000)), Ok(3334));
    assert_eq!(of_line(1, Part::Money(Money::from_kopecks(33))), Ok(33));
    assert_eq!(of_line(1, goods(1000)), Ok(3300));
}

proptest! {
    /// In whatever parts the goods of a line are returned, the last part
    /// refunds the last kopeck, and never more than is left.
    #[test]
    fn returning_all_remaining_goods_refunds_all_remaining_money(
        weight in 2_i64..5_000,
        price in 1_i64..100_000,
        total in proptest::option::of(1_i64..1_000_000),
        parts in proptest::collection::vec(1_i64..2_000, 0..8),
    ) {
        let mut checkout = paid();
        let quantity = Quantity::from_thousandths(weight);
        let lines = match total {
            // Billed for a total, in one line or as one piece.
            Some(total) => Line::sold_for(
                "1",
                "Сыр",
                quantity,
                Money::from_kopecks(total),
                None,
                VatCode::Ten,
            )
            .expect("lines"),
            None => vec![
                Line::priced(
                    "1".into(),
                    "Сыр".into(),
                    quantity,
                    Money::from_kopecks(price),
                    VatCode::Ten,
                )
                .expect("a line"),
            ],
        };
        prop_assume!(lines.len() == 1 && lines[0].total > Money::ZERO);
        let sold = lines[0].total;
        let expires_at = checkout.payments[0].bill.expires_at;
        checkout.payments[0].bill =
            Bill::over("Заказ".into(), lines, Customer::default(), expires_at).expect("a bill");
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
        prop_assert!(
            checkout
                .operations
                .iter()
                .flat_map(|operation| &operation.lines)
                .all(|line| names(&line))
        );
    }
}

#[test]
fn what_was_not_paid_is_not_paid_back_and_not_shipped() {
    let mut checkout = paid();
    checkout.payments[0].state = PaymentState::Linked { at: NOW };
    assert_eq!(rest(&mut checkout), Err(NotPlanned::NotPaid));
    assert_eq!(checkout.plan_shipment(ShipmentReport::ShipmentOrCapture, NOW), None);
}

#[test]
fn a_shipment_is_reported_once_and_for_what_is_left() {
    let mut checkout = paid();
    back(&mut checkout, "1", Part::Goods(Quantity::from_thousandths(3000))).expect("planned");
    let id = checkout.plan_shipment(ShipmentReport::ShipmentOrCapture, NOW).expect("planned");
    let shipment = checkout.operation_mut(id).expect("planned");
    assert_eq!((shipment.total, shipment.lines.len()), (Money::from_kopecks(3550), 1));
    assert_eq!(checkout.plan_shipment(ShipmentReport::ShipmentOrCapture, NOW), None);
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
    assert_eq!(checkout.set_bill(Some((2, less.clone())), NOW), []);
    assert_eq!(checkout.set_bill(Some((3, again.clone())), NOW), []);
    assert_eq!(checkout.next, None, "all of the held money is wanted again");
    let entries = checkout.history.len();
    checkout.set_bill(Some((4, again)), NOW);
    assert_eq!(checkout.history.len(), entries);

    checkout.set_bill(Some((5, less.clone())), NOW);
    let id = checkout.plan_capture(&[], None, NOW).expect("planned");
    assert_eq!(checkout.operation_mut(id).expect("planned").total, less.total);
    assert_eq!((checkout.set_bill(Some((5, less)), NOW), checkout.attention.len()), (vec![], 0));
    assert_eq!((checkout.set_bill(None, NOW), checkout.attention.len()), (vec![], 1));
    assert_eq!(checkout.plan_capture(&[], None, NOW), Err(NotPlanned::NothingLeft));
}

/// A refunded part of a line has the same article and unit, whatever was named
/// of it.
#[test]
fn a_part_of_a_line_keeps_what_it_is() {
    let mut checkout = paid();
    let sold = &mut checkout.payments[0].bill.lines[0];
    (sold.measure, sold.measure_code, sold.kind) = ("кг".into(), "166".into(), GoodsKind::Service);
    sold.place = Some(7);
    back(&mut checkout, "1", Part::Money(Money::from_kopecks(33))).expect("planned");
    let line = &checkout.operations[0].lines[0];
    assert_eq!(
        (line.measure.as_str(), line.measure_code.as_str(), line.kind),
        ("кг", "166", GoodsKind::Service)
    );
    assert_eq!(
        (line.place, line.of_quantity),
        (Some(7), Some(Quantity::ZERO)),
        "money, and no goods"
    );
}

/// A refund from the payment system's cabinet names no goods.
#[test]
fn a_refund_that_somebody_else_has_made_takes_no_goods_back() {
    let mut checkout = paid();
    let id = checkout.payments[0].id;
    let remote = RemoteOperation {
        id: "r-1".into(),
        number: String::new(),
        amount: Money::from_kopecks(50),
        status: RemoteOperationStatus::Completed,
    };
    assert!(matches!(checkout.take_outside_refund(id, &remote, NOW), OutsideRefund::Taken(_)));
    let lines = &checkout.operations[0].lines;
    assert_eq!(lines.iter().map(|line| line.total.kopecks()).sum::<i64>(), 50);
    assert!(lines.iter().all(|line| line.of_quantity == Some(Quantity::ZERO)), "{lines:?}");
    assert!(matches!(checkout.take_outside_refund(id, &remote, NOW), OutsideRefund::Known));
}

/// A bill with other lines than the paid one, for the same total plus `more`.
fn other_bill(checkout: &Checkout, more: i64) -> Bill {
    let bill = &checkout.payments[0].bill;
    let total = Money::from_kopecks(bill.total.kopecks() + more);
    let line = Line::priced(
        "9".into(),
        "Сыр".into(),
        Quantity::from_thousandths(1000),
        total,
        VatCode::Ten,
    );
    Bill::over("Заказ".into(), vec![line.expect("a line")], Customer::default(), bill.expires_at)
        .expect("a bill")
}

#[test]
fn other_goods_for_the_same_sum_are_another_payment() {
    let mut checkout = paid();
    checkout.payments[0].state = PaymentState::Sending { since: NOW };
    let same = checkout.payments[0].bill.clone();
    assert_eq!(
        checkout.set_bill(Some((2, same)), NOW),
        Vec::new(),
        "this bill is already requested"
    );
    let other = other_bill(&checkout, 0);
    assert_eq!(
        checkout.set_bill(Some((3, other)), NOW),
        vec![checkout.payments[0].id],
        "the live payment is cancelled"
    );
}

#[test]
fn what_waits_to_be_asked_for_keeps_the_end_of_its_time() {
    let mut checkout = paid();
    checkout.payments[0].state = PaymentState::Sending { since: NOW };
    let first = other_bill(&checkout, 100);
    checkout.set_bill(Some((2, first.clone())), NOW);
    checkout.payments[0].state = PaymentState::Cancelled { at: NOW };
    checkout.on_demand = true;
    let later = crate::kernel::time::later(first.expires_at, std::time::Duration::from_secs(60));
    checkout.set_bill(Some((3, Bill { expires_at: later, ..first.clone() })), NOW);
    assert_eq!(
        checkout.next.as_ref().map(|(revision, bill)| (*revision, bill.expires_at)),
        Some((3, first.expires_at))
    );
}

#[test]
fn at_the_end_of_its_time_nothing_is_asked_for_any_more() {
    let mut checkout = paid();
    checkout.payments[0].state = PaymentState::Cancelled { at: NOW };
    let bill = other_bill(&checkout, 0);
    checkout.withheld = Some((2, bill.clone()));
    assert_eq!(checkout.clone().plan_after_refund(bill.expires_at), None);
    assert!(checkout.plan_after_refund(NOW).is_some());
    let mut refused = paid();
    refused.payments[0].state =
        PaymentState::Refused { at: NOW, reason: crate::payments::Refusal::ByOperator };
    assert!(refused.is_repeatable(NOW));
    assert!(!refused.is_repeatable(refused.payments[0].bill.expires_at));
}

#[test]
fn a_notification_of_an_operation_that_we_have_is_recorded_and_no_other() {
    let mut checkout = paid();
    back(&mut checkout, "1", goods(1000)).expect("planned");
    let id = checkout.operations[0].id;
    let notification = |number: String| Notification {
        remote_id: "r-1".into(),
        of_payment: None,
        number,
        account: None,
        amount: Money::from_kopecks(3333),
        currency: None,
        status: NotificationStatus::Completed,
        made_at: None,
        is_test: false,
    };
    let judged = |number: String| notification(number).judge("shop", Some(&checkout));
    assert_eq!(
        judged(id.to_string()),
        NotificationVerdict::Recorded(Recorded::Operation { operation: id })
    );
    let unknown = OperationId { sequence: id.sequence + 1, ..id };
    assert!(!matches!(judged(unknown.to_string()), NotificationVerdict::Recorded(_)));
}

#[test]
fn a_planned_payment_is_sent_while_it_is_wanted() {
    let mut checkout = paid();
    let payment = &mut checkout.payments[0];
    payment.state = PaymentState::Planned;
    assert_eq!(payment.step(NOW), Step::Send);
    assert_eq!(payment.step(payment.bill.expires_at), Step::Drop);
    *payment.request_mut() = Some(Private::new("what was sent"));
    assert_eq!(payment.request.as_ref().map(Private::expose), Some("what was sent"));
}

/// A look-up by our number may also show somebody else's order.
#[test]
fn only_an_order_with_its_number_belongs_to_a_payment() {
    let checkout = paid();
    let payment = &checkout.payments[0];
    let remote = |number: String| RemotePayment {
        id: "r-1".into(),
        number,
        account: "shop".into(),
        amount: payment.bill.total,
        currency: "RUB".into(),
        status: RemotePaymentStatus::Created,
        url: None,
        expires_at: None,
    };
    assert!(payment.is_own(&remote(payment.id.to_string())));
    assert!(!payment.is_own(&remote("482993011752-9".into())));
}
