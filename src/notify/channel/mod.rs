//! Channels through which messages reach people.

pub mod telegram;

use std::time::Duration;

use crate::kernel::failure::DeliveryFailure;

/// The outcome of sending a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// The peer has accepted the message.
    Taken,
    /// The message was not accepted. A retry may succeed.
    Later {
        failure: DeliveryFailure,
        /// How long the peer asks us to wait, if it does.
        retry_after: Option<Duration>,
    },
    /// The message was refused. A retry would be refused too.
    Never { failure: DeliveryFailure },
}
