//! Proving an e-mail address: a client follows the link of a letter.

use tillgate_identity::Token;
use tillgate_kernel::Language;
use tillgate_store::Batch;
use tillgate_store::unit::{Run, run};

use super::Auth;
use super::client::{Client, Profile};
use super::limits::{Counted, LETTERS, Limit};
use super::link::Purpose;
use super::login_name::folded;
use super::task::Task;
use crate::Refusal;
use crate::bus::Service;

impl Auth {
    /// Sends the letter with the link again.
    ///
    /// # Errors
    /// When the session has ended, or too many letters were asked for.
    pub async fn ask_verification(
        &self,
        session: Option<&Token>,
        language: Language,
    ) -> Result<(), Refusal> {
        let (client, _) = self.authorise(session, None).await?;
        let number = client.number();
        self.count(&Counted::letters_of(number), Limit::OfRate(LETTERS)).await?;
        let work = |_| async move {
            let Some(mut client) = self.store.read::<Client>(Client::key_of(number)).await? else {
                return Ok(Run::Unchanged(()));
            };
            let mut batch = Batch::new();
            let task = |_| Task::SendVerification { client: number, language };
            client.send(Service::Auth, task, &self.keys, self.clock.now(), &mut batch);
            client.stage(&mut batch);
            Ok(Run::Commit(batch, ()))
        };
        run(&self.store, work).await?;
        Ok(())
    }

    /// Notes that the address is the client's, who has the link of its letter.
    /// The link may be followed again.
    ///
    /// # Errors
    /// When the link does not work any more.
    pub async fn verify(&self, token: &str) -> Result<(), Refusal> {
        let link = self.link_of(token, Purpose::Verify).await?;
        let key = Client::key_of(link.client);
        let client = self.store.read::<Client>(key).await?.ok_or(Refusal::LinkNotValid)?;
        let profile = self.profile_of(&client)?;
        if !self.is_name_of(link.contact, &folded(profile.email.expose())) {
            return Err(Refusal::LinkNotValid); // the client has another address now
        }
        if !self.note_proof(&client, &profile).await? {
            return Err(Refusal::LinkNotValid);
        }
        Ok(())
    }

    /// Notes that a client receives messages at the e-mail address. False if it
    /// is another client's.
    pub(super) async fn note_proof(
        &self,
        client: &Client,
        profile: &Profile,
    ) -> Result<bool, Refusal> {
        let (number, email) = (client.number(), folded(profile.email.expose()));
        if !self.prove(&email, number).await? {
            return Ok(false);
        }
        let email = &email;
        let noted = |_| async move {
            let Some(mut client) = self.store.read::<Client>(Client::key_of(number)).await? else {
                return Ok(Run::Unchanged(Ok(false)));
            };
            let is_same = match self.profile_of(&client) {
                Ok(profile) => folded(profile.email.expose()) == *email,
                Err(refusal) => return Ok(Run::Unchanged(Err(refusal))),
            };
            if client.email_proved_at.is_some() || !is_same {
                return Ok(Run::Unchanged(Ok(is_same)));
            }
            client.email_proved_at = Some(self.clock.now());
            let mut batch = Batch::new();
            client.stage(&mut batch);
            Ok(Run::Commit(batch, Ok(true)))
        };
        let is_noted = run(&self.store, noted).await?.0?;
        if !is_noted {
            // The client has another address since: this one is free.
            self.release(email, number).await?;
        }
        Ok(is_noted)
    }
}
