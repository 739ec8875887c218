//! The histories of an order: in which order messages are taken, and what goes
//! wrong.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::world::{OnItsWay, PIECES, Silence, TOTAL, WALLET, World};
use crate::bus::{Format, Service};
use crate::formats::{ConfirmAnswer, ConfirmRequest, OrderDecision};
use crate::orchestra::stage::Stage;
use crate::order::asked::Change;
use crate::order::shop_order::Status;
use crate::payment::attempt;
use crate::reservation::{Reservation, State};
use crate::stock_levels::{PIECE, firm, held};
use crate::store::hold::Picking;

/// How many messages can overtake each other, unless a longer trial asks for
/// more.
const AHEAD_MAX: u32 = 2;

/// Rounds after which an agreement must have ended.
const ROUNDS_MAX: u32 = 400;

/// What is wrong before the order is agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Nothing,
    /// A marketplace has shipped the goods.
    GoodsSold,
    NotPaid,
    /// A call of the ledger is not answered.
    Silent(Silence),
}

impl Trouble {
    pub const ALL: [Trouble; 9] = [
        Trouble::Nothing,
        Trouble::GoodsSold,
        Trouble::NotPaid,
        Trouble::Silent(Silence { call: 1, done: false }),
        Trouble::Silent(Silence { call: 1, done: true }),
        Trouble::Silent(Silence { call: 2, done: false }),
        Trouble::Silent(Silence { call: 2, done: true }),
        Trouble::Silent(Silence { call: 3, done: false }),
        Trouble::Silent(Silence { call: 3, done: true }),
    ];
}

/// What happens to one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is taken.
    None,
    /// The process dies after it was taken: it is taken again.
    Twice,
    /// It never arrives.
    Lost,
}

/// A kind of history.
#[derive(Debug, Clone, Copy)]
pub struct History {
    pub trouble: Trouble,
    /// How many messages are lost or repeated.
    pub faults_max: u32,
    pub withdraws: bool,
    /// The picking begins before the withdrawal.
    pub picking: bool,
}

impl Default for History {
    fn default() -> History {
        let trouble = Trouble::Nothing;
        History { trouble, faults_max: faults_max(), withdraws: false, picking: false }
    }
}

/// How much may go wrong in a history: one thing, unless a longer trial asks
/// for more.
fn faults_max() -> u32 {
    asked_for("TILLGATE_FAULTS").unwrap_or(1)
}

fn ahead_max() -> usize {
    asked_for("TILLGATE_AHEAD").unwrap_or(AHEAD_MAX) as usize
}

fn asked_for(name: &str) -> Option<u32> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// All histories with a trouble.
pub async fn explore(trouble: Trouble) -> u32 {
    // What is not answered is a fault by itself.
    let faults_max = match trouble {
        Trouble::Silent(_) => faults_max().saturating_sub(1),
        Trouble::Nothing | Trouble::GoodsSold | Trouble::NotPaid => faults_max(),
    };
    History { trouble, faults_max, ..History::default() }.explore().await
}

/// The choices of a history: which of how many.
type Choices = Vec<(usize, usize)>;

impl History {
    /// Plays all histories of this kind. Returns how many there were.
    pub async fn explore(self) -> u32 {
        let (mut prefix, mut count) = (Vec::new(), 0);
        loop {
            let choices = self.play(&prefix).await;
            count += 1;
            let next = choices.iter().rposition(|(chosen, of)| chosen + 1 < *of);
            let Some(place) = next else { return count };
            prefix = choices.iter().take(place).map(|(chosen, _)| *chosen).collect();
            prefix.extend(choices.get(place).map(|(chosen, _)| chosen + 1));
        }
    }

