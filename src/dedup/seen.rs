//! A guess at whether a hook has come lately.
//!
//! Most creations are new, and looking for their receipts finds nothing; most retries come soon after the first.
//! The guess only chooses which is tried first, the look-up or the commit: whatever it says, the commit decides.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::kernel::HookId;

/// How many hooks are remembered. At a thousand hooks a second this is a minute; it takes half a megabyte.
const PLACES: usize = 1 << 16;

/// Hooks that came lately, each in the one place that its fingerprint gives it.
pub struct Seen {
    places: Box<[AtomicU64]>,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen { places: (0..PLACES).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seen")
    }
}

impl Seen {
    /// Remembers a hook, in place of whichever had its place before.
    pub fn remember(&self, hook: HookId) {
        let (place, mark) = self.place(hook);
        place.store(mark, Ordering::Relaxed);
    }

    /// Whether the hook is remembered.
    #[must_use]
    pub fn remembers(&self, hook: HookId) -> bool {
        let (place, mark) = self.place(hook);
        place.load(Ordering::Relaxed) == mark
    }

    #[expect(clippy::cast_possible_truncation, reason = "a fingerprint's bits are as good here as there")]
    fn place(&self, hook: HookId) -> (&AtomicU64, u64) {
        let fingerprint = hook.fingerprint.get();
        (&self.places[fingerprint as usize % PLACES], (fingerprint >> 16) as u64)
    }
}
