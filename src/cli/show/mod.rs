//! What an operator needs without a browser: `orders`, `hooks`, `outbox`, `stock`.

pub mod hooks;
pub mod orders;
pub mod outbox;
pub mod payments;
pub mod stock;

use std::borrow::Cow;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::client::{Server, print_json};
use super::{Failed, say};
use crate::kernel::text::shown_in_line;

/// How much of a list is printed.
#[derive(Debug, Clone, Args)]
pub struct ListOptions {
    /// How many entries at most; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// The size of the pages that are asked for.
const PAGE: usize = 500;

impl ListOptions {
    /// Fetches pages until there are enough entries.
    async fn fetch(
        &self,
        server: &Server,
        path: &str,
        query: &[(&str, Option<&str>)],
    ) -> Result<Vec<Value>, Failed> {
        let wanted = if self.limit == 0 { usize::MAX } else { self.limit };
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page_size = PAGE.min(wanted - items.len()).to_string();
            let mut query = query.to_vec();
            query.push(("limit", Some(&page_size)));
            query.push(("cursor", cursor.as_deref()));
            let page = server.get(path, &query).await?;
            items.extend(page.get("items").and_then(Value::as_array).cloned().unwrap_or_default());
            cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() || items.len() >= wanted {
                items.truncate(wanted);
                return Ok(items);
            }
        }
    }
}

/// Prints entries as a table, one column for each name and path.
fn print_table(items: &[Value], columns: &[(&str, &str)]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.iter().map(|(name, _)| name.to_uppercase()));
    for item in items {
        table.add_row(columns.iter().map(|(_, path)| text_at(item, path)));
    }
    say(table.trim_fmt());
    if items.is_empty() {
        say("(none)");
    }
}

/// The value at a path such as `total.amount`, as people read it; of several paths with `|` between them, the first that
/// leads to something.
fn text_at(item: &Value, paths: &str) -> String {
    let at = |path: &str| path.split('.').try_fold(item, |value, name| value.get(name));
    match paths.split('|').find_map(|path| at(path).filter(|value| !value.is_null())) {
        None => "-".into(),
        Some(Value::String(text)) => shown_in_line(text).into_owned(),
        Some(Value::Array(texts)) => texts.iter().map(line_of).collect::<Vec<_>>().join("; "),
        Some(Value::Object(fields)) if fields.contains_key("text") => line_of(&fields["text"]).into_owned(),
        Some(other) => other.to_string(),
    }
}

/// A text of the server's, or that of a kind with its parameters, as it can stand within a line.
fn line_of(value: &Value) -> Cow<'_, str> {
    let text = value.as_str().or_else(|| value.get("text")?.as_str());
    shown_in_line(text.unwrap_or_default())
}

/// Prints an object's fields, one a line, as far as they are plain.
fn print_fields(item: &Value) {
    print_fields_under("", item);
}

fn print_fields_under(prefix: &str, item: &Value) {
    for (name, value) in item.as_object().into_iter().flatten() {
        let name = format!("{prefix}{}", shown_in_line(name));
        match value {
            Value::Array(_) | Value::Null => {}
            Value::Object(fields) if fields.contains_key("text") => {
                say(format_args!("{name:<20} {}", line_of(value)));
            }
            Value::Object(_) => match (value.get("amount"), value.get("currency")) {
                (Some(Value::String(amount)), Some(Value::String(currency))) => {
                    say(format_args!("{name:<20} {amount} {currency}"));
                }
                (_, _) => print_fields_under(&format!("{name}."), value),
            },
            Value::String(_) => say(format_args!("{name:<20} {}", line_of(value))),
            Value::Bool(_) | Value::Number(_) => say(format_args!("{name:<20} {value}")),
        }
    }
}
