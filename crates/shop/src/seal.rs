//! Sealing of personal data. Each client has a data key, which is stored
//! wrapped by a master key of the configuration. Without it the client's data
//! cannot be read, so to destroy the data key is to erase the data.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use hmac::{Hmac, KeyInit, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tillgate_kernel::{Kind, Partition};

/// Why a sealed value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsealable {
    /// The key that sealed it is not configured.
    #[error(
        "a value is sealed with the key {0}, which is not configured: add it to the keys of [shop]"
    )]
    UnknownKey(KeyId),
    /// It was changed, belongs to another place, or its key is another one.
    #[error("a sealed value does not belong to its place or was changed")]
    Changed,
    /// Its content is not what was expected. What it is stays unsaid: it may be
    /// personal data.
    #[error("a sealed value has another content than this version expects")]
    Unreadable,
}

/// What a sealed value belongs to: moved to another place, it cannot be opened.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub kind: Kind,
    pub partition: Partition,
    pub field: &'static str,
}

impl Place {
    fn bytes(&self) -> Vec<u8> {
        [&[self.kind.byte()][..], &self.partition.to_bytes(), self.field.as_bytes()].concat()
    }
}

/// Identifies a master key without telling anything about it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyId([u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The master keys: the first one seals, all of them open.
#[derive(Clone)]
pub struct MasterKeys {
    current: MasterKey,
    older: Vec<MasterKey>,
}

#[derive(Clone)]
struct MasterKey([u8; 32]);

/// The purposes of the keys that seal data keys, and messages between services.
const WRAP: &str = "wrap";
const TRANSIT: &str = "transit";

impl MasterKey {
    /// A key for one purpose, from which the master key cannot be found.
    fn derive(&self, purpose: &str) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.chain_update("tillgate shop: ").chain_update(purpose).finalize().into_bytes().into()
    }

    fn id(&self) -> KeyId {
        let [a, b, c, d, ..] = self.derive("id");
        KeyId([a, b, c, d])
    }

    fn is_named(&self, name: KeyId) -> bool {
        self.id() == name
    }

    /// Seals what is for one purpose.
    fn deriving(&self, purpose: &str) -> DataKey {
        DataKey(self.derive(purpose))
    }
}

impl MasterKeys {
    #[must_use]
    pub fn new(current: [u8; 32], older: impl IntoIterator<Item = [u8; 32]>) -> MasterKeys {
        let older = older.into_iter().map(MasterKey).collect();
        MasterKeys { current: MasterKey(current), older }
    }

    /// A key for one purpose, derived from the current master key.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        self.current.derive(purpose)
    }

    /// The keys for one purpose that are derived from each master key, the
    /// current one first: what was written before a rotation is found too.
    pub fn derive_each(&self, purpose: &str) -> impl Iterator<Item = [u8; 32]> {
        std::iter::once(&self.current).chain(&self.older).map(|key| key.derive(purpose))
    }

    /// Wraps a new data key made of these random bytes.
    #[must_use]
    pub fn wrap(&self, random: [u8; 32], place: Place) -> (DataKey, WrappedKey) {
        let sealed = self.current.deriving(WRAP).seal_bytes(random.to_vec(), place);
        (DataKey(random), WrappedKey { by: self.current.id(), sealed })
    }

    /// The data key in a wrapped one.
    ///
    /// # Errors
    /// When it was wrapped by a key that is not configured, or for another
    /// place.
    pub fn unwrap(&self, wrapped: &WrappedKey, place: Place) -> Result<DataKey, Unsealable> {
        let key = self.named(wrapped.by)?.deriving(WRAP);
        let bytes = key.open_bytes(&wrapped.sealed, place)?;
        bytes.try_into().map(DataKey).map_err(|_| Unsealable::Changed)
    }

    /// Seals a message between services, which share the master keys.
    #[must_use]
    pub fn seal_message<T: Serialize>(&self, content: &T, place: Place) -> SealedMessage {
        let sealed = self.current.deriving(TRANSIT).seal(content, place);
        SealedMessage { by: self.current.id(), sealed }
    }

    /// The content of a message between services.
    ///
    /// # Errors
    /// When it was sealed by a key that is not configured, or for another
    /// place, or has another content.
    pub fn open_message<T: DeserializeOwned>(
        &self,
        message: &SealedMessage,
        place: Place,
    ) -> Result<T, Unsealable> {
        self.named(message.by)?.deriving(TRANSIT).open(&message.sealed, place)
    }

    fn named(&self, id: KeyId) -> Result<&MasterKey, Unsealable> {
        let mut all = std::iter::once(&self.current).chain(&self.older);
        let is_named = |known: &&_| MasterKey::is_named(known, id);
        all.find(is_named).ok_or(Unsealable::UnknownKey(id))
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[master key {} and {} older]", self.current.id(), self.older.len())
    }
}

/// A client's data key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    by: KeyId,
    sealed: Sealed,
}

