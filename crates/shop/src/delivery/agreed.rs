//! The delivery's part in the agreement on an order.

use super::Delivery;
use super::booking::{Booking, Way};
use crate::bus::{Consumer, Format, Incoming, NotTaken, Service, Unreadable};
use crate::formats::agreement::Reason;
use crate::formats::{ConfirmRequest, OrderCanceled};
use crate::reservation::State;
use crate::reservation::participant::Participant;

impl Consumer for Delivery {
    const SERVICE: Service = Service::Delivery;

    async fn take(&self, message: &Incoming<'_>) -> Result<(), NotTaken> {
        match message.envelope.format {
            ConfirmRequest::NUMBER => self.answer(&message.read()?, message).await,
            OrderCanceled::NUMBER => self.bookings.take_canceled(message).await,
            other => Err(Unreadable::Format(other).into()),
        }
    }
}

impl Delivery {
    /// What becomes of a booking that is taken for good: nothing, if its time
    /// has begun.
    pub(super) fn confirmed(&self, version: u64) -> impl Fn(&Booking) -> Option<Booking> + use<> {
        let now = self.now_there();
        move |known| {
            let slot = known.way.as_ref().and_then(Way::slot);
            let has_begun = slot.is_some_and(|slot| slot.date.to_datetime(slot.begin) <= now);
            let state = State::Confirmed;
            (!has_begun).then(|| Booking { state, version, ..known.clone() })
        }
    }

    async fn answer(
        &self,
        request: &ConfirmRequest,
        message: &Incoming<'_>,
    ) -> Result<(), NotTaken> {
        let participant = Participant {
            service: Service::Delivery,
            reason: Reason::SlotFull,
            keys: &self.keys,
            message: Some(message),
        };
        let confirmed = self.confirmed(request.version);
        let short = async || Ok(Vec::new());
        self.bookings.answer(request, &participant, confirmed, |_| true, short).await
    }
}
