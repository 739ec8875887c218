//! Logs: one line for each event, JSON where a program reads them, plain on a terminal.
//!
//! Lines go through a thread of their own, so that a slow pipe never holds up an answer. When its queue is
//! full the writers wait: a lost line is worse than a slow one.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait for the writing thread.
const WAITING_LINES_MAX: usize = 8192;

/// How long lines gather after some have been written.
const GATHERING: Duration = Duration::from_millis(5);

/// Keeps the writing thread; when it is dropped, what waits is written.
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

/// Starts logging to stderr. `TILLGATE_LOG` takes a filter such as `info` or `tillgate=debug`.
pub fn start() -> Logs {
    let filter = EnvFilter::try_from_env("TILLGATE_LOG").unwrap_or_else(|_| EnvFilter::new("info,sled=warn"));
    let (lines, queue) = sync_channel(WAITING_LINES_MAX);
    let thread = std::thread::Builder::new().name("logs".into()).spawn(move || write_lines(&queue)).ok();
    let writer = LineSender(lines.clone());
    let format = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    if io::stderr().is_terminal() {
        format.with_target(false).init();
    } else {
        format.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
    }
    Logs { lines: Some(lines), thread }
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

fn write_lines(queue: &Receiver<Message>) {
    let mut out = BufWriter::with_capacity(64 * 1024, io::stderr());
    while let Ok(mut message) = queue.recv() {
        // Write what has gathered, then flush once.
        loop {
            match message {
                Message::Line(line) => {
                    if out.write_all(&line).is_err() {
                        return; // nobody reads us any more
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
        // Lines that gather meanwhile cost their writers nothing; to wake this thread for each would.
        std::thread::sleep(GATHERING);
    }
}

#[derive(Clone)]
struct LineSender(SyncSender<Message>);

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
        let _ = self.sender.0.send(Message::Line(std::mem::take(&mut self.bytes)));
    }
}
