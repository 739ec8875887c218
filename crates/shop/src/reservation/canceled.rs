//! What a service does with the news that an order was cancelled.

use super::{Reservation, Reservations};
use crate::bus::{Incoming, NotTaken};
use crate::formats::OrderCanceled;

impl<R: Reservation> Reservations<R> {
    /// Takes the message that an order was cancelled: what is held for it is
    /// given back, for good.
    ///
    /// # Errors
    /// When it is another message, or the store cannot be used.
    pub async fn take_canceled(&self, message: &Incoming<'_>) -> Result<(), NotTaken> {
        let OrderCanceled { order_id } = message.read()?;
        self.reverse(order_id, |_| true, None, Some(message)).await?;
        Ok(())
    }
}
