use crate::kernel::failure::DeliveryFailure;

pub fn delivery_failure(failure: &DeliveryFailure) -> String {
    match failure {
        DeliveryFailure::Unreadable { detail } => format!("the message cannot be read: {detail}"),
        DeliveryFailure::SettingMissing { setting } => format!("{setting} is not configured"),
        DeliveryFailure::NotSent { said } | DeliveryFailure::Refused { said } => said.clone(),
        DeliveryFailure::Answered { status } => format!("the site answered {status}"),
        DeliveryFailure::OutcomeUnknown { said } => format!("it may have arrived: {said}"),
        DeliveryFailure::AboutToBeSent { .. } => "it may have arrived: it was about to be sent".into(),
        DeliveryFailure::Gone { url } => format!(
            "nobody listens at {url}: it answered 410. Nothing more is sent there until POST /v1/deliveries/test gets a \
             2xx from it, or something is delivered again by hand"
        ),
        DeliveryFailure::AskedToWait { said } => said.clone(),
    }
}
