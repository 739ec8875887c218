//! `tillgate orders`: lists orders, shows one, and acts on one.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::table::{self, Column};
use super::{
    ListOptions, journal, latest_order, line_of, local_time, order_number, print_json, text_at,
};
use crate::cli::client::{Server, ServerOptions};
use crate::cli::{Failed, confirm, say};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List orders, the latest first
    List(List),
    /// Show an order with its full history
    Show(Show),
    /// Place an order for a merchant, and print the link where its buyer pays
    Create(Create),
    /// Cancel an unpaid order of a merchant
    Cancel(Act),
    /// Report that the goods of a merchant's order were handed over
    Ship(Act),
    /// Capture the held money of a merchant's order
    Capture(Act),
    /// Dismiss the warnings of an order that you have looked at; new ones are
    /// listed again
    Seen(One),
    /// Send a fulfilment update of the order to its marketplace
    Tell(Tell),
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    list: ListOptions,
    /// Only orders of this source or merchant
    #[arg(long)]
    source: Option<String>,
    /// Only the order with this number of the sender's
    #[arg(long)]
    external_id: Option<String>,
    /// Only orders in this state: open, paid, shipped, cancelled, delivered
    #[arg(long)]
    state: Option<String>,
    /// Only orders of this store
    #[arg(long)]
    store_id: Option<String>,
    /// Only orders that need attention, with the reason and the next step; also
    /// those of the shop
    #[arg(long)]
    attention: bool,
}

impl List {
    /// Whether orders of all senders are listed.
    fn is_of_all(&self) -> bool {
        let only = [&self.source, &self.external_id, &self.state, &self.store_id];
        only.iter().all(|only| only.is_none())
    }
}

#[derive(Debug, Args)]
pub struct One {
    #[command(flatten)]
    server: ServerOptions,
    /// The order's number in tillgate, or SOURCE/NUMBER with the number of the
    /// marketplace or site, such as sm/H123
    order: String,
}

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    server: ServerOptions,
    /// The order's number in tillgate, or SOURCE/NUMBER with the number of the
    /// marketplace or site, such as sm/H123 [default: the latest order]
    order: Option<String>,
}

#[derive(Debug, Args)]
pub struct Act {
    #[command(flatten)]
    one: One,
    /// Do it without asking
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    server: ServerOptions,
    /// The merchant, by the name of its section
    #[arg(long, value_name = "NAME")]
    merchant: String,
    /// A line: NAME=PRICE, or NAME=PRICExQUANTITY, such as "Чай=99.90x2"
    #[arg(long, value_name = "LINE", required = true)]
    item: Vec<String>,
    /// The VAT rate of the lines, such as RUS_VAT10
    #[arg(long, value_name = "RATE", default_value = "VATNONE")]
    vat: String,
    /// The order's number at the merchant [default: a fresh one]
    #[arg(long, value_name = "NUMBER")]
    id: Option<String>,
    /// The buyer's e-mail, for the receipt
    #[arg(long)]
    email: Option<String>,
    /// The buyer's telephone, for the receipt
    #[arg(long)]
    phone: Option<String>,
    /// What the payer reads
    #[arg(long)]
    description: Option<String>,
}

#[derive(Debug, Args)]
pub struct Tell {
    #[command(flatten)]
    one: One,
    /// What to report: it is being picked, it is ready as ordered, or it cannot
    /// be delivered
    #[arg(value_parser = ["in_work", "ready", "canceled"])]
    event: String,
    /// Why it cannot be delivered
    #[arg(long)]
    reason: Option<String>,
}

pub async fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::List(options) => list(options).await,
        Command::Show(options) => show(options).await,
        Command::Create(options) => create(options).await,
        Command::Cancel(options) => act(options, "cancel").await,
        Command::Ship(options) => act(options, "ship").await,
        Command::Capture(options) => act(options, "capture").await,
        Command::Seen(options) => seen(options).await,
        Command::Tell(options) => tell(options).await,
    }
}

async fn tell(options: Tell) -> Result<(), Failed> {
    let server = options.one.server.connect().await?;
    let number = order_number(&server, &options.one.order).await?;
    let mut body = json!({"event": options.event});
    if let Some(reason) = &options.reason {
        body["reason"] = json!(reason);
    }
    let message = server.post_json(&format!("/orders/{number}/tell"), &body).await?;
    if options.one.server.json {
        print_json(&message);
        return Ok(());
    }
    say(format_args!(
        "{} of order {number}: {}",
        options.event,
        match text_at(&message, "state").as_str() {
            "sent" => "the marketplace has received it".to_owned(),
            "dead" => format!("it was given up: {}", text_at(&message, "last_error")),
            _ => format!("it will be sent; to follow it: tillgate orders show {number}"),
        }
    ));
    Ok(())
}

