use super::*;
use crate::kernel::Currency;
use crate::kernel::{Money, Quantity};
use crate::orders::Number;
use crate::payments::{Bill, Customer, Line, PaymentId, Step, VatCode};

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn linked() -> (Payment, RemotePayment) {
    let one = (Quantity::from_thousandths(1000), Money::from_kopecks(100));
    let line = Line::priced("1".into(), "Чай".into(), one.0, one.1, VatCode::Ten).expect("a line");
    let expires_at = crate::kernel::time::later(now(), Duration::from_secs(3600));
    let bill =
        Bill::over("Заказ".into(), vec![line], Customer::default(), expires_at).expect("a bill");
    let id = PaymentId { number: Number::smallest(), attempt: 1 };
    let mut payment = Payment::planned(id, 1, "shop".into(), bill, now());
    let remote = RemotePayment {
        id: "remote".into(),
        number: id.to_string(),
        account: "shop".into(),
        amount: Money::from_kopecks(100),
        currency: Currency::Rub.code().into(),
        status: RemotePaymentStatus::Created,
        url: Some("https://pay.example/1".into()),
        expires_at: None,
    };
    payment.sends(Private::new("{}"), now());
    assert!(
        payment
            .take_outcome(CallOutcome::Created(remote.clone()).into(), now())
            .is_err_and(|again| again.is_waiting())
    );
    (payment, remote)
}

#[test]
fn a_link_that_was_good_is_not_lost_by_an_answer_without_one() {
    let (mut payment, remote) = linked();
    let bare = RemotePayment { url: None, ..remote };
    let again =
        payment.take_outcome(CallOutcome::Status(bare).into(), now()).expect_err("it waits");
    assert_eq!((again.is_waiting(), payment.link(now())), (true, Some("https://pay.example/1")));
}

/// Two receivers send different updates at the same moment, and are answered in
/// either order: the latest update is sent once more.
#[test]
fn an_update_that_overlapped_another_is_sent_again() {
    let said =
        |payment: &Payment, words: &str| Bill { description: words.into(), ..payment.bill.clone() };
    for newer_first in [true, false] {
        let (mut payment, remote) = linked();
        payment.plan_update(said(&payment, "older"));
        let older = payment.pending_update.clone().expect("a pending update");
        payment.plan_update(said(&payment, "newer"));
        let newer = payment.pending_update.clone().expect("a pending update");
        let answers = if newer_first { [newer, older] } else { [older, newer] };
        for update in answers {
            let answer = PaymentOutcome::Updated(remote.clone(), Box::new(update));
            assert!(payment.take_outcome(answer, now()).is_err_and(|again| again.is_waiting()));
        }
        let again = payment.pending_update.clone().expect("an update to send again");
        assert_eq!((again.bill.description.as_str(), payment.step(now())), ("newer", Step::Update));
        // Two receivers may send that one at the same time: then it is settled.
        for _ in 0..2 {
            let answer = PaymentOutcome::Updated(remote.clone(), Box::new(again.clone()));
            assert!(payment.take_outcome(answer, now()).is_err_and(|again| again.is_waiting()));
            assert_eq!(
                (payment.bill.description.as_str(), &payment.pending_update),
                ("newer", &None)
            );
        }
    }
}

#[test]
fn a_failed_look_up_does_not_change_a_link() {
    let (mut payment, _) = linked();
    let said = || "no".to_owned();
    for outcome in [
        CallOutcome::NotSeen(RetryReason::CallFailed { said: said() }),
        CallOutcome::Refused(Refusal::ByPaymentSystem { said: said() }),
        CallOutcome::NotDone(RetryReason::CallFailed { said: said() }),
    ] {
        let again = payment.take_outcome(outcome.into(), now()).expect_err("to be tried again");
        assert!(again.after.is_none() && payment.link(now()).is_some());
    }
}

/// A payment that had ended is looked up and its buyer has paid: the money is
/// unwanted, is released, or needs review, and is never unknown.
#[test]
fn money_of_an_ended_payment_is_found() {
    let look = |state: PaymentState, status: RemotePaymentStatus, kopecks: i64| {
        let (mut payment, remote) = linked();
        payment.state = state;
        let amount = Money::from_kopecks(kopecks);
        let shown = RemotePayment { status, amount, ..remote };
        let looked = payment.take_outcome(CallOutcome::Status(shown).into(), now());
        assert_eq!(looked, Ok(()));
        payment
    };
    for ended in [PaymentState::Cancelled { at: now() }, PaymentState::Expired { at: now() }] {
        let paid = look(ended.clone(), RemotePaymentStatus::Completed, 100);
        assert_eq!((paid.was_paid(), paid.superseded), (true, Some(Superseded::Ended)));
        let held = look(ended.clone(), RemotePaymentStatus::Held, 100);
        assert_eq!(held.step(now()), Step::Cancel);
        let other = look(ended.clone(), RemotePaymentStatus::Completed, 200);
        assert_eq!(other.other_amount(), Some(Money::from_kopecks(200)));
        let nothing = look(ended.clone(), RemotePaymentStatus::Canceled, 100);
        assert_eq!(nothing.state, ended);
    }
}

/// A payment under review is looked up until its money comes or its time is
/// over. Held money is not counted as money that came.
#[test]
fn a_payment_under_review_is_watched_until_it_is_over() {
    for (status, is_watched, has_money, came) in [
        (RemotePaymentStatus::Created, true, false, false),
        (RemotePaymentStatus::Held, false, true, false),
        (RemotePaymentStatus::Completed, false, true, true),
        (RemotePaymentStatus::Expired, false, false, false),
    ] {
        let (mut payment, remote) = linked();
        let shown = RemotePayment { amount: Money::from_kopecks(200), ..remote };
        let mismatch = payment.fits(&shown).expect_err("another amount");
        payment.review(mismatch, now());
        let shown = RemotePayment { status: status.clone(), ..shown };
        let looked = payment.take_outcome(CallOutcome::Status(shown).into(), now());
        assert_eq!(looked.is_err_and(|again| again.is_waiting()), is_watched, "{status:?}");
        assert_eq!(payment.money_under_review().is_some(), has_money, "{status:?}");
        assert_eq!(payment.other_amount().is_some(), came, "{status:?}");
    }
}
