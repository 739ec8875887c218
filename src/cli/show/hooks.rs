//! `tillgate hooks list|show|replay`.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::table::{self, Column};
use super::{ListOptions, line_of, print_fields, print_json, text_at};
use crate::cli::client::ServerOptions;
use crate::cli::{Failed, say};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List hooks, the latest first
    List(List),
    /// Show a hook with its body
    Show(Show),
    /// Process a stored hook again, as if it had arrived now
    Replay(One),
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    list: ListOptions,
    /// Only hooks of this source
    #[arg(long)]
    source: Option<String>,
    /// Only hooks with this verdict: applied, replayed, late, parked, ignored,
    /// rejected
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

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    one: One,
    /// Write only the body, byte for byte as it is stored: into a file, as a
    /// terminal may obey control characters
    #[arg(long, conflicts_with = "json")]
    raw: bool,
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
        print_json(&Value::Array(hooks.items));
        return Ok(());
    }
    let columns = [
        Column::time("received", "received_at"),
        Column::text("id", "id"),
        Column::text("source", "source"),
        Column::text("kind", "event_type").shortened(),
        Column::text("their number", "external_id").shortened(),
        Column::text("verdict", "verdict"),
        Column::text("duplicates", "copies").optional(),
        Column::text("why", "reason").shortened().optional(),
    ];
    table::print(&hooks.items, &columns);
    hooks.say_if_more();
    Ok(())
}

async fn show(Show { one: options, raw }: Show) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let hook = server.get(&format!("/hooks/{}", options.id), &[]).await?;
    if raw {
        return write_bytes(&hook);
    }
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
        say(format_args!("{:<16} {}", "", line_of(change)));
    }
    say("");
    say(hook
        .get("body")
        .or_else(|| hook.get("body_hex"))
        .and_then(Value::as_str)
        .unwrap_or_default());
    Ok(())
}

/// Writes a hook's body as it is stored.
fn write_bytes(hook: &Value) -> Result<(), Failed> {
    let body = match (hook.get("body"), hook.get("body_hex")) {
        (Some(Value::String(text)), _) => text.clone().into_bytes(),
        (_, Some(Value::String(hex))) => bytes_of(hex).ok_or_else(|| {
            Failed::because("the gateway's answer has a body_hex that is not hexadecimal")
        })?,
        (_, _) => Vec::new(),
    };
    std::io::stdout()
        .write_all(&body)
        .map_err(|why| Failed::because(format!("the bytes cannot be written: {why}")))
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
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
