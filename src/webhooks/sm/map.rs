//! From the sender's documents to our words.

use std::borrow::Cow;
use std::str::FromStr;

use super::wire::{Fields, Value, envelope, payload};
use crate::kernel::{ExternalId, Fingerprint, Money, Quantity};
use crate::orders::{EventKind, Patch, Position, Report, Window};
use crate::webhooks::{Identity, Reading, Rejection, RejectionKind};

/// The kinds that concern us. Both spellings of a word are in use.
fn kind_of(event_type: &str) -> Option<EventKind> {
    match event_type {
        "order.created" => Some(EventKind::Created),
        "order.changed" | "order.updated" => Some(EventKind::Changed),
        "order.paid" => Some(EventKind::Paid),
        "order.received" => Some(EventKind::Received),
        "order.delivered" => Some(EventKind::Delivered),
        "order.cancelled" | "order.canceled" => Some(EventKind::Cancelled),
        _ => None,
    }
}

/// The longest `event_type` that is kept, in characters.
const EVENT_TYPE_CHARS_MAX: usize = 64;

/// A hook split into the fields of its envelope and of its payload.
pub struct Read<'a> {
    envelope: Fields<'a>,
    payload: Option<Fields<'a>>,
    kind: Option<EventKind>,
}

/// Reads the envelope.
pub fn identify(body: &[u8]) -> Result<(Identity, Read<'_>), Rejection> {
    let malformed = |detail: String| Rejection { why: RejectionKind::Malformed, detail, event_type: None };
    let text = std::str::from_utf8(body)
        .map_err(|why| malformed(format!("the body is not UTF-8 from byte {} on", why.valid_up_to())))?;
    let envelope = Fields::parse(text)
        .map_err(|why| malformed(format!("the body is not a JSON object: {}", place_of(&why))))?;
    if let Some(name) =
        envelope.repeated().into_iter().find(|name| [envelope::EVENT_TYPE, envelope::PAYLOAD].contains(name))
    {
        return Err(malformed(format!("{name} occurs twice, and readers differ in which of them counts")));
    }
    let event_type = envelope.get(envelope::EVENT_TYPE).and_then(Value::text);
    let Some(event_type) = event_type.filter(|event_type| !event_type.trim().is_empty()) else {
        return Err(malformed("event_type is missing or is not a string".into()));
    };
    let event_type: String = event_type.trim().chars().take(EVENT_TYPE_CHARS_MAX).collect();

    let kind = kind_of(&event_type);
    let fields = envelope.get(envelope::PAYLOAD).and_then(Value::fields);
    let order_id = fields.as_ref().and_then(|payload| payload.get(payload::ORIGINAL_ORDER_ID));
    let is_doubled =
        fields.as_ref().is_some_and(|payload| payload.repeated().contains(&payload::ORIGINAL_ORDER_ID));
    let external_id =
        order_id.filter(|_| !is_doubled).and_then(Value::text).and_then(|text| ExternalId::parse(&text));
    if kind.is_some() && external_id.is_none() {
        let detail = if is_doubled {
            "payload.originalOrderId occurs twice"
        } else {
            "payload.originalOrderId is missing, empty or unusable"
        };
        let (why, detail) = (RejectionKind::NoOrderNumber, detail.into());
        return Err(Rejection { why, detail, event_type: Some(event_type) });
    }
    Ok((Identity { event_type, kind, external_id }, Read { envelope, payload: fields, kind }))
}

/// Where JSON went wrong, without quoting it: the text may be a whole order with its customer.
fn place_of(why: &serde_json::Error) -> String {
    let what = match why.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "it is another kind of value",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not well-formed",
    };
    format!("{what} (line {}, column {})", why.line(), why.column())
}

impl Reading for Read<'_> {
    fn report(&self) -> Report {
        interpret(&self.envelope, self.payload.as_ref(), self.kind)
    }
}

