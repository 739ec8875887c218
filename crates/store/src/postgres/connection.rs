//! The task that drives a connection, and what the server sends on it in
//! addition to its answers.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_postgres::AsyncMessage;
use tokio_postgres::error::Severity;
use tokio_util::task::AbortOnDropHandle;

use super::failed::words;

/// The task that drives a connection, until the connection breaks or this is
/// dropped. Dropping it closes the connection at once, whatever the server is
/// doing.
#[derive(Debug)]
pub struct Connection {
    messages_of_server: Arc<ServerMessages>,
    pub(super) timeline: u32,
    _driving: AbortOnDropHandle<()>,
}

/// What a server sends in addition to its answers.
#[derive(Debug)]
struct ServerMessages {
    warnings: AtomicU64,
    last: Mutex<String>,
    /// The payload of the latest notification.
    notification: watch::Sender<String>,
}

impl Connection {
    pub fn drive<S, T>(
        mut connection: tokio_postgres::Connection<S, T>,
        server: String,
    ) -> Connection
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let messages_of_server = Arc::new(ServerMessages {
            warnings: AtomicU64::new(0),
            last: Mutex::default(),
            notification: watch::Sender::default(),
        });
        let messages = Arc::clone(&messages_of_server);
        let driving = tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    // A warning that arrives before an answer is counted before
                    // the answer is seen.
                    Ok(AsyncMessage::Notice(notice)) => match notice.parsed_severity() {
                        Some(
                            Severity::Notice | Severity::Info | Severity::Log | Severity::Debug,
                        ) => {}
                        Some(
                            Severity::Warning | Severity::Error | Severity::Fatal | Severity::Panic,
                        )
                        | None => {
                            let said = format!("{} ({})", notice.message(), notice.code().code());
                            tracing::warn!(server, said, "the database sent a warning");
                            *messages.last.lock().unwrap_or_else(PoisonError::into_inner) = said;
                            messages.warnings.fetch_add(1, Ordering::Release);
                        }
                    },
                    Ok(AsyncMessage::Notification(notification)) => {
                        messages.notification.send_replace(notification.payload().to_owned());
                    }
                    Ok(_) => {}
                    Err(why) => {
                        tracing::warn!(
                            server,
                            error = words(&why),
                            "a connection to the database broke"
                        );
                        return;
                    }
                }
            }
        });
        Connection { messages_of_server, timeline: 0, _driving: AbortOnDropHandle::new(driving) }
    }

    /// The timeline of the server when the connection was made; 0 for a
    /// standby.
    pub fn timeline(&self) -> u32 {
        self.timeline
    }

    /// Changes with every notification that the server sends; has the payload
    /// of the latest one.
    pub fn notifications(&self) -> watch::Receiver<String> {
        self.messages_of_server.notification.subscribe()
    }

    /// The number of warnings that the server has sent.
    pub fn warnings(&self) -> u64 {
        self.messages_of_server.warnings.load(Ordering::Acquire)
    }

    /// The latest warning, if the server has sent any since the count of
    /// warnings was `before`.
    pub fn warned_since(&self, before: u64) -> Option<String> {
        let latest =
            || self.messages_of_server.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (self.warnings() != before).then(latest)
    }
}
