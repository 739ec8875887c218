use crate::dedup::Reason;
use crate::kernel::{DecimalError, LocalTime, Money, Quantity};
use crate::orders::{Fact, JsonType, Late, NotCharged, OrderNote};
use crate::payments::PaymentFact;

use super::payments::{mismatch, payment_note, recorded};
use crate::texts::Signed;

pub fn order_note(note: &OrderNote) -> String {
    match note {
        OrderNote::CancelledButDelivered { cancelled_at } => {
            format!("it was cancelled at {cancelled_at} but was delivered")
        }
        OrderNote::PaidAfterCancellation => "it was paid after it had been cancelled".into(),
        OrderNote::PaidOtherComposition => {
            "the payment lists other lines than the order: its prices were used, its quantities \
             were not"
                .into()
        }
        OrderNote::ShippedAfterCancellation => "the courier collected it after it had been \
                                                cancelled"
            .into(),
        OrderNote::CancelledAfterShipment => {
            "it was cancelled after it had been shipped: the goods are gone".into()
        }
        OrderNote::AmbiguousRepeat { hook } => format!(
            "the change {hook} was sent again without a time of its own, after other changes: it \
             is a late duplicate, or the order has returned to it. Compare with the marketplace"
        ),
        OrderNote::ClockAhead { source, sent_at, arrived_at } => {
            clock_ahead(source.as_str(), *sent_at, &arrived_at.to_string())
        }
        OrderNote::PickersUnreachable { store_id } => format!(
            "the pickers of store {store_id} get no messages: the bot was removed from their \
                chat, or may not write there. Add it again, or change [notify.telegram.chats]; \
                then: tillgate outbox retry --all --lane telegram"
        ),
        OrderNote::NoPayment { reason } => {
            format!("no payment was requested: {}", uncharged(reason))
        }
        OrderNote::TextCut { places } => format!(
            "a text was cut in the middle of a character, in {places} places: it was replaced by \
             U+FFFD"
        ),
        OrderNote::TimeUnread { field } => format!("{field} is not a readable time"),
        OrderNote::HookTimeUnread { field } => {
            format!("{field} is not a readable time: the hook is dated by its arrival")
        }
        OrderNote::FieldRepeated { field } => format!("{field} occurs twice: the last one is used"),
        OrderNote::NotAnObject { field, found } => {
            format!("{field} is {}, not an object", json_type(*found))
        }
        OrderNote::NotANumber { field, found } => {
            format!("{field} is {}, not a number", json_type(*found))
        }
        OrderNote::TextUnusable { field, found } => {
            format!("{field} is {}, too long or has control characters", json_type(*found))
        }
        OrderNote::NumberUnread { field, problem } => format!("{field} {}", decimal(*problem)),
        OrderNote::BelowZero { field } => format!("{field} is below 0"),
        OrderNote::NoStore { field } => {
            format!("{field} is missing: no stock level will be reduced when the order is shipped")
        }
        OrderNote::NoLines => "the order arrived without lines: what to pick is unknown".into(),
        OrderNote::LinesNotAList { field, found } => {
            format!("{field} is {}, not a list: the lines are unchanged", json_type(*found))
        }
        OrderNote::EmptyLines { field } => format!("{field} is an empty list"),
        OrderNote::LineNotAnObject { field, found } => {
            format!("{field} is {}, not an object: the line is left out", json_type(*found))
        }
        OrderNote::LineWithoutArticle { field } => {
            format!("{field} is missing: the line is left out")
        }
        OrderNote::QuantityUnread { field } => {
            format!("{field} is missing or cannot be read: how much to pick is unknown")
        }
    }
}

