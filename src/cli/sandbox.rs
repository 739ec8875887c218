//! `tillgate sandbox`: a payment system to try things on.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Failed, say};
use crate::kernel::Secret;
use crate::kernel::signature::Algorithm;
use tillgate_lab::sandbox::{Call, Sandbox, Setup, Trouble};

#[derive(Debug, Args)]
pub struct Options {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// The token that the gateway calls with [default: a fixed one, printed]
    #[arg(long, value_name = "TOKEN", env = "TILLGATE_SANDBOX_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The shop's id [default: a fixed one, printed]
    #[arg(long, value_name = "ID")]
    merchant_id: Option<String>,
    /// What notifications are signed with [default: a fixed one, printed]
    #[arg(long, value_name = "KEY", env = "TILLGATE_SANDBOX_SIGNING_KEY", hide_env_values = true)]
    signing_key: Option<String>,
    /// The hash in the signature
    #[arg(long, value_enum, default_value_t = Hash::Sha1)]
    signing_algorithm: Hash,
    /// Accept one number for several orders, as shops over there are set up by default
    #[arg(long)]
    repeated_numbers: bool,
    /// Where notifications in YooKassa's form go
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080/hooks/yookassa")]
    yookassa_notify: String,
    /// Calls within 30 seconds; more are answered 429
    #[arg(long, value_name = "N", default_value_t = 100)]
    calls_max: usize,
    /// Before a notification that was not taken is sent again; each further pause is twice as long
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    retry_pause_ms: u64,
    /// Make every order go wrong: slow=<ms>, broken, bad-gateway, accept-then-drop, garbage, cut-short, too-long, redirect,
    /// no-access, too-many=<s>, busy, refused, other-amount, no-url, elsewhere, another-order, trickle, zipped
    #[arg(long, value_name = "TROUBLE", value_parser = Trouble::parse)]
    on_create: Option<Trouble>,
    /// Make every alteration of an order go wrong: what --on-create takes, and unheeded
    #[arg(long, value_name = "TROUBLE", value_parser = Trouble::parse)]
    on_update: Option<Trouble>,
    /// Make every refund and shipment go wrong: slow=<ms>, broken, accept-then-drop, garbage, too-many=<s>, refused,
    /// pending, trickle, zipped
    #[arg(long, value_name = "TROUBLE", value_parser = Trouble::parse)]
    on_operate: Option<Trouble>,
    /// Make every other call go wrong: slow=<ms>, broken, bad-gateway, accept-then-drop, garbage, cut-short, too-long,
    /// redirect, no-access, too-many=<s>, busy, no-url, elsewhere, another-order, twofold, unfiltered, trickle, zipped
    #[arg(long, value_name = "TROUBLE", value_parser = Trouble::parse)]
    on_other: Option<Trouble>,
    /// Make every notification go wrong: slow=<ms>, duplicate=<n>, lost, other-amount, another-order; Invoicebox's: unsigned,
    /// forged, rewritten
    #[arg(long, value_name = "TROUBLE", value_parser = Trouble::parse)]
    on_notice: Option<Trouble>,
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
        (Call::Notice, options.on_notice),
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
    let (url, setup) = (sandbox.url(), sandbox.setup());
    let algorithm = match setup.algorithm {
        Algorithm::Sha1 => "sha1",
        Algorithm::Sha256 => "sha256",
    };
    format!(
        r#"The sandbox payment system is at {url}. No money moves. For tillgate.toml:

  [gateways.sandbox]
  protocol    = "invoicebox"
  url         = "{url}"
  token       = "{token}"
  merchant_id = "{merchant}"
  signing_key = "{key}"
  signing_algorithm = "{algorithm}"

or, in YooKassa's words, with its notifications going to {yookassa_notify}:

  [gateways.yookassa]
  protocol    = "yookassa"
  url         = "{url}/yookassa"
  merchant_id = "{merchant}"
  token       = "{token}"
  notice_networks = ["127.0.0.0/8"]

What it has:   curl {url}/sandbox/ledger
Trouble:       curl {url}/sandbox/troubles -H 'Content-Type: application/json' \
                 -d '{{"on":"create","next":[{{"slow":8000}},"accept_then_drop"]}}'
               on: create, update, operate, other, notice; next: for one call each; always: for all; clear: true ends it all.
Refunds:       curl {url}/sandbox/refunds   shows them; those that trouble "pending" left open end by
               -H 'Content-Type: application/json' -d '{{"status":"completed"}}', or "canceled"
Connection:    curl {url}/sandbox/test-notice -H 'Content-Type: application/json' \
                 -d '{{"url":"http://127.0.0.1:8080/hooks/sandbox"}}'
Ctrl-C ends it, and it forgets everything."#,
        token = setup.token.expose(),
        merchant = setup.merchant_id,
        key = setup.signing_key.expose(),
    )
}
