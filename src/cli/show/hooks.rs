//! `tillgate hooks list|show|replay`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{ListOptions, print_fields, print_json, print_table, text_at};
use crate::cli::client::ServerOptions;
use crate::cli::{Failed, say};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List hooks, the latest first
    List(List),
    /// Show a hook with its bytes
    Show(One),
    /// Take a kept hook through the door again, as if it had come now
    Replay(One),
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
    /// Only with this verdict: applied, replayed, late, parked, ignored, rejected
    #[arg(long)]
    verdict: Option<String>,
}

#[derive(Debug, Args)]
pub struct One {
    #[command(flatten)]
    server: ServerOptions,
    /// The hook's id, as the list shows it
    id: String,
}

pub async fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::List(options) => list(options).await,
        Command::Show(options) => show(options).await,
        Command::Replay(options) => replay(options).await,
    }
}

async fn list(options: List) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let query = [("source", options.source.as_deref()), ("verdict", options.verdict.as_deref())];
    let hooks = options.list.fetch(&server, "/hooks", &query).await?;
    if options.server.json {
        print_json(&Value::Array(hooks));
        return Ok(());
    }
    let columns = [
        ("received", "received_at"),
        ("id", "id"),
        ("kind", "event_type"),
        ("their number", "external_id"),
        ("verdict", "verdict"),
        ("copies", "copies"),
        ("why", "reason"),
    ];
    print_table(&hooks, &columns);
    Ok(())
}

async fn show(options: One) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let hook = server.get(&format!("/hooks/{}", options.id), &[]).await?;
    if options.server.json {
        print_json(&hook);
        return Ok(());
    }
    let mut head = hook.clone();
    if let Some(fields) = head.as_object_mut() {
        fields.remove("body");
        fields.remove("body_hex");
    }
    print_fields(&head);
    for change in hook.get("changes").and_then(Value::as_array).into_iter().flatten() {
        say(format_args!("{:<16} {}", "", change.as_str().unwrap_or_default()));
    }
    say("");
    say(hook.get("body").or_else(|| hook.get("body_hex")).and_then(Value::as_str).unwrap_or_default());
    Ok(())
}

async fn replay(options: One) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let outcome = server.post(&format!("/hooks/{}/replay", options.id)).await?;
    if options.server.json {
        print_json(&outcome);
    } else {
        say(format_args!(
            "{}: {} (order {})",
            text_at(&outcome, "verdict"),
            text_at(&outcome, "reason"),
            text_at(&outcome, "number")
        ));
    }
    Ok(())
}
