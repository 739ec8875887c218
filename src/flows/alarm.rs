//! What a person should hear about a source once an hour, and not with each of its hooks.

use std::sync::PoisonError;

use super::transaction::commit_once;
use super::{Hook, Shop, entry_of, journal_key};
use crate::dedup::{Reason, Verdict};
use crate::kernel::{LocalTime, PartyName, Timestamp};
use crate::store::{Batch, Expect, Unavailable};
use crate::texts::{InWords, Language};

/// What is wrong with a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// It dates hooks after their arrival: its clock is ahead.
    ClockAhead { sent_at: LocalTime, arrived_at: Timestamp },
    /// Its times name no offset, and none is configured.
    NoTimeZone,
    /// Nobody listens where it is to hear of its orders.
    NobodyListens { url: String },
}

impl Alarm {
    /// Its name in the journal.
    const fn event_type(&self) -> &'static str {
        match self {
            Alarm::ClockAhead { .. } => "tillgate.clock_ahead",
            Alarm::NoTimeZone => "tillgate.no_time_zone",
            Alarm::NobodyListens { .. } => "tillgate.nobody_listens",
        }
    }

    /// What tells it from others of its kind that the same source may have.
    fn subject(&self) -> &str {
        match self {
            Alarm::ClockAhead { .. } | Alarm::NoTimeZone => "",
            Alarm::NobodyListens { url } => url,
        }
    }

    fn reason(&self, source: &PartyName) -> Reason {
        let source = source.clone();
        match self {
            Alarm::ClockAhead { sent_at, arrived_at } => {
                Reason::ClockAhead { source, sent_at: *sent_at, arrived_at: *arrived_at }
            }
            Alarm::NoTimeZone => Reason::NoTimeZone { source },
            Alarm::NobodyListens { url } => Reason::NobodyListens { url: url.clone() },
        }
    }
}

const HOUR_SECONDS: i64 = 3600;

/// Raises an alarm in the journal and the log, unless that was done in this hour. Says whether it was this call that did it,
/// of those of all receivers.
pub async fn raise(
    shop: &Shop,
    source: &PartyName,
    alarm: &Alarm,
    now: Timestamp,
) -> Result<bool, Unavailable> {
    let hour = now.as_second().div_euclid(HOUR_SECONDS);
    let (event_type, subject) = (alarm.event_type(), alarm.subject());
    let key = (source.clone(), event_type, subject.to_owned());
    let known = shop.alarms.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
    if known == Some(hour) {
        return Ok(false);
    }
    let hook = Hook::new(
        source.clone(),
        event_type.into(),
        None,
        None,
        [event_type, subject, &hour.to_string()].join(" ").into_bytes().into(),
    );
    let mut entry = entry_of(&hook, hook.first_id, now);
    entry.record.verdict = Verdict::Ignored;
    let reason = alarm.reason(source);
    let words = reason.in_words(Language::En);
    entry.reasons = vec![reason];
    let mut batch = Batch::new();
    batch.put(journal_key(entry.record.id), Expect::Absent, &entry, now);
    let is_first = commit_once(&shop.store, batch).await?; // else another receiver has raised it
    let mut raised = shop.alarms.0.lock().unwrap_or_else(PoisonError::into_inner);
    raised.retain(|_, known| *known == hour);
    raised.insert(key, hour);
    drop(raised);
    if is_first {
        tracing::error!(hook.source = %source, alarm = event_type, reason = %words, "a source needs a person's attention");
    }
    Ok(is_first)
}
