//! How a call of the database failed, what is to blame, and how long anything may take.

use super::CALL_MILLISECONDS_MAX;
use crate::Unavailable;
use std::fmt;
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// What went wrong, for people: the server's own words where there are some.
pub(super) fn words(why: &tokio_postgres::Error) -> String {
    match why.as_db_error() {
        Some(said) => format!("{} ({})", said.message(), said.code().code()),
        None => {
            // The outermost text says "error connecting to server"; what is behind it says why.
            let mut texts = vec![why.to_string()];
            let mut source = std::error::Error::source(why);
            while let Some(behind) = source {
                texts.push(behind.to_string());
                source = behind.source();
            }
            texts.dedup();
            texts.join(": ")
        }
    }
}

/// Whether doing the whole transaction again may succeed at once: somebody else was quicker, or stood in the way.
pub(super) fn is_conflict(why: &tokio_postgres::Error) -> bool {
    let conflicts =
        [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::UNIQUE_VIOLATION];
    why.code().is_some_and(|code| conflicts.contains(code))
}

/// What a failure of a group is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// What one of its batches holds: the database will not have it, and never will.
    Data,
    /// What one of its batches is about: it is locked, or takes too long.
    Lock,
    /// The server: its disk is full, or it may not be written to.
    Server,
    /// Nothing that is known: the outcome may be either.
    Unknown,
}

pub(super) fn blame(failed: &Failed) -> Blame {
    let Failed::Said(why) = failed else { return Blame::Unknown };
    let Some(code) = why.code() else { return Blame::Unknown };
    if [SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED].contains(code) {
        return Blame::Lock;
    }
    if [SqlState::READ_ONLY_SQL_TRANSACTION, SqlState::INSUFFICIENT_PRIVILEGE].contains(code) {
        return Blame::Server;
    }
    match &code.code()[..2] {
        // Data exceptions, and limits of the database's own.
        "22" | "54" => Blame::Data,
        // Resources, and the system under it.
        "53" | "58" => Blame::Server,
        _ => Blame::Unknown,
    }
}

/// Waits for an answer of the database, but not longer than a hook can wait.
pub(super) async fn in_time<T>(
    call: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Failed> {
    within(Duration::from_millis(CALL_MILLISECONDS_MAX), call).await
}

pub(super) async fn within<T>(
    patience: Duration,
    call: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Failed> {
    match tokio::time::timeout(patience, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(why)) => Err(Failed::Said(why)),
        Err(_) => Err(Failed::TooSlow),
    }
}

/// Why a call to the database failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// The database or the connection says so.
    Said(tokio_postgres::Error),
    /// There was no answer in time.
    TooSlow,
    /// It was answered, and the server has warned meanwhile: less may have been done.
    Warned(String),
    /// It was answered by a server that is the primary no more.
    Superseded,
    /// It was not asked: the server has confirmed nothing for some time.
    StandsStill,
    /// The answer is none that was asked for.
    Unfit(&'static str),
}

impl Failed {
    /// What was asked for may have been done all the same. Only the server's own word that it failed says that it was not,
    /// and not even that if the server was told to end what it was at.
    pub(super) fn leaves_doubt(&self) -> bool {
        match self {
            Failed::TooSlow => true,
            // Counted already, or not asked.
            Failed::Warned(_) | Failed::Superseded | Failed::StandsStill | Failed::Unfit(_) => false,
            Failed::Said(why) => match why.code() {
                Some(code) if *code == SqlState::QUERY_CANCELED => false,
                Some(code) => code.code().starts_with("57") || code.code().starts_with("XX"),
                None => true,
            },
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Said(why) => f.write_str(&words(why)),
            Failed::TooSlow => f.write_str("the database did not answer in time"),
            Failed::Superseded => f.write_str("another server of the database was promoted meanwhile"),
            Failed::StandsStill => f.write_str(
                "the database confirms no commit: its synchronous standby is away, or its disk stands still",
            ),
            Failed::Unfit(what) => write!(f, "the database {what}"),
            Failed::Warned(warning) => write!(
                f,
                "the database warned beside its answer, so what it was asked for may not be kept as promised: {warning}"
            ),
        }
    }
}

impl From<Failed> for Unavailable {
    fn from(failed: Failed) -> Unavailable {
        Unavailable::Unreachable(failed.to_string())
    }
}
