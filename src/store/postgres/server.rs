//! Which server it is that we work with: of those that an address names, the one that takes writes and has not been left
//! behind by a fail-over.
//!
//! All are asked side by side, each with a deadline over everything from the first packet to what it says of itself: one that
//! is frozen accepts connections and says nothing. Of several that take writes the one with the highest timeline counts, and
//! none below what this process has seen: an old primary that comes back must not be written to.

use std::fmt;
use std::future::poll_fn;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::ConfigVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_postgres::config::{Config, Host, SslMode};
use tokio_postgres::error::Severity;
use tokio_postgres::{AsyncMessage, Client};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::AbortOnDropHandle;

use super::words;

/// How long a server may take from the first packet to what it says of itself.
const GREETING_MAX: Duration = Duration::from_millis(1800);

/// How long the others are waited for when one that takes writes has answered: a newer one may be among them.
const OTHERS_WAIT: Duration = Duration::from_millis(250);

/// Where the database is, from a `postgres://` address: one server or several. It does not print its password. Its clones know
/// the same of the servers.
#[derive(Clone)]
pub struct Address {
    /// Each with one host.
    servers: Vec<Config>,
    root_certificates: Option<PathBuf>,
    known: Arc<Known>,
}

/// What this process has seen of the servers.
#[derive(Debug, Default)]
struct Known {
    latest: Mutex<Option<Latest>>,
    /// How often something of ours was in doubt.
    doubts: AtomicU64,
}

/// The server that was chosen last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Latest {
    place: usize,
    system: i64,
    timeline: u32,
}

/// The text is no address of a database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}. A store is \"postgres://user:password@host:5432/database?sslmode=verify-full\"; where the network is yours alone, say \
     sslmode=disable"
)]
pub struct BadAddress(String);

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Address, BadAddress> {
        let (base, options) = text.split_once('?').unwrap_or((text, ""));
        let (mut root_certificates, mut says_how) = (None, false);
        let mut kept = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            says_how |= option.starts_with("sslmode=");
            match option.split_once('=') {
                Some(("sslrootcert", path)) => root_certificates = Some(PathBuf::from(path)),
                // Certificates are always verified here.
                Some(("sslmode", "verify-full" | "verify-ca")) => kept.push("sslmode=require"),
                // Nothing else is of use: everything is written.
                Some(("target_session_attrs", "read-write" | "any" | "primary")) => {}
                _ => kept.push(option),
            }
        }
        let address = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
        // The error may quote what it could not read, and that may be the password.
        let config = Config::from_str(&address)
            .map_err(|_| BadAddress("the address of the database cannot be read".into()))?;
        let hosts = config.get_hosts();
        if hosts.is_empty() {
            return Err(BadAddress("the address names no host".into()));
        }
        if let Some(far) = hosts.iter().find(|host| !is_here(host)).filter(|_| !says_how) {
            let Host::Tcp(name) = far else { return Err(BadAddress("a socket is no address".into())) };
            return Err(BadAddress(format!(
                "{name} is another machine, and the address does not say how it is reached"
            )));
        }
        let servers = (0..hosts.len()).map(|place| of_one(&config, place)).collect();
        Ok(Address { servers, root_certificates, known: Arc::default() })
    }
}

/// Whether a host is this machine.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let address: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
            name == "localhost" || address.is_some_and(|address| address.is_loopback())
        }
    }
}

/// The same for the host at `place` alone.
fn of_one(all: &Config, place: usize) -> Config {
    let mut one = Config::new();
    match all.get_hosts().get(place) {
        Some(Host::Tcp(name)) => {
            one.host(name);
        }
        Some(Host::Unix(path)) => {
            one.host_path(path);
        }
        None => {}
    }
    // One port counts for all.
    let ports = all.get_ports();
    if let Some(port) = ports.get(place).or_else(|| ports.first().filter(|_| ports.len() == 1)) {
        one.port(*port);
    }
    if let Some(address) = all.get_hostaddrs().get(place) {
        one.hostaddr(*address);
    }
    if let Some(user) = all.get_user() {
        one.user(user);
    }
    if let Some(password) = all.get_password() {
        one.password(password);
    }
    if let Some(name) = all.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = all.get_options() {
        one.options(options);
    }
    one.application_name(all.get_application_name().unwrap_or("tillgate"))
        .ssl_mode(all.get_ssl_mode())
        .ssl_negotiation(all.get_ssl_negotiation())
        .channel_binding(all.get_channel_binding())
        .connect_timeout(GREETING_MAX)
        .keepalives_idle(Duration::from_secs(10))
        .keepalives_interval(Duration::from_secs(3))
        .keepalives_retries(3)
        .tcp_user_timeout(Duration::from_secs(5));
    one
}

