//! Conversion of the sender's hooks to our types.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use crate::kernel::text::{clean, free_text};
use crate::kernel::{ExternalId, Quantity, contact};
use crate::orders::{
    Contact, EventKind, OrderNote, Patch, Position, Positions, Report, Unread, Window,
};
use crate::webhooks::tolerant::{Document, Fields, Notes, Value};
use crate::webhooks::{Identity, Readable, Reading, Rejection, RejectionKind};

/// The fields of the envelope.
mod envelope {
    /// The kind of hook.
    pub const EVENT_TYPE: &str = "event_type";
    /// The time of the event.
    pub const TIMESTAMP: &str = "timestamp";
    /// The order.
    pub const PAYLOAD: &str = "payload";
}

/// The fields of the payload that are understood. All others count as details.
mod payload {
    /// The marketplace's order number.
    pub const ORIGINAL_ORDER_ID: &str = "originalOrderId";
    /// The store, in the partner's numbering.
    pub const STORE_ID: &str = "storeID";
    /// An older spelling of `storeID`.
    pub const STORE_ID_OLD: &str = "store_id";
    /// The lines of the order.
    pub const POSITIONS: &str = "positions";
    /// An object with the sums.
    pub const TOTAL: &str = "total";
    /// An object with the time window of the delivery.
    pub const DELIVERY: &str = "delivery";
    /// The cost of the delivery, if it is not one of the lines.
    pub const DELIVERY_COST: &str = "deliveryCost";
    /// The buyer. Only the contacts are parsed, for the bill. The whole object
    /// also counts as details.
    pub const CUSTOMER: &str = "customer";
    /// An object with the reason of a cancellation.
    pub const CANCELLATION: &str = "cancellation";
    /// The reason of a cancellation as a plain string.
    pub const CANCELLATION_REASON: &str = "cancellationReason";
}

/// The kinds that concern us. Both British and American spellings are in use,
/// in upper and lower case, with a dot, a hyphen or an underscore between
/// words.
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

/// The maximum length of a stored `event_type`, in characters.
const EVENT_TYPE_CHARS_MAX: usize = 64;

/// A hook that was split into its fields.
pub struct Read<'a> {
    document: Document<'a>,
    kind: Option<EventKind>,
    half_characters: usize,
    zone: Option<&'a TimeZone>,
}

/// Parses the envelope. Times without an offset are in `zone`.
pub fn identify<'a>(
    hook: &'a Readable<'_>,
    zone: Option<&'a TimeZone>,
) -> Result<(Identity, Read<'a>), Rejection> {
    let malformed =
        |detail: String| Rejection { why: RejectionKind::Malformed, detail, event_type: None };
    let document = Document::of(hook)?;
    let envelope = document.fields();
    if let Some(name) = envelope
        .repeated()
        .into_iter()
        .find(|name| [envelope::EVENT_TYPE, envelope::PAYLOAD].contains(&&**name))
    {
        return Err(malformed(format!(
            "{name} occurs more than once, so it is unclear which one counts"
        )));
    }
    let event_type = envelope.get(envelope::EVENT_TYPE).and_then(Value::text);
    let Some(event_type) = event_type.filter(|event_type| !event_type.trim().is_empty()) else {
        return Err(malformed("event_type is missing or is not a string".into()));
    };
    let event_type: String = clean(event_type.trim()).chars().take(EVENT_TYPE_CHARS_MAX).collect();

    let kind = kind_of(&event_type);
    let fields = envelope.get(envelope::PAYLOAD).and_then(Value::fields);
    let order_id = fields.and_then(|payload| payload.get(payload::ORIGINAL_ORDER_ID));
    let is_doubled = fields.is_some_and(|payload| {
        payload.repeated().iter().any(|name| name == payload::ORIGINAL_ORDER_ID)
    });
    let external_id = order_id
        .filter(|_| !is_doubled)
        .and_then(Value::text)
        .and_then(|text| ExternalId::parse(&text));
    if kind.is_some() && external_id.is_none() {
        let detail = if is_doubled {
            "payload.originalOrderId occurs more than once"
        } else {
            "payload.originalOrderId is missing, empty or unusable"
        };
        let (why, detail) = (RejectionKind::NoOrderNumber, detail.into());
        return Err(Rejection { why, detail, event_type: Some(event_type) });
    }
    let half_characters = hook.half_characters();
    Ok((Identity { event_type, kind, external_id }, Read { document, kind, half_characters, zone }))
}

impl Reading for Read<'_> {
    fn report(&self) -> Report {
        interpret(self)
    }
}

