//! Finds the receiver that runs on this machine, whatever options it was
//! started with.
//!
//! `serve` writes its address to a file, in the store's folder or in the
//! directory that the service manager provides. The file may be stale: a
//! command first asks at the address who is there, and sends nothing else
//! before.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderMap, Method};

use crate::config::{Endpoint, Settings, StoreUrl};
use crate::http::ops::{STORE_HEADER, VERSION_HEADER};
use crate::peer::{ANSWER_BYTES_MAX, Client, ClientError};

/// The name of the file.
const FILE: &str = "receiver";

/// The directory of systemd's unit, for processes that systemd has not started.
const RUNTIME_DIRECTORY: &str = "/run/tillgate";

/// How long a receiver may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(3);

/// A receiver that answers.
#[derive(Debug, Clone)]
pub struct Running {
    /// The mark of its store, as in [`StoreUrl::mark`].
    store: Option<String>,
    /// The address of its admin API.
    pub endpoint: Endpoint,
    /// Its version, and whether it is ready.
    pub says: String,
}

impl Running {
    /// Whether it is a receiver of this store.
    pub fn is_of(&self, store: &StoreUrl) -> bool {
        self.store.as_ref() == Some(&store.mark())
    }
}

/// The address file of a receiver that serves. It is removed when this is
/// dropped, if it is still ours.
#[derive(Debug)]
pub struct Note {
    path: PathBuf,
    text: String,
}

impl Note {
    /// Writes the file. If there is no place for it, commands use the address
    /// of the configuration.
    pub fn leave(settings: &Settings, endpoint: Endpoint) -> Option<Note> {
        let path = place(settings)?;
        let text = match reachable(endpoint) {
            Endpoint::Tcp(address) => format!("{address}\n"),
            Endpoint::Unix(path) => {
                format!("unix:{}\n", std::path::absolute(&path).unwrap_or(path).display())
            }
        };
        let written = match path.parent() {
            Some(folder) => {
                std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, &text))
            }
            None => std::fs::write(&path, &text),
        };
        match written {
            Ok(()) => Some(Note { path, text }),
            Err(why) => {
                tracing::warn!(
                    path = %path.display(),
                    error = %why,
                    "the address of this receiver cannot be written to its file; commands use the \
                     configuration's listen"
                );
                None
            }
        }
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // Another receiver may have written its own in the meantime.
        if std::fs::read_to_string(&self.path).is_ok_and(|text| text == self.text) {
            let _ = std::fs::remove_file(&self.path); // a stale file does no harm
        }
    }
}

/// The path of the address file of this store's receiver: in the store's
/// folder, in the service manager's directory, or among this user's own files.
fn place(settings: &Settings) -> Option<PathBuf> {
    if let StoreUrl::Sled(folder) = &settings.store {
        return Some(folder.join(FILE));
    }
    let given = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    let of_service =
        given.or_else(|| Some(RUNTIME_DIRECTORY.into())).filter(|directory| directory.is_dir());
    let of_user = || {
        let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
        let base = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).or_else(home)?;
        Some(base.join("tillgate"))
    };
    let directory = of_service.or_else(of_user)?;
    Some(directory.join(format!("{FILE}-{}", settings.store.mark())))
}

/// The address at which programs on this machine reach a receiver that listens
/// at `endpoint`.
pub fn reachable(endpoint: Endpoint) -> Endpoint {
    match endpoint {
        Endpoint::Tcp(address) if address.ip().is_unspecified() => {
            Endpoint::Tcp((Ipv4Addr::LOCALHOST, address.port()).into())
        }
        Endpoint::Tcp(_) | Endpoint::Unix(_) => endpoint,
    }
}

/// The address of the admin API in the settings.
pub fn configured(settings: &Settings) -> Endpoint {
    settings.admin_listen.clone().unwrap_or(Endpoint::Tcp(settings.listen))
}

/// The receiver that runs with these settings, if it answers: at the address of
/// its file, or at that of the configuration.
pub async fn find(settings: &Settings) -> Option<Running> {
    let noted = place(settings).and_then(|path| noted_at(&path));
    for endpoint in noted.into_iter().chain([reachable(configured(settings))]) {
        // A receiver of another store may listen at that address.
        if let Some(running) = ask(endpoint).await.filter(|running| running.is_of(&settings.store))
        {
            return Some(running);
        }
    }
    None
}

fn noted_at(path: &Path) -> Option<Endpoint> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A client for the program that listens at `endpoint`, and the base URL of its
/// addresses.
pub fn client_of(
    endpoint: &Endpoint,
    deadline: Duration,
    answer_bytes_max: usize,
) -> Result<(Client, String), ClientError> {
    match endpoint {
        Endpoint::Tcp(address) => {
            Ok((Client::new(deadline, answer_bytes_max)?, format!("http://{address}")))
        }
        Endpoint::Unix(path) => {
            Ok((Client::at_socket(path, deadline, answer_bytes_max)?, "http://localhost".into()))
        }
    }
}

/// Asks which receiver is at an address; `None` if there is none.
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
    let store =
        reply.headers.get(STORE_HEADER).and_then(|mark| mark.to_str().ok()).map(str::to_owned);
    Some(Running { store, endpoint, says: format!("tillgate {version}, {state}") })
}
