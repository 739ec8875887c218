//! Who a client is for all services: the username, and the number that is
//! found from it.

use std::fmt;

use serde::{Deserialize, Serialize};
use tillgate_kernel::{Fingerprint, Partition, Subject};

/// Things of one client are in the client's partition.
pub const CLIENTS: Subject = Subject::new(1);

/// How many characters a username has.
pub const USERNAME_CHARACTERS_MAX: usize = 64;
pub const USERNAME_CHARACTERS_MIN: usize = 2;

/// The number of a client, found from the username.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientNumber(u64);

impl ClientNumber {
    /// The number of the client with this username. Two usernames may have the
    /// same number: the document says whose it is.
    #[must_use]
    pub fn of(username: &Username) -> ClientNumber {
        let digest = Fingerprint::of(&[b"client", username.folded().as_bytes()]).get();
        let [_, bytes @ ..] = (digest as u64).to_be_bytes();
        let [a, b, c, d, e, f, g] = bytes;
        ClientNumber(u64::from_be_bytes([0, a, b, c, d, e, f, g]))
    }

    #[must_use]
    pub const fn partition(self) -> Partition {
        Partition::of(CLIENTS, self.0)
    }

    /// Its bytes in signed values.
    #[must_use]
    pub const fn bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for ClientNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:014x}", self.0)
    }
}

impl fmt::Debug for ClientNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A name that a client has chosen. Others may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Username(String);

impl Username {
    /// The username in a text: letters, digits, dots, hyphens and underscores,
    /// with a letter first. So it is never taken for an e-mail address or a
    /// telephone number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Username> {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        let characters = text.chars().count();
        let is_username = text.starts_with(char::is_alphabetic)
            && text.chars().all(is_part)
            && (USERNAME_CHARACTERS_MIN..=USERNAME_CHARACTERS_MAX).contains(&characters);
        is_username.then(|| Username(text.to_owned()))
    }

    /// The form in which usernames are compared.
    fn folded(&self) -> String {
        self.0.to_lowercase()
    }

    /// Whether both are the username of one client.
    #[must_use]
    pub fn is_same(&self, other: &Username) -> bool {
        self.folded() == other.folded()
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_no_address_and_no_number() {
        for text in ["anna", "Анна", "anna.ivanova-7_x", "ab"] {
            assert!(Username::parse(text).is_some(), "{text}");
        }
        let long = "a".repeat(65);
        for text in ["", "a", "7anna", "anna@example.org", "+79990000000", "anna b", "-a", &long] {
            assert!(Username::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_client_is_found_by_the_username_in_any_case() {
        let username = |text| Username::parse(text).expect("a username");
        assert_eq!(ClientNumber::of(&username("Анна")), ClientNumber::of(&username("аННА")));
        assert_ne!(ClientNumber::of(&username("anna")), ClientNumber::of(&username("anna1")));
    }
}