fn interpret(&Read { ref document, kind, half_characters, zone }: &Read<'_>) -> Report {
    let envelope = document.fields();
    let mut notes = Notes::default();
    OrderNote::of_cut(half_characters).into_iter().for_each(|note| notes.add(note));
    let at = envelope.get(envelope::TIMESTAMP).and_then(|value| {
        let time = value.time(zone);
        if time.is_none() {
            notes.add(OrderNote::HookTimeUnread { field: envelope::TIMESTAMP.into() });
        }
        time
    });
    let Some(fields) = envelope.get(envelope::PAYLOAD).and_then(Value::fields) else {
        return Report { at, notes: notes.into_vec(), ..Report::default() };
    };
    notes.repeated("payload", fields);
    let store_id = fields.get(payload::STORE_ID).or_else(|| fields.get(payload::STORE_ID_OLD));
    if store_id.is_none() && kind == Some(EventKind::Created) {
        notes.add(OrderNote::NoStore { field: payload::STORE_ID.into() });
    }
    let total = fields.get(payload::TOTAL);
    let sums = total.and_then(|value| notes.object("total", value));
    let mut has_unread_sum = total.is_some() && sums.is_none();
    let of_total = |name: &str| sums.and_then(|sums| sums.get(name));
    let mut sum = |name: &str, value: Option<Value<'_>>| {
        notes.sum(|| name.to_owned(), value, &mut has_unread_sum)
    };
    let total = sum("total.totalPrice", of_total("totalPrice"));
    let discount_total = sum("total.discountTotalPrice", of_total("discountTotalPrice"));
    let delivery_cost = sum("deliveryCost", fields.get(payload::DELIVERY_COST));
    let (positions, unread) = match fields.get(payload::POSITIONS) {
        Some(value) => notes.lines(payload::POSITIONS, value, position),
        None => (None, Unread::Nothing),
    };
    if positions.is_none() && kind == Some(EventKind::Created) {
        notes.add(OrderNote::NoLines);
    }
    let patch = Patch {
        store_id: store_id.and_then(|value| notes.text(|| "storeID".into(), value)),
        positions: positions.map(Positions::from),
        unread,
        total,
        discount_total,
        delivery_cost,
        has_unread_sum,
        window: fields.get(payload::DELIVERY).and_then(|value| window(value, zone, &mut notes)),
        details: fields.fingerprint_without(&UNDERSTOOD),
        overtaken: None,
    };
    Report {
        at,
        patch,
        reason: reason(fields),
        contact: contact_in(fields),
        notes: notes.into_vec(),
    }
}

/// The buyer's contacts. An invalid address is left out; the bill then reports
/// that a contact is missing.
fn contact_in(fields: Fields<'_>) -> Contact {
    let customer = fields.get(payload::CUSTOMER).and_then(Value::fields);
    let field = |name: &str| customer.and_then(|customer| customer.get(name)).and_then(Value::text);
    Contact {
        email: field("email").and_then(|text| contact::email(&text)),
        phone: field("phone").and_then(|text| contact::phone(&text)),
    }
}

fn position(
    notes: &mut Notes,
    name: &dyn Fn(&str) -> String,
    fields: Fields<'_>,
) -> Option<Position> {
    let sku = fields.get("id").and_then(|value| notes.text(|| name("id"), value));
    let Some(sku) = sku.filter(|sku| !sku.is_empty()) else {
        notes.add(OrderNote::LineWithoutArticle { field: name("id") });
        return None;
    };
    let mut has_unread_sum = false;
    let mut money = |field: &str| notes.sum(|| name(field), fields.get(field), &mut has_unread_sum);
    let price = money("price");
    let discount_price = money("discountPrice");
    let total = money("totalPrice");
    let discount_total = money("totalDiscountPrice");
    let mut amount = |field: &str| notes.quantity(|| name(field), fields.get(field));
    let weight_grams = amount("weight");
    let original_quantity = amount("originalQuantity");
    let quantity = amount("quantity");
    match quantity {
        Some(quantity) if quantity < Quantity::ZERO => {
            notes.add(OrderNote::BelowZero { field: name("quantity") });
        }
        Some(_) => {}
        None => notes.add(OrderNote::QuantityUnread { field: name("quantity") }),
    }
    let replaced_by =
        fields.get("replacedByID").and_then(|value| notes.text(|| name("replacedByID"), value));
    // Some senders write "none" as 0.
    let replaced_by = replaced_by.filter(|by| !matches!(by.trim(), "" | "0"));
    let optional =
        |field: &str| fields.get(field).and_then(Value::text).map(|text| text.trim().to_owned());
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
    let mut end = |field: &str| notes.time(|| format!("delivery.{field}"), fields.get(field), zone);
    let window = Window { from: end("expectedFrom"), to: end("expectedTo") };
    (window != Window::default()).then_some(window)
}

fn reason(fields: Fields<'_>) -> Option<String> {
    let object = fields.get(payload::CANCELLATION).and_then(Value::fields);
    let slug = object.and_then(|cancellation| cancellation.get("slug")).and_then(Value::text);
    let flat = || fields.get(payload::CANCELLATION_REASON).and_then(Value::text);
    // Only the marketplace's own code words are kept. Free text can have
    // personal data, so it stays in the raw hook.
    let is_a_word = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        !text.is_empty() && text.len() <= REASON_BYTES_MAX && text.bytes().all(plain)
    };
    slug.or_else(flat).filter(|text| is_a_word(text)).map(Cow::into_owned)
}

/// The maximum length of a cancellation reason that an order keeps, in bytes.
const REASON_BYTES_MAX: usize = 64;

/// The fields of the payload that are parsed one by one. All others are
/// details.
const UNDERSTOOD: [&str; 9] = [
    payload::ORIGINAL_ORDER_ID,
    payload::STORE_ID,
    payload::STORE_ID_OLD,
    payload::POSITIONS,
    payload::TOTAL,
    payload::DELIVERY,
    payload::DELIVERY_COST,
    payload::CANCELLATION,
    payload::CANCELLATION_REASON,
];
