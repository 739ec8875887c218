//! The OpenAPI document of what a merchant's site is told: one webhook for each event, all of one form.

use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, Paths, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Content, PathItem, Ref, Required, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

use super::ids::DeliveryId;
use crate::views::callback::{Callback, Event, TEST_EVENT, TestCallback};
use crate::workers::herald::CALL_SECONDS_MAX;

/// The webhooks of the document.
pub(super) fn webhooks() -> Paths {
    let events = Event::ALL.iter().map(|(event, meaning)| (event.name(), *meaning, Callback::name()));
    let test = (TEST_EVENT, "You asked whether callbacks arrive.", TestCallback::name());
    let paths = events.chain([test]).fold(PathsBuilder::new(), |paths, (name, meaning, body)| {
        paths.path(name, PathItem::new(HttpMethod::Post, told(name, meaning, &body)))
    });
    paths.build()
}

fn told(name: &str, meaning: &str, body: &str) -> OperationBuilder {
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
        "Any 2xx within {CALL_SECONDS_MAX} seconds: it is taken. After anything else it comes again, for up to three days."
    ));
    OperationBuilder::new()
        .tag("callbacks")
        .operation_id(Some(name))
        .summary(Some(meaning))
        .parameter(
            header(
                "webhook-id",
                "The same in every attempt: when you have handled it already, only answer 2xx.",
            )
            .schema(Some(DeliveryId::schema())),
        )
        .parameter(
            header("webhook-timestamp", "When it was sent, in seconds since 1970.").schema(Some(text())),
        )
        .parameter(
            header("webhook-signature", "Standard Webhooks, `v1`, with your `callback_secret`.")
                .schema(Some(text())),
        )
        .request_body(Some(body.build()))
        .response("2XX", taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever checks callbacks by the document must find what is sent in it.
    #[test]
    fn every_event_is_named_as_it_is_sent() {
        let document = serde_json::to_value(crate::http::api::document()).expect("json");
        let names = &document["components"]["schemas"]["Event"]["enum"];
        let sent: Vec<_> =
            Event::ALL.iter().map(|(event, _)| serde_json::to_value(event).expect("json")).collect();
        assert_eq!(names.as_array(), Some(&sent));
        for name in sent.iter().filter_map(|name| name.as_str()).chain([TEST_EVENT]) {
            assert!(document["webhooks"][name].is_object(), "{name}");
        }
    }
}
