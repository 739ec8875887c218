//! Opens the store's directory: sled's configuration, and the errors with
//! advice.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{SEGMENT_BYTES, log, note};
use tillgate_kernel::Stopwatch;

/// How long opening may take, in seconds, not counting the time for reading a
/// large store.
const OPEN_SECONDS_MAX: u64 = 120;

/// The slowest disk that is allowed for when a store opens, in megabytes per
/// second.
const OPEN_MEGABYTES_PER_SECOND: u64 = 20;

/// Why a directory cannot be opened as a store. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses it.
    #[error(
        "{path}: another tillgate is running on this store. Stop it first, or give this one a \
         directory of its own (store = \"sled:…\")"
    )]
    InUse {
        /// Directory of the store.
        path: PathBuf,
    },
    /// It cannot be created or read.
    #[error(
        "{path}: {why}. {}",
        advice(why, "Choose a directory that this user may write, with store = \"sled:…\"")
    )]
    NotAccessible {
        /// Directory of the store.
        path: PathBuf,
        /// The error of the operating system.
        why: io::Error,
    },
    /// Its content does not open.
    #[error(
        "{path}: the store is damaged and does not open ({why}). Restore it from a backup; or \
         copy it (cp -a {path} {path}.copy) and go on with what can still be read: tillgate store \
         accept-loss; or move it away (mv {path} {path}.broken) to start with an empty one"
    )]
    Broken {
        /// Directory of the store.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Not even a part of it opens.
    #[error(
        "{path}: no part of the store can be opened ({why}). Restore it from a backup; or move \
         it away (mv {path} {path}.broken) to start with an empty one, and compare with the \
         marketplace's list of orders"
    )]
    Hopeless {
        /// Directory of the store.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It opens, but lacks changes that were durable.
    #[error(
        "{path}: the store is damaged: {why}. Copy it (cp -a {path} {path}.copy) and see what is \
         left: tillgate store inspect. Then restore it from a backup, or go on with what is left: \
         tillgate store accept-loss"
    )]
    Lacks {
        /// Directory of the store.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
    /// It does not finish opening.
    #[error(
        "{path}: the store has not opened within {seconds} s. Does the disk hang (see dmesg)? If \
         not, it is damaged: restore it from a backup, or move it away (mv {path} {path}.broken) \
         to start with an empty one"
    )]
    Hangs {
        /// Directory of the store.
        path: PathBuf,
        /// How long opening was waited for, in seconds.
        seconds: u64,
    },
}

/// What to do about an error of the disk; `otherwise` if the error is of no
/// known kind.
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

/// How long to wait for the previous process to release the lock: a process
/// that is being replaced may still be closing its files.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// The pause between two attempts to get the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Opens sled, catches its panics, and maps known failures to [`OpenError`].
/// Blocks while another process holds the lock, up to [`LOCK_WAIT`].
pub fn open_guarded(path: &Path, cache_bytes: u64) -> Result<sled::Db, OpenError> {
    open_engine(path, cache_bytes, true)
}

/// Opens sled. If `is_checked`, its log is checked first, and a damaged one is
/// left unchanged.
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
            Err(log::UnusableLog::InUse) if waited.elapsed() < LOCK_WAIT => {
                std::thread::sleep(LOCK_PAUSE);
                continue;
            }
            Err(log::UnusableLog::InUse) => return Err(OpenError::InUse { path: path.to_owned() }),
            Err(log::UnusableLog::Io(why)) => {
                return Err(OpenError::NotAccessible { path: path.to_owned(), why });
            }
            Err(log::UnusableLog::Damaged(why)) => return Err(broken(why)),
        }
        return match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => Ok(db),
            // sled converts the lock's error, including its kind, to a text of
            // its own.
            Ok(Err(sled::Error::Io(why))) if why.to_string().contains("could not acquire lock") => {
                if waited.elapsed() < LOCK_WAIT {
                    std::thread::sleep(LOCK_PAUSE);
                    continue;
                }
                Err(OpenError::InUse { path: path.to_owned() })
            }
            Ok(Err(sled::Error::Io(why))) => {
                Err(OpenError::NotAccessible { path: path.to_owned(), why })
            }
            Ok(Err(why)) => Err(broken(why.to_string())),
            Err(panic) => Err(broken(panic_text(&*panic))),
        };
    }
}

/// Whether `path` has no file of a store yet.
pub fn is_new(path: &Path) -> bool {
    !["db", "conf", note::FILE].iter().any(|name| path.join(name).exists())
}

/// Removes what it can of a store whose creation failed.
pub fn discard_creation(path: &Path) {
    for name in ["db", "conf", note::FILE] {
        if let Err(why) = fs::remove_file(path.join(name))
            && why.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(
                path = %path.join(name).display(),
                error = %why,
                "a file of a store whose creation failed cannot be removed"
            );
        }
    }
}

/// Syncs the files of a new store, their directory entries, and the directories
/// above.
pub fn make_creation_durable(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        File::open(entry.path())?.sync_all()?;
    }
    File::open(path)?.sync_all()?;
    let mut ancestor = path.canonicalize()?;
    // `create_dir_all` may have created several levels.
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

/// How many directories above a new store are synced.
const CREATED_LEVELS_MAX: usize = 4;

pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref().copied());
    text.unwrap_or("sled gave no reason").to_owned()
}

/// What failed, with advice on how to fix it.
pub(super) fn failed(what: &str, why: &io::Error) -> String {
    format!("{what} failed: {why}. {}", advice(why, "Check the disk (dmesg)"))
}

pub(super) fn failed_in_sled(what: &str, why: &sled::Error) -> String {
    if let sled::Error::Io(why) = why { failed(what, why) } else { format!("{what} failed: {why}") }
}