    /// Plays one history, whose first choices are given.
    async fn play(self, prefix: &[usize]) -> Choices {
        let silence = match self.trouble {
            Trouble::Silent(silence) => Some(silence),
            Trouble::Nothing | Trouble::GoodsSold | Trouble::NotPaid => None,
        };
        let mut world = World::new(silence).await;
        if self.trouble != Trouble::NotPaid {
            let paid = world.pay().await;
            let is_silent = matches!(self.trouble, Trouble::Silent(Silence { call: 1, .. }));
            assert!(is_silent || paid["status"] == "HELD", "{paid}");
        }
        if self.trouble == Trouble::GoodsSold {
            world.ship_elsewhere(PIECES).await;
        }
        let processed = world.process().await;
        assert_eq!(processed["status"], "IN_PROGRESS", "{processed}");
        let mut tale = Tale { choices: Vec::new(), prefix, faults: 0, decisions: Vec::new() };
        let mut pool = world.collect().await;
        let mut has_withdrawn = !self.withdraws;
        for round in 0.. {
            assert!(round < ROUNDS_MAX, "no end: {self:?} {:?}", tale.choices);
            while !pool.is_empty() {
                self.step(&mut world, &mut pool, &mut tale).await;
            }
            let order = world.orders.order(world.client, &world.order.to_string()).await;
            let order = order.expect("an order");
            if !has_withdrawn && order.status == Status::Completed {
                if self.picking {
                    world.keeper.begin_picking(world.order).await.expect("begun");
                }
                has_withdrawn = true;
                let change = Change {
                    id: world.order.to_string(),
                    version: order.version,
                    wanted: Vec::new(),
                    seen: None,
                    status: None,
                };
                world.orders.begin_withdrawal(world.client, &change).await.expect("asked");
            } else if self.is_over(&world).await {
                break;
            } else {
                world.clock.advance(Duration::from_secs(11));
                let drain = CancellationToken::new();
                world.orchestra.ask_again(&drain).await.expect("asked");
                world.payment.drive_due(&drain).await.expect("driven");
            }
            pool = world.collect().await;
        }
        self.judge(&world, &tale).await;
        tale.choices
    }

    /// Takes one message of the pool, or loses it.
    async fn step(self, world: &mut World, pool: &mut Vec<OnItsWay>, tale: &mut Tale<'_>) {
        let faults: &[Fault] = if tale.faults < self.faults_max {
            &[Fault::None, Fault::Twice, Fault::Lost]
        } else {
            &[Fault::None]
        };
        let mut options = Vec::new();
        for (place, waiting) in pool.iter().enumerate().take(ahead_max()) {
            for fault in faults {
                // Only requests and answers are asked for again: the outbox
                // loses nothing.
                let format = waiting.envelope.format;
                let is_repeated = [ConfirmRequest::NUMBER, ConfirmAnswer::NUMBER].contains(&format);
                if *fault != Fault::Lost || is_repeated {
                    options.push((place, *fault));
                }
            }
        }
        let (place, fault) = options[tale.choose(options.len())];
        let message = pool.remove(place);
        let times = match fault {
            Fault::None => 1,
            Fault::Twice => 2,
            Fault::Lost => 0,
        };
        tale.faults += u32::from(times != 1);
        if message.envelope.format == OrderDecision::NUMBER && message.to == Service::Order {
            tale.decisions.push(message.id);
        }
        for _ in 0..times {
            world.take(&message).await.expect("it is taken");
        }
        pool.extend(world.collect().await);
    }

    async fn is_over(self, world: &World) -> bool {
        let saga = world.orchestra.saga(world.order).await.expect("read");
        let payment = world.payment.payments_of(world.order).await.expect("read");
        let is_paid_out = payment.is_none_or(|payment| {
            let is_still =
                |stage: &attempt::Stage| stage.is_over() || *stage == attempt::Stage::Confirmed;
            payment.attempts.iter().all(|one| is_still(&one.stage))
        });
        let order = world.orders.order(world.client, &world.order.to_string()).await;
        let is_answered = order.expect("an order").status != Status::InProgress;
        saga.is_some_and(|saga| saga.stage.is_over()) && is_paid_out && is_answered
    }

