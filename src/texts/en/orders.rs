use crate::dedup::Reason;
use crate::kernel::{DecimalError, LocalTime, Money, Quantity};
use crate::orders::{Fact, JsonType, Late, OrderNote, Uncharged};
use crate::payments::PaymentFact;

use super::payments::{mismatch, payment_note, recorded};
use crate::texts::Signed;

pub fn order_note(note: &OrderNote) -> String {
    match note {
        OrderNote::CancelledButDelivered { cancelled_at } => {
            format!("it was cancelled at {cancelled_at} but is delivered")
        }
        OrderNote::PaidAfterCancellation => "it was paid after it had been cancelled".into(),
        OrderNote::PaidOtherComposition => {
            "the payment names another composition than the order has: prices were taken over, quantities not"
                .into()
        }
        OrderNote::ShippedAfterCancellation => "the courier took it after it had been cancelled".into(),
        OrderNote::CancelledAfterShipment => {
            "it was cancelled after it had been shipped: the goods are gone".into()
        }
        OrderNote::AmbiguousRepeat { hook } => format!(
            "the change {hook} was sent again without a time of its own after others had followed: a late copy, or the \
             order is back to it. Compare with the marketplace"
        ),
        OrderNote::ClockAhead { source, sent_at, arrived_at } => {
            clock_ahead(source.as_str(), *sent_at, &arrived_at.to_string())
        }
        OrderNote::NoPayment { reason } => format!("no payment was asked for: {}", uncharged(reason)),
        OrderNote::TextCut { places } => format!(
            "a text was cut in the middle of a character, in {places} places: U+FFFD stands there now"
        ),
        OrderNote::TimeUnread { field } => format!("{field} is no time that can be read"),
        OrderNote::HookTimeUnread { field } => {
            format!("{field} is no time that can be read: the hook counts from its arrival")
        }
        OrderNote::FieldRepeated { field } => format!("{field} occurs twice: the last counts"),
        OrderNote::NotAnObject { field, found } => format!("{field} is {}, not an object", json_type(*found)),
        OrderNote::NotANumber { field, found } => format!("{field} is {}, not a number", json_type(*found)),
        OrderNote::TextUnusable { field, found } => {
            format!("{field} is {}, too long or has control characters", json_type(*found))
        }
        OrderNote::NumberUnread { field, problem } => format!("{field} {}", decimal(*problem)),
        OrderNote::BelowZero { field } => format!("{field} is below 0"),
        OrderNote::NoStore { field } => {
            format!("{field} is missing: when it is shipped, its goods are taken off nobody's balance")
        }
        OrderNote::NoLines => "the order came without lines: nobody knows what to pick".into(),
        OrderNote::LinesNotAList { field, found } => {
            format!("{field} is {}, not a list: the lines stay as they were", json_type(*found))
        }
        OrderNote::EmptyLines { field } => format!("{field} is an empty list"),
        OrderNote::LineNotAnObject { field, found } => {
            format!("{field} is {}, not an object: the line is left out", json_type(*found))
        }
        OrderNote::LineWithoutArticle { field } => {
            format!("{field} is missing: the line is left out")
        }
        OrderNote::QuantityUnread { field } => {
            format!("{field} is missing or cannot be read: nobody knows how much to pick")
        }
    }
}

fn clock_ahead(source: &str, sent_at: LocalTime, arrived_at: &str) -> String {
    format!(
        "the clock of {source} is ahead: its hook of {sent_at} came at {arrived_at}. Such hooks count from their arrival; tell the sender"
    )
}

fn json_type(found: JsonType) -> &'static str {
    match found {
        JsonType::String => "a string",
        JsonType::Object => "an object",
        JsonType::List => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Null => "null",
        JsonType::Number => "a number",
    }
}

fn decimal(problem: DecimalError) -> String {
    problem.to_string()
}

pub fn uncharged(reason: &Uncharged) -> String {
    match reason {
        Uncharged::UnreadLines => "some of the order's lines cannot be read".into(),
        Uncharged::UnreadQuantity { sku } => format!("the quantity of article {sku} cannot be read"),
        Uncharged::UnreadSum => "a sum of the order cannot be read".into(),
        Uncharged::NoLines => "the order has no lines to pay for".into(),
        Uncharged::Negative { sku } => format!("article {sku} has a quantity or a sum below 0"),
        Uncharged::ZeroWithDiscounts { total } => {
            format!("the total with discounts is 0.00, without them it is {total}")
        }
        Uncharged::OtherTotal { of_lines, stated } => {
            format!("the lines come with a total of {of_lines}, and a later hook states {stated}")
        }
        Uncharged::NoSum { sku } => format!("the order states no total, and article {sku} states no sum"),
        Uncharged::NoSumOrPrice { sku } => format!("article {sku} states neither a sum nor a price"),
        Uncharged::UnreadLineSum { sku } => format!("what article {sku} costs cannot be read"),
        Uncharged::GiftOrUndiscounted { sku } => format!(
            "article {sku} comes to 0.00 with discounts and to more without: whether it is free or has no discount does not show"
        ),
        Uncharged::AboveLines { total, of_lines } => format!(
            "the total of {total} is more than the lines come to, {of_lines}, and no delivery cost explains it"
        ),
        Uncharged::UnclearDelivery { total, delivery } => {
            format!("whether the total of {total} includes the delivery for {delivery} is not clear")
        }
        Uncharged::Bill { detail } => detail.clone(),
        Uncharged::NoEmail => "customer: the payment system's receipt needs an email".into(),
        Uncharged::NoContact => "customer: the payment system's receipt needs an email or a phone".into(),
        Uncharged::TooManyLines { lines, lines_max } => {
            format!("items: {lines} lines, and the payment system takes at most {lines_max}")
        }
        Uncharged::FreeLine { sku } => {
            format!("items: sku {sku} costs 0.00, and the payment system's receipt takes no such line")
        }
    }
}

