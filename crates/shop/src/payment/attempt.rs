//! One attempt to pay for an order, pure: which call is to be made next, and
//! what follows from its outcome. Each call may be made again: those who are
//! called recognise it by the attempt.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tillgate_kernel::time::later;
use tillgate_kernel::{Fingerprint, Money, Timestamp};

use crate::formats::TokenType;
use crate::formats::agreement::Reason;

/// A failed call is made again after this, and then after twice the pause of
/// before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// How often a payment is looked up whose callback does not come.
const LOOK_PAUSE: Duration = Duration::from_secs(60);

/// The same while the payment system carries something out.
const OUTCOME_PAUSE: Duration = Duration::from_secs(5);

/// What is paid with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// A wallet in the ledger.
    Wallet {
        token: u64,
        masked: String,
    },
    BankCard,
    Sbp,
}

impl Means {
    #[must_use]
    pub const fn token_type(&self) -> TokenType {
        match self {
            Means::Wallet { .. } => TokenType::Wallet,
            Means::BankCard => TokenType::BankCard,
            Means::Sbp => TokenType::QrPay,
        }
    }

    /// The end of its number, if it has one.
    #[must_use]
    pub fn masked(&self) -> &str {
        match self {
            Means::Wallet { masked, .. } => masked,
            Means::BankCard | Means::Sbp => "",
        }
    }
}

/// The payment at the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The number of the gateway's order.
    pub id: String,
    /// Where the buyer is sent.
    pub url: String,
    /// The gateway's number of a payment that came when it was not expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexpected: Option<String>,
}

/// A line of what is paid for, as receipts have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BilledLine {
    pub sku: String,
    pub name: String,
    pub quantity: u64,
    pub price: Money,
    /// The rate of value added tax, as the gateway names it.
    pub vat: String,
    pub is_service: bool,
}

/// Where the money is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Something may have been asked for.
    Asked,
    /// The buyer can pay.
    Linked,
    /// It is being cancelled at the gateway.
    Canceling,
    /// Held: by the wallet's ledger, or by the bank.
    Held,
    /// The bank is taking what it held.
    Capturing,
    /// The payment system has it, and the ledger does not know it yet.
    Taken,
    /// The ledger has it for the order.
    Received,
    /// It is the shop's.
    Confirmed,
    /// The ledger owes it to the client.
    Owed,
    /// The payment system is paying it back.
    Refunding { refund: String },
    /// The payment system has paid it back, and the ledger does not know it
    /// yet.
    Refunded { refund: String },
    /// The payment system does not pay it back: a person must.
    RefundRefused,
    /// It came, and is back.
    Returned,
    /// None came.
    Over { reason: Reason },
}

impl Stage {
    /// Whether no money can come by this attempt, and none is there.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self, Stage::Returned | Stage::Over { .. })
    }

    /// Whether money can still come by it, or has come and was not given back.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        match self {
            Stage::Asked
            | Stage::Linked
            | Stage::Canceling
            | Stage::Held
            | Stage::Capturing
            | Stage::Taken
            | Stage::Received
            | Stage::Confirmed => true,
            Stage::Owed
            | Stage::Refunding { .. }
            | Stage::Refunded { .. }
            | Stage::RefundRefused
            | Stage::Returned
            | Stage::Over { .. } => false,
        }
    }
}

/// What an attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Bring money.
    Bring,
    /// Make it the shop's.
    Confirm,
    /// Give it back, or let none come.
    Undo,
}

/// A call to the ledger or to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    LedgerHold,
    LedgerReceive,
    LedgerConfirm,
    LedgerReverse,
    LedgerRepaid {
        refund: String,
    },
    /// Create the payment at the gateway.
    Place,
    /// Look what has become of it there.
    Look,
    Cancel,
    Capture,
    Refund,
}

/// What the gateway says of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    Linked,
    Held,
    Paid,
    /// It can never be paid.
    Dead(Reason),
    /// Nobody knows yet.
    Pending,
    /// Its money is being taken or paid back, with this id.
    Refunding(String),
    Refunded(String),
    RefundRefused,
    /// The bank did not take what it held.
    CaptureRefused,
}

/// The outcome of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It is certainly not done, and never will be.
    Refused(Reason),
    /// The payment at the gateway.
    Placed(Link, Known),
    /// Money came although it was not expected, by this payment.
    Unexpected(String),
    Known(Known),
    /// It is to be asked again.
    Failed,
}

