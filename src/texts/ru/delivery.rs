use crate::kernel::failure::DeliveryFailure;
use crate::texts::{MessageSubject, PaymentCall};

pub fn delivery_failure(failure: &DeliveryFailure) -> String {
    match failure {
        DeliveryFailure::Unreadable { detail } => format!("сообщение не читается: {detail}"),
        DeliveryFailure::SettingMissing { setting } => format!("не настроено: {setting}"),
        DeliveryFailure::NotSent { said }
        | DeliveryFailure::NotAllowed { said }
        | DeliveryFailure::Refused { said } => said.clone(),
        DeliveryFailure::Answered { status } => format!("сайт ответил {status}"),
        DeliveryFailure::OutcomeUnknown { said } => format!("могло дойти: {said}"),
        DeliveryFailure::AboutToBeSent { .. } => "могло дойти: отправка прервалась".into(),
        DeliveryFailure::Gone { url } => format!(
            "по адресу {url} никто не слушает: ответ 410. Туда ничего не отправляется, пока POST \
             /v1/deliveries/test не получит 2xx или что-нибудь не отправят вручную"
        ),
        DeliveryFailure::AskedToWait { said } => said.clone(),
    }
}

pub fn message_subject(subject: &MessageSubject) -> String {
    match subject {
        MessageSubject::PickerMessage { store_id } => {
            format!("сообщение сборщикам магазина {store_id}")
        }
        MessageSubject::Callback { merchant, event } => {
            format!("уведомление {event} сайту {merchant}")
        }
        MessageSubject::FulfilmentUpdate { source, event } => {
            format!("статус сборки {event} маркетплейсу {source}")
        }
        MessageSubject::PaymentCall { gateway, call, subject } => match call {
            PaymentCall::Payment => format!("запрос в {gateway} о платеже {subject}"),
            PaymentCall::Update => format!("запрос в {gateway} об изменении платежа {subject}"),
            PaymentCall::Operation => format!("запрос в {gateway} об операции {subject}"),
            PaymentCall::Refunds => format!("запрос в {gateway} о возвратах платежа {subject}"),
        },
        MessageSubject::ServiceMessage { format } => {
            format!("сообщение между сервисами магазина, формат {format}")
        }
        MessageSubject::Letter => "письмо клиенту магазина".into(),
        MessageSubject::Unknown => "сообщение неизвестного вида".into(),
    }
}