fn interpret(envelope: &Fields<'_>, payload: Option<&Fields<'_>>, kind: Option<EventKind>) -> Report {
    let mut notes = Notes::default();
    let at = envelope.get(envelope::TIMESTAMP).and_then(|value| {
        let time = value.time();
        if time.is_none() {
            notes.add("timestamp is not a time with an offset: the hook counts from its arrival".into());
        }
        time.map(|time| time.timestamp())
    });
    let Some(fields) = payload else {
        return Report { at, notes: notes.0, ..Report::default() };
    };
    for name in fields.repeated() {
        notes.add(format!("payload.{name} occurs twice: the last counts"));
    }
    let store_id = fields.get(payload::STORE_ID).or_else(|| fields.get(payload::STORE_ID_OLD));
    if store_id.is_none() && kind == Some(EventKind::Created) {
        notes.add("storeID is missing: when it is shipped, its goods are taken off nobody's balance".into());
    }
    let total = fields.get(payload::TOTAL).and_then(|value| notes.object("total", value));
    let mut sum = |name: &str| {
        let value = total.as_ref().and_then(|total| total.get(name));
        value.and_then(|value| notes.decimal(|| format!("total.{name}"), value))
    };
    let (total, discount_total) = (sum("totalPrice"), sum("discountTotalPrice"));
    let patch = Patch {
        store_id: store_id.and_then(|value| notes.text(|| "storeID".into(), value)),
        positions: fields.get(payload::POSITIONS).and_then(|value| positions(value, &mut notes)),
        total,
        discount_total,
        window: fields.get(payload::DELIVERY).and_then(|value| window(value, &mut notes)),
        details: details(fields),
    };
    Report { at, patch, reason: reason(fields), notes: notes.0 }
}

fn positions(value: Value<'_>, notes: &mut Notes) -> Option<Vec<Position>> {
    let Some(items) = value.items() else {
        notes.add(format!("positions is {}, not a list: the composition stays as it was", value.kind()));
        return None;
    };
    if items.is_empty() {
        notes.add("positions is an empty list".into());
    }
    Some(items.into_iter().enumerate().filter_map(|(place, item)| position(place, item, notes)).collect())
}

fn position(place: usize, item: Value<'_>, notes: &mut Notes) -> Option<Position> {
    let name = |field: &str| format!("positions[{place}].{field}");
    let Some(fields) = item.fields() else {
        notes.add(format!("positions[{place}] is {}, not an object: the line is left out", item.kind()));
        return None;
    };
    let sku = fields.get("id").and_then(|value| notes.text(|| name("id"), value));
    let Some(sku) = sku.filter(|sku| !sku.is_empty()) else {
        notes.add(format!("{} is missing: the line is left out", name("id")));
        return None;
    };
    let mut money =
        |field: &str| fields.get(field).and_then(|value| notes.decimal::<Money>(|| name(field), value));
    let price = money("price");
    let discount_price = money("discountPrice");
    let total = money("totalPrice");
    let discount_total = money("totalDiscountPrice");
    let mut amount = |field: &str| {
        // An empty weight is how the sender writes "none".
        let value = fields.get(field).filter(|value| value.text().is_none_or(|text| !text.trim().is_empty()));
        value.and_then(|value| notes.decimal::<Quantity>(|| name(field), value))
    };
    let weight_grams = amount("weight");
    let original_quantity = amount("originalQuantity");
    let quantity = match amount("quantity").or(original_quantity) {
        Some(quantity) => quantity,
        None => {
            notes.add(format!("{} is missing or unusable: it counts as 0", name("quantity")));
            Quantity::ZERO
        }
    };
    if quantity < Quantity::ZERO {
        notes.add(format!("{} is below nought", name("quantity")));
    }
    let replaced_by = fields.get("replacedByID").and_then(|value| notes.text(|| name("replacedByID"), value));
    let replaced_by = replaced_by.filter(|by| !by.is_empty());
    let optional = |field: &str| fields.get(field).and_then(Value::text).map(|text| text.trim().to_owned());
    Some(Position {
        sku,
        name: optional("name").filter(|name| !name.is_empty()),
        quantity,
        original_quantity,
        price,
        discount_price,
        total,
        discount_total,
        replaced_by,
        weight_grams,
    })
}

