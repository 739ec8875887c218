//! What a service does with the news that an order was cancelled.

use super::{Reservation, Reservations};
use crate::bus::{Format, Incoming, NotTaken, Unreadable};
use crate::formats::OrderCanceled;

impl<R: Reservation> Reservations<R> {
    /// Takes the message that an order was cancelled: what is held for it is
    /// given back, for good.
    ///
    /// # Errors
    /// When it is another message, or the store cannot be used.
    pub async fn take_canceled(&self, message: &Incoming<'_>) -> Result<(), NotTaken> {
        match message.envelope.format {
            OrderCanceled::NUMBER => {
                let OrderCanceled { order_id } = message.read()?;
                Ok(self.reverse(order_id).await?)
            }
            other => Err(Unreadable::Format(other).into()),
        }
    }
}
