//! The OpenAPI document.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tillgate_identity::password;
use tillgate_kernel::Language;

use super::operation::{
    Body, Contract, Field, Member, MemberKind, Operation, Parameter, Place, Shape,
};
use crate::form::{EMAIL_CHARACTERS_MAX, PHONE_CHARACTERS_MAX};

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
                schemas.insert(request_name(operation), request_schema(fields));
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
    if operation.needs_session {
        described["security"] = json!([{"session": []}]);
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
    };
    json!({"name": parameter.name, "in": place, "required": parameter.place == Place::Path,
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
    let kind = if field.is_required { json!("string") } else { json!(["string", "null"]) };
    let mut schema = json!({"type": kind, "description": field.about});
    schema["maxLength"] = json!(characters_max(field.shape));
    match field.shape {
        Shape::Email => schema["format"] = json!("email"),
        Shape::Password => schema["format"] = json!("password"),
        Shape::Text(_) | Shape::Username(_) | Shape::Phone => {}
    }
    schema
}

/// How many characters a text of this form may have.
#[must_use]
pub const fn characters_max(shape: Shape) -> usize {
    match shape {
        Shape::Text(most) | Shape::Username(most) => most,
        Shape::Email => EMAIL_CHARACTERS_MAX,
        Shape::Phone => PHONE_CHARACTERS_MAX,
        Shape::Password => password::CHARACTERS_MAX,
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
        MemberKind::Switch => json!({"type": "boolean"}),
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
