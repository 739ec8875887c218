//! Log-in, log-out, and who a session belongs to.

use std::net::IpAddr;

use tillgate_identity::{PasswordHash, SessionTimes, Token};
use tillgate_kernel::Secret;
use tillgate_kernel::chance::random_bytes;
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, Versioned};

use super::Auth;
use super::client::{Client, Profile, Role};
use super::limits::{Counted, Limit, OF_ACCOUNT, OF_NETWORK};
use super::login_name::Typed;
use super::session::Session;
use crate::Refusal;
use crate::form::Form;
use crate::username::ClientNumber;

/// How many characters the name in a log-in has: a username, an e-mail address
/// or a telephone number.
pub(super) const LOGIN_CHARACTERS_MAX: usize = 254;

/// Where a request comes from, and the cookies that it has.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    /// The sender's address, if it is known.
    pub address: Option<IpAddr>,
    /// The session in the cookie.
    pub session: Option<Token>,
    /// The cookie by which the device is known.
    pub device: Option<String>,
    /// What the device calls itself.
    pub user_agent: Option<String>,
}

/// A session that has just begun.
#[derive(Debug)]
pub struct Opened {
    pub client: Client,
    pub profile: Profile,
    pub session: Token,
    /// The cookie by which the device will be known.
    pub device: String,
}

/// Name and password.
#[derive(Debug, Clone)]
pub struct Credentials {
    name: String,
    password: Secret,
}

impl Credentials {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<Credentials, Refusal> {
        let name = form.required("username", LOGIN_CHARACTERS_MAX);
        let password = form.password("password");
        let (name, password) = form.whole(name.zip(password)).map_err(Refusal::Fields)?;
        Ok(Credentials { name, password })
    }
}

impl Auth {
    /// Begins a session for a client who knows the password. The session of the
    /// request ends.
    ///
    /// # Errors
    /// The same for an unknown name and a wrong password, after the same time.
    pub async fn log_in(&self, credentials: Credentials, visit: &Visit) -> Result<Opened, Refusal> {
        let Credentials { name, password } = credentials;
        let typed = Typed::parse(&name);
        let number = self.number_of(&typed).await?;
        // On a device that is known for the account, the owner is not slowed by
        // the failures of others, with this name or from this network.
        let device = visit.device.as_deref();
        let device = device.zip(number).and_then(|(cookie, client)| self.device_of(cookie, client));
        let subject = match &device {
            Some(device) => Counted::logins_from_device(device),
            None => Counted::logins_as(&name),
        };
        let network = visit.address.filter(|_| device.is_none());
        let network = network.map(|address| Counted::from_network("logins from network", address));
        if let Some(network) = &network {
            self.count(network, Limit::OfFailures(OF_NETWORK)).await?;
        }
        self.count(&subject, Limit::OfFailures(OF_ACCOUNT)).await?;

        let known = match number {
            Some(number) => self.store.read::<Client>(Client::key_of(number)).await?,
            None => None,
        };
        let known = known.filter(|client| match &typed {
            Typed::Username(username) => client.username.is_same(username),
            Typed::Contact(_) | Typed::Nobody => true,
        });
        let hash =
            known.as_ref().map_or_else(PasswordHash::of_nobody, |client| client.password.clone());
        let is_outdated = hash.is_outdated();
        let verified = password.clone();
        let is_right = match self.hasher.run(move || hash.is_of(&verified)).await {
            Ok(is_right) => is_right,
            Err(refusal) => {
                // Nothing was compared, so nothing has failed.
                for subject in [Some(&subject), network.as_ref()].into_iter().flatten() {
                    self.take_back(subject).await?;
                }
                return Err(refusal);
            }
        };
        let Some(client) = known.filter(|_| is_right) else { return Err(Refusal::WrongLogin) };

        self.forgive(&subject).await?;
        if let Some(network) = &network {
            self.take_back(network).await?;
        }
        if is_outdated {
            self.hash_again(client.number(), password).await?;
        }
        let client = client.into_document();
        let profile = self.profile_of(&client)?;
        self.open_session(&client, profile, visit).await
    }

