//! Invariants that hold for every order, tested exhaustively.

mod books;
mod charge;
mod convergence;
#[cfg(feature = "shop")]
mod ledger;
#[cfg(feature = "shop")]
mod one_end;
mod outcomes;
mod payment_worker;
#[cfg(feature = "shop")]
mod shared_shelf;
#[cfg(feature = "shop")]
mod shelf;
mod updates;

use tillgate::kernel::{ExternalId, Fingerprint, HookId, Money, PartyName, Quantity, Timestamp};
use tillgate::orders::Number;
use tillgate::orders::{Event, EventKind, Incoming, Patch, Position};
use tillgate::payments::{ContactNeed, Terms};

/// What the payment systems of these tests require of a bill: nothing. Each
/// payment is created at once.
pub const TERMS: Terms = Terms {
    contact: ContactNeed::Nothing,
    lines_max: 500,
    free_lines: true,
    on_demand: false,
    notifies_of_refunds: true,
    methods: &[],
};

pub fn external_id() -> ExternalId {
    ExternalId::parse("H1").expect("usable")
}

pub fn number() -> Number {
    Number::derive(&PartyName::new("sm"), &external_id(), 0)
}

/// A hook for these tests. `name` distinguishes it from others of its kind,
/// `minute` is its own time.
pub fn event(kind: EventKind, name: &str, minute: Option<i64>, patch: Patch) -> Event {
    let fingerprint = Fingerprint::of(&[kind.as_str().as_bytes(), name.as_bytes()]);
    Event {
        kind,
        at: minute.map(minute_at),
        wall: None,
        is_ahead: false,
        arrived: Timestamp::UNIX_EPOCH,
        fingerprint,
        hook: HookId { partition: number().partition(), fingerprint },
        patch,
        reason: None,
        notes: Vec::new(),
    }
}

pub fn minute_at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).expect("a time")
}

pub fn incoming(event: Event) -> Incoming {
    Incoming { number: number(), source: PartyName::new("sm"), external_id: external_id(), event }
}

/// Content of one article, `quantity` pieces at `kopecks` each.
pub fn content(quantity: i64, kopecks: i64) -> Patch {
    Patch {
        store_id: Some("17".into()),
        positions: Some(
            vec![Position {
                sku: "milk".into(),
                name: None,
                quantity: Some(Quantity::from_thousandths(quantity * 1000)),
                original_quantity: None,
                price: Some(Money::from_kopecks(kopecks)),
                discount_price: None,
                total: Some(Money::from_kopecks(kopecks * quantity)),
                discount_total: None,
                has_unread_sum: false,
                replaced_by: None,
                weight_grams: None,
            }]
            .into(),
        ),
        total: Some(Money::from_kopecks(kopecks * quantity)),
        ..Patch::default()
    }
}

/// The order as the admin API shows it.
fn shown(order: &tillgate::orders::Order) -> Option<tillgate::views::OrderDocument> {
    let frame = tillgate::views::Frame {
        public_url: "http://localhost",
        now: tillgate::kernel::Timestamp::UNIX_EPOCH,
        language: tillgate::texts::Language::En,
    };
    tillgate::views::order_document(frame, order, None)
}
