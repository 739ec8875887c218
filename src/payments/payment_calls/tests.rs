use super::*;
use crate::kernel::Currency;
use crate::kernel::{Money, Quantity};
use crate::orders::Number;
use crate::payments::{Bill, Customer, Line, PaymentId, Step, VatCode};

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn linked() -> (Payment, Remote) {
    let one = (Quantity::from_thousandths(1000), Money::from_kopecks(100));
    let line = Line::priced("1".into(), "Чай".into(), one.0, one.1, VatCode::Ten).expect("a line");
    let expires_at = crate::kernel::time::later(now(), Duration::from_secs(3600));
    let bill = Bill::over("Заказ".into(), vec![line], Customer::default(), expires_at).expect("a bill");
    let id = PaymentId { number: Number::smallest(), attempt: 1 };
    let mut payment = Payment::planned(id, 1, "shop".into(), bill, now());
    let remote = Remote {
        id: "remote".into(),
        number: id.to_string(),
        account: "shop".into(),
        amount: Money::from_kopecks(100),
        currency: Currency::Rub.code().into(),
        status: RemoteStatus::Created,
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
    let bare = Remote { url: None, ..remote };
    let again = payment.take_outcome(CallOutcome::Status(bare).into(), now()).expect_err("it waits");
    assert_eq!((again.is_waiting(), payment.link(now())), (true, Some("https://pay.example/1")));
}

/// Two receivers tell different things at the same moment, and are answered in either order: the latest is told once more.
#[test]
fn what_two_told_at_once_is_told_again() {
    let said = |payment: &Payment, words: &str| Bill { description: words.into(), ..payment.bill.clone() };
    for newer_first in [true, false] {
        let (mut payment, remote) = linked();
        payment.is_to_say(said(&payment, "older"));
        let older = payment.alteration.clone().expect("an alteration");
        payment.is_to_say(said(&payment, "newer"));
        let newer = payment.alteration.clone().expect("an alteration");
        let answers = if newer_first { [newer, older] } else { [older, newer] };
        for told in answers {
            let answer = PaymentOutcome::Altered(remote.clone(), Box::new(told));
            assert!(payment.take_outcome(answer, now()).is_err_and(|again| again.is_waiting()));
        }
        let again = payment.alteration.clone().expect("it is to be told again");
        assert_eq!((again.bill.description.as_str(), payment.step(now())), ("newer", Step::Alter));
        // And if two tell that at once, it is told.
        for _ in 0..2 {
            let answer = PaymentOutcome::Altered(remote.clone(), Box::new(again.clone()));
            assert!(payment.take_outcome(answer, now()).is_err_and(|again| again.is_waiting()));
            assert_eq!((payment.bill.description.as_str(), &payment.alteration), ("newer", &None));
        }
    }
}

#[test]
fn a_failed_look_leaves_a_link_as_it_was() {
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
