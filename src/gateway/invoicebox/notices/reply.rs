//! Answers: HTTP 200 always, and the meaning in the body.

use serde_json::json;

use crate::dedup::Answer;
use crate::payments::{Judgement, Mismatch};

/// The longest message in an answer, in characters.
const MESSAGE_CHARS_MAX: usize = 500;

/// What the sender hears for a judgement.
pub fn judged(judgement: &Judgement, may_become_known: bool) -> Answer {
    match judgement {
        // Money is a fact, whether or not we wanted it: the sender has done its part.
        Judgement::Pays(_) | Judgement::PaysOld(..) | Judgement::Repeated(_) | Judgement::Recorded(_) => {
            success()
        }
        Judgement::AlreadyPaid(_) => error("order_already_paid", "the order is paid already"),
        Judgement::WrongAmount(mismatch) => error("order_wrong_amount", &in_short(mismatch)),
        Judgement::WrongCurrency(mismatch) => error("order_wrong_currency", &in_short(mismatch)),
        Judgement::NotFound if may_become_known => error("out_of_service", "the order is not known yet"),
        Judgement::Stranger(mismatch) | Judgement::OtherOrder(mismatch) => {
            error("order_not_found", &in_short(mismatch))
        }
        Judgement::NotFound | Judgement::NotOurs => error("order_not_found", "there is no such order"),
    }
}

/// What differs, for whoever reads the payment system's log of deliveries.
fn in_short(mismatch: &Mismatch) -> String {
    match mismatch {
        Mismatch::NoticeAmount { found, expected } => {
            format!("it is about {found}, and we asked for {expected}")
        }
        Mismatch::NoticeCurrency { found, .. } => {
            format!("it is in {found:?}, and another currency was asked for")
        }
        Mismatch::Account { found, .. } => format!("it is for the shop {found:?}, which is another"),
        Mismatch::RemoteId { found, expected } => {
            format!("it has the id {found}, and we know {expected} under this number")
        }
        Mismatch::Several
        | Mismatch::Number { .. }
        | Mismatch::Amount { .. }
        | Mismatch::Operation { .. } => "it is not what was asked for".into(),
    }
}

/// It was taken in.
pub fn success() -> Answer {
    answer(&json!({"status": "success"}))
}

/// It was not.
pub fn error(code: &str, message: &str) -> Answer {
    let message: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
    answer(&json!({"status": "error", "code": code, "message": message}))
}

fn answer(body: &serde_json::Value) -> Answer {
    Answer { status: 200, content_type: "application/json".into(), body: body.to_string() }
}
