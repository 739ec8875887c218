//! Why an order is not paid.

use http::StatusCode;
use serde_json::{Map, Value, json};
use tillgate_kernel::Language;

/// Why an order is not paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentProblem {
    /// The `Idempotency-Key` is missing, or is none.
    NoKey,
    /// The key was used for another request.
    KeyReused,
    /// Another payment can still bring money: its status.
    InProgress { status: String, until: String, redirect_url: Option<String> },
    /// The shop does not take this means.
    NotOffered,
    /// It was tried too often.
    TooManyAttempts,
    /// The callback is not signed by the gateway.
    BadSignature,
}

impl PaymentProblem {
    /// The same for a payment as it is shown.
    #[must_use]
    pub fn in_progress(shown: &impl serde::Serialize) -> PaymentProblem {
        let shown = serde_json::to_value(shown).unwrap_or(Value::Null);
        let text = |name: &str| shown[name].as_str().map(str::to_owned);
        PaymentProblem::InProgress {
            status: text("status").unwrap_or_default(),
            until: text("until").unwrap_or_default(),
            redirect_url: text("redirectUrl"),
        }
    }

    /// The status, and the name in the problem's `type`.
    #[must_use]
    pub const fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            PaymentProblem::NoKey => (StatusCode::BAD_REQUEST, "no-idempotency-key"),
            PaymentProblem::KeyReused => {
                (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused")
            }
            PaymentProblem::InProgress { .. } => (StatusCode::CONFLICT, "payment-in-progress"),
            PaymentProblem::NotOffered => (StatusCode::UNPROCESSABLE_ENTITY, "means-not-offered"),
            PaymentProblem::TooManyAttempts => (StatusCode::CONFLICT, "too-many-payments"),
            PaymentProblem::BadSignature => (StatusCode::UNAUTHORIZED, "bad-signature"),
        }
    }

    /// What is wrong, and what to do about it.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        let (ru, en) = match self {
            PaymentProblem::NoKey => (
                "Отправьте заголовок Idempotency-Key: новый для каждого платежа, тот же при повторе",
                "Send the header Idempotency-Key: a new one for each payment, the same for a repeat",
            ),
            PaymentProblem::KeyReused => (
                "С этим Idempotency-Key уже отправлен другой запрос, ничего не изменено",
                "Another request with this Idempotency-Key was sent before, and nothing was changed",
            ),
            PaymentProblem::InProgress { .. } => (
                "По заказу уже идёт платёж. Завершите его или дождитесь, пока он закончится",
                "A payment for this order is under way. Finish it, or wait until it is over",
            ),
            PaymentProblem::NotOffered => (
                "Так этот магазин оплату не принимает. Выберите другой способ",
                "This shop does not take this means of payment. Choose another one",
            ),
            PaymentProblem::TooManyAttempts => (
                "Слишком много попыток оплатить этот заказ. Соберите его заново",
                "There were too many attempts to pay for this order. Place it again",
            ),
            PaymentProblem::BadSignature => (
                "Подпись уведомления неверна или устарела",
                "The signature of the notification is wrong, or too old",
            ),
        };
        match language {
            Language::Ru => ru.to_owned(),
            Language::En => en.to_owned(),
        }
    }

    /// What programs need of it, beside its kind.
    #[must_use]
    pub fn members(&self) -> Map<String, Value> {
        let members = match self {
            PaymentProblem::InProgress { status, until, redirect_url } => {
                json!({"paymentStatus": status, "until": until, "redirectUrl": redirect_url})
            }
            PaymentProblem::NoKey
            | PaymentProblem::KeyReused
            | PaymentProblem::NotOffered
            | PaymentProblem::TooManyAttempts
            | PaymentProblem::BadSignature => json!({}),
        };
        if let Value::Object(members) = members { members } else { Map::new() }
    }
}
