//! Whether the database can be used, and why not.

/// The state of opening the store.
#[derive(Debug, Clone)]
pub enum Opening {
    /// The schema has been checked and is usable.
    Open,
    /// The schema could not be checked yet.
    Waits { why: String },
    /// The schema is unusable, and waiting will not help.
    Failed { why: String },
}

/// Why a database cannot be used as a store. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A server has answered, but none accepts writes now.
    #[error(transparent)]
    NoPrimary(#[from] NoPrimary),
    /// No server can be reached.
    #[error("{address}: {why}. Is PostgreSQL running there, and may this user log in?")]
    NotReached {
        /// The address, without the password.
        address: String,
        /// The reason that was reported.
        why: String,
    },
    /// The schema has a version that this program does not know.
    #[error(
        "{address}: the schema has version {found}, made by a newer tillgate, \
         and this tillgate knows {known}. Run the newer one"
    )]
    Newer {
        address: String,
        /// The schema version of the database.
        found: i32,
        /// The schema version that this program needs.
        known: i32,
    },
    /// The schema is older, and may not be migrated automatically.
    #[error(
        "{address}: the schema has version {found}, and {known} is needed. Run: \
         tillgate migrate, as a user who may create tables"
    )]
    Older {
        address: String,
        /// The schema version of the database.
        found: i32,
        /// The schema version that this program needs.
        known: i32,
    },
    /// The migration of the schema failed.
    #[error("{address}: the schema could not be migrated to version {known}: {why}")]
    NotMigrated {
        address: String,
        /// The schema version that this program needs.
        known: i32,
        /// The reason that was reported.
        why: String,
    },
}

/// A database of which a server has answered, but none accepts writes now.
#[derive(Debug, thiserror::Error)]
#[error(
    "{address}: no server there accepts writes now ({why}). Is a fail-over under \
     way? Promote a standby, or name the primary in the address"
)]
pub struct NoPrimary {
    /// The address, without the password.
    pub address: String,
    /// The reason for each server.
    pub why: String,
}