/// A server's host and port.
fn name_of(server: &Config) -> String {
    let host = match server.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => String::new(),
    };
    server.get_ports().first().map_or(host.clone(), |port| format!("{host}:{port}"))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.servers.iter().map(name_of).collect();
        let database = self.servers.first().and_then(Config::get_dbname).unwrap_or_default();
        write!(f, "postgres://{}/{database}", names.join(","))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A connection's other side: it is driven until it breaks or this is dropped, which closes it at once, whatever the server is
/// at.
#[derive(Debug)]
pub struct Connection {
    heard: Arc<Heard>,
    _driving: AbortOnDropHandle<()>,
}

/// What a server says beside its answers.
#[derive(Debug, Default)]
struct Heard {
    warnings: AtomicU64,
    last: Mutex<String>,
}

impl Connection {
    fn drive<S, T>(mut connection: tokio_postgres::Connection<S, T>, server: String) -> Connection
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let heard = Arc::new(Heard::default());
        let hears = Arc::clone(&heard);
        let driving = tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    // What comes before an answer is counted before the answer is seen.
                    Ok(AsyncMessage::Notice(notice)) => match notice.parsed_severity() {
                        Some(Severity::Notice | Severity::Info | Severity::Log | Severity::Debug) => {}
                        Some(Severity::Warning | Severity::Error | Severity::Fatal | Severity::Panic)
                        | None => {
                            let said = format!("{} ({})", notice.message(), notice.code().code());
                            tracing::warn!(server, said, "the database warns");
                            *hears.last.lock().unwrap_or_else(PoisonError::into_inner) = said;
                            hears.warnings.fetch_add(1, Ordering::Release);
                        }
                    },
                    Ok(_) => {}
                    Err(why) => {
                        tracing::warn!(server, error = words(&why), "a connection to the database broke");
                        return;
                    }
                }
            }
        });
        Connection { heard, _driving: AbortOnDropHandle::new(driving) }
    }

    /// How often the server has warned.
    pub fn warnings(&self) -> u64 {
        self.heard.warnings.load(Ordering::Acquire)
    }

    /// What it warned of last, if it has since it had warned `before` times.
    pub fn warned_since(&self, before: u64) -> Option<String> {
        let said = || self.heard.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (self.warnings() != before).then(said)
    }
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    /// Where it is in the address.
    place: usize,
    name: String,
    /// It takes no writes.
    is_standby: bool,
    /// Which database cluster it has.
    system: i64,
    /// How many times the cluster has got another primary, as far as this server knows. None on a standby.
    timeline: Option<u32>,
    /// Tells two names of one server from two servers.
    began: String,
}

/// A server that has answered.
struct Greeted {
    standing: Standing,
    client: Client,
    connection: Connection,
}

impl Address {
    /// How often something of ours was in doubt.
    pub(super) fn doubts(&self) -> u64 {
        self.known.doubts.load(Ordering::Acquire)
    }

    /// Something of ours is in doubt: what any server shows is to be confirmed before it is built upon.
    pub(super) fn doubt(&self) {
        self.known.doubts.fetch_add(1, Ordering::AcqRel);
    }

