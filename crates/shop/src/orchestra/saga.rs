//! The agreement on an order, pure: who is asked for what, and when it is
//! decided. The document of it is its journal.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tillgate_kernel::time::later;
use tillgate_kernel::{Money, Timestamp};

use super::journal::{Journal, What};
use super::part::{Part, PartState};
use super::stage::Stage;
use crate::formats::OrderToConfirm;
use crate::formats::agreement::{Confirmator, OrderItem, Reason, RequestType, Response, ShortItem};
use crate::order_id::OrderId;

/// How long goods and a courier's time are waited for.
pub const CONFIRM_WAIT: Duration = Duration::from_secs(5 * 60);

/// How long the payment is waited for: a bank may be slow.
pub const PAYMENT_WAIT: Duration = Duration::from_secs(60 * 60);

/// Something that is not given back for so long is put before a person.
pub const REVERSE_ALARM: Duration = Duration::from_secs(60 * 60);

/// The result of an agreement. It is written once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub response: Response,
    pub reason: Option<Reason>,
    pub lines: Vec<ShortItem>,
    pub at: Timestamp,
}

/// What an order is agreed on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    pub version: u64,
    pub username: String,
    pub items: Vec<OrderItem>,
    pub total: Money,
}

/// The agreement on an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saga {
    pub order: OrderId,
    pub wanted: Wanted,
    pub stage: Stage,
    pub decided: Option<Decision>,
    pub store: Part,
    pub delivery: Part,
    pub payment: Part,
    pub begun_at: Timestamp,
    /// When the stage began.
    pub since: Timestamp,
    /// Something is not given back for so long that a person must look.
    pub needs_person: bool,
    /// How many messages it has sent.
    pub messages: u32,
    pub journal: Journal,
}

/// The answer of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub by: Confirmator,
    pub request: RequestType,
    pub response: Response,
    pub attempt: u32,
    pub reason: Option<Reason>,
    pub lines: Vec<ShortItem>,
}

/// What happens to an agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Answered(Answered),
    /// The client withdraws.
    Withdraw,
    /// Time has passed.
    Due,
}

/// What follows: each is a message of the same commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Ask {
        of: Confirmator,
        request: RequestType,
        attempt: u32,
        withdrawal: bool,
    },
    /// The one result.
    Decide(Decision),
    /// Whether the order was withdrawn.
    Withdrawal(Option<Reason>),
}

impl Saga {
    /// Begins to agree on an order.
    #[must_use]
    pub fn begin(order: &OrderToConfirm, now: Timestamp) -> (Saga, Vec<Effect>) {
        let mut saga = Saga {
            order: order.order_id,
            wanted: Wanted {
                version: order.version,
                username: order.user_name.clone(),
                items: order.order_items.clone(),
                total: order.total,
            },
            stage: Stage::Confirming,
            decided: None,
            store: Part::default(),
            delivery: Part::default(),
            payment: Part::default(),
            begun_at: now,
            since: now,
            needs_person: false,
            messages: 0,
            journal: Journal::default(),
        };
        saga.journal.add(now, What::Begun);
        let mut effects = Vec::new();
        // What is cheap to give back is asked for first.
        for of in [Confirmator::Store, Confirmator::Delivery] {
            saga.ask(of, RequestType::Confirm, now, &mut effects);
        }
        (saga, effects)
    }

    #[must_use]
    pub const fn part(&self, of: Confirmator) -> &Part {
        match of {
            Confirmator::Store => &self.store,
            Confirmator::Delivery => &self.delivery,
            Confirmator::Payment => &self.payment,
        }
    }

    const fn part_mut(&mut self, of: Confirmator) -> &mut Part {
        match of {
            Confirmator::Store => &mut self.store,
            Confirmator::Delivery => &mut self.delivery,
            Confirmator::Payment => &mut self.payment,
        }
    }

