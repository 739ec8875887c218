//! The configuration of the sandbox.

use std::net::SocketAddr;
use std::time::Duration;

use tillgate_kernel::signature::Algorithm;
use tillgate_kernel::{Clock, Secret};

/// The configuration of the sandbox.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The token in merchants' calls.
    pub token: Secret,
    /// The id of the merchant's shop.
    pub merchant_id: String,
    /// The key that notifications are signed with.
    pub signing_key: Secret,
    /// The hash function of the signature.
    pub algorithm: Algorithm,
    /// Whether each number of the merchant's can be used only once, which is a
    /// setting of the shop.
    pub unique_numbers: bool,
    /// The maximum number of calls within 30 seconds.
    pub calls_max: usize,
    /// The pause before a notification is sent for the second time. Each
    /// further pause is twice as long.
    pub first_pause: Duration,
    /// The source of the current time.
    pub clock: Clock,
}

/// The default token and signing key. They are public, because everybody can
/// read them here.
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
