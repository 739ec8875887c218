//! `tillgate cluster`: runs many receivers behind nginx, for tests.
//! `scripts/cluster` starts the database.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failed, say};
use crate::config::StoreUrl;
use crate::kernel::Secret;
use crate::kernel::chance::random_bytes;
use tillgate_lab::cluster::{Cluster, Plan};
use tillgate_lab::demo::public::{ApiClient, try_all};
use tillgate_lab::sandbox::{Sandbox, Setup};

#[derive(Debug, Args)]
pub struct Options {
    /// The database: postgres://user@host/database
    #[arg(long, value_name = "URL", env = "TILLGATE_CLUSTER_STORE", hide_env_values = true)]
    store: String,
    /// The number of receivers
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    receivers: u8,
}

pub async fn run(options: Options) -> Result<(), Failed> {
    match options.store.parse() {
        Ok(StoreUrl::Postgres(_)) => {}
        Ok(StoreUrl::Sled(_) | StoreUrl::Memory) => {
            return Err(Failed::usage(
                "--store: only a database can be shared, as in postgres://user@host/database",
            ));
        }
        Err(why) => return Err(Failed::usage(format!("--store: {why}"))),
    }
    // Before anything is started, so that a signal ends all of it.
    let mut signals = end_signals().map_err(Failed::because)?;
    let folder = Folder::new()?;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (token, admin_token) = (hex(&random_bytes::<16>()), hex(&random_bytes::<16>()));
    let (api_key, signing_key) = (hex(&random_bytes::<16>()), hex(&random_bytes::<16>()));
    let setup = Setup { signing_key: Secret::new(signing_key.clone()), ..Setup::default() };
    let bank = Sandbox::start(setup).await.map_err(Failed::because)?;
    let plan = Plan {
        binary: std::env::current_exe().map_err(Failed::because)?,
        folder: folder.0.clone(),
        settings: format!(
            "store = \"{}\"\nadmin_token = \"{admin_token}\"\ntrusted_proxies = [\"127.0.0.1\"]\n\
             [sources.sm]\nprotocol = \"sm\"\ntoken = \"{token}\"\n\
             [gateways.bank]\nprotocol = \"invoicebox\"\nurl = \"{}\"\ntoken = \
                                           \"{}\"\nmerchant_id = \"{}\"\n\
             signing_key = \"{signing_key}\"\n\
             [merchants.site]\napi_key = \"{api_key}\"\n",
            options.store,
            bank.url(),
            bank.setup().token.expose(),
            bank.setup().merchant_id,
        ),
        receivers: usize::from(options.receivers),
        with_nginx: true,
    };
    let cluster = Cluster::start(&plan).map_err(Failed::because)?;
    let url = format!("http://{}", cluster.address());
    say(format_args!("nginx listens on {url}"));
    for address in cluster.addresses() {
        say(format_args!("  receiver {address}"));
    }
    say(format_args!("  logs     {}", folder.0.display()));
    let address = cluster.address().to_string();
    let api = ApiClient { address: &address, source: "sm", token: &token, api_key: &api_key };
    let tried = try_all(api).await.map_err(Failed::because)?;
    say(format_args!("\nEvery public address, through nginx:\n"));
    for one in &tried {
        let mark = if one.is_right() { "✓" } else { "✗" };
        say(format_args!("  {mark} {:<24} {}", one.request, one.came));
    }
    if let Some(wrong) = tried.iter().find(|one| !one.is_right()) {
        return Err(Failed::because(format!(
            "{}: {} was expected, {} was received. The logs of nginx and the receivers are in {}",
            wrong.request,
            wrong.due,
            wrong.came,
            folder.0.display()
        )));
    }
    say(format_args!(
        "\nSend hooks through nginx, and look at the result:\n\n  \
         tillgate send fixtures/sm/*.json --to {url}/hooks/sm --token {token}\n  \
         TILLGATE_ADMIN_TOKEN={admin_token} tillgate orders list --server {url}\n\n\
         Place an order with a pay button, and open its payment.url:\n\n  \
         curl {url}/v1/orders -H 'Authorization: Bearer {api_key}' -H 'Idempotency-Key: 1' -d \\\n    \
         '{{\"merchant_order_id\":\"1\",\"customer\":{{\"email\":\"a@example.org\"}},\"items\":[{{\"sku\":\"1\",\"name\":\"Tea\",\
         \"quantity\":\"1\",\"price\":\"10.00\",\"vat\":\"RUS_VAT0\"}}]}}'\n\n\
         A receiver that is killed is restarted. Ctrl-C stops everything."
    ));
    let _ = signals.recv().await;
    drop(cluster);
    Ok(())
}

/// Receives Ctrl-C, SIGTERM and SIGHUP.
fn end_signals() -> std::io::Result<tokio::sync::mpsc::Receiver<()>> {
    let (received, signals) = tokio::sync::mpsc::channel(1);
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let (received, mut signal) = (received.clone(), signal(kind)?);
        tokio::spawn(async move {
            let _ = signal.recv().await;
            let _ = received.send(()).await;
        });
    }
    Ok(signals)
}

/// A temporary folder that is removed when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder, Failed> {
        let name = format!("tillgate-cluster-{:08x}", u32::from_be_bytes(random_bytes()));
        let path = std::env::temp_dir().join(name);
        // Its files give access to the receivers.
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(Failed::because)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
