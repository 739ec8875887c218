//! The durability note: a file next to the database that says up to which group
//! the store was durable.
//!
//! When a byte near the young end of sled's log is damaged, sled takes it for
//! the end of the log: it opens with less data and reports nothing. So the
//! number of the last durable group is kept in a file of our own, and a store
//! that opens with less than that is refused as damaged. The note is written at
//! most once a second while there are new groups, and when the store closes.
//!
//! The time of the store's clock is recorded with it. Messages are due by this
//! clock, so it must not run back when the machine's clock is set while nothing
//! runs.
//!
//! ```text
//! at 0 and at 4096, in turn:
//! "tillgate" | how often it was written 8 | the group 8
//!            | the time in microseconds 8 | CRC-32 of these 4
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use tillgate_kernel::time::{SteadyClock, from_micros};
use tillgate_kernel::{Clock, Stopwatch, Timestamp};

/// The file's name in the store's directory.
pub const FILE: &str = "durable";

/// How old the note may be while there are new groups.
pub const NOTE_AGE_MAX: Duration = Duration::from_secs(1);

const MAGIC: &[u8; 8] = b"tillgate";
const SUMMED_BYTES: usize = 8 + 8 + 8 + 8;
const SLOT_BYTES: usize = SUMMED_BYTES + 4;

/// The offsets of the two slots, which are written in turn: a write that is cut
/// short leaves the other slot intact. They are further apart than a disk
/// writes at once.
const SLOTS: [u64; 2] = [0, 4096];

/// The content of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoteContent {
    /// The file does not exist.
    Nothing,
    /// The last durable group, and the time when it was recorded.
    Group(u64, Timestamp),
}

/// The note of an open store.
pub struct Note {
    clock: SteadyClock,
    file: File,
    writings: u64,
    noted: u64,
    since: Stopwatch,
}

/// Why a store cannot be opened with its note.
#[derive(Debug)]
pub enum NoteError {
    /// The file cannot be read or written.
    Io(io::Error),
    /// The note is unreadable or does not match the store; the text says how.
    Broken(String),
}

impl From<io::Error> for NoteError {
    fn from(why: io::Error) -> NoteError {
        NoteError::Io(why)
    }
}

impl Note {
    /// Opens the note of the store in `folder`, whose last group is
    /// `last_group`. Creates one if the store has none yet.
    pub fn open(folder: &Path, last_group: u64, clock: Clock) -> Result<Note, NoteError> {
        match read(folder)? {
            (NoteContent::Nothing, _) => {
                if last_group > 0 {
                    tracing::info!(
                        group = last_group,
                        "this store had no durability note: one is kept from this group on"
                    );
                }
                Ok(Note::begin(folder, 0, last_group, SteadyClock::start(clock, Timestamp::MIN))?)
            }
            (NoteContent::Group(noted, _), _) if noted > last_group => {
                Err(NoteError::Broken(format!(
                    "acknowledged changes are missing: {noted} groups of changes were durable, \
                     and the last group in the store is {last_group}"
                )))
            }
            (NoteContent::Group(_, shown), writings) => {
                Ok(Note::begin(folder, writings, last_group, SteadyClock::start(clock, shown))?)
            }
        }
    }

    /// Accepts the current content of a store as complete.
    pub fn accept(folder: &Path, last_group: u64) -> io::Result<()> {
        // Messages in the outbox are due by this clock: it continues from its
        // last recorded time, if that is known.
        let shown = match read(folder) {
            Ok((NoteContent::Group(_, shown), _)) => shown,
            Ok((NoteContent::Nothing, _)) | Err(_) => Timestamp::MIN,
        };
        // Both slots are written: a damaged one would be read again.
        let mut note =
            Note::begin(folder, 0, last_group, SteadyClock::start(Clock::System, shown))?;
        note.write(last_group)
    }

    fn begin(
        folder: &Path,
        writings: u64,
        last_group: u64,
        clock: SteadyClock,
    ) -> io::Result<Note> {
        let path = folder.join(FILE);
        let is_new = !path.exists();
        let file = File::options().write(true).create(true).truncate(false).open(path)?;
        let mut note = Note { clock, file, writings, noted: 0, since: Stopwatch::start() };
        note.write(last_group)?;
        if is_new {
            note.file.sync_all()?;
            File::open(folder)?.sync_all()?;
        }
        Ok(note)
    }

    pub fn clock(&self) -> &SteadyClock {
        &self.clock
    }

