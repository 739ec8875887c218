//! A body as a JSON object.

use super::Fields;
use crate::webhooks::{Readable, Rejection, RejectionKind};

/// The fields of a body that is a JSON object. The rejection says where the body is none, and quotes nothing of it: it may be
/// a whole order with its customer.
pub fn object_in<'a>(body: &'a Readable<'_>) -> Result<Fields<'a>, Rejection> {
    let malformed = |detail: String| Rejection { why: RejectionKind::Malformed, detail, event_type: None };
    let text = std::str::from_utf8(body.text())
        .map_err(|why| malformed(format!("the body is not UTF-8 from byte {} on", why.valid_up_to())))?;
    Fields::parse(text).map_err(|why| malformed(format!("the body is not a JSON object: {}", place_of(&why))))
}

fn place_of(why: &serde_json::Error) -> String {
    let what = match why.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "it is another kind of value",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not well-formed",
    };
    format!("{what} (line {}, column {})", why.line(), why.column())
}
