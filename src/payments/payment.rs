//! One payment: a number at the payment system, and what became of it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bill::Bill;
use crate::kernel::money::{CURRENCY, is_our_currency};
use crate::kernel::schema::text_schema;
use crate::kernel::time::between;
use crate::kernel::{Money, Number, Private, Timestamp, same_id};

/// Which payment: the order, and the attempt at being paid for it. It is the number under which the payment
/// system knows it, chosen and committed before the first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentId {
    /// The order.
    pub number: Number,
    /// 1 for the first.
    pub attempt: u32,
}

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.number, self.attempt)
    }
}

/// The text is not a payment's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payment's number is an order's number and an attempt, such as 482993011752-1")]
pub struct NotAPaymentId;

impl FromStr for PaymentId {
    type Err = NotAPaymentId;

    fn from_str(text: &str) -> Result<PaymentId, NotAPaymentId> {
        let (number, attempt) = text.split_once('-').ok_or(NotAPaymentId)?;
        let id = PaymentId {
            number: number.parse().map_err(|_| NotAPaymentId)?,
            attempt: attempt.parse().map_err(|_| NotAPaymentId)?,
        };
        // One spelling only: what compares equal must be equal.
        if id.to_string() == text { Ok(id) } else { Err(NotAPaymentId) }
    }
}

impl Serialize for PaymentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

text_schema!(
    PaymentId,
    "PaymentId",
    "A payment: its order and the attempt.",
    "^[1-9][0-9]{11}-[0-9]{1,9}$",
    "482993011752-1"
);

impl<'de> Deserialize<'de> for PaymentId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<PaymentId, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An order as the payment system has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// Its own id.
    pub id: String,
    /// The number that we gave it.
    pub number: String,
    /// Whose order it is there.
    pub account: String,
    /// The sum.
    pub amount: Money,
    /// The currency.
    pub currency: String,
    /// Where it stands.
    pub status: RemoteStatus,
    /// Where the buyer pays, if the address is one that we may send a buyer to.
    pub url: Option<String>,
    /// Until when.
    pub expires_at: Option<Timestamp>,
}

/// Where an order stands at the payment system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteStatus {
    /// It waits to be paid.
    Created,
    /// The money is set aside and not taken yet.
    Held,
    /// It is paid.
    Completed,
    /// Its time has run out.
    Expired,
    /// It was called off.
    Canceled,
    /// Something that is neither paid nor over.
    Other(String),
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Which.
    pub id: PaymentId,
    /// The revision of the order that it is for.
    pub revision: u32,
    /// Who we are at the payment system.
    pub account: String,
    /// What is to be paid.
    pub bill: Bill,
    /// What the bill is to be: the same sums, and other words, another payer or another time. The payment system has not been
    /// told yet, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alteration: Option<Alteration>,
    /// Where it stands.
    pub state: PaymentState,
    /// When it was planned.
    pub created_at: Timestamp,
    /// The request as it was sent first: every later attempt sends the same bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Private>,
    /// A call has ended so that it may have been carried out.
    #[serde(default)]
    pub doubtful: bool,
    /// Its bill and its request lie in a document of their own: see `past_bill`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bill_is_apart: bool,
    /// It should take money no more, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded: Option<String>,
    /// It was told that the time in which it could be paid is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end_is_told: bool,
    /// What the payment system has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
    /// What was taken of the money that was held, if that is another sum than was to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Money>,
    /// The payment system's id of the order that was paid, by its notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_under: Option<String>,
}

/// What the payment system is to be told anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alteration {
    /// The whole bill, as it is to be.
    pub bill: Bill,
    /// Told again, it is another: two receivers may tell different things at the same moment, and nobody knows which of them
    /// came last.
    pub turn: u32,
}