fn clock_ahead(source: &str, sent_at: LocalTime, arrived_at: &str) -> String {
    format!(
        "the clock of {source} is ahead: its hook of {sent_at} arrived at {arrived_at}. Such \
         hooks are dated by their arrival; inform the sender"
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

pub fn uncharged(reason: &NotCharged) -> String {
    match reason {
        NotCharged::UnreadLines => "some of the order's lines cannot be read".into(),
        NotCharged::UnreadQuantity { sku } => {
            format!("the quantity of article {sku} cannot be read")
        }
        NotCharged::UnreadSum => "an amount of the order cannot be read".into(),
        NotCharged::NoLines => "the order has no lines to pay for".into(),
        NotCharged::Negative { sku } => {
            format!("article {sku} has a quantity or an amount below 0")
        }
        NotCharged::ZeroWithDiscounts { total } => {
            format!("the total with discounts is 0.00, without them it is {total}")
        }
        NotCharged::OtherTotal { of_lines, stated } => {
            format!("the lines came with a total of {of_lines}, but a later hook states {stated}")
        }
        NotCharged::NoSum { sku } => {
            format!("the order states no total, and article {sku} states no amount")
        }
        NotCharged::NoSumOrPrice { sku } => {
            format!("article {sku} states neither an amount nor a price")
        }
        NotCharged::UnreadLineSum { sku } => format!("the amount of article {sku} cannot be read"),
        NotCharged::GiftOrUndiscounted { sku } => format!(
            "article {sku} costs 0.00 with discounts and more without: it is unclear whether it \
             is free or has no discount"
        ),
        NotCharged::AboveLines { total, of_lines } => format!(
            "the total of {total} is more than the sum of the lines, {of_lines}, and no delivery \
             cost explains the difference"
        ),
        NotCharged::UnclearDelivery { total, delivery } => {
            format!(
                "it is unclear whether the total of {total} includes the delivery for {delivery}"
            )
        }
        NotCharged::Bill { detail } => detail.clone(),
        NotCharged::NoEmail => "customer: the payment system's receipt needs an email".into(),
        NotCharged::NoContact => {
            "customer: the payment system's receipt needs an email or a phone".into()
        }
        NotCharged::TooManyLines { lines, lines_max } => {
            format!("items: {lines} lines, and the payment system accepts at most {lines_max}")
        }
        NotCharged::FreeLine { sku } => {
            format!(
                "items: sku {sku} costs 0.00, and the payment system's receipt accepts no such line"
            )
        }
    }
}

fn late(late: &Late) -> String {
    match late {
        Late::Closed { by, at } => format!("the order was closed by {by} at {at}"),
        Late::Delivered { at } => format!("the order was delivered at {at}"),
        Late::Full { events_max, lines_max } => {
            format!(
                "the order is full: it may have at most {events_max} hooks and {lines_max} lines \
                 in total"
            )
        }
    }
}

pub fn reason(reason: &Reason) -> String {
    match reason {
        Reason::CameBefore { received_at, verdict } => {
            format!("it arrived at {received_at} and was {verdict}")
        }
        Reason::SaidBefore => "an earlier hook had the same content".into(),
        Reason::Outdated => "newer hooks have set everything that it sets".into(),
        Reason::Late { late: why } => late(why),
        Reason::NotCreated => "its order has not been created yet".into(),
        Reason::WasParked => "it was parked until the order was created".into(),
        Reason::DatedAhead { ahead_seconds_max } => format!(
            "it is dated more than {} minutes after its arrival, so its arrival time is used",
            ahead_seconds_max / 60
        ),
        Reason::UnknownEvent { event_type } => {
            format!("hooks of the kind {event_type} do not affect orders")
        }
        Reason::Unusable { detail } => detail.clone(),
        Reason::TestEvent => "the merchant tests the delivery of callbacks".into(),
        Reason::NotOurs => "it is not about any of our payments".into(),
        Reason::NoPayment { number } => format!("there is no payment {number:?}"),
        Reason::KnownPaid { payment } => format!("payment {payment} is known to be paid"),
        Reason::UnwantedMoney { payment, reason } => payment_note(
            Some(*payment),
            &crate::payments::PaymentNote::UnwantedMoney { reason: reason.clone() },
        ),
        Reason::Payment { payment, note } => payment_note(*payment, note),
        Reason::Mismatch { mismatch: why } => mismatch(why),
        Reason::Recorded { what } => recorded(what),
        Reason::LookedAtAlready => "everything that it reports is being looked up already".into(),
        Reason::ClockAhead { source, sent_at, arrived_at } => {
            clock_ahead(source.as_str(), *sent_at, &arrived_at.to_string())
        }
        Reason::TooManyParked { source, waiting_max } => format!(
            "{waiting_max} orders of {source} wait for their creation, which is the limit: its \
             hooks about orders that were not created are answered 503. Ask the sender why it \
             does not send order.created"
        ),
        Reason::QuotaUsedUp { source } => format!(
            "{source} has sent more today than megabytes_per_day_max of [sources.{source}]: ask \
             the sender why, or raise it. Hooks about orders that were not created are answered \
             503 until midnight UTC; all others are accepted"
        ),
        Reason::NoTimeZone { source } => format!(
            "the times of {source} have no UTC offset, so they only put its own hooks in order: \
             set time_zone in [sources.{source}]"
        ),
        Reason::NobodyListens { url } => {
            format!(
                "its site answered 410 at {url}: nothing more is sent there until a test callback \
                 succeeds, or a callback is sent again by hand"
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
            format!("created with {positions} lines, total {}", sum(*total))
        }
        Fact::Revised { revision } => format!("revision {revision}"),
        Fact::PositionChanged { sku, from, to, replaced_by } => {
            let to = to.map_or_else(
                || "a quantity that cannot be read".to_owned(),
                |to: Quantity| to.to_string(),
            );
            let by =
                replaced_by.as_ref().map_or_else(String::new, |by| format!(", replaced by {by}"));
            format!("{sku}: {from} → {to}{by}")
        }
        Fact::WindowChanged { from, to } => {
            let end = |time: &Option<LocalTime>| {
                time.map_or_else(|| "…".to_owned(), |time| time.to_string())
            };
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
        Fact::Unparked { kind } => format!("a parked {kind} hook was applied"),
        Fact::Announced { message } => format!("message {message} to the pickers is queued"),
        Fact::NobodyToTell { store_id } => {
            format!("no chat is configured for store {store_id:?}: nobody was notified")
        }
        Fact::Attention { note } => format!("attention: {}", order_note(note)),
    }
}

pub fn payment_fact(fact: &PaymentFact) -> String {
    match fact {
        PaymentFact::PaymentPlanned { payment, amount } => {
            format!("payment {payment} of {amount} will be requested")
        }
        PaymentFact::MoneyCame { payment, amount } => {
            format!("{amount} arrived by payment {payment}")
        }
        PaymentFact::PaymentAttention { attention } => {
            format!("attention: {}", payment_note(attention.payment, &attention.note))
        }
    }
}
