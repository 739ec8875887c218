//! The progress of a fulfilment update: an [`Attempt`] whose record is the
//! message itself.
//!
//! The marketplace refuses an update that it gets twice as out of turn, and an
//! update cannot be looked up there. So after an unknown outcome the same
//! update is sent again, and "out of turn" then means that an earlier attempt
//! has arrived, or one whose process died.

use crate::kernel::failure::DeliveryFailure;
use crate::kernel::{Failure, Private, Timestamp};
use crate::orders::UpdateOutcome;
use crate::outbox::{Delivery, Lane, Ordering};
use crate::payments::{Attempt, CallOutcome, Mismatch, Progress, Refusal, RetryLater, RetryReason};

/// The lane of fulfilment updates to marketplaces.
pub const MARKETPLACES: Lane = Lane::new(5, Ordering::Strict, "marketplace");

/// What happens to the message next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The marketplace has the update.
    Arrived {
        /// The text of the marketplace, if it refused this attempt because an
        /// earlier one has arrived.
        out_of_turn: Option<String>,
    },
    /// The update is sent again.
    Again(DeliveryFailure),
    /// The update is given up: a person has to fix the order at the
    /// marketplace.
    GivenUp(DeliveryFailure),
}

/// A fulfilment update that is being sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketplaceUpdate {
    /// `None` when it is over.
    progress: Option<Progress>,
    outcome_unknown: bool,
    refusal: Option<Refusal>,
    request: Option<Private>,
}

impl MarketplaceUpdate {
    /// Reads the progress from its message.
    #[must_use]
    pub fn of(delivery: &Delivery) -> MarketplaceUpdate {
        let since = delivery.created_at;
        let (progress, outcome_unknown) = match delivery.last_error.as_ref().and_then(Failure::read)
        {
            Some(DeliveryFailure::AboutToBeSent { outcome_unknown }) => {
                (Progress::Sending { since }, outcome_unknown)
            }
            Some(DeliveryFailure::OutcomeUnknown { .. }) => {
                (Progress::Unknown { since, looks: 0, is_absent: false }, true)
            }
            Some(_) | None => (Progress::Planned, false),
        };
        MarketplaceUpdate {
            progress: Some(progress),
            outcome_unknown,
            refusal: None,
            request: None,
        }
    }

    /// The error that is stored in the message before it is sent: if the
    /// process dies, the update may have arrived.
    #[must_use]
    pub fn about_to_be_sent(&self) -> Failure {
        let outcome_unknown = self.may_have_arrived();
        Failure::of(&DeliveryFailure::AboutToBeSent { outcome_unknown })
    }

    /// Whether an earlier attempt may have arrived: one with an unknown
    /// outcome, or one whose process died.
    #[must_use]
    pub fn may_have_arrived(&self) -> bool {
        self.outcome_unknown || !matches!(self.progress, Some(Progress::Planned))
    }

    /// Processes the outcome of sending. `self` is the state before
    /// [`MarketplaceUpdate::about_to_be_sent`] was stored.
    #[must_use]
    pub fn take(mut self, outcome: UpdateOutcome, now: Timestamp) -> Next {
        self.outcome_unknown = self.may_have_arrived();
        self.set_progress(Progress::Sending { since: now });
        let out_of_turn =
            if let UpdateOutcome::OutOfTurn(said) = &outcome { Some(said.clone()) } else { None };
        let outcome = match outcome {
            UpdateOutcome::Taken => CallOutcome::Created(()),
            UpdateOutcome::OutOfTurn(_) if self.outcome_unknown => CallOutcome::Created(()),
            UpdateOutcome::NotTaken(said) => CallOutcome::NotDone(RetryReason::CallFailed { said }),
            UpdateOutcome::Unknown(said) => CallOutcome::Unknown(RetryReason::CallFailed { said }),
            UpdateOutcome::OutOfTurn(said) => {
                CallOutcome::Refused(Refusal::ByPaymentSystem { said })
            }
            // It would be refused again, and whether an earlier attempt has
            // arrived cannot be looked up.
            UpdateOutcome::Refused(said) if self.outcome_unknown => {
                return Next::GivenUp(DeliveryFailure::OutcomeUnknown { said });
            }
            UpdateOutcome::Refused(said) => CallOutcome::Refused(Refusal::ByPaymentSystem { said }),
        };
        match (self.record(outcome, now), self.refusal, self.progress) {
            (Ok(()), Some(refusal), _) => {
                Next::GivenUp(DeliveryFailure::Refused { said: refusal.said() })
            }
            (Ok(()), None, _) => Next::Arrived { out_of_turn },
            (Err(again), _, Some(Progress::Planned)) => {
                Next::Again(DeliveryFailure::NotSent { said: again.reason.said() })
            }
            (Err(again), _, _) => {
                Next::Again(DeliveryFailure::OutcomeUnknown { said: again.reason.said() })
            }
        }
    }
}

impl Attempt for MarketplaceUpdate {
    type RemotePayment = ();

    fn progress(&self) -> Option<Progress> {
        self.progress
    }

    fn set_progress(&mut self, progress: Progress) {
        self.progress = Some(progress);
    }

    fn request_mut(&mut self) -> &mut Option<Private> {
        &mut self.request
    }

    fn outcome_unknown_mut(&mut self) -> &mut bool {
        &mut self.outcome_unknown
    }

    fn is_own(&self, (): &()) -> bool {
        true
    }

    fn known(&mut self, (): (), _: Timestamp) -> Result<(), RetryLater> {
        self.progress = None;
        Ok(())
    }

    fn refuse(&mut self, refusal: Refusal, _: Timestamp) {
        (self.progress, self.refusal) = (None, Some(refusal));
    }

    fn review(&mut self, _: Mismatch, now: Timestamp) {
        self.refuse(Refusal::Cancelled, now);
    }

    fn not_shown(&self) -> Option<RetryLater> {
        None
    }
}
