//! Values that a person has yet to fill in.

use toml::{Table, Value};

/// What `tillgate init` writes where a value must come from somebody else.
pub const PLACEHOLDER: &str = "FILL IN";

/// The first setting whose value is the placeholder.
pub fn find(table: &Table) -> Option<String> {
    table.iter().find_map(|(key, value)| match value {
        Value::String(text) if text == PLACEHOLDER => Some(key.clone()),
        Value::Table(inner) => find(inner).map(|setting| format!("{key}.{setting}")),
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Array(_) => None,
    })
}
