//! A forgotten password: a letter with a link, and a new password.

use tillgate_kernel::chance::random_bytes;
use tillgate_kernel::{Fingerprint, Language, Partition, Private, Secret};
use tillgate_store::Batch;
use tillgate_store::unit::{Run, run};

use super::Auth;
use super::client::{Client, Profile};
use super::limits::{Counted, LETTERS, LETTERS_OF_NETWORK, Limit};
use super::link::Purpose;
use super::login_name::folded;
use super::register::own_texts;
use super::sign_in::{LOGIN_CHARACTERS_MAX, Opened, Visit};
use super::task::Task;
use crate::Refusal;
use crate::bus::{Envelope, Service, message_id};
use crate::form::Form;

/// How many characters the token of a link has, and some more: what is longer
/// is none.
pub(super) const TOKEN_CHARACTERS_MAX: usize = 100;

/// The name of the account whose password was forgotten.
#[derive(Debug)]
pub struct Forgotten(String);

impl Forgotten {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<Forgotten, Refusal> {
        let name = form.required("username", LOGIN_CHARACTERS_MAX);
        form.whole(name).map(Forgotten).map_err(Refusal::Fields)
    }
}

/// The token of a link.
///
/// # Errors
/// All faults of the fields.
pub fn read_token(mut form: Form) -> Result<String, Refusal> {
    let token = form.required("token", TOKEN_CHARACTERS_MAX);
    form.whole(token).map_err(Refusal::Fields)
}

/// A new password, and the token of the link that allows to set it.
#[derive(Debug)]
pub struct NewPassword {
    token: String,
    password: Secret,
}

impl NewPassword {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<NewPassword, Refusal> {
        let token = form.required("token", TOKEN_CHARACTERS_MAX);
        let password = form.password("password");
        let (token, password) = form.whole(token.zip(password)).map_err(Refusal::Fields)?;
        Ok(NewPassword { token, password })
    }
}

impl Auth {
    /// Takes down that a letter with a link is to be sent. The answer is the
    /// same, after the same time, whether or not there is such an account.
    ///
    /// # Errors
    /// When too many letters were asked for.
    pub async fn ask_reset(
        &self,
        forgotten: Forgotten,
        language: Language,
        visit: &Visit,
    ) -> Result<(), Refusal> {
        if let Some(address) = visit.address {
            let network = Counted::from_network("letters from network", address);
            self.count(&network, Limit::OfRate(LETTERS_OF_NETWORK)).await?;
        }
        let Forgotten(name) = forgotten;
        self.count(&Counted::letters_to(&name), Limit::OfRate(LETTERS)).await?;
        let task = Task::SendReset { login: Private::new(name), language };
        // It is about nothing that is known to exist, so it has a partition of
        // its own.
        let subject = Partition::of_name(Fingerprint::of(&[b"reset", &random_bytes::<16>()]));
        let id = message_id(Service::Auth, subject, 1);
        let mut batch = Batch::new();
        let now = self.clock.now();
        batch.send(Envelope::message(Service::Auth, id, &task, &self.keys, now));
        Ok(self.store.commit(batch).await?)
    }

    /// Sets a new password for the client who has the link of the letter. All
    /// sessions end, and a new one begins.
    ///
    /// # Errors
    /// When the link does not work any more, or the password is weak.
    pub async fn reset(&self, new: NewPassword, visit: &Visit) -> Result<Opened, Refusal> {
        let NewPassword { token, password } = new;
        let link = self.link_of(&token, Purpose::Reset).await?;
        let key = Client::key_of(link.client);
        let client = self.store.read::<Client>(key).await?;
        let client = client.filter(|client| client.session_epoch == link.epoch);
        let client = client.ok_or(Refusal::LinkNotValid)?;
        let profile = self.profile_of(&client)?;
        // The client may have another address since the letter was sent.
        let contact = link.contact;
        let is_current =
            |profile: &Profile| self.is_name_of(contact, &folded(profile.email.expose()));
        if !is_current(&profile) {
            return Err(Refusal::LinkNotValid);
        }
        let hash =
            &self.hash_new("password", password, own_texts(&client.username, &profile)).await?;
        let epoch = link.epoch;
        let work = |_| async move {
            let known = self.store.read::<Client>(key).await?;
            // The link was used meanwhile.
            let Some(mut client) = known.filter(|client| client.session_epoch == epoch) else {
                return Ok(Run::Unchanged(Err(Refusal::LinkNotValid)));
            };
            match self.profile_of(&client) {
                Ok(profile) if is_current(&profile) => {}
                Ok(_) => return Ok(Run::Unchanged(Err(Refusal::LinkNotValid))),
                Err(refusal) => return Ok(Run::Unchanged(Err(refusal))),
            }
            client.set_password(hash.clone());
            let mut batch = Batch::new();
            client.stage(&mut batch);
            Ok(Run::Commit(batch, Ok(client.into_document())))
        };
        let client = run(&self.store, work).await?.0?;
        // The password is set, whatever comes of the rest: the letter has
        // arrived, and its reader alone knows the password.
        let subject = Counted::logins_as(client.username.as_str());
        let rest = self.note_proof(&client, &profile).await.map(|_| ());
        if let Err(refusal) = rest.and(self.forgive(&subject).await) {
            tracing::warn!(
                reason = refusal.kind().1,
                "a password was replaced, but not noted that its letter has arrived: the client \
                 can confirm the address again"
            );
        }
        self.open_session(&client, profile, visit).await.map_err(Refusal::done)
    }
}