    /// What follows from an event. Nothing, if it changes nothing.
    pub fn handle(&mut self, event: &Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Answered(answer) => {
                let before = self.journal.clone();
                self.journal.add(now, said(answer));
                if self.is_old(answer) || !self.answered(answer, now, &mut effects) {
                    self.journal = before;
                }
            }
            Event::Withdraw => self.withdraw(now, &mut effects),
            Event::Due => self.due(now, &mut effects),
        }
        effects
    }

    /// A refused withdrawal may be asked for again: the answer to the one
    /// before says nothing about this one.
    fn is_old(&self, answer: &Answered) -> bool {
        self.stage == Stage::Withdrawing
            && answer.response == Response::Fail
            && answer.attempt != self.part(answer.by).attempt
    }

    /// Takes an answer. Returns whether it changes anything.
    fn answered(&mut self, answer: &Answered, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
        let Answered { by, request, response, reason, lines, attempt: _ } = answer;
        let by = *by;
        match (self.part(by).state, request, response) {
            (PartState::Confirming, RequestType::Confirm, Response::Success) => {
                self.part_mut(by).settle(PartState::Confirmed);
                self.proceed(now, effects);
            }
            (PartState::Confirming, RequestType::Confirm, Response::Fail) => {
                self.part_mut(by).settle(PartState::Refused);
                self.fail(reason.unwrap_or(Reason::NoAnswer), lines, now, effects);
            }
            (PartState::Reversing, RequestType::Reverse, Response::Success) => {
                self.part_mut(by).settle(PartState::Reversed);
                self.proceed(now, effects);
            }
            // Only the store may refuse, and only a withdrawal.
            (PartState::Reversing, RequestType::Reverse, Response::Fail)
                if self.stage == Stage::Withdrawing && by == Confirmator::Store =>
            {
                self.part_mut(by).settle(PartState::Confirmed);
                self.enter(Stage::Done, now);
                effects.push(Effect::Withdrawal(Some(reason.unwrap_or(Reason::TooLate))));
            }
            // A repeated answer, or one that came too late: whatever it says
            // was done is given back by the REVERSE that was sent since.
            _ => return false,
        }
        true
    }

    /// Goes on, if nobody is waited for in this stage.
    fn proceed(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let all =
            |saga: &Saga, state| Confirmator::ALL.iter().all(|of| saga.part(*of).state == state);
        match self.stage {
            Stage::Confirming => {
                let goods = [self.store.state, self.delivery.state];
                if goods == [PartState::Confirmed; 2] {
                    self.enter(Stage::Paying, now);
                    self.ask(Confirmator::Payment, RequestType::Confirm, now, effects);
                }
            }
            Stage::Paying if all(self, PartState::Confirmed) => {
                self.enter(Stage::Done, now);
                self.decide(Response::Success, None, &[], now, effects);
            }
            Stage::Undoing if all(self, PartState::Reversed) => self.enter(Stage::Undone, now),
            Stage::Withdrawing if self.store.state == PartState::Reversed => {
                self.enter(Stage::GivingBack, now);
                effects.push(Effect::Withdrawal(None));
                for of in [Confirmator::Delivery, Confirmator::Payment] {
                    self.ask(of, RequestType::Reverse, now, effects);
                }
            }
            Stage::GivingBack if all(self, PartState::Reversed) => {
                self.enter(Stage::Withdrawn, now);
            }
            Stage::Paying
            | Stage::Done
            | Stage::Undoing
            | Stage::Undone
            | Stage::Withdrawing
            | Stage::GivingBack
            | Stage::Withdrawn => {}
        }
    }

    /// Decides against the order. Everybody gives back, also who was not asked:
    /// something may be held. Who did not answer may have done it.
    fn fail(
        &mut self,
        reason: Reason,
        lines: &[ShortItem],
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.enter(Stage::Undoing, now);
        self.decide(Response::Fail, Some(reason), lines, now, effects);
        for of in Confirmator::ALL {
            self.ask(of, RequestType::Reverse, now, effects);
        }
    }

    fn decide(
        &mut self,
        response: Response,
        reason: Option<Reason>,
        lines: &[ShortItem],
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let decision = Decision { response, reason, lines: lines.to_vec(), at: now };
        self.journal.add(now, What::Decided { response, reason });
        self.decided = Some(decision.clone());
        effects.push(Effect::Decide(decision));
    }

    fn withdraw(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        match self.stage {
            Stage::Done => {
                self.enter(Stage::Withdrawing, now);
                self.ask(Confirmator::Store, RequestType::Reverse, now, effects);
            }
            Stage::GivingBack | Stage::Withdrawn => effects.push(Effect::Withdrawal(None)),
            Stage::Undoing | Stage::Undone => {
                effects.push(Effect::Withdrawal(Some(Reason::Reversed)));
            }
            // It is answered when the store has answered. Before it is decided
            // nobody can withdraw.
            Stage::Confirming | Stage::Paying | Stage::Withdrawing => {}
        }
    }

    fn due(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.fail(Reason::NoAnswer, &[], now, effects);
            return;
        }
        for of in Confirmator::ALL {
            let part = self.part(of);
            if part.again_at.is_some_and(|at| at <= now) {
                let request = part.state.asked_for();
                if let Some(request) = request {
                    self.ask(of, request, now, effects);
                }
            }
        }
        let is_stuck = matches!(self.stage, Stage::Undoing | Stage::GivingBack)
            && later(self.since, REVERSE_ALARM) <= now;
        if is_stuck && !self.needs_person {
            self.needs_person = true;
            self.journal.add(now, What::PersonNeeded);
        }
    }

    /// Until when an answer is waited for.
    fn deadline(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Confirming => Some(later(self.since, CONFIRM_WAIT)),
            Stage::Paying => Some(later(self.since, PAYMENT_WAIT)),
            Stage::Done
            | Stage::Undoing
            | Stage::Undone
            | Stage::Withdrawing
            | Stage::GivingBack
            | Stage::Withdrawn => None,
        }
    }

    /// When it has to be looked at again. `None` when nobody is waited for.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        let again = Confirmator::ALL.iter().filter_map(|of| self.part(*of).again_at);
        again.chain(self.deadline()).min()
    }

    fn enter(&mut self, stage: Stage, now: Timestamp) {
        self.stage = stage;
        self.since = now;
        self.journal.add(now, What::Entered(stage));
        if stage.is_over() {
            self.needs_person = false;
        }
    }

    fn ask(
        &mut self,
        of: Confirmator,
        request: RequestType,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let withdrawal = self.stage == Stage::Withdrawing;
        let attempt = self.part_mut(of).ask(request, now);
        self.journal.add(now, What::Asked { of, request, attempt });
        effects.push(Effect::Ask { of, request, attempt, withdrawal });
    }
}

/// An answer, as the journal has it.
const fn said(answer: &Answered) -> What {
    What::Answered {
        by: answer.by,
        request: answer.request,
        response: answer.response,
        attempt: answer.attempt,
        reason: answer.reason,
    }
}
