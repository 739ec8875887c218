//! `tillgate outbox list|retry|drop`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::table::{self, Column};
use super::{ListOptions, print_json, text_at};
use crate::cli::client::ServerOptions;
use crate::cli::{Failed, confirm, say};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List messages that are pending or dead
    List(List),
    /// Retry a message now, or all that were given up
    Retry(Retry),
    /// Drop a message: it will not be sent
    Drop(One),
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    list: ListOptions,
    /// Only messages of this lane: telegram, payment, callback, watch or
    /// marketplace
    #[arg(long)]
    lane: Option<String>,
    /// Only messages in this state: pending or dead
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

#[derive(Debug, Args)]
pub struct Retry {
    #[command(flatten)]
    server: ServerOptions,
    /// The message's id, as the list shows it
    #[arg(required_unless_present = "all")]
    id: Option<String>,
    /// Every message that was given up
    #[arg(long, conflicts_with = "id")]
    all: bool,
    /// With --all: only messages of this lane
    #[arg(long, requires = "all")]
    lane: Option<String>,
    /// With --all: only messages that failed for this reason, by its kind in
    /// --json, such as gone or answered
    #[arg(long, requires = "all", value_name = "KIND")]
    reason: Option<String>,
    /// With --all: do it without asking
    #[arg(long, requires = "all")]
    yes: bool,
}

const COLUMNS: [Column; 6] = [
    Column::text("id", "id"),
    Column::text("message", "subject").shortened(),
    Column::text("state", "state"),
    Column::time("next try / since", "at"),
    Column::text("tries", "attempts"),
    Column::text("last error", "last_error").shortened().optional(),
];

pub async fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::List(options) => list(options).await,
        Command::Retry(options) => retry(options).await,
        Command::Drop(options) => act(options, "drop").await,
    }
}

async fn list(options: List) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let query = [("lane", options.lane.as_deref()), ("state", options.state.as_deref())];
    let messages = options.list.fetch(&server, "/outbox", &query).await?;
    if options.server.json {
        print_json(&Value::Array(messages.items));
        return Ok(());
    }
    table::print(&messages.items, &COLUMNS);
    messages.say_if_more();
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

async fn retry(options: Retry) -> Result<(), Failed> {
    if let Some(id) = options.id {
        return act(One { server: options.server, id }, "retry").await;
    }
    let server = options.server.connect().await?;
    let query = [("lane", options.lane.as_deref()), ("state", Some("dead"))];
    let mut dead = ListOptions::ALL.fetch(&server, "/outbox", &query).await?.items;
    if let Some(reason) = &options.reason {
        dead.retain(|message| text_at(message, "last_error.kind") == *reason);
    }
    if !options.server.json {
        table::print(&dead, &COLUMNS);
    }
    if !dead.is_empty() {
        confirm(&format!("Retry {} messages?", dead.len()), options.yes)?;
    }
    let mut retried = Vec::new();
    for message in dead {
        retried.push(server.post(&format!("/outbox/{}/retry", text_at(&message, "id"))).await?);
    }
    if options.server.json {
        print_json(&Value::Array(retried));
    } else {
        say(format_args!("{} messages will be sent now", retried.len()));
        let query = [("lane", options.lane.as_deref()), ("state", Some("pending"))];
        let mut waiting = ListOptions::ALL.fetch(&server, "/outbox", &query).await?.items;
        waiting.retain(|message| !message["last_error"].is_null());
        if let Some(first) = waiting.first() {
            say(format_args!(
                "{} more will be tried again without you; to send one now: tillgate outbox retry {}",
                waiting.len(),
                text_at(first, "id")
            ));
        }
    }
    Ok(())
}
