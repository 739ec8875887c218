//! `tillgate outbox list|retry|drop`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{ListOptions, print_json, print_table, text_at};
use crate::cli::client::ServerOptions;
use crate::cli::{Failed, say};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List messages that have died or wait
    List(List),
    /// Try a message again, now
    Retry(One),
    /// Do not send a message
    Drop(One),
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    list: ListOptions,
    /// Only of this lane: telegram, payment, callback, watch or marketplace
    #[arg(long)]
    lane: Option<String>,
    /// Only pending, or only dead
    #[arg(long)]
    state: Option<String>,
}

#[derive(Debug, Args)]
pub struct One {
    #[command(flatten)]
    server: ServerOptions,
    /// The message's id, as the list shows it
    id: String,
}

pub async fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::List(options) => list(options).await,
        Command::Retry(options) => act(options, "retry").await,
        Command::Drop(options) => act(options, "drop").await,
    }
}

async fn list(options: List) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let query = [("lane", options.lane.as_deref()), ("state", options.state.as_deref())];
    let messages = options.list.fetch(&server, "/outbox", &query).await?;
    if options.server.json {
        print_json(&Value::Array(messages));
        return Ok(());
    }
    let columns = [
        ("id", "id"),
        ("lane", "lane"),
        ("to", "queue"),
        ("state", "state"),
        ("next try / since", "at"),
        ("tries", "attempts"),
        ("last error", "last_error"),
    ];
    print_table(&messages, &columns);
    Ok(())
}

async fn act(options: One, action: &str) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let message = server.post(&format!("/outbox/{}/{action}", options.id)).await?;
    if options.server.json {
        print_json(&message);
    } else {
        say(format_args!("{} is {}", text_at(&message, "id"), text_at(&message, "state")));
    }
    Ok(())
}
