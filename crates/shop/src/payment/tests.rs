//! One payment through the payment system, in every order of events: calls
//! whose answer is lost, buyers who pay late or never, a CONFIRM and a REVERSE
//! at any moment. Every state that can be reached is looked at once.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tillgate_kernel::time::later;
use tillgate_kernel::{Fingerprint, Money, Timestamp};

use super::attempt::{Attempt, Call, Goal, Known, Link, Means, Outcome, Stage};
use super::shop_payment::{News, ShopPayment};
use crate::formats::agreement::{Reason, RequestType};
use crate::order_id::OrderId;
use crate::username::Username;

const AMOUNT: i64 = 49_900;
const WAIT: Duration = Duration::from_secs(900);

/// The payment at the payment system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtBank {
    Absent,
    Linked,
    Held,
    Paid,
    Dead,
    Refunded,
}

/// What the ledger has done for the payment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ledger {
    order: i64,
    sales: i64,
    owed: i64,
    gateway: i64,
    done: BTreeSet<&'static str>,
}

impl Ledger {
    fn post(&mut self, verb: &'static str) {
        // A repeated verb changes nothing.
        if !self.done.insert(verb) {
            return;
        }
        match verb {
            "receive" => (self.gateway, self.order) = (self.gateway - AMOUNT, self.order + AMOUNT),
            "confirm" => (self.order, self.sales) = (self.order - AMOUNT, self.sales + AMOUNT),
            "reverse" => {
                self.owed += self.order + self.sales;
                (self.order, self.sales) = (0, 0);
            }
            "repaid" => (self.owed, self.gateway) = (self.owed - AMOUNT, self.gateway + AMOUNT),
            verb => panic!("{verb}"),
        }
        let all = [self.order, self.sales, self.owed];
        assert!(all.iter().all(|balance| *balance >= 0), "{verb}: {self:?}");
        assert_eq!(all.iter().sum::<i64>() + self.gateway, 0, "{verb}: {self:?}");
    }
}

#[derive(Debug, Clone)]
struct World {
    payment: ShopPayment,
    bank: AtBank,
    ledger: Ledger,
    /// Whether cards are held first.
    holds: bool,
    is_late: bool,
    /// How often all times have run out.
    rounds: u32,
    has_confirmed: bool,
    has_reversed: bool,
    answers: Vec<(RequestType, Option<Reason>)>,
    came: u32,
}

fn start() -> Timestamp {
    "2026-12-01T10:00:00Z".parse().expect("a time")
}

impl World {
    fn new(holds: bool) -> World {
        let order = OrderId::parse("482993011752").expect("a number");
        let mut payment = ShopPayment::new(order, Username::parse("anna"));
        payment.attempts.push(Attempt {
            number: 1,
            means: Means::BankCard,
            version: 0,
            amount: Money::from_kopecks(AMOUNT),
            delivery_cost: Money::ZERO,
            key: Fingerprint::of(&[b"key"]),
            content: Fingerprint::of(&[b"content"]),
            stage: Stage::Asked,
            goal: Goal::Bring,
            lines: Vec::new(),
            link: None,
            until: later(start(), WAIT),
            made_at: start(),
            refused: None,
            failures: 0,
            due_at: Some(start()),
        });
        World {
            payment,
            bank: AtBank::Absent,
            ledger: Ledger::default(),
            holds,
            is_late: false,
            rounds: 0,
            has_confirmed: false,
            has_reversed: false,
            answers: Vec::new(),
            came: 0,
        }
    }

    fn now(&self) -> Timestamp {
        let waits = if self.is_late { 3 } else { 0 };
        later(start(), WAIT * (waits + 2 * self.rounds))
    }

    fn attempt(&self) -> &Attempt {
        &self.payment.attempts[0]
    }

    fn hear(&mut self, news: Vec<News>) {
        for one in news {
            match one {
                News::Answer { request_type, reason, .. } => {
                    self.answers.push((request_type, reason));
                }
                News::Came { .. } => self.came += 1,
                News::Notice { .. } => {}
            }
        }
    }

