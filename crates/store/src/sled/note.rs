//! The note beside the database: how far it has been durable.
//!
//! When a byte in the young end of sled's log is damaged, sled takes that for the end of the log: it opens with less, and
//! says nothing. So the number of the last durable group is kept in a file of our own, and a store that opens with less
//! than that is broken by name. Written once a second while there is something new, and at the end.
//!
//! The time of the store's clock is noted with it: messages wait for it, so it must not run back when the machine's clock
//! is set while nothing runs.
//!
//! ```text
//! at 0 and at 4096, in turn: "tillgate" | how often it was written 8 | the group 8 | the time in microseconds 8
//!                            | CRC-32 of these 4
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

/// How old the note may be while groups come.
pub const NOTE_AGE_MAX: Duration = Duration::from_secs(1);

const MAGIC: &[u8; 8] = b"tillgate";
const SUMMED_BYTES: usize = 8 + 8 + 8 + 8;
const SLOT_BYTES: usize = SUMMED_BYTES + 4;

/// A slot for each turn: a cut in the middle of writing one leaves the other. Apart by more than a disk writes at once.
const SLOTS: [u64; 2] = [0, 4096];

/// What a note says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// The file is not there.
    Nothing,
    /// The group that was durable, and when that was.
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

/// Why a store's note does not fit the store.
#[derive(Debug)]
pub enum Misfit {
    /// The file cannot be used.
    Io(io::Error),
    /// What is stored and what is noted differ, in words.
    Broken(String),
}

impl From<io::Error> for Misfit {
    fn from(why: io::Error) -> Misfit {
        Misfit::Io(why)
    }
}

impl Note {
    /// Opens the note of the store in `folder`, whose last group is `last_group`. A store that has none yet gets one.
    pub fn open(folder: &Path, last_group: u64, clock: Clock) -> Result<Note, Misfit> {
        match read(folder)? {
            (Said::Nothing, _) => {
                if last_group > 0 {
                    tracing::info!(
                        group = last_group,
                        "this store is noted as durable up to here from now on"
                    );
                }
                Ok(Note::begin(folder, 0, last_group, SteadyClock::start(clock, Timestamp::MIN))?)
            }
            (Said::Group(noted, _), _) if noted > last_group => Err(Misfit::Broken(format!(
                "it lacks what was acknowledged last: {noted} groups of changes were durable, and the last that is there is \
                 {last_group}"
            ))),
            (Said::Group(_, shown), writings) => {
                Ok(Note::begin(folder, writings, last_group, SteadyClock::start(clock, shown))?)
            }
        }
    }

    /// Has a store taken for whole as it is.
    pub fn accept(folder: &Path, last_group: u64) -> io::Result<()> {
        // What waits in the outbox waits for this clock: it goes on from where it was, if that is known.
        let shown = match read(folder) {
            Ok((Said::Group(_, shown), _)) => shown,
            Ok((Said::Nothing, _)) | Err(_) => Timestamp::MIN,
        };
        // Both slots: one that is damaged would be met again.
        let mut note = Note::begin(folder, 0, last_group, SteadyClock::start(Clock::System, shown))?;
        note.write(last_group)
    }

    fn begin(folder: &Path, writings: u64, last_group: u64, clock: SteadyClock) -> io::Result<Note> {
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

    /// The store's clock.
    pub fn clock(&self) -> &SteadyClock {
        &self.clock
    }

    /// How long until `group` must be noted; nothing when it is.
    pub fn due_in(&self, group: u64) -> Option<Duration> {
        (group > self.noted).then(|| NOTE_AGE_MAX.saturating_sub(self.since.elapsed()))
    }

    /// Notes that everything up to `group` is durable.
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

/// The group that a store in `folder` was durable up to, as far as is noted.
pub fn noted(folder: &Path) -> Result<Option<u64>, Misfit> {
    Ok(match read(folder)?.0 {
        Said::Nothing => None,
        Said::Group(group, _) => Some(group),
    })
}

/// What is noted, and how often that was done.
fn read(folder: &Path) -> Result<(Said, u64), Misfit> {
    let file = match File::open(folder.join(FILE)) {
        Ok(file) => file,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok((Said::Nothing, 0)),
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
        Some((writings, group, shown)) => Ok((Said::Group(group, from_micros(shown)), writings)),
        None => Err(Misfit::Broken("its note of what was durable cannot be read".into())),
    }
}

/// How often the note had been written, the group, and the time.
fn read_slot(slot: &[u8; SLOT_BYTES]) -> Option<(u64, u64, i64)> {
    let rest = slot.strip_prefix(MAGIC)?;
    let (writings, rest) = rest.split_first_chunk()?;
    let (group, rest) = rest.split_first_chunk()?;
    let (shown, checksum) = rest.split_first_chunk()?;
    let is_intact = crc32fast::hash(&slot[..SUMMED_BYTES]).to_be_bytes() == checksum;
    is_intact.then(|| (u64::from_be_bytes(*writings), u64::from_be_bytes(*group), i64::from_be_bytes(*shown)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_with_less_than_is_noted_is_broken_and_half_a_note_is_as_good_as_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut note = Note::open(folder.path(), 7, Clock::System).expect("a new note");
        note.write(8).expect("written");
        note.write(9).expect("written");
        assert_eq!(note.due_in(9), None);
        assert!(note.due_in(10).is_some_and(|wait| wait <= NOTE_AGE_MAX));
        drop(note);
        let open = |group| Note::open(folder.path(), group, Clock::System).map(drop);
        assert!(
            matches!(open(8), Err(Misfit::Broken(why)) if why.contains("9 groups") && why.ends_with("is 8"))
        );
        open(10).expect("a cut may come before what was written last is noted");
        // The newest slot is cut in the middle: what counts is the one before.
        let path = folder.path().join(FILE);
        let whole = std::fs::read(&path).expect("read");
        let newest = SLOTS.iter().map(|&at| usize::try_from(at).expect("small"));
        let newest = newest.max_by_key(|&at| whole[at + 8..at + 16].to_vec()).expect("two");
        let mut torn = whole.clone();
        torn[newest + 20] ^= 1;
        std::fs::write(&path, &torn).expect("written");
        open(9).expect("the note before it said 9");
        // Both.
        std::fs::write(&path, [0; 4200]).expect("written");
        assert!(matches!(open(100), Err(Misfit::Broken(why)) if why.contains("cannot be read")));
        Note::accept(folder.path(), 3).expect("accepted");
        open(3).expect("as it is");
    }
}
