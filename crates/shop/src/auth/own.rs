//! What clients do with their own account: read and correct their data, change
//! the password, see and end their sessions.

use serde::Serialize;
use tillgate_identity::Token;
use tillgate_kernel::{Fingerprint, Partition, Private, Secret, Timestamp};
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, Scan, Unavailable};

use super::Auth;
use super::client::{Client, Profile};
use super::limits::{CORRECTIONS, Counted, LETTERS, LETTERS_OF_NETWORK, Limit, OF_ACCOUNT};
use super::register::{NAME_CHARACTERS_MAX, own_texts};
use super::session::Session;
use super::sign_in::{Opened, Visit};
use crate::Refusal;
use crate::bus::Service;
use crate::form::{Fault, Form};
use crate::formats::{AccountLetter, Letter};
use crate::username::ClientNumber;

/// The most sessions that one answer lists.
const SESSIONS_MAX: usize = 100;

/// A session, as its client sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionShown {
    pub id: Fingerprint,
    pub began_at: Timestamp,
    pub used_at: Timestamp,
    /// What the device calls itself, if it says so.
    pub device: Option<String>,
    /// Whether the request belongs to it.
    pub is_current: bool,
}

/// Data that a client corrects. What is absent stays; what is empty is removed.
#[derive(Debug)]
pub struct Correction {
    first_name: Option<Option<String>>,
    last_name: Option<Option<String>>,
    phone: Option<Option<String>>,
    email: Option<String>,
    /// Needed for a new address: who reads the letters to the address can set a
    /// new password.
    password: Option<Secret>,
}

impl Correction {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<Correction, Refusal> {
        let first_name = form.replaced("firstName", NAME_CHARACTERS_MAX);
        let last_name = form.replaced("lastName", NAME_CHARACTERS_MAX);
        let phone = form.replaced_phone("phone");
        let email = form.optional_email("email");
        let password = form.optional_password("password");
        form.whole(Some(())).map_err(Refusal::Fields)?;
        Ok(Correction { first_name, last_name, phone, email, password })
    }

    fn apply(&self, profile: &mut Profile) {
        let private = |text: &Option<String>| text.clone().map(Private::new);
        let Correction { first_name, last_name, phone, email, password: _ } = self;
        if let Some(first_name) = first_name {
            profile.first_name = private(first_name);
        }
        if let Some(last_name) = last_name {
            profile.last_name = private(last_name);
        }
        if let Some(phone) = phone {
            profile.phone = private(phone);
        }
        if let Some(email) = email {
            profile.email = Private::new(email.clone());
        }
    }
}

/// The old password and the new one.
#[derive(Debug)]
pub struct PasswordChange {
    old: Secret,
    new: Secret,
}

impl PasswordChange {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<PasswordChange, Refusal> {
        let (old, new) = (form.password("password"), form.password("newPassword"));
        let (old, new) = form.whole(old.zip(new)).map_err(Refusal::Fields)?;
        Ok(PasswordChange { old, new })
    }
}

fn no_password() -> Refusal {
    Refusal::of_field("password", Fault::Missing)
}

impl Auth {
    /// Corrects the data of the session's client.
    ///
    /// # Errors
    /// When the session has ended, or the password for a new address is wrong.
    pub async fn correct(
        &self,
        correction: Correction,
        visit: &Visit,
    ) -> Result<(Client, Profile), Refusal> {
        let (client, profile) = self.authorise(visit.session.as_ref(), None).await?;
        let number = client.number();
        self.count(&Counted::corrections_of(number), Limit::OfRate(CORRECTIONS)).await?;
        let new_email = correction.email.as_deref().filter(|new| *new != profile.email.expose());
        if let Some(email) = new_email {
            let password = correction.password.clone().ok_or_else(no_password)?;
            self.confirm_password(&client, password).await?;
            self.count_letter(number, email, visit).await?;
        }
        let is_confirmed = new_email.is_some();
        let (key, epoch, correction) = (Client::key_of(number), client.session_epoch, &correction);
        let work = |_| async move {
            let known = self.store.read::<Client>(key).await?;
            let Some(mut client) = known.filter(|client| client.session_epoch == epoch) else {
                return Ok(Run::Unchanged(Err(Refusal::NoSession)));
            };
            let mut profile = match self.profile_of(&client) {
                Ok(profile) => profile,
                Err(refusal) => return Ok(Run::Unchanged(Err(refusal))),
            };
            let old = profile.clone();
            correction.apply(&mut profile);
            // The address has changed since the password was asked for.
            if profile.email != old.email && !is_confirmed {
                return Ok(Run::Unchanged(Err(no_password())));
            }
            if profile == old {
                return Ok(Run::Unchanged(Ok((client.into_document(), profile))));
            }
            if let Err(why) = client.set_profile(&profile, &self.keys) {
                tracing::error!(client = %client.number(), error = %why, "cannot be changed");
                return Ok(Run::Unchanged(Err(Refusal::Unavailable)));
            }
            let mut batch = Batch::new();
            self.send_correction(&mut client, &old, &profile, &mut batch);
            client.stage(&mut batch);
            Ok(Run::Commit(batch, Ok((client.into_document(), profile))))
        };
        run(&self.store, work).await?.0
    }

