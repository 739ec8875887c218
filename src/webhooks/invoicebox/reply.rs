//! Answers: HTTP 200 always, and the meaning in the body.

use serde_json::json;

use crate::dedup::Answer;
use crate::payments::Judgement;

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
        Judgement::WrongAmount(_) => error("order_wrong_amount", "another sum was asked for"),
        Judgement::WrongCurrency(_) => error("order_wrong_currency", "another currency was asked for"),
        Judgement::NotFound if may_become_known => error("out_of_service", "the order is not known yet"),
        Judgement::NotFound | Judgement::NotOurs | Judgement::Stranger(_) | Judgement::OtherOrder(_) => {
            error("order_not_found", "there is no such order")
        }
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