async fn seen(options: One) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let number = order_number(&server, &options.order).await?;
    let order = server.post_json(&format!("/orders/{number}/seen"), &json!({})).await?;
    if options.server.json {
        print_json(&order);
        return Ok(());
    }
    if order["attention"].as_array().is_some_and(|notes| !notes.is_empty()) {
        say(format_args!("order {number}: money needs a decision"));
        print_notes(&order);
    } else {
        say(format_args!("order {number}: no warnings are left"));
    }
    Ok(())
}

const COLUMNS: [Column; 10] = [
    Column::text("number", "number"),
    Column::text("source", "source").shortened(),
    Column::text("their number", "external_id").shortened(),
    Column::text("store", "store_id").optional(),
    Column::text("state", "state"),
    Column::money("paid", "money.paid.amount"),
    Column::money("held", "money.held.amount"),
    Column::money("refunded", "money.refunded.amount"),
    Column::money("due", "money.due.amount"),
    Column::time("created", "created_at"),
];

async fn list(options: List) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let query = [
        ("source", options.source.as_deref()),
        ("external_id", options.external_id.as_deref()),
        ("state", options.state.as_deref()),
        ("store", options.store_id.as_deref()),
        ("attention", options.attention.then_some("true")),
    ];
    let mut orders = options.list.fetch(&server, "/orders", &query).await?;
    if options.attention && options.is_of_all() {
        orders.items.extend(of_the_shop(&server).await?);
    }
    if options.server.json {
        print_json(&Value::Array(orders.items));
        return Ok(());
    }
    if options.attention {
        orders.items.iter().for_each(print_attention);
        if orders.items.is_empty() {
            say("nothing needs attention");
        }
    } else {
        table::print(&orders.items, &COLUMNS);
    }
    orders.say_if_more();
    Ok(())
}

/// What a person must decide about orders of the shop.
#[cfg(feature = "shop")]
async fn of_the_shop(server: &Server) -> Result<Vec<Value>, Failed> {
    super::shop::agreements::attention(server).await
}

#[cfg(not(feature = "shop"))]
#[expect(clippy::unused_async, reason = "with the shop it asks")]
async fn of_the_shop(_: &Server) -> Result<Vec<Value>, Failed> {
    Ok(Vec::new())
}

/// Prints why an order needs attention, and the commands that settle it.
pub(super) fn print_attention(order: &Value) {
    let (source, id) = (text_at(order, "source"), text_at(order, "external_id"));
    let (number, state) = (text_at(order, "number"), text_at(order, "state"));
    say(format_args!("order {number}  {source}/{id}  {state}"));
    print_notes(order);
}

fn print_notes(order: &Value) {
    for note in order.get("attention").and_then(Value::as_array).into_iter().flatten() {
        say(format_args!("    ! {}", line_of(note)));
        for step in note.get("next_steps").and_then(Value::as_array).into_iter().flatten() {
            say(format_args!("      $ {}", line_of(step)));
        }
    }
}

async fn show(options: Show) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let number = match &options.order {
        Some(order) => order_number(&server, order).await?,
        None => latest_order(&server).await?,
    };
    let order = server.get(&format!("/orders/{number}"), &[]).await?;
    let journal = server.get(&format!("/orders/{number}/journal"), &[]).await?;
    if options.server.json {
        print_json(&json!({ "order": order, "journal": journal.get("items") }));
        return Ok(());
    }
    print_head(&order);
    say("");
    let lines = [
        Column::text("sku", "sku"),
        Column::text("name", "name").shortened(),
        Column::text("quantity", "quantity"),
        Column::money("price", "price"),
        Column::money("total", "discount_total|total"),
        Column::text("replaced by", "replaced_by").optional(),
    ];
    table::print(order.get("positions").and_then(Value::as_array).map_or(&[], |p| p), &lines);
    say("");
    for entry in journal.get("items").and_then(Value::as_array).into_iter().flatten() {
        journal::lines(entry).iter().for_each(say);
    }
    Ok(())
}

fn print_head(order: &Value) {
    let (source, id) = (text_at(order, "source"), text_at(order, "external_id"));
    say(format_args!(
        "order {}  {source}/{id}  {}",
        text_at(order, "number"),
        text_at(order, "state")
    ));
    for (name, path) in [
        ("created", "created_at"),
        ("paid", "paid_at"),
        ("shipped", "shipped_at"),
        ("delivered", "delivered_at"),
        ("cancelled", "cancelled_at"),
    ] {
        if order.get(path).is_some_and(|at| !at.is_null()) {
            say(format_args!("  {name:<10} {}", local_time(order, path)));
        }
    }
    let money = |name: &str, path: &str| {
        let sum = text_at(order, &format!("{path}.amount"));
        if sum != "-" {
            let currency = text_at(order, &format!("{path}.currency"));
            say(format_args!("  {name:<10} {sum} {currency}"));
        }
    };
    money("total", if order["discount_total"].is_null() { "total" } else { "discount_total" });
    for (name, path) in [
        ("paid", "money.paid"),
        ("held", "money.held"),
        ("refunded", "money.refunded"),
        ("due", "money.due"),
    ] {
        money(name, path);
    }
    for (name, path) in [
        ("store", "store_id"),
        ("reason", "cancel_reason"),
        ("payment", "payment.state"),
        ("pay at", "payment.url"),
        ("problem", "payment.problem"),
    ] {
        let text = text_at(order, path);
        if text != "-" && !text.is_empty() {
            say(format_args!("  {name:<10} {text}"));
        }
    }
    print_notes(order);
}

