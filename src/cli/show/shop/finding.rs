//! What a check of the shop has found.

/// What was looked at, and what is wrong with it.
pub(super) struct Finding {
    pub(super) about: String,
    pub(super) faults: Vec<String>,
    /// Whether it was not looked at.
    pub(super) is_skipped: bool,
}

/// The faults that two looks have found, in the same words.
pub(super) fn in_both(one: &[String], other: &[String]) -> Vec<String> {
    one.iter().filter(|fault| other.contains(fault)).cloned().collect()
}
