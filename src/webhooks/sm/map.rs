//! From the sender's documents to our words.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::wire::{Fields, Value, envelope, payload};
use crate::kernel::text::{clean, free_text, shown_in_line};
use crate::kernel::{DecimalError, ExternalId, Fingerprint, Money, Quantity};
use crate::kernel::{card, contact};
use crate::orders::{Contact, EventKind, OrderNote, Patch, Position, Report, Unread, Window};
use crate::webhooks::{Identity, Readable, Reading, Rejection, RejectionKind};

/// The kinds that concern us. Both spellings of a word are in use, in any case, and with any of three signs between words.
fn kind_of(event_type: &str) -> Option<EventKind> {
    match event_type.to_ascii_lowercase().replace(['-', '_'], ".").as_str() {
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
    half_characters: usize,
    zone: Option<&'a TimeZone>,
}

/// Reads the envelope. Times without an offset are in `zone`.
pub fn identify<'a>(
    hook: &'a Readable<'_>,
    zone: Option<&'a TimeZone>,
) -> Result<(Identity, Read<'a>), Rejection> {
    let malformed = |detail: String| Rejection { why: RejectionKind::Malformed, detail, event_type: None };
    let text = std::str::from_utf8(hook.text())
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
    let event_type: String = clean(event_type.trim()).chars().take(EVENT_TYPE_CHARS_MAX).collect();

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
    let half_characters = hook.half_characters();
    Ok((
        Identity { event_type, kind, external_id },
        Read { envelope, payload: fields, kind, half_characters, zone },
    ))
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
        interpret(self)
    }
}

fn interpret(&Read { ref envelope, ref payload, kind, half_characters, zone }: &Read<'_>) -> Report {
    let mut notes = Notes::default();
    OrderNote::of_cut(half_characters).into_iter().for_each(|note| notes.add(note));
    let at = envelope.get(envelope::TIMESTAMP).and_then(|value| {
        let time = value.time(zone);
        if time.is_none() {
            notes.add(OrderNote::TimestampUnread);
        }
        time
    });
    let Some(fields) = payload else {
        return Report { at, notes: notes.0, ..Report::default() };
    };
    for name in fields.repeated() {
        notes.add(OrderNote::FieldRepeated { field: shown(&format!("payload.{name}")) });
    }
    let store_id = fields.get(payload::STORE_ID).or_else(|| fields.get(payload::STORE_ID_OLD));
    if store_id.is_none() && kind == Some(EventKind::Created) {
        notes.add(OrderNote::NoStore);
    }
    let total = fields.get(payload::TOTAL);
    let sums = total.and_then(|value| notes.object("total", value));
    let mut has_unread_sum = total.is_some() && sums.is_none();
    let mut sum = |name: &str, value: Option<Value<'_>>| {
        let value = value.filter(|value| !value.is_blank())?;
        let sum = notes.decimal(|| name.to_owned(), value, Money::from_peer);
        has_unread_sum |= sum.is_none();
        sum
    };
    let of_total = |name: &str| sums.as_ref().and_then(|sums| sums.get(name));
    let total = sum("total.totalPrice", of_total("totalPrice"));
    let discount_total = sum("total.discountTotalPrice", of_total("discountTotalPrice"));
    let delivery_cost = sum("deliveryCost", fields.get(payload::DELIVERY_COST));
    let (positions, unread) = match fields.get(payload::POSITIONS) {
        Some(value) => positions(value, &mut notes),
        None => (None, Unread::Nothing),
    };
    if positions.is_none() && kind == Some(EventKind::Created) {
        notes.add(OrderNote::NoLines);
    }
    let patch = Patch {
        store_id: store_id.and_then(|value| notes.text(|| "storeID".into(), value)),
        positions,
        unread,
        total,
        discount_total,
        delivery_cost,
        has_unread_sum,
        window: fields.get(payload::DELIVERY).and_then(|value| window(value, zone, &mut notes)),
        details: details(fields),
        overtaken: None,
    };
    Report { at, patch, reason: reason(fields), contact: contact_in(fields), notes: notes.0 }
}

/// How the buyer is reached. What cannot be an address is none: the bill says that it has none.
fn contact_in(fields: &Fields<'_>) -> Contact {
    let customer = fields.get(payload::CUSTOMER).and_then(Value::fields);
    let field = |name: &str| customer.as_ref().and_then(|customer| customer.get(name)).and_then(Value::text);
    Contact {
        email: field("email").and_then(|text| contact::email(&text)),
        phone: field("phone").and_then(|text| contact::phone(&text)),
    }
}

fn positions(value: Value<'_>, notes: &mut Notes) -> (Option<Vec<Position>>, Unread) {
    let Some(items) = value.items() else {
        notes.add(OrderNote::LinesNotAList { found: value.kind() });
        return (None, Unread::All);
    };
    if items.is_empty() {
        notes.add(OrderNote::EmptyLines);
    }
    let count = items.len();
    let read: Vec<Position> =
        items.into_iter().enumerate().filter_map(|(place, item)| position(place, item, notes)).collect();
    let unread = match u32::try_from(count - read.len()) {
        Ok(0) => Unread::Nothing,
        Ok(lines) => Unread::Lines(lines),
        Err(_) => Unread::All,
    };
    (Some(read), unread)
}

