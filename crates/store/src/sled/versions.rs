//! The versions of documents: the group that wrote a document, and the batch's
//! place in it.

/// How many bits of a version the place in the group takes.
const PLACE_BITS: u32 = 16;

/// The version of documents written by the batch in `place` of `group`; never
/// the same twice.
pub(super) fn version(group: u64, place: usize) -> u64 {
    group << PLACE_BITS | (place as u64 & ((1 << PLACE_BITS) - 1))
}

pub(super) fn group_of(version: u64) -> u64 {
    version >> PLACE_BITS
}
