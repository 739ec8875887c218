//! The code of a gift card: sixteen characters in fours. Fifteen of them are 75
//! bits that are derived from the card's key, so that the code is stored
//! nowhere; the last is a check of them, so that a mistyped code is
//! recognised without asking anybody.

use std::fmt;

use crate::seal::DataKey;

/// Digits and capital letters without those that are mistaken for others.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The characters before the check.
const SECRET_CHARACTERS: usize = 15;

/// A code.
#[derive(Clone, PartialEq, Eq)]
pub struct CardCode([u8; SECRET_CHARACTERS + 1]);

impl CardCode {
    /// The code of the card with this data key.
    #[must_use]
    pub fn of(key: &DataKey) -> CardCode {
        let derived = key.derive("gift card code");
        let mut digits = [0; SECRET_CHARACTERS + 1];
        for (digit, byte) in digits.iter_mut().zip(&derived[..SECRET_CHARACTERS]) {
            *digit = byte & 31;
        }
        digits[SECRET_CHARACTERS] = check(&digits[..SECRET_CHARACTERS]);
        CardCode(digits)
    }

    /// The code as people write it.
    #[must_use]
    pub fn text(&self) -> String {
        let characters = self.0.chunks(4).map(|four| {
            four.iter().map(|digit| char::from(ALPHABET[usize::from(*digit)])).collect::<String>()
        });
        characters.collect::<Vec<_>>().join("-")
    }

    /// What may be shown of it.
    #[must_use]
    pub fn masked(&self) -> String {
        let text = self.text();
        format!("•••• {}", text.rsplit('-').next().unwrap_or_default())
    }
}

impl fmt::Debug for CardCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[gift card code]")
    }
}

/// The digits as a polynomial over the field of 32 elements, at its generator:
/// one wrong digit, or two that have changed places, give another value.
fn check(digits: &[u8]) -> u8 {
    digits.iter().fold(0, |sum, digit| times_generator(sum) ^ digit)
}

/// In the field modulo `x^5 + x^2 + 1`.
const fn times_generator(element: u8) -> u8 {
    let doubled = element << 1;
    if doubled & 32 == 0 { doubled } else { (doubled ^ 0b10_0101) & 31 }
}

#[cfg(test)]
mod tests {
    use tillgate_kernel::{Kind, Partition};

    use super::*;
    use crate::seal::{MasterKeys, Place};

    fn key(byte: u8) -> DataKey {
        let place =
            Place { kind: Kind::new(23, "accounts"), partition: Partition::FIRST, field: "key" };
        MasterKeys::new([1; 32], []).wrap([byte; 32], place).0
    }

    #[test]
    fn a_code_has_four_groups_and_differs_from_card_to_card() {
        let code = CardCode::of(&key(1));
        let text = code.text();
        assert_eq!(text.len(), 19);
        assert!(text.split('-').all(|four| four.bytes().all(|byte| ALPHABET.contains(&byte))));
        assert_eq!(code, CardCode::of(&key(1)));
        assert_ne!(code, CardCode::of(&key(2)));
        assert_eq!(code.masked(), format!("•••• {}", &text[15..]));
    }

    #[test]
    fn a_wrong_character_and_two_that_change_places_change_the_check() {
        for byte in 0..50 {
            let digits = CardCode::of(&key(byte)).0;
            let (secret, expected) = (&digits[..SECRET_CHARACTERS], digits[SECRET_CHARACTERS]);
            for place in 0..SECRET_CHARACTERS {
                for wrong in (0..32).filter(|wrong| *wrong != secret[place]) {
                    let mut mistyped = secret.to_vec();
                    mistyped[place] = wrong;
                    assert_ne!(check(&mistyped), expected);
                }
                for other in place + 1..SECRET_CHARACTERS {
                    let mut swapped = secret.to_vec();
                    swapped.swap(place, other);
                    assert_eq!(check(&swapped) == expected, secret[place] == secret[other]);
                }
            }
        }
    }
}
