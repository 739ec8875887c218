//! Which lines are logged.

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};

/// What is logged unless `TILLGATE_LOG` says otherwise.
pub(super) const LEVEL_DEFAULT: LevelFilter = LevelFilter::INFO;

/// The variable that names the crates whose verbose lines are logged anyway.
pub(super) const UNSAFE_CRATES: &str = "TILLGATE_LOG_UNSAFE_CRATES";

/// The most verbose level at which other crates may log.
const OTHERS_LEVEL_MAX: Level = Level::WARN;

/// Reads a level, or levels of targets. A target without a level of its own has
/// the level that is named alone.
pub(super) fn levels(asked: &str) -> Result<Targets, ParseError> {
    if asked.trim().is_empty() {
        return Ok(Targets::new().with_default(LEVEL_DEFAULT));
    }
    let levels: Targets = asked.parse()?;
    let default = levels.default_level().unwrap_or(LEVEL_DEFAULT);
    Ok(levels.with_default(default))
}

/// Other crates whose verbose lines are logged.
#[derive(Debug, Clone, Default)]
pub(super) struct Crates(pub Vec<String>);

impl Crates {
    pub fn from_env() -> Crates {
        Crates::read(&std::env::var(UNSAFE_CRATES).unwrap_or_default())
    }

    fn read(list: &str) -> Crates {
        let names = list.split(',').map(|name| name.trim().replace('-', "_"));
        Crates(names.filter(|name| !name.is_empty()).collect())
    }

    /// Whether a line may be logged, as far as that depends on its crate.
    pub fn allow(&self, line: &Metadata<'_>) -> bool {
        *line.level() <= OTHERS_LEVEL_MAX || {
            let name = line.target().split("::").next().unwrap_or_default();
            is_ours(name) || self.0.iter().any(|named| named == name)
        }
    }
}

/// Whether a crate is one of this workspace: `tillgate`, `tillgate_store`, …
fn is_ours(name: &str) -> bool {
    name.strip_prefix(env!("CARGO_CRATE_NAME"))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_as_a_whole_and_by_target() {
        let would = |asked: &str, target: &str, level: Level| {
            levels(asked).expect("levels").would_enable(target, &level)
        };
        assert!(would("", "tillgate", Level::INFO) && !would("", "tillgate", Level::DEBUG));
        assert!(would("debug", "sled", Level::DEBUG) && !would("off", "tillgate", Level::ERROR));
        let mixed = "warn,tillgate::gateway=debug";
        assert!(would(mixed, "tillgate::gateway::yookassa", Level::DEBUG));
        assert!(!would(mixed, "tillgate::http", Level::INFO));
        assert!(would("tillgate::gateway=debug", "tillgate::http", Level::INFO));
        assert!(levels("tillgate=loud").is_err());
    }

    #[test]
    fn our_own_crates_are_never_silenced() {
        assert!(["tillgate", "tillgate_web", "tillgate_store"].into_iter().all(is_ours));
        assert!(!["tillgates", "hyper", "sled", ""].into_iter().any(is_ours));
    }

    #[test]
    fn crates_are_named_as_people_write_them() {
        assert_eq!(Crates::read(" tokio-postgres, sled,,").0, ["tokio_postgres", "sled"]);
        assert!(Crates::read("").0.is_empty());
    }
}