/// Where a payment stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum PaymentState {
    /// Nothing has been sent, for certain.
    Planned,
    /// A call is under way, or was when the process died.
    Sending {
        /// When it began.
        since: Timestamp,
    },
    /// Whether the payment system has it is not known.
    Unknown {
        /// Since when.
        since: Timestamp,
        /// How often it was looked for and not found.
        looks: u32,
        /// It was not found when it would have had to be: it is not there.
        #[serde(default)]
        is_absent: bool,
    },
    /// It can be paid.
    Linked {
        /// Since when.
        at: Timestamp,
    },
    /// The buyer has agreed and the money is set aside: it is taken by a capture, or let go.
    Held {
        /// Since when.
        at: Timestamp,
    },
    /// It is paid.
    Paid {
        /// Since when.
        at: Timestamp,
    },
    /// The payment system will not have it.
    Refused {
        /// Since when.
        at: Timestamp,
        /// What it said.
        why: String,
    },
    /// The payment system has something else than we sent: nothing goes on without a person.
    Frozen {
        /// Since when.
        at: Timestamp,
        /// What differs.
        why: String,
    },
    /// It can be paid no more.
    Cancelled {
        /// Since when.
        at: Timestamp,
    },
    /// Its time ran out.
    Expired {
        /// Since when.
        at: Timestamp,
    },
}

/// What is to be done about a payment next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send the request.
    Send,
    /// Look whether the payment system has it.
    Look,
    /// See where it stands there: a notification may have been lost.
    Check,
    /// See where it stands there, and alter it if it still waits for its buyer.
    Alter,
    /// See where it stands there, and call it off.
    Cancel,
    /// Let it go: nothing of it is at the payment system, and nobody wants it any more.
    Drop,
    /// Nothing: it is as it should be.
    Rest,
}

/// What a call came to that was about a `T` at the payment system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered<T = Remote> {
    /// It was certainly not carried out, and may be tried again.
    NotDone(String),
    /// It was refused, and would be again.
    Refused(String),
    /// The number has been used: an earlier call was carried out after all.
    Duplicate,
    /// It may or may not have been carried out.
    Unknown(String),
    /// It was made.
    Created(T),
    /// It is let go.
    Dropped,
    /// It could not be looked, or not be called off: nothing more is known than before.
    NotSeen(String),
    /// What was found under the number.
    Found(Vec<T>),
    /// How it stands.
    Stands(T),
    /// It was altered to that.
    Altered(T, Box<Alteration>),
    /// It was not altered to that, and will not be: why not, where others can be.
    Unaltered(Option<String>, Box<Alteration>),
}

impl<T> Answered<T> {
    /// What the matter was, if something was.
    #[must_use]
    pub fn why(self) -> String {
        match self {
            Answered::NotDone(why)
            | Answered::Refused(why)
            | Answered::Unknown(why)
            | Answered::NotSeen(why) => why,
            Answered::Duplicate => "its number is known to the payment system".into(),
            Answered::Unaltered(why, _) => why.unwrap_or_default(),
            Answered::Created(_)
            | Answered::Dropped
            | Answered::Found(_)
            | Answered::Stands(_)
            | Answered::Altered(..) => String::new(),
        }
    }

    /// Its name among the figures.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Answered::NotDone(_) => "not_done",
            Answered::Refused(_) => "refused",
            Answered::Duplicate => "duplicate",
            Answered::Unknown(_) => "unknown",
            Answered::NotSeen(_) => "not_seen",
            Answered::Dropped => "dropped",
            Answered::Created(_) => "created",
            Answered::Found(_) => "found",
            Answered::Stands(_) => "stands",
            Answered::Altered(..) => "altered",
            Answered::Unaltered(..) => "unaltered",
        }
    }
}

/// How often nothing must be found before the request is sent again.
pub const LOOKS_MIN: u32 = 3;

/// How long after an unknown outcome the request is not sent again, in seconds: a slow commit over there may
/// still become visible.
pub const QUIET_SECONDS_MIN: u64 = 120;

/// Before a link is first looked at, and at most between two looks. In between it is looked at whenever it has become
/// twice as old: most buyers pay at once, and lost notifications are rare.
const CHECK_GAP_MIN: Duration = Duration::from_secs(600);
const CHECK_GAP_MAX: Duration = Duration::from_secs(6 * 3600);

/// After a link has ended over there, before that is looked at.
const AFTER_ITS_END: Duration = Duration::from_secs(10);

/// Between two looks that found nothing.
const LOOK_GAP: Duration = Duration::from_secs(50);

impl Payment {
    /// A payment that is only meant.
    #[must_use]
    pub fn planned(id: PaymentId, revision: u32, account: String, bill: Bill, now: Timestamp) -> Payment {
        Payment {
            id,
            revision,
            account,
            bill,
            alteration: None,
            state: PaymentState::Planned,
            created_at: now,
            request: None,
            doubtful: false,
            bill_is_apart: false,
            superseded: None,
            end_is_told: false,
            remote: None,
            captured: None,
            paid_under: None,
        }
    }