    /// What the payment system knows.
    fn known(&self) -> Known {
        match self.bank {
            AtBank::Absent => Known::Pending,
            AtBank::Linked => Known::Linked,
            AtBank::Held => Known::Held,
            AtBank::Paid => Known::Paid,
            AtBank::Dead => Known::Dead(Reason::NotPaid),
            AtBank::Refunded => Known::Refunded("r1".into()),
        }
    }

    /// Carries a call out, as those who are called do.
    fn carry_out(&mut self, call: &Call) -> Outcome {
        match call {
            Call::LedgerReceive => self.ledger.post("receive"),
            Call::LedgerConfirm => self.ledger.post("confirm"),
            Call::LedgerReverse => self.ledger.post("reverse"),
            Call::LedgerRepaid { .. } => self.ledger.post("repaid"),
            Call::LedgerHold => panic!("not by a card"),
            Call::Place => {
                if self.bank == AtBank::Absent {
                    self.bank = AtBank::Linked;
                }
                let link = Link { id: "1".into(), url: "https://x".into(), unexpected: None };
                return Outcome::Placed(link, self.known());
            }
            Call::Look => return Outcome::Known(self.known()),
            Call::Cancel => match self.bank {
                AtBank::Linked | AtBank::Held => self.bank = AtBank::Dead,
                AtBank::Paid | AtBank::Refunded => return Outcome::Refused(Reason::Reversed),
                AtBank::Absent | AtBank::Dead => {}
            },
            Call::Capture if self.bank == AtBank::Held => self.bank = AtBank::Paid,
            Call::Capture => return Outcome::Refused(Reason::PaymentRefused),
            Call::Refund => {
                assert!(matches!(self.bank, AtBank::Paid | AtBank::Refunded), "{self:?}");
                self.bank = AtBank::Refunded;
                return Outcome::Known(self.known());
            }
        }
        Outcome::Done
    }

    fn take(&mut self, call: &Call, outcome: Outcome) {
        let now = self.now();
        let before = self.attempt().clone();
        self.payment.attempts[0].take(call, outcome, WAIT, now);
        let news = self.payment.news_of(&before);
        self.hear(news);
    }

    /// The worlds that can follow this one.
    fn next(&self) -> Vec<World> {
        let mut worlds = Vec::new();
        let mut with = |change: &dyn Fn(&mut World)| {
            let mut world = self.clone();
            change(&mut world);
            worlds.push(world);
        };
        if let Some(call) = self.attempt().next(self.now()) {
            with(&|world| {
                let outcome = world.carry_out(&call);
                world.take(&call, outcome);
            });
            // The answer is lost, or the process dies.
            with(&|world| drop(world.carry_out(&call)));
            with(&|world| world.take(&call, Outcome::Failed));
            if call == Call::Capture {
                // The bank does not take it, and holds it still.
                with(&|world| world.take(&call, Outcome::Done));
                with(&|world| world.take(&call, Outcome::Known(Known::CaptureRefused)));
            }
        }
        // The gateway says that something has happened.
        if self.attempt().link.is_some() && !self.attempt().stage.is_over() {
            with(&|world| {
                let outcome = world.carry_out(&Call::Look);
                world.take(&Call::Look, outcome);
            });
        }
        if self.bank == AtBank::Linked {
            with(&|world| {
                world.bank = if world.holds { AtBank::Held } else { AtBank::Paid };
            });
            with(&|world| world.bank = AtBank::Dead);
        }
        if !self.is_late {
            with(&|world| world.is_late = true);
        }
        // The agreement asks once for each, and a CONFIRM never after a
        // REVERSE but by an old message.
        if !self.has_confirmed {
            with(&|world| {
                world.has_confirmed = true;
                let (now, sum) = (world.now(), Money::from_kopecks(AMOUNT));
                let news = world.payment.confirm(1, 0, sum, now);
                world.hear(news);
            });
        }
        if !self.has_reversed {
            with(&|world| {
                world.has_reversed = true;
                let now = world.now();
                let news = world.payment.reverse(Some(2), now);
                world.hear(news);
            });
        }
        worlds
    }

