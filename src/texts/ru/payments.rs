use crate::payments::{
    Mismatch, OperationId, OperationKind, OperatorAction, PaymentId, PaymentNote, PaymentProblem,
    Recorded, Refusal, RetryReason, Superseded, UnfitRefund,
};

pub fn payment_note(payment: Option<PaymentId>, note: &PaymentNote) -> String {
    let id = payment.map_or_else(|| "платёж".to_owned(), |id| format!("платёж {id}"));
    let under = |remote_id: &Option<String>| {
        remote_id
            .as_ref()
            .map_or_else(String::new, |id| format!(", номер в платёжной системе {id}"))
    };
    let because = |reason: &Option<RetryReason>| {
        reason.as_ref().map_or_else(String::new, |why| format!(": {}", retry_reason(why)))
    };
    match note {
        PaymentNote::PaymentPlanned { amount, revision } => {
            format!("будет запрошено {amount} за редакцию {revision}")
        }
        PaymentNote::PaymentDropped { reason } => {
            format!("снят до отправки: {}", superseded(reason))
        }
        PaymentNote::CancelRequested { reason } => format!("будет отменён: {}", superseded(reason)),
        PaymentNote::PaymentUnknown { reason } => {
            format!("неизвестно, есть ли он в платёжной системе{}", because(reason))
        }
        PaymentNote::PaymentNotFound { looks } => {
            format!("в платёжной системе не найден, попыток: {looks}")
        }
        PaymentNote::PaymentLinked { remote_id } => format!("можно оплатить{}", under(remote_id)),
        PaymentNote::PaymentHeld { remote_id } => format!("деньги удержаны{}", under(remote_id)),
        PaymentNote::PaymentFoundPaid { remote_id } => {
            format!("оказался оплачен{}", under(remote_id))
        }
        PaymentNote::PaymentPaid { amount, remote_id } => {
            format!("оплачено {amount}{}", under(remote_id))
        }
        PaymentNote::PaymentRefused { reason } => {
            format!("{id}: платёжная система отказала: {}", refusal(reason))
        }
        PaymentNote::PaymentNeedsReview { mismatch: why } => {
            format!("{id}: нужен человек: {}", mismatch(why))
        }
        PaymentNote::PaymentCancelled => "отменён: оплатить больше нельзя".into(),
        PaymentNote::PaymentExpired => "срок вышел".into(),
        PaymentNote::PaymentGivenUp { reason } => {
            format!("{id}: попытки прекращены, разберитесь вручную: {}", retry_reason(reason))
        }
        PaymentNote::EndedUnrequested => "срок оплаты вышел, платить никто не пришёл".into(),
        PaymentNote::TooManyPayments { payments_max } => {
            format!("у заказа уже было {payments_max} платежей, новых не будет")
        }
        PaymentNote::ByOperator { action, operation, by, reason } => {
            by_operator(*action, operation.as_ref(), by.as_deref(), reason.as_deref())
        }
        PaymentNote::Seen { note } => format!("оператор видел: {}", payment_note(payment, note)),
        PaymentNote::UnwantedMoney { reason } => {
            format!("{id}: пришли деньги, которых не ждали: {}", superseded(reason))
        }
        PaymentNote::PaidTwice { paid, number, remote_id } => format!(
            "деньги пришли дважды: платёж {paid} оплачен, а платёжная система сообщает ещё об \
             одном, {number}, её номер {remote_id}"
        ),
        PaymentNote::NotificationMismatch { number, mismatch: why } => {
            format!("уведомление о платеже {number} не сходится: {}", mismatch(why))
        }
        PaymentNote::PaidButCancelled { amount } => {
            format!("{id}: получено {amount}, а заказ потом отменён: верните деньги")
        }
        PaymentNote::PaidOtherTotal { paid, total } => {
            format!("оплачено {paid}, а заказ теперь стоит {total}")
        }
        PaymentNote::CapturedOtherTotal { capture, amount } => {
            format!("списание {capture} берёт {amount}, а заказ с тех пор изменился")
        }
        PaymentNote::CaptureLess { held, amount } => {
            format!("удержано {held}, из них нужно списать {amount}")
        }
        PaymentNote::UpdatePlanned => "описание, плательщик или срок будут другими".into(),
        PaymentNote::Updated => "изменено в платёжной системе".into(),
        PaymentNote::UpdateNotSupported => {
            "в платёжной системе ничего изменить нельзя: верной будет следующая ссылка, если \
             понадобится"
                .into()
        }
        PaymentNote::UpdateRefused { reason } => {
            format!("{}: {}", update_not_made(&id), retry_reason(reason))
        }
        PaymentNote::UpdatedTooLate => format!("покупатель успел раньше: {}", update_not_made(&id)),
        PaymentNote::OperationPlanned { operation, operation_kind, amount } => {
            format!("{} {operation} на {amount}: будет запрошено", kind(*operation_kind))
        }
        PaymentNote::OperationUnknown { operation, operation_kind, reason } => format!(
            "{} {operation}: неизвестно, есть ли в платёжной системе{}",
            kind(*operation_kind),
            because(reason)
        ),
        PaymentNote::OperationNotFound { operation, operation_kind, looks } => {
            format!("{} {operation}: не найдено, попыток: {looks}", kind(*operation_kind))
        }
        PaymentNote::OperationAccepted { operation, operation_kind } => {
            format!("{} {operation}: платёжная система приняла", kind(*operation_kind))
        }
        PaymentNote::OperationDone { operation, operation_kind, amount } => {
            format!("{} {operation} на {amount}: выполнено", kind(*operation_kind))
        }
        PaymentNote::OperationDropped { operation, operation_kind, amount } => format!(
            "{} {operation} на {amount}: не выполнено, {}",
            kind(*operation_kind),
            refusal(&Refusal::ByOperator)
        ),
        PaymentNote::OperationRefused { operation, operation_kind, amount, reason } => format!(
            "{} {operation} на {amount}: платёжная система отказала: {}",
            kind(*operation_kind),
            refusal(reason)
        ),
        PaymentNote::OperationNeedsReview { operation, operation_kind, mismatch: why } => {
            format!("{} {operation}: нужен человек: {}", kind(*operation_kind), mismatch(why))
        }
        PaymentNote::OperationGivenUp { operation, operation_kind, reason } => format!(
            "{} {operation}: попытки прекращены, разберитесь вручную: {}",
            kind(*operation_kind),
            retry_reason(reason)
        ),
        PaymentNote::RefundedOutside { amount, remote_id } => {
            format!("{amount} возвращено в самой платёжной системе, её номер {remote_id}")
        }
        PaymentNote::OutsideRefundMismatch { amount, remote_id, reason } => format!(
            "{id}: платёжная система показывает чужой возврат, {amount}, её номер {remote_id}: {}",
            unfit_refund(reason)
        ),
        PaymentNote::ShippedAfterRefund { amount } => {
            format!("передан покупателю после возврата {amount}")
        }
    }
}

