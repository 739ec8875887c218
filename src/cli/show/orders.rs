//! `tillgate orders list|show|seen|tell`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{ListOptions, line_of, print_fields, print_json, print_table, text_at};
use crate::cli::client::ServerOptions;
use crate::cli::{Failed, say};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List orders, the latest first
    List(List),
    /// Show an order and everything that ever happened to it
    Show(Show),
    /// Take off the list what you have looked at; what comes later is listed again
    Seen(Show),
    /// Tell the order's marketplace how far it is
    Tell(Tell),
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    list: ListOptions,
    /// Only of this source
    #[arg(long)]
    source: Option<String>,
    /// Only with this number of the sender's
    #[arg(long)]
    external_id: Option<String>,
    /// Only in this state: open, paid, shipped, cancelled, delivered
    #[arg(long)]
    state: Option<String>,
    /// Only of this shop
    #[arg(long)]
    store_id: Option<String>,
    /// Only what a person should look at, with the reason
    #[arg(long)]
    attention: bool,
}

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    server: ServerOptions,
    /// Our number of the order
    number: String,
}

#[derive(Debug, Args)]
pub struct Tell {
    #[command(flatten)]
    server: ServerOptions,
    /// Our number of the order
    number: String,
    /// What to tell: it is being picked, it is ready as it was ordered, the shop cannot deliver it
    #[arg(value_parser = ["in_work", "ready", "canceled"])]
    event: String,
    /// Why the shop cannot deliver it
    #[arg(long)]
    reason: Option<String>,
}

pub async fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::List(options) => list(options).await,
        Command::Show(options) => show(options).await,
        Command::Seen(options) => seen(options).await,
        Command::Tell(options) => tell(options).await,
    }
}

async fn tell(options: Tell) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let mut body = serde_json::json!({"event": options.event});
    if let Some(reason) = &options.reason {
        body["reason"] = serde_json::json!(reason);
    }
    let message = server.post_json(&format!("/orders/{}/tell", options.number), &body).await?;
    if options.server.json {
        print_json(&message);
        return Ok(());
    }
    say(format_args!(
        "{} of order {}: {}",
        options.event,
        options.number,
        match text_at(&message, "state").as_str() {
            "sent" => "the marketplace has heard it".to_owned(),
            "dead" => format!("the marketplace will not hear it: {}", text_at(&message, "last_error")),
            _ => format!("it will be told; see how it goes: tillgate orders show {}", options.number),
        }
    ));
    Ok(())
}

async fn seen(options: Show) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let path = format!("/orders/{}/seen", options.number);
    let order = server.post_json(&path, &serde_json::json!({})).await?;
    if options.server.json {
        print_json(&order);
        return Ok(());
    }
    say(format_args!("order {}: nothing is left to look at", options.number));
    Ok(())
}

async fn list(options: List) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let query = [
        ("source", options.source.as_deref()),
        ("external_id", options.external_id.as_deref()),
        ("state", options.state.as_deref()),
        ("store", options.store_id.as_deref()),
        ("attention", options.attention.then_some("true")),
    ];
    let orders = options.list.fetch(&server, "/orders", &query).await?;
    if options.server.json {
        print_json(&Value::Array(orders));
        return Ok(());
    }
    let columns = [
        ("number", "number"),
        ("source", "source"),
        ("their number", "external_id"),
        ("store", "store_id"),
        ("state", "state"),
        ("rev", "revision"),
        ("total", "discount_total.amount|total.amount"),
        ("payment", "payment.state"),
        ("created", "created_at"),
    ];
    if options.attention {
        print_table(
            &orders,
            &[&columns[..2], &columns[4..5], &columns[6..8], &[("look at", "attention")]].concat(),
        );
        return Ok(());
    }
    print_table(&orders, &columns);
    Ok(())
}

async fn show(options: Show) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let order = server.get(&format!("/orders/{}", options.number), &[]).await?;
    let journal = server.get(&format!("/orders/{}/journal", options.number), &[]).await?;
    if options.server.json {
        print_json(&serde_json::json!({ "order": order, "journal": journal.get("items") }));
        return Ok(());
    }
    print_fields(&order);
    for note in order.get("attention").and_then(Value::as_array).into_iter().flatten() {
        say(format_args!("{:<20} {}", "ATTENTION", line_of(note)));
    }
    say("");
    let columns = [
        ("sku", "sku"),
        ("name", "name"),
        ("quantity", "quantity"),
        ("price", "price"),
        ("total", "discount_total|total"),
        ("replaced by", "replaced_by"),
    ];
    print_table(order.get("positions").and_then(Value::as_array).map_or(&[], Vec::as_slice), &columns);
    say("");
    for entry in journal.get("items").and_then(Value::as_array).into_iter().flatten() {
        print_entry(entry);
    }
    Ok(())
}

fn print_entry(entry: &Value) {
    let texts = |name: &str| -> Vec<String> {
        let list = entry.get(name).and_then(Value::as_array).into_iter().flatten();
        list.map(|text| line_of(text).into_owned()).collect()
    };
    match entry.get("entry").and_then(Value::as_str) {
        Some("hook") => {
            let copies = match entry.get("copies").and_then(Value::as_u64) {
                Some(copies) => format!(" ×{copies}"),
                None => String::new(),
            };
            let (at, kind, verdict) =
                (text_at(entry, "received_at"), text_at(entry, "event_type"), text_at(entry, "verdict"));
            say(format_args!("{at}  {kind}  {verdict}{copies}"));
            if let Some(reason) = entry.get("reason").filter(|reason| reason.is_string()) {
                say(format_args!("    why: {}", line_of(reason)));
            }
            texts("changes").iter().for_each(|change| say(format_args!("    {change}")));
        }
        Some("message") => {
            let (at, id, state) =
                (text_at(entry, "created_at"), text_at(entry, "id"), text_at(entry, "state"));
            say(format_args!("{at}  message {id}  {state} at {}", text_at(entry, "at")));
            if let Some(error) = entry.get("last_error").filter(|error| error.is_object()) {
                say(format_args!("    {}", line_of(error)));
            }
        }
        Some("payment") => {
            let (at, payment, words) =
                (text_at(entry, "at"), text_at(entry, "payment"), text_at(entry, "text"));
            say(format_args!("{at}  payment {payment}  {words}"));
        }
        Some("movement") => {
            say(format_args!("{}  stock moved", text_at(entry, "at")));
            for line in entry.pointer("/movement/lines").and_then(Value::as_array).into_iter().flatten() {
                let (store, sku, quantity) =
                    (text_at(line, "store_id"), text_at(line, "sku"), text_at(line, "quantity"));
                say(format_args!("    store {store}, {sku}: {quantity}"));
            }
        }
        Some(_) | None => {}
    }
}
