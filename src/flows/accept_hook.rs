//! A hook that was verified and identified is accepted: recognised, or read whole and taken in.

use super::receive_hook::{receive, recognise};
use super::{Hook, Received, Shop};
use crate::kernel::Timestamp;
use crate::store::Unavailable;
use crate::webhooks::{Protocol, Reading};

/// Recognises the hook or takes it in. One that is kept as ignored is looked at again when its first arrival is named.
pub async fn accept_hook(
    shop: &Shop,
    protocol: &dyn Protocol,
    hook: &Hook,
    reading: &dyn Reading,
    again: Option<Timestamp>,
) -> Result<Received, Unavailable> {
    if again.is_none()
        && let Some(received) = recognise(shop, hook).await?
    {
        return Ok(received);
    }
    receive(shop, hook, reading.report(), protocol, again).await
}
