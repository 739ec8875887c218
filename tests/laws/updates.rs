//! However a marketplace answers, and wherever the process dies: what it was told stands as told, and what it was not does
//! not.

use tillgate::flows::marketplace_update::{MarketplaceUpdate, Next, Told};
use tillgate::kernel::failure::DeliveryFailure;
use tillgate::kernel::{Failure, Timestamp};
use tillgate::orders::Number;
use tillgate::outbox::Delivery;
use tillgate::outbox::{Message, MessageId};

/// What happens to one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Fine,
    /// No byte was sent.
    NotSent,
    /// Taken in, and the answer is lost.
    Lost,
    /// Not taken in, and no telling.
    Broken,
    /// It will never be taken in.
    Refused,
    /// The order over there has gone on by other hands: what is told is out of turn.
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
    /// It is told: it takes what is in its turn, once.
    fn hear(&mut self) -> Told {
        if self.has_it || self.is_elsewhere {
            return Told::OutOfTurn("422".into());
        }
        self.has_it = true;
        self.times_taken += 1;
        Told::Taken
    }

    /// How one attempt ends for the sender; none when it dies.
    fn play(&mut self, turn: Turn) -> Option<Told> {
        match turn {
            Turn::Fine => Some(self.hear()),
            Turn::NotSent => Some(Told::NotTaken("no connection".into())),
            Turn::Lost => {
                self.hear();
                Some(Told::Unknown("no answer".into()))
            }
            Turn::Broken => Some(Told::Unknown("no answer".into())),
            Turn::Refused => Some(Told::Refused("400".into())),
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

/// Tells until it is over; after the script all goes well.
fn tell(script: &[Turn]) -> (Next, Marketplace, bool) {
    let mut delivery = message();
    let mut marketplace = Marketplace { has_it: false, is_elsewhere: false, times_taken: 0 };
    let mut may_have_arrived = false;
    for turn in script.iter().copied().chain([Turn::Fine; 3]) {
        let update = MarketplaceUpdate::of(&delivery);
        assert_eq!(update.may_have_arrived(), may_have_arrived, "{script:?}");
        delivery.last_error = Some(update.about_to_be_sent());
        let told = marketplace.play(turn);
        // What is noted survives: no attempt that may have arrived is forgotten, and none is made up.
        may_have_arrived |= !matches!(told, Some(Told::NotTaken(_)));
        let Some(told) = told else { continue };
        match update.take(told, Timestamp::UNIX_EPOCH) {
            Next::Again(failure) => delivery.last_error = Some(Failure::of(&failure)),
            over @ (Next::Arrived { .. } | Next::GivenUp(_)) => return (over, marketplace, may_have_arrived),
        }
    }
    panic!("it is never over: {script:?}")
}

#[test]
fn what_a_marketplace_was_told_stands_as_told_however_the_calls_end() {
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
                    // Out of turn after an attempt that may have arrived is the best that can be known.
                    assert!(marketplace.has_it || may_have_arrived, "{script:?}");
                    assert!(marketplace.has_it || marketplace.is_elsewhere, "{script:?}");
                }
                Next::GivenUp(DeliveryFailure::Refused { .. }) => {
                    assert!(!marketplace.has_it, "{script:?}: a person is told that it was refused");
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
