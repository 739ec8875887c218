use crate::payments::{
    Mismatch, OperationId, OperationKind, OperatorAction, PaymentId, PaymentNote, PaymentProblem,
    Recorded, Refusal, RetryReason, Superseded, UnfitRefund,
};

pub fn payment_note(payment: Option<PaymentId>, note: &PaymentNote) -> String {
    let id = payment.map_or_else(|| "payment".to_owned(), |id| format!("payment {id}"));
    let under = |remote_id: &Option<String>| {
        remote_id.as_ref().map_or_else(String::new, |id| format!(" under the id {id}"))
    };
    let because = |reason: &Option<RetryReason>| {
        reason.as_ref().map_or_else(String::new, |why| format!(": {}", retry_reason(why)))
    };
    match note {
        PaymentNote::PaymentPlanned { amount, revision } => {
            format!("{amount} to be requested for revision {revision}")
        }
        PaymentNote::PaymentDropped { reason } => {
            format!("dropped before it was sent: {}", superseded(reason))
        }
        PaymentNote::CancelRequested { reason } => {
            format!("to be cancelled: {}", superseded(reason))
        }
        PaymentNote::PaymentUnknown { reason } => {
            format!("it is unknown whether the payment system has it{}", because(reason))
        }
        PaymentNote::PaymentNotFound { looks } => {
            format!("not found at the payment system, looked up {looks} times so far")
        }
        PaymentNote::PaymentLinked { remote_id } => format!("can be paid{}", under(remote_id)),
        PaymentNote::PaymentHeld { remote_id } => format!("its money is held{}", under(remote_id)),
        PaymentNote::PaymentFoundPaid { remote_id } => {
            format!("found to be paid{}", under(remote_id))
        }
        PaymentNote::PaymentPaid { amount, remote_id } => {
            format!("{amount} paid{}", under(remote_id))
        }
        PaymentNote::PaymentRefused { reason } => {
            format!("{id} was refused by the payment system: {}", refusal(reason))
        }
        PaymentNote::PaymentNeedsReview { mismatch: why } => {
            format!("{id} needs review: {}", mismatch(why))
        }
        PaymentNote::PaymentCancelled => "cancelled: it can no longer be paid".into(),
        PaymentNote::PaymentExpired => "it has expired".into(),
        PaymentNote::PaymentGivenUp { reason } => {
            format!("{id} was given up, check it by hand: {}", retry_reason(reason))
        }
        PaymentNote::EndedUnrequested => {
            "the time to pay is over, and the buyer never asked to pay".into()
        }
        PaymentNote::TooManyPayments { payments_max } => {
            format!("the order has had {payments_max} payments; no further one is created")
        }
        PaymentNote::ByOperator { action, operation, by, reason } => {
            by_operator(*action, operation.as_ref(), by.as_deref(), reason.as_deref())
        }
        PaymentNote::Seen { note } => {
            format!("seen by the operator: {}", payment_note(payment, note))
        }
        PaymentNote::UnwantedMoney { reason } => {
            format!(
                "money arrived by {id}, which should not have been paid: {}",
                superseded(reason)
            )
        }
        PaymentNote::PaidTwice { paid, number, remote_id } => format!(
            "money arrived twice: payment {paid} is paid, and the payment system reports another, \
             {number} under the id {remote_id}"
        ),
        PaymentNote::NotificationMismatch { number, mismatch: why } => {
            format!("a notification of payment {number} does not match: {}", mismatch(why))
        }
        PaymentNote::PaidButCancelled { amount } => {
            format!("{amount} arrived by {id}, but the order was cancelled since: refund it")
        }
        PaymentNote::PaidOtherTotal { paid, total } => {
            format!("{paid} was paid, but the order total is now {total}")
        }
        PaymentNote::CapturedOtherTotal { capture, amount } => {
            format!("capture {capture} is taking {amount}, but the order has changed since")
        }
        PaymentNote::CaptureLess { held, amount } => {
            format!("{held} is held, {amount} of it is to be captured now")
        }
        PaymentNote::UpdatePlanned => "its description, payer or expiry is to be updated".into(),
        PaymentNote::Updated => "updated at the payment system".into(),
        PaymentNote::UpdateNotSupported => {
            "nothing can be updated at the payment system: the next link, if there is one, will \
             be correct"
                .into()
        }
        PaymentNote::UpdateRefused { reason } => {
            format!("{}: {}", update_not_made(&id), retry_reason(reason))
        }
        PaymentNote::UpdatedTooLate => format!("the buyer paid first: {}", update_not_made(&id)),
        PaymentNote::OperationPlanned { operation, operation_kind, amount } => {
            format!("{} {operation} of {amount} is to be made", kind(*operation_kind))
        }
        PaymentNote::OperationUnknown { operation, operation_kind, reason } => format!(
            "{} {operation}: it is unknown whether the payment system has it{}",
            kind(*operation_kind),
            because(reason)
        ),
        PaymentNote::OperationNotFound { operation, operation_kind, looks } => {
            format!(
                "{} {operation}: not found, looked up {looks} times so far",
                kind(*operation_kind)
            )
        }
        PaymentNote::OperationAccepted { operation, operation_kind } => {
            format!("{} {operation} was accepted by the payment system", kind(*operation_kind))
        }
        PaymentNote::OperationDone { operation, operation_kind, amount } => {
            format!("{} {operation} of {amount} is done", kind(*operation_kind))
        }
        PaymentNote::OperationDropped { operation, operation_kind, amount } => format!(
            "{} {operation} of {amount} was not made: {}",
            kind(*operation_kind),
            refusal(&Refusal::ByOperator)
        ),
        PaymentNote::OperationRefused { operation, operation_kind, amount, reason } => format!(
            "{} {operation} of {amount} was refused by the payment system: {}",
            kind(*operation_kind),
            refusal(reason)
        ),
        PaymentNote::OperationNeedsReview { operation, operation_kind, mismatch: why } => {
            format!("{} {operation} needs review: {}", kind(*operation_kind), mismatch(why))
        }
        PaymentNote::OperationGivenUp { operation, operation_kind, reason } => format!(
            "{} {operation} was given up, check it by hand: {}",
            kind(*operation_kind),
            retry_reason(reason)
        ),
        PaymentNote::RefundedOutside { amount, remote_id } => {
            format!("{amount} was refunded at the payment system itself, under its id {remote_id}")
        }
        PaymentNote::OutsideRefundMismatch { amount, remote_id, reason } => format!(
            "the payment system shows a refund of {id} that is not ours, {amount} under the id \
             {remote_id}: {}",
            unfit_refund(reason)
        ),
        PaymentNote::ShippedAfterRefund { amount } => {
            format!("handed over after {amount} of its money was refunded")
        }
    }
}

