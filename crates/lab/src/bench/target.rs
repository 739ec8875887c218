//! The servers that are measured, each in processes of its own that end with their handle.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::generator::Aim;
use crate::cluster::{Cluster, Plan};
use crate::sandbox::{Sandbox, Setup};
use tillgate_kernel::chance::random_bytes;

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

/// What a measured gateway has to do about money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Money {
    /// Nothing.
    None,
    /// Each order gets a payment link.
    Links,
    /// The same, but the payment system takes connections and never answers.
    SilentLinks,
}

/// A gateway to measure.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Its store; none for sled in a new folder.
    pub store: Option<String>,
    /// How many receivers it has.
    pub receivers: usize,
    /// Whether nginx stands in front of them.
    pub with_nginx: bool,
    /// What it has to do about money.
    pub money: Money,
}

impl Kind {
    /// Its name in the table.
    pub fn name(&self) -> String {
        let store = match &self.store {
            None => "sled",
            Some(url) if url.starts_with("postgres") => "PostgreSQL",
            Some(url) => url,
        };
        let receivers = if self.receivers > 1 { format!(" × {}", self.receivers) } else { String::new() };
        let nginx = if self.with_nginx { ", nginx" } else { "" };
        let money = match self.money {
            Money::None => "",
            Money::Links => ", payment links",
            Money::SilentLinks => ", payment system silent",
        };
        format!("{store}{receivers}{nginx}{money}")
    }
}

/// What processes have used so far, as Linux counts it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Processor time, in clock ticks of a hundredth of a second.
    pub ticks: u64,
    /// Bytes that went to the disk.
    pub written_bytes: u64,
    /// Memory in use at the moment, in bytes.
    pub resident_bytes: u64,
}

/// A server to measure.
pub struct Target {
    /// Where it is.
    pub aim: Aim,
    running: Running,
    _payment_system: Option<PaymentSystem>,
}

enum Running {
    Echo(Child),
    Gateway {
        cluster: Cluster,
        plan: Plan,
    },
    /// Somebody else's.
    Given,
}

impl Target {
    fn process_ids(&self) -> Vec<u32> {
        match &self.running {
            Running::Echo(process) => process.id().into_iter().collect(),
            Running::Gateway { cluster, plan } => {
                (0..plan.receivers).map(|place| cluster.process_id(place)).collect()
            }
            Running::Given => Vec::new(),
        }
    }

    /// What the server's own processes have used; nothing where the system does not tell.
    pub fn usage(&self) -> Usage {
        let mut all = Usage::default();
        for id in self.process_ids() {
            let one = usage_of(id);
            all.ticks += one.ticks;
            all.written_bytes += one.written_bytes;
            all.resident_bytes += one.resident_bytes;
        }
        all
    }

    /// Ends the gateway in order and starts it again on the same store.
    pub fn restart(&mut self) -> io::Result<()> {
        let Running::Gateway { cluster, plan } = &mut self.running else { return Ok(()) };
        cluster.end()?;
        *cluster = Cluster::start(plan)?;
        self.aim.addresses = vec![cluster.address()];
        Ok(())
    }
}

fn usage_of(id: u32) -> Usage {
    let read = |file: &str| fs::read_to_string(format!("/proc/{id}/{file}")).ok();
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

/// A payment system beside a measured gateway.
enum PaymentSystem {
    Answers { _sandbox: Sandbox },
    Silent { _listener: std::net::TcpListener },
}

impl PaymentSystem {
    async fn start(money: Money) -> io::Result<Option<(PaymentSystem, String)>> {
        match money {
            Money::None => Ok(None),
            Money::Links => {
                let setup = Setup { calls_max: usize::MAX, ..Setup::default() };
                let sandbox = Sandbox::start(setup).await.map_err(io::Error::other)?;
                let url = sandbox.url();
                Ok(Some((PaymentSystem::Answers { _sandbox: sandbox }, url)))
            }
            Money::SilentLinks => {
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
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let stdout = process.stdout.take().ok_or_else(|| io::Error::other("no output to read"))?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, address)) = line.split_once(" listens on http://") {
            let address = address.parse().map_err(io::Error::other)?;
            let aim = Aim { addresses: vec![address], path: "/hooks/sm".into(), token: "bench".into() };
            return Ok(Target { aim, running: Running::Echo(process), _payment_system: None });
        }
    }
    Err(io::Error::other("the echo did not start"))
}

/// A server that is running already.
pub fn given(url: &str, token: &str) -> Result<Target, String> {
    let url = url.strip_prefix("http://").ok_or("--to: an address such as http://127.0.0.1:8080/hooks/sm")?;
    let (host, path) = url.split_once('/').unwrap_or((url, ""));
    let address: SocketAddr = host.parse().map_err(|why| format!("--to: {host}: {why}"))?;
    let aim = Aim { addresses: vec![address], path: format!("/{path}"), token: token.to_owned() };
    Ok(Target { aim, running: Running::Given, _payment_system: None })
}

/// A gateway on a new store, with pickers to tell: their messages are part of what is kept. Nobody listens
/// at their chat's address, so none is sent meanwhile.
pub async fn gateway(folder: &Folder, kind: &Kind) -> io::Result<Target> {
    let run = u32::from_be_bytes(random_bytes());
    let folder = folder.0.join(format!("gateway-{run:08x}"));
    fs::create_dir_all(&folder)?;
    let (payment_system, payments) = match PaymentSystem::start(kind.money).await? {
        None => (None, String::new()),
        Some((payment_system, url)) => {
            let setup = Setup::default();
            let payments = format!(
                "payment = \"link\"\n[gateways.bank]\nprotocol = \"invoicebox\"\nurl = \"{url}\"\ntoken = \"{}\"\n\
                 merchant_id = \"{}\"\nsigning_key = \"{}\"\n",
                setup.token.expose(),
                setup.merchant_id,
                setup.signing_key.expose(),
            );
            (Some(payment_system), payments)
        }
    };
    let token: String = random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    let store = kind.store.clone();
    let store = store.unwrap_or_else(|| format!("sled:{}", folder.join("store").display()));
    let settings = format!(
        "store = \"{store}\"\n[sources.sm]\nprotocol = \"sm\"\ntoken = \"{token}\"\n{payments}\
         [notify.telegram]\nurl = \"http://127.0.0.1:9\"\ntoken = \"bench\"\n\
         [notify.telegram.chats]\ndefault = \"pickers\"\n"
    );
    let plan = Plan {
        binary: std::env::current_exe()?,
        folder,
        settings,
        receivers: kind.receivers,
        with_nginx: kind.with_nginx,
    };
    let cluster = Cluster::start(&plan)?;
    let addresses = if kind.with_nginx { vec![cluster.address()] } else { cluster.addresses() };
    let aim = Aim { addresses, path: "/hooks/sm".into(), token };
    Ok(Target { aim, running: Running::Gateway { cluster, plan }, _payment_system: payment_system })
}
