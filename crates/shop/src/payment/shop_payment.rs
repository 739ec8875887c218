//! How an order is paid: the attempts, and what the agreement on the order asks
//! for, pure. What others are to know of a change follows from it.

use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{DocKey, Document, Kind, ListName, Money, Timestamp, Unreadable};

use super::attempt::{Attempt, Goal, Means, Stage};
use crate::formats::Done;
use crate::formats::agreement::{Reason, RequestType};
use crate::order_id::OrderId;
use crate::username::Username;

/// The most attempts to pay for an order.
pub const ATTEMPTS_MAX: usize = 30;

/// A CONFIRM that is not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirming {
    /// The number of the request.
    pub request: u32,
    /// The attempt that is confirmed.
    pub attempt: u32,
}

/// The payments of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShopPayment {
    pub order: OrderId,
    /// Nothing in a mark that an order was reversed before it was paid.
    pub username: Option<Username>,
    pub attempts: Vec<Attempt>,
    /// Nothing can be paid any more.
    pub is_reversed: bool,
    pub confirming: Option<Confirming>,
    /// The number of the REVERSE that is not answered yet.
    pub reversing: Option<u32>,
}

/// What others are to know: each is a message of the same commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The answer to a request of the agreement.
    Answer { request_type: RequestType, request: u32, reason: Option<Reason> },
    /// Money was taken: the order goes on.
    Came { attempt: u32 },
    /// A letter to the client.
    Notice { attempt: u32, done: Done, reason: Option<Reason> },
}

impl ShopPayment {
    #[must_use]
    pub const fn new(order: OrderId, username: Option<Username>) -> ShopPayment {
        ShopPayment {
            order,
            username,
            attempts: Vec::new(),
            is_reversed: false,
            confirming: None,
            reversing: None,
        }
    }

    #[must_use]
    pub const fn key_of(order: OrderId) -> DocKey {
        DocKey { partition: order.partition(), kind: ShopPayment::KIND, id: 0 }
    }

    /// The list of those with a call to be made, by when.
    #[must_use]
    pub fn due() -> ListName {
        ListName::of(&["shop payments due"])
    }

    /// The list of those whose money a person must pay back.
    #[must_use]
    pub fn owed() -> ListName {
        ListName::of(&["shop payments owed"])
    }

    /// The list of those whose goods were bought without a receipt.
    #[must_use]
    pub fn without_receipt() -> ListName {
        ListName::of(&["shop payments without receipt"])
    }

    /// The list of marks without a payment.
    #[must_use]
    pub fn marks() -> ListName {
        ListName::of(&["shop payments marks"])
    }

    /// The attempt by which money can come, or has come.
    #[must_use]
    pub fn live(&self) -> Option<&Attempt> {
        self.attempts.iter().find(|one| one.stage.is_live())
    }

