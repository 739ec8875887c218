//! The operator gives money to a client's wallet.

use serde::Serialize;
use tillgate_kernel::{Fingerprint, Money};

use super::Billing;
use super::post::Posting;
use super::statement::{REASON_CHARACTERS_MAX, place_of_reason};
use super::tokens::unsealable;
use super::transfer::Issuer;
use super::verb::Instruction;
use crate::Refusal;
use crate::bus::{Envelope, Service, message_id};
use crate::form::Form;
use crate::formats::WalletFilled;
use crate::roubles::Roubles;
use crate::username::{ClientNumber, Username};

/// What the operator gives.
#[derive(Debug)]
pub struct Credit {
    amount: Money,
    reason: String,
}

/// What was given.
#[derive(Debug, Serialize)]
pub struct Credited {
    pub username: String,
    pub amount: Roubles,
    /// What the wallet holds now.
    pub balance: Roubles,
}

impl Credit {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<Credit, Refusal> {
        let amount = form.amount("amount");
        let reason = form.required("reason", REASON_CHARACTERS_MAX);
        let read = amount.zip(reason).map(|(amount, reason)| Credit { amount, reason });
        form.whole(read).map_err(Refusal::Fields)
    }
}

impl Billing {
    /// Gives money to a client's wallet, once for each `key`.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the client has no wallet, and
    /// [`Refusal::IdReused`] when the key belongs to another credit.
    pub async fn credit(
        &self,
        username: &str,
        key: &str,
        credit: Credit,
    ) -> Result<Credited, Refusal> {
        let username = Username::parse(username).ok_or(Refusal::NotFound)?;
        let client = ClientNumber::of(&username);
        let wallet = self.wallet_of(client).await?;
        let data_key = wallet.data_key(&self.keys).map_err(unsealable)?;
        let reason = data_key.seal(&credit.reason, place_of_reason(wallet.id));
        let partition = Issuer::Operator.partition_of(key);
        let filled = WalletFilled {
            cause: Fingerprint::of(&[b"wallet filled", key.as_bytes()]),
            username: username.as_str().to_owned(),
        };
        // It is the only message about this payment.
        let id = message_id(Service::Billing, partition, 1);
        let now = self.clock.now();
        let to = Service::Notification;
        let posting = Posting {
            message: Some(Envelope::message(to, id, &filled, &self.keys, now)),
            issuer: Issuer::Operator,
            payment: key.to_owned(),
            instruction: Instruction::Credit { to: wallet.name(), amount: credit.amount },
            client: Some(client),
            reason: Some(reason),
        };
        let balance = self.post(&posting, None).await?;
        Ok(Credited {
            username: username.as_str().to_owned(),
            amount: Roubles(credit.amount),
            balance: Roubles(balance.unwrap_or_default()),
        })
    }
}
