//! The callbacks in the OpenAPI document: one webhook for each event, all of
//! the same form.

use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, Paths, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Content, PathItem, Ref, Required, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

use super::ids::DeliveryId;
use crate::views::callback::{Callback, Event, TEST_EVENT, TestCallback};
use crate::workers::callback_sender::CALL_SECONDS_MAX;

/// The webhooks of the document.
pub(super) fn webhooks() -> Paths {
    let events =
        Event::ALL.iter().map(|(event, meaning)| (event.name(), *meaning, Callback::name()));
    let test = (TEST_EVENT, "You requested a test of your callback address.", TestCallback::name());
    let paths = events.chain([test]).fold(PathsBuilder::new(), |paths, (name, meaning, body)| {
        paths.path(name, PathItem::new(HttpMethod::Post, operation(name, meaning, &body)))
    });
    paths.build()
}

fn operation(name: &str, meaning: &str, body: &str) -> OperationBuilder {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let header = |name: &str, description: &str| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some(description))
    };
    let body = RequestBodyBuilder::new()
        .content("application/json", Content::new(Some(Ref::from_schema_name(body))))
        .required(Some(Required::True));
    let taken = ResponseBuilder::new().description(format!(
        "Answer any 2xx within {CALL_SECONDS_MAX} seconds to accept the callback. After any \
        other answer, or none, it is sent again, for up to three days. After 410 nothing is sent \
        to this address until it accepts a test or a redelivery."
    ));
    OperationBuilder::new()
        .tag("callbacks")
        .operation_id(Some(name))
        .summary(Some(meaning))
        .parameter(
            header(
                "webhook-id",
                "The id of the callback, the same in every attempt. If you have already \
                processed it, just answer 2xx.",
            )
            .schema(Some(DeliveryId::schema())),
        )
        .parameter(
            header("webhook-timestamp", "When this attempt was sent, as a Unix time in seconds.")
                .schema(Some(text())),
        )
        .parameter(
            header(
                "webhook-signature",
                "The signature by Standard Webhooks, version `v1`, made with your \
                `callback_secret`. Verify it before you use the body.",
            )
            .schema(Some(text())),
        )
        .request_body(Some(body.build()))
        .response("2XX", taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sites that validate callbacks against the document must find every event
    /// in it.
    #[test]
    fn every_event_is_named_as_it_is_sent() {
        let document = serde_json::to_value(crate::http::api::document()).expect("json");
        let names = &document["components"]["schemas"]["Event"]["enum"];
        let sent: Vec<_> = Event::ALL
            .iter()
            .map(|(event, _)| serde_json::to_value(event).expect("json"))
            .collect();
        assert_eq!(names.as_array(), Some(&sent));
        for name in sent.iter().filter_map(|name| name.as_str()).chain([TEST_EVENT]) {
            assert!(document["webhooks"][name].is_object(), "{name}");
        }
    }
}
