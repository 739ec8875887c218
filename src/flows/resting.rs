//! The payment systems that are left alone for a while, as far as this process has seen: nobody waits for them meanwhile.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use crate::kernel::PartyName;

/// Which payment systems are left alone.
#[derive(Debug, Clone, Default)]
pub struct Resting(Arc<RwLock<BTreeSet<PartyName>>>);

impl Resting {
    /// Whether it is left alone.
    #[must_use]
    pub fn has(&self, gateway: &PartyName) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(gateway)
    }

    /// It is left alone from now on, or is not any more.
    pub fn set(&self, gateway: &PartyName, rests: bool) {
        let mut resting = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if rests {
            resting.insert(gateway.clone());
        } else {
            resting.remove(gateway);
        }
    }
}
