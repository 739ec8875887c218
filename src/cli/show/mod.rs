//! Commands for operators: `orders`, `hooks`, `outbox`, `payments`, `stock`,
//! `shop`.

pub mod hooks;
pub mod journal;
mod list;
pub mod orders;
pub mod outbox;
pub mod payments;
#[cfg(feature = "shop")]
pub mod shop;
pub mod stock;
mod table;

use std::borrow::Cow;

use jiff::tz::TimeZone;
use serde_json::Value;

use self::list::ListOptions;
use super::client::{Server, print_json};
use super::{Failed, say};
use crate::kernel::Timestamp;
use crate::kernel::text::shown_in_line;
use crate::orders::Number;

/// The number in tillgate of the order that a person names: by that number, or
/// by its source and its number there, as in `sm/H123`.
async fn order_number(server: &Server, order: &str) -> Result<String, Failed> {
    let Some((source, id)) = order.split_once('/') else {
        if order.parse::<Number>().is_err() {
            return Err(Failed::usage(format!(
                "{order} is no number of tillgate, which has twelve digits. With your own number, \
                 name the source too: SOURCE/{order}"
            )));
        }
        return Ok(order.to_owned());
    };
    let query = [("source", Some(source)), ("external_id", Some(id))];
    let found = server.get("/orders", &query).await?;
    let number = found.pointer("/items/0/number").and_then(Value::as_str).map(str::to_owned);
    number.ok_or_else(|| Failed::because(format!("{source} has no order {id}")))
}

/// The number of the latest order.
async fn latest_order(server: &Server) -> Result<String, Failed> {
    let found = server.get("/orders", &[("limit", Some("1"))]).await?;
    let number = found.pointer("/items/0/number").and_then(Value::as_str).map(str::to_owned);
    number.ok_or_else(|| Failed::because("there are no orders yet"))
}

/// The time at a path, in this machine's time zone and to the second.
fn local_time(item: &Value, path: &str) -> String {
    let text = text_at(item, path);
    let Ok(time) = text.parse::<Timestamp>() else { return text };
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The value at a path such as `total.amount`, as text for people. Of several
/// paths, separated by `|`, the first one with a value counts.
pub fn text_at(item: &Value, paths: &str) -> String {
    let at = |path: &str| path.split('.').try_fold(item, |value, name| value.get(name));
    match paths.split('|').find_map(|path| at(path).filter(|value| !value.is_null())) {
        None => "-".into(),
        Some(Value::String(text)) => shown_in_line(text).into_owned(),
        Some(Value::Array(texts)) => texts.iter().map(line_of).collect::<Vec<_>>().join("; "),
        Some(Value::Object(fields)) if fields.contains_key("text") => {
            line_of(&fields["text"]).into_owned()
        }
        Some(other) => other.to_string(),
    }
}

/// A text, or the field `text` of an object, on one line.
fn line_of(value: &Value) -> Cow<'_, str> {
    let text = value.as_str().or_else(|| value.get("text")?.as_str());
    shown_in_line(text.unwrap_or_default())
}

/// Prints an object's plain fields, one per line.
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