/// One attempt to pay for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    pub means: Means,
    /// The version of the order that is paid for.
    pub version: u64,
    /// With the delivery.
    pub amount: Money,
    pub delivery_cost: Money,
    /// The idempotency key of the request, and a digest of its content.
    pub key: Fingerprint,
    pub content: Fingerprint,
    pub stage: Stage,
    pub goal: Goal,
    /// For the gateway, until it has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<BilledLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// Until when the buyer can pay; then, until when held money waits for the
    /// order.
    pub until: Timestamp,
    pub made_at: Timestamp,
    /// Why the order cannot be confirmed by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Reason>,
    /// How often the next call has failed.
    pub failures: u32,
    /// When the next call is made.
    pub due_at: Option<Timestamp>,
}

impl Attempt {
    const fn is_of_ledger(&self) -> bool {
        matches!(self.means, Means::Wallet { .. })
    }

    /// Whether the ledger has money of it, or may have.
    #[must_use]
    pub const fn is_in_ledger(&self) -> bool {
        match self.stage {
            Stage::Asked | Stage::Held => self.is_of_ledger(),
            Stage::Taken | Stage::Received | Stage::Confirmed => true,
            Stage::Linked
            | Stage::Canceling
            | Stage::Capturing
            | Stage::Owed
            | Stage::Refunding { .. }
            | Stage::Refunded { .. }
            | Stage::RefundRefused
            | Stage::Returned
            | Stage::Over { .. } => false,
        }
    }