fn update_not_made(payment: &str) -> String {
    format!("{payment}: платёжная система могла не принять новое описание, плательщика или срок")
}

fn kind(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Refund => "возврат",
        OperationKind::Capture => "списание",
        OperationKind::Shipment => "отгрузка",
    }
}

pub fn superseded(reason: &Superseded) -> String {
    match reason {
        Superseded::OrderChanged => "заказ изменился",
        Superseded::NotPayable => "заказ больше не оплачивается",
        Superseded::PaidByAnother => "деньги пришли по другому платежу",
        Superseded::OtherAmount => "пришла другая сумма",
        Superseded::Ended => "его уже нельзя было оплатить",
    }
    .into()
}

pub fn refusal(reason: &Refusal) -> String {
    match reason {
        Refusal::ByPaymentSystem { said } => said.clone(),
        Refusal::NotExpressible { detail } => format!("там это нельзя запросить: {detail}"),
        Refusal::Cancelled => "платёжная система отменила".into(),
        Refusal::ByOperator => "по слову оператора".into(),
    }
}

pub fn mismatch(mismatch: &Mismatch) -> String {
    match mismatch {
        Mismatch::Several => "под этим номером в платёжной системе больше одного".into(),
        Mismatch::Number { found } => format!("в платёжной системе номер {found:?}"),
        Mismatch::Account { found, expected } => {
            format!("это для магазина {found:?}, а наш {expected:?}")
        }
        Mismatch::Amount { found, found_currency, expected } => {
            format!(
                "в платёжной системе {found} {found_currency} вместо {expected} {}",
                expected.currency()
            )
        }
        Mismatch::NotificationAmount { found, expected } => {
            format!("сумма {found}, а запрошено {expected}")
        }
        Mismatch::NotificationCurrency { found, expected } => {
            format!("валюта {found:?}, а запрошено в {expected}")
        }
        Mismatch::RemoteId { found, expected } => {
            format!("там номер {found}, а нам под этим платежом известен {expected}")
        }
        Mismatch::Operation { found, found_amount, expected, expected_amount } => {
            format!(
                "в платёжной системе {found:?} на {found_amount} вместо {expected} на \
                 {expected_amount}"
            )
        }
    }
}

