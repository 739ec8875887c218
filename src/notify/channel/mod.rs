//! The roads to people.

pub mod telegram;

use std::time::Duration;

use crate::kernel::failure::DeliveryFailure;

/// How handing over a message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handover {
    /// The peer has it.
    Taken,
    /// It may work later.
    Later {
        /// What happened.
        failure: DeliveryFailure,
        /// How long the peer asks us to wait.
        wish: Option<Duration>,
    },
    /// It will never work as it is.
    Never {
        /// What happened.
        failure: DeliveryFailure,
    },
}
