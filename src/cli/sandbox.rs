//! `tillgate sandbox`: a simulated payment system for tests.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::init::{fresh_secret, fresh_token};
use super::{Failed, say};
use crate::config::FILES;
use crate::kernel::Secret;
use crate::kernel::signature::Algorithm;
use tillgate_lab::sandbox::{Call, Sandbox, Setup, Trouble};

#[derive(Debug, Args)]
pub struct Options {
    /// The address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// The token that the gateway authenticates with [default: a fixed one,
    /// printed]
    #[arg(long, value_name = "TOKEN", env = "TILLGATE_SANDBOX_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The merchant's id [default: a fixed one, printed]
    #[arg(long, value_name = "ID")]
    merchant_id: Option<String>,
    /// The key that notifications are signed with [default: a fixed one,
    /// printed]
    #[arg(long, value_name = "KEY", env = "TILLGATE_SANDBOX_SIGNING_KEY", hide_env_values = true)]
    signing_key: Option<String>,
    /// The hash function of the signature
    #[arg(long, value_enum, default_value_t = Hash::Sha1)]
    signing_algorithm: Hash,
    /// Accept one number for several orders, which is the default of the real
    /// payment system
    #[arg(long)]
    repeated_numbers: bool,
    /// The URL that notifications in YooKassa's format are sent to
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080/hooks/yookassa")]
    yookassa_notify: String,
    /// Calls allowed within 30 seconds; further ones are answered 429
    #[arg(long, value_name = "N", default_value_t = 100)]
    calls_max: usize,
    /// Milliseconds before a notification that was not accepted is sent again;
    /// each further pause is twice as long
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    retry_pause_ms: u64,
    /// Inject a fault into every creation of an order: slow=<ms>, broken,
    /// bad-gateway, accept-then-drop, garbage, cut-short, too-long, redirect,
    /// no-access, too-many=<s>, busy, refused, other-amount, no-url, elsewhere,
    /// another-order, trickle, zipped
    #[arg(long, value_name = "TROUBLE", value_parser = Trouble::parse)]
    on_create: Option<Trouble>,
    /// Inject a fault into every update of an order: those of --on-create, and
    /// unheeded
    #[arg(long, value_name = "TROUBLE", value_parser = Trouble::parse)]
    on_update: Option<Trouble>,
    /// Inject a fault into every refund and shipment: slow=<ms>, broken,
    /// accept-then-drop, garbage, too-many=<s>, refused, pending, trickle,
    /// zipped
    #[arg(long, value_name = "TROUBLE", value_parser = Trouble::parse)]
    on_operate: Option<Trouble>,
    /// Inject a fault into every other call: slow=<ms>, broken, bad-gateway,
    /// accept-then-drop, garbage, cut-short, too-long, redirect, no-access,
    /// too-many=<s>, busy, no-url, elsewhere, another-order, twofold,
    /// unfiltered, trickle, zipped
    #[arg(long, value_name = "TROUBLE", value_parser = Trouble::parse)]
    on_other: Option<Trouble>,
    /// Inject a fault into every notification: slow=<ms>, duplicate=<n>, lost,
    /// other-amount, another-order; Invoicebox's: unsigned, forged, rewritten
    #[arg(long, value_name = "TROUBLE", value_parser = Trouble::parse)]
    on_notification: Option<Trouble>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Hash {
    Sha1,
    Sha256,
}

pub async fn run(options: Options) -> Result<(), Failed> {
    let default = Setup::default();
    let setup = Setup {
        listen: options.listen,
        token: options.token.map_or(default.token, Secret::new),
        merchant_id: options.merchant_id.unwrap_or(default.merchant_id),
        signing_key: options.signing_key.map_or(default.signing_key, Secret::new),
        algorithm: match options.signing_algorithm {
            Hash::Sha1 => Algorithm::Sha1,
            Hash::Sha256 => Algorithm::Sha256,
        },
        unique_numbers: !options.repeated_numbers,
        calls_max: options.calls_max,
        first_pause: Duration::from_millis(options.retry_pause_ms),
        clock: default.clock,
    };
    let sandbox = Sandbox::start(setup).await.map_err(Failed::because)?;
    let troubles = [
        (Call::Create, options.on_create),
        (Call::Update, options.on_update),
        (Call::Operate, options.on_operate),
        (Call::Other, options.on_other),
        (Call::Notification, options.on_notification),
    ];
    for (call, trouble) in troubles {
        sandbox.misbehave_always(call, trouble);
    }
    sandbox.notify_yookassa_at(&options.yookassa_notify);
    say(introduction(&sandbox, &options.yookassa_notify));
    let _ = tokio::signal::ctrl_c().await;
    Ok(())
}

fn introduction(sandbox: &Sandbox, yookassa_notify: &str) -> String {
    let url = sandbox.url();
    // The sections that this process would print have other secrets.
    let configuration = if Path::new(FILES[0]).exists() {
        String::new()
    } else {
        configuration(sandbox, yookassa_notify)
    };
    format!(
        r#"The sandbox payment system is at {url}: open it to see its orders, and to make it fail.
No money moves.{configuration}

Ledger:        curl {url}/sandbox/ledger
Trouble:       curl {url}/sandbox/troubles -H 'Content-Type: application/json' \
                 -d '{{"on":"create","next":[{{"slow":8000}},"accept-then-drop"]}}'
               on: create, update, operate, other, notification; next: for one call each;
               always: for all. -d '{{"clear":true}}' ends all troubles.
Refunds:       curl {url}/sandbox/refunds   lists them; finish those that trouble "pending" left
               open with -H 'Content-Type: application/json' -d '{{"status":"completed"}}', or "canceled"
Connection:    curl {url}/sandbox/test-notification -H 'Content-Type: application/json' \
                 -d '{{"url":"http://127.0.0.1:8080/hooks/sandbox"}}'
Ctrl-C stops it; all its data is lost."#
    )
}

/// The sections of tillgate.toml for this payment system.
fn configuration(sandbox: &Sandbox, yookassa_notify: &str) -> String {
    let (url, setup) = (sandbox.url(), sandbox.setup());
    let algorithm = match setup.algorithm {
        Algorithm::Sha1 => "sha1",
        Algorithm::Sha256 => "sha256",
    };
    format!(
        r#" For tillgate.toml (`tillgate init --site shop` writes all of it):

  [gateways.sandbox]
  protocol    = "invoicebox"
  url         = "{url}"
  token       = "{token}"
  merchant_id = "{merchant}"
  signing_key = "{key}"
  signing_algorithm = "{algorithm}"
  bank_card_method_id = 1   # so that orders can ask for a bank card, or for SBP
  sbp_method_id = 2

  [merchants.shop]
  gateway         = "sandbox"
  api_key         = "{api_key}"
  callback_url    = "http://127.0.0.1:8000/tillgate"
  callback_secret = "whsec_{callback_secret}"

or, with YooKassa's API and notifications to {yookassa_notify}:

  [gateways.yookassa]
  protocol    = "yookassa"
  url         = "{url}/yookassa"
  merchant_id = "{merchant}"
  token       = "{token}"
  notification_networks = ["127.0.0.0/8"]
"#,
        token = setup.token.expose(),
        merchant = setup.merchant_id,
        key = setup.signing_key.expose(),
        api_key = fresh_token(),
        callback_secret = fresh_secret(),
    )
}
