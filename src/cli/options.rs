//! Options that several commands share.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{Failed, secret};
use crate::config::{ServiceName, Services, Settings, StoreUrl};

/// The option that names the configuration file.
#[derive(Debug, Clone, Args)]
pub(super) struct ConfigOption {
    /// The configuration file [default: tillgate.toml in this directory, else
    /// /etc/tillgate/tillgate.toml]
    #[arg(long, value_name = "FILE", env = "TILLGATE_CONFIG")]
    config: Option<PathBuf>,
}

impl ConfigOption {
    pub(super) fn load(&self) -> Result<Settings, Failed> {
        let settings = crate::config::load(self.config.as_deref(), variables())?;
        for name in &settings.unknown_variables {
            let _ = writeln!(
                std::io::stderr(),
                "tillgate: the environment variable {name} names no setting and is ignored"
            );
        }
        Ok(settings)
    }
}

/// The environment as text. Variables of other programs may not be UTF-8.
pub(super) fn variables() -> impl Iterator<Item = (String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// Options of `serve` that override the configuration.
#[derive(Debug, Clone, Args)]
pub(super) struct Overrides {
    /// The address to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", value_parser = crate::config::listen_address)]
    listen: Option<SocketAddr>,
    /// The store: sled:<directory>, postgres://user@host/database or memory:
    /// [default: sled:data]. A password in it is visible to every user of this
    /// machine
    #[arg(long, value_name = "URL", conflicts_with = "store_file")]
    store: Option<StoreUrl>,
    /// A file that contains the value of --store
    #[arg(long, value_name = "FILE")]
    store_file: Option<PathBuf>,
    /// Run only these parts: gateway, and of the shop auth, notification, front
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    services: Vec<ServiceName>,
}

impl Overrides {
    /// Applies them to the settings.
    pub(super) fn apply(&self, settings: &mut Settings) -> Result<(), Failed> {
        settings.listen = self.listen.unwrap_or(settings.listen);
        if let Some(store) = &self.store {
            settings.store = store.clone();
        }
        if let Some(url) = secret::given(None, self.store_file.as_deref(), "--store-file")? {
            settings.store =
                url.parse().map_err(|why| Failed::usage(format!("--store-file: {why}")))?;
        }
        if !self.services.is_empty() {
            let services = Services::only(self.services.iter().copied());
            let chosen = settings.run_only(services);
            chosen.map_err(|why| Failed::usage(format!("--services: {why}")))?;
        }
        Ok(())
    }
}