    /// The attempts whose money a person must pay back.
    pub fn unrefunded(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|one| one.stage == Stage::RefundRefused)
    }

    /// The attempts by which goods were bought from a wallet: no payment system
    /// has made a receipt for them.
    pub fn from_wallets(&self) -> impl Iterator<Item = &Attempt> {
        let is_wallet = |one: &&Attempt| matches!(one.means, Means::Wallet { .. });
        self.attempts.iter().filter(|one| one.stage == Stage::Confirmed).filter(is_wallet)
    }

    #[must_use]
    pub fn attempt(&self, number: u32) -> Option<&Attempt> {
        self.attempts.iter().find(|one| one.number == number)
    }

    pub fn attempt_mut(&mut self, number: u32) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|one| one.number == number)
    }

    /// When the next call is to be made.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        self.attempts.iter().filter_map(|one| one.due_at).min()
    }

    /// The agreement asks to make money the shop's: exactly `total`, paid for
    /// this version.
    pub fn confirm(
        &mut self,
        request: u32,
        version: u64,
        total: Money,
        now: Timestamp,
    ) -> Vec<News> {
        let answer =
            |reason| vec![News::Answer { request_type: RequestType::Confirm, request, reason }];
        if self.is_reversed {
            return answer(Some(Reason::Reversed));
        }
        if total == Money::ZERO {
            return answer(None);
        }
        let paying =
            self.attempts.iter_mut().find(|one| one.stage.is_live() && one.goal != Goal::Undo);
        let Some(attempt) = paying else {
            let last = self.attempts.last().map(|one| &one.stage);
            let refused = matches!(last, Some(Stage::Over { reason: Reason::PaymentRefused }));
            let reason = if refused { Reason::PaymentRefused } else { Reason::NotPaid };
            return answer(Some(reason));
        };
        if attempt.amount != total || attempt.version != version {
            return answer(Some(Reason::OtherSum));
        }
        if attempt.stage == Stage::Confirmed {
            return answer(None);
        }
        let number = attempt.number;
        attempt.want(Goal::Confirm, now);
        self.confirming = Some(Confirming { request, attempt: number });
        self.settle_confirming().into_iter().collect()
    }

    /// Everything goes back, for good. `request` is to be answered when the
    /// ledger has done it.
    pub fn reverse(&mut self, request: Option<u32>, now: Timestamp) -> Vec<News> {
        self.is_reversed = true;
        self.confirming = None;
        for attempt in self.attempts.iter_mut().filter(|one| one.stage.is_live()) {
            attempt.want(Goal::Undo, now);
        }
        self.reversing = request.or(self.reversing);
        self.settle_reversing().into_iter().collect()
    }

    /// Lets one attempt bring nothing. Returns whether there is one.
    pub fn undo(&mut self, attempt: u32, now: Timestamp) -> bool {
        let known = self.attempt_mut(attempt).filter(|one| one.stage.is_live());
        known.is_some_and(|one| {
            one.want(Goal::Undo, now);
            true
        })
    }

    /// What follows after an attempt came from `before` to where it is.
    pub fn news_of(&mut self, before: &Attempt) -> Vec<News> {
        let Some(after) = self.attempt(before.number) else { return Vec::new() };
        let attempt = after.number;
        let mut news = Vec::new();
        let notice = |done, reason| News::Notice { attempt, done, reason };
        let is_wallet = matches!(after.means, Means::Wallet { .. });
        if before.stage != after.stage {
            match &after.stage {
                Stage::Received => {
                    news.push(notice(Done::Charge, None));
                    if after.goal == Goal::Bring {
                        news.push(News::Came { attempt });
                    }
                }
                Stage::Confirmed if is_wallet => news.push(notice(Done::Charge, None)),
                Stage::Owed => news.push(notice(Done::Reverse, None)),
                // What was only held was not charged.
                Stage::Returned if is_wallet && before.stage == Stage::Confirmed => {
                    news.push(notice(Done::Reverse, None));
                }
                Stage::Over { reason: Reason::PaymentRefused } => {
                    news.push(notice(Done::Charge, Some(Reason::PaymentRefused)));
                }
                Stage::Asked
                | Stage::Linked
                | Stage::Canceling
                | Stage::Held
                | Stage::Capturing
                | Stage::Taken
                | Stage::Confirmed
                | Stage::Refunding { .. }
                | Stage::Refunded { .. }
                | Stage::RefundRefused
                | Stage::Returned
                | Stage::Over { .. } => {}
            }
        }
        news.extend(self.settle_confirming());
        news.extend(self.settle_reversing());
        news
    }

    /// The answer to a CONFIRM, once it is known.
    fn settle_confirming(&mut self) -> Option<News> {
        let Confirming { request, attempt } = self.confirming?;
        let reason = match self.attempt(attempt) {
            None => Some(Reason::NotPaid),
            Some(one) => match (&one.stage, one.refused) {
                (Stage::Confirmed, _) => None,
                (Stage::Over { reason }, _) => Some(*reason),
                (_, Some(reason)) => Some(reason),
                (stage, None) if stage.is_live() => return None,
                (_, None) => Some(Reason::NotPaid),
            },
        };
        self.confirming = None;
        Some(News::Answer { request_type: RequestType::Confirm, request, reason })
    }

    /// The answer to a REVERSE, once the ledger has nothing for the order.
    fn settle_reversing(&mut self) -> Option<News> {
        let request = self.reversing?;
        if self.attempts.iter().any(Attempt::is_in_ledger) {
            return None;
        }
        self.reversing = None;
        Some(News::Answer { request_type: RequestType::Reverse, request, reason: None })
    }
}

impl Document for ShopPayment {
    const KIND: Kind = Kind::new(37, "shop payments");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        let mut lists = Vec::new();
        if self.due_at().is_some() {
            lists.push(ShopPayment::due());
        }
        if self.unrefunded().next().is_some() {
            lists.push(ShopPayment::owed());
        }
        if self.from_wallets().next().is_some() {
            lists.push(ShopPayment::without_receipt());
        }
        if self.attempts.is_empty() {
            lists.push(ShopPayment::marks());
        }
        lists
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<ShopPayment, Unreadable> {
        document::decode(schema, bytes)
    }
}
