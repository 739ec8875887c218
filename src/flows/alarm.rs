//! Alarms about a source, which are raised once an hour and not with each of
//! its hooks.

use std::sync::PoisonError;

use super::parked_orders::PARKED_ORDERS_MAX;
use super::transaction::commit_once;
use super::{Hook, Services, entry_of, journal_key};
use crate::dedup::{Reason, Verdict};
use crate::kernel::{LocalTime, PartyName, Timestamp};
use crate::store::{Batch, Expect, Unavailable};
use crate::texts::{Language, Localized};

/// What is wrong with a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// The timestamps of its hooks are after their arrival: its clock is ahead.
    ClockAhead { sent_at: LocalTime, arrived_at: Timestamp },
    /// Its timestamps have no offset, and no time zone is configured.
    NoTimeZone,
    /// As many of its orders as may wait for their creation do so.
    TooManyParked,
    /// It has sent more today than its quota.
    QuotaUsedUp,
    /// The callback address for its orders has answered 410.
    NobodyListens { url: String },
}

impl Alarm {
    /// The event type in the journal.
    const fn event_type(&self) -> &'static str {
        match self {
            Alarm::ClockAhead { .. } => "tillgate.clock_ahead",
            Alarm::NoTimeZone => "tillgate.no_time_zone",
            Alarm::TooManyParked => "tillgate.too_many_parked",
            Alarm::QuotaUsedUp => "tillgate.quota_used_up",
            Alarm::NobodyListens { .. } => "tillgate.nobody_listens",
        }
    }

    /// What distinguishes alarms of the same kind about the same source.
    fn subject(&self) -> &str {
        match self {
            Alarm::ClockAhead { .. }
            | Alarm::NoTimeZone
            | Alarm::TooManyParked
            | Alarm::QuotaUsedUp => "",
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
            Alarm::TooManyParked => {
                Reason::TooManyParked { source, waiting_max: PARKED_ORDERS_MAX }
            }
            Alarm::QuotaUsedUp => Reason::QuotaUsedUp { source },
            Alarm::NobodyListens { url } => Reason::NobodyListens { url: url.clone() },
        }
    }
}

const HOUR_SECONDS: i64 = 3600;

/// Raises an alarm in the journal and the log, unless that has been done in
/// this hour. Returns whether this call raised it, among the calls of all
/// receivers.
pub async fn raise(
    services: &Services,
    source: &PartyName,
    alarm: &Alarm,
    now: Timestamp,
) -> Result<bool, Unavailable> {
    let hour = now.as_second().div_euclid(HOUR_SECONDS);
    let (event_type, subject) = (alarm.event_type(), alarm.subject());
    let key = (source.clone(), event_type, subject.to_owned());
    let known = services.alarms.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
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
    // If it was not committed, another receiver has raised the alarm.
    let is_first = commit_once(&services.store, batch).await?;
    let mut raised = services.alarms.0.lock().unwrap_or_else(PoisonError::into_inner);
    raised.retain(|_, known| *known == hour);
    raised.insert(key, hour);
    drop(raised);
    if is_first {
        tracing::error!(
            hook.source = %source,
            alarm = event_type,
            reason = %words,
            "a source has a problem that a person must fix; see reason"
        );
    }
    Ok(is_first)
}
