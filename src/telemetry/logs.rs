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

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, LevelFilter, ParseError, Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::metrics;
use crate::kernel::text::{shown_in_colours, shown_json};

/// Lines that may wait for the writing thread.
const WAITING_LINES_MAX: usize = 8192;

/// How long lines gather after a write.
const GATHERING: Duration = Duration::from_millis(5);

/// The variable that states what is logged.
const LEVELS: &str = "TILLGATE_LOG";

/// What is logged unless `TILLGATE_LOG` says otherwise.
const LEVEL_DEFAULT: LevelFilter = LevelFilter::INFO;

/// The variable that names the crates whose verbose lines are logged anyway.
const UNSAFE_CRATES: &str = "TILLGATE_LOG_UNSAFE_CRATES";

/// The most verbose level at which other crates may log.
const OTHERS_LEVEL_MAX: Level = Level::WARN;

/// Owns the writing thread. When it is dropped, the waiting lines are written.
#[derive(Debug)]
#[must_use = "logs end when this is dropped"]
pub struct Logs {
    lines: Option<SyncSender<Message>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

enum Message {
    Line(Vec<u8>),
    End,
}

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
    let (lines, queue) = sync_channel(WAITING_LINES_MAX);
    let dropped = Arc::new(AtomicU64::new(0));
    let is_terminal = io::stderr().is_terminal();
    let shown = if is_terminal { shown_in_colours } else { shown_json };
    let writer = LineSender { lines: lines.clone(), dropped: Arc::clone(&dropped), shown };
    let write = move || write_lines(&queue, &dropped);
    let thread = std::thread::Builder::new().name("logs".into()).spawn(write).ok();
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer = if is_terminal {
        layer.with_target(false).with_filter(filter).boxed()
    } else {
        let json = layer.json().flatten_event(true).with_current_span(false).with_span_list(false);
        json.with_filter(filter).boxed()
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
    Logs { lines: Some(lines), thread }
}

/// Reads a level, or levels of targets. A target without a level of its own has
/// the level that is named alone.
fn levels(asked: &str) -> Result<Targets, ParseError> {
    if asked.trim().is_empty() {
        return Ok(Targets::new().with_default(LEVEL_DEFAULT));
    }
    let levels: Targets = asked.parse()?;
    let default = levels.default_level().unwrap_or(LEVEL_DEFAULT);
    Ok(levels.with_default(default))
}

/// Other crates whose verbose lines are logged.
#[derive(Debug, Clone, Default)]
struct Crates(Vec<String>);

impl Crates {
    fn from_env() -> Crates {
        Crates::read(&std::env::var(UNSAFE_CRATES).unwrap_or_default())
    }

    fn read(list: &str) -> Crates {
        let names = list.split(',').map(|name| name.trim().replace('-', "_"));
        Crates(names.filter(|name| !name.is_empty()).collect())
    }

    /// Whether a line may be logged, as far as that depends on its crate.
    fn allow(&self, line: &Metadata<'_>) -> bool {
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

impl Drop for Logs {
    fn drop(&mut self) {
        if let Some(lines) = self.lines.take() {
            let _ = lines.send(Message::End);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_lines(queue: &Receiver<Message>, dropped: &AtomicU64) {
    let mut out = BufWriter::with_capacity(64 * 1024, io::stderr());
    while let Ok(mut message) = queue.recv() {
        let lines = dropped.swap(0, Ordering::Relaxed);
        if lines > 0 {
            // This line goes into the queue, which has just become shorter.
            tracing::warn!(lines, "log lines were dropped: the reader of the log is too slow");
        }
        // Write what has gathered, then flush once.
        loop {
            match message {
                Message::Line(line) => {
                    if out.write_all(&line).is_err() {
                        return; // nobody reads the log any more
                    }
                }
                Message::End => {
                    let _ = out.flush();
                    return;
                }
            }
            message = match queue.try_recv() {
                Ok(next) => next,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            };
        }
        let _ = out.flush();
        // Gathering costs the writers of lines nothing; waking this thread for
        // each line would.
        std::thread::sleep(GATHERING);
    }
}

#[derive(Clone)]
struct LineSender {
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    /// Makes control characters visible that a terminal would obey.
    shown: for<'a> fn(&'a str) -> Cow<'a, str>,
}

struct Line<'a> {
    sender: &'a LineSender,
    bytes: Vec<u8>,
}

impl<'a> MakeWriter<'a> for LineSender {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { sender: self, bytes: Vec::with_capacity(256) }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let mut line = std::mem::take(&mut self.bytes);
        // Nearly every line is printable ASCII: the formatter escapes control
        // characters itself.
        if line.iter().any(|byte| *byte >= 0x7f)
            && let Cow::Owned(shown) = (self.sender.shown)(&String::from_utf8_lossy(&line))
        {
            line = shown.into_bytes();
        }
        // An error other than a full queue is ignored: the writing thread has
        // ended.
        if let Err(TrySendError::Full(_)) = self.sender.lines.try_send(Message::Line(line)) {
            self.sender.dropped.fetch_add(1, Ordering::Relaxed);
            metrics::log_line_dropped();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_is_dropped_and_counted() {
        let (lines, queue) = sync_channel(2);
        let sender = LineSender { lines, dropped: Arc::default(), shown: shown_json };
        for _ in 0..5 {
            sender.make_writer().write_all(b"a line").expect("it is taken");
        }
        assert_eq!((queue.try_iter().count(), sender.dropped.load(Ordering::Relaxed)), (2, 3));
    }

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