    /// What holds at the end of every history.
    async fn judge(self, world: &World, tale: &Tale<'_>) {
        let shown = format!("{self:?} {:?}", tale.choices);
        let mut decisions = tale.decisions.clone();
        decisions.dedup();
        assert_eq!(decisions.len(), 1, "one decision: {shown}");
        let order = world.orders.order(world.client, &world.order.to_string()).await;
        let order = order.expect("an order");
        let saga = world.orchestra.saga(world.order).await.expect("read").expect("a saga");
        let goods = world.keeper.holds.of(world.order).await.expect("read").expect("a hold");
        let booking =
            world.delivery.bookings.of(world.order).await.expect("read").expect("a booking");
        let wallet = world.wallet().await;
        let sales = world.balance("sales").await;
        let counters = [held("s1", "milk"), firm("s1", "milk")];
        let counters = world.store.balances(&counters).await.expect("balances");
        let is_sold = order.status == Status::Completed;
        let (state, pieces) = if is_sold { (State::Confirmed, 2) } else { (State::Reversed, 0) };
        assert_eq!((goods.state(), booking.state()), (state, state), "{shown}");
        assert_eq!(counters, [pieces * PIECE, pieces * PIECE], "{shown}");
        let paid = if is_sold { TOTAL } else { 0 };
        assert_eq!((wallet, sales), (WALLET - paid, paid), "{shown}");
        assert_eq!(world.balance(&format!("order:{}", world.order)).await, 0, "{shown}");
        assert_eq!(world.balance(&format!("owed:{}", world.order)).await, 0, "{shown}");
        let end = match order.status {
            Status::Completed => Stage::Done,
            Status::Failed => Stage::Undone,
            Status::Canceled => Stage::Withdrawn,
            Status::New | Status::InProgress => panic!("{shown}"),
        };
        assert_eq!(saga.stage, end, "{shown}");
        let slots = world.delivery.rooms(None).await.expect("rooms").items;
        let booked: i64 = slots.iter().map(|room| room.booked).sum();
        assert_eq!(booked, i64::from(is_sold), "{shown}");
        let shown = format!("{:?} {:?} {shown}", order.outcome, saga.journal);
        self.judge_end(order.status, &shown);
        if self.withdraws {
            let expected = if self.picking { Status::Completed } else { Status::Canceled };
            assert_eq!(order.status, expected, "{shown}");
            let began = matches!(goods.picking, Some(Picking::Begun { .. }));
            assert_eq!(began, self.picking, "{shown}");
        }
        let mut letters = world.letters.clone();
        letters.sort();
        letters.dedup();
        assert_eq!(letters.len(), world.letters.len(), "each letter once: {shown}");
    }

    /// What only goes wrong on the way changes no result.
    fn judge_end(self, status: Status, shown: &str) {
        match self.trouble {
            Trouble::GoodsSold | Trouble::NotPaid => {
                assert_eq!(status, Status::Failed, "{shown}");
            }
            // It was agreed on before.
            Trouble::Nothing if self.withdraws => {}
            Trouble::Nothing | Trouble::Silent(_) => {
                assert_eq!(status, Status::Completed, "{shown}");
            }
        }
    }
}

/// What has happened in a history.
struct Tale<'a> {
    choices: Choices,
    prefix: &'a [usize],
    faults: u32,
    decisions: Vec<tillgate_kernel::outbox::MessageId>,
}

impl Tale<'_> {
    fn choose(&mut self, of: usize) -> usize {
        let chosen = self.prefix.get(self.choices.len()).copied().unwrap_or(0);
        self.choices.push((chosen, of));
        chosen
    }
}

impl World {
    async fn balance(&self, account: &str) -> i64 {
        let key = tillgate_store::CounterKey::internal("ledger", account);
        self.store.balances(&[key]).await.expect("balances")[0]
    }

    async fn wallet(&self) -> i64 {
        let wallet = self.billing.open_wallet(self.client).await.expect("a wallet");
        self.balance(&format!("wallet:{}", wallet.id)).await
    }
}