    /// The call to be made next; `None` while only time, the buyer or the order
    /// brings it on.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Option<Call> {
        let is_over_time = self.goal == Goal::Bring && self.until <= now;
        match (&self.stage, self.goal) {
            // The reversal of a hold that was never made lets none be made.
            (Stage::Asked, Goal::Undo) if self.is_of_ledger() => Some(Call::LedgerReverse),
            (Stage::Asked, _) if self.is_of_ledger() => Some(Call::LedgerHold),
            // Only who has asked again knows what to cancel.
            (Stage::Asked, _) => Some(Call::Place),
            (Stage::Linked, Goal::Undo) => Some(Call::Cancel),
            (Stage::Linked, _) => Some(Call::Look),
            (Stage::Held, Goal::Confirm) if self.refused.is_some() => None,
            // The bank may hold it still, if it has not taken it.
            (Stage::Capturing, Goal::Undo) => Some(Call::Cancel),
            (Stage::Canceling | Stage::Capturing | Stage::Refunding { .. }, _) => Some(Call::Look),
            (Stage::Held, Goal::Confirm) if self.is_of_ledger() => Some(Call::LedgerConfirm),
            (Stage::Held, Goal::Confirm) => Some(Call::Capture),
            (Stage::Held, goal) if goal == Goal::Undo || is_over_time => {
                Some(if self.is_of_ledger() { Call::LedgerReverse } else { Call::Cancel })
            }
            (Stage::Taken, _) => Some(Call::LedgerReceive),
            (Stage::Received, Goal::Confirm) => Some(Call::LedgerConfirm),
            (Stage::Received | Stage::Confirmed, Goal::Undo) => Some(Call::LedgerReverse),
            (Stage::Owed, _) => Some(Call::Refund),
            (Stage::Refunded { refund }, _) => Some(Call::LedgerRepaid { refund: refund.clone() }),
            (
                Stage::Held
                | Stage::Received
                | Stage::Confirmed
                | Stage::RefundRefused
                | Stage::Returned
                | Stage::Over { .. },
                _,
            ) => None,
        }
    }

    /// What it wants from now on. Its next call is made at once.
    pub fn want(&mut self, goal: Goal, now: Timestamp) {
        if self.goal != goal {
            self.goal = goal;
            self.failures = 0;
            self.due_at = Some(now);
        }
    }

    /// Takes the outcome of a call that was made in this stage.
    pub fn take(&mut self, call: &Call, outcome: Outcome, confirm_wait: Duration, now: Timestamp) {
        if outcome == Outcome::Failed {
            // The next call is this one again.
            self.failures += 1;
            let doublings = self.failures.saturating_sub(1).min(16);
            let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(PAUSE_MAX);
            self.due_at = Some(later(now, pause));
            return;
        }
        self.failures = 0;
        let next = self.after(call, outcome);
        if let Some(stage) = next {
            if stage == Stage::Held && !matches!(self.stage, Stage::Held | Stage::Capturing) {
                self.until = later(now, confirm_wait);
            }
            let is_held_still = stage == Stage::Held && self.stage == Stage::Canceling;
            self.stage = stage;
            if is_held_still {
                self.due_at = Some(later(now, OUTCOME_PAUSE));
                return;
            }
        }
        self.due_at = self.next_due(now);
    }

    /// The stage after a call, if it is another one.
    fn after(&mut self, call: &Call, outcome: Outcome) -> Option<Stage> {
        match (call, outcome) {
            (Call::LedgerHold, Outcome::Done) => Some(Stage::Held),
            (Call::LedgerHold | Call::Place, Outcome::Refused(reason)) => {
                Some(Stage::Over { reason })
            }
            (Call::LedgerReceive, Outcome::Done) => Some(Stage::Received),
            (Call::LedgerConfirm, Outcome::Done) => Some(Stage::Confirmed),
            (Call::LedgerReverse, Outcome::Done) => Some(match (&self.stage, &self.means) {
                (Stage::Asked, _) => Stage::Over { reason: Reason::Reversed },
                (_, Means::Wallet { .. }) => Stage::Returned,
                (_, Means::BankCard | Means::Sbp) => Stage::Owed,
            }),
            (Call::LedgerRepaid { .. }, Outcome::Done) => Some(Stage::Returned),
            (_, Outcome::Unexpected(payment)) if self.goal == Goal::Undo => {
                if let Some(link) = &mut self.link {
                    link.unexpected = Some(payment);
                }
                self.learned(Known::Paid)
            }
            // A person decides at the gateway.
            (_, Outcome::Unexpected(_)) => None,
            (Call::Place, Outcome::Placed(link, known)) => {
                self.link = Some(link);
                self.lines.clear();
                self.learned(known)
            }
            (Call::Cancel, Outcome::Done) => Some(Stage::Canceling),
            // It was paid meanwhile, or is over: the look-up says which.
            (Call::Cancel, Outcome::Refused(_)) => Some(Stage::Canceling),
            (Call::Capture, Outcome::Done) => Some(Stage::Capturing),
            (Call::Capture, Outcome::Refused(_)) => Some(Stage::Capturing),
            (Call::Refund, Outcome::Refused(_)) => Some(Stage::RefundRefused),
            (_, Outcome::Known(known)) => {
                // Who is to be confirmed has not paid yet.
                let is_unpaid = matches!(known, Known::Linked | Known::Pending);
                if self.stage == Stage::Linked && self.goal == Goal::Confirm && is_unpaid {
                    self.refused = Some(Reason::NotPaid);
                }
                self.learned(known)
            }
            // Nothing else is an outcome of these calls.
            (_, Outcome::Done | Outcome::Refused(_) | Outcome::Placed(..) | Outcome::Failed) => {
                None
            }
        }
    }

    /// The stage after the gateway has said what has become of it.
    fn learned(&mut self, known: Known) -> Option<Stage> {
        match (&self.stage, known) {
            (_, Known::Refunding(refund)) => Some(Stage::Refunding { refund }),
            (_, Known::Refunded(refund)) => Some(Stage::Refunded { refund }),
            (_, Known::RefundRefused) => Some(Stage::RefundRefused),
            // The ledger goes on from here.
            (
                Stage::Taken
                | Stage::Received
                | Stage::Confirmed
                | Stage::Owed
                | Stage::Refunding { .. }
                | Stage::Refunded { .. }
                | Stage::RefundRefused
                | Stage::Returned
                | Stage::Over { .. },
                _,
            ) => None,
            // The bank may hold it still.
            (Stage::Capturing, Known::CaptureRefused) => {
                self.refused = Some(Reason::PaymentRefused);
                Some(Stage::Held)
            }
            (Stage::Capturing, Known::Held) => None,
            (Stage::Canceling, Known::Held) => Some(Stage::Held),
            (Stage::Canceling, Known::Linked) => None,
            (Stage::Asked | Stage::Linked | Stage::Held, Known::Linked) => Some(Stage::Linked),
            (Stage::Asked | Stage::Linked | Stage::Held, Known::Held) => Some(Stage::Held),
            (_, Known::Paid) => Some(Stage::Taken),
            (_, Known::Dead(reason)) => Some(Stage::Over { reason }),
            (Stage::Asked, Known::Pending) => Some(Stage::Linked),
            (_, Known::Pending | Known::CaptureRefused | Known::Linked) => None,
        }
    }

    /// When its next call is to be made.
    fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        match (&self.stage, self.goal) {
            // The callback usually comes first. A link that is over is looked
            // up at once.
            (Stage::Linked, Goal::Bring | Goal::Confirm) => {
                let look = later(now, LOOK_PAUSE);
                Some(if self.until > now { look.min(self.until) } else { look })
            }
            (Stage::Held, Goal::Bring) => Some(self.until),
            (Stage::Canceling | Stage::Capturing | Stage::Refunding { .. }, _) => {
                Some(later(now, OUTCOME_PAUSE))
            }
            _ => self.next(now).map(|_| now),
        }
    }
}
