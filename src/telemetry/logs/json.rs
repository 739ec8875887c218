//! Formats a line of the log as JSON, straight into its buffer: at thousands of
//! lines a second, building a value for each would cost as much as
//! handling a hook.

use std::error::Error;
use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::kernel::Clock;

/// One object for each event: its time, level and target, and its fields.
pub(super) struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // A line of the crate `log` has its target in a field.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let (now, level) = (Clock::System.now(), metadata.level());
        write!(writer, "{{\"timestamp\":\"{now:.6}\",\"level\":\"{level}\"")?;
        let mut members = Members { out: &mut writer, written: Ok(()) };
        event.record(&mut members);
        members.written?;
        writer.write_str(",\"target\":\"")?;
        Escaped(&mut writer).write_str(metadata.target())?;
        writer.write_str("\"}\n")
    }
}

/// Writes the fields of an event as members of an object.
struct Members<'a, 'w> {
    out: &'a mut Writer<'w>,
    written: fmt::Result,
}

impl Members<'_, '_> {
    fn member(&mut self, field: &Field, value: fmt::Arguments<'_>, is_text: bool) {
        // The crate `log` adds fields for what the line has elsewhere.
        if self.written.is_err() || field.name().starts_with("log.") {
            return;
        }
        self.written = self.write(field.name(), value, is_text);
    }

    fn write(&mut self, name: &str, value: fmt::Arguments<'_>, is_text: bool) -> fmt::Result {
        let name = name.strip_prefix("r#").unwrap_or(name);
        write!(self.out, ",\"{name}\":")?;
        if !is_text {
            return self.out.write_fmt(value);
        }
        self.out.write_char('"')?;
        Escaped(self.out).write_fmt(value)?;
        self.out.write_char('"')
    }
}

impl Visit for Members<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, format_args!("{value:?}"), true);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, format_args!("{value}"), true);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.member(field, format_args!("{value}"), true);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, format_args!("{value}"), false);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, format_args!("{value}"), false);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, format_args!("{value}"), false);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity.
        self.member(field, format_args!("{value}"), !value.is_finite());
    }
}

/// The inside of a JSON string.
struct Escaped<'a, W: Write>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
        let mut rest = text;
        // A special byte is a character of its own, so the text may be cut
        // there.
        while let Some(at) = rest.bytes().position(|byte| is_special(&byte)) {
            let (before, from) = rest.split_at(at);
            self.0.write_str(before)?;
            let (special, after) = from.split_at(1);
            match special.as_bytes() {
                b"\"" => self.0.write_str("\\\"")?,
                b"\\" => self.0.write_str("\\\\")?,
                b"\n" => self.0.write_str("\\n")?,
                other => {
                    let code = other.first().copied().unwrap_or_default();
                    write!(self.0, "\\u{code:04x}")?;
                }
            }
            rest = after;
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use proptest::prelude::{ProptestConfig, proptest};
    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `log` logs, as one JSON value.
    fn logged(log: impl FnOnce()) -> Value {
        let kept = Kept::default();
        let writer = {
            let kept = kept.clone();
            move || kept.clone()
        };
        let layer = tracing_subscriber::fmt::layer().event_format(JsonLine).with_writer(writer);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = kept.0.lock().expect("no panic").clone();
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    #[test]
    fn every_type_of_field_is_in_the_line() {
        let none: Option<&str> = None;
        let line = logged(|| {
            tracing::warn!(
                order.number = 482_993_011_752_u64,
                change = -1,
                is_copy = true,
                share = 0.5,
                endless = f64::INFINITY,
                verdict = %"applied",
                reason = ?Some("x"),
                absent = none,
                r#type = "a \"quoted\" \\ text\n\u{1b}[31m",
                "hook answered"
            );
        });
        let time = line["timestamp"].as_str().expect("a time");
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.len() == 27, "{time}");
        let rest = serde_json::json!({
            "timestamp": time, "level": "WARN", "message": "hook answered",
            "order.number": 482_993_011_752_u64, "change": -1, "is_copy": true, "share": 0.5,
            "endless": "inf", "verdict": "applied", "reason": "Some(\"x\")",
            "type": "a \"quoted\" \\ text\n\u{1b}[31m", "target": module_path!(),
        });
        assert_eq!(line, rest);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn every_text_is_read_back_as_it_was(text in ".{0,60}") {
            let line = logged(|| tracing::info!(text, "a line"));
            assert_eq!(line["text"], text);
        }
    }
}