/// A sealed message between services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedMessage {
    by: KeyId,
    sealed: Sealed,
}

/// A value that only its key can open: a nonce, the encrypted bytes, and a tag.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(#[serde(with = "packed")] Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[sealed, {} bytes]", self.0.len())
    }
}

/// Bytes as one string of bytes, not as a list of numbers.
mod packed {
    use std::fmt;

    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};

    #[expect(clippy::ptr_arg, reason = "serde passes the field as it is")]
    pub fn serialize<S: Serializer>(bytes: &Vec<u8>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = items.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// Seals the data of one client.
#[derive(Clone)]
pub struct DataKey([u8; 32]);

impl DataKey {
    /// Seals a value for a place.
    #[must_use]
    pub fn seal<T: Serialize>(&self, value: &T, place: Place) -> Sealed {
        let plain = rmp_serde::to_vec_named(value);
        self.seal_bytes(plain.expect("values of ours can be encoded"), place)
    }

    /// The value that was sealed for this place.
    ///
    /// # Errors
    /// When it was sealed by another key or for another place, or was changed.
    pub fn open<T: DeserializeOwned>(
        &self,
        sealed: &Sealed,
        place: Place,
    ) -> Result<T, Unsealable> {
        let plain = self.open_bytes(sealed, place)?;
        rmp_serde::from_slice(&plain).map_err(|_| Unsealable::Unreadable)
    }

    /// A key for one purpose, from which the data key cannot be found.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        MasterKey(self.0).derive(purpose)
    }

    fn seal_bytes(&self, mut bytes: Vec<u8>, place: Place) -> Sealed {
        let nonce = self
            .cipher()
            .seal_in_place_append_tag(Aad::from(place.bytes()), &mut bytes)
            .expect("a value is shorter than the cipher's limit of 64 GiB");
        Sealed([&nonce.as_ref()[..], &bytes].concat())
    }

    fn open_bytes(&self, sealed: &Sealed, place: Place) -> Result<Vec<u8>, Unsealable> {
        let (nonce, rest) = sealed.0.split_at_checked(NONCE_LEN).ok_or(Unsealable::Changed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable::Changed)?;
        let mut bytes = rest.to_vec();
        let opened = self.cipher().open_in_place(nonce, Aad::from(place.bytes()), &mut bytes);
        Ok(opened.map_err(|_| Unsealable::Changed)?.to_vec())
    }

    fn cipher(&self) -> RandomizedNonceKey {
        RandomizedNonceKey::new(&AES_256_GCM, &self.0).expect("the key has 256 bits")
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[data key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place =
        Place { kind: Kind::new(16, "clients"), partition: Partition::FIRST, field: "profile" };

    #[test]
    fn a_sealed_value_opens_in_its_place_only() {
        let (key, other) = (DataKey([1; 32]), DataKey([2; 32]));
        let sealed = key.seal(&"Анна", PLACE);
        assert_eq!(key.open::<String>(&sealed, PLACE), Ok("Анна".to_owned()));
        assert_eq!(other.open::<String>(&sealed, PLACE), Err(Unsealable::Changed));
        let elsewhere = [
            Place { field: "contact", ..PLACE },
            Place { partition: Partition::LAST, ..PLACE },
            Place { kind: Kind::new(17, "logins"), ..PLACE },
        ];
        for place in elsewhere {
            assert_eq!(key.open::<String>(&sealed, place), Err(Unsealable::Changed), "{place:?}");
        }
        for place in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[place] ^= 1;
            assert_eq!(key.open::<String>(&changed, PLACE), Err(Unsealable::Changed), "{place}");
        }
        assert_eq!(key.open::<String>(&Sealed(vec![1, 2]), PLACE), Err(Unsealable::Changed));
        assert_ne!(key.seal(&"Анна", PLACE), sealed, "each value has a nonce of its own");
        assert!(!sealed.0.windows(4).any(|part| part == "Анна".as_bytes().get(..4).unwrap_or(&[])));
    }

    #[test]
    fn a_data_key_is_found_while_its_master_key_is_configured() {
        let old = MasterKeys::new([1; 32], []);
        let (key, wrapped) = old.wrap([9; 32], PLACE);
        let sealed = key.seal(&7_u32, PLACE);
        let rotated = MasterKeys::new([2; 32], [[1; 32]]);
        let found = rotated.unwrap(&wrapped, PLACE).expect("the old key is configured");
        assert_eq!(found.open::<u32>(&sealed, PLACE), Ok(7));
        let refused = MasterKeys::new([2; 32], []).unwrap(&wrapped, PLACE).map(|_| ());
        assert_eq!(refused, Err(Unsealable::UnknownKey(wrapped.by)));
        assert_ne!(old.derive("wrap"), old.derive("index"));
        assert!(!format!("{old:?} {key:?}").contains("1, 1"), "no key is printed");
    }
}
