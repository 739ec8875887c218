use crate::payments::{
    Mismatch, OperationKind, PaymentId, PaymentNote, PaymentProblem, Recorded, Refusal, RetryReason,
    Superseded, UnfitRefund,
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
            format!("{amount} to be asked for revision {revision}")
        }
        PaymentNote::PaymentDropped { reason } => {
            format!("dropped before it was sent: {}", superseded(reason))
        }
        PaymentNote::CancelRequested { reason } => format!("to be cancelled: {}", superseded(reason)),
        PaymentNote::PaymentUnknown { reason } => {
            format!("whether the payment system has it is not known{}", because(reason))
        }
        PaymentNote::PaymentNotFound { looks } => {
            format!("looked for at the payment system and not found, {looks} times so far")
        }
        PaymentNote::PaymentLinked { remote_id } => format!("can be paid{}", under(remote_id)),
        PaymentNote::PaymentHeld { remote_id } => format!("its money is held{}", under(remote_id)),
        PaymentNote::PaymentFoundPaid { remote_id } => format!("found to be paid{}", under(remote_id)),
        PaymentNote::PaymentPaid { amount, remote_id } => format!("{amount} paid{}", under(remote_id)),
        PaymentNote::PaymentRefused { reason } => {
            format!("{id} was refused by the payment system: {}", refusal(reason))
        }
        PaymentNote::PaymentFrozen { mismatch: why } => {
            format!("{id} needs a person: {}", mismatch(why))
        }
        PaymentNote::PaymentCancelled => "cancelled: it can be paid no more".into(),
        PaymentNote::PaymentExpired => "its time has run out".into(),
        PaymentNote::PaymentGivenUp { reason } => {
            format!("{id} was given up, see to it by hand: {}", retry_reason(reason))
        }
        PaymentNote::EndedUnasked => "the time to pay is over, and nobody asked to".into(),
        PaymentNote::TooManyPayments { payments_max } => {
            format!("the order has had {payments_max} payments; no further one is made")
        }
        PaymentNote::AcceptedByOperator => "accepted by the operator for the order as it stands".into(),
        PaymentNote::RepeatedByOperator => "asked for again by the operator".into(),
        PaymentNote::Seen { note } => format!("seen by the operator: {}", payment_note(payment, note)),
        PaymentNote::UnwantedMoney { reason } => {
            format!("money came by {id}, which should not have taken it: {}", superseded(reason))
        }
        PaymentNote::PaidTwice { paid, number, remote_id } => format!(
            "money came twice: payment {paid} is paid, and the payment system tells of another, {number} under the id {remote_id}"
        ),
        PaymentNote::NoticeMismatch { number, mismatch: why } => {
            format!("a notification of payment {number} does not fit: {}", mismatch(why))
        }
        PaymentNote::PaidButCancelled { amount } => {
            format!("{amount} came by {id}, and the order was cancelled since: pay it back")
        }
        PaymentNote::PaidOtherTotal { paid, total } => {
            format!("{paid} were paid, and the order now comes to {total}")
        }
        PaymentNote::CapturedOtherTotal { capture, amount } => {
            format!("{amount} are being taken by capture {capture}, and the order has changed since")
        }
        PaymentNote::CaptureLess { held, amount } => {
            format!("{held} are held, {amount} of it is to be taken now")
        }
        PaymentNote::AlterationPlanned => "its description, payer or time is to be another".into(),
        PaymentNote::Altered => "altered at the payment system".into(),
        PaymentNote::NotAlterable => {
            "nothing can be altered at the payment system: the next link, if there is one, will be as it should".into()
        }
        PaymentNote::AlterationRefused { reason } => format!("{}: {}", not_altered(&id), retry_reason(reason)),
        PaymentNote::AlteredTooLate => format!("the buyer was quicker: {}", not_altered(&id)),
        PaymentNote::OperationPlanned { operation, operation_kind, amount } => {
            format!("{} {operation} of {amount} is to be made", kind(*operation_kind))
        }
        PaymentNote::OperationUnknown { operation, operation_kind, reason } => format!(
            "{} {operation}: whether the payment system has it is not known{}",
            kind(*operation_kind),
            because(reason)
        ),
        PaymentNote::OperationNotFound { operation, operation_kind, looks } => {
            format!("{} {operation}: looked for and not found, {looks} times so far", kind(*operation_kind))
        }
        PaymentNote::OperationAccepted { operation, operation_kind } => {
            format!("{} {operation} was taken in by the payment system", kind(*operation_kind))
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
        PaymentNote::OperationFrozen { operation, operation_kind, mismatch: why } => {
            format!("{} {operation} needs a person: {}", kind(*operation_kind), mismatch(why))
        }
        PaymentNote::OperationGivenUp { operation, operation_kind, reason } => format!(
            "{} {operation} was given up, see to it by hand: {}",
            kind(*operation_kind),
            retry_reason(reason)
        ),
        PaymentNote::OperationRepeated { operation } => {
            format!("{operation} is asked for again by the operator")
        }
        PaymentNote::RefundedOutside { amount, remote_id } => {
            format!("{amount} were paid back at the payment system, under its id {remote_id}")
        }
        PaymentNote::OutsideRefundMismatch { amount, remote_id, reason } => format!(
            "the payment system shows a refund of {id} that is not ours, {amount} under the id {remote_id}: {}",
            unfit_refund(reason)
        ),
        PaymentNote::ShippedAfterRefund { amount } => {
            format!("handed over after {amount} of its money was paid back")
        }
    }
}