    /// Counts a letter to an address that a client has chosen.
    async fn count_letter(
        &self,
        client: ClientNumber,
        email: &str,
        visit: &Visit,
    ) -> Result<(), Refusal> {
        if let Some(address) = visit.address {
            let network = Counted::from_network("letters from network", address);
            self.count(&network, Limit::OfRate(LETTERS_OF_NETWORK)).await?;
        }
        self.count(&Counted::letters_of(client), Limit::OfRate(LETTERS)).await?;
        self.count(&Counted::letters_to(email), Limit::OfRate(LETTERS)).await
    }

    /// Stages the messages that a correction causes.
    fn send_correction(
        &self,
        client: &mut Client,
        old: &Profile,
        profile: &Profile,
        batch: &mut Batch,
    ) {
        if old.email != profile.email {
            let number = client.number().bytes();
            let (to, language) = (old.email.clone(), client.language);
            let letter = |revision: u32| AccountLetter {
                cause: Fingerprint::of(&[b"address changed", &number, &revision.to_be_bytes()]),
                to,
                language,
                letter: Letter::AddressChanged,
                ends_at: None,
            };
            // Only who has proved an address learns that it is no longer used.
            if client.email_proved_at.take().is_some() {
                let now = self.clock.now();
                client.send(Service::Notification, letter, &self.keys, now, batch);
            }
        }
        if old.phone != profile.phone {
            client.phone_proved_at = None;
            client.phone_code = None;
        }
        let gone = [Some(&old.email), old.phone.as_ref()];
        let gone = gone.into_iter().flatten().cloned().collect();
        self.send_contacts(client, profile, gone, batch);
    }

    /// Checks the password of a client who is logged in.
    async fn confirm_password(&self, client: &Client, password: Secret) -> Result<(), Refusal> {
        let subject = Counted::confirmations_of(client.number());
        self.count(&subject, Limit::OfFailures(OF_ACCOUNT)).await?;
        let hash = client.password.clone();
        match self.hasher.run(move || hash.is_of(&password)).await {
            Ok(true) => self.forgive(&subject).await,
            Ok(false) => Err(Refusal::WrongLogin),
            Err(refusal) => {
                // Nothing was compared, so nothing has failed.
                self.take_back(&subject).await?;
                Err(refusal)
            }
        }
    }

    /// Changes the password. All sessions end, and a new one begins.
    ///
    /// # Errors
    /// When the old password is wrong, or the new one is weak.
    pub async fn change_password(
        &self,
        change: PasswordChange,
        visit: &Visit,
    ) -> Result<Opened, Refusal> {
        let (client, profile) = self.authorise(visit.session.as_ref(), None).await?;
        let PasswordChange { old, new } = change;
        self.confirm_password(&client, old).await?;
        let hash =
            &self.hash_new("newPassword", new, own_texts(&client.username, &profile)).await?;
        let (key, epoch) = (Client::key_of(client.number()), client.session_epoch);
        let work = |_| async move {
            let known = self.store.read::<Client>(key).await?;
            // Somebody else has changed it meanwhile: this session has ended.
            let Some(mut client) = known.filter(|client| client.session_epoch == epoch) else {
                return Ok(Run::Unchanged(Err(Refusal::NoSession)));
            };
            client.set_password(hash.clone());
            let mut batch = Batch::new();
            client.stage(&mut batch);
            Ok(Run::Commit(batch, Ok(client.into_document())))
        };
        let client = run(&self.store, work).await?.0?;
        self.open_session(&client, profile, visit).await.map_err(Refusal::done)
    }

    /// The sessions of the session's client, the latest first.
    ///
    /// # Errors
    /// When the session has ended.
    pub async fn sessions(&self, session: Option<&Token>) -> Result<Vec<SessionShown>, Refusal> {
        let (client, _) = self.authorise(session, None).await?;
        let current = session.map(|token| token.digest("session").name());
        let scan = Scan::Lists {
            lists: vec![Session::list_of(client.number())],
            newest_first: true,
            after: None,
            limit: SESSIONS_MAX,
        };
        let now = self.clock.now();
        let mut shown = Vec::new();
        for (key, stored) in self.store.scan(&scan).await?.items {
            let session: Session = stored.document().map_err(Unavailable::from)?;
            if session.epoch != client.session_epoch || session.times.is_over(now) {
                continue;
            }
            let id = session.id;
            shown.push(SessionShown {
                id,
                began_at: session.times.began_at,
                used_at: session.times.used_at,
                device: client.device_of(session.device.as_ref(), key, &self.keys),
                is_current: current == Some(id),
            });
        }
        Ok(shown)
    }

    /// Ends one of the sessions of the session's client.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it is another client's, or has ended.
    pub async fn end_session(
        &self,
        session: Option<&Token>,
        id: Fingerprint,
    ) -> Result<(), Refusal> {
        let (client, _) = self.authorise(session, None).await?;
        let key = Session::key_in(Partition::of_name(id));
        let number = client.number();
        let work = |_| async move {
            let known = self.store.read::<Session>(key).await?;
            let Some(known) = known.filter(|known| known.client == number) else {
                return Ok(Run::Unchanged(Err(Refusal::NotFound)));
            };
            let mut batch = Batch::new();
            batch.delete(key, known.version());
            Ok(Run::Commit(batch, Ok(())))
        };
        run(&self.store, work).await?.0
    }
}
