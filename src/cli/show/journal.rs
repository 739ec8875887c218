//! Entries of an order's journal as lines of text.

use serde_json::Value;

use super::{line_of, local_time, text_at};

/// The lines of an entry. The first begins with its time.
pub fn lines(entry: &Value) -> Vec<String> {
    match entry.get("entry").and_then(Value::as_str) {
        Some("hook") => of_hook(entry),
        Some("message") => of_message(entry),
        Some("payment") => {
            let (at, payment) = (local_time(entry, "at"), text_at(entry, "payment"));
            vec![format!("{at}  payment {payment}  {}", text_at(entry, "text"))]
        }
        Some("movement") => of_movement(entry),
        Some(_) | None => Vec::new(),
    }
}

/// The lines of a hook, a notification or a request of a site.
pub fn of_hook(entry: &Value) -> Vec<String> {
    let copies = match entry.get("copies").and_then(Value::as_u64) {
        Some(copies) => format!(" ×{copies}"),
        None => String::new(),
    };
    let (at, source) = (local_time(entry, "received_at"), text_at(entry, "source"));
    let (kind, verdict) = (text_at(entry, "event_type"), text_at(entry, "verdict"));
    let mut lines = vec![format!("{at}  {source}  {kind}: {verdict}{copies}")];
    if entry.get("reason").is_some_and(Value::is_string) {
        lines.push(format!("    why: {}", text_at(entry, "reason")));
    }
    let changes = entry.get("changes").and_then(Value::as_array);
    lines.extend(changes.into_iter().flatten().map(|change| format!("    {}", line_of(change))));
    lines
}

fn of_message(entry: &Value) -> Vec<String> {
    let subject = text_at(entry, "subject");
    let then = match entry.get("state").and_then(Value::as_str) {
        Some("pending") => format!("waits, next attempt {}", local_time(entry, "at")),
        Some("sent") => format!("sent {}", local_time(entry, "at")),
        Some("dead") => format!(
            "NOT SENT, given up {}; retry: tillgate outbox retry {}",
            local_time(entry, "at"),
            text_at(entry, "id")
        ),
        Some("dropped") => format!("dropped by an operator {}", local_time(entry, "at")),
        Some(_) | None => text_at(entry, "state"),
    };
    let mut lines = vec![format!("{}  {subject}: {then}", local_time(entry, "created_at"))];
    if entry.get("last_error").is_some_and(Value::is_object) {
        lines.push(format!("    last error: {}", text_at(entry, "last_error")));
    }
    lines
}

fn of_movement(entry: &Value) -> Vec<String> {
    let moved = entry.pointer("/movement/lines").and_then(Value::as_array).into_iter().flatten();
    let line = |line: &Value| {
        let (store, sku) = (text_at(line, "store_id"), text_at(line, "sku"));
        format!("    store {store}, {sku}: {}", text_at(line, "quantity"))
    };
    std::iter::once(format!("{}  stock moved", local_time(entry, "at")))
        .chain(moved.map(line))
        .collect()
}
