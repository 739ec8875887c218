//! Answers to notifications. The status is always HTTP 200; the body has the
//! meaning.

use serde_json::json;

use crate::dedup::Answer;
use crate::payments::{Mismatch, NotificationVerdict};

/// The maximum length of a message in an answer, in characters.
const MESSAGE_CHARS_MAX: usize = 500;

/// The answer for a verdict.
pub fn judged(judgement: &NotificationVerdict, may_become_known: bool) -> Answer {
    match judgement {
        // The payment has happened, expected or not. The sender need not repeat
        // the notification.
        NotificationVerdict::Pays(_)
        | NotificationVerdict::PaysOld(..)
        | NotificationVerdict::Repeated(_)
        | NotificationVerdict::Recorded(_) => success(),
        NotificationVerdict::AlreadyPaid(_) => {
            error("order_already_paid", "the order is already paid")
        }
        NotificationVerdict::WrongAmount(mismatch) => {
            error("order_wrong_amount", &in_short(mismatch))
        }
        NotificationVerdict::WrongCurrency(mismatch) => {
            error("order_wrong_currency", &in_short(mismatch))
        }
        NotificationVerdict::NotFound if may_become_known => {
            error("out_of_service", "the order is not known yet")
        }
        NotificationVerdict::Stranger(mismatch) | NotificationVerdict::OtherOrder(mismatch) => {
            error("order_not_found", &in_short(mismatch))
        }
        NotificationVerdict::NotFound | NotificationVerdict::NotOurs => {
            error("order_not_found", "there is no such order")
        }
    }
}

/// A short description of the mismatch, for people who read the payment
/// system's delivery log.
fn in_short(mismatch: &Mismatch) -> String {
    match mismatch {
        Mismatch::NotificationAmount { found, expected } => {
            format!("the amount is {found}, and {expected} was requested")
        }
        Mismatch::NotificationCurrency { found, .. } => {
            format!("the currency is {found:?}, and another one was requested")
        }
        Mismatch::Account { found, .. } => {
            format!("it is for another shop, {found:?}")
        }
        Mismatch::RemoteId { found, expected } => {
            format!("its id is {found}, and our order with this number has the id {expected}")
        }
        Mismatch::Several
        | Mismatch::Number { .. }
        | Mismatch::Amount { .. }
        | Mismatch::Operation { .. } => "it does not match the request".into(),
    }
}

/// The answer for a notification that was accepted.
pub fn success() -> Answer {
    answer(&json!({"status": "success"}))
}

/// The answer for a notification that was not accepted.
pub fn error(code: &str, message: &str) -> Answer {
    let message: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
    answer(&json!({"status": "error", "code": code, "message": message}))
}

fn answer(body: &serde_json::Value) -> Answer {
    Answer { status: 200, content_type: "application/json".into(), body: body.to_string() }
}