    /// How long until `group` must be recorded; `None` if it already is.
    pub fn due_in(&self, group: u64) -> Option<Duration> {
        (group > self.noted).then(|| NOTE_AGE_MAX.saturating_sub(self.since.elapsed()))
    }

    /// Records that everything up to `group` is durable.
    pub fn write(&mut self, group: u64) -> io::Result<()> {
        let mut slot = [0; SLOT_BYTES];
        self.writings += 1;
        slot[..8].copy_from_slice(MAGIC);
        slot[8..16].copy_from_slice(&self.writings.to_be_bytes());
        slot[16..24].copy_from_slice(&group.to_be_bytes());
        slot[24..32].copy_from_slice(&self.clock.now().as_microsecond().to_be_bytes());
        let checksum = crc32fast::hash(&slot[..SUMMED_BYTES]);
        slot[SUMMED_BYTES..].copy_from_slice(&checksum.to_be_bytes());
        let turn = usize::from(self.writings % 2 == 1);
        self.file.write_all_at(&slot, SLOTS[turn])?;
        self.file.sync_data()?;
        (self.noted, self.since) = (group, Stopwatch::start());
        Ok(())
    }
}

/// The last group that is recorded as durable for the store in `folder`.
pub fn noted(folder: &Path) -> Result<Option<u64>, NoteError> {
    Ok(match read(folder)?.0 {
        NoteContent::Nothing => None,
        NoteContent::Group(group, _) => Some(group),
    })
}

/// Reads the newest valid slot, and how often the note has been written.
fn read(folder: &Path) -> Result<(NoteContent, u64), NoteError> {
    let file = match File::open(folder.join(FILE)) {
        Ok(file) => file,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok((NoteContent::Nothing, 0)),
        Err(why) => return Err(why.into()),
    };
    let mut newest = None;
    for at in SLOTS {
        let mut slot = [0; SLOT_BYTES];
        match file.read_exact_at(&mut slot, at) {
            Ok(()) => newest = newest.max(read_slot(&slot)),
            Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(why) => return Err(why.into()),
        }
    }
    match newest {
        Some((writings, group, shown)) => {
            Ok((NoteContent::Group(group, from_micros(shown)), writings))
        }
        None => Err(NoteError::Broken("its durability note cannot be read".into())),
    }
}

/// How often the note had been written, the group, and the time.
fn read_slot(slot: &[u8; SLOT_BYTES]) -> Option<(u64, u64, i64)> {
    let rest = slot.strip_prefix(MAGIC)?;
    let (writings, rest) = rest.split_first_chunk()?;
    let (group, rest) = rest.split_first_chunk()?;
    let (shown, checksum) = rest.split_first_chunk()?;
    let is_intact = crc32fast::hash(&slot[..SUMMED_BYTES]).to_be_bytes() == checksum;
    is_intact.then(|| {
        (u64::from_be_bytes(*writings), u64::from_be_bytes(*group), i64::from_be_bytes(*shown))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_with_less_than_noted_is_broken_and_a_torn_note_falls_back_to_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut note = Note::open(folder.path(), 7, Clock::System).expect("a new note");
        note.write(8).expect("written");
        note.write(9).expect("written");
        assert_eq!(note.due_in(9), None);
        assert!(note.due_in(10).is_some_and(|wait| wait <= NOTE_AGE_MAX));
        drop(note);
        let open = |group| Note::open(folder.path(), group, Clock::System).map(drop);
        assert!(matches!(
            open(8),
            Err(NoteError::Broken(why)) if why.contains("9 groups") && why.ends_with("is 8")
        ));
        open(10).expect("a crash may come before the last write is noted");
        // The newest slot is torn: the one before it counts.
        let path = folder.path().join(FILE);
        let whole = std::fs::read(&path).expect("read");
        let newest = SLOTS.iter().map(|&at| usize::try_from(at).expect("small"));
        let newest = newest.max_by_key(|&at| whole[at + 8..at + 16].to_vec()).expect("two");
        let mut torn = whole.clone();
        torn[newest + 20] ^= 1;
        std::fs::write(&path, &torn).expect("written");
        open(9).expect("the slot before it says 9");
        // Both slots are unreadable.
        std::fs::write(&path, [0; 4200]).expect("written");
        assert!(matches!(open(100), Err(NoteError::Broken(why)) if why.contains("cannot be read")));
        Note::accept(folder.path(), 3).expect("accepted");
        open(3).expect("opened with what is there");
    }
}