    /// Makes a connection to the server that is to be written to.
    pub(super) async fn connect(&self) -> Result<(Client, Connection), String> {
        let tls = if self.servers.iter().all(|server| server.get_ssl_mode() == SslMode::Disable) {
            // Never used, but the type wants one.
            let roots = RootCertStore::empty();
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
        } else {
            self.tls()?
        };
        let mut greeting = JoinSet::new();
        for (place, server) in self.servers.iter().enumerate() {
            let (server, tls) = (server.clone(), tls.clone());
            greeting.spawn(async move {
                let name = name_of(&server);
                let greeted = tokio::time::timeout(GREETING_MAX, greet(place, &name, &server, tls)).await;
                greeted.unwrap_or_else(|_| Err("no answer in time".into())).map_err(|why| (name, why))
            });
        }
        let (mut greeted, mut silent) = (Vec::new(), Vec::new());
        let mut until: Option<Instant> = None;
        loop {
            let next = match until {
                None => greeting.join_next().await,
                Some(until) => match tokio::time::timeout_at(until, greeting.join_next()).await {
                    Ok(next) => next,
                    Err(_) => break,
                },
            };
            match next {
                None => break,
                Some(Ok(Ok(server))) => {
                    let takes_writes = !server.standing.is_standby;
                    greeted.push(server);
                    if takes_writes && until.is_none() {
                        until = Some(Instant::now() + OTHERS_WAIT);
                    }
                }
                Some(Ok(Err((name, why)))) => silent.push(format!("{name}: {why}")),
                Some(Err(why)) => silent.push(why.to_string()),
            }
        }
        let standings: Vec<Standing> = greeted.iter().map(|server| server.standing.clone()).collect();
        let latest = self.known.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let chosen = choose(&standings, latest.as_ref()).map_err(|why| {
            let silent = silent.join("; ");
            match (standings.is_empty(), silent.is_empty()) {
                (true, _) => silent,
                (false, true) => why,
                (false, false) => format!("{why}; {silent}"),
            }
        })?;
        let Greeted { standing, client, connection } = greeted.swap_remove(chosen);
        self.remember(&standing);
        Ok((client, connection))
    }

    fn remember(&self, chosen: &Standing) {
        let Some(timeline) = chosen.timeline else { return };
        let now = Latest { place: chosen.place, system: chosen.system, timeline };
        let mut latest = self.known.latest.lock().unwrap_or_else(PoisonError::into_inner);
        // Two that connect at once may come in any order.
        if latest.as_ref().is_some_and(|known| known.timeline > timeline) {
            return;
        }
        if latest.as_ref() != Some(&now) {
            tracing::info!(
                server = chosen.name,
                timeline,
                "this server of the database is written to from now on"
            );
        }
        *latest = Some(now);
    }

    fn tls(&self) -> Result<ClientConfig, String> {
        let Some(path) = &self.root_certificates else {
            return ClientConfig::with_platform_verifier().map_err(|why| why.to_string());
        };
        let unusable = |why: &dyn fmt::Display| format!("sslrootcert {}: {why}", path.display());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|why| unusable(&why))? {
            roots.add(certificate.map_err(|why| unusable(&why))?).map_err(|why| unusable(&why))?;
        }
        Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }
}

/// What a server is asked when it is greeted. The timeline is that of what it writes now: what it noted at its last checkpoint
/// lags behind a promotion.
const WHO: &str = "SELECT pg_is_in_recovery(), (SELECT system_identifier FROM pg_control_system()), \
                   CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_walfile_name(pg_current_wal_lsn()) END, \
                   concat_ws(' ', inet_server_addr(), inet_server_port(), pg_postmaster_start_time())";

async fn greet(place: usize, name: &str, server: &Config, tls: ClientConfig) -> Result<Greeted, String> {
    let (client, connection) =
        server.connect(MakeRustlsConnect::new(tls)).await.map_err(|why| words(&why))?;
    let connection = Connection::drive(connection, name.to_owned());
    let said = client.query_one(WHO, &[]).await.map_err(|why| words(&why))?;
    let file: Option<String> = said.get(2);
    // The file's name begins with the timeline in eight hexadecimal digits.
    let timeline = file.and_then(|file| u32::from_str_radix(file.get(..8)?, 16).ok());
    let standing = Standing {
        place,
        name: name.to_owned(),
        is_standby: said.get(0),
        system: said.get(1),
        timeline,
        began: said.get(3),
    };
    Ok(Greeted { standing, client, connection })
}

