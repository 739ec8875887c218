//! Checks sled's log before sled opens it.
//!
//! When a store was not closed, sled 0.34 reads its log again from the last
//! snapshot on. When a record in the middle of that is invalid, sled takes it
//! for the end of its segment and goes on with the next segment: everything
//! between is missing, or older than it was, and sled reports nothing. That may
//! be right for a segment that was about to be reused when the process ended,
//! so sled cannot refuse it. The check here decides: such a record is followed
//! either by something newer, or it is damage.
//!
//! The end of the log is left to sled, which cuts it off at the first invalid
//! record, and to the durability note ([`super::note`]), which shows whether
//! that was too much.
//!
//! ```text
//! segment  CRC-32 of the next 16, inverted 4 | its position in the log 8
//!          | how far the log was stable then 8 | records …
//! record   CRC-32 of body and header, inverted 4 | kind 1 | length
//!          | segment's number | page | body
//! ```
//!
//! Positions are inverted except for their sign bit. The last three numbers of
//! a record's header take one to nine bytes each.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::panic::resume_unwind;
use std::path::Path;

use super::{SEGMENT_BYTES, note};

const SEGMENT_HEADER_BYTES: usize = 20;

/// The longest header of a record, in bytes: no record begins nearer to the end
/// of a segment than this.
const RECORD_HEADER_BYTES_MAX: usize = 32;

/// The kinds of records; a [`CAP`] ends a segment.
const KINDS: std::ops::RangeInclusive<u8> = 1..=11;
const CAP: u8 = 2;

/// Why a log cannot be given to sled.
#[derive(Debug)]
pub enum UnusableLog {
    /// Another process uses the store.
    InUse,
    /// It cannot be read.
    Io(io::Error),
    /// It is damaged; the text says where.
    Damaged(String),
}

impl From<io::Error> for UnusableLog {
    fn from(why: io::Error) -> UnusableLog {
        UnusableLog::Io(why)
    }
}

/// The header of a segment.
#[derive(Debug, Clone, Copy)]
struct Segment {
    /// Position of the segment in the log.
    position: u64,
    /// Up to where the log was stable when the segment was begun.
    stable: u64,
}

impl Segment {
    fn read(bytes: &[u8]) -> Option<Segment> {
        let (checksum, positions) = bytes.get(..SEGMENT_HEADER_BYTES)?.split_at(4);
        let is_intact =
            !crc32fast::hash(positions) == u32::from_le_bytes(checksum.try_into().ok()?);
        let position = |at: usize| {
            let stored = i64::from_le_bytes(positions.get(at..at + 8)?.try_into().ok()?);
            Some(stored ^ i64::MAX)
        };
        // When the first segment is begun, the log is stable up to -1.
        let stable = u64::try_from(position(8)?).unwrap_or_default();
        let position = u64::try_from(position(0)?).ok()?;
        is_intact.then_some(Segment { position, stable })
    }
}

/// A record with a correct checksum.
#[derive(Debug, Clone, Copy)]
struct Record {
    kind: u8,
    /// The number of its segment: the segment's position, in segments.
    number: u64,
    /// Length in bytes, header included.
    length: usize,
}

impl Record {
    /// Reads the record at the beginning of `bytes`, which end with the
    /// segment.
    fn read(bytes: &[u8]) -> Option<Record> {
        let (checksum, rest) = bytes.split_first_chunk::<4>()?;
        let (&kind, mut rest) = rest.split_first()?;
        if !KINDS.contains(&kind) {
            return None;
        }
        let length = usize::try_from(number(&mut rest)?).ok()?;
        let segment = number(&mut rest)?;
        number(&mut rest)?; // the page
        let header = bytes.len() - rest.len();
        let body = rest.get(..length)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(body);
        hasher.update(&bytes[4..header]);
        let is_intact = !hasher.finalize() == u32::from_le_bytes(*checksum);
        is_intact.then_some(Record { kind, number: segment, length: header + length })
    }
}

/// Reads a number of one to nine bytes.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    let (value, length) = match first {
        0..=240 => (u64::from(first), 0),
        241..=248 => (240 + 256 * (u64::from(first) - 241) + u64::from(*rest.first()?), 1),
        249 => (2288 + 256 * u64::from(*rest.first()?) + u64::from(*rest.get(1)?), 2),
        250.. => {
            let length = usize::from(first) - 247;
            let mut value = [0; 8];
            value[..length].copy_from_slice(rest.get(..length)?);
            (u64::from_le_bytes(value), length)
        }
    };
    *bytes = rest.get(length..)?;
    Some(value)
}