    /// Replaces a hash that was made at another cost.
    async fn hash_again(&self, number: ClientNumber, password: Secret) -> Result<(), Refusal> {
        let hash = self.hasher.run(move || PasswordHash::of(&password, random_bytes())).await?;
        let hash = &hash;
        let work = |_| async move {
            let Some(mut client) = self.store.read::<Client>(Client::key_of(number)).await? else {
                return Ok(Run::Unchanged(()));
            };
            if !client.password.is_outdated() {
                return Ok(Run::Unchanged(())); // the password was changed meanwhile
            }
            client.password = hash.clone();
            let mut batch = Batch::new();
            client.stage(&mut batch);
            Ok(Run::Commit(batch, ()))
        };
        run(&self.store, work).await?;
        Ok(())
    }

    /// Begins a session, and ends that of the request.
    pub(super) async fn open_session(
        &self,
        client: &Client,
        profile: Profile,
        visit: &Visit,
    ) -> Result<Opened, Refusal> {
        if let Some(old) = &visit.session {
            self.log_out(old).await?;
        }
        let session = Token::new(random_bytes());
        let now = self.clock.now();
        let key = Session::key_of(&session);
        let seal = |device: &String| client.seal_device(device, key, &self.keys);
        let begun = Session {
            client: client.number(),
            times: SessionTimes::beginning(now),
            epoch: client.session_epoch,
            id: session.digest("session").name(),
            device: visit.user_agent.as_ref().and_then(seal),
        };
        let mut batch = Batch::new();
        Versioned::new(begun, now).stage_at(key, &mut batch);
        self.store.commit(batch).await?;
        let known = visit.device.as_deref();
        let known = known.filter(|cookie| self.device_of(cookie, client.number()).is_some());
        let device = known.map_or_else(|| self.new_device(client.number()), str::to_owned);
        Ok(Opened { client: client.clone(), profile, session, device })
    }

    /// Ends a session. It may have ended before.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn log_out(&self, session: &Token) -> Result<(), Refusal> {
        let key = Session::key_of(session);
        let work = |_| async move {
            let known = self.store.read::<Session>(key).await?;
            let Some(known) = known.filter(|known| known.is_of(session)) else {
                return Ok(Run::Unchanged(()));
            };
            let mut batch = Batch::new();
            batch.delete(key, known.version());
            Ok(Run::Commit(batch, ()))
        };
        run(&self.store, work).await?;
        Ok(())
    }

    /// The client of a session, and the personal data.
    ///
    /// # Errors
    /// When the session has ended, or the client does not have the role.
    pub async fn authorise(
        &self,
        session: Option<&Token>,
        role: Option<Role>,
    ) -> Result<(Client, Profile), Refusal> {
        let session = session.ok_or(Refusal::NoSession)?;
        let key = Session::key_of(session);
        let now = self.clock.now();
        let known = self.store.read::<Session>(key).await?;
        let known = known.filter(|known| known.is_of(session) && !known.times.is_over(now));
        let known = known.ok_or(Refusal::NoSession)?;
        let client = self.store.read::<Client>(Client::key_of(known.client)).await?;
        let client = client.filter(|client| client.session_epoch == known.epoch);
        let client = client.ok_or(Refusal::NoSession)?.into_document();
        if role.is_some_and(|role| !client.roles.contains(&role)) {
            return Err(Refusal::NoRole);
        }
        if known.times.is_to_be_noted(now) {
            let mut used = known;
            used.times.used_at = now;
            let mut batch = Batch::new();
            used.stage_at(key, &mut batch);
            // If the session has ended at this moment, it stays so.
            if let Err(why) = self.store.commit(batch).await {
                tracing::debug!(error = %why, "the use of a session was not noted");
            }
        }
        let profile = self.profile_of(&client)?;
        Ok((client, profile))
    }

    pub(super) fn profile_of(&self, client: &Client) -> Result<Profile, Refusal> {
        client.profile(&self.keys).map_err(|why| {
            tracing::error!(client = %client.number(), error = %why, "a client cannot be read");
            Refusal::Unavailable
        })
    }
}
