//! A mail server that keeps the letters, on this machine: for the demonstration
//! of the shop, and for tests. It speaks SMTP without TLS.

mod letter;
mod session;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

pub use letter::Letter;
use session::Session;

/// A running mail server.
#[derive(Debug)]
pub struct Mailbox {
    address: SocketAddr,
    letters: watch::Receiver<Vec<Letter>>,
    refusals: Arc<Mutex<VecDeque<u16>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Mailbox {
    /// Opens a mail server on a free port.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub async fn open() -> std::io::Result<Mailbox> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (kept, letters) = watch::channel(Vec::new());
        let refusals: Arc<Mutex<VecDeque<u16>>> = Arc::default();
        let next = Arc::clone(&refusals);
        let kept = Arc::new(kept);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let session = Session { kept: Arc::clone(&kept), refusals: Arc::clone(&next) };
                // A client that hangs up in the middle is its own business.
                tokio::spawn(async move { session.serve(stream).await.ok() });
            }
        });
        Ok(Mailbox { address, letters, refusals, serving })
    }

    /// Its address for `[shop.mail]`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Refuses as many letters as there are codes, each with its code.
    pub fn refuse(&self, codes: impl IntoIterator<Item = u16>) {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).extend(codes);
    }

    /// All letters so far.
    #[must_use]
    pub fn letters(&self) -> Vec<Letter> {
        self.letters.borrow().clone()
    }

    /// Shows each letter that arrives from now on, until Ctrl-C.
    pub async fn follow(&self, show: impl Fn(&Letter)) {
        let mut letters = self.letters.clone();
        let mut shown = letters.borrow_and_update().len();
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return,
                changed = letters.changed() => if changed.is_err() { return },
            }
            let all = letters.borrow_and_update().clone();
            all.iter().skip(shown).for_each(&show);
            shown = all.len();
        }
    }

    /// Waits for the `number`th letter to an address, counted from 1. `None`
    /// if it does not arrive within `wait`.
    pub async fn letter_to(&self, to: &str, number: usize, wait: Duration) -> Option<Letter> {
        let mut letters = self.letters.clone();
        let nth = |all: &Vec<Letter>| {
            all.iter().filter(|letter| letter.to == to).nth(number.checked_sub(1)?).cloned()
        };
        let arrived = letters.wait_for(|all| nth(all).is_some());
        let arrived = tokio::time::timeout(wait, arrived).await.ok()?.ok()?;
        nth(&arrived)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