/// Checks the part of the log in `folder` that sled is going to read, except
/// for its end. Changes nothing.
pub fn check(folder: &Path) -> Result<(), UnusableLog> {
    let file = match File::open(folder.join("db")) {
        Ok(file) => file,
        Err(why) if why.kind() == io::ErrorKind::NotFound && folder.join(note::FILE).exists() => {
            return Err(UnusableLog::Damaged(
                "its file db is missing, but its durability note exists".into(),
            ));
        }
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()), // a new store
        Err(why) => return Err(why.into()),
    };
    match file.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(UnusableLog::InUse),
        Err(TryLockError::Error(why)) => return Err(why.into()),
    }
    let segments = Segments::of(&file, folder)?;
    let read: Vec<_> = segments.read().collect();
    let share = read.len().div_ceil(threads()).max(1);
    let found: Vec<io::Result<Option<u64>>> = std::thread::scope(|scope| {
        let looking: Vec<_> = read
            .chunks(share)
            .map(|part| scope.spawn(|| segments.first_damage(&file, part)))
            .collect();
        let ended = looking.into_iter().map(|one| one.join());
        ended.map(|one| one.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    // The parts are in the order of the file.
    for damage in found {
        if let Some(byte) = damage? {
            return Err(UnusableLog::Damaged(format!(
                "its log has an invalid record at byte {byte} of the file db: what follows it \
                 would be missing or out of date"
            )));
        }
    }
    Ok(())
}

/// How many threads look for damage. Each holds a segment in memory.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(THREADS_MAX))
}

const THREADS_MAX: usize = 4;

/// The segments of a log.
struct Segments {
    /// The header of each segment, in the order of the file.
    headers: Vec<(u64, Option<Segment>)>,
    /// Positions in the log that are present and are not covered by sled's
    /// snapshot.
    present: BTreeSet<u64>,
    /// Positions that sled reads when it opens the log, except for its end.
    read_by_sled: Range<u64>,
}

impl Segments {
    fn of(file: &File, folder: &Path) -> io::Result<Segments> {
        let whole = SEGMENT_BYTES as u64;
        let count = file.metadata()?.len().div_ceil(whole);
        let from = snapshot(folder)? / whole * whole;
        let mut headers = Vec::new();
        for place in 0..count {
            let mut bytes = [0; SEGMENT_HEADER_BYTES];
            let read = file.read_exact_at(&mut bytes, place * whole);
            headers.push((place, read.ok().and_then(|()| Segment::read(&bytes))));
        }
        let known = headers.iter().filter_map(|(_, header)| *header);
        let known = known.filter(|header| header.position >= from);
        let stable = known.clone().map(|header| header.stable).max().unwrap_or_default();
        let present = known.map(|header| header.position).collect();
        Ok(Segments { present, read_by_sled: from..stable / whole * whole, headers })
    }

    /// Those that sled reads from end to end, and those without a header.
    fn read(&self) -> impl Iterator<Item = (u64, Option<Segment>)> {
        let is_read = |header: &Segment| self.read_by_sled.contains(&header.position);
        let headers = self.headers.iter().copied();
        headers.filter(move |(_, header)| header.as_ref().is_none_or(is_read))
    }

    /// Where the first invalid record of some segments is, in the file.
    fn first_damage(
        &self,
        file: &File,
        part: &[(u64, Option<Segment>)],
    ) -> io::Result<Option<u64>> {
        let whole = SEGMENT_BYTES as u64;
        let mut bytes = vec![0; SEGMENT_BYTES];
        for &(place, header) in part {
            let read = read_up_to(file, &mut bytes, place * whole)?;
            let damage = match header {
                Some(header) => in_segment(&bytes[..read], header.position / whole),
                None => behind_lost_header(&bytes[..read], |number| {
                    let position = number.saturating_mul(whole);
                    self.read_by_sled.contains(&position) && !self.present.contains(&position)
                }),
            };
            if let Some(at) = damage {
                return Ok(Some(place * whole + at as u64));
            }
        }
        Ok(None)
    }
}

/// The places of segments that are in their first use and that sled reads from
/// end to end.
#[cfg(test)]
pub fn read_whole(folder: &Path) -> Vec<usize> {
    let file = File::open(folder.join("db")).expect("a log");
    let Segments { headers, read_by_sled, .. } = Segments::of(&file, folder).expect("headers");
    let first_use = |(place, header): (u64, Option<Segment>)| {
        let position = header?.position;
        let is_first = position == place * SEGMENT_BYTES as u64 && read_by_sled.contains(&position);
        is_first.then_some(usize::try_from(place).ok()?)
    };
    headers.into_iter().filter_map(first_use).collect()
}

/// Where a segment is damaged, if it is.
fn in_segment(bytes: &[u8], number: u64) -> Option<usize> {
    let mut at = SEGMENT_HEADER_BYTES;
    while at + RECORD_HEADER_BYTES_MAX <= SEGMENT_BYTES {
        match Record::read(bytes.get(at..).unwrap_or_default()) {
            Some(record) if record.number == number && record.kind == CAP => return None,
            Some(record) if record.number == number => at += record.length,
            Some(_) | None => {
                // A segment that is reused is not always written from its
                // beginning: newer records follow the old ones.
                let is_used_again =
                    records_from(bytes, at).find(|(_, record)| record.number >= number);
                return match is_used_again {
                    Some((_, record)) if record.number > number => None,
                    Some(_) | None => Some(at),
                };
            }
        }
    }
    None
}

/// Where a segment without a valid header has a record that sled would miss.
fn behind_lost_header(bytes: &[u8], is_missing: impl Fn(u64) -> bool) -> Option<usize> {
    if bytes.iter().all(|&byte| byte == 0) {
        return None;
    }
    records_from(bytes, SEGMENT_HEADER_BYTES)
        .find(|(_, record)| is_missing(record.number))
        .map(|(at, _)| at)
}

/// The valid records that begin at any byte from `start` on.
fn records_from(bytes: &[u8], start: usize) -> impl Iterator<Item = (usize, Record)> {
    let end = bytes.len().saturating_sub(RECORD_HEADER_BYTES_MAX);
    (start..=end.max(start)).filter_map(|at| Some((at, Record::read(bytes.get(at..)?)?)))
}

/// The position from which sled reads the log: its last snapshot covers what
/// was before.
fn snapshot(folder: &Path) -> io::Result<u64> {
    let mut newest = 0;
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let position = name
            .to_str()
            .and_then(|name| u64::from_str_radix(name.strip_prefix("snap.")?, 16).ok());
        newest = newest.max(position.unwrap_or_default());
    }
    Ok(newest)
}

/// Fills `bytes` from offset `place` on, up to the end of the file.
fn read_up_to(file: &File, bytes: &mut [u8], place: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], place + read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests;
