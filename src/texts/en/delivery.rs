use crate::kernel::failure::DeliveryFailure;
use crate::texts::{MessageSubject, PaymentCall};

pub fn delivery_failure(failure: &DeliveryFailure) -> String {
    match failure {
        DeliveryFailure::Unreadable { detail } => format!("the message cannot be read: {detail}"),
        DeliveryFailure::SettingMissing { setting } => format!("{setting} is not configured"),
        DeliveryFailure::NotSent { said }
        | DeliveryFailure::NotAllowed { said }
        | DeliveryFailure::Refused { said } => said.clone(),
        DeliveryFailure::Answered { status } => format!("the site answered {status}"),
        DeliveryFailure::OutcomeUnknown { said } => format!("it may have arrived: {said}"),
        DeliveryFailure::AboutToBeSent { .. } => {
            "it may have arrived: sending was interrupted".into()
        }
        DeliveryFailure::Gone { url } => format!(
            "{url} takes no more callbacks: it answered 410. Nothing more is sent there until \
             POST /v1/deliveries/test gets a 2xx from it, or a callback is sent again by hand"
        ),
        DeliveryFailure::AskedToWait { said } => said.clone(),
    }
}

pub fn message_subject(subject: &MessageSubject) -> String {
    match subject {
        MessageSubject::PickerMessage { store_id } => {
            format!("message to the pickers of store {store_id}")
        }
        MessageSubject::Callback { merchant, event } => {
            format!("callback {event} to the site of {merchant}")
        }
        MessageSubject::FulfilmentUpdate { source, event } => {
            format!("fulfilment update {event} to marketplace {source}")
        }
        MessageSubject::PaymentCall { gateway, call, subject } => match call {
            PaymentCall::Payment => format!("call to {gateway} for payment {subject}"),
            PaymentCall::Update => format!("call to {gateway} to update payment {subject}"),
            PaymentCall::Operation => format!("call to {gateway} for operation {subject}"),
            PaymentCall::Refunds => format!("call to {gateway} for refunds of payment {subject}"),
        },
        MessageSubject::ServiceMessage { format } => {
            format!("a message between the shop's services, format {format}")
        }
        MessageSubject::Letter => "a letter to a client of the shop".into(),
        MessageSubject::Unknown => "message of an unknown kind".into(),
    }
}
