//! `tillgate payments`: what a person decides about money that did not match,
//! and about calls whose outcome the payment system left open.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{ListOptions, orders, print_json, text_at};
use crate::cli::client::{Server, ServerOptions};
use crate::cli::{Failed, confirm, say};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List payments that wait for a decision, with the commands that decide
    List(List),
    /// Look a payment up at the payment system now, and show its sums
    Look(Look),
    /// Accept money that did not match, for the order in its current state
    Accept(Decide),
    /// Refund an amount of a payment, or all that is left of it
    Refund(Refund),
    /// Request a payment again, or report a shipment again, after the reason
    /// for its refusal was fixed
    Retry(Decide),
    /// A payment, refund or capture under review: you have made sure at the
    /// payment system that it will never be carried out
    Drop(Decide),
    /// A refund or capture under review: you have seen at the payment system
    /// that it was carried out
    Done(Decide),
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    list: ListOptions,
}

#[derive(Debug, Args)]
pub struct Look {
    #[command(flatten)]
    server: ServerOptions,
    /// The payment, such as 482993011752-1
    id: String,
}

#[derive(Debug, Args)]
pub struct Decide {
    #[command(flatten)]
    server: ServerOptions,
    /// The payment, such as 482993011752-1, or the operation, such as
    /// 482993011752-1-1
    id: String,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who decides, for the journal [default: the name of the login]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Do it without asking
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub struct Refund {
    #[command(flatten)]
    decide: Decide,
    /// How much, such as 129.90 [default: all that is left]
    #[arg(long, value_name = "SUM")]
    amount: Option<String>,
}

pub async fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::List(options) => list(options).await,
        Command::Look(options) => look(options).await,
        Command::Accept(options) => decide(options, "accept", None).await,
        Command::Refund(options) => decide(options.decide, "refund", options.amount).await,
        Command::Retry(options) => decide(options, "retry", None).await,
        Command::Drop(options) => decide(options, "drop", None).await,
        Command::Done(options) => decide(options, "done", None).await,
    }
}

async fn list(options: List) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let mut orders = options.list.fetch(&server, "/orders", &[("attention", Some("true"))]).await?;
    let of_payment = |note: &Value| note.get("payment").is_some_and(Value::is_string);
    for order in &mut orders.items {
        if let Some(notes) = order.get_mut("attention").and_then(Value::as_array_mut) {
            notes.retain(of_payment);
        }
    }
    let waits =
        |order: &Value| order["attention"].as_array().is_some_and(|notes| !notes.is_empty());
    orders.items.retain(waits);
    if options.server.json {
        print_json(&Value::Array(orders.items));
        return Ok(());
    }
    orders.items.iter().for_each(orders::print_attention);
    if orders.items.is_empty() {
        say("no payment waits for a decision");
    }
    orders.say_if_more();
    Ok(())
}

async fn look(options: Look) -> Result<(), Failed> {
    check_id(&options.id)?;
    let server = options.server.connect().await?;
    let payment = server.post(&format!("/payments/{}/look", options.id)).await?;
    if options.server.json {
        print_json(&payment);
    } else {
        print_sums(&payment);
    }
    Ok(())
}

/// Prints the sums of a payment, and the commands that decide about it.
fn print_sums(payment: &Value) {
    let (id, state) = (text_at(payment, "id"), text_at(payment, "state.is"));
    say(format_args!("payment {id} of order {}: {state}", text_at(payment, "order")));
    let remote = text_at(payment, "remote_id");
    if remote != "-" {
        say(format_args!("  {:<16} {remote}", "remote id"));
    }
    for (name, field) in [
        ("asked", "asked"),
        ("came", "came"),
        ("held", "held"),
        ("refunded", "refunded"),
        ("being refunded", "being_refunded"),
        ("left to refund", "left"),
        ("difference", "difference"),
    ] {
        let sum = text_at(payment, &format!("{field}.amount"));
        let shown = matches!(field, "asked" | "came" | "left") || sum != "0.00";
        if shown && sum != "-" {
            let currency = text_at(payment, &format!("{field}.currency"));
            say(format_args!("  {name:<16} {sum:>12} {currency}"));
        }
    }
    for step in payment.get("next_steps").and_then(Value::as_array).into_iter().flatten() {
        say(format_args!("  $ {}", step.as_str().unwrap_or_default()));
    }
}

