//! The OpenAPI document.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tillgate_identity::password;
use tillgate_kernel::Language;

use super::operation::{
    Body, Contract, Field, For, Member, MemberKind, Operation, Parameter, Place, Shape,
};
use crate::assertion::HEADER;
use crate::form::{AMOUNT_KOPECKS_MAX, EMAIL_CHARACTERS_MAX, PHONE_CHARACTERS_MAX};
use crate::order_id::ORDER_DIGITS;

/// The document of these services.
#[must_use]
pub fn document(contracts: &[Contract]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas = Map::from_iter([("Problem".to_owned(), problem())]);
    for contract in contracts {
        for body in contract.bodies {
            schemas.insert(body.name.into(), body_schema(body));
        }
        for operation in &contract.operations {
            let path = format!("/shop/{}{}", contract.service, operation.path);
            let item = paths.entry(path).or_insert_with(|| json!({}));
            item[operation.method.to_lowercase()] = one(contract, operation);
            if let Some(fields) = operation.body {
                let schema = match operation.other_body {
                    Some(other) => {
                        json!({"oneOf": [request_schema(fields), request_schema(other)]})
                    }
                    None => request_schema(fields),
                };
                schemas.insert(request_name(operation), schema);
            }
        }
    }
    let tag =
        |contract: &Contract| json!({"name": contract.service, "description": contract.about});
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "The shop's services",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Each service has a path of its own. Errors are problem documents \
                            (RFC 9457) in the language of `Accept-Language`; `errorMessage` \
                            repeats `detail`. Requests with bodies are sent as \
                            `application/json`; unknown fields are refused.",
        },
        "tags": contracts.iter().map(tag).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "sessionId",
                    "description": "The session of a client, set by the log-in"},
                "service": {"type": "apiKey", "in": "header", "name": HEADER,
                    "description": "The assertion of another service, signed by the shop's key"},
            },
        },
    })
}

/// The name of the schema of a request.
fn request_name(operation: &Operation) -> String {
    let mut letters = operation.id.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    format!("{}{}Request", first.into_iter().collect::<String>(), letters.as_str())
}

fn one(contract: &Contract, operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "tags": [contract.service],
        "summary": operation.summary,
        "description": operation.about,
        "responses": responses(operation),
    });
    match operation.callers {
        For::Anybody => {}
        For::Clients => described["security"] = json!([{"session": []}]),
        For::Services => described["security"] = json!([{"service": []}]),
        For::Both => described["security"] = json!([{"service": []}, {"session": []}]),
    }
    if !operation.parameters.is_empty() {
        described["parameters"] = operation.parameters.iter().map(parameter).collect();
    }
    if operation.body.is_some() {
        let schema = reference(&request_name(operation));
        described["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": schema}}});
    }
    described
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn parameter(parameter: &Parameter) -> Value {
    let place = match parameter.place {
        Place::Path => "path",
        Place::Query => "query",
        Place::Header => "header",
    };
    json!({"name": parameter.name, "in": place, "required": parameter.is_required,
        "description": parameter.about, "schema": {"type": "string"}})
}

fn responses(operation: &Operation) -> Value {
    let answer = operation.answer;
    let mut all = Map::new();
    let mut good = json!({"description": answer.about});
    if let Some(body) = answer.body {
        good["content"] = json!({"application/json": {"schema": reference(body)}});
    }
    all.insert(answer.status.as_u16().to_string(), good);
    // Several refusals may have one status.
    let mut refused: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for refusal in operation.all_refusals() {
        let (status, kind) = refusal.kind();
        let text = refusal.text(Language::En);
        let text = if text.is_empty() { "A field is missing or wrong".into() } else { text };
        let described = refused.entry(status.as_u16()).or_default();
        let line = format!("`{kind}`: {text}");
        if !described.contains(&line) {
            described.push(line);
        }
    }
    for (status, described) in refused {
        let schema = reference("Problem");
        all.insert(
            status.to_string(),
            json!({"description": described.join(". "),
                "content": {"application/problem+json": {"schema": schema}}}),
        );
    }
    Value::Object(all)
}

