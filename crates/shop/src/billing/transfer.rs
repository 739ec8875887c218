//! The document of a movement of money. It is written once and never changes.

use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{
    DocKey, Document, Fingerprint, Kind, ListName, Money, Partition, Timestamp, Unreadable,
};

use super::account_name::AccountName;
use super::token_id::TokenId;
use super::verb::{Instruction, Leg, Means, Verb};
use crate::order_id::OrderId;
use crate::seal::Sealed;
use crate::username::ClientNumber;

/// What has moved, and why. Its key is made of the payment and the verb, so
/// that no verb is carried out twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The id of the payment, as its caller has chosen it.
    pub payment: String,
    pub verb: Verb,
    /// The sum of the instruction; what went back, for a reversal.
    pub amount: Money,
    pub legs: Vec<Leg>,
    pub at: Timestamp,
    /// Where the money of the payment comes from; absent if it has brought
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub means: Option<Means>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
    /// Whose payment it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientNumber>,
    /// The payment system's refund that has paid back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<String>,
    /// Why, in the operator's words, sealed with the key of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Sealed>,
}

/// The places of a payment's transfers in its partition.
const OPENING: u128 = 0;
const CONFIRM: u128 = 1;
const SHORT: u128 = 2;
const REVERSE: u128 = 3;
/// Refunds are numbered by a fingerprint from here on.
const REFUNDS: u128 = 1 << 64;

/// Whose payments are meant: two callers may choose the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// The services of the shop.
    Services,
    /// The operator.
    Operator,
}

impl Issuer {
    /// The partition of a payment.
    #[must_use]
    pub fn partition_of(self, payment: &str) -> Partition {
        let issuer: &[u8] = match self {
            Issuer::Services => b"payment",
            Issuer::Operator => b"credit",
        };
        Partition::of_name(Fingerprint::of(&[issuer, payment.as_bytes()]))
    }
}

impl Transfer {
    /// The key of what a verb moves for a payment; `refund` is that of
    /// [`Verb::Repaid`].
    #[must_use]
    pub fn key_in(partition: Partition, verb: Verb, refund: Option<&str>) -> DocKey {
        let id = match verb {
            Verb::TopUp | Verb::Credit | Verb::Hold | Verb::Receive => OPENING,
            Verb::Confirm => CONFIRM,
            Verb::Short => SHORT,
            Verb::Reverse => REVERSE,
            Verb::Repaid => {
                let refund = Fingerprint::of(&[refund.unwrap_or_default().as_bytes()]);
                REFUNDS | (refund.get() >> 32)
            }
        };
        DocKey { partition, kind: Transfer::KIND, id }
    }

    /// Whether it records this instruction.
    #[must_use]
    pub fn is_of(&self, instruction: &Instruction) -> bool {
        let account = |account: &AccountName| Some(Means::Account(account.clone()));
        let system = |system: &String| Some(Means::PaymentSystem(system.clone()));
        let asked = match instruction {
            Instruction::TopUp { system: by, to, amount } => {
                let is_to = self.legs.iter().any(|leg| leg.account == *to);
                return is_to && self.has(Verb::TopUp, *amount, &system(by), None);
            }
            Instruction::Credit { to, amount } => (Verb::Credit, amount, account(to), None),
            Instruction::Hold { from, order, amount } => {
                (Verb::Hold, amount, account(from), Some(*order))
            }
            Instruction::Receive { system: by, order, amount } => {
                (Verb::Receive, amount, system(by), Some(*order))
            }
            Instruction::Confirm { amount } | Instruction::Short { amount } => {
                return self.amount == *amount;
            }
            Instruction::Repaid { refund, amount } => {
                return self.amount == *amount && self.refund.as_ref() == Some(refund);
            }
            // The payment compares its sum.
            Instruction::Reverse { .. } => return true,
        };
        let (verb, amount, means, order) = asked;
        self.has(verb, *amount, &means, order)
    }

    fn has(
        &self,
        verb: Verb,
        amount: Money,
        means: &Option<Means>,
        order: Option<OrderId>,
    ) -> bool {
        (self.verb, self.amount, self.order) == (verb, amount, order) && self.means == *means
    }

    /// What an account has got by it, in kopecks. `None` if it does not move
    /// the account.
    #[must_use]
    pub fn kopecks_for(&self, account: &AccountName) -> Option<i64> {
        let of_account = self.legs.iter().filter(|leg| leg.account == *account);
        of_account.map(|leg| leg.kopecks).reduce(i64::saturating_add)
    }

    /// The wallet that a top-up has filled.
    #[must_use]
    pub fn wallet(&self) -> Option<TokenId> {
        let wallet = |leg: &Leg| match leg.account {
            AccountName::Wallet(token) => Some(token),
            AccountName::GiftCard(_)
            | AccountName::Order(_)
            | AccountName::Owed(_)
            | AccountName::Sales
            | AccountName::Given
            | AccountName::PaymentSystem(_) => None,
        };
        self.legs.iter().find_map(wallet)
    }

    /// The list of all transfers.
    #[must_use]
    pub fn all() -> ListName {
        ListName::of(&["transfers"])
    }

    /// The list of what has moved an account.
    #[must_use]
    pub fn list_of(account: &AccountName) -> ListName {
        ListName::of(&["transfers", &account.to_string()])
    }
}

impl Document for Transfer {
    const KIND: Kind = Kind::new(24, "transfers");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        let of_clients =
            self.legs.iter().map(|leg| &leg.account).filter(|account| {
                matches!(account, AccountName::Wallet(_) | AccountName::GiftCard(_))
            });
        of_clients.map(Transfer::list_of).chain([Transfer::all()]).collect()
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Transfer, Unreadable> {
        document::decode(schema, bytes)
    }
}
