//! A cache of recent hooks. It saves reads, but never decides anything.
//!
//! Most creations are new, so a look-up of their idempotency record finds
//! nothing; most duplicates come soon after the first delivery. So a mark of
//! each recent hook suggests what to try first: the look-up or the commit. The
//! answers that this process recently gave or read are cached too. An answer
//! never changes once it is given, so a cached one is as good as the record. If
//! an answer is not cached, the record is read.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Answered;
use crate::kernel::{ExternalId, Fingerprint, HookId};

/// The number of marks: enough for about a minute at a thousand hooks per
/// second. They take half a megabyte.
const MARKS: usize = 1 << 16;

/// The number of cached answers, of about 300 bytes each.
const ANSWERS: usize = 1 << 14;

/// Recent hooks. The fingerprint of a hook determines its slot.
pub struct Recent {
    marks: Box<[AtomicU64]>,
    answers: Box<[Mutex<Option<Arc<RecentHook>>>]>,
}

/// A hook that was answered recently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentHook {
    pub answered: Answered,
    /// Its kind, in the term of its sender.
    pub event_type: String,
    /// The sender's number of its order.
    pub external_id: Option<ExternalId>,
}

impl Default for Recent {
    fn default() -> Recent {
        Recent {
            marks: (0..MARKS).map(|_| AtomicU64::new(0)).collect(),
            answers: (0..ANSWERS).map(|_| Mutex::new(None)).collect(),
        }
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recent")
    }
}

impl Recent {
    /// Marks a hook, replacing the previous mark in its slot. Returns whether
    /// this hook was already marked.
    pub fn mark(&self, hook: HookId) -> bool {
        let fingerprint = hook.fingerprint.get();
        let mark = low(fingerprint >> 16);
        self.marks[place(fingerprint, MARKS)].swap(mark, Ordering::Relaxed) == mark
    }

    /// Caches an answer. It must already be durable.
    pub fn keep(&self, hook: RecentHook) {
        let slot = &self.answers[place(hook.answered.id.fingerprint.get(), ANSWERS)];
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(hook));
    }

    /// The hook with this fingerprint, if its answer is cached.
    #[must_use]
    pub fn hook(&self, fingerprint: Fingerprint) -> Option<Arc<RecentHook>> {
        let slot = &self.answers[place(fingerprint.get(), ANSWERS)];
        let kept = slot.lock().unwrap_or_else(PoisonError::into_inner).clone();
        kept.filter(|kept| kept.answered.id.fingerprint == fingerprint)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "any bits of a fingerprint are equally good")]
fn low(bits: u128) -> u64 {
    bits as u64
}

fn place(fingerprint: u128, places: usize) -> usize {
    usize::try_from(low(fingerprint) % places as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::{Answer, Verdict};
    use crate::kernel::{Partition, Timestamp};

    #[test]
    fn an_answer_is_returned_only_for_its_own_hook() {
        let recent = Recent::default();
        let hook = |partition, text: &str| HookId {
            partition: Partition::from_u64(partition),
            fingerprint: Fingerprint::of(&[text.as_bytes()]),
        };
        let answered = Answered {
            id: hook(7, "one"),
            number: None,
            received_at: Timestamp::UNIX_EPOCH,
            verdict: Verdict::Applied,
            answer: Answer { status: 200, content_type: "text/plain".into(), body: "one".into() },
        };
        let id = answered.id;
        let known = RecentHook { answered, event_type: "order.created".into(), external_id: None };
        assert_eq!(recent.hook(id.fingerprint), None);
        recent.keep(known.clone());
        assert_eq!(recent.hook(id.fingerprint).as_deref(), Some(&known));
        assert_eq!(recent.hook(hook(7, "another").fingerprint), None);
        assert!(!recent.mark(id));
        assert!(recent.mark(id));
    }

    #[test]
    fn different_hooks_rarely_share_a_slot() {
        let recent = Recent::default();
        let hook = |count: u32| HookId {
            partition: Partition::from_u64(7),
            fingerprint: Fingerprint::of(&[&count.to_be_bytes()]),
        };
        for count in 0..100 {
            recent.mark(hook(count));
        }
        let kept = (0..100).filter(|count| recent.mark(hook(*count))).count();
        assert!(kept > 90, "{kept} of 100 are still marked");
    }
}
