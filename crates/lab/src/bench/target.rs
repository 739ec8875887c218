//! The servers that are measured. Each runs in separate processes that end when
//! its handle is dropped.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::generator::Aim;
use super::shop::{Goods, Payers, Shop};
use super::usage::Usage;
use crate::cluster::{Cluster, Plan};
use crate::mailbox::Mailbox;
use crate::sandbox::{Sandbox, Setup};
use tillgate_kernel::chance::random_bytes;

/// A folder for stores, removed when the handle is dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// Creates a folder in `parent`, or in the working directory. The system's
    /// temporary directory may be in memory, and then no disk would be
    /// measured.
    pub fn new(parent: Option<&Path>) -> io::Result<Folder> {
        let name = format!("tillgate-bench-{:08x}", u32::from_be_bytes(random_bytes()));
        let path = parent.unwrap_or(Path::new(".")).join(name);
        fs::create_dir_all(&path)?;
        Ok(Folder(path.canonicalize()?))
    }
}

/// What an order and each of its lines take on the disk at most, in bytes, with
/// the line of the log, as measured with a margin.
const ORDER_BYTES_MAX: u64 = 2000;
const LINE_BYTES_MAX: u64 = 200;

/// The folder of a sled store within the bench's folder.
const STORE: &str = "store";

impl Folder {
    /// Fails unless twice the space that so many orders may take is free.
    pub fn has_room(&self, orders: u64, lines: usize) -> io::Result<()> {
        let system = rustix::fs::statvfs(&self.0)?;
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        let of_order = ORDER_BYTES_MAX + LINE_BYTES_MAX * lines as u64;
        let wanted = orders.saturating_mul(of_order).saturating_mul(2);
        if free >= wanted {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "{orders} orders need {} GiB of free space in {}, and {} GiB are free: store fewer, \
             or choose another --folder",
            wanted.div_ceil(1 << 30),
            self.0.display(),
            free >> 30
        )))
    }
}

fn used_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let of_entry = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => used_bytes(&entry.path()),
        Ok(data) => data.blocks() * 512,
        Err(_) => 0, // removed meanwhile
    };
    entries.filter_map(Result::ok).map(of_entry).sum()
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a measured gateway does about payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Money {
    /// No payments.
    None,
    /// Each order gets a payment link.
    Links,
    /// The same, but the payment system accepts connections and never answers.
    SilentLinks,
}

/// The configuration of a gateway to measure.
#[derive(Debug, Clone)]
pub struct Kind {
    /// The store. `None` for sled in a new folder.
    pub store: Option<String>,
    /// The number of receivers.
    pub receivers: usize,
    /// Whether nginx is in front of them.
    pub with_nginx: bool,
    /// What it does about payments.
    pub money: Money,
    /// The shop, how many wallets it has, and what it is filled with, if it is
    /// measured.
    pub shop: Option<Shop>,
    pub wallets: usize,
    pub goods: Option<Goods>,
    /// Whether hooks are measured, beside what is asked of the shop.
    pub takes_hooks: bool,
    /// Whether open orders hold stock.
    pub holds_stock: bool,
}

impl Kind {
    /// The name in the table.
    pub fn name(&self) -> String {
        let store = match &self.store {
            None => "sled",
            Some(url) if url.starts_with("postgres") => "PostgreSQL",
            Some(url) => url,
        };
        let receivers =
            if self.receivers > 1 { format!(" × {}", self.receivers) } else { String::new() };
        let nginx = if self.with_nginx { ", nginx" } else { "" };
        let money = match self.money {
            Money::None => "",
            Money::Links => ", payment links",
            Money::SilentLinks => ", payment system silent",
        };
        format!("{store}{receivers}{nginx}{money}")
    }
}

/// A server to measure.
pub struct Target {
    /// Where hooks are sent, and the credentials.
    pub aim: Aim,
    /// What is asked of the shop at the same time.
    pub beside: Option<Aim>,
    running: Running,
    _payment_system: Option<PaymentSystem>,
    _mailbox: Option<Mailbox>,
}

impl Target {
    fn of(aim: Aim, running: Running) -> Target {
        Target { aim, beside: None, running, _payment_system: None, _mailbox: None }
    }
}

enum Running {
    Echo(Child),
    Gateway {
        cluster: Cluster,
        plan: Plan,
    },
    /// A server that was not started here.
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

    /// The resources that the server's processes have used; zero if the system
    /// does not report them.
    pub fn usage(&self) -> Usage {
        Usage::of(&self.process_ids())
    }

    /// The space that the files of a sled store take, in bytes; 0 for other
    /// stores.
    pub fn store_bytes(&self) -> u64 {
        match &self.running {
            Running::Gateway { plan, .. } => used_bytes(&plan.folder.join(STORE)),
            Running::Echo(_) | Running::Given => 0,
        }
    }

    /// Ends the gateway gracefully and starts it again on the same store.
    pub fn restart(&mut self) -> io::Result<()> {
        let Running::Gateway { cluster, plan } = &mut self.running else { return Ok(()) };
        cluster.end()?;
        *cluster = Cluster::start(plan)?;
        self.aim.addresses = vec![cluster.address()];
        Ok(())
    }
}

/// A payment system for a measured gateway.
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

/// Where hooks are sent, with the marketplace's token.
fn aim(addresses: Vec<SocketAddr>, path: &str, token: &str) -> Aim {
    let header = ("client-token", token.to_owned());
    Aim { addresses, path: path.to_owned(), header, payers: Payers::default(), asks: None }
}