fn late(late: &Late) -> String {
    match late {
        Late::Closed { by, at } => format!("the order was closed by {by} at {at}"),
        Late::Delivered { at } => format!("the order was delivered at {at}"),
        Late::Full { events_max, lines_max } => {
            format!("the order is full: it may have {events_max} hooks with {lines_max} lines together")
        }
    }
}

pub fn reason(reason: &Reason) -> String {
    match reason {
        Reason::CameBefore { received_at, verdict } => format!("it came at {received_at} and was {verdict}"),
        Reason::SaidBefore => "an earlier hook has said the same".into(),
        Reason::Outdated => "newer hooks speak of all that it says".into(),
        Reason::Late { late: why } => late(why),
        Reason::NotCreated => "its order has not been created yet".into(),
        Reason::WasParked => "it was parked until the order was created".into(),
        Reason::DatedAhead { ahead_seconds_max } => format!(
            "it is dated more than {} minutes after its arrival, and counts from that",
            ahead_seconds_max / 60
        ),
        Reason::UnknownEvent { event_type } => {
            format!("hooks of the kind {event_type} have no part in an order")
        }
        Reason::Unusable { detail } => detail.clone(),
        Reason::TestEvent => "the merchant tries whether events arrive".into(),
        Reason::NotOurs => "it is about nothing of ours".into(),
        Reason::NoPayment { number } => format!("there is no payment {number:?}"),
        Reason::KnownPaid { payment } => format!("payment {payment} is known to be paid"),
        Reason::UnwantedMoney { payment, reason } => payment_note(
            Some(*payment),
            &crate::payments::PaymentNote::UnwantedMoney { reason: reason.clone() },
        ),
        Reason::Payment { payment, note } => payment_note(*payment, note),
        Reason::Mismatch { mismatch: why } => mismatch(why),
        Reason::Recorded { what } => recorded(what),
        Reason::LookedAtAlready => "it says nothing that is not looked at already".into(),
        Reason::ClockAhead { source, sent_at, arrived_at } => {
            clock_ahead(source.as_str(), *sent_at, &arrived_at.to_string())
        }
        Reason::NoTimeZone { source } => format!(
            "the times of {source} name no offset, so they only order its own hooks: set time_zone in [sources.{source}]"
        ),
        Reason::NobodyListens { url } => {
            format!(
                "its site answered 410 at {url}: nothing more is sent there until a test is taken, or something is delivered again by hand"
            )
        }
    }
}

fn sum(money: Option<Money>) -> String {
    money.map_or_else(|| "unknown".to_owned(), |money| money.to_string())
}

pub fn fact(fact: &Fact) -> String {
    match fact {
        Fact::Created { positions, total } => {
            format!("created with {positions} positions, total {}", sum(*total))
        }
        Fact::Revised { revision } => format!("revision {revision}"),
        Fact::PositionChanged { sku, from, to, replaced_by } => {
            let to =
                to.map_or_else(|| "a quantity that cannot be read".to_owned(), |to: Quantity| to.to_string());
            let by = replaced_by.as_ref().map_or_else(String::new, |by| format!(", replaced by {by}"));
            format!("{sku}: {from} → {to}{by}")
        }
        Fact::WindowChanged { from, to } => {
            let end = |time: &Option<LocalTime>| time.map_or_else(|| "…".to_owned(), |time| time.to_string());
            format!("wanted {} – {}", end(from), end(to))
        }
        Fact::StoreChanged { store_id } => format!("moved to store {store_id}"),
        Fact::TotalChanged { from, to } => format!("total {} → {}", sum(*from), sum(*to)),
        Fact::DiscountTotalChanged { from, to } => {
            format!("total with discounts {} → {}", sum(*from), sum(*to))
        }
        Fact::DetailsChanged => "customer, address, comment or other details changed".into(),
        Fact::StateChanged { from, to } => format!("{from} → {to}"),
        Fact::StockMoved { lines } => lines.iter().fold("stock:".to_owned(), |text, line| {
            format!("{text} {}/{} {}", line.store_id, line.sku, Signed(line.quantity))
        }),
        Fact::Unparked { kind } => format!("a parked {kind} hook was taken in"),
        Fact::Announced { message } => format!("pickers told by message {message}"),
        Fact::NobodyToTell { store_id } => {
            format!("no chat is configured for store {store_id:?}: nobody was told")
        }
        Fact::Attention { note } => format!("attention: {}", order_note(note)),
    }
}

pub fn payment_fact(fact: &PaymentFact) -> String {
    match fact {
        PaymentFact::PaymentPlanned { payment, amount } => {
            format!("payment {payment} of {amount} will be asked for")
        }
        PaymentFact::MoneyCame { payment, amount } => format!("{amount} came by payment {payment}"),
        PaymentFact::PaymentAttention { attention } => {
            format!("attention: {}", payment_note(attention.payment, &attention.note))
        }
    }
}
