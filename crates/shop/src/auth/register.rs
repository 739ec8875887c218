//! Registering a client.

use std::net::IpAddr;

use tillgate_identity::{PasswordHash, password};
use tillgate_kernel::chance::random_bytes;
use tillgate_kernel::{Language, Private, Secret};
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, Versioned};

use super::Auth;
use super::client::{Client, Consent, Profile};
use super::limits::{Counted, Limit, REGISTRATIONS};
use super::sign_in::{Opened, Visit};
use super::task::Task;
use crate::Refusal;
use crate::bus::Service;
use crate::form::{Fault, Form};
use crate::username::{ClientNumber, Username};

/// How many characters a name has.
pub(super) const NAME_CHARACTERS_MAX: usize = 100;

/// How many characters the version of a text has.
pub(super) const CONSENT_CHARACTERS_MAX: usize = 32;

/// What somebody registers with.
#[derive(Debug, Clone)]
pub struct Registration {
    username: Username,
    password: Secret,
    profile: Profile,
    language: Language,
    /// The version of the text that the client has agreed to.
    consent: Option<String>,
}

impl Registration {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form, language: Language) -> Result<Registration, Refusal> {
        let username = form.required("username", crate::username::USERNAME_CHARACTERS_MAX);
        let username = username.and_then(|text| {
            Username::parse(&text).or_else(|| form.refuse("username", Fault::NotAUsername))
        });
        let first_name = form.optional("firstName", NAME_CHARACTERS_MAX);
        // The contracts spell it both ways.
        let misspelt = form.optional("fistName", NAME_CHARACTERS_MAX);
        let last_name = form.optional("lastName", NAME_CHARACTERS_MAX);
        let email = form.email("email");
        let phone = form.phone("phone");
        let password = form.password("password");
        let consent = form.optional("consent", CONSENT_CHARACTERS_MAX);
        let read = username.zip(email).zip(password);
        let ((username, email), password) = form.whole(read).map_err(Refusal::Fields)?;
        let profile = Profile {
            first_name: first_name.or(misspelt).map(Private::new),
            last_name: last_name.map(Private::new),
            email: Private::new(email),
            phone: phone.map(Private::new),
        };
        Ok(Registration { username, password, profile, language, consent })
    }
}

/// What a client's password must not contain.
pub(super) fn own_texts(username: &Username, profile: &Profile) -> Vec<String> {
    let Profile { first_name, last_name, email, phone } = profile;
    let parts = [first_name.as_ref(), last_name.as_ref(), Some(email), phone.as_ref()];
    let parts = parts.into_iter().flatten().map(|part| part.expose().to_owned());
    parts.chain([username.as_str().to_owned()]).collect()
}

impl Auth {
    /// Registers a client, and begins a session.
    ///
    /// # Errors
    /// When the password is weak, the username is taken, or too many have been
    /// registered from the network.
    pub async fn register(
        &self,
        registration: Registration,
        visit: &Visit,
    ) -> Result<Opened, Refusal> {
        if let Some(address) = visit.address {
            self.count_registration(address).await?;
        }
        let Registration { username, password, profile, language, consent } = registration;
        let hash = self.hash_new("password", password, own_texts(&username, &profile)).await?;
        let key = Client::key_of(ClientNumber::of(&username));
        let now = self.clock.now();
        let random = random_bytes();
        let mut client = Client::new(username, hash, &profile, language, now, &self.keys, random);
        client.consents.extend(consent.map(|version| Consent { version, at: now }));
        let (client, known) = (&client, &profile);
        let work = |_| async move {
            if self.store.read::<Client>(key).await?.is_some() {
                return Ok(Run::Unchanged(Err(Refusal::LoginTaken)));
            }
            let mut client = Versioned::new(client.clone(), client.registered_at);
            let mut batch = Batch::new();
            self.send_contacts(&mut client, known, Vec::new(), &mut batch);
            client.stage(&mut batch);
            Ok(Run::Commit(batch, Ok(client.into_document())))
        };
        let client = run(&self.store, work).await?.0?;
        self.open_session(&client, profile, visit).await.map_err(Refusal::done)
    }

    /// The hash of the new password in this field of a request.
    ///
    /// # Errors
    /// When it is weak, or has one of the client's own texts.
    pub(super) async fn hash_new(
        &self,
        field: &'static str,
        password: Secret,
        own: Vec<String>,
    ) -> Result<PasswordHash, Refusal> {
        let hash = move || {
            let own: Vec<&str> = own.iter().map(String::as_str).collect();
            password::check(&password, &own)?;
            Ok(PasswordHash::of(&password, random_bytes()))
        };
        let hash = self.hasher.run(hash).await?;
        let weak = |why| Refusal::WeakPassword { field, fault: Fault::Password(why) };
        hash.map_err(weak)
    }

    /// Stages the messages that a client's new contacts cause.
    pub(super) fn send_contacts(
        &self,
        client: &mut Client,
        profile: &Profile,
        old: Vec<Private>,
        batch: &mut Batch,
    ) {
        let (now, number) = (self.clock.now(), client.number());
        let known = client.clone();
        let contacts = |revision| known.contacts(profile, revision);
        for service in [Service::Billing, Service::Payment, Service::Notification] {
            client.send(service, contacts, &self.keys, now, batch);
        }
        let task = |_| Task::UseContacts { client: number, old };
        client.send(Service::Auth, task, &self.keys, now, batch);
    }

    async fn count_registration(&self, address: IpAddr) -> Result<(), Refusal> {
        let subject = Counted::from_network("registrations from network", address);
        self.count(&subject, Limit::OfRate(REGISTRATIONS)).await
    }
}
