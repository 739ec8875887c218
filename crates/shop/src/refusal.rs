//! The errors of the shop's services: RFC 9457 problem documents with a stable
//! `type`, worded in the caller's language. `errorMessage` repeats `detail` for
//! callers that follow the contracts of the services.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};
use tillgate_kernel::{Language, Money};
use tillgate_store::{CommitError, Unavailable};

use crate::delivery_problem::DeliveryProblem;
use crate::form::{Fault, NotAForm};
use crate::order_problem::OrderProblem;
use crate::payment_problem::PaymentProblem;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The body cannot be read as an object of JSON.
    Body(NotAForm),
    /// The body's `Content-Type` is not JSON.
    NotJsonType,
    /// The body has more bytes than this.
    TooLarge(usize),
    /// What the operator has sent cannot be set, for this reason.
    NotAccepted(String),
    /// The body is no picture as the shop keeps them.
    NotAPicture,
    /// The body did not arrive.
    BrokenOff,
    /// Fields are missing or wrong: where they are, as JSON pointers.
    Fields(Vec<(String, Fault)>),
    /// The password in this field is not accepted.
    WeakPassword { field: &'static str, fault: Fault },
    /// The name is unknown, or the password is wrong.
    WrongLogin,
    /// There is no session, or it has ended.
    NoSession,
    /// Whose session it is cannot be asked.
    NoAuthServer,
    /// The store has not said whether it was done.
    NotKnown,
    /// Only other services may do it.
    ForServices,
    /// The account holds less than the sum.
    NotEnoughMoney { balance: Money, wanted: Money },
    /// The same payment was sent before, with other content.
    IdReused,
    /// The payment is in a state in which it cannot be done.
    WrongState(Stage),
    /// The person does not have this role.
    NoRole,
    /// The order is not changed, or nothing is promised for it.
    Order(OrderProblem),
    /// The order cannot come to its client so.
    Delivery(DeliveryProblem),
    /// The order is not paid.
    Payment(PaymentProblem),
    /// There is no such thing, or it is another client's.
    NotFound,
    /// Another site has sent it.
    CrossSite,
    /// The username is taken.
    LoginTaken,
    /// The link of a letter was used, is too old, or is none.
    LinkNotValid,
    /// The code of a short message is too old, or was tried too often.
    CodeNotValid,
    /// There is no telephone number to send a code to.
    NoPhone,
    /// Too many attempts; the next one is allowed after this many seconds.
    TooManyAttempts { wait_seconds: u64 },
    /// Too much is under way.
    Busy,
    /// The store cannot be used. The log says why.
    Unavailable,
    /// What was asked for is done, but no session could begin.
    DoneWithoutSession,
}

/// When a caller may try again after [`Refusal::Busy`] or
/// [`Refusal::Unavailable`].
const RETRY_AFTER_SECONDS: u64 = 5;

/// Why a payment cannot be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has brought no money.
    NotHeld,
    /// It is reversed.
    Reversed,
    /// It is not confirmed.
    NotConfirmed,
    /// It has brought less than this.
    Less,
    /// Its money went to a wallet, from where it is paid out.
    TopUp,
    /// Nobody is owed so much for the order.
    NotOwed,
}

impl Stage {
    /// In Russian and in English.
    fn text(self) -> (String, String) {
        let (ru, en) = match self {
            Stage::NotHeld => ("По этому платежу денег нет", "This payment has brought no money"),
            Stage::Reversed => ("Платёж уже отменён", "The payment is reversed already"),
            Stage::NotConfirmed => ("Платёж не подтверждён", "The payment is not confirmed"),
            Stage::Less => (
                "Сумма больше, чем принёс этот платёж",
                "The sum is more than this payment has brought",
            ),
            Stage::TopUp => (
                "Это пополнение кошелька: деньги уже на нём",
                "This is a top-up: its money is in the wallet",
            ),
            Stage::NotOwed => {
                ("По этому заказу столько не возвращают", "Nobody is owed so much for this order")
            }
        };
        (format!("{ru}. Ничего не изменено"), format!("{en}. Nothing was changed"))
    }
}

/// The name of [`Refusal::NotKnown`] in a problem's `type`.
const NOT_KNOWN: &str = "not-known";

/// Whether the body of an answer says [`Refusal::NotKnown`].
#[must_use]
pub fn is_not_known(body: &Value) -> bool {
    is_kind(body, NOT_KNOWN)
}

