//! How a call to the database fails, what caused the failure, and how long a
//! call may take.

use super::CALL_MILLISECONDS_MAX;
use crate::Unavailable;
use std::fmt;
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// The error as text for people: the server's own message if there is one.
pub(super) fn words(why: &tokio_postgres::Error) -> String {
    match why.as_db_error() {
        Some(error) => format!("{} ({})", error.message(), error.code().code()),
        None => {
            // The outermost text only says "error connecting to server"; its
            // sources say why.
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

/// Whether repeating the whole transaction may succeed at once: another
/// transaction was first, or was in the way.
pub(super) fn is_conflict(why: &tokio_postgres::Error) -> bool {
    let conflicts = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::UNIQUE_VIOLATION,
    ];
    why.code().is_some_and(|code| conflicts.contains(code))
}

/// The cause of the failure of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureScope {
    /// The contents of one of its batches: the database refuses them, and
    /// always will.
    Data,
    /// A row that one of its batches needs: it is locked, or the statement
    /// takes too long.
    Lock,
    /// The server: for example, its disk is full, or it is read-only.
    Server,
    /// Unknown. The outcome is unknown too.
    Unknown,
}

pub(super) fn blame(failed: &Failed) -> FailureScope {
    let Failed::PrimaryStatus(why) = failed else { return FailureScope::Unknown };
    let Some(code) = why.code() else { return FailureScope::Unknown };
    if [SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED].contains(code) {
        return FailureScope::Lock;
    }
    if [SqlState::READ_ONLY_SQL_TRANSACTION, SqlState::INSUFFICIENT_PRIVILEGE].contains(code) {
        return FailureScope::Server;
    }
    match &code.code()[..2] {
        // Data exceptions, and limits of the database itself.
        "22" | "54" => FailureScope::Data,
        // Insufficient resources, and system errors.
        "53" | "58" => FailureScope::Server,
        _ => FailureScope::Unknown,
    }
}

/// Waits for an answer of the database, but no longer than a hook can wait.
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
        Ok(Err(why)) => Err(Failed::PrimaryStatus(why)),
        Err(_) => Err(Failed::TooSlow),
    }
}

/// Why a call to the database failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// The database or the connection reported an error.
    PrimaryStatus(tokio_postgres::Error),
    /// There was no answer in time.
    TooSlow,
    /// There was an answer, but the server has sent a warning meanwhile: it may
    /// have done less than asked.
    Warned(String),
    /// The answer came from a server that is no longer the primary.
    Superseded,
    /// Nothing was sent: the server has not confirmed a commit for some time.
    StandsStill,
    /// The answer is not what was asked for.
    NotWritable(&'static str),
}

impl Failed {
    /// Whether the statement may have taken effect all the same. Only an error
    /// from the server shows that it did not, and not even that if the server
    /// had to abort its work.
    pub(super) fn leaves_doubt(&self) -> bool {
        match self {
            Failed::TooSlow => true,
            // Already counted as unconfirmed, or never sent.
            Failed::Warned(_)
            | Failed::Superseded
            | Failed::StandsStill
            | Failed::NotWritable(_) => false,
            Failed::PrimaryStatus(why) => match why.code() {
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
            Failed::PrimaryStatus(why) => f.write_str(&words(why)),
            Failed::TooSlow => f.write_str("the database did not answer in time"),
            Failed::Superseded => {
                f.write_str("another server of the database has been promoted meanwhile")
            }
            Failed::StandsStill => f.write_str(
                "the database confirms no commits: its synchronous standby is \
                 disconnected, or its disk hangs",
            ),
            Failed::NotWritable(what) => write!(f, "the database {what}"),
            Failed::Warned(warning) => write!(
                f,
                "the database answered with a warning, so the change may not be kept \
                 as promised: {warning}"
            ),
        }
    }
}

impl From<Failed> for Unavailable {
    fn from(failed: Failed) -> Unavailable {
        Unavailable::Unreachable(failed.to_string())
    }
}