    /// Whether it can take money, now or after what is under way.
    #[must_use]
    pub fn is_live(&self) -> bool {
        match self.state {
            PaymentState::Planned
            | PaymentState::Sending { .. }
            | PaymentState::Unknown { .. }
            | PaymentState::Linked { .. }
            | PaymentState::Held { .. } => true,
            // Nobody knows what a frozen one can do: no other is made beside it.
            PaymentState::Frozen { .. } => true,
            PaymentState::Paid { .. }
            | PaymentState::Refused { .. }
            | PaymentState::Cancelled { .. }
            | PaymentState::Expired { .. } => false,
        }
    }

    /// Whether it is under way to its buyer, or waits for one.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_live() && !self.is_held() && !matches!(self.state, PaymentState::Frozen { .. })
    }

    /// Whether its money was taken.
    #[must_use]
    pub fn took_money(&self) -> bool {
        matches!(self.state, PaymentState::Paid { .. })
    }

    /// Whether its money is set aside and not taken.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.state, PaymentState::Held { .. })
    }

    /// What was taken, once it is paid.
    #[must_use]
    pub fn taken(&self) -> Money {
        self.captured.unwrap_or(self.bill.total)
    }

    /// Whether its money was taken for what the order is: not for an older revision, nor too late.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        self.took_money() && self.superseded.is_none()
    }

    /// Where the buyer pays, if it can be paid at `now`.
    #[must_use]
    pub fn link(&self, now: Timestamp) -> Option<&str> {
        let is_open = matches!(self.state, PaymentState::Linked { .. }) && self.superseded.is_none();
        let url = self.remote.as_ref()?.url.as_deref()?;
        (is_open && now < self.bill.expires_at).then_some(url)
    }

    /// What is to be done next.
    #[must_use]
    pub fn step(&self, now: Timestamp) -> Step {
        let is_unwanted = self.superseded.is_some() || now >= self.bill.expires_at;
        match self.state {
            PaymentState::Planned | PaymentState::Unknown { is_absent: true, .. } if is_unwanted => {
                Step::Drop
            }
            PaymentState::Planned => Step::Send,
            PaymentState::Sending { .. } => Step::Look, // the process that was sending is gone
            PaymentState::Unknown { is_absent: true, .. } => Step::Send,
            PaymentState::Unknown { is_absent: false, .. } => Step::Look,
            PaymentState::Linked { .. } | PaymentState::Held { .. } if self.superseded.is_some() => {
                Step::Cancel
            }
            PaymentState::Linked { .. } if self.alteration.is_some() => Step::Alter,
            PaymentState::Linked { .. } | PaymentState::Held { .. } => Step::Check,
            PaymentState::Paid { .. }
            | PaymentState::Refused { .. }
            | PaymentState::Frozen { .. }
            | PaymentState::Cancelled { .. }
            | PaymentState::Expired { .. } => Step::Rest,
        }
    }

    /// The request is about to be sent: what is written before the call, so that its outcome cannot be lost
    /// with the process.
    pub fn sends(&mut self, request: Private, now: Timestamp) {
        self.request.get_or_insert(request);
        if matches!(self.state, PaymentState::Unknown { is_absent: true, .. }) {
            self.doubtful = false; // what was sent before did not arrive
        }
        self.state = PaymentState::Sending { since: now };
    }

    /// Takes in what a call came to. The error says what is left to do, and when.
    pub fn answered(&mut self, answer: Answered, now: Timestamp) -> Result<(), Again> {
        match self.state {
            // It has been settled meanwhile, by a notification.
            PaymentState::Paid { .. }
            | PaymentState::Refused { .. }
            | PaymentState::Frozen { .. }
            | PaymentState::Cancelled { .. }
            | PaymentState::Expired { .. } => {
                if let Answered::Created(remote) | Answered::Stands(remote) = answer {
                    self.remote.get_or_insert(remote);
                }
                return Ok(());
            }
            PaymentState::Planned
            | PaymentState::Sending { .. }
            | PaymentState::Unknown { .. }
            | PaymentState::Linked { .. }
            | PaymentState::Held { .. } => {}
        }
        match answer {
            Answered::Dropped => {
                self.state = match self.superseded {
                    Some(_) => PaymentState::Cancelled { at: now },
                    None => PaymentState::Expired { at: now },
                };
                Ok(())
            }
            Answered::NotDone(why) => {
                if let PaymentState::Sending { since } = self.state {
                    // If it had been sent before, that is still not known.
                    self.state = if self.doubtful {
                        PaymentState::Unknown { since, looks: 0, is_absent: false }
                    } else {
                        PaymentState::Planned
                    };
                }
                Err(Again { after: None, why })
            }
            // With a link there it is no more than a call that went wrong.
            Answered::Refused(why)
                if matches!(self.state, PaymentState::Linked { .. } | PaymentState::Held { .. }) =>
            {
                Err(Again { after: None, why })
            }
            // When an earlier send may have been taken, this is no refusal of the payment.
            Answered::Refused(why) if self.doubtful => Err(self.doubts(now, why)),
            Answered::Refused(why) => {
                self.state = PaymentState::Refused { at: now, why };
                Ok(())
            }
            Answered::Duplicate => Err(self.doubts(now, "its number is known there".into())),
            Answered::NotSeen(why) => {
                // Whoever was sending has died: what it sent is not disproved by a look that failed.
                if matches!(self.state, PaymentState::Sending { .. }) {
                    self.doubts(now, String::new());
                }
                Err(Again { after: None, why })
            }
            Answered::Unknown(why) if matches!(self.state, PaymentState::Sending { .. }) => {
                Err(self.doubts(now, why))
            }
            Answered::Unknown(why) => Err(Again { after: None, why }),
            Answered::Created(remote) | Answered::Stands(remote) => self.stands(remote, now),
            Answered::Altered(remote, told) => {
                self.was_told(*told);
                self.stands(remote, now)
            }
            // It goes on as it is over there, for the same sum; the next one for this order will be as it should.
            Answered::Unaltered(_, refused) => {
                if self.alteration.as_ref() == Some(&*refused) {
                    self.alteration = None;
                    self.bill = refused.bill;
                }
                Err(Again { after: Some(self.look_gap(Duration::ZERO, now)), why: Again::WAITS.into() })
            }
            Answered::Found(remotes) => {
                let number = self.id.to_string();
                let mut own = remotes.into_iter().filter(|remote| remote.number == number);
                match (own.next(), own.next()) {
                    (Some(remote), None) => self.stands(remote, now),
                    (Some(_), Some(_)) => {
                        let why = "the payment system has more than one order under this number".to_owned();
                        self.state = PaymentState::Frozen { at: now, why };
                        Ok(())
                    }
                    (None, _) => Err(self.not_found(now)),
                }
            }
        }
    }

    /// Before a link that is so old is looked at again: not long after its end over there, if that is known.
    #[must_use]
    pub fn look_gap(&self, age: Duration, now: Timestamp) -> Duration {
        let gap = age.clamp(CHECK_GAP_MIN, CHECK_GAP_MAX);
        let end = self.remote.as_ref().and_then(|remote| remote.expires_at).filter(|end| *end > now);
        end.map_or(gap, |end| gap.min(between(now, end) + AFTER_ITS_END))
    }

    /// What is to be paid over there is not what was asked for, and somebody has paid it.
    #[must_use]
    pub fn is_frozen_with_money(&self) -> bool {
        let has_money =
            |remote: &Remote| matches!(remote.status, RemoteStatus::Completed | RemoteStatus::Held);
        matches!(self.state, PaymentState::Frozen { .. }) && self.remote.as_ref().is_some_and(has_money)
    }

    /// The payment system was told something, which need not be the latest that is to be said: then that is told once more, as
    /// nobody knows which arrived last.
    fn was_told(&mut self, told: Alteration) {
        if self.alteration.as_ref() == Some(&told) {
            self.alteration = None;
            self.bill = told.bill;
        } else if self.alteration.is_some() || self.bill != told.bill {
            let latest = self.alteration.take();
            let turn = latest.as_ref().map_or(told.turn, |latest| latest.turn.max(told.turn)) + 1;
            let bill = latest.map_or_else(|| self.bill.clone(), |latest| latest.bill);
            self.alteration = Some(Alteration { bill, turn });
        }
    }

    /// What else is to be said of it: the latest counts.
    pub(super) fn is_to_say(&mut self, bill: Bill) {
        let turn = self.alteration.as_ref().map_or(1, |earlier| earlier.turn + 1);
        self.alteration = Some(Alteration { bill, turn });
    }

    /// It is to take no money any more.
    pub(super) fn supersede(&mut self, why: impl Into<String>) {
        self.superseded.get_or_insert_with(|| why.into());
        self.alteration = None;
    }

    fn doubts(&mut self, now: Timestamp, why: String) -> Again {
        self.doubtful = true;
        let since = if let PaymentState::Unknown { since, .. } = self.state { since } else { now };
        self.state = PaymentState::Unknown { since, looks: 0, is_absent: false };
        Again { after: Some(Duration::ZERO), why }
    }

    fn not_found(&mut self, now: Timestamp) -> Again {
        let (since, looks) = if let PaymentState::Unknown { since, looks, .. } = self.state {
            (since, looks + 1)
        } else if let PaymentState::Sending { since } = self.state {
            (since, 1)
        } else {
            (now, 1)
        };
        self.doubtful = true;
        let (is_absent, again) = looked_in_vain(since, looks, now);
        self.state = PaymentState::Unknown { since, looks, is_absent };
        again
    }

    /// The payment system has it, in some state.
    fn stands(&mut self, remote: Remote, now: Timestamp) -> Result<(), Again> {
        if let Err(why) = self.fits(&remote) {
            self.state = PaymentState::Frozen { at: now, why };
            self.remote = Some(remote);
            return Ok(());
        }
        let status = remote.status.clone();
        // An answer without an address takes none away that was good before.
        let url = remote.url.or_else(|| self.remote.take()?.url);
        let has_link = url.is_some();
        self.remote = Some(Remote { url, ..remote });
        match status {
            RemoteStatus::Held => {
                let since = if let PaymentState::Held { at } = self.state { Some(at) } else { None };
                self.state = PaymentState::Held { at: since.unwrap_or(now) };
                if self.superseded.is_some() {
                    let after = if since.is_some() { None } else { Some(Duration::ZERO) };
                    return Err(Again { after, why: "it is to be called off".into() });
                }
                let age = since.map_or(Duration::ZERO, |at| between(at, now));
                let after = Some(age.clamp(CHECK_GAP_MIN, CHECK_GAP_MAX));
                return Err(Again { after, why: Again::WAITS.into() });
            }
            RemoteStatus::Created | RemoteStatus::Other(_) if !has_link => {
                // It is there, and may be payable: looked at again when the configuration has been mended.
                let why = "the payment system gave no payment address that a buyer may be sent to; see \
                           payment_hosts of the gateway";
                self.doubts(now, String::new());
                return Err(Again { after: None, why: why.into() });
            }
            RemoteStatus::Created | RemoteStatus::Other(_) => {
                let linked_at = if let PaymentState::Linked { at } = self.state { Some(at) } else { None };
                if linked_at.is_none() {
                    self.state = PaymentState::Linked { at: now };
                }
                if self.superseded.is_some() {
                    let after = if linked_at.is_some() { None } else { Some(Duration::ZERO) };
                    return Err(Again { after, why: "it is to be called off".into() });
                }
                let age = linked_at.map_or(Duration::ZERO, |at| between(at, now));
                let after = Some(self.look_gap(age, now));
                return Err(Again { after, why: Again::WAITS.into() });
            }
            RemoteStatus::Completed => self.state = PaymentState::Paid { at: now },
            RemoteStatus::Expired => self.state = PaymentState::Expired { at: now },
            RemoteStatus::Canceled => self.state = PaymentState::Cancelled { at: now },
        }
        Ok(())
    }

    /// Whether what the payment system has is what we asked for.
    pub fn fits(&self, remote: &Remote) -> Result<(), String> {
        if remote.number != self.id.to_string() {
            return Err(format!("the payment system has the number {:?}", remote.number));
        }
        if !same_id(&remote.account, &self.account) {
            return Err(format!("the payment system has it for the shop {:?}", remote.account));
        }
        if remote.amount != self.bill.total || !is_our_currency(&remote.currency) {
            let (amount, currency, total) = (remote.amount, &remote.currency, self.bill.total);
            return Err(format!("the payment system has {amount} {currency} instead of {total} {CURRENCY}"));
        }
        match &self.remote {
            Some(known) if !same_id(&known.id, &remote.id) => {
                Err(format!("the payment system has another id: {} instead of {}", remote.id, known.id))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// What it means that a number was looked for `looks` times since `since` and not found: whether it is certainly not
/// there, and how to go on.
pub(super) fn looked_in_vain(since: Timestamp, looks: u32, now: Timestamp) -> (bool, Again) {
    // The latest look counts: one before the time was over proves nothing later.
    let is_absent = looks >= LOOKS_MIN && between(since, now) >= Duration::from_secs(QUIET_SECONDS_MIN);
    let why = format!("not found at the payment system, {looks} times so far");
    (is_absent, Again { after: Some(if is_absent { Duration::ZERO } else { LOOK_GAP }), why })
}

/// The payment is not settled yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// When to go on; none for the usual growing pause.
    pub after: Option<Duration>,
    /// What the matter is.
    pub why: String,
}

impl Again {
    /// Said of what only waits: a payment for its buyer, a refund for the bank.
    pub const WAITS: &str = "it waits";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Quantity;
    use crate::payments::{Customer, Line, VatCode};

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn linked() -> (Payment, Remote) {
        let one = (Quantity::from_thousandths(1000), Money::from_kopecks(100));
        let line = Line::priced("1".into(), "Чай".into(), one, VatCode::Ten).expect("a line");
        let expires_at = crate::kernel::time::later(now(), Duration::from_secs(3600));
        let bill = Bill::over("Заказ".into(), vec![line], Customer::default(), expires_at).expect("a bill");
        let id = PaymentId { number: Number::smallest(), attempt: 1 };
        let mut payment = Payment::planned(id, 1, "shop".into(), bill, now());
        let remote = Remote {
            id: "remote".into(),
            number: id.to_string(),
            account: "shop".into(),
            amount: Money::from_kopecks(100),
            currency: CURRENCY.into(),
            status: RemoteStatus::Created,
            url: Some("https://pay.example/1".into()),
            expires_at: None,
        };
        payment.sends(Private::new("{}"), now());
        assert!(
            payment
                .answered(Answered::Created(remote.clone()), now())
                .is_err_and(|again| again.why == Again::WAITS)
        );
        (payment, remote)
    }

    #[test]
    fn a_link_that_was_good_is_not_lost_by_an_answer_without_one() {
        let (mut payment, remote) = linked();
        let bare = Remote { url: None, ..remote };
        let again = payment.answered(Answered::Stands(bare), now()).expect_err("it waits");
        assert_eq!((again.why.as_str(), payment.link(now())), (Again::WAITS, Some("https://pay.example/1")));
    }

    /// Two receivers tell different things at the same moment, and are answered in either order: the latest is told once more.
    #[test]
    fn what_two_told_at_once_is_told_again() {
        let said =
            |payment: &Payment, words: &str| Bill { description: words.into(), ..payment.bill.clone() };
        for newer_first in [true, false] {
            let (mut payment, remote) = linked();
            payment.is_to_say(said(&payment, "older"));
            let older = payment.alteration.clone().expect("an alteration");
            payment.is_to_say(said(&payment, "newer"));
            let newer = payment.alteration.clone().expect("an alteration");
            let answers = if newer_first { [newer, older] } else { [older, newer] };
            for told in answers {
                let answer = Answered::Altered(remote.clone(), Box::new(told));
                assert!(payment.answered(answer, now()).is_err_and(|again| again.why == Again::WAITS));
            }
            let again = payment.alteration.clone().expect("it is to be told again");
            assert_eq!((again.bill.description.as_str(), payment.step(now())), ("newer", Step::Alter));
            // And if two tell that at once, it is told.
            for _ in 0..2 {
                let answer = Answered::Altered(remote.clone(), Box::new(again.clone()));
                assert!(payment.answered(answer, now()).is_err_and(|again| again.why == Again::WAITS));
                assert_eq!((payment.bill.description.as_str(), &payment.alteration), ("newer", &None));
            }
        }
    }

    #[test]
    fn a_failed_look_leaves_a_link_as_it_was() {
        let (mut payment, _) = linked();
        for answer in
            [Answered::NotSeen("no".into()), Answered::Refused("no".into()), Answered::NotDone("no".into())]
        {
            let again = payment.answered(answer, now()).expect_err("to be tried again");
            assert!(again.after.is_none() && payment.link(now()).is_some());
        }
    }
}