/// The place of the server that is to be written to; the error says why none is.
fn choose(standings: &[Standing], latest: Option<&Latest>) -> Result<usize, String> {
    let mut refused = Vec::new();
    let mut fit: Vec<usize> = Vec::new();
    for (place, server) in standings.iter().enumerate() {
        let name = &server.name;
        let why = match (server.timeline, latest) {
            _ if server.is_standby => "a standby, which takes no writes".to_owned(),
            (None, _) => "it does not say on which timeline it is".to_owned(),
            (Some(_), Some(latest)) if server.system != latest.system => {
                format!("of another database cluster ({}, not {})", server.system, latest.system)
            }
            (Some(timeline), Some(latest)) if timeline < latest.timeline => format!(
                "on timeline {timeline}, and timeline {} has been written to: it was the primary before a fail-over",
                latest.timeline
            ),
            (Some(_), _) => {
                fit.push(place);
                continue;
            }
        };
        refused.push(format!("{name}: {why}"));
    }
    let systems = |place: &usize| standings[*place].system;
    if let [first, rest @ ..] = &fit[..]
        && let Some(other) = rest.iter().find(|other| systems(other) != systems(first))
    {
        return Err(format!(
            "{} and {} have different database clusters ({}, {}): take one out of the address",
            standings[*first].name,
            standings[*other].name,
            systems(first),
            systems(other)
        ));
    }
    let Some(highest) = fit.iter().map(|place| standings[*place].timeline).max() else {
        return Err(refused.join("; "));
    };
    let mut newest = fit.iter().copied().filter(|place| standings[*place].timeline == highest);
    let Some(chosen) = newest.next() else { return Err(refused.join("; ")) };
    match newest.find(|other| standings[*other].began != standings[chosen].began) {
        Some(other) => Err(format!(
            "{} and {} both take writes, on the same timeline: end one of them, the other one's writes will be lost",
            standings[chosen].name, standings[other].name
        )),
        None => Ok(chosen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(place: usize, timeline: Option<u32>) -> Standing {
        Standing {
            place,
            name: format!("db{place}:5432"),
            is_standby: timeline.is_none(),
            system: 7,
            timeline,
            began: format!("10.0.0.{place}"),
        }
    }

    fn seen(timeline: u32) -> Latest {
        Latest { place: 0, system: 7, timeline }
    }

    #[test]
    fn the_newest_primary_is_written_to_and_never_an_older_one() {
        assert_eq!(choose(&[server(0, None), server(1, Some(1))], None), Ok(1));
        assert_eq!(choose(&[server(0, Some(4)), server(1, Some(5))], None), Ok(1));
        assert_eq!(choose(&[server(0, Some(5)), server(1, Some(4))], Some(&seen(5))), Ok(0));
        assert_eq!(choose(&[server(0, Some(6)), server(1, None)], Some(&seen(5))), Ok(0), "promoted since");
        let why = choose(&[server(0, Some(4)), server(1, None)], Some(&seen(5))).expect_err("left behind");
        assert!(
            why.contains("db0:5432: on timeline 4, and timeline 5") && why.contains("db1:5432: a standby"),
            "{why}"
        );
        assert_eq!(choose(&[], None), Err(String::new()));
    }

    #[test]
    fn two_that_take_writes_are_too_many_and_another_cluster_is_none_of_ours() {
        let why = choose(&[server(0, Some(4)), server(1, Some(4))], Some(&seen(4))).expect_err("which?");
        assert!(why.contains("db0:5432 and db1:5432 both take writes"), "{why}");
        // Two names of one server.
        let same = Standing { began: "10.0.0.0".into(), ..server(1, Some(4)) };
        assert_eq!(choose(&[server(0, Some(4)), same], Some(&seen(4))), Ok(0));
        let other = Standing { system: 8, ..server(1, Some(9)) };
        assert_eq!(choose(&[server(0, Some(4)), other.clone()], Some(&seen(4))), Ok(0));
        let why = choose(std::slice::from_ref(&other), Some(&seen(4))).expect_err("another");
        assert!(why.contains("another database cluster (8, not 7)"), "{why}");
        let why = choose(&[server(0, Some(4)), other], None).expect_err("which of them is ours?");
        assert!(why.contains("different database clusters"), "{why}");
    }

    #[test]
    fn each_host_of_an_address_is_one_server_and_a_far_one_says_how_it_is_reached() {
        let address: Address = "postgres://shop:hunter2@127.0.0.1:5433,localhost:5434,[::1]/shop?target_session_attrs=read-write"
            .parse()
            .expect("an address");
        assert_eq!(address.servers.len(), 3);
        assert!(!format!("{address} {address:?}").contains("hunter2"), "{address}");
        for far in ["postgres://a@db.example/shop", "postgres://a@localhost,db.example/shop"] {
            let why = far.parse::<Address>().expect_err("it does not say how").to_string();
            assert!(why.contains("db.example is another machine") && why.contains("verify-full"), "{why}");
            for how in ["disable", "prefer", "require", "verify-full"] {
                format!("{far}?sslmode={how}").parse::<Address>().expect("it says how");
            }
        }
    }
}