/// What is about to be done, with its sum, as a question.
fn question(payment: &Value, id: &str, action: &str, amount: Option<&str>) -> String {
    let sum = |field: &str| {
        let path = |part: &str| text_at(payment, &format!("{field}.{part}"));
        format!("{} {}", path("amount"), path("currency"))
    };
    match (action, amount) {
        ("refund", Some(amount)) => {
            format!("Refund {amount} {} of payment {id}?", text_at(payment, "left.currency"))
        }
        ("refund", None) => format!("Refund {} of payment {id}?", sum("left")),
        ("accept", _) => format!("Accept {} of payment {id} for its order?", sum("came")),
        ("drop", _) => format!("Is it certain that {id} will never be carried out?"),
        ("done", _) => format!("Was {id} carried out?"),
        (_, _) => format!("{action} {id}?"),
    }
}

/// An order has payments, each with an id of its own.
fn check_id(id: &str) -> Result<(), Failed> {
    if id.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return Ok(());
    }
    Err(Failed::usage(format!(
        "{id} is no id of a payment, such as 482993011752-1. tillgate orders show lists the payments \
         of an order"
    )))
}

async fn decide(options: Decide, action: &str, amount: Option<String>) -> Result<(), Failed> {
    check_id(&options.id)?;
    let server = options.server.connect().await?;
    let mut payment = server.get(&format!("/payments/{}", options.id), &[]).await?;
    let is_of_payment = text_at(&payment, "id") == options.id;
    if is_of_payment && text_at(&payment, "state.is") == "needs_review" {
        // Its money may have come since it was last looked up. A payment system
        // that cannot be reached does not prevent a decision.
        payment = server.post(&format!("/payments/{}/look", options.id)).await.unwrap_or(payment);
    }
    if !options.server.json {
        print_sums(&payment);
    }
    confirm(&question(&payment, &options.id, action, amount.as_deref()), options.yes)?;
    let order = act(&server, &options, action, amount).await?;
    if options.server.json {
        print_json(&order);
        return Ok(());
    }
    let number = text_at(&order, "number");
    let state = order.get("payment").map_or_else(String::new, |payment| text_at(payment, "state"));
    match action {
        "accept" => say(format_args!("order {number} is {state} by payment {}", options.id)),
        "refund" => say(format_args!(
            "payment {} is being refunded; to follow it: tillgate orders show {number}",
            options.id
        )),
        "retry" => {
            say(format_args!("requested again; to follow it: tillgate orders show {number}"))
        }
        "drop" if is_of_payment && is_payable(&order) => say(format_args!(
            "payment {id} is dropped. The buyer's link makes another one; to make it now: tillgate \
             payments retry {id}",
            id = options.id
        )),
        "drop" => say(format_args!("{} is dropped", options.id)),
        _ => say(format_args!("{} was carried out", options.id)),
    }
    Ok(())
}

/// Whether an order waits for its money.
fn is_payable(order: &Value) -> bool {
    order["paid_at"].is_null() && order["cancelled_at"].is_null()
}

async fn act(
    server: &Server,
    options: &Decide,
    action: &str,
    amount: Option<String>,
) -> Result<Value, Failed> {
    let mut body = json!({"by": options.by.clone().or_else(login)});
    if let Some(reason) = &options.reason {
        body["reason"] = json!(reason);
    }
    if let Some(amount) = amount {
        body["amount"] = json!(amount);
    }
    server.post_json(&format!("/payments/{}/{action}", options.id), &body).await
}

/// The name of the login, if the environment has it.
fn login() -> Option<String> {
    ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok())
}
