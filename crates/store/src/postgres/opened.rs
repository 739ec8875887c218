//! Whether the database can be worked on, and why not.

/// Whether the store may be used.
#[derive(Debug, Clone)]
pub enum Opening {
    /// The schema is known to be ours.
    Open,
    /// It could not be looked at yet.
    Waits {
        /// Why.
        why: String,
    },
    /// It is not ours: nothing will come of it.
    Failed {
        /// Why.
        why: String,
    },
}

/// Why a database cannot be used as a store. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It lives, and takes no writes now.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// It cannot be reached.
    #[error("{address}: {why}. Is PostgreSQL running there, and may this user log in?")]
    NotReached {
        /// Where, without a password.
        address: String,
        /// What was said.
        why: String,
    },
    /// Its schema is of a version that this program does not know.
    #[error(
        "{address}: the schema is of version {found}, made by a newer tillgate, and this one knows {known}. Run the \
         newer one"
    )]
    Newer {
        /// Where.
        address: String,
        /// The version there.
        found: i32,
        /// The version here.
        known: i32,
    },
    /// Its schema is older, and is not to be changed.
    #[error(
        "{address}: the schema is of version {found}, and {known} is needed. Run: tillgate migrate, as a user who may \
         create tables"
    )]
    Older {
        /// Where.
        address: String,
        /// The version there.
        found: i32,
        /// The version here.
        known: i32,
    },
    /// The schema could not be changed.
    #[error("{address}: the schema could not be brought to version {known}: {why}")]
    NotMigrated {
        /// Where.
        address: String,
        /// The version here.
        known: i32,
        /// What was said.
        why: String,
    },
}

/// A database that lives and takes no writes now.
#[derive(Debug, thiserror::Error)]
#[error(
    "{address}: no server there takes writes now ({why}). Is a fail-over under way? Promote a standby, or name its primary"
)]
pub struct NotNow {
    /// Where, without a password.
    pub address: String,
    /// What each server said.
    pub why: String,
}
