//! Connections: made when they are needed, made anew when they break.
//!
//! Statements of one transaction, and reads that do not depend on one another, are sent without waiting for one
//! another's answers, so a few connections do the work of many and there is no pool.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::ConfigVerifierExt;
use tokio::sync::Mutex;
use tokio_postgres::config::{Config, Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::AbortOnDropHandle;

use super::{Failed, in_time, words};
use crate::store::Unavailable;

/// How long making a connection may take.
const CONNECT_SECONDS_MAX: u64 = 2;

/// Between two attempts to connect: when the database is down its callers hear so at once meanwhile.
pub const CONNECT_PAUSE: Duration = Duration::from_millis(200);

/// Where the database is, from a `postgres://` address. It does not print its password.
#[derive(Clone)]
pub struct Address {
    config: Config,
    root_certificates: Option<PathBuf>,
}

/// The text is no address of a database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}. A store is \"postgres://user:password@host:5432/database\", with ?sslmode=require where the network is not yours"
)]
pub struct BadAddress(String);

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Address, BadAddress> {
        let (base, options) = text.split_once('?').unwrap_or((text, ""));
        let mut root_certificates = None;
        let mut kept = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("sslrootcert", path)) => root_certificates = Some(PathBuf::from(path)),
                // Certificates are always verified here.
                Some(("sslmode", "verify-full" | "verify-ca")) => kept.push("sslmode=require"),
                _ => kept.push(option),
            }
        }
        let address = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
        // The error may quote what it could not read, and that may be the password.
        let mut config = Config::from_str(&address)
            .map_err(|_| BadAddress("the address of the database cannot be read".into()))?;
        if config.get_hosts().is_empty() {
            return Err(BadAddress("the address names no host".into()));
        }
        if config.get_application_name().is_none() {
            config.application_name("tillgate");
        }
        config
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(3))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(5));
        Ok(Address { config, root_certificates })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => String::new(),
        };
        write!(f, "postgres://{host}")?;
        if let Some(port) = self.config.get_ports().first() {
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Address {
    /// Makes a connection, which serves until it breaks or its handle is dropped: then it is closed at once, whatever
    /// the server is at.
    pub(super) async fn connect(&self) -> Result<(Client, AbortOnDropHandle<()>), String> {
        let tls = if self.config.get_ssl_mode() == SslMode::Disable {
            // Never used, but the type wants one.
            let roots = RootCertStore::empty();
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
        } else {
            self.tls()?
        };
        let connecting = self.config.connect(MakeRustlsConnect::new(tls));
        let deadline = Duration::from_secs(CONNECT_SECONDS_MAX + 1);
        let connected = tokio::time::timeout(deadline, connecting).await;
        let connected = connected.map_err(|_| "no answer in time".to_owned())?;
        let (client, connection) = connected.map_err(|why| words(&why))?;
        let driving = tokio::spawn(async move {
            if let Err(why) = connection.await {
                tracing::warn!(error = words(&why), "a connection to the database broke");
            }
        });
        Ok((client, AbortOnDropHandle::new(driving)))
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

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Hooks wait for it.
    Fast,
    /// Nobody does.
    Slow,
}

impl Role {
    /// How long our side waits for an answer: longer than the server works on it.
    pub fn patience(self) -> Duration {
        match self {
            Role::Fast => Duration::from_millis(super::CALL_MILLISECONDS_MAX),
            Role::Slow => Duration::from_secs(10),
        }
    }

    /// What the server is to give up on, so that a lost client or a lock held elsewhere holds nobody up for long. Commits
    /// are always waited for, whatever the server's default.
    fn settings(self) -> &'static str {
        match self {
            Role::Fast => {
                "SET synchronous_commit = on; SET statement_timeout = '1800ms'; SET lock_timeout = '1500ms'; \
                 SET idle_in_transaction_session_timeout = '5s'"
            }
            Role::Slow => {
                "SET synchronous_commit = on; SET statement_timeout = '9s'; SET lock_timeout = '5s'; \
                 SET idle_in_transaction_session_timeout = '30s'"
            }
        }
    }
}

/// Settings that not every version and every compatible database has, and that are worth having where they are: a query
/// whose client has died lets go of its locks (since PostgreSQL 14); and all statements here go by an index, whatever is
/// known of tables that were empty a minute ago.
const WISHES: [&str; 5] = [
    "SET client_connection_check_interval = '200ms'",
    "SET enable_seqscan = off",
    "SET enable_bitmapscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
];

/// One connection, made anew when it breaks.
#[derive(Debug)]
pub struct Link {
    address: Address,
    pub role: Role,
    connected: Mutex<Option<Arc<Connected>>>,
    failed_at: Mutex<Option<(crate::kernel::Stopwatch, String)>>,
}

/// A connection with its statements.
pub struct Connected {
    /// Sends statements.
    pub client: Client,
    prepared: Mutex<std::collections::HashMap<&'static str, Statement>>,
    _driving: AbortOnDropHandle<()>,
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connected")
    }
}

impl Link {
    pub fn new(address: Address, role: Role) -> Link {
        Link { address, role, connected: Mutex::default(), failed_at: Mutex::default() }
    }

    /// The connection; a new one if the last has broken.
    pub async fn get(&self) -> Result<Arc<Connected>, Unavailable> {
        let mut connected = self.connected.lock().await;
        if let Some(there) = connected.as_ref().filter(|there| !there.client.is_closed()) {
            return Ok(Arc::clone(there));
        }
        *connected = None;
        let mut failed_at = self.failed_at.lock().await;
        if let Some((since, why)) = failed_at.as_ref()
            && since.elapsed() < CONNECT_PAUSE
        {
            return Err(Unavailable::Unreachable(why.clone()));
        }
        match self.connect().await {
            Ok(made) => {
                *failed_at = None;
                let made = Arc::new(made);
                *connected = Some(Arc::clone(&made));
                Ok(made)
            }
            Err(why) => {
                *failed_at = Some((crate::kernel::Stopwatch::start(), why.clone()));
                Err(Unavailable::Unreachable(why))
            }
        }
    }

    /// Lets go of a connection that cannot be trusted any more: what was sent on it may still be under way.
    pub async fn abandon(&self, broken: &Arc<Connected>) {
        let mut connected = self.connected.lock().await;
        if connected.as_ref().is_some_and(|there| Arc::ptr_eq(there, broken)) {
            *connected = None;
        }
    }

    /// Lets go of the connection, whatever it is at.
    pub async fn forget(&self) {
        *self.connected.lock().await = None;
    }

    async fn connect(&self) -> Result<Connected, String> {
        let (client, driving) = self.address.connect().await?;
        let set = in_time(client.batch_execute(self.role.settings())).await;
        set.map_err(|why| Unavailable::from(why).to_string())?;
        for wish in WISHES {
            match in_time(client.batch_execute(wish)).await {
                Ok(()) => {}
                Err(Failed::Said(why)) if why.code() == Some(&SqlState::UNDEFINED_OBJECT) => {}
                Err(why) => return Err(Unavailable::from(why).to_string()),
            }
        }
        Ok(Connected { client, prepared: Mutex::default(), _driving: driving })
    }
}

impl Connected {
    /// The statement with this text, prepared once for each connection.
    pub async fn statement(&self, text: &'static str) -> Result<Statement, Failed> {
        let mut prepared = self.prepared.lock().await;
        if let Some(statement) = prepared.get(text) {
            return Ok(statement.clone());
        }
        let statement = in_time(self.client.prepare(text)).await?;
        prepared.insert(text, statement.clone());
        Ok(statement)
    }
}