pub fn retry_reason(reason: &RetryReason) -> String {
    match reason {
        RetryReason::Waits => "ждёт".into(),
        RetryReason::CallFailed { said } => said.clone(),
        RetryReason::Interrupted => "чем кончился последний вызов, неизвестно".into(),
        RetryReason::NumberUsed => "платёжная система уже знает этот номер".into(),
        RetryReason::NotFound { looks } => {
            format!("в платёжной системе не найдено, попыток: {looks}")
        }
        RetryReason::NotShown => "платёжная система его больше не показывает".into(),
        RetryReason::ToBeCancelled => "его нужно отменить".into(),
        RetryReason::NoPaymentUrl => {
            "платёжная система не дала адреса оплаты, на который можно отправить покупателя; см. \
             payment_hosts"
                .into()
        }
        RetryReason::OtherExpiry => "ответ был успешным, а срок показан другой".into(),
        RetryReason::Status { status } => format!("его статус там: {status}"),
        RetryReason::BeingCaptured => "деньги списываются".into(),
        RetryReason::RefundedBeforePaid => "возврат виден, а об оплате ещё неизвестно".into(),
        RetryReason::CircuitOpen => {
            "платёжная система много раз подряд не ответила, вызовы на время прекращены".into()
        }
        RetryReason::RateLimited { calls_max, window_seconds } => {
            format!(
                "платёжная система разрешает {calls_max} вызовов за {window_seconds} с, они \
                     исчерпаны"
            )
        }
        RetryReason::NotConfigured { gateway } => {
            format!("платёжная система {gateway} не настроена")
        }
        RetryReason::NoRemoteId => "номер платежа в платёжной системе неизвестен".into(),
        RetryReason::Changed => "изменился, пока его смотрели".into(),
    }
}

pub fn unfit_refund(reason: &UnfitRefund) -> String {
    match reason {
        UnfitRefund::NoMoney => "о деньгах по нему ничего не известно".into(),
        UnfitRefund::MoreThanIsLeft { left } => format!("здесь от него осталось {left}"),
    }
}

pub fn recorded(reason: &Recorded) -> String {
    match reason {
        Recorded::Operation { operation } => {
            format!("это об операции {operation}: её состояние уточняется")
        }
        Recorded::ByRemoteId { payment } => {
            format!("нашего номера в нём нет, речь о платеже {payment}: его состояние уточняется")
        }
        Recorded::Status { status } => format!("статус {status:?} не говорит об оплате"),
        Recorded::BeingCaptured => "деньги списываются: чем кончится, уточняется".into(),
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
        OperatorAction::Accept => "деньги зачтены за заказ в его нынешнем виде",
        OperatorAction::Refund => "запрошен возврат",
        OperatorAction::Retry => "запрошено снова",
        OperatorAction::Drop => "отмечено как не выполненное",
        OperatorAction::Done => "отмечено как выполненное",
    };
    let who = by.map_or(String::new(), |name| format!(", назвавшийся {name:?}"));
    let subject = operation.map_or(String::new(), |operation| format!("{operation}: "));
    let why = reason.map_or(String::new(), |reason| format!(": {reason}"));
    format!("{subject}оператор{who}: {action}{why}")
}