/// Starts the server that pays by the version of a document.
pub async fn by_version(folder: &Folder, store: Option<&str>) -> io::Result<Target> {
    let run = u32::from_be_bytes(random_bytes());
    let sled = || format!("sled:{}", folder.0.join(format!("version-{run:08x}")).display());
    let store = store.map_or_else(sled, str::to_owned);
    served(&["bench", "--by-version", "127.0.0.1:0", "--store", &store]).await
}

/// Starts the bare echo server.
pub async fn echo() -> io::Result<Target> {
    served(&["bench", "--echo", "127.0.0.1:0"]).await
}

/// Starts this program as a server of its own.
async fn served(arguments: &[&str]) -> io::Result<Target> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).stderr(Stdio::null());
    let mut process =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let stdout =
        process.stdout.take().ok_or_else(|| io::Error::other("the process has no stdout"))?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, address)) = line.split_once(" listens on http://") {
            let address = address.parse().map_err(io::Error::other)?;
            let aim = aim(vec![address], "/hooks/sm", "bench");
            return Ok(Target::of(aim, Running::Echo(process)));
        }
    }
    Err(io::Error::other(format!("{} did not start", arguments.join(" "))))
}

/// A server that is already running.
pub fn given(url: &str, token: &str) -> Result<Target, String> {
    let url = url
        .strip_prefix("http://")
        .ok_or("--to: an address such as http://127.0.0.1:8080/hooks/sm")?;
    let (host, path) = url.split_once('/').unwrap_or((url, ""));
    let address: SocketAddr = host.parse().map_err(|why| format!("--to: {host}: {why}"))?;
    let aim = aim(vec![address], &format!("/{path}"), token);
    Ok(Target::of(aim, Running::Given))
}

/// Starts a gateway on a new store, with a pickers' chat, because the messages
/// to pickers are part of what is stored. Nobody listens at the chat's address,
/// so none is sent during the measurement.
pub async fn gateway(folder: &Folder, kind: &Kind) -> io::Result<Target> {
    let run = u32::from_be_bytes(random_bytes());
    let folder = folder.0.join(format!("gateway-{run:08x}"));
    fs::create_dir_all(&folder)?;
    let (payment_system, payments) = match PaymentSystem::start(kind.money).await? {
        None => (None, String::new()),
        Some((payment_system, url)) => {
            let setup = Setup::default();
            let payments = format!(
                "payment = \"link\"\n[gateways.bank]\nprotocol = \"invoicebox\"\n\
                 url = \"{url}\"\ntoken = \"{}\"\nmerchant_id = \"{}\"\nsigning_key = \"{}\"\n",
                setup.token.expose(),
                setup.merchant_id,
                setup.signing_key.expose(),
            );
            (Some(payment_system), payments)
        }
    };
    let operator: String = random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    let token: String = random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    let store = kind.store.clone();
    let store = store.unwrap_or_else(|| format!("sled:{}", folder.join(STORE).display()));
    let settings = format!(
        "store = \"{store}\"\n[sources.sm]\nprotocol = \"sm\"\ntoken = \"{token}\"\n\
         holds_stock = {}\n{payments}\
         [notify.telegram]\nurl = \"http://127.0.0.1:9\"\ntoken = \"bench\"\n\
         [notify.telegram.chats]\ndefault = \"pickers\"\n",
        kind.holds_stock
    );
    let (wallets, mailbox, settings) = match &kind.shop {
        None => (Vec::new(), None, settings),
        Some(shop) => {
            let opened = (shop.open)(store.clone(), kind.wallets).await;
            let opened = opened.map_err(io::Error::other)?;
            let mailbox = Mailbox::open().await?;
            // Keys of the whole come before all sections.
            let settings = format!(
                "admin_token = \"{operator}\"\n{settings}{}[shop.mail]\nurl = \"{}\"\n\
                 from = \"Bench <bench@shop.example>\"\n",
                shop.settings,
                mailbox.url()
            );
            (opened, Some(mailbox), settings)
        }
    };
    let plan = Plan {
        binary: std::env::current_exe()?,
        folder,
        settings,
        receivers: kind.receivers,
        with_nginx: kind.with_nginx,
    };
    let cluster = Cluster::start(&plan)?;
    let addresses = if kind.with_nginx { vec![cluster.address()] } else { cluster.addresses() };
    let hooks = aim(addresses.clone(), "/hooks/sm", &token);
    let of_shop = match &kind.shop {
        None => None,
        Some(shop) => {
            let asks = match kind.goods {
                None => None,
                Some(goods) => {
                    let all = cluster.addresses();
                    let urls = all.iter().map(|address| format!("http://{address}")).collect();
                    let filled = (shop.fill)(urls, operator.clone(), goods).await;
                    Some(filled.map_err(io::Error::other)?)
                }
            };
            let (path, payers) = (shop.path.to_owned(), Payers::new(wallets));
            Some(Aim { addresses, path, header: (shop.header)(), payers, asks })
        }
    };
    let (aim, beside) = match of_shop {
        Some(aim) if !kind.takes_hooks => (aim, None),
        beside => (hooks, beside),
    };
    let running = Running::Gateway { cluster, plan };
    Ok(Target { aim, beside, running, _payment_system: payment_system, _mailbox: mailbox })
}
