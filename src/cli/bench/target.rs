//! The servers that are measured, each a process of its own that ends with its handle.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::gateway::sandbox::{Sandbox, Setup};
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

/// What a measured gateway has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Orders are kept and pickers told.
    Plain,
    /// Besides, each order gets a payment link.
    Payments,
    /// The same, but the payment system takes connections and never answers.
    PaymentsSilent,
}

impl Kind {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Plain => "tillgate, sled, fresh orders",
            Kind::Payments => "tillgate, sled, with payment links",
            Kind::PaymentsSilent => "the same, payment system silent",
        }
    }
}

/// A server to measure.
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// What proves the sender.
    pub token: String,
    process: Child,
    _payment_system: Option<PaymentSystem>,
}

/// What a process has used so far, as Linux counts it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Processor time, in clock ticks of a hundredth of a second.
    pub ticks: u64,
    /// Bytes that went to the disk.
    pub written_bytes: u64,
    /// Memory in use at the moment, in bytes.
    pub resident_bytes: u64,
}

impl Target {
    /// What the server has used; nothing where the system does not tell.
    pub fn usage(&self) -> Usage {
        let read = |file: &str| {
            let id = self.process.id()?;
            fs::read_to_string(format!("/proc/{id}/{file}")).ok()
        };
        let number_after = |text: &str, label: &str| -> Option<u64> {
            text.lines().find_map(|line| line.strip_prefix(label))?.split_whitespace().next()?.parse().ok()
        };
        // The fields after the program's name, which may hold spaces: user and system time are the 12th and 13th.
        let ticks = read("stat").and_then(|stat| {
            let (_, fields) = stat.rsplit_once(')')?;
            let times = fields.split_whitespace().skip(11).take(2);
            times.map(|ticks| ticks.parse::<u64>().ok()).sum::<Option<u64>>()
        });
        let written_bytes = read("io").and_then(|io| number_after(&io, "write_bytes:"));
        let resident_kib = read("status").and_then(|status| number_after(&status, "VmRSS:"));
        Usage {
            ticks: ticks.unwrap_or(0),
            written_bytes: written_bytes.unwrap_or(0),
            resident_bytes: resident_kib.unwrap_or(0) * 1024,
        }
    }
}

/// A payment system beside a measured gateway.
enum PaymentSystem {
    Answers { _sandbox: Sandbox },
    Silent { _listener: std::net::TcpListener },
}

impl PaymentSystem {
    async fn start(kind: Kind) -> io::Result<Option<(PaymentSystem, String)>> {
        match kind {
            Kind::Plain => Ok(None),
            Kind::Payments => {
                let setup = Setup { calls_max: usize::MAX, ..Setup::default() };
                let sandbox = Sandbox::start(setup).await.map_err(io::Error::other)?;
                let url = sandbox.url();
                Ok(Some((PaymentSystem::Answers { _sandbox: sandbox }, url)))
            }
            Kind::PaymentsSilent => {
                let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
                let url = format!("http://{}", listener.local_addr()?);
                Ok(Some((PaymentSystem::Silent { _listener: listener }, url)))
            }
        }
    }
}

/// The bare echo.
pub async fn echo() -> io::Result<Target> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bench", "--echo", "127.0.0.1:0"]).stderr(Stdio::null());
    start(command, "0123456789abcdef".into(), None).await
}

/// A gateway on a new store, with pickers to tell: their messages are part of what is kept. Nobody listens
/// at their chat's address, so none is sent meanwhile.
pub async fn gateway(folder: &Folder, kind: Kind, store: Option<&str>) -> io::Result<Target> {
    let path = &folder.0;
    let run = u32::from_be_bytes(random_bytes());
    let (payment_system, payments) = match PaymentSystem::start(kind).await? {
        None => (None, String::new()),
        Some((payment_system, url)) => {
            let setup = Setup::default();
            let payments = format!(
                r#"
                payment = "link"
                [gateways.bank]
                protocol = "invoicebox"
                url = "{url}"
                token = "{}"
                merchant_id = "{}"
                signing_key = "{}"
                "#,
                setup.token.expose(),
                setup.merchant_id,
                setup.signing_key.expose(),
            );
            (Some(payment_system), payments)
        }
    };
    let token: String = random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    let config = path.join(format!("tillgate-{run}.toml"));
    let settings = format!(
        r#"
        listen = "127.0.0.1:0"
        store = "{}"
        [sources.sm]
        protocol = "sm"
        token = "{token}"
        {payments}
        [notify.telegram]
        url = "http://127.0.0.1:9"
        token = "bench"
        [notify.telegram.chats]
        default = "pickers"
        "#,
        store.map_or_else(|| format!("sled:{}", path.join(format!("store-{run}")).display()), str::to_owned)
    );
    fs::write(&config, settings)?;
    let log = File::create(path.join(format!("log-{run}")))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("serve").arg("--config").arg(&config).stderr(log);
    start(command, token, payment_system).await
}

async fn start(
    mut command: Command,
    token: String,
    payment_system: Option<PaymentSystem>,
) -> io::Result<Target> {
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let stdout = process.stdout.take().ok_or_else(|| io::Error::other("no output to read"))?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, address)) = line.split_once(" listens on http://") {
            let address = address.parse().map_err(io::Error::other)?;
            // Its further lines have nowhere to go, and it must not mind.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(Target { address, token, process, _payment_system: payment_system });
        }
    }
    Err(io::Error::other("a server that was to be measured did not start"))
}
