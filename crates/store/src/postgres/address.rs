//! The address of the database: its servers, and how to connect to them.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::ConfigVerifierExt;
use tokio_postgres::config::{Config, Host, SslMode};

use super::known::{GREETING_MAX, Known};

/// The address of the database, parsed from a `postgres://` URL: one server or
/// several. Its `Display` and `Debug` texts do not contain the password. Clones
/// share what is known of the servers.
#[derive(Clone)]
pub struct Address {
    /// One configuration for each server, with one host in each.
    pub(super) servers: Vec<Config>,
    root_certificates: Option<PathBuf>,
    pub(super) known: Arc<Known>,
}

/// The text is not a valid database address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}. A store is \
     \"postgres://user:password@host:5432/database?sslmode=verify-full\"; on a \
     private network use sslmode=disable"
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
                // Certificates are always verified.
                Some(("sslmode", "verify-full" | "verify-ca")) => kept.push("sslmode=require"),
                // Nothing else is useful: every connection writes.
                Some(("target_session_attrs", "read-write" | "any" | "primary")) => {}
                _ => kept.push(option),
            }
        }
        let address =
            if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
        // The parser's error may quote what it could not read, and that may be
        // the password.
        let config = Config::from_str(&address)
            .map_err(|_| BadAddress("the address of the database is malformed".into()))?;
        let hosts = config.get_hosts();
        if hosts.is_empty() {
            return Err(BadAddress("the address names no host".into()));
        }
        if let Some(far) = hosts.iter().find(|host| !is_here(host)).filter(|_| !says_how) {
            let Host::Tcp(name) = far else {
                return Err(BadAddress("a Unix socket is always on this machine".into()));
            };
            return Err(BadAddress(format!(
                "{name} is on another machine, and the address does not set sslmode"
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

/// The configuration for the host at `place` only.
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
    // A single port applies to all hosts.
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

/// The host and port of a server.
pub(super) fn name_of(server: &Config) -> String {
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

impl Address {
    /// The TLS configuration of connections that are encrypted.
    pub(super) fn tls(&self) -> Result<ClientConfig, String> {
        if self.servers.iter().all(|server| server.get_ssl_mode() == SslMode::Disable) {
            // Never used, but the caller needs a configuration.
            let roots = RootCertStore::empty();
            return Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_of_an_address_is_one_server_and_a_remote_one_needs_sslmode() {
        let address: Address = "postgres://shop:hunter2@127.0.0.1:5433,\
             localhost:5434,[::1]/shop?target_session_attrs=read-write"
            .parse()
            .expect("an address");
        assert_eq!(address.servers.len(), 3);
        assert!(!format!("{address} {address:?}").contains("hunter2"), "{address}");
        for far in ["postgres://a@db.example/shop", "postgres://a@localhost,db.example/shop"] {
            let why = far.parse::<Address>().expect_err("it sets no sslmode").to_string();
            assert!(
                why.contains("db.example is on another machine") && why.contains("verify-full"),
                "{why}"
            );
            for how in ["disable", "prefer", "require", "verify-full"] {
                format!("{far}?sslmode={how}").parse::<Address>().expect("it sets sslmode");
            }
        }
    }
}
