//! Parsing of a body as a JSON object.

use super::Fields;
use crate::webhooks::{Readable, Rejection, RejectionKind};

/// Splits a body that is a JSON object into its fields. The rejection says
/// where the problem is. It quotes nothing, because the body may be a whole
/// order with the customer's data.
pub fn object_in<'a>(body: &'a Readable<'_>) -> Result<Fields<'a>, Rejection> {
    let malformed =
        |detail: String| Rejection { why: RejectionKind::Malformed, detail, event_type: None };
    let text = std::str::from_utf8(body.text()).map_err(|why| {
        malformed(format!("the body is not valid UTF-8 at byte {}", why.valid_up_to()))
    })?;
    Fields::parse(text)
        .map_err(|why| malformed(format!("the body is not a JSON object: {}", place_of(&why))))
}

fn place_of(why: &serde_json::Error) -> String {
    let what = match why.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "it is another type of value",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            "it has a syntax error"
        }
    };
    format!("{what} (line {}, column {})", why.line(), why.column())
}
