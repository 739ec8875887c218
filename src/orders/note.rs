//! What a person should know of an order, as it is stored: kinds with their parameters. What people read is made of them
//! when they are shown.

use serde::{Deserialize, Serialize};

use crate::kernel::{DecimalError, HookId, LocalTime, Money, PartyName, Timestamp};

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum OrderNote {
    /// It was cancelled, and it is delivered.
    CancelledButDelivered { cancelled_at: Timestamp },
    /// It was paid after it had been cancelled.
    PaidAfterCancellation,
    /// Its payment names another composition: prices were taken over, quantities not.
    PaidOtherComposition,
    /// The courier took it after it had been cancelled.
    ShippedAfterCancellation,
    /// It was cancelled after it had been shipped.
    CancelledAfterShipment,
    /// A change without a time of its own came again after others.
    AmbiguousRepeat { hook: HookId },
    /// Its source dates hooks after their arrival.
    ClockAhead { source: PartyName, sent_at: LocalTime, arrived_at: Timestamp },
    /// Nobody is asked to pay it.
    NoPayment { reason: Uncharged },
    /// A text was cut in the middle of a character.
    TextCut { places: usize },
    /// A time cannot be read.
    TimeUnread { field: String },
    /// The hook's own time cannot be read: it counts from its arrival.
    HookTimeUnread { field: String },
    /// A field occurs twice: the last counts.
    FieldRepeated { field: String },
    /// A field is no object.
    NotAnObject { field: String, found: JsonType },
    /// A field that should be a number is of another type.
    NotANumber { field: String, found: JsonType },
    /// A text is too long, is no text, or has control characters.
    TextUnusable { field: String, found: JsonType },
    /// A number cannot be read.
    NumberUnread { field: String, problem: DecimalError },
    /// A number is below 0.
    BelowZero { field: String },
    /// No shop is named.
    NoStore { field: String },
    /// It came without lines.
    NoLines,
    /// Its lines are no list: they stay as they were.
    LinesNotAList { field: String, found: JsonType },
    /// Its list of lines is empty.
    EmptyLines { field: String },
    /// A line is left out because it is no object.
    LineNotAnObject { field: String, found: JsonType },
    /// A line is left out because it names no article.
    LineWithoutArticle { field: String },
    /// The quantity of a line is missing or cannot be read.
    QuantityUnread { field: String },
}

impl OrderNote {
    /// What there is to say of halves of characters; none where there are none.
    #[must_use]
    pub fn of_cut(half_characters: usize) -> Option<OrderNote> {
        (half_characters > 0).then_some(OrderNote::TextCut { places: half_characters })
    }
}

/// What a value in JSON is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JsonType {
    String,
    Object,
    List,
    Boolean,
    Null,
    Number,
}

/// Why nobody is asked to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Uncharged {
    /// Lines are missing.
    UnreadLines,
    /// A quantity is missing.
    UnreadQuantity { sku: String },
    /// A sum is missing.
    UnreadSum,
    /// There is nothing in it.
    NoLines,
    /// Less than nothing is sold.
    Negative { sku: String },
    /// Nothing to pay, or no word about discounts: marketplaces mean both by it.
    ZeroWithDiscounts { total: Money },
    /// A hook without lines has stated another sum than comes of the lines.
    OtherTotal { of_lines: Money, stated: Money },
    /// Nobody says what it costs.
    NoSum { sku: String },
    /// The total is there, and nothing says how much of it is for this line.
    NoSumOrPrice { sku: String },
    /// What a line costs is missing.
    UnreadLineSum { sku: String },
    /// A line that is free or has no discount.
    GiftOrUndiscounted { sku: String },
    /// More than the goods cost, and nobody says what for.
    AboveLines { total: Money, of_lines: Money },
    /// A discount, with a delivery of which nobody knows whether it is in the total.
    UnclearDelivery { total: Money, delivery: Money },
    /// The lines make no bill.
    Bill { detail: String },
    /// The payment system's receipt needs the buyer's e-mail.
    NoEmail,
    /// The payment system's receipt needs the buyer's e-mail or telephone.
    NoContact,
    /// The payment system takes fewer lines.
    TooManyLines { lines: usize, lines_max: usize },
    /// The payment system's receipt takes no line that costs nothing.
    FreeLine { sku: String },
}
