use super::*;

/// The committed document equals the one that the code generates, so every
/// change of the API shows as a change of that file.
#[test]
fn the_committed_document_equals_the_generated_one() {
    let committed = include_str!("../../../docs/openapi.json");
    assert!(
        committed == text(),
        "docs/openapi.json is out of date; run: cargo run -- openapi > docs/openapi.json"
    );
}

/// Generated clients name their functions after the operation ids.
#[test]
fn every_operation_has_an_id_of_its_own() {
    let operations =
        members_of(&DOCUMENT, "paths").flat_map(|(_, item)| item.as_object().expect("operations"));
    let mut ids: Vec<&str> = operations
        .map(|(_, operation)| operation["operationId"].as_str().expect("an id"))
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert!(count > 10 && ids.len() == count, "{ids:?}");
}

/// A description that repeats the name does not help its reader.
#[test]
fn every_description_says_something() {
    fn short<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                let description = fields.get("description").and_then(Value::as_str);
                found.extend(description.filter(|text| text.split_whitespace().count() < 3));
                fields.values().for_each(|value| short(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| short(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    short(&DOCUMENT, &mut found);
    assert_eq!(found, Vec::<&str>::new());
}

/// A dangling reference makes the document useless to programs.
#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    references(&DOCUMENT, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let place = reference.strip_prefix('#').expect("within the document");
        assert!(DOCUMENT.pointer(place).is_some(), "{reference}");
    }
}

#[test]
fn the_page_shows_every_operation_and_every_field() {
    let page = PAGE.as_deref().expect("a page");
    for (path, item) in members_of(&DOCUMENT, "paths") {
        assert!(page.contains(path.as_str()), "{path}");
        for (method, _) in item.as_object().expect("operations") {
            assert!(page.contains(&format!(
                "id=\"{}\"",
                Operation::of(path, false, method, &Value::Null).id
            )));
        }
    }
    let events: Vec<&String> = members_of(&DOCUMENT, "webhooks").map(|(event, _)| event).collect();
    assert!(
        events.len() > 5
            && events.iter().all(|event| page.contains(&format!("id=\"post{event}\"")))
    );
    for (name, schema) in members_of(&DOCUMENT["components"], "schemas") {
        assert!(page.contains(&format!("id=\"schema-{name}\"")), "{name}");
        for (field, _) in members_of(schema, "properties") {
            assert!(page.contains(&format!("<code>{field}</code>")), "{name}.{field}");
        }
    }
}