fn window(value: Value<'_>, notes: &mut Notes) -> Option<Window> {
    let fields = notes.object("delivery", value)?;
    let mut end = |field: &str| {
        let value = fields.get(field).filter(|value| value.text().is_none_or(|text| !text.is_empty()))?;
        let time = value.time();
        if time.is_none() {
            notes.add(format!("delivery.{field} is not a time with an offset"));
        }
        time
    };
    let window = Window { from: end("expectedFrom"), to: end("expectedTo") };
    (window != Window::default()).then_some(window)
}

fn reason(fields: &Fields<'_>) -> Option<String> {
    let object = fields.get(payload::CANCELLATION).and_then(Value::fields);
    let slug = object.as_ref().and_then(|cancellation| cancellation.get("slug")).and_then(Value::text);
    let flat = || fields.get(payload::CANCELLATION_REASON).and_then(Value::text);
    // One of the marketplace's own words; free text may hold personal data and stays in the raw hook.
    let is_a_word = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        !text.is_empty() && text.len() <= REASON_BYTES_MAX && text.bytes().all(plain)
    };
    slug.or_else(flat).filter(|text| is_a_word(text)).map(Cow::into_owned)
}

/// The longest reason of a cancellation that an order keeps, in bytes.
const REASON_BYTES_MAX: usize = 64;

/// A fingerprint of every field that is not read, whatever the spaces and the order of fields in it.
fn details(fields: &Fields<'_>) -> Option<Fingerprint> {
    let others = fields.others(&[
        payload::ORIGINAL_ORDER_ID,
        payload::STORE_ID,
        payload::STORE_ID_OLD,
        payload::POSITIONS,
        payload::TOTAL,
        payload::DELIVERY,
        payload::CANCELLATION,
        payload::CANCELLATION_REASON,
    ]);
    let mut canonical = Vec::new();
    for (name, value) in &others {
        value.write_canonically(name, CANONICAL_DEPTH_MAX, &mut canonical);
    }
    (!others.is_empty()).then(|| Fingerprint::of(&[&canonical]))
}

/// How deep values are looked into; what lies deeper is taken letter by letter.
const CANONICAL_DEPTH_MAX: u32 = 16;

/// The most notes that one hook leaves: a person needs no more to see that it is odd.
const NOTES_MAX: usize = 20;

/// The longest note, in characters: a field's name in it is the sender's choice.
const NOTE_CHARS_MAX: usize = 200;

/// What was not understood.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    fn add(&mut self, note: String) {
        if self.0.len() < NOTES_MAX {
            self.0.push(note.chars().take(NOTE_CHARS_MAX).collect());
        }
    }

    // Names are made when there is something to note: nearly never.

    fn text(&mut self, name: impl Fn() -> String, value: Value<'_>) -> Option<String> {
        let text = value.text().map(|text| text.trim().to_owned());
        let usable = text.filter(|text| text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control));
        if usable.is_none() {
            self.add(format!("{} is {}, too long or has control characters", name(), value.kind()));
        }
        usable
    }

    fn object<'a>(&mut self, name: &str, value: Value<'a>) -> Option<Fields<'a>> {
        let fields = value.fields();
        if fields.is_none() {
            self.add(format!("{name} is {}, not an object", value.kind()));
        }
        fields
    }

    fn decimal<T: FromStr<Err = crate::kernel::DecimalError>>(
        &mut self,
        name: impl Fn() -> String,
        value: Value<'_>,
    ) -> Option<T> {
        let Some(text) = value.text() else {
            self.add(format!("{} is {}", name(), value.kind()));
            return None;
        };
        match text.trim().parse() {
            Ok(number) => Some(number),
            Err(why) => {
                self.add(format!("{} {why}", name()));
                None
            }
        }
    }
}

/// The longest article or shop number that is taken, in bytes.
const TEXT_BYTES_MAX: usize = 255;
