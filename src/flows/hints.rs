//! Hints: notifications of unauthenticated senders trigger a look-up at the
//! payment system. Many hints about one payment trigger few look-ups.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::kernel::Timestamp;
use crate::kernel::time::{between, later};
use crate::payments::{OperationId, PaymentId};

/// The time between two look-ups that hints about the same subject trigger.
const LOOK_GAP: Duration = Duration::from_secs(10);

/// The most subjects that are remembered at the same time. Hints about any
/// others trigger a look-up each.
const HINTED_MAX: usize = 10_000;

/// The subject of a hint.
pub type Subject = (PaymentId, Option<OperationId>);

/// When each subject is looked up, as far as this process has scheduled it
/// recently.
#[derive(Debug, Clone, Default)]
pub struct Hints(Arc<Mutex<HashMap<Subject, Timestamp>>>);

impl Hints {
    /// How long to wait before the look-up for a hint that arrived `now`;
    /// `None` if a scheduled look-up covers it.
    pub(super) fn wait(&self, subject: Subject, now: Timestamp) -> Option<Duration> {
        let mut due = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if due.len() >= HINTED_MAX {
            due.retain(|_, due| later(*due, LOOK_GAP) > now);
            if due.len() >= HINTED_MAX {
                return Some(Duration::ZERO);
            }
        }
        let wait = match due.get(&subject) {
            Some(last) if *last > now => return None,
            Some(last) => between(now, later(*last, LOOK_GAP)),
            None => Duration::ZERO,
        };
        due.insert(subject, later(now, wait));
        Some(wait)
    }

    /// Forgets a look-up that could not be scheduled, so that the next hint
    /// schedules it.
    pub(super) fn forget(&self, subject: Subject) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&subject);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_hints_trigger_one_look_up_in_ten_seconds_and_the_last_hint_is_covered() {
        let hints = Hints::default();
        let subject = ("482993011752-1".parse().expect("a payment"), None);
        let at = |milliseconds: i64| {
            Timestamp::from_millisecond(1_700_000_000_000 + milliseconds).expect("a time")
        };
        assert_eq!(hints.wait(subject, at(0)), Some(Duration::ZERO));
        // The look-up may already have been made, so a later hint schedules
        // another one, once.
        assert_eq!(hints.wait(subject, at(1)), Some(Duration::from_millis(9_999)));
        assert_eq!(hints.wait(subject, at(9_000)), None);
        assert_eq!(hints.wait(subject, at(10_000)), Some(Duration::from_secs(10)));
        assert_eq!(hints.wait(subject, at(60_000)), Some(Duration::ZERO));
        hints.forget(subject);
        assert_eq!(hints.wait(subject, at(60_001)), Some(Duration::ZERO));
    }
}