/// Whether the body of an answer is a problem of the kind with this name.
#[must_use]
pub fn is_kind(body: &Value, name: &str) -> bool {
    let kind = body["type"].as_str().and_then(|kind| kind.strip_prefix(TYPES));
    kind == Some(name)
}

/// What the names of all types begin with.
const TYPES: &str = "urn:tillgate:problem:";

impl Refusal {
    /// One field or parameter is wrong.
    #[must_use]
    pub fn of_field(name: &str, fault: Fault) -> Refusal {
        Refusal::Fields(vec![(format!("/{name}"), fault)])
    }

    /// The status, and the name in the problem's `type`.
    #[must_use]
    pub const fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Refusal::Body(_)
            | Refusal::NotAccepted(_)
            | Refusal::Fields(_)
            | Refusal::BrokenOff => (StatusCode::BAD_REQUEST, "bad-request"),
            Refusal::NotJsonType | Refusal::NotAPicture => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type")
            }
            Refusal::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            Refusal::WeakPassword { .. } => (StatusCode::BAD_REQUEST, "weak-password"),
            Refusal::WrongLogin => (StatusCode::UNAUTHORIZED, "wrong-login"),
            Refusal::NoSession => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Refusal::NoAuthServer => (StatusCode::INTERNAL_SERVER_ERROR, "auth-server"),
            Refusal::NotEnoughMoney { .. } => (StatusCode::CONFLICT, "not-enough-money"),
            Refusal::IdReused => (StatusCode::CONFLICT, "id-reused"),
            Refusal::WrongState(_) => (StatusCode::CONFLICT, "wrong-state"),
            Refusal::ForServices | Refusal::NoRole => (StatusCode::FORBIDDEN, "forbidden"),
            Refusal::Order(problem) => problem.kind(),
            Refusal::Delivery(problem) => problem.kind(),
            Refusal::Payment(problem) => problem.kind(),
            Refusal::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            Refusal::CrossSite => (StatusCode::FORBIDDEN, "cross-site"),
            Refusal::LoginTaken => (StatusCode::CONFLICT, "login-taken"),
            Refusal::LinkNotValid => (StatusCode::UNPROCESSABLE_ENTITY, "link-not-valid"),
            Refusal::CodeNotValid => (StatusCode::UNPROCESSABLE_ENTITY, "code-not-valid"),
            Refusal::NoPhone => (StatusCode::CONFLICT, "no-phone"),
            Refusal::TooManyAttempts { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many-attempts"),
            Refusal::NotKnown => (StatusCode::SERVICE_UNAVAILABLE, NOT_KNOWN),
            Refusal::Busy | Refusal::Unavailable | Refusal::DoneWithoutSession => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            }
        }
    }

    /// What is wrong, and what to do about it.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        let (ru, en): (String, String) = match self {
            Refusal::Body(NotAForm::NotJson(why)) => {
                (format!("Тело запроса — не JSON: {why}"), format!("The body is not JSON: {why}"))
            }
            Refusal::Body(NotAForm::NotAnObject) => {
                ("Нужен объект JSON".into(), "The body must be a JSON object".into())
            }
            Refusal::NotJsonType => (
                "Отправьте тело с Content-Type: application/json".into(),
                "Send the body with Content-Type: application/json".into(),
            ),
            Refusal::NotAccepted(why) => (
                format!("Это не принято: {why}. Ничего не изменено"),
                format!("This is not accepted: {why}. Nothing was changed"),
            ),
            Refusal::NotAPicture => (
                "Нужна картинка, как их готовит tillgate shop import".into(),
                "The body must be a picture as tillgate shop import makes them".into(),
            ),
            Refusal::TooLarge(most) => (
                format!("Тело запроса длиннее {most} байт"),
                format!("The body is longer than {most} bytes"),
            ),
            Refusal::BrokenOff => (
                "Соединение прервалось, пока передавалось тело запроса".into(),
                "The connection broke while the body was sent".into(),
            ),
            Refusal::Fields(faults) => {
                let list = |language| {
                    let worded = faults.iter().map(|(name, fault)| {
                        let text = fault.text(language);
                        format!("{}: {text}", name.trim_start_matches('/'))
                    });
                    worded.collect::<Vec<_>>().join("; ")
                };
                (list(Language::Ru), list(Language::En))
            }
            Refusal::WeakPassword { fault, .. } => {
                (fault.text(Language::Ru), fault.text(Language::En))
            }
            Refusal::WrongLogin => {
                ("Неверное имя или пароль".into(), "The name or the password is wrong".into())
            }
            Refusal::NoSession => (
                "Войдите: сеанса нет или он закончился".into(),
                "Log in: there is no session, or it has ended".into(),
            ),
            Refusal::NoRole => (
                "Для этого нужна другая роль".into(),
                "This needs a role that you do not have".into(),
            ),
            Refusal::NoAuthServer => (
                "Не удалось проверить сеанс, ничего не изменено. Повторите через несколько секунд"
                    .into(),
                "The session could not be checked, and nothing was changed. Try again in a few \
                 seconds"
                    .into(),
            ),
            Refusal::NotKnown => (
                "Неизвестно, выполнено ли это. Повторите тот же запрос через несколько секунд: \
                 дважды он не выполнится"
                    .into(),
                "It is not known whether this was done. Send the same request again in a few \
                 seconds: it is done once"
                    .into(),
            ),
            Refusal::ForServices => (
                "Этот запрос делают только службы магазина".into(),
                "Only the shop's services make this request".into(),
            ),
            Refusal::NotEnoughMoney { balance, wanted } => (
                format!("Не хватает денег: есть {balance}, нужно {wanted}"),
                format!("There is not enough money: {balance} of {wanted}"),
            ),
            Refusal::IdReused => (
                "С этим номером уже отправлен другой запрос, ничего не изменено".into(),
                "Another request with this id was sent before, and nothing was changed".into(),
            ),
            Refusal::WrongState(stage) => stage.text(),
            Refusal::Order(problem) => return problem.text(language),
            Refusal::Delivery(problem) => return problem.text(language),
            Refusal::Payment(problem) => return problem.text(language),
            Refusal::NotFound => ("Этого нет".into(), "There is no such thing".into()),
            Refusal::CrossSite => (
                "Запрос пришёл с чужой страницы. Обновите страницу и повторите".into(),
                "The request came from another site's page. Reload the page and try again".into(),
            ),
            Refusal::LoginTaken => (
                "Это имя занято, выберите другое".into(),
                "This username is taken, choose another one".into(),
            ),
            Refusal::LinkNotValid => (
                "Ссылка уже использована или устарела. Запросите новое письмо".into(),
                "The link was used already or is out of date. Ask for a new letter".into(),
            ),
            Refusal::CodeNotValid => (
                "Код устарел или его вводили слишком много раз. Запросите новый".into(),
                "The code is out of date, or was tried too often. Ask for a new one".into(),
            ),
            Refusal::NoPhone => (
                "Чтобы подтвердить телефон, укажите номер и подтвердите адрес почты. Если это уже \
                 сделано, магазин не отправляет сообщений"
                    .into(),
                "To confirm a phone, add its number and confirm your e-mail address. If both are \
                 done, the shop sends no messages"
                    .into(),
            ),
            Refusal::TooManyAttempts { wait_seconds } => (
                format!("Слишком много попыток. Следующая — через {wait_seconds} с"),
                format!("Too many attempts. Try again in {wait_seconds} s"),
            ),
            Refusal::DoneWithoutSession => (
                "Готово, но войти сразу не получилось. Войдите через несколько секунд".into(),
                "It is done, but the log-in has failed. Log in again in a few seconds".into(),
            ),
            Refusal::Busy | Refusal::Unavailable => (
                "Сейчас не получается, ничего не изменено. Повторите через несколько секунд".into(),
                "This is not possible right now, and nothing was changed. Try again in a few \
                 seconds"
                    .into(),
            ),
        };
        match language {
            Language::Ru => ru,
            Language::En => en,
        }
    }

    /// When the caller may try again, if it is a matter of time.
    #[must_use]
    pub const fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Refusal::TooManyAttempts { wait_seconds } => Some(*wait_seconds),
            Refusal::Busy
            | Refusal::Unavailable
            | Refusal::NoAuthServer
            | Refusal::NotKnown
            | Refusal::DoneWithoutSession => Some(RETRY_AFTER_SECONDS),
            Refusal::Body(_)
            | Refusal::NotAccepted(_)
            | Refusal::NotJsonType
            | Refusal::NotAPicture
            | Refusal::TooLarge(_)
            | Refusal::BrokenOff
            | Refusal::Fields(_)
            | Refusal::WeakPassword { .. }
            | Refusal::WrongLogin
            | Refusal::NoSession
            | Refusal::ForServices
            | Refusal::NotEnoughMoney { .. }
            | Refusal::IdReused
            | Refusal::WrongState(_)
            | Refusal::NoRole
            | Refusal::Order(_)
            | Refusal::Delivery(_)
            | Refusal::Payment(_)
            | Refusal::NotFound
            | Refusal::CrossSite
            | Refusal::LoginTaken
            | Refusal::LinkNotValid
            | Refusal::CodeNotValid
            | Refusal::NoPhone => None,
        }
    }

    /// Why no session has begun after what was asked for is done.
    #[must_use]
    pub fn done(self) -> Refusal {
        let is_ours = matches!(self, Refusal::Busy | Refusal::Unavailable);
        if is_ours { Refusal::DoneWithoutSession } else { self }
    }

    /// The problem document in this language.
    #[must_use]
    pub fn into_response_in(self, language: Language) -> Response {
        let (status, kind) = self.kind();
        let text = self.text(language);
        let errors = if let Refusal::Fields(faults) = &self {
            faults.clone()
        } else if let Refusal::WeakPassword { field, fault } = &self {
            vec![(format!("/{field}"), *fault)]
        } else {
            Vec::new()
        };
        let members = if let Refusal::Order(problem) = &self {
            problem.members()
        } else if let Refusal::Delivery(problem) = &self {
            problem.members()
        } else if let Refusal::Payment(problem) = &self {
            problem.members()
        } else {
            Map::new()
        };
        let errors = errors
            .into_iter()
            .map(|(pointer, fault)| FieldProblem { pointer, detail: fault.text(language) });
        let problem = Problem {
            kind: format!("{TYPES}{kind}"),
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: text.clone(),
            error_message: text,
            errors: errors.collect(),
            members,
        };
        let body = serde_json::to_vec(&problem).expect("a problem can be written as JSON");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.code()));
        if let Some(seconds) = self.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl Refusal {
    /// Why a change was refused by the store. A store that did not answer may
    /// have made it.
    #[must_use]
    pub fn of_commit(why: CommitError) -> Refusal {
        match why {
            CommitError::Unavailable(
                why @ (Unavailable::Stopped(_)
                | Unavailable::Unreachable(_)
                | Unavailable::Stalled { .. }),
            ) => {
                tracing::error!(error = %why, "it is not known whether a change was made");
                Refusal::NotKnown
            }
            CommitError::Unavailable(_)
            | CommitError::Conflict
            | CommitError::LostLease
            | CommitError::Short { .. } => why.into(),
        }
    }
}

