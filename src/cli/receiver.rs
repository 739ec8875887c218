//! The receiver that runs on this machine: where it listens, whatever it was told when it was started.
//!
//! `serve` leaves a note of its address, in the store's own folder or in the directory that the service manager gives it.
//! The note may be old: a command that finds it first asks at that address who is there, and sends nothing else before.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderMap, Method};

use crate::config::{Endpoint, Settings, StoreUrl};
use crate::http::ops::{STORE_HEADER, VERSION_HEADER};
use crate::peer::{ANSWER_BYTES_MAX, Client, ClientError};

/// The note's name.
const FILE: &str = "receiver";

/// Where systemd's unit has its notes, for those who are not started by it.
const RUNTIME_DIRECTORY: &str = "/run/tillgate";

/// How long a receiver may take to say that it is there.
const ANSWER_WAIT: Duration = Duration::from_secs(3);

/// A receiver that answers.
#[derive(Debug, Clone)]
pub struct Running {
    /// Of which store, as [`StoreUrl::mark`] has it.
    store: Option<String>,
    /// Where its admin API is.
    pub endpoint: Endpoint,
    /// What it says of itself: its version, and whether it is ready.
    pub says: String,
}

impl Running {
    /// Whether it is a receiver of this store.
    pub fn is_of(&self, store: &StoreUrl) -> bool {
        self.store.as_ref() == Some(&store.mark())
    }
}

/// The note of a receiver that serves. It is taken away when this is dropped, if it is still ours.
#[derive(Debug)]
pub struct Note {
    path: PathBuf,
    text: String,
}

impl Note {
    /// Leaves a note. Where there is no place for one, those who look for the receiver use the configuration.
    pub fn leave(settings: &Settings, endpoint: Endpoint) -> Option<Note> {
        let path = place(settings)?;
        let text = match reachable(endpoint) {
            Endpoint::Tcp(address) => format!("{address}\n"),
            Endpoint::Unix(path) => {
                format!("unix:{}\n", std::path::absolute(&path).unwrap_or(path).display())
            }
        };
        let written = match path.parent() {
            Some(folder) => std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, &text)),
            None => std::fs::write(&path, &text),
        };
        match written {
            Ok(()) => Some(Note { path, text }),
            Err(why) => {
                tracing::warn!(path = %path.display(), error = %why, "where this receiver listens cannot be noted; commands use the configuration's listen");
                None
            }
        }
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // Another receiver may have left its own meanwhile.
        if std::fs::read_to_string(&self.path).is_ok_and(|text| text == self.text) {
            let _ = std::fs::remove_file(&self.path); // an old note does no harm
        }
    }
}

/// Where the note of this store's receiver lies: with the store, where the service manager says, or among this user's own
/// files.
fn place(settings: &Settings) -> Option<PathBuf> {
    if let StoreUrl::Sled(folder) = &settings.store {
        return Some(folder.join(FILE));
    }
    let given = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    let of_service = given.or_else(|| Some(RUNTIME_DIRECTORY.into())).filter(|directory| directory.is_dir());
    let of_user = || {
        let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
        let base = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).or_else(home)?;
        Some(base.join("tillgate"))
    };
    let directory = of_service.or_else(of_user)?;
    Some(directory.join(format!("{FILE}-{}", settings.store.mark())))
}

/// Where somebody on this machine reaches a receiver that listens at `endpoint`.
pub fn reachable(endpoint: Endpoint) -> Endpoint {
    match endpoint {
        Endpoint::Tcp(address) if address.ip().is_unspecified() => {
            Endpoint::Tcp((Ipv4Addr::LOCALHOST, address.port()).into())
        }
        Endpoint::Tcp(_) | Endpoint::Unix(_) => endpoint,
    }
}

/// Where the settings say that the admin API is.
pub fn configured(settings: &Settings) -> Endpoint {
    settings.admin_listen.clone().unwrap_or(Endpoint::Tcp(settings.listen))
}

/// The receiver that runs on these settings, if it answers: where its note says, or where the configuration says.
pub async fn find(settings: &Settings) -> Option<Running> {
    let noted = place(settings).and_then(|path| noted_at(&path));
    for endpoint in noted.into_iter().chain([reachable(configured(settings))]) {
        // Another store's receiver may listen where ours did, or should.
        if let Some(running) = ask(endpoint).await.filter(|running| running.is_of(&settings.store)) {
            return Some(running);
        }
    }
    None
}

fn noted_at(path: &Path) -> Option<Endpoint> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A client for whoever listens at `endpoint`, and what its addresses begin with.
pub fn client_of(
    endpoint: &Endpoint,
    deadline: Duration,
    answer_bytes_max: usize,
) -> Result<(Client, String), ClientError> {
    match endpoint {
        Endpoint::Tcp(address) => Ok((Client::new(deadline, answer_bytes_max)?, format!("http://{address}"))),
        Endpoint::Unix(path) => {
            Ok((Client::at_socket(path, deadline, answer_bytes_max)?, "http://localhost".into()))
        }
    }
}

/// Asks who is at an address; none if it is no receiver.
pub async fn ask(endpoint: Endpoint) -> Option<Running> {
    if matches!(endpoint, Endpoint::Tcp(address) if address.port() == 0) {
        return None;
    }
    let (client, base) = client_of(&endpoint, ANSWER_WAIT, ANSWER_BYTES_MAX).ok()?;
    let url = format!("{base}/readyz");
    let reply = client.call(Method::GET, &url, HeaderMap::new(), Vec::new()).await.ok()?;
    let version = reply.headers.get(VERSION_HEADER)?.to_str().ok()?.to_owned();
    let body = String::from_utf8_lossy(&reply.body);
    let state = if reply.status.is_success() {
        body.lines().next().unwrap_or_default().to_owned()
    } else {
        format!("not ready: {}", reply.status)
    };
    let store = reply.headers.get(STORE_HEADER).and_then(|mark| mark.to_str().ok()).map(str::to_owned);
    Some(Running { store, endpoint, says: format!("tillgate {version}, {state}") })
}
