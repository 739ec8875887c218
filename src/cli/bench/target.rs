//! The servers that are measured, each a process of its own that ends with its handle.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::kernel::chance::random_bytes;

/// A folder for stores, removed with its handle.
pub struct Folder(PathBuf);

impl Folder {
    /// A new folder in `parent`, or in the working directory: the temporary directory may be memory, which
    /// would measure no disk.
    pub fn new(parent: Option<&Path>) -> io::Result<Folder> {
        let name = format!("tillgate-bench-{:08x}", u32::from_be_bytes(random_bytes()));
        let path = parent.unwrap_or(Path::new(".")).join(name);
        fs::create_dir_all(&path)?;
        Ok(Folder(path.canonicalize()?))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server to measure.
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// What proves the sender.
    pub token: String,
    _process: Child,
}

/// The bare echo.
pub async fn echo() -> io::Result<Target> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bench", "--echo", "127.0.0.1:0"]).stderr(Stdio::null());
    start(command, "0123456789abcdef".into()).await
}

/// A gateway on a new store, with pickers to tell: their messages are part of what is kept. Nobody listens
/// at their chat's address, so none is sent meanwhile.
pub async fn gateway(folder: &Folder, run: usize) -> io::Result<Target> {
    let path = &folder.0;
    let token: String = random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    let config = path.join(format!("tillgate-{run}.toml"));
    let settings = format!(
        r#"
        listen = "127.0.0.1:0"
        store = "sled:{}"
        [sources.sm]
        protocol = "sm"
        token = "{token}"
        [notify.telegram]
        url = "http://127.0.0.1:9"
        token = "bench"
        [notify.telegram.chats]
        default = "pickers"
        "#,
        path.join(format!("store-{run}")).display()
    );
    fs::write(&config, settings)?;
    let log = File::create(path.join(format!("log-{run}")))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("serve").arg("--config").arg(&config).stderr(log);
    start(command, token).await
}

async fn start(mut command: Command, token: String) -> io::Result<Target> {
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let stdout = process.stdout.take().ok_or_else(|| io::Error::other("no output to read"))?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, address)) = line.split_once(" listens on http://") {
            let address = address.parse().map_err(io::Error::other)?;
            // Its further lines have nowhere to go, and it must not mind.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(Target { address, token, _process: process });
        }
    }
    Err(io::Error::other("a server that was to be measured did not start"))
}
