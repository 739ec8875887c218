//! The thread that writes the lines of the log, and the queue before it.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use crate::telemetry::metrics;

/// Lines that may wait for the writing thread.
const WAITING_LINES_MAX: usize = 8192;

/// How long lines gather after a write.
const GATHERING: Duration = Duration::from_millis(5);

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

/// Starts the thread. `shown` makes control characters visible that a terminal
/// would obey.
pub(super) fn start(shown: for<'a> fn(&'a str) -> Cow<'a, str>) -> (Logs, LineSender) {
    let (lines, queue) = sync_channel(WAITING_LINES_MAX);
    let dropped = Arc::new(AtomicU64::new(0));
    let sender = LineSender { lines: lines.clone(), dropped: Arc::clone(&dropped), shown };
    let write = move || write_lines(&queue, &dropped);
    let thread = std::thread::Builder::new().name("logs".into()).spawn(write).ok();
    (Logs { lines: Some(lines), thread }, sender)
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

/// Makes the writers of lines.
#[derive(Clone)]
pub(super) struct LineSender {
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    shown: for<'a> fn(&'a str) -> Cow<'a, str>,
}

pub(super) struct Line<'a> {
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
    use crate::kernel::text::shown_json;

    #[test]
    fn what_is_not_read_is_dropped_and_counted() {
        let (lines, queue) = sync_channel(2);
        let sender = LineSender { lines, dropped: Arc::default(), shown: shown_json };
        for _ in 0..5 {
            sender.make_writer().write_all(b"a line").expect("it is taken");
        }
        assert_eq!((queue.try_iter().count(), sender.dropped.load(Ordering::Relaxed)), (2, 3));
    }
}
