//! Accepts a hook that was verified and identified: recognises it as a retry,
//! or reads the rest of it and processes it.

use super::receive_hook::receive;
use super::recognise_hook::recognise;
use super::{Hook, Received, Services};
use crate::kernel::Timestamp;
use crate::store::Unavailable;
use crate::webhooks::{Protocol, Reading};

/// Recognises the hook as a retry, or processes it. `again` is the time at
/// which it first arrived; it is set to process a hook again that was stored as
/// ignored.
pub async fn accept_hook(
    services: &Services,
    protocol: &dyn Protocol,
    hook: &Hook,
    reading: &dyn Reading,
    again: Option<Timestamp>,
) -> Result<Received, Unavailable> {
    if again.is_none()
        && let Some(received) = recognise(services, hook).await?
    {
        return Ok(received);
    }
    receive(services, hook, reading.report(), protocol, again).await
}
