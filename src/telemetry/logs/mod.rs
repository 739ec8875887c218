//! Logs: one line for each event, JSON where a program reads them, plain on a
//! terminal.
//!
//! A separate thread writes the lines, so that a slow pipe never delays an
//! answer. When its queue is full because the reader of the log has stopped
//! reading, further lines are dropped, and the next line that gets through says
//! how many. If an answer waited for the log, the marketplace would give up and
//! the order would be lost; what the log says of a hook is also in the store's
//! journal.
//!
//! Other crates log at most warnings, whatever `TILLGATE_LOG` says: their more
//! verbose lines contain what they process, which is customers' data and
//! tokens. `TILLGATE_LOG_UNSAFE_CRATES` lifts this limit for the crates that it
//! names.

mod json;
mod levels;
mod lines;

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::{FilterExt, LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use self::json::JsonLine;
use self::levels::{Crates, LEVEL_DEFAULT, UNSAFE_CRATES, levels};
pub use self::lines::Logs;
use crate::kernel::text::{shown_in_colours, shown_json};

/// The variable that states what is logged.
const LEVELS: &str = "TILLGATE_LOG";

/// Starts logging to stderr. `TILLGATE_LOG` takes a level or levels of targets,
/// such as `info` or `warn,tillgate::gateway=debug`.
pub fn start() -> Logs {
    let asked = std::env::var(LEVELS).unwrap_or_default();
    let (asked, unusable) = match levels(&asked) {
        Ok(levels) => (levels, None),
        Err(why) => (Targets::new().with_default(LEVEL_DEFAULT), Some(why)),
    };
    let unsafe_crates = Crates::from_env();
    let is_unsafe = !unsafe_crates.0.is_empty();
    let named = unsafe_crates.0.join(", ");
    // The hint lets `tracing` and `log` skip disabled levels without asking the
    // filter.
    let by_crate =
        filter_fn(move |line| unsafe_crates.allow(line)).with_max_level_hint(LevelFilter::TRACE);
    let filter = asked.and(by_crate);
    let is_terminal = io::stderr().is_terminal();
    let (logs, writer) = lines::start(if is_terminal { shown_in_colours } else { shown_json });
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer = if is_terminal {
        layer.with_target(false).with_filter(filter).boxed()
    } else {
        layer.event_format(JsonLine).with_filter(filter).boxed()
    };
    tracing_subscriber::registry().with(layer).init();
    if let Some(why) = unusable {
        tracing::warn!(error = %why, "{LEVELS} cannot be used, {LEVEL_DEFAULT} is logged");
    }
    if is_unsafe {
        tracing::warn!(
            crates = named,
            "{UNSAFE_CRATES} is set: the log may contain customers' data and tokens. Unset it as \
             soon as you can"
        );
    }
    logs
}
