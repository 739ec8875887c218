//! The OpenAPI document of all services.

use serde_json::Value;

use crate::{auth, billing, contract, delivery, menu, notification, order, payment, store};

/// The document.
#[must_use]
pub fn document() -> Value {
    contract::document(&[
        auth::contract::contract(),
        billing::contract::contract(),
        delivery::contract::contract(),
        menu::contract::contract(),
        notification::contract::contract(),
        order::contract::contract(),
        payment::contract::contract(),
        store::contract::contract(),
    ])
}

/// The document as text.
#[must_use]
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed document equals the one that the code generates, so every
    /// change of a contract shows as a change of that file.
    #[test]
    fn the_committed_document_equals_the_generated_one() {
        let committed = include_str!("../../../docs/shop-openapi.json");
        let generated = text();
        assert!(
            committed == generated,
            "docs/shop-openapi.json is out of date; run: cargo run --features shop -- shop openapi > \
         docs/shop-openapi.json"
        );
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_an_id() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(members) => {
                    for (name, value) in members {
                        match value.as_str() {
                            Some(target) if name == "$ref" => found.push(target.to_owned()),
                            Some(_) | None => references(value, found),
                        }
                    }
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 20, "{found:?}");
        assert!(!text().contains("\"enum\": null"), "a list of words is a list");
        for reference in found {
            assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
        }
        let paths = document["paths"].as_object().expect("paths");
        let operations =
            paths.values().flat_map(|item| item.as_object().expect("operations").values());
        let mut ids: Vec<&str> =
            operations.map(|one| one["operationId"].as_str().expect("an id")).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert!(count > 10 && ids.len() == count, "{ids:?}");
    }
}
