//! A fulfilment update is applied at most once, and its recorded outcome is
//! right, however the marketplace answers and wherever the process dies.

use tillgate::flows::marketplace_update::{MarketplaceUpdate, Next};
use tillgate::kernel::failure::DeliveryFailure;
use tillgate::kernel::{Failure, Timestamp};
use tillgate::orders::Number;
use tillgate::orders::UpdateOutcome;
use tillgate::outbox::Delivery;
use tillgate::outbox::{Message, MessageId};

/// What happens in one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Fine,
    /// No byte was sent.
    NotSent,
    /// Accepted, and the answer is lost.
    Lost,
    /// Not accepted, and the sender does not know.
    Broken,
    /// It will never be accepted.
    Refused,
    /// Somebody else has moved the order on at the marketplace, so that the
    /// update is out of turn.
    Overtaken,
    DiesBefore,
    DiesAfter,
}

const TURNS: [Turn; 8] = [
    Turn::Fine,
    Turn::NotSent,
    Turn::Lost,
    Turn::Broken,
    Turn::Refused,
    Turn::Overtaken,
    Turn::DiesBefore,
    Turn::DiesAfter,
];

struct Marketplace {
    has_it: bool,
    is_elsewhere: bool,
    times_taken: u32,
}

impl Marketplace {
    /// Receives an update: it is accepted once, and only if it is in turn.
    fn hear(&mut self) -> UpdateOutcome {
        if self.has_it || self.is_elsewhere {
            return UpdateOutcome::OutOfTurn("422".into());
        }
        self.has_it = true;
        self.times_taken += 1;
        UpdateOutcome::Taken
    }

    /// How one attempt ends for the sender; `None` if the process dies.
    fn play(&mut self, turn: Turn) -> Option<UpdateOutcome> {
        match turn {
            Turn::Fine => Some(self.hear()),
            Turn::NotSent => Some(UpdateOutcome::NotTaken("no connection".into())),
            Turn::Lost => {
                self.hear();
                Some(UpdateOutcome::Unknown("no answer".into()))
            }
            Turn::Broken => Some(UpdateOutcome::Unknown("no answer".into())),
            Turn::Refused => Some(UpdateOutcome::Refused("400".into())),
            Turn::Overtaken => {
                self.is_elsewhere = true;
                Some(self.hear())
            }
            Turn::DiesBefore => None,
            Turn::DiesAfter => {
                self.hear();
                None
            }
        }
    }
}

fn message() -> Delivery {
    let message = Message {
        id: MessageId { subject: Number::smallest().partition(), sequence: 1 },
        lane: tillgate::flows::marketplace_update::MARKETPLACES,
        queue: "sm".into(),
        body: "{}".into(),
        created_at: Timestamp::UNIX_EPOCH,
        wait: std::time::Duration::ZERO,
    };
    Delivery::new(message, Timestamp::UNIX_EPOCH)
}

/// Sends an update until there is an outcome. After the script, every attempt
/// succeeds.
fn tell(script: &[Turn]) -> (Next, Marketplace, bool) {
    let mut delivery = message();
    let mut marketplace = Marketplace { has_it: false, is_elsewhere: false, times_taken: 0 };
    let mut may_have_arrived = false;
    for turn in script.iter().copied().chain([Turn::Fine; 3]) {
        let update = MarketplaceUpdate::of(&delivery);
        assert_eq!(update.may_have_arrived(), may_have_arrived, "{script:?}");
        delivery.last_error = Some(update.about_to_be_sent());
        let outcome = marketplace.play(turn);
        // The note survives: an attempt that may have arrived is not forgotten,
        // and no attempt is invented.
        may_have_arrived |= !matches!(outcome, Some(UpdateOutcome::NotTaken(_)));
        let Some(outcome) = outcome else { continue };
        match update.take(outcome, Timestamp::UNIX_EPOCH) {
            Next::Again(failure) => delivery.last_error = Some(Failure::of(&failure)),
            over @ (Next::Arrived { .. } | Next::GivenUp(_)) => {
                return (over, marketplace, may_have_arrived);
            }
        }
    }
    panic!("no outcome: {script:?}")
}

#[test]
fn an_update_is_applied_once_however_its_calls_end() {
    let count = TURNS.len();
    let mut histories = 0;
    for length in 0..=5 {
        for mut place in 0..count.pow(length) {
            let mut script = Vec::new();
            for _ in 0..length {
                script.push(TURNS[place % count]);
                place /= count;
            }
            let (next, marketplace, may_have_arrived) = tell(&script);
            assert!(marketplace.times_taken <= 1, "{script:?}");
            match next {
                Next::Arrived { .. } => {
                    // "Out of turn" after an attempt that may have arrived is
                    // all that can be known.
                    assert!(marketplace.has_it || may_have_arrived, "{script:?}");
                    assert!(marketplace.has_it || marketplace.is_elsewhere, "{script:?}");
                }
                Next::GivenUp(DeliveryFailure::Refused { .. }) => {
                    assert!(
                        !marketplace.has_it,
                        "{script:?}: reported as refused, but it was accepted"
                    );
                }
                Next::GivenUp(DeliveryFailure::OutcomeUnknown { .. }) => {
                    assert!(script.contains(&Turn::Refused), "{script:?}");
                }
                other @ (Next::Again(_) | Next::GivenUp(_)) => panic!("{script:?}: {other:?}"),
            }
            histories += 1;
        }
    }
    assert_eq!(histories, 37_449);
}
