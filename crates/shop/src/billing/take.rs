//! What the service does with the messages of other services.

use tillgate_kernel::Timestamp;
use tillgate_kernel::chance::random_bytes;
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, Versioned};

use super::Billing;
use super::account::Account;
use super::token_id::TokenId;
use crate::Refusal;
use crate::bus::{Consumer, Format, Incoming, NotTaken, Service, Unreadable};
use crate::formats::Contacts;
use crate::username::{ClientNumber, Username};

/// How many numbers are tried for a wallet before it is an error: each is taken
/// by something else once in millions of shops.
const NUMBERS_MAX: u8 = 8;

impl Consumer for Billing {
    const SERVICE: Service = Service::Billing;

    async fn take(&self, message: &Incoming<'_>) -> Result<(), NotTaken> {
        match message.envelope.format {
            Contacts::NUMBER => {
                let contacts: Contacts = message.read()?;
                // The service that registers clients has checked the name.
                let Some(username) = Username::parse(&contacts.username) else { return Ok(()) };
                self.open_wallet(ClientNumber::of(&username)).await?;
                Ok(())
            }
            other => Err(Unreadable::Format(other).into()),
        }
    }
}

impl Billing {
    /// The client's wallet. It is opened if the client has none.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn open_wallet(&self, client: ClientNumber) -> Result<Account, Refusal> {
        for attempt in 0..NUMBERS_MAX {
            let id = TokenId::of_wallet(client, attempt);
            let new = |now| Account::wallet(id, client, now, &self.keys, random_bytes());
            let account = self.found_or_made(id, &new).await?;
            if account.is_wallet_of(client) {
                return Ok(account);
            }
        }
        tracing::error!(%client, "no number is left for the wallet of a client");
        Err(Refusal::Unavailable)
    }

    /// The account with this number; a new one if there is none.
    pub(super) async fn found_or_made(
        &self,
        id: TokenId,
        new: &impl Fn(Timestamp) -> Account,
    ) -> Result<Account, Refusal> {
        let work = |_| async move {
            // What is there is promised by the answer.
            let known = self.store.load_kept(&[Account::key_of(id)]).await?.pop().flatten();
            if let Some(known) = known {
                return Ok(Run::Unchanged(known.document::<Account>()?));
            }
            let now = self.clock.now();
            let account = new(now);
            let mut batch = Batch::new();
            Versioned::new(account.clone(), now).stage_at(Account::key_of(id), &mut batch);
            Ok(Run::Commit(batch, account))
        };
        Ok(run(&self.store, work).await?.0)
    }

    /// The client's wallet, if it is open.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it is not.
    pub(super) async fn wallet_of(&self, client: ClientNumber) -> Result<Account, Refusal> {
        for attempt in 0..NUMBERS_MAX {
            let key = Account::key_of(TokenId::of_wallet(client, attempt));
            match self.store.read::<Account>(key).await?.map(Versioned::into_document) {
                Some(account) if account.is_wallet_of(client) => return Ok(account),
                Some(_) => {}
                None => return Err(Refusal::NotFound),
            }
        }
        Err(Refusal::NotFound)
    }
}

impl Account {
    fn is_wallet_of(&self, client: ClientNumber) -> bool {
        self.owner == Some(client) && self.kind == super::account::AccountKind::Wallet
    }
}
