//! The database schema and its versions. Migrations only go forward. A
//! migration either adds what older programs ignore, or records the oldest
//! program version that still works with it, so that two versions can run side
//! by side during an upgrade.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::address::Address;
use super::failed::{Failed, within};
use super::link::PROMISES;
use super::opened::{NoPrimary, OpenError};
use super::server::NotConnected;

/// What to do about an older schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migration {
    /// Migrate it to the current version.
    Apply,
    /// Refuse to use it.
    Refuse,
}

/// One migration: its SQL text, and the oldest schema version that a program
/// must know to work with the result.
struct Step {
    text: &'static str,
    oldest_program: i32,
}

/// All migrations. Those that have been released are never changed.
const STEPS: [Step; 3] = [
    Step { text: include_str!("../../../../migrations/0001_begin.sql"), oldest_program: 1 },
    Step { text: include_str!("../../../../migrations/0002_lists.sql"), oldest_program: 2 },
    Step {
        text: include_str!("../../../../migrations/0003_parts_by_counter.sql"),
        oldest_program: 2,
    },
];

/// The schema version that this program needs and creates.
fn known() -> i32 {
    i32::try_from(STEPS.len()).unwrap_or(i32::MAX)
}

/// The advisory lock that prevents two processes from migrating at the same
/// time. Any number will do, as long as it never changes.
const LOCK: i64 = 0x7469_6c6c_6761_7465; // "tillgate"

/// How long checking the schema may take.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// How long a migration may take, including the wait for another process that
/// is migrating.
const MIGRATION_MAX: Duration = Duration::from_secs(600);

/// Makes sure that the schema has a version that this program can use.
pub async fn prepare(address: &Address, migration: Migration) -> Result<(), OpenError> {
    let shown_address = address.to_string();
    let (client, connection) = address.connect().await.map_err(|not| match not {
        NotConnected::NoPrimary(why) => NoPrimary { address: shown_address.clone(), why }.into(),
        NotConnected::NotReached(why) => {
            OpenError::NotReached { address: shown_address.clone(), why }
        }
    })?;
    let not_reached = |why: Failed| OpenError::NotReached {
        address: shown_address.clone(),
        why: why.to_string(),
    };
    let (mut found, mut oldest) = within(LOOK_MAX, version(&client)).await.map_err(not_reached)?;
    if found < known() {
        if migration == Migration::Refuse {
            return Err(OpenError::Older { address: shown_address, found, known: known() });
        }
        let before = connection.warnings();
        let not_migrated = |why: String| OpenError::NotMigrated {
            address: shown_address.clone(),
            known: known(),
            why,
        };
        within(MIGRATION_MAX, migrate(&client)).await.map_err(|why| {
            // The connection broke: another server may be available in a
            // moment.
            let broke = matches!(&why, Failed::PrimaryStatus(error) if error.code().is_none());
            if broke { not_reached(why) } else { not_migrated(why.to_string()) }
        })?;
        if let Some(warning) = connection.warned_since(before) {
            return Err(not_migrated(Failed::Warned(warning).to_string()));
        }
        (found, oldest) = within(LOOK_MAX, version(&client)).await.map_err(not_reached)?;
    }
    if oldest > known() {
        return Err(OpenError::Newer { address: shown_address, found, known: known() });
    }
    Ok(())
}

/// Whether this user may create the schema, or change it if it exists.
pub async fn may_migrate(address: &Address) -> Result<bool, String> {
    let (client, _driving) = address.connect().await.map_err(NotConnected::into_text)?;
    let text = "SELECT coalesce((SELECT pg_has_role(nspowner, 'USAGE') \
                FROM pg_namespace WHERE nspname = 'tillgate'), \
                has_database_privilege(current_database(), 'CREATE'))";
    let row = within(LOOK_MAX, client.query_one(text, &[])).await.map_err(|why| why.to_string())?;
    Ok(row.get(0))
}

/// The version of the schema, and the oldest version that a program must know
/// to use it.
async fn version(client: &Client) -> Result<(i32, i32), tokio_postgres::Error> {
    let text = "SELECT coalesce(max(version), 0), coalesce(max(oldest_program), 0) \
                FROM tillgate.schema_versions";
    match client.query_one(text, &[]).await {
        Ok(row) => Ok((row.get(0), row.get(1))),
        Err(why)
            if [Some(&SqlState::UNDEFINED_TABLE), Some(&SqlState::INVALID_SCHEMA_NAME)]
                .contains(&why.code()) =>
        {
            Ok((0, 0))
        }
        Err(why) => Err(why),
    }
}

async fn migrate(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(PROMISES).await?;
    client.batch_execute("BEGIN").await?;
    let applied = apply(client).await;
    let end = if applied.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = client.batch_execute(end).await;
    applied.and(ended)
}

async fn apply(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    client
        .batch_execute(
            "CREATE SCHEMA IF NOT EXISTS tillgate; \
             CREATE TABLE IF NOT EXISTS tillgate.schema_versions ( \
                 version integer PRIMARY KEY, \
                 oldest_program integer NOT NULL, \
                 applied_at timestamptz NOT NULL DEFAULT now())",
        )
        .await?;
    // Another process may have migrated while we waited for the lock.
    let (found, _) = version(client).await?;
    for (number, step) in (1..).zip(&STEPS).filter(|(number, _)| *number > found) {
        client.batch_execute(step.text).await?;
        let note = "INSERT INTO tillgate.schema_versions (version, oldest_program) VALUES ($1, $2)";
        client.execute(note, &[&number, &step.oldest_program]).await?;
        tracing::info!(version = number, "migrated the database schema");
    }
    Ok(())
}