impl From<Unavailable> for Refusal {
    fn from(why: Unavailable) -> Refusal {
        tracing::error!(error = %why, "a request failed because the store cannot be used");
        Refusal::Unavailable
    }
}

impl From<CommitError> for Refusal {
    fn from(why: CommitError) -> Refusal {
        match why {
            CommitError::Unavailable(why) => why.into(),
            // Only a unit that settles a message has a lease to lose, and one
            // that has a floor looks at it first.
            CommitError::Conflict | CommitError::LostLease | CommitError::Short { .. } => {
                Unavailable::Crowded.into()
            }
        }
    }
}

#[derive(Serialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(rename = "errorMessage")]
    error_message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    #[serde(flatten)]
    members: Map<String, Value>,
}

#[derive(Serialize)]
struct FieldProblem {
    pointer: String,
    detail: String,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// Callers rely on the types, and look them up in docs/errors.md.
    #[test]
    fn every_type_is_in_the_list_of_errors_and_no_other() {
        // Services decide by this one, so its name is a constant.
        let mut made = BTreeSet::from([super::NOT_KNOWN]);
        for source in [
            include_str!("refusal.rs"),
            include_str!("order_problem.rs"),
            include_str!("delivery_problem.rs"),
            include_str!("payment_problem.rs"),
        ] {
            let (_, kinds) = source.split_once("const fn kind").expect("the kinds");
            let (kinds, _) = kinds.split_once("/// What is wrong, and").expect("their end");
            made.extend(kinds.split('"').skip(1).step_by(2));
        }
        let list = include_str!("../../../docs/errors.md");
        let (_, list) = list.split_once("## The shop").expect("a section");
        let listed: BTreeSet<&str> =
            list.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        assert_eq!(made, listed);
    }
}
