//! Who buys: registration, log-in, sessions.
//!
//! - [`client`] is a client's document: the password's hash, the sealed
//!   personal data, the roles;
//! - [`session`] is a session's document;
//! - [`login_name`] leads from an address to its client;
//! - [`link`] is the document of a link in a letter;
//! - [`limits`] has the limits of attempts, and their documents;
//! - [`hashing`] hashes passwords beside the runtime;
//! - [`register`], [`sign_in`], [`verify`], [`phone`], [`reset`], [`own`] and
//!   [`staff`] are the use cases;
//! - [`task`] is what the service does after an answer;
//! - [`contract`] describes the HTTP contract, and [`api`] serves it.

pub mod api;
pub mod client;
pub mod contract;
pub mod hashing;
pub mod limits;
pub mod link;
pub mod login_name;
pub mod own;
pub mod phone;
pub mod register;
pub mod reset;
pub mod session;
pub mod sign_in;
pub mod staff;
#[cfg(test)]
mod stored;
pub mod task;
#[cfg(test)]
mod tests;
pub mod verify;

use ipnet::IpNet;
use tillgate_identity::Signer;
use tillgate_kernel::Clock;
use tillgate_kernel::chance::random_bytes;
use tillgate_store::Store;

use self::hashing::Hasher;
use crate::assertion::Assertions;
use crate::seal::MasterKeys;
use crate::username::ClientNumber;

/// How many bytes identify a device.
const DEVICE_BYTES: usize = 16;

/// What the service is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    pub keys: MasterKeys,
    /// The shop's address as browsers write it, such as `https://shop.example`.
    pub public_url: String,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether short messages are sent: without them no number is proved.
    pub has_sms: bool,
}

/// The service.
#[derive(Debug)]
pub struct Auth {
    store: Store,
    clock: Clock,
    keys: MasterKeys,
    hasher: Hasher,
    /// Sign the cookie by which a client's device is known: the first one
    /// signs, all of them read.
    devices: Vec<Signer>,
    /// Reads what services in other processes assert.
    assertions: Assertions,
    public_url: String,
    trusted_proxies: Vec<IpNet>,
    has_sms: bool,
}

impl Auth {
    #[must_use]
    pub fn new(settings: Settings, store: Store, clock: Clock) -> Auth {
        let Settings { keys, public_url, trusted_proxies, has_sms } = settings;
        let devices = keys.derive_each("devices").map(|key| Signer::new(&key, "device")).collect();
        Auth {
            store,
            clock,
            hasher: Hasher::of_this_machine(),
            assertions: Assertions::new(&keys),
            devices,
            keys,
            public_url,
            trusted_proxies,
            has_sms,
        }
    }

    /// What identifies the device of a cookie, if it is known for the client.
    fn device_of(&self, cookie: &str, client: ClientNumber) -> Option<Vec<u8>> {
        let mut read = self.devices.iter().map(|signer| signer.read(cookie, &client.bytes()));
        read.find_map(|id| id.filter(|id| id.len() == DEVICE_BYTES))
    }

    /// A new cookie by which a device of the client is known.
    fn new_device(&self, client: ClientNumber) -> String {
        let id: [u8; DEVICE_BYTES] = random_bytes();
        self.devices.first().map(|signer| signer.sign(&id, &client.bytes())).unwrap_or_default()
    }

    /// Whether cookies are sent over TLS only.
    fn is_secure(&self) -> bool {
        self.public_url.starts_with("https:")
    }
}
