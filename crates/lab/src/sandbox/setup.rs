//! How the sandbox is set up.

use std::net::SocketAddr;
use std::time::Duration;

use tillgate_kernel::signature::Algorithm;
use tillgate_kernel::{Clock, Secret};

/// How the sandbox is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The token that a merchant calls with.
    pub token: Secret,
    /// The merchant's shop.
    pub merchant_id: String,
    /// The key that notifications are signed with.
    pub signing_key: Secret,
    /// The hash in the signature.
    pub algorithm: Algorithm,
    /// Whether a number can be used once only, which is a setting of the shop.
    pub unique_numbers: bool,
    /// Calls within 30 seconds.
    pub calls_max: usize,
    /// Before a notification is sent for the second time. Each further pause is twice as long.
    pub first_pause: Duration,
    /// What time it is.
    pub clock: Clock,
}

/// What a sandbox is opened with and signs with unless it is told otherwise. Everybody can read it here.
pub const PUBLISHED: [&str; 2] = ["b1946ac92492d2347c6235b4d2611184", "sandbox-signing-key"];

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: Secret::new(PUBLISHED[0]),
            merchant_id: "018f0000-0000-7000-8000-000000000001".into(),
            signing_key: Secret::new(PUBLISHED[1]),
            algorithm: Algorithm::Sha1,
            unique_numbers: true,
            calls_max: 100,
            first_pause: Duration::from_secs(1),
            clock: Clock::System,
        }
    }
}
