//! Limits of attempts. Their state is stored, so it is the same on all machines
//! and survives a restart.

use std::net::IpAddr;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tillgate_identity::{FailureLimit, Failures, RateLimit, Recent};
use tillgate_kernel::document;
use tillgate_kernel::time::between;
use tillgate_kernel::{
    DocKey, Document, Fingerprint, Kind, ListName, Partition, Timestamp, Unreadable,
};
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, Versioned};

use super::Auth;
use super::login_name::Typed;
use crate::Refusal;
use crate::username::ClientNumber;

/// Wrong passwords for one account, or from one device that is known for it.
pub const OF_ACCOUNT: FailureLimit = FailureLimit {
    free: 5,
    wait_min: Duration::from_secs(1),
    wait_max: Duration::from_secs(15 * 60),
    forgotten_after: Duration::from_secs(24 * 3600),
};

/// Wrong passwords from one network.
pub const OF_NETWORK: FailureLimit = FailureLimit {
    free: 50,
    wait_min: Duration::from_secs(1),
    wait_max: Duration::from_secs(60),
    forgotten_after: Duration::from_secs(3600),
};

/// Registrations from one network.
pub const REGISTRATIONS: RateLimit =
    RateLimit { attempts_max: 30, within: Duration::from_secs(3600) };

/// Letters that are asked for, for one account.
pub const LETTERS: RateLimit = RateLimit { attempts_max: 10, within: Duration::from_secs(3600) };

/// Letters that are asked for from one network.
pub const LETTERS_OF_NETWORK: RateLimit =
    RateLimit { attempts_max: 30, within: Duration::from_secs(3600) };

/// Codes that are sent to one telephone number, or for one client.
pub const CODES: RateLimit = RateLimit { attempts_max: 5, within: Duration::from_secs(3600) };

/// Codes that are asked for from one network.
pub const CODES_OF_NETWORK: RateLimit =
    RateLimit { attempts_max: 20, within: Duration::from_secs(3600) };

/// Changes of the own data.
pub const CORRECTIONS: RateLimit =
    RateLimit { attempts_max: 30, within: Duration::from_secs(3600) };

/// Letters to an address that nobody has asked for there.
pub const UNASKED_LETTERS: RateLimit =
    RateLimit { attempts_max: 20, within: Duration::from_secs(3600) };

/// The attempts of one account, device or network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    #[serde(default)]
    failures: Failures,
    #[serde(default)]
    recent: Recent,
}

impl Attempts {
    /// The list of all of them, by their last attempt.
    #[must_use]
    pub fn all() -> ListName {
        ListName::of(&["attempts"])
    }

    /// The document's key. It is found with a secret key, so that a copy of the
    /// store does not tell whose attempts were counted.
    fn key_of(subject: &Counted, index_key: &[u8; 32]) -> DocKey {
        let mac = Hmac::<Sha256>::new_from_slice(index_key);
        let mac = mac.expect("HMAC takes a key of any length").chain_update(&subject.whose);
        let digest = mac.finalize().into_bytes();
        let name = Fingerprint::of(&[b"attempts", subject.purpose.as_bytes(), &digest]);
        DocKey { partition: Partition::of_name(name), kind: Attempts::KIND, id: 0 }
    }
}

impl Document for Attempts {
    const KIND: Kind = Kind::new(18, "attempts");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        vec![Attempts::all()]
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Attempts, Unreadable> {
        document::decode(schema, bytes)
    }
}

/// Whose attempts are counted, and of what.
#[derive(Debug, Clone)]
pub struct Counted {
    purpose: &'static str,
    whose: Vec<u8>,
}

impl Counted {
    /// Log-ins with this name, however it is spelt.
    #[must_use]
    pub fn logins_as(name: &str) -> Counted {
        Counted { purpose: "login", whose: Typed::canonical(name).into_bytes() }
    }

    /// Passwords that a client who is logged in confirms a change with: nobody
    /// else's failures count.
    #[must_use]
    pub fn confirmations_of(client: ClientNumber) -> Counted {
        Counted { purpose: "confirmations", whose: client.bytes().to_vec() }
    }

    /// Changes of a client's own data.
    #[must_use]
    pub fn corrections_of(client: ClientNumber) -> Counted {
        Counted { purpose: "corrections", whose: client.bytes().to_vec() }
    }