fn not_altered(payment: &str) -> String {
    format!(
        "of {payment} the payment system may not have taken over all that the site changed of its description, payer or time"
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
        Superseded::NotPayable => "the order is not to be paid any more",
        Superseded::PaidByAnother => "money came by another payment",
        Superseded::Ended => "it could be paid no more",
    }
    .into()
}

pub fn refusal(reason: &Refusal) -> String {
    match reason {
        Refusal::ByPaymentSystem { said } => said.clone(),
        Refusal::NotExpressible { detail } => format!("it cannot be asked for there: {detail}"),
        Refusal::Cancelled => "the payment system has cancelled it".into(),
        Refusal::ByOperator => "by the word of the operator".into(),
    }
}

pub fn mismatch(mismatch: &Mismatch) -> String {
    match mismatch {
        Mismatch::Several => "the payment system has more than one under this number".into(),
        Mismatch::Number { found } => format!("the payment system has the number {found:?}"),
        Mismatch::Account { found, expected } => {
            format!("it is for the account {found:?}, and we are {expected:?}")
        }
        Mismatch::Amount { found, found_currency, expected } => {
            format!(
                "the payment system has {found} {found_currency} instead of {expected} {}",
                expected.currency()
            )
        }
        Mismatch::NoticeAmount { found, expected } => {
            format!("it is about {found}, and we asked for {expected}")
        }
        Mismatch::NoticeCurrency { found, expected } => {
            format!("it is in {found:?}, and we asked for {expected}")
        }
        Mismatch::RemoteId { found, expected } => {
            format!("it has the id {found} there, and we know {expected} under this number")
        }
        Mismatch::Operation { found, found_amount, expected, expected_amount } => format!(
            "the payment system has {found:?} over {found_amount} instead of {expected} over {expected_amount}"
        ),
    }
}

pub fn retry_reason(reason: &RetryReason) -> String {
    match reason {
        RetryReason::Waits => "it waits".into(),
        RetryReason::CallFailed { said } => said.clone(),
        RetryReason::Interrupted => "what came of the last call is not known".into(),
        RetryReason::NumberUsed => "its number is known to the payment system".into(),
        RetryReason::NotFound { looks } => {
            format!("not found at the payment system, {looks} times so far")
        }
        RetryReason::NotShown => "the payment system does not show it any more".into(),
        RetryReason::ToBeCancelled => "it is to be cancelled".into(),
        RetryReason::NoPaymentUrl => {
            "the payment system gave no payment address that a buyer may be sent to; see payment_hosts of the gateway".into()
        }
        RetryReason::OtherExpiry => "it answered that all is well, and shows another time".into(),
        RetryReason::Status { status } => format!("its status over there is {status}"),
        RetryReason::BeingCaptured => "its money is being taken".into(),
        RetryReason::RefundedBeforePaid => "it was paid back and is not known to be paid yet".into(),
        RetryReason::CircuitOpen => {
            "the payment system has failed many times in a row and is left alone for a while".into()
        }
        RetryReason::RateLimited { calls_max, window_seconds } => format!(
            "the payment system allows {calls_max} calls within {window_seconds} s, and they are used up"
        ),
        RetryReason::NotConfigured { gateway } => format!("no gateway {gateway} is configured"),
        RetryReason::NoRemoteId => "the payment system's id of the payment is not known".into(),
        RetryReason::Changed => "it changed while it was looked at".into(),
    }
}

pub fn unfit_refund(reason: &UnfitRefund) -> String {
    match reason {
        UnfitRefund::NoMoney => "no money is known to have come by it".into(),
        UnfitRefund::MoreThanIsLeft { left } => format!("{left} are left of it here"),
    }
}

pub fn recorded(reason: &Recorded) -> String {
    match reason {
        Recorded::Operation { operation } => {
            format!("it is about {operation}: what came of that is looked up")
        }
        Recorded::ByRemoteId { payment } => {
            format!("it bears no number of ours and is about payment {payment}: what is there is looked up")
        }
        Recorded::Status { status } => {
            format!("the status is {status:?}, which does not say that it is paid")
        }
        Recorded::BeingCaptured => "its money is being taken: what came of that is looked up".into(),
    }
}

pub fn payment_problem(problem: &PaymentProblem) -> String {
    match problem {
        PaymentProblem::UnwantedMoney { reason } => superseded(reason),
        PaymentProblem::Refused { reason } => refusal(reason),
        PaymentProblem::Mismatch { mismatch: why } => mismatch(why),
    }
}
