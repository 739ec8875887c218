//! Notifications that nobody has proved ask for a look at the payment system. Many about one payment ask for few looks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::kernel::Timestamp;
use crate::kernel::time::{between, later};
use crate::payments::{OperationId, PaymentId};

/// Between two looks that were asked for by hints about the same thing.
const LOOK_GAP: Duration = Duration::from_secs(10);

/// Things that are remembered at the same time. More are looked at each time they are hinted at.
const HINTED_MAX: usize = 10_000;

/// What a hint is about.
pub type Subject = (PaymentId, Option<OperationId>);

/// When each thing is looked at, as far as this process has asked for it lately.
#[derive(Debug, Clone, Default)]
pub struct Hints(Arc<Mutex<HashMap<Subject, Timestamp>>>);

impl Hints {
    /// After how long to look because of a hint that has come `now`; None if a look that is to come sees it too.
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

    /// The look could not be asked for: the next hint does.
    pub(super) fn forget(&self, subject: Subject) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&subject);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_hints_make_a_look_in_ten_seconds_and_the_last_is_seen() {
        let hints = Hints::default();
        let subject = ("482993011752-1".parse().expect("a payment"), None);
        let at = |milliseconds: i64| {
            Timestamp::from_millisecond(1_700_000_000_000 + milliseconds).expect("a time")
        };
        assert_eq!(hints.wait(subject, at(0)), Some(Duration::ZERO));
        // The look may have been made meanwhile, so one that comes after it makes another, once.
        assert_eq!(hints.wait(subject, at(1)), Some(Duration::from_millis(9_999)));
        assert_eq!(hints.wait(subject, at(9_000)), None);
        assert_eq!(hints.wait(subject, at(10_000)), Some(Duration::from_secs(10)));
        assert_eq!(hints.wait(subject, at(60_000)), Some(Duration::ZERO));
        hints.forget(subject);
        assert_eq!(hints.wait(subject, at(60_001)), Some(Duration::ZERO));
    }
}
