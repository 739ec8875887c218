//! The only place that asks the operating system for random bytes. All other
//! code receives them as arguments.

/// `N` unpredictable bytes.
///
/// # Panics
/// If the operating system provides no random bytes. On Linux this happens only
/// before its generator is seeded at boot. Continuing with predictable bytes
/// would be worse.
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
