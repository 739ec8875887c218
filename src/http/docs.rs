//! The documentation of the merchants' API: `/openapi.json`, and a reference
//! page that needs nothing but this process.

use std::sync::LazyLock;

use askama::Template;
use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, header};
use serde_json::Value;

use super::buyer::asset;
use super::problem::Problem;

const STYLE: &str = include_str!("../../assets/docs.css");

/// The document. It is built once, because it cannot change while the process
/// runs.
static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(super::api::document()).unwrap_or_default());

/// The reference page, rendered from the document.
static PAGE: LazyLock<Option<String>> = LazyLock::new(|| {
    let reference = Reference::of(&DOCUMENT, "/openapi.json");
    Reference { is_of_merchants: true, ..reference }.render().ok()
});

/// The document as text.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let mut text = serde_json::to_string_pretty(&*DOCUMENT).unwrap_or_default();
    text.push('\n');
    text
});

/// The text of the OpenAPI document that is printed and served.
#[must_use]
pub fn text() -> &'static str {
    &TEXT
}

/// `GET /openapi.json`
pub async fn document() -> Response {
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (headers, text()).into_response()
}

/// `GET /docs`
pub async fn page() -> Result<Response, Problem> {
    shown(PAGE.as_deref())
}

/// The routes of another document, and of its reference page.
pub fn routes_of<S: Clone + Send + Sync + 'static>(
    document: &Value,
    text: String,
    address: &str,
) -> Router<S> {
    let page = Reference::of(document, address).render().ok();
    let document = move || {
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let response = (headers, text.clone()).into_response();
        async { response }
    };
    let page = move || {
        let response = shown(page.as_deref());
        async { response }
    };
    Router::new().route("/openapi.json", get(document)).route("/docs", get(page))
}

fn shown(page: Option<&str>) -> Result<Response, Problem> {
    let Some(page) = page else {
        return Err(Problem::unavailable(
            "the reference page cannot be rendered; read openapi.json instead",
        ));
    };
    let headers = [
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
            ),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, Html(page.to_owned())).into_response())
}

/// `GET /assets/docs.css`
pub async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

#[derive(Debug, Template)]
#[template(path = "docs/reference.html")]
struct Reference {
    /// The address of the document.
    address: String,
    /// Whether it is the API for merchants' sites, which has an introduction.
    is_of_merchants: bool,
    title: String,
    version: String,
    description: String,
    groups: Vec<Group>,
    schemas: Vec<Schema>,
}

#[derive(Debug)]
struct Group {
    name: String,
    description: String,
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    description: String,
    parameters: Vec<Field>,
    body: Option<Kind>,
    /// A body as it can be sent, or the data of a webhook; empty if there is
    /// none.
    example: String,
    answers: Vec<Answer>,
}

#[derive(Debug)]
struct Answer {
    status: String,
    description: String,
    body: Option<Kind>,
}

#[derive(Debug)]
struct Schema {
    name: String,
    description: String,
    /// The pattern of its text, or the values that it can have.
    text: String,
    /// Schemas whose fields it includes.
    whole: Vec<Kind>,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: String,
    place: String,
    kind: Kind,
    is_required: bool,
    description: String,
}

/// The name of a type, and the schema to which it links.
#[derive(Debug)]
struct Kind {
    words: String,
    link: Option<String>,
}

/// Renders text as HTML; parts between backticks become code.
pub(crate) fn marked(text: &str) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    };
    let parts = text.split('`').enumerate();
    let html = parts.map(|(place, part)| {
        if place % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { escape(part) }
    });
    html.collect()
}

fn text_of(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list_of<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn members_of<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(name).and_then(Value::as_object).into_iter().flatten()
}

/// The example of a body, as it is written in a file.
fn example_of(body: &Value) -> String {
    let example = members_of(body, "content").find_map(|(_, content)| content.get("example"));
    example.and_then(|example| serde_json::to_string_pretty(example).ok()).unwrap_or_default()
}