fn position(place: usize, item: Value<'_>, notes: &mut Notes) -> Option<Position> {
    let name = |field: &str| format!("positions[{place}].{field}");
    let Some(fields) = item.fields() else {
        notes.add(OrderNote::LineNotAnObject { line: place, found: item.kind() });
        return None;
    };
    let sku = fields.get("id").and_then(|value| notes.text(|| name("id"), value));
    let Some(sku) = sku.filter(|sku| !sku.is_empty()) else {
        notes.add(OrderNote::LineWithoutArticle { line: place });
        return None;
    };
    let mut has_unread_sum = false;
    let mut money = |field: &str| {
        let value = fields.get(field).filter(|value| !value.is_blank())?;
        let sum = notes.decimal(|| name(field), value, Money::from_peer);
        has_unread_sum |= sum.is_none();
        sum
    };
    let price = money("price");
    let discount_price = money("discountPrice");
    let total = money("totalPrice");
    let discount_total = money("totalDiscountPrice");
    let mut amount = |field: &str| {
        // An empty weight is how the sender writes "none".
        let value = fields.get(field).filter(|value| !value.is_blank())?;
        notes.decimal(|| name(field), value, Quantity::from_peer)
    };
    let weight_grams = amount("weight");
    let original_quantity = amount("originalQuantity");
    let quantity = amount("quantity");
    match quantity {
        Some(quantity) if quantity < Quantity::ZERO => {
            notes.add(OrderNote::BelowZero { field: name("quantity") });
        }
        Some(_) => {}
        None => notes.add(OrderNote::QuantityUnread { line: place }),
    }
    let replaced_by = fields.get("replacedByID").and_then(|value| notes.text(|| name("replacedByID"), value));
    // Some senders write "none" as a number.
    let replaced_by = replaced_by.filter(|by| !matches!(by.trim(), "" | "0"));
    let optional = |field: &str| fields.get(field).and_then(Value::text).map(|text| text.trim().to_owned());
    Some(Position {
        sku,
        name: optional("name").map(|name| free_text(&name)).filter(|name| !name.is_empty()),
        quantity,
        original_quantity,
        price,
        discount_price,
        total,
        discount_total,
        has_unread_sum,
        replaced_by,
        weight_grams,
    })
}

fn window(value: Value<'_>, zone: Option<&TimeZone>, notes: &mut Notes) -> Option<Window> {
    let fields = notes.object("delivery", value)?;
    let mut end = |field: &str| {
        let value = fields.get(field).filter(|value| !value.is_blank())?;
        let time = value.time(zone);
        if time.is_none() {
            notes.add(OrderNote::TimeUnread { field: format!("delivery.{field}") });
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
        payload::DELIVERY_COST,
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

/// The longest name of a field that is the sender's choice, in characters.
const NAME_CHARS_MAX: usize = 180;

/// A name of the sender's choice as it may be shown and stored.
fn shown(name: &str) -> String {
    card::mask(&shown_in_line(name)).chars().take(NAME_CHARS_MAX).collect()
}

/// What was not understood.
#[derive(Default)]
struct Notes(Vec<OrderNote>);

impl Notes {
    fn add(&mut self, note: OrderNote) {
        if self.0.len() < NOTES_MAX {
            self.0.push(note);
        }
    }

    // Names are made when there is something to note: nearly never.

    fn text(&mut self, name: impl Fn() -> String, value: Value<'_>) -> Option<String> {
        let text = value.text().map(|text| text.trim().to_owned());
        let usable = text.filter(|text| text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control));
        let usable = usable.map(|text| clean(&text).into_owned());
        if usable.is_none() {
            self.add(OrderNote::TextUnusable { field: name(), found: value.kind() });
        }
        usable
    }

    fn object<'a>(&mut self, name: &str, value: Value<'a>) -> Option<Fields<'a>> {
        let fields = value.fields();
        if fields.is_none() {
            self.add(OrderNote::NotAnObject { field: name.to_owned(), found: value.kind() });
        }
        fields
    }

    fn decimal<T>(
        &mut self,
        name: impl Fn() -> String,
        value: Value<'_>,
        read: fn(&str) -> Result<T, DecimalError>,
    ) -> Option<T> {
        let Some(text) = value.text() else {
            self.add(OrderNote::NotANumber { field: name(), found: value.kind() });
            return None;
        };
        match read(text.trim()) {
            Ok(number) => Some(number),
            Err(problem) => {
                self.add(OrderNote::NumberUnread { field: name(), problem });
                None
            }
        }
    }
}

/// The longest article or shop number that is taken, in bytes.
const TEXT_BYTES_MAX: usize = 255;
