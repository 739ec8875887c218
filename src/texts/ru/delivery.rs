use crate::kernel::failure::DeliveryFailure;

pub fn delivery_failure(failure: &DeliveryFailure) -> String {
    match failure {
        DeliveryFailure::Unreadable { detail } => format!("сообщение не читается: {detail}"),
        DeliveryFailure::SettingMissing { setting } => format!("не настроено: {setting}"),
        DeliveryFailure::NotSent { said } | DeliveryFailure::Refused { said } => said.clone(),
        DeliveryFailure::Answered { status } => format!("сайт ответил {status}"),
        DeliveryFailure::OutcomeUnknown { said } => format!("могло дойти: {said}"),
        DeliveryFailure::AboutToBeSent { .. } => "могло дойти: отправка прервалась".into(),
        DeliveryFailure::Gone { url } => format!(
            "по адресу {url} никто не слушает: ответ 410. Туда ничего не отправляется, пока POST /v1/deliveries/test не \
             получит 2xx или что-нибудь не отправят вручную"
        ),
        DeliveryFailure::AskedToWait { said } => said.clone(),
    }
}