/// A line of an order, as `--item` has it.
fn item_of(text: &str, at: usize, vat: &str) -> Result<Value, Failed> {
    let malformed = || {
        Failed::usage(format!(
            "--item {text:?}: write NAME=PRICE or NAME=PRICExQUANTITY, such as \"Чай=99.90x2\""
        ))
    };
    let (name, price) = text.rsplit_once('=').ok_or_else(malformed)?;
    let (price, quantity) = price.split_once('x').unwrap_or((price, "1"));
    let [name, price, quantity] = [name, price, quantity].map(str::trim);
    if name.is_empty() || price.is_empty() || quantity.is_empty() {
        return Err(malformed());
    }
    let sku = format!("line-{}", at + 1);
    Ok(json!({"sku": sku, "name": name, "price": price, "quantity": quantity, "vat": vat}))
}

async fn create(options: Create) -> Result<(), Failed> {
    let items = options.item.iter().enumerate();
    let items = items.map(|(at, text)| item_of(text, at, &options.vat));
    let items = items.collect::<Result<Vec<Value>, Failed>>()?;
    let chance = crate::kernel::chance::random_bytes::<4>().map(|byte| format!("{byte:02X}"));
    let id = options.id.clone().unwrap_or_else(|| format!("INV-{}", chance.concat()));
    let mut body = json!({"merchant_order_id": id, "items": items});
    let mut customer = serde_json::Map::new();
    for (field, value) in [("email", &options.email), ("phone", &options.phone)] {
        if let Some(value) = value {
            customer.insert(field.into(), json!(value));
        }
    }
    if !customer.is_empty() {
        body["customer"] = Value::Object(customer);
    }
    if let Some(description) = &options.description {
        body["description"] = json!(description);
    }
    let server = options.server.connect().await?;
    let order = server.as_merchant(&options.merchant, "/orders", &id, &body).await?;
    if options.server.json {
        print_json(&order);
        return Ok(());
    }
    let url = text_at(&order, "payment.url");
    let total = text_at(&order, "total.amount");
    say(format_args!(
        "order {} ({id}): {total} {}",
        text_at(&order, "number"),
        text_at(&order, "total.currency")
    ));
    say(format_args!("the buyer pays at {url}"));
    if let Ok(code) = qrcode::QrCode::new(url.as_bytes()) {
        say(code.render::<qrcode::render::unicode::Dense1x2>().quiet_zone(true).build());
    }
    Ok(())
}

async fn act(options: Act, action: &str) -> Result<(), Failed> {
    let server = options.one.server.connect().await?;
    let number = order_number(&server, &options.one.order).await?;
    let order = server.get(&format!("/orders/{number}"), &[]).await?;
    if !options.one.server.json {
        print_head(&order);
    }
    confirm(&format!("{action} order {number}?"), options.yes)?;
    let merchant = text_at(&order, "source");
    let (path, body) = (format!("/orders/{number}/{action}"), json!({}));
    let outcome = server.as_merchant(&merchant, &path, &fresh_key(), &body).await?;
    if options.one.server.json {
        print_json(&outcome);
        return Ok(());
    }
    let state = text_at(&outcome, "state");
    say(format_args!(
        "{action} of order {number}: {state}; to follow it: tillgate orders show {number}"
    ));
    Ok(())
}

/// An idempotency key for a request that a person makes once.
fn fresh_key() -> String {
    let chance = crate::kernel::chance::random_bytes::<12>().map(|byte| format!("{byte:02x}"));
    format!("by-hand-{}", chance.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_from_its_text() {
        let item = |text| item_of(text, 0, "VATNONE").ok();
        let line = |name: &str, price: &str, quantity: &str| json!({"sku": "line-1", "name": name, "price": price, "quantity": quantity, "vat": "VATNONE"});
        assert_eq!(item("Чай=99.90"), Some(line("Чай", "99.90", "1")));
        assert_eq!(item("Чай = 99.90 x 2"), Some(line("Чай", "99.90", "2")));
        assert_eq!(item("a=b=5x0.5"), Some(line("a=b", "5", "0.5")));
        for text in ["Чай", "=5", "Чай=", "Чай=5x"] {
            assert_eq!(item(text), None, "{text}");
        }
    }
}
