//! The payment systems that are paused for a while, as far as this process
//! knows. Nobody waits for them in that time.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use crate::kernel::PartyName;

/// The set of paused payment systems.
#[derive(Debug, Clone, Default)]
pub struct PausedGateways(Arc<RwLock<BTreeSet<PartyName>>>);

impl PausedGateways {
    /// Whether a payment system is paused.
    #[must_use]
    pub fn has(&self, gateway: &PartyName) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(gateway)
    }

    /// Sets whether a payment system is paused.
    pub fn set(&self, gateway: &PartyName, is_paused: bool) {
        let mut paused_gateways = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if is_paused {
            paused_gateways.insert(gateway.clone());
        } else {
            paused_gateways.remove(gateway);
        }
    }
}
