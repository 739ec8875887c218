//! The OpenAPI document of what a merchant's site is told: one webhook for each event, all of one form.

use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, Paths, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Content, PathItem, Ref, Required, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

use super::describe::DeliveryId;
use crate::flows::call_back::{Callback, Event};
use crate::workers::herald::CALL_SECONDS_MAX;

/// The webhooks of the document.
pub(super) fn webhooks() -> Paths {
    let paths = Event::ALL.iter().fold(PathsBuilder::new(), |paths, (_, name, meaning)| {
        paths.path(*name, PathItem::new(HttpMethod::Post, told(name, meaning)))
    });
    paths.build()
}

fn told(name: &str, meaning: &str) -> OperationBuilder {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let header = |name: &str, description: &str| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some(description))
    };
    let body = RequestBodyBuilder::new()
        .content("application/json", Content::new(Some(Ref::from_schema_name(Callback::name()))))
        .required(Some(Required::True));
    let taken = ResponseBuilder::new().description(format!(
        "Any 2xx within {CALL_SECONDS_MAX} seconds: it is taken. After anything else it comes again, for up to three days."
    ));
    OperationBuilder::new()
        .tag("callbacks")
        .operation_id(Some(name))
        .summary(Some(meaning))
        .parameter(
            header("webhook-id", "The same in every attempt: what came before is done already.")
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