    /// Letters for the account with this name, or to this address.
    #[must_use]
    pub fn letters_to(name: &str) -> Counted {
        Counted { purpose: "letters", whose: Typed::canonical(name).into_bytes() }
    }

    /// Letters to an address that nobody has asked for there.
    #[must_use]
    pub fn unasked_letters_to(email: &str) -> Counted {
        Counted { purpose: "unasked letters", whose: Typed::canonical(email).into_bytes() }
    }

    /// Letters that a client asks for.
    #[must_use]
    pub fn letters_of(client: ClientNumber) -> Counted {
        Counted { purpose: "letters of client", whose: client.bytes().to_vec() }
    }

    /// Codes that a client asks for.
    #[must_use]
    pub fn codes_of(client: ClientNumber) -> Counted {
        Counted { purpose: "codes of client", whose: client.bytes().to_vec() }
    }

    /// Codes to a telephone number.
    #[must_use]
    pub fn codes_to(phone: &str) -> Counted {
        Counted { purpose: "codes", whose: phone.as_bytes().to_vec() }
    }

    /// Log-ins from a device that is known for a client.
    #[must_use]
    pub fn logins_from_device(device: &[u8]) -> Counted {
        Counted { purpose: "login from device", whose: device.to_vec() }
    }

    /// Attempts from a network: a /24 of IPv4, a /64 of IPv6.
    #[must_use]
    pub fn from_network(purpose: &'static str, address: IpAddr) -> Counted {
        let whose = match address.to_canonical() {
            IpAddr::V4(address) => address.octets()[..3].to_vec(),
            IpAddr::V6(address) => address.octets()[..8].to_vec(),
        };
        Counted { purpose, whose }
    }
}

/// What an attempt is checked against.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    OfFailures(FailureLimit),
    OfRate(RateLimit),
}

impl Auth {
    fn attempts_key(&self, subject: &Counted) -> DocKey {
        Attempts::key_of(subject, &self.keys.derive("attempts"))
    }

    /// Counts an attempt before it is made.
    pub(super) async fn count(&self, subject: &Counted, limit: Limit) -> Result<(), Refusal> {
        let key = self.attempts_key(subject);
        let work = |_| async move {
            let now = self.clock.now();
            let mut attempts = match self.store.read::<Attempts>(key).await? {
                Some(attempts) => attempts,
                None => Versioned::new(Attempts::default(), now),
            };
            let counted = match limit {
                Limit::OfFailures(limit) => attempts.failures.attempt(limit, now),
                Limit::OfRate(limit) => attempts.recent.attempt(limit, now),
            };
            let outcome = counted.map_err(|allowed_at| wait_until(allowed_at, now));
            if outcome.is_err() {
                return Ok(Run::Unchanged(outcome));
            }
            attempts.list_at(now);
            let mut batch = Batch::new();
            attempts.stage_at(key, &mut batch);
            Ok(Run::Commit(batch, outcome))
        };
        run(&self.store, work).await?.0
    }

    /// Forgets all failures after a success.
    pub(super) async fn forgive(&self, subject: &Counted) -> Result<(), Refusal> {
        let key = self.attempts_key(subject);
        let work = |_| async move {
            let Some(attempts) = self.store.read::<Attempts>(key).await? else {
                return Ok(Run::Unchanged(()));
            };
            let mut batch = Batch::new();
            batch.delete(key, attempts.version());
            Ok(Run::Commit(batch, ()))
        };
        run(&self.store, work).await?;
        Ok(())
    }

    /// Takes back one attempt, which has succeeded.
    pub(super) async fn take_back(&self, subject: &Counted) -> Result<(), Refusal> {
        let key = self.attempts_key(subject);
        let work = |_| async move {
            let Some(mut attempts) = self.store.read::<Attempts>(key).await? else {
                return Ok(Run::Unchanged(()));
            };
            attempts.failures.take_back();
            let mut batch = Batch::new();
            attempts.stage_at(key, &mut batch);
            Ok(Run::Commit(batch, ()))
        };
        run(&self.store, work).await?;
        Ok(())
    }
}

fn wait_until(allowed_at: Timestamp, now: Timestamp) -> Refusal {
    Refusal::TooManyAttempts { wait_seconds: between(now, allowed_at).as_secs().max(1) }
}