    /// The same world without what does not matter to what follows.
    fn key(&self) -> String {
        let mut attempt = self.attempt().clone();
        attempt.failures = attempt.failures.min(1);
        format!(
            "{:?} {:?} {:?} {:?} {:?} {} {} {} {:?} {}",
            (attempt.stage, attempt.goal, attempt.refused, attempt.link.is_some()),
            attempt.until,
            (self.payment.is_reversed, self.payment.confirming, self.payment.reversing),
            self.bank,
            self.ledger,
            self.is_late,
            self.has_confirmed,
            self.has_reversed,
            self.answers,
            self.came,
        )
    }

    /// What holds in every world.
    fn judge(&self) {
        let answer =
            |wanted| self.answers.iter().filter(|(kind, _)| *kind == wanted).collect::<Vec<_>>();
        let (confirms, reverses) = (answer(RequestType::Confirm), answer(RequestType::Reverse));
        assert!(confirms.len() <= 1 && reverses.len() <= 1 && self.came <= 1, "{self:?}");
        if confirms.first().is_some_and(|(_, reason)| reason.is_none()) {
            assert!(self.ledger.done.contains("confirm"), "said, and not done: {self:?}");
        }
        if !reverses.is_empty() {
            // Money that comes later is on its way back.
            assert_eq!(self.ledger.sales, 0, "{self:?}");
        }
        // The ledger never has what the payment system has not.
        if self.ledger.gateway != 0 {
            assert!(matches!(self.bank, AtBank::Paid | AtBank::Refunded), "{self:?}");
        }
    }

    /// Makes calls, whose answers arrive, until there is none to make.
    fn settle(&mut self) {
        for _ in 0..50 {
            self.rounds += 1;
            let Some(call) = self.attempt().next(self.now()) else { break };
            let outcome = self.carry_out(&call);
            self.take(&call, outcome);
            self.judge();
        }
    }

    /// Brings the world to its end.
    fn finish(mut self) {
        if self.bank == AtBank::Linked {
            self.bank = AtBank::Dead;
        }
        self.settle();
        if self.payment.confirming.is_some() && !self.has_reversed {
            // The agreement waits for an hour, and then reverses.
            self.has_reversed = true;
            let now = self.now();
            let news = self.payment.reverse(Some(2), now);
            self.hear(news);
            self.settle();
        }
        let is_asked = self.has_confirmed || self.has_reversed;
        let unanswered = self.payment.confirming.is_some() || self.payment.reversing.is_some();
        assert!(!unanswered, "nobody answers: {self:?}");
        if self.has_reversed {
            assert_ne!(self.bank, AtBank::Held, "the bank holds it still: {self:?}");
            assert_ne!(self.bank, AtBank::Paid, "charged for nothing: {self:?}");
            assert_eq!((self.ledger.owed, self.ledger.sales), (0, 0), "{self:?}");
        } else if is_asked {
            let is_sold = self.ledger.sales == AMOUNT;
            assert!(is_sold || self.bank != AtBank::Paid || self.came == 1, "{self:?}");
        } else {
            // Nobody came back: what was held is let go, what was taken has
            // reached the order.
            assert_ne!(self.bank, AtBank::Held, "{self:?}");
            assert!(self.bank != AtBank::Paid || self.came == 1, "{self:?}");
        }
    }
}

#[test]
fn a_payment_ends_well_in_every_order_of_events() {
    for holds in [false, true] {
        let mut seen = BTreeSet::new();
        let mut open = VecDeque::from([World::new(holds)]);
        while let Some(world) = open.pop_front() {
            if !seen.insert(world.key()) {
                continue;
            }
            world.judge();
            world.clone().finish();
            open.extend(world.next());
        }
        println!("{} states of a payment, holds first: {holds}", seen.len());
    }
}