fn update_not_made(payment: &str) -> String {
    format!(
        "{payment}: the payment system may not have applied every change of its description, \
         payer or expiry"
    )
}

fn kind(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Refund => "refund",
        OperationKind::Capture => "capture",
        OperationKind::Shipment => "shipment",
    }
}

pub fn superseded(reason: &Superseded) -> String {
    match reason {
        Superseded::OrderChanged => "the order has changed",
        Superseded::NotPayable => "the order is no longer to be paid",
        Superseded::PaidByAnother => "money arrived by another payment",
        Superseded::OtherAmount => "a different amount was paid than requested",
        Superseded::Ended => "it could no longer be paid",
    }
    .into()
}

pub fn refusal(reason: &Refusal) -> String {
    match reason {
        Refusal::ByPaymentSystem { said } => said.clone(),
        Refusal::NotExpressible { detail } => format!("it cannot be requested there: {detail}"),
        Refusal::Cancelled => "the payment system has cancelled it".into(),
        Refusal::ByOperator => "by decision of the operator".into(),
    }
}

pub fn mismatch(mismatch: &Mismatch) -> String {
    match mismatch {
        Mismatch::Several => "the payment system has more than one under this number".into(),
        Mismatch::Number { found } => format!("the payment system has the number {found:?}"),
        Mismatch::Account { found, expected } => {
            format!("it is for the account {found:?}, but ours is {expected:?}")
        }
        Mismatch::Amount { found, found_currency, expected } => {
            format!(
                "the payment system has {found} {found_currency} instead of {expected} {}",
                expected.currency()
            )
        }
        Mismatch::NotificationAmount { found, expected } => {
            format!("its amount is {found}, but {expected} was requested")
        }
        Mismatch::NotificationCurrency { found, expected } => {
            format!("its currency is {found:?}, but {expected} was requested")
        }
        Mismatch::RemoteId { found, expected } => {
            format!("it has the id {found} there, but we know {expected} under this number")
        }
        Mismatch::Operation { found, found_amount, expected, expected_amount } => format!(
            "the payment system has {found:?} of {found_amount} instead of {expected} of \
             {expected_amount}"
        ),
    }
}

