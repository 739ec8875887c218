//! What the service does after the answer: it writes itself a message. So a
//! crash loses nothing, and the time of an answer does not tell whether an
//! address is known.

use serde::{Deserialize, Serialize};
use tillgate_kernel::outbox::MessageId;
use tillgate_kernel::time::later;
use tillgate_kernel::{Fingerprint, Language, Private, Timestamp};
use tillgate_store::Batch;
use tillgate_store::CommitError;
use tillgate_store::unit::{Run, run};

use super::Auth;
use super::client::{Client, Profile};
use super::limits::{Counted, Limit, UNASKED_LETTERS};
use super::link::Purpose;
use super::login_name::{Claim, Typed, folded};
use crate::Refusal;
use crate::bus::{Consumer, Format, Incoming, NotTaken, Service};
use crate::formats::{AccountLetter, Letter};
use crate::username::ClientNumber;

/// A message of the service to itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A client has new contacts: let the client log in by them, and not by the
    /// old ones; ask for a proof of the address.
    UseContacts { client: ClientNumber, old: Vec<Private> },
    /// A client has typed the code that was sent to the number.
    ProvePhone { client: ClientNumber },
    /// A client wants to prove the address.
    SendVerification { client: ClientNumber, language: Language },
    /// Somebody has forgotten the password of the account with this name.
    SendReset { login: Private, language: Language },
}

impl Format for Task {
    const NUMBER: u16 = 19;
}

impl Consumer for Auth {
    const SERVICE: Service = Service::Auth;

    async fn take(&self, message: &Incoming<'_>) -> Result<(), NotTaken> {
        let cause = cause_of(message.id);
        match message.read::<Task>()? {
            Task::UseContacts { client, old } => self.use_contacts(client, &old, cause).await,
            Task::ProvePhone { client } => self.lead_phone_to(client).await,
            Task::SendVerification { client, language } => {
                let Some((client, profile)) = self.client(client).await? else { return Ok(()) };
                self.send_verification(&client, &profile, language, cause).await
            }
            Task::SendReset { login, language } => {
                self.send_reset(login.expose(), language, cause).await
            }
        }
    }
}

/// Identifies what a message has caused.
fn cause_of(id: MessageId) -> Fingerprint {
    Fingerprint::of(&[b"cause", &id.subject.to_bytes(), &id.sequence.to_be_bytes()])
}

impl Auth {
    async fn client(&self, number: ClientNumber) -> Result<Option<(Client, Profile)>, NotTaken> {
        let Some(client) = self.store.read::<Client>(Client::key_of(number)).await? else {
            return Ok(None);
        };
        let client = client.into_document();
        let profile = self.profile_of(&client)?;
        Ok(Some((client, profile)))
    }

    /// The number may lead to who has claimed it first.
    async fn lead_phone_to(&self, number: ClientNumber) -> Result<(), NotTaken> {
        let Some((client, profile)) = self.client(number).await? else { return Ok(()) };
        if let Some(phone) = profile.phone.filter(|_| client.phone_proved_at.is_some()) {
            self.prove(phone.expose(), number).await?;
        }
        Ok(())
    }

    /// Whether an address that did not ask for a letter may get another one.
    async fn may_write_to(&self, email: &str) -> Result<bool, NotTaken> {
        match self.count(&Counted::unasked_letters_to(email), Limit::OfRate(UNASKED_LETTERS)).await
        {
            Ok(()) => Ok(true),
            Err(Refusal::TooManyAttempts { .. }) => Ok(false),
            Err(refusal) => Err(refusal.into()),
        }
    }

    async fn use_contacts(
        &self,
        number: ClientNumber,
        old: &[Private],
        cause: Fingerprint,
    ) -> Result<(), NotTaken> {
        let Some((client, profile)) = self.client(number).await? else { return Ok(()) };
        let email = folded(profile.email.expose());
        let phone = profile.phone.as_ref().map(Private::expose);
        for contact in old {
            let contact = folded(contact.expose());
            if contact != email && Some(contact.as_str()) != phone {
                self.release(&contact, number).await?;
            }
        }
        if let Some(phone) = phone {
            self.claim(phone, number).await?;
        }
        let claim = self.claim(&email, number).await?;
        if !self.may_write_to(&email).await? {
            return Ok(());
        }
        match claim {
            // The owner of an address learns of everybody who tries to use it.
            Claim::Others { is_proved: true } => {
                let language = client.language;
                self.send_letter(number, cause, profile.email, language, Letter::AddressTaken, None)
                    .await
            }
            Claim::Own | Claim::Others { is_proved: false } if client.email_proved_at.is_none() => {
                self.send_verification(&client, &profile, client.language, cause).await
            }
            Claim::Own | Claim::Others { .. } => Ok(()),
        }
    }

    async fn send_verification(
        &self,
        client: &Client,
        profile: &Profile,
        language: Language,
        cause: Fingerprint,
    ) -> Result<(), NotTaken> {
        let contact = folded(profile.email.expose());
        let token = self.link(cause, Purpose::Verify, client, &contact).await?;
        let letter = Letter::Verify { token: Private::new(token.text()) };
        let ends_at = Some(later(self.clock.now(), Purpose::Verify.duration()));
        let to = profile.email.clone();
        self.send_letter(client.number(), cause, to, language, letter, ends_at).await
    }

    async fn send_reset(
        &self,
        login: &str,
        language: Language,
        cause: Fingerprint,
    ) -> Result<(), NotTaken> {
        let typed = Typed::parse(login);
        let Some(number) = self.number_of(&typed).await? else { return Ok(()) };
        let Some((client, profile)) = self.client(number).await? else { return Ok(()) };
        let is_other = |username| !client.username.is_same(username);
        if matches!(&typed, Typed::Username(username) if is_other(username)) {
            return Ok(());
        }
        let contact = folded(profile.email.expose());
        // An address that another client has proved is not this one's.
        if self.claim(&contact, number).await? == (Claim::Others { is_proved: true }) {
            return Ok(());
        }
        let token = self.link(cause, Purpose::Reset, &client, &contact).await?;
        let letter = Letter::Reset { token: Private::new(token.text()) };
        let ends_at = Some(later(self.clock.now(), Purpose::Reset.duration()));
        self.send_letter(number, cause, profile.email, language, letter, ends_at).await
    }

    /// Asks the service that sends letters to send one.
    async fn send_letter(
        &self,
        number: ClientNumber,
        cause: Fingerprint,
        to: Private,
        language: Language,
        letter: Letter,
        ends_at: Option<Timestamp>,
    ) -> Result<(), NotTaken> {
        let letter = &AccountLetter { cause, to, language, letter, ends_at };
        let work = |_| async move {
            let Some(mut client) = self.store.read::<Client>(Client::key_of(number)).await? else {
                return Ok(Run::Unchanged(()));
            };
            let mut batch = Batch::new();
            let now = self.clock.now();
            let content = |_| letter.clone();
            client.send(Service::Notification, content, &self.keys, now, &mut batch);
            client.stage(&mut batch);
            Ok(Run::Commit(batch, ()))
        };
        run(&self.store, work).await.map_err(CommitError::into).map(|((), _)| ())
    }
}
