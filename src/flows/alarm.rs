//! What a person should hear about a source once an hour, and not with each of its hooks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::receive_hook::receipt_of;
use super::{Hook, Shop, receipt_key};
use crate::dedup::Verdict;
use crate::kernel::{SourceName, Timestamp};
use crate::store::{Batch, CommitError, Expect, Unavailable};

/// What is wrong with a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// It dates hooks after their arrival: its clock is ahead.
    ClockAhead,
    /// Its times name no offset, and none is configured.
    NoTimeZone,
    /// Nobody listens where it is to hear of its orders.
    NobodyListens,
}

impl Alarm {
    /// Its name in the journal.
    const fn event_type(self) -> &'static str {
        match self {
            Alarm::ClockAhead => "tillgate.clock_ahead",
            Alarm::NoTimeZone => "tillgate.no_time_zone",
            Alarm::NobodyListens => "tillgate.nobody_listens",
        }
    }
}

/// The hours in which this process knows that an alarm was raised.
#[derive(Debug, Clone, Default)]
pub struct Alarms(Arc<Mutex<BTreeMap<Key, i64>>>);

/// Whose alarm it is, which, and about what.
type Key = (SourceName, Alarm, String);

const HOUR_SECONDS: i64 = 3600;

/// Raises an alarm in the journal and the log, unless that was done in this hour. `subject` tells it from others of its kind
/// that the same source may have: the address of a site. Says whether it was this call that did it, of
/// those of all receivers.
pub async fn raise(
    shop: &Shop,
    source: &SourceName,
    (alarm, subject): (Alarm, &str),
    reason: &str,
    now: Timestamp,
) -> Result<bool, Unavailable> {
    let hour = now.as_second().div_euclid(HOUR_SECONDS);
    let key = (source.clone(), alarm, subject.to_owned());
    let known = shop.alarms.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
    if known == Some(hour) {
        return Ok(false);
    }
    let event_type = alarm.event_type();
    let hook = Hook::new(
        source.clone(),
        event_type.into(),
        None,
        None,
        [event_type, subject, &hour.to_string()].join(" ").into_bytes().into(),
    );
    let mut entry = receipt_of(&hook, hook.first_id, now);
    entry.verdict = Verdict::Ignored;
    entry.reason = Some(reason.to_owned());
    let mut batch = Batch::new();
    batch.put(receipt_key(entry.id), Expect::Absent, &entry, now);
    let is_first = match shop.store.commit(batch).await {
        Ok(()) => true,
        // Another receiver has raised it.
        Err(CommitError::Conflict | CommitError::LostLease) => false,
        Err(CommitError::Unavailable(why)) => return Err(why),
    };
    let mut raised = shop.alarms.0.lock().unwrap_or_else(PoisonError::into_inner);
    raised.retain(|_, known| *known == hour);
    raised.insert(key, hour);
    drop(raised);
    if is_first {
        tracing::error!(hook.source = %source, alarm = event_type, reason, "a source needs a person's attention");
    }
    Ok(is_first)
}
