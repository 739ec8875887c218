//! How far a marketplace was told something: an [`Attempt`] whose record is the message itself.
//!
//! What is sent twice is refused over there as out of turn, and there is nothing to look it up by. So after an outcome that is
//! not known, the same is sent again, and "out of turn" means that an earlier attempt, or one whose sender died, has arrived.

use crate::kernel::failure::DeliveryFailure;
use crate::kernel::{Failure, Private, Timestamp};
use crate::outbox::Delivery;
use crate::outbox::Lane;
use crate::outbox::Ordering;
use crate::payments::{Attempt, CallOutcome, Mismatch, Progress, Refusal, RetryLater, RetryReason};

/// What marketplaces hear of how far their orders are.
pub const MARKETPLACES: Lane = Lane::new(5, Ordering::Strict, "marketplace");

/// How telling ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It was taken in.
    Taken,
    /// Certainly not taken in; it may be sent again.
    NotTaken(String),
    /// It may have been taken in.
    Unknown(String),
    /// It does not go from where the order stands over there.
    OutOfTurn(String),
    /// It will never be taken in.
    Refused(String),
}

/// What becomes of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The marketplace has it.
    Arrived {
        /// What it said, if it refused this attempt because an earlier one has arrived.
        out_of_turn: Option<String>,
    },
    /// It is sent again.
    Again(DeliveryFailure),
    /// A person sees to the order at the marketplace.
    GivenUp(DeliveryFailure),
}

/// An update on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketplaceUpdate {
    /// None when it is over.
    progress: Option<Progress>,
    outcome_unknown: bool,
    refusal: Option<Refusal>,
    request: Option<Private>,
}

impl MarketplaceUpdate {
    /// As far as its message says.
    #[must_use]
    pub fn of(delivery: &Delivery) -> MarketplaceUpdate {
        let since = delivery.created_at;
        let (progress, outcome_unknown) = match delivery.last_error.as_ref().and_then(Failure::read) {
            Some(DeliveryFailure::AboutToBeSent { outcome_unknown }) => {
                (Progress::Sending { since }, outcome_unknown)
            }
            Some(DeliveryFailure::OutcomeUnknown { .. }) => {
                (Progress::Unknown { since, looks: 0, is_absent: false }, true)
            }
            Some(_) | None => (Progress::Planned, false),
        };
        MarketplaceUpdate { progress: Some(progress), outcome_unknown, refusal: None, request: None }
    }

    /// What is written on the message before it is sent: should the process die, it may have arrived.
    #[must_use]
    pub fn about_to_be_sent(&self) -> Failure {
        let outcome_unknown = self.may_have_arrived();
        Failure::of(&DeliveryFailure::AboutToBeSent { outcome_unknown })
    }

    /// Whether an earlier attempt may have arrived: one whose outcome is not known, or whose sender has died.
    #[must_use]
    pub fn may_have_arrived(&self) -> bool {
        self.outcome_unknown || !matches!(self.progress, Some(Progress::Planned))
    }

    /// Takes in how telling ended. `self` is as it was before [`MarketplaceUpdate::about_to_be_sent`] was written.
    #[must_use]
    pub fn take(mut self, told: Told, now: Timestamp) -> Next {
        self.outcome_unknown = self.may_have_arrived();
        self.set_progress(Progress::Sending { since: now });
        let out_of_turn = if let Told::OutOfTurn(said) = &told { Some(said.clone()) } else { None };
        let outcome = match told {
            Told::Taken => CallOutcome::Created(()),
            Told::OutOfTurn(_) if self.outcome_unknown => CallOutcome::Created(()),
            Told::NotTaken(said) => CallOutcome::NotDone(RetryReason::CallFailed { said }),
            Told::Unknown(said) => CallOutcome::Unknown(RetryReason::CallFailed { said }),
            Told::OutOfTurn(said) => CallOutcome::Refused(Refusal::ByPaymentSystem { said }),
            // It would be refused again, and nobody can look whether an earlier attempt arrived.
            Told::Refused(said) if self.outcome_unknown => {
                return Next::GivenUp(DeliveryFailure::OutcomeUnknown { said });
            }
            Told::Refused(said) => CallOutcome::Refused(Refusal::ByPaymentSystem { said }),
        };
        match (self.record(outcome, now), self.refusal, self.progress) {
            (Ok(()), Some(refusal), _) => Next::GivenUp(DeliveryFailure::Refused { said: refusal.said() }),
            (Ok(()), None, _) => Next::Arrived { out_of_turn },
            (Err(again), _, Some(Progress::Planned)) => {
                Next::Again(DeliveryFailure::NotSent { said: again.reason.said() })
            }
            (Err(again), _, _) => Next::Again(DeliveryFailure::OutcomeUnknown { said: again.reason.said() }),
        }
    }
}

impl Attempt for MarketplaceUpdate {
    type Remote = ();

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
