//! Prints the course of a scenario.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use serde_json::Value;

use super::marketplace::Attempt;
use super::world::{DEADLINE, World};

/// Prints the course of a scenario, and counts the checks that failed.
pub(super) struct Narrator {
    pub(super) colour: bool,
    pub(super) checks: u32,
    pub(super) failed: u32,
    pub(super) told_messages: usize,
    pub(super) times: Vec<Duration>,
}

impl Narrator {
    pub(super) fn new() -> Narrator {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Narrator { colour, checks: 0, failed: 0, told_messages: 0, times: Vec::new() }
    }

    pub(super) fn say(&self, line: impl std::fmt::Display) {
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    pub(super) fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn chapter(&self, title: &str) {
        self.say(format_args!("\n{}", self.paint("1;36", &format!("── {title}"))));
    }

    pub(super) fn answer(&mut self, what: &str, attempt: &Attempt) {
        let micros = attempt.took.as_micros();
        let took = format!("{}.{:02} ms", micros / 1000, micros / 10 % 100);
        self.times.push(attempt.took);
        let answer = match &attempt.answer {
            Ok((status, body)) => {
                let colour = if *status < 300 { "32" } else { "33" };
                let detail = serde_json::from_str::<Value>(body)
                    .ok()
                    .and_then(|body| body.get("detail").and_then(Value::as_str).map(str::to_owned));
                format!(
                    "{} {}",
                    self.paint(colour, &status.to_string()),
                    detail.as_deref().unwrap_or(body)
                )
            }
            Err(why) => self.paint("31", why),
        };
        self.say(format_args!("  СМ → {what:<34} ← {answer}  {}", self.paint("2", &took)));
    }

    pub(super) fn check(&mut self, holds: bool, claim: &str) {
        self.checks += 1;
        self.failed += u32::from(!holds);
        let mark = if holds { self.paint("32", "✓") } else { self.paint("1;31", "✗ FAILED:") };
        self.say(format_args!("     {mark} {claim}"));
    }

    /// Moves the scenario's clock forward.
    pub(super) fn pass(&self, world: &World, time: Duration) {
        let words = match time.as_secs() {
            seconds @ 0..120 => format!("{seconds} seconds"),
            seconds @ 120..7200 => format!("{} minutes", seconds / 60),
            seconds => format!("{} hours", seconds / 3600),
        };
        self.say(format_args!("  … {words} later"));
        world.clock.advance(time);
    }

    /// Prints how many checks passed. Returns whether all did.
    pub(super) fn sum_up(&self) -> bool {
        self.say(format_args!("\n{} of {} checks passed", self.checks - self.failed, self.checks));
        self.failed == 0
    }

    /// Prints the messages that pickers have received since the last call.
    /// Waits for `count` of them.
    pub(super) async fn show_picker_messages(&mut self, world: &World, count: usize) {
        let received = world.chat.wait_for(self.told_messages + count, DEADLINE).await;
        let messages = received.unwrap_or_else(|messages| messages);
        let new: Vec<_> = messages.iter().skip(self.told_messages).cloned().collect();
        for message in &new {
            self.say(format_args!(
                "     {}",
                self.paint("2", &format!("┌ Telegram, {}", message.chat_id))
            ));
            for line in message.text.lines() {
                self.say(format_args!("     {} {line}", self.paint("2", "│")));
            }
        }
        if new.len() != count {
            self.check(
                false,
                &format!("pickers received {} messages instead of {count}", new.len()),
            );
        }
        self.told_messages = messages.len();
    }
}
