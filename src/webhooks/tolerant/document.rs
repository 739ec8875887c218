//! Parsing of a body as a JSON object.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use super::scan::{Node, scan};
use super::{Fields, Value};
use crate::webhooks::{Readable, Rejection, RejectionKind};

/// A body that is a JSON object, split into its values.
pub struct Document<'a> {
    text: &'a str,
    nodes: Vec<Node>,
    whole: Node,
}

impl<'a> Document<'a> {
    /// Splits a body. The rejection says where the problem is. It quotes
    /// nothing, because the body may be a whole order with the customer's data.
    pub fn of(body: &'a Readable<'_>) -> Result<Document<'a>, Rejection> {
        let malformed =
            |detail: String| Rejection { why: RejectionKind::Malformed, detail, event_type: None };
        let text = std::str::from_utf8(body.text()).map_err(|why| {
            malformed(format!("the body is not valid UTF-8 at byte {}", why.valid_up_to()))
        })?;
        let nodes = scan(text).filter(|_| text.trim_ascii_start().starts_with('{'));
        let nodes = nodes.unwrap_or_default();
        match nodes.first() {
            Some(&whole) => Ok(Document { text, nodes, whole }),
            None => Err(malformed(format!("the body is not a JSON object: {}", problem_of(text)))),
        }
    }

    /// The fields of the object.
    pub fn fields(&self) -> Fields<'_> {
        Fields::of(Value::first_of(self.text, &self.nodes, self.whole))
    }
}

/// What is wrong with a text that is not a JSON object, and where.
fn problem_of(text: &str) -> String {
    match serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text) {
        Ok(_) => "it cannot be split into its values".into(),
        Err(why) => {
            let what = match why.classify() {
                serde_json::error::Category::Eof => "it ends too early",
                serde_json::error::Category::Data => "it is another type of value",
                serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
                    "it has a syntax error"
                }
            };
            format!("{what} (line {}, column {})", why.line(), why.column())
        }
    }
}
