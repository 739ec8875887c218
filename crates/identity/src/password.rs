//! Passwords: what is accepted as one, and the hash that is kept of it.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tillgate_kernel::Secret;
use unicode_normalization::UnicodeNormalization;
use zxcvbn::{Score, zxcvbn};

/// The cost of a hash today: what OWASP recommends at least for argon2id.
const MEMORY_KIBIBYTES: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

pub const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// How many characters a password has.
pub const CHARACTERS_MIN: usize = 8;
pub const CHARACTERS_MAX: usize = 128;

/// Shorter parts of one's own data are part of many words.
const OWN_CHARACTERS_MIN: usize = 4;

/// Why a text is not accepted as a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It has fewer than [`CHARACTERS_MIN`] characters.
    #[error("it has fewer than {CHARACTERS_MIN} characters")]
    TooShort,
    /// It has more than [`CHARACTERS_MAX`] characters.
    #[error("it has more than {CHARACTERS_MAX} characters")]
    TooLong,
    /// It is found early by guessing.
    #[error("it is easily guessed")]
    Guessable,
    /// It contains the person's own name or address.
    #[error("it contains the person's own name or address")]
    Own,
}

/// Whether a text may be a password. `own` is the person's own data, such as
/// the name and the address.
///
/// # Errors
/// The first reason against it.
pub fn check(password: &Secret, own: &[&str]) -> Result<(), Unfit> {
    let password = normalised(password);
    let characters = password.chars().count();
    if characters < CHARACTERS_MIN {
        return Err(Unfit::TooShort);
    }
    if characters > CHARACTERS_MAX {
        return Err(Unfit::TooLong);
    }
    let lower = password.to_lowercase();
    let contains = |part: &str| {
        part.chars().count() >= OWN_CHARACTERS_MIN && lower.contains(&part.to_lowercase())
    };
    if own.iter().any(|text| contains(text) || text.split(['@', '.', ' ']).any(contains)) {
        return Err(Unfit::Own);
    }
    if zxcvbn(&password, own).score() < Score::Two {
        return Err(Unfit::Guessable);
    }
    Ok(())
}

/// What is kept of a password: its argon2id hash, with the salt and the cost.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash {
    memory_kibibytes: u32,
    passes: u32,
    lanes: u32,
    salt: [u8; SALT_BYTES],
    hash: [u8; HASH_BYTES],
}

impl PasswordHash {
    /// Hashes a password. Takes some 20 ms of a core and 19 MiB, so it is not
    /// done on the threads of a runtime.
    #[must_use]
    pub fn of(password: &Secret, salt: [u8; SALT_BYTES]) -> PasswordHash {
        let unfinished = PasswordHash {
            memory_kibibytes: MEMORY_KIBIBYTES,
            passes: PASSES,
            lanes: LANES,
            salt,
            hash: [0; HASH_BYTES],
        };
        PasswordHash { hash: unfinished.hash_of(password), ..unfinished }
    }

    /// A hash that no password has. To compare with it takes as long as with
    /// any other, so the time does not tell whether an account exists.
    #[must_use]
    pub fn of_nobody() -> PasswordHash {
        PasswordHash {
            memory_kibibytes: MEMORY_KIBIBYTES,
            passes: PASSES,
            lanes: LANES,
            salt: [0; SALT_BYTES],
            hash: [0; HASH_BYTES],
        }
    }

    /// Whether it is the hash of this password. Takes as long as
    /// [`PasswordHash::of`].
    #[must_use]
    pub fn is_of(&self, password: &Secret) -> bool {
        self.hash_of(password).ct_eq(&self.hash).into()
    }

    /// Whether it was made at another cost than today's, so that it is to be
    /// made again when the password is known.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        (self.memory_kibibytes, self.passes, self.lanes) != (MEMORY_KIBIBYTES, PASSES, LANES)
    }

    fn hash_of(&self, password: &Secret) -> [u8; HASH_BYTES] {
        let mut hash = [0; HASH_BYTES];
        let params = Params::new(self.memory_kibibytes, self.passes, self.lanes, Some(HASH_BYTES));
        let hashed = params.and_then(|params| {
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
                normalised(password).as_bytes(),
                &self.salt,
                &mut hash,
            )
        });
        hashed.expect("the cost and the lengths are within argon2's limits");
        hash
    }
}

/// The cost is not a secret; what could help to guess the password is left out.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[argon2id, {} KiB, {} passes]", self.memory_kibibytes, self.passes)
    }
}

/// The same password typed on another keyboard may be composed of other
/// characters.
fn normalised(password: &Secret) -> String {
    password.expose().nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[test]
    fn a_hash_is_of_one_password_and_one_salt() {
        let hash = PasswordHash::of(&secret("пароль от сейфа"), [7; 16]);
        assert!(hash.is_of(&secret("пароль от сейфа")));
        assert!(!hash.is_of(&secret("пароль от сейфа ")));
        assert_ne!(hash, PasswordHash::of(&secret("пароль от сейфа"), [8; 16]));
        assert!(!hash.is_outdated());
        let stored = rmp_serde::to_vec_named(&hash).expect("it encodes");
        assert_eq!(rmp_serde::from_slice::<PasswordHash>(&stored).expect("it decodes"), hash);
        assert_eq!(format!("{hash:?}"), "[argon2id, 19456 KiB, 2 passes]");
    }

    #[test]
    fn a_password_composed_of_other_characters_is_the_same() {
        // The letter й is one character, or и with a breve.
        let (composed, decomposed) = ("синий чайник", "синии\u{306} чаи\u{306}ник");
        assert_ne!(composed, decomposed);
        assert!(PasswordHash::of(&secret(composed), [1; 16]).is_of(&secret(decomposed)));
    }

    #[test]
    fn nobody_has_a_password() {
        assert!(!PasswordHash::of_nobody().is_of(&secret("")));
        assert!(!PasswordHash::of_nobody().is_of(&secret("qwerty1234")));
    }

    #[test]
    fn a_hash_of_another_cost_is_verified_and_outdated() {
        let old = PasswordHash { memory_kibibytes: 8192, ..PasswordHash::of_nobody() };
        let old =
            PasswordHash { hash: old.hash_of(&secret("пароль от сейфа")), ..old };
        assert!(old.is_of(&secret("пароль от сейфа")) && old.is_outdated());
    }

    #[test]
    fn a_password_that_others_guess_is_refused() {
        let own = ["anna", "Анна Иванова", "anna.ivanova@example.org"];
        let cases = [
            ("коротк", Err(Unfit::TooShort)),
            ("", Err(Unfit::TooShort)),
            ("qwerty1234", Err(Unfit::Guessable)),
            ("password1", Err(Unfit::Guessable)),
            ("aaaaaaaaaaaa", Err(Unfit::Guessable)),
            ("xx-ANNA-2026", Err(Unfit::Own)),
            ("моя иванова 77", Err(Unfit::Own)),
            ("ivanova-turnip-43", Err(Unfit::Own)),
            ("верный конь везёт сено", Ok(())),
            ("tulip-margin-42-boat", Ok(())),
        ];
        for (password, expected) in cases {
            assert_eq!(check(&secret(password), &own), expected, "{password}");
        }
        assert_eq!(check(&secret(&"щ".repeat(129)), &[]), Err(Unfit::TooLong));
    }
}