pub fn retry_reason(reason: &RetryReason) -> String {
    match reason {
        RetryReason::Waits => "it waits".into(),
        RetryReason::CallFailed { said } => said.clone(),
        RetryReason::Interrupted => "the outcome of the last call is unknown".into(),
        RetryReason::NumberUsed => "the payment system already knows its number".into(),
        RetryReason::NotFound { looks } => {
            format!("not found at the payment system, {looks} times so far")
        }
        RetryReason::NotShown => "the payment system no longer shows it".into(),
        RetryReason::ToBeCancelled => "it is to be cancelled".into(),
        RetryReason::NoPaymentUrl => {
            "the payment system gave no payment address that a buyer may be sent to; see \
             payment_hosts of the gateway"
                .into()
        }
        RetryReason::OtherExpiry => "the payment system reported success, but shows another \
                                     expiry"
            .into(),
        RetryReason::Status { status } => format!("its status at the payment system is {status}"),
        RetryReason::BeingCaptured => "its money is being captured".into(),
        RetryReason::RefundedBeforePaid => {
            "it was refunded, but is not known to be paid yet".into()
        }
        RetryReason::CircuitOpen => {
            "the payment system has failed many times in a row and calls to it are paused".into()
        }
        RetryReason::RateLimited { calls_max, window_seconds } => format!(
            "the payment system allows {calls_max} calls within {window_seconds} s, and they are \
             used up"
        ),
        RetryReason::NotConfigured { gateway } => format!("gateway {gateway} is not configured"),
        RetryReason::NoRemoteId => "the payment system's id of the payment is not known".into(),
        RetryReason::Changed => "it changed in the meantime".into(),
    }
}

pub fn unfit_refund(reason: &UnfitRefund) -> String {
    match reason {
        UnfitRefund::NoMoney => "it is not known to have been paid".into(),
        UnfitRefund::MoreThanIsLeft { left } => format!("{left} is left of it here"),
    }
}

pub fn recorded(reason: &Recorded) -> String {
    match reason {
        Recorded::Operation { operation } => {
            format!("it is about operation {operation}: its outcome is being looked up")
        }
        Recorded::ByRemoteId { payment } => {
            format!(
                "it bears no number of ours, but is about payment {payment}: its state is being \
                 looked up"
            )
        }
        Recorded::Status { status } => {
            format!("the status {status:?} is only a hint and does not mean that it is paid")
        }
        Recorded::BeingCaptured => {
            "its money is being captured: the outcome is being looked up".into()
        }
    }
}

pub fn payment_problem(problem: &PaymentProblem) -> String {
    match problem {
        PaymentProblem::UnwantedMoney { reason } => superseded(reason),
        PaymentProblem::Refused { reason } => refusal(reason),
        PaymentProblem::Mismatch { mismatch: why } => mismatch(why),
    }
}

fn by_operator(
    action: OperatorAction,
    operation: Option<&OperationId>,
    by: Option<&str>,
    reason: Option<&str>,
) -> String {
    let action = match action {
        OperatorAction::Accept => "accepted for the order in its current state",
        OperatorAction::Refund => "refund requested",
        OperatorAction::Retry => "requested again",
        OperatorAction::Drop => "marked as not carried out",
        OperatorAction::Done => "marked as carried out",
    };
    let who = by.map_or(String::new(), |name| format!(", who gave the name {name:?}"));
    let subject = operation.map_or(String::new(), |operation| format!("{operation}: "));
    let why = reason.map_or(String::new(), |reason| format!(": {reason}"));
    format!("{subject}operator{who}: {action}{why}")
}
