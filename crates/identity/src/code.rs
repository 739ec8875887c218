//! One-time codes: a few digits that somebody reads in a message and types.

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tillgate_kernel::Timestamp;
use tillgate_kernel::time::later;

/// How many digits a code has.
pub const DIGITS: usize = 6;

/// How many codes there are.
const CODES: u64 = 1_000_000;

/// How long a code works.
pub const DURATION: Duration = Duration::from_secs(10 * 60);

/// A code is guessed with a probability of five in a million.
pub const TRIES_MAX: u8 = 5;

/// A code that waits to be typed. What is kept of it shows the code only to who
/// has the key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimeCode {
    mac: [u8; 32],
    pub ends_at: Timestamp,
    tries: u8,
}

/// Why a code is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTheCode {
    /// It is another one. It may be tried again.
    Wrong,
    /// Its time is over, or it was tried too often: a new one is needed.
    Over,
}

impl OneTimeCode {
    /// A code made of these random bytes, for one purpose, such as the number
    /// that it is sent to. Returns its digits as well.
    #[must_use]
    pub fn new(
        random: [u8; 8],
        key: &[u8; 32],
        bound_to: &[u8],
        now: Timestamp,
    ) -> (OneTimeCode, String) {
        let digits = format!("{:06}", u64::from_be_bytes(random) % CODES);
        let mac = mac(key, bound_to, &digits).finalize().into_bytes().into();
        (OneTimeCode { mac, ends_at: later(now, DURATION), tries: 0 }, digits)
    }

    /// Compares what somebody has typed, and counts the try. The key may have
    /// been replaced since: `keys` are the present one and the old ones.
    ///
    /// # Errors
    /// When it is another code, or this one does not work any more.
    pub fn accept(
        &mut self,
        typed: &str,
        keys: impl IntoIterator<Item = [u8; 32]>,
        bound_to: &[u8],
        now: Timestamp,
    ) -> Result<(), NotTheCode> {
        if now >= self.ends_at || self.tries >= TRIES_MAX {
            return Err(NotTheCode::Over);
        }
        self.tries += 1;
        let typed = typed.trim();
        let is_it =
            keys.into_iter().any(|key| mac(&key, bound_to, typed).verify_slice(&self.mac).is_ok());
        if is_it { Ok(()) } else { Err(NotTheCode::Wrong) }
    }
}

fn mac(key: &[u8; 32], bound_to: &[u8], digits: &str) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    let length = (bound_to.len() as u64).to_be_bytes();
    mac.chain_update(length).chain_update(bound_to).chain_update(digits)
}

/// The code is a secret.
impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[code until {}, {} tries]", self.ends_at, self.tries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [4; 32];

    fn start() -> Timestamp {
        "2026-11-30T10:00:00Z".parse().expect("a time")
    }

    #[test]
    fn a_code_is_for_one_purpose_and_a_short_time() {
        let (code, digits) = OneTimeCode::new([7; 8], &KEY, b"79990000000", start());
        assert!(digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()));
        let accept = |typed: &str, key: [u8; 32], bound_to: &[u8], now| {
            code.clone().accept(typed, [[3; 32], key], bound_to, now)
        };
        assert_eq!(accept(&digits, KEY, b"79990000000", start()), Ok(()));
        assert_eq!(accept(&format!(" {digits} "), KEY, b"79990000000", start()), Ok(()));
        for wrong in ["", "000000", "12345", &format!("{digits}0")] {
            let refused = accept(wrong, KEY, b"79990000000", start());
            assert_eq!(refused, Err(NotTheCode::Wrong), "{wrong}");
        }
        assert_eq!(accept(&digits, KEY, b"79990000001", start()), Err(NotTheCode::Wrong));
        assert_eq!(accept(&digits, [5; 32], b"79990000000", start()), Err(NotTheCode::Wrong));
        let late = later(start(), DURATION);
        assert_eq!(accept(&digits, KEY, b"79990000000", late), Err(NotTheCode::Over));
        assert!(!format!("{code:?}").contains(&digits));
    }

    #[test]
    fn a_code_is_tried_a_few_times() {
        let (mut code, digits) = OneTimeCode::new([9; 8], &KEY, b"a", start());
        for _ in 0..TRIES_MAX {
            assert_eq!(code.accept("wrong", [KEY], b"a", start()), Err(NotTheCode::Wrong));
        }
        assert_eq!(code.accept(&digits, [KEY], b"a", start()), Err(NotTheCode::Over));
    }
}
