//! `tillgate listen`: hooks, payments and messages of a running gateway, as
//! they happen.
//!
//! It asks the admin API again and again, so it sees what every receiver of a
//! shared database does.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::client::{Server, ServerOptions};
use super::show::{journal, text_at};
use super::{Failed, say};
use crate::kernel::Stopwatch;

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    server: ServerOptions,
}

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Hooks that one look reads. More between two looks are counted, not shown.
const HOOKS_MAX: usize = 200;

/// Orders whose journals are read at each look: those with the latest hooks.
const ORDERS_MAX: usize = 20;

/// How long an order is watched after its latest entry.
const QUIET_MAX: Duration = Duration::from_secs(600);

/// Entries that are remembered as shown.
const SHOWN_MAX: usize = 20_000;

pub async fn run(options: Options) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    follow(&server, options.server.json).await
}

/// Prints what happens, until Ctrl-C.
pub async fn follow(server: &Server, json: bool) -> Result<(), Failed> {
    let mut view = View::default();
    view.skip_past(server).await?;
    if !json {
        say("Listening. Hooks, payments and messages are shown as they happen; Ctrl-C ends it.");
    }
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            () = tokio::time::sleep(PAUSE) => {}
        }
        for entry in view.look(server).await? {
            if json {
                say(crate::kernel::text::shown_json(&entry.to_string()));
            } else {
                journal::lines(&entry).iter().for_each(say);
            }
        }
    }
}

#[derive(Default)]
struct View {
    shown: HashSet<String>,
    /// The same, oldest first.
    order_shown: VecDeque<String>,
    /// Orders that are watched, with the time of their latest entry.
    watched: HashMap<String, Stopwatch>,
}

impl View {
    /// Takes what is there already as shown.
    async fn skip_past(&mut self, server: &Server) -> Result<(), Failed> {
        let orders: Vec<String> = self.hooks(server).await?.iter().filter_map(number_of).collect();
        for number in orders.iter().take(ORDERS_MAX) {
            self.new_entries(server, number).await?;
        }
        Ok(())
    }

    /// What has happened since the last look, oldest first.
    async fn look(&mut self, server: &Server) -> Result<Vec<Value>, Failed> {
        let mut found = Vec::new();
        for hook in self.hooks(server).await? {
            match number_of(&hook) {
                Some(number) => {
                    self.watched.insert(number, Stopwatch::start());
                }
                None => found.push(hook),
            }
        }
        self.watched.retain(|_, latest| latest.elapsed() < QUIET_MAX);
        let since = |(of, latest): (&String, &Stopwatch)| (latest.elapsed(), of.clone());
        let mut orders: Vec<_> = self.watched.iter().map(since).collect();
        orders.sort_unstable();
        for (_, number) in orders.into_iter().take(ORDERS_MAX) {
            let entries = self.new_entries(server, &number).await?;
            if !entries.is_empty() {
                self.watched.insert(number.clone(), Stopwatch::start());
            }
            found.extend(entries.into_iter().map(|mut entry| {
                entry["order"] = Value::String(number.clone());
                entry
            }));
        }
        found.sort_by(|a, b| time_of(a).cmp(time_of(b)));
        Ok(found)
    }

    /// The hooks that were not shown, oldest first.
    async fn hooks(&mut self, server: &Server) -> Result<Vec<Value>, Failed> {
        let limit = HOOKS_MAX.to_string();
        let page = server.get("/hooks", &[("limit", Some(&limit))]).await?;
        let items = page.get("items").and_then(Value::as_array).into_iter().flatten().rev();
        let mut hooks: Vec<Value> = items.cloned().collect();
        hooks.iter_mut().for_each(|hook| hook["entry"] = "hook".into());
        // A hook of an order is shown with the other entries of its journal.
        hooks.retain(|hook| self.is_new(&format!("hook {}", text_at(hook, "id"))));
        Ok(hooks)
    }

    async fn new_entries(&mut self, server: &Server, number: &str) -> Result<Vec<Value>, Failed> {
        let journal = server.get(&format!("/orders/{number}/journal"), &[]).await?;
        let items = journal.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let marks = ["entry", "id", "at", "text", "state", "attempts", "copies"];
        let is_new = |entry: &Value| {
            let marks = marks.map(|mark| text_at(entry, mark)).join(" ");
            self.is_new(&format!("{number} {marks}"))
        };
        let mut is_new = is_new;
        Ok(items.into_iter().filter(|entry| is_new(entry)).collect())
    }

    fn is_new(&mut self, mark: &str) -> bool {
        if !self.shown.insert(mark.to_owned()) {
            return false;
        }
        self.order_shown.push_back(mark.to_owned());
        if self.order_shown.len() > SHOWN_MAX
            && let Some(oldest) = self.order_shown.pop_front()
        {
            self.shown.remove(&oldest);
        }
        true
    }
}

fn number_of(hook: &Value) -> Option<String> {
    hook.get("number").and_then(Value::as_str).map(str::to_owned)
}

/// When an entry happened, as RFC 3339 in UTC, which sorts as text.
fn time_of(entry: &Value) -> &str {
    let times = ["received_at", "at", "created_at"];
    times.iter().find_map(|name| entry.get(*name)?.as_str()).unwrap_or_default()
}