/// The description of a field, also of one that may be null.
fn described(field: &Value) -> String {
    let choices = [field].into_iter().chain(list_of(field, "oneOf"));
    choices
        .map(|choice| text_of(choice, "description"))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

impl Kind {
    fn of(schema: &Value) -> Kind {
        if let Some(name) =
            schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next())
        {
            return Kind { words: name.to_owned(), link: Some(name.to_owned()) };
        }
        let choices = list_of(schema, "oneOf")
            .chain(list_of(schema, "anyOf"))
            .chain(list_of(schema, "allOf"));
        let not_null =
            choices.into_iter().find(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
        if let Some(choice) = not_null {
            return Kind::of(choice);
        }
        if let Some(items) = schema.get("items") {
            let Kind { words, link } = Kind::of(items);
            return Kind { words: format!("list of {words}"), link };
        }
        let words: Vec<&str> = list_of(schema, "enum").filter_map(Value::as_str).collect();
        if !words.is_empty() {
            return Kind { words: words.join(" | "), link: None };
        }
        let named = schema.get("type").map(|kind| {
            let kinds = kind.as_array().map_or_else(|| vec![kind], |kinds| kinds.iter().collect());
            let kinds = kinds.into_iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            kinds.collect::<Vec<_>>().join(" | ")
        });
        let format = text_of(schema, "format");
        let mut words = named.unwrap_or_else(|| "any".into());
        if format == "date-time" {
            words = "time".into();
        }
        Kind { words, link: None }
    }

    fn of_content(of: &Value) -> Option<Kind> {
        let (_, content) = members_of(of, "content").next()?;
        content.get("schema").map(Kind::of)
    }
}

impl Reference {
    fn of(document: &Value, address: &str) -> Reference {
        let info = &document["info"];
        let group = |tag: &Value| {
            let name = text_of(tag, "name");
            let paths = members_of(document, "paths");
            let operations = paths.flat_map(|(path, item)| {
                item.as_object().into_iter().flatten().map(move |one| (path, one))
            });
            let operations = operations.map(|(path, one)| (path, one, false));
            let callbacks = members_of(document, "webhooks").flat_map(|(event, item)| {
                item.as_object().into_iter().flatten().map(move |one| (event, one, true))
            });
            let own = operations
                .chain(callbacks)
                .filter(|(_, (_, one), _)| list_of(one, "tags").any(|tag| tag == name.as_str()));
            let operations = own
                .map(|(path, (method, one), is_webhook)| {
                    Operation::of(path, is_webhook, method, one)
                })
                .collect();
            Group { description: text_of(tag, "description"), operations, name }
        };
        Reference {
            address: address.to_owned(),
            is_of_merchants: false,
            title: text_of(info, "title"),
            version: text_of(info, "version"),
            description: text_of(info, "description"),
            groups: list_of(document, "tags").map(group).collect(),
            schemas: members_of(&document["components"], "schemas")
                .map(|(name, schema)| Schema::of(name, schema))
                .collect(),
        }
    }
}

impl Operation {
    fn of(path: &str, is_webhook: bool, method: &str, one: &Value) -> Operation {
        let parameter = |one: &Value| Field {
            name: text_of(one, "name"),
            place: text_of(one, "in"),
            kind: Kind::of(&one["schema"]),
            is_required: one["required"] == true,
            description: text_of(one, "description"),
        };
        let answer = |(status, answer): (&String, &Value)| Answer {
            status: status.clone(),
            description: text_of(answer, "description"),
            body: Kind::of_content(answer),
        };
        Operation {
            id: format!("{method}{}", path.replace(['/', '{', '}'], "-")),
            // The opposite direction: tillgate calls the site.
            method: if is_webhook { "WEBHOOK".into() } else { method.to_uppercase() },
            path: path.to_owned(),
            summary: text_of(one, "summary"),
            description: text_of(one, "description"),
            parameters: list_of(one, "parameters").map(parameter).collect(),
            body: one.get("requestBody").and_then(Kind::of_content),
            example: one.get("requestBody").map(example_of).unwrap_or_default(),
            answers: members_of(one, "responses").map(answer).collect(),
        }
    }
}

impl Schema {
    fn of(name: &str, schema: &Value) -> Schema {
        // Its own fields, the fields of its inline parts, and the schemas that
        // it includes.
        let parts = || [schema].into_iter().chain(list_of(schema, "allOf"));
        let required: Vec<&str> =
            parts().flat_map(|part| list_of(part, "required")).filter_map(Value::as_str).collect();
        let field = |(name, field): (&String, &Value)| Field {
            name: name.clone(),
            place: String::new(),
            kind: Kind::of(field),
            is_required: required.contains(&name.as_str()),
            description: described(field),
        };
        let words: Vec<&str> = list_of(schema, "enum").filter_map(Value::as_str).collect();
        let pattern = text_of(schema, "pattern");
        let text = if words.is_empty() { pattern } else { words.join(" | ") };
        Schema {
            name: name.to_owned(),
            description: text_of(schema, "description"),
            text,
            fields: parts().flat_map(|part| members_of(part, "properties")).map(field).collect(),
            whole: parts().map(Kind::of).filter(|kind| kind.link.is_some()).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
