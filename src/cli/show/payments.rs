//! `tillgate payments`: what a person decides about money that came and did not fit, and about what the payment system left
//! undecided.

use clap::{Args, Subcommand};

use super::{print_json, text_at};
use crate::cli::client::ServerOptions;
use crate::cli::{Failed, say};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take money that did not fit for the order as it stands now: it is paid, and everyone is told
    Accept(One),
    /// Pay back all that is left of a payment
    Refund(One),
    /// Look up what was paid back of a payment over there, by whomever
    Look(One),
    /// Ask again for a payment, or tell a shipment again, that the payment system would not have, when the cause is mended
    Retry(One),
    /// A frozen payment, refund or capture: you have made sure over there that it never will be paid or made
    Drop(One),
    /// A frozen refund or capture: you have seen over there that it was made
    Done(One),
}

#[derive(Debug, Args)]
pub struct One {
    #[command(flatten)]
    server: ServerOptions,
    /// The number, as in the order's ATTENTION lines: 482993011752-1 of a payment, 482993011752-1-1 of what is done with its
    /// money. A refund or capture is not retried: ask for it anew
    id: String,
}

pub async fn run(command: Command) -> Result<(), Failed> {
    let (options, action) = match command {
        Command::Accept(options) => (options, "accept"),
        Command::Refund(options) => (options, "refund"),
        Command::Look(options) => (options, "look"),
        Command::Retry(options) => (options, "retry"),
        Command::Drop(options) => (options, "drop"),
        Command::Done(options) => (options, "done"),
    };
    let server = options.server.connect().await?;
    let order = server.post(&format!("/payments/{}/{action}", options.id)).await?;
    if options.server.json {
        print_json(&order);
        return Ok(());
    }
    let number = text_at(&order, "number");
    let state = order.get("payment").map_or_else(String::new, |payment| text_at(payment, "state"));
    match action {
        "accept" => say(format_args!("order {number} is {state} by payment {}", options.id)),
        "refund" => say(format_args!(
            "payment {} is being paid back; see how it goes: tillgate orders show {number}",
            options.id
        )),
        _ => say(format_args!("order {number} is {state}; see how it goes: tillgate orders show {number}")),
    }
    Ok(())
}
