//! Encodes keys and pages as database columns.

use crate::Unavailable;
use crate::page::{Page, PieceKey};
use tillgate_kernel::{DocKey, Partition};

/// A partition as a signed number of the database, with the same order.
pub(super) fn signed(partition: Partition) -> i64 {
    (partition.get() ^ (1 << 63)).cast_signed()
}

/// Reverses [`signed`].
pub(super) fn unsigned(partition: i64) -> Partition {
    Partition::from_u64(partition.cast_unsigned() ^ (1 << 63))
}

/// The id of a document as bytes that sort in the same order.
pub(super) fn id_bytes(id: u128) -> Vec<u8> {
    id.to_be_bytes()[4..].to_vec()
}

pub(super) fn id_of(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |id, byte| id << 8 | u128::from(*byte))
}

/// Unpacks a stored page. Without a body, the page is empty.
pub(super) fn unpack(partition: Partition, body: Option<&[u8]>) -> Result<Page, Unavailable> {
    body.map_or_else(|| Ok(Page::empty(partition)), |body| Page::unpack(partition, body))
}

/// The key of the row of a piece: a later version of the document overwrites
/// it.
pub(super) type PieceRow = (DocKey, u16);

pub(super) fn row_of(piece: PieceKey) -> PieceRow {
    (piece.doc, piece.number)
}
