//! Problem documents about orders, payments and hooks. Those that every API has
//! are in [`tillgate_web::problem`].

use http::StatusCode;

use super::body::{Unusable, UnusableKind};
use super::problem::Problem;
use crate::dedup::Answer;
use crate::webhooks::{Rejection, RejectionKind};

/// The merchant already has a different order with this number.
pub fn order_exists(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, "order-exists", "A different order has this number", detail)
}

/// The order is paid.
pub fn paid(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, "order-paid", "The order is paid", detail)
}

/// As many of the merchant's orders as may wait for a payment system wait for
/// it.
pub fn backlog_full(waiting_max: usize) -> Problem {
    let detail = format!(
        "{waiting_max} of your orders wait for the payment system, which limits calls; repeat \
         this request in {BACKLOG_WAIT_SECONDS} s"
    );
    Problem::share_used_up(detail, BACKLOG_WAIT_SECONDS)
}

/// The merchant has used up its quota of today.
pub fn quota_used_up(wait_seconds: u64) -> Problem {
    let detail = format!(
        "your requests of today have used up megabytes_per_day_max of your section; repeat this \
         one in {wait_seconds} s, or ask the operator for more"
    );
    Problem::share_used_up(detail, wait_seconds)
}

/// When a merchant with a full backlog may try again: some of its orders have
/// their links by then.
const BACKLOG_WAIT_SECONDS: u64 = 10;

/// There is no money that can be refunded.
pub fn not_refundable(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, "not-refundable", "There is nothing to refund", detail)
}

/// There is no held money that can be captured.
pub fn not_held(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, "not-held", "There is nothing to capture", detail)
}

/// The site has changed the order as often as it may.
pub fn too_many_changes(detail: impl Into<String>) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "too-many-changes",
        "The order has been changed too often",
        detail,
    )
}

/// The order cannot be changed any more.
pub fn closed(detail: impl Into<String>) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "order-closed",
        "The order cannot be changed any more",
        detail,
    )
}

/// The signature or token of the sender is missing or wrong. The answer does
/// not say which of them.
pub fn signature_invalid() -> Problem {
    let detail =
        "the signature or token is missing, or does not match the configuration of this source";
    Problem::new(
        StatusCode::FORBIDDEN,
        "signature-invalid",
        "Signature verification failed",
        detail,
    )
}

/// The hook cannot be used.
pub fn rejected(rejection: &Rejection) -> Problem {
    let detail = rejection.detail.clone();
    match rejection.why {
        RejectionKind::Malformed => Problem::bad_request(detail),
        RejectionKind::NoOrderNumber => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, "no-order-number", "The hook has no order number", detail)
        }
        RejectionKind::TooLarge => Problem::too_large(detail),
        RejectionKind::UnsupportedForm => Problem::unsupported_media_type(detail),
    }
}

impl From<Unusable> for Rejection {
    fn from(body: Unusable) -> Rejection {
        let why = match body.why {
            UnusableKind::Malformed => RejectionKind::Malformed,
            UnusableKind::TooLarge => RejectionKind::TooLarge,
            UnusableKind::UnsupportedForm => RejectionKind::UnsupportedForm,
        };
        Rejection { why, detail: body.detail, event_type: None }
    }
}

/// The problem as an answer that can be stored and sent again.
impl From<Problem> for Answer {
    fn from(problem: Problem) -> Answer {
        let body = serde_json::to_string(&problem).unwrap_or_default();
        Answer { status: problem.status(), content_type: "application/problem+json".into(), body }
    }
}

#[cfg(test)]
mod tests {
    /// Callers rely on the types, and look them up in docs/errors.md.
    #[test]
    fn every_type_is_in_the_list_of_errors_and_no_other() {
        let quoted = |text: &'static str| text.split('"').nth(1).unwrap_or_default();
        let ours = include_str!("problems.rs").split("#[cfg(test)]").next().unwrap_or_default();
        let shared = include_str!("../../crates/web/src/problem.rs");
        let made = |source: &'static str| source.split("Problem::new(").skip(1).map(quoted);
        let mut made: Vec<&str> = made(ours).chain(made(shared)).collect();
        let list = include_str!("../../docs/errors.md").split("## The shop").next();
        let list = list.unwrap_or_default();
        let mut listed: Vec<&str> =
            list.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        made.sort_unstable();
        listed.sort_unstable();
        assert_eq!(made, listed);
    }
}
