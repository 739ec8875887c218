//! What a service that calls another one over HTTP asserts: which service it
//! is, and which client it calls for, from which address. Both know the shop's
//! key.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tillgate_identity::Signer;
use tillgate_kernel::Timestamp;
use tillgate_kernel::time::between;

use crate::seal::MasterKeys;
use crate::username::Username;

/// The header of an assertion.
pub const HEADER: &str = "tillgate-assertion";

/// An assertion is accepted this long before and after it was made: the clocks
/// of two machines differ.
const ACCEPTED_FOR: Duration = Duration::from_secs(60);

/// What is asserted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// The service that calls.
    pub service: String,
    /// The address of the person whom it calls for, if it is known.
    pub address: Option<IpAddr>,
    /// The client whom it calls for, if it has asked `auth` who that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    made_at: Timestamp,
    /// The service that is called: no other one accepts it.
    audience: String,
}

/// Makes and reads assertions.
#[derive(Debug, Clone)]
pub struct Assertions {
    current: Signer,
    all: Vec<Signer>,
}

impl Assertions {
    #[must_use]
    pub fn new(keys: &MasterKeys) -> Assertions {
        let signer = |key: [u8; 32]| Signer::new(&key, "assertion");
        let all = keys.derive_each("assertions").map(signer).collect();
        Assertions { current: signer(keys.derive("assertions")), all }
    }

    /// The header's value of a call of the service `audience`.
    #[must_use]
    pub fn make(
        &self,
        service: &str,
        audience: &str,
        address: Option<IpAddr>,
        client: Option<&Username>,
        now: Timestamp,
    ) -> String {
        let assertion = Assertion {
            service: service.to_owned(),
            address,
            client: client.map(|client| client.as_str().to_owned()),
            made_at: now,
            audience: audience.to_owned(),
        };
        let bytes = serde_json::to_vec(&assertion).expect("an assertion can be written as JSON");
        self.current.sign(&bytes, b"")
    }

    /// What a header's value asserts. `None` if nobody who knows the key has
    /// made it for us, or too long ago.
    #[must_use]
    pub fn read(&self, value: &str, audience: &str, now: Timestamp) -> Option<Assertion> {
        let bytes = self.all.iter().find_map(|signer| signer.read(value, b""))?;
        let assertion: Assertion = serde_json::from_slice(&bytes).ok()?;
        let age = between(assertion.made_at, now).max(between(now, assertion.made_at));
        (assertion.audience == audience && age <= ACCEPTED_FOR).then_some(assertion)
    }
}

#[cfg(test)]
mod tests {
    use tillgate_kernel::time::{earlier, later};

    use super::*;

    #[test]
    fn an_assertion_is_for_one_service_and_a_short_time() {
        let assertions = Assertions::new(&MasterKeys::new([3; 32], []));
        let now: Timestamp = "2026-11-30T10:00:00Z".parse().expect("a time");
        let address = Some(IpAddr::from([203, 0, 113, 7]));
        let client = Username::parse("Anna").expect("a username");
        let value = assertions.make("front", "auth", address, Some(&client), now);
        let read = assertions.read(&value, "auth", now).expect("it is ours");
        assert_eq!((read.service.as_str(), read.address), ("front", address));
        assert_eq!(read.client.as_deref(), Some("Anna"));
        assert_eq!(assertions.read(&value, "billing", now), None);
        for seconds in [0, 59] {
            let by = Duration::from_secs(seconds);
            assert!(assertions.read(&value, "auth", later(now, by)).is_some());
            assert!(assertions.read(&value, "auth", earlier(now, by)).is_some());
        }
        let by = Duration::from_secs(61);
        assert_eq!(assertions.read(&value, "auth", later(now, by)), None);
        assert_eq!(assertions.read(&value, "auth", earlier(now, by)), None);
        let rotated = Assertions::new(&MasterKeys::new([4; 32], [[3; 32]]));
        assert!(rotated.read(&value, "auth", now).is_some(), "the old key is still known");
        let foreign = Assertions::new(&MasterKeys::new([5; 32], []));
        assert_eq!(foreign.read(&value, "auth", now), None);
        assert_eq!(assertions.read("", "auth", now), None);
    }
}