fn request_schema(fields: &[Field]) -> Value {
    let required: Vec<&str> =
        fields.iter().filter(|field| field.is_required).map(|field| field.name).collect();
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), field_schema(field))).collect();
    let mut schema = json!({"type": "object", "properties": properties,
        "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn field_schema(field: &Field) -> Value {
    let mut schema = match field.shape {
        Shape::Text(_) | Shape::Username(_) | Shape::Phone => json!({"type": "string"}),
        Shape::Email => json!({"type": "string", "format": "email"}),
        Shape::Password => json!({"type": "string", "format": "password"}),
        Shape::Switch => json!({"type": "boolean"}),
        Shape::Choice(all) => json!({"type": "string", "enum": all}),
        Shape::Id(_) => json!({"type": "string", "pattern": "^[A-Za-z0-9._-]+$"}),
        Shape::Order => {
            json!({"type": "string", "pattern": format!("^[0-9]{{{ORDER_DIGITS}}}$")})
        }
        Shape::Whole(least, most) => {
            json!({"type": "integer", "minimum": least, "maximum": most})
        }
        Shape::Amount => json!({"type": "number", "multipleOf": 0.01, "minimum": 0.01,
            "maximum": AMOUNT_KOPECKS_MAX / 100}),
        Shape::Cost => json!({"type": "number", "multipleOf": 0.01, "minimum": 0,
            "maximum": AMOUNT_KOPECKS_MAX / 100}),
        Shape::Day => json!({"type": "string", "pattern": "^[0-9]{2}\\.[0-9]{2}\\.[0-9]{4}$"}),
        Shape::Hour => json!({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}),
        Shape::Object(fields) => request_schema(fields),
        Shape::Objects(fields, most) => json!({"type": "array", "minItems": 1, "maxItems": most,
            "items": request_schema(fields)}),
    };
    // What is not needed may be null: that is the same as absent.
    if !field.is_required {
        schema["type"] = json!([schema["type"], "null"]);
        if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            words.push(Value::Null);
        }
    }
    if let Some(most) = characters_max(field.shape) {
        schema["maxLength"] = json!(most);
    }
    schema["description"] = json!(field.about);
    schema
}

/// How many characters a text of this form may have. `None` if it is no text,
/// or one of known length.
#[must_use]
pub const fn characters_max(shape: Shape) -> Option<usize> {
    match shape {
        Shape::Text(most) | Shape::Username(most) | Shape::Id(most) => Some(most),
        Shape::Email => Some(EMAIL_CHARACTERS_MAX),
        Shape::Phone => Some(PHONE_CHARACTERS_MAX),
        Shape::Password => Some(password::CHARACTERS_MAX),
        Shape::Switch
        | Shape::Choice(_)
        | Shape::Order
        | Shape::Whole(..)
        | Shape::Amount
        | Shape::Cost
        | Shape::Day
        | Shape::Hour
        | Shape::Object(_)
        | Shape::Objects(..) => None,
    }
}

fn body_schema(body: &Body) -> Value {
    let required: Vec<&str> = body.members.iter().map(|member| member.name).collect();
    let properties: Map<String, Value> =
        body.members.iter().map(|member| (member.name.to_owned(), member_schema(member))).collect();
    json!({"type": "object", "description": body.about, "required": required,
        "properties": properties, "additionalProperties": false})
}

fn member_schema(member: &Member) -> Value {
    let mut schema = match member.kind {
        MemberKind::Text => json!({"type": "string"}),
        MemberKind::TextOrNull => json!({"type": ["string", "null"]}),
        MemberKind::Time => json!({"type": "string", "format": "date-time"}),
        MemberKind::TimeOrNull => json!({"type": ["string", "null"], "format": "date-time"}),
        MemberKind::Switch => json!({"type": "boolean"}),
        MemberKind::Whole => json!({"type": "integer"}),
        MemberKind::WholeOrNull => json!({"type": ["integer", "null"]}),
        MemberKind::Texts => json!({"type": "array", "items": {"type": "string"}}),
        MemberKind::WholesOrNull => {
            json!({"type": ["array", "null"], "items": {"type": "integer"}})
        }
        MemberKind::Amount => json!({"type": "number"}),
        MemberKind::AmountOrNull => json!({"type": ["number", "null"]}),
        MemberKind::One(body) => json!({"allOf": [reference(body)]}),
        MemberKind::OneOrNull(body) => json!({"anyOf": [reference(body), {"type": "null"}]}),
        MemberKind::ListOf(body) => json!({"type": "array", "items": reference(body)}),
    };
    schema["description"] = json!(member.about);
    schema
}

fn problem() -> Value {
    let text = |about: &str| json!({"type": "string", "description": about});
    json!({
        "type": "object",
        "description": "Why a request was refused",
        "required": ["type", "title", "status", "detail", "errorMessage"],
        "properties": {
            "type": text("Identifies the kind of problem, as in docs/errors.md"),
            "title": text("The status in words"),
            "status": {"type": "integer", "description": "The status"},
            "detail": text("What is wrong, and what to do, for people"),
            "errorMessage": text("The same as `detail`"),
            "errors": {
                "type": "array",
                "description": "What is wrong with each field",
                "items": {
                    "type": "object",
                    "required": ["pointer", "detail"],
                    "properties": {
                        "pointer": text("The field, as a JSON pointer"),
                        "detail": text("What is wrong with it"),
                    },
                },
            },
        },
    })
}
