//! The one place that asks the system for randomness. Everything else is handed the bytes.

/// `N` bytes that nobody can guess.
///
/// # Panics
/// When the operating system has no randomness to give, which on Linux happens only before its generator is
/// seeded at boot; to go on with guessable bytes would be worse.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the file that the ban points to")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(random_bytes::<16>(), random_bytes::<16>());
    }
}
