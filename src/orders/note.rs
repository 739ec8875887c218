//! What a person should know about an order, in its stored form: kinds with
//! their parameters. Texts for people are made of them when they are shown.

use serde::{Deserialize, Serialize};

use crate::kernel::{DecimalError, HookId, LocalTime, Money, PartyName, Timestamp};

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum OrderNote {
    /// The order was cancelled, but it is delivered.
    CancelledButDelivered {
        cancelled_at: Timestamp,
    },
    /// The order was paid after it had been cancelled.
    PaidAfterCancellation,
    /// The payment names another composition than the order has: its prices
    /// were applied, its quantities were not.
    PaidOtherComposition,
    /// The delivery courier took the goods after the order had been cancelled.
    ShippedAfterCancellation,
    /// The order was cancelled after it had been shipped.
    CancelledAfterShipment,
    /// A change without a time of its own arrived again, after other changes.
    AmbiguousRepeat {
        hook: HookId,
    },
    /// The source dates its hooks after their arrival: its clock is ahead.
    ClockAhead {
        source: PartyName,
        sent_at: LocalTime,
        arrived_at: Timestamp,
    },
    /// The chat of the store's pickers does not take messages: the bot was
    /// removed from it, or may not write there.
    PickersUnreachable {
        store_id: String,
    },
    /// No payment is requested for the order.
    NoPayment {
        reason: NotCharged,
    },
    /// A text was cut in the middle of a character (a lone surrogate).
    TextCut {
        places: usize,
    },
    /// A time could not be read.
    TimeUnread {
        field: String,
    },
    /// The hook's own time could not be read, so the hook counts from its
    /// arrival.
    HookTimeUnread {
        field: String,
    },
    /// A field occurs more than once: the last one counts.
    FieldRepeated {
        field: String,
    },
    /// A field is not an object.
    NotAnObject {
        field: String,
        found: JsonType,
    },
    /// A field that should be a number is of another type.
    NotANumber {
        field: String,
        found: JsonType,
    },
    /// A text is too long, is not a text, or has control characters.
    TextUnusable {
        field: String,
        found: JsonType,
    },
    /// A number could not be read.
    NumberUnread {
        field: String,
        problem: DecimalError,
    },
    BelowZero {
        field: String,
    },
    /// No store is named.
    NoStore {
        field: String,
    },
    /// The order came without lines.
    NoLines,
    /// The field with the lines is not a list, so the previous lines are kept.
    LinesNotAList {
        field: String,
        found: JsonType,
    },
    /// The list of lines is empty.
    EmptyLines {
        field: String,
    },
    /// A line was left out because it is not an object.
    LineNotAnObject {
        field: String,
        found: JsonType,
    },
    /// A line was left out because it names no article.
    LineWithoutArticle {
        field: String,
    },
    /// The quantity of a line is missing or could not be read.
    QuantityUnread {
        field: String,
    },
}

impl OrderNote {
    /// A note about halves of characters in texts; `None` if there are none.
    #[must_use]
    pub fn of_cut(half_characters: usize) -> Option<OrderNote> {
        (half_characters > 0).then_some(OrderNote::TextCut { places: half_characters })
    }
}

/// The type of a JSON value.
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

/// Why no payment is requested for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum NotCharged {
    /// Some lines could not be read.
    UnreadLines,
    /// A quantity could not be read.
    UnreadQuantity { sku: String },
    /// A sum could not be read.
    UnreadSum,
    /// The order has no lines.
    NoLines,
    /// A quantity or a sum is below 0.
    Negative { sku: String },
    /// The total with discounts is 0: either there is nothing to pay, or no
    /// discounts are stated. Marketplaces use it for both.
    ZeroWithDiscounts { total: Money },
    /// A hook without lines stated another total than the one that came with
    /// the lines.
    OtherTotal { of_lines: Money, stated: Money },
    /// Neither the order nor the line states a sum.
    NoSum { sku: String },
    /// The total is stated, but nothing says how much of it this line costs.
    NoSumOrPrice { sku: String },
    /// The price of a line could not be read.
    UnreadLineSum { sku: String },
    /// A line is 0 with discounts: either it is free, or it has no discount.
    GiftOrUndiscounted { sku: String },
    /// The total is more than the sum of the lines, and nothing explains the
    /// difference.
    AboveLines { total: Money, of_lines: Money },
    /// There is a discount, and it is unclear whether the total includes the
    /// delivery.
    UnclearDelivery { total: Money, delivery: Money },
    /// The lines do not make a valid bill.
    Bill { detail: String },
    /// The payment system's receipt needs the buyer's e-mail.
    NoEmail,
    /// The payment system's receipt needs the buyer's e-mail or telephone.
    NoContact,
    /// The payment system accepts fewer lines.
    TooManyLines { lines: usize, lines_max: usize },
    /// The payment system's receipt accepts no line that costs nothing.
    FreeLine { sku: String },
}
