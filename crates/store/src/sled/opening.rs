//! Opening the store's directory: what sled is asked, what can go wrong, and what is said then.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{SEGMENT_BYTES, log, note};
use tillgate_kernel::Stopwatch;

/// How long opening may take, in seconds, besides what a large store takes.
const OPEN_SECONDS_MAX: u64 = 120;

/// How much of a store is read while it opens, in megabytes a second, at the least: a slow disk.
const OPEN_MEGABYTES_PER_SECOND: u64 = 20;

/// Why a directory cannot be opened as a store. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "{path}: another tillgate is running on this store. Stop it first, or give this one a directory of \
         its own (store = \"sled:…\")"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be created or read.
    #[error(
        "{path}: {why}. {}",
        advice(why, "Choose a directory that this user may write, with store = \"sled:…\"")
    )]
    NotAccessible {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// Its content does not open.
    #[error(
        "{path}: the store is damaged and does not open ({why}). Restore it from a backup; or copy it (cp -a {path} {path}.copy) \
         and go on with what can still be read: tillgate store accept-loss; or set it aside (mv {path} {path}.broken) to begin an empty one"
    )]
    Broken {
        /// The directory.
        path: PathBuf,
        /// What sled said.
        why: String,
    },
    /// Not even a part of it opens.
    #[error(
        "{path}: nothing of the store can be opened any more ({why}). Restore it from a backup; or set it aside (mv {path} \
         {path}.broken) to begin an empty one, and compare with the marketplace's list of orders"
    )]
    Hopeless {
        /// The directory.
        path: PathBuf,
        /// What sled said.
        why: String,
    },
    /// It opens, and lacks what was durable.
    #[error(
        "{path}: the store is damaged: {why}. Copy it (cp -a {path} {path}.copy) and see what is left: tillgate store inspect. Then \
         restore it from a backup, or go on with what is left: tillgate store accept-loss"
    )]
    Lacks {
        /// The directory.
        path: PathBuf,
        /// What it lacks.
        why: String,
    },
    /// It does not come to an end.
    #[error(
        "{path}: the store has not opened within {seconds} s. Does the disk hang (see dmesg)? If not, it is damaged: restore \
         it from a backup, or set it aside (mv {path} {path}.broken) to begin an empty one"
    )]
    Hangs {
        /// The directory.
        path: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
}

/// What to do about an error of the disk.
pub fn advice(why: &io::Error, otherwise: &'static str) -> &'static str {
    let kind = why.kind();
    if kind == io::ErrorKind::StorageFull {
        "Free space on the file system of the store"
    } else if kind == io::ErrorKind::QuotaExceeded {
        "Raise the quota of this user, or free space"
    } else if kind == io::ErrorKind::ReadOnlyFilesystem {
        "Its file system is read-only: find out why (dmesg), and mount it writable"
    } else {
        otherwise
    }
}

/// How long opening the store in `path` may take, in seconds.
#[must_use]
pub fn open_seconds_max(path: &Path) -> u64 {
    let megabytes = fs::metadata(path.join("db")).map_or(0, |db| db.len() / 1_000_000);
    OPEN_SECONDS_MAX + megabytes / OPEN_MEGABYTES_PER_SECOND
}

/// How long an opener waits for the one before it to let go: a process that is being replaced may still be
/// closing its files.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// Between two looks at the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Opens sled where its panics cannot reach anyone, and says which of the known troubles it met. Blocks while
/// another holds the lock, up to [`LOCK_WAIT`].
pub fn open_guarded(path: &Path, cache_bytes: u64) -> Result<sled::Db, OpenError> {
    open_engine(path, cache_bytes, true)
}

/// Opens sled; if `is_checked` its log is looked through before, and nothing is changed of one that is damaged.
pub fn open_engine(path: &Path, cache_bytes: u64, is_checked: bool) -> Result<sled::Db, OpenError> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(cache_bytes)
        .segment_size(SEGMENT_BYTES)
        .flush_every_ms(None)
        .mode(sled::Mode::HighThroughput);
    let waited = Stopwatch::start();
    loop {
        let broken = |why: String| OpenError::Broken { path: path.to_owned(), why };
        let fit = if is_checked { log::check(path) } else { Ok(()) };
        match fit {
            Ok(()) => {}
            Err(log::Unfit::InUse) if waited.elapsed() < LOCK_WAIT => {
                std::thread::sleep(LOCK_PAUSE);
                continue;
            }
            Err(log::Unfit::InUse) => return Err(OpenError::InUse { path: path.to_owned() }),
            Err(log::Unfit::Io(why)) => return Err(OpenError::NotAccessible { path: path.to_owned(), why }),
            Err(log::Unfit::Damaged(why)) => return Err(broken(why)),
        }
        return match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => Ok(db),
            // sled turns the lock's error into text of its own, kind and all.
            Ok(Err(sled::Error::Io(why))) if why.to_string().contains("could not acquire lock") => {
                if waited.elapsed() < LOCK_WAIT {
                    std::thread::sleep(LOCK_PAUSE);
                    continue;
                }
                Err(OpenError::InUse { path: path.to_owned() })
            }
            Ok(Err(sled::Error::Io(why))) => Err(OpenError::NotAccessible { path: path.to_owned(), why }),
            Ok(Err(why)) => Err(broken(why.to_string())),
            Err(panic) => Err(broken(panic_text(&*panic))),
        };
    }
}

/// Whether nothing of a store is in `path` yet.
pub fn is_new(path: &Path) -> bool {
    !["db", "conf", note::FILE].iter().any(|name| path.join(name).exists())
}

/// Removes what is left of a store that could not be created, as far as that can be done.
pub fn discard_creation(path: &Path) {
    for name in ["db", "conf", note::FILE] {
        if let Err(why) = fs::remove_file(path.join(name))
            && why.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.join(name).display(), error = %why, "what is left of a store that could not be created stays");
        }
    }
}

/// After creation: the files' contents, their names in the directory, and the directory's own name.
pub fn make_creation_durable(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        File::open(entry.path())?.sync_all()?;
    }
    File::open(path)?.sync_all()?;
    let mut ancestor = path.canonicalize()?;
    // `create_dir_all` may have made several levels.
    for _ in 0..CREATED_LEVELS_MAX {
        if !ancestor.pop() {
            break;
        }
        match File::open(&ancestor) {
            Ok(directory) => directory.sync_all()?,
            Err(why) if why.kind() == io::ErrorKind::PermissionDenied => break,
            Err(why) => return Err(why),
        }
    }
    Ok(())
}

/// How many directories above the store are synced when it is created.
const CREATED_LEVELS_MAX: usize = 4;

pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
    text.unwrap_or("sled gave no reason").to_owned()
}

/// What failed, for whoever must mend it.
pub(super) fn failed(what: &str, why: &io::Error) -> String {
    format!("{what} failed: {why}. {}", advice(why, "Check the disk (dmesg)"))
}

pub(super) fn failed_in_sled(what: &str, why: &sled::Error) -> String {
    if let sled::Error::Io(why) = why { failed(what, why) } else { format!("{what} failed: {why}") }
}
