//! Lists of documents in order of time.

use std::fmt;

use super::fingerprint::Fingerprint;

/// The name of a list of documents, such as the open orders of a merchant. A
/// document says itself in which lists it is
/// ([`Document::lists`](super::Document::lists)).
///
/// Stores keep 56 bits of a fingerprint of the name. Among a million lists, two
/// have the same bits once in a hundred thousand stores.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListName(u64);

impl ListName {
    /// The length of a list's number, in bytes.
    pub const BYTES: usize = 7;

    /// The list with this name. The first part says what is listed; two lists
    /// differ in at least one part.
    #[must_use]
    pub fn of(parts: &[&str]) -> ListName {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        let [.., a, b, c, d, e, f, g] = Fingerprint::of(&parts).get().to_be_bytes();
        ListName::from_bytes([a, b, c, d, e, f, g])
    }

    /// The number of the list, as its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; ListName::BYTES] {
        let [_, a, b, c, d, e, f, g] = self.0.to_be_bytes();
        [a, b, c, d, e, f, g]
    }

    #[must_use]
    pub const fn from_bytes([a, b, c, d, e, f, g]: [u8; ListName::BYTES]) -> ListName {
        ListName(u64::from_be_bytes([0, a, b, c, d, e, f, g]))
    }

    /// The list with this number.
    #[must_use]
    pub const fn from_number(number: u64) -> ListName {
        ListName(number)
    }

    /// The number of the list; it has 56 bits.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for ListName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "list {:014x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_its_name() {
        let open = ListName::of(&["orders", "site", "open"]);
        assert_eq!(ListName::from_bytes(open.to_bytes()), open);
        for other in [&["orders", "site", "paid"][..], &["orders", "siteopen"], &["orders"]] {
            assert_ne!(ListName::of(other), open);
        }
    }
}
