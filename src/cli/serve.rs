//! `tillgate serve`: runs the gateway until it is asked to stop.

use std::io::Write;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use sd_notify::NotifyState;

use super::receiver::Note;
use super::{ConfigOption, Failed, Overrides};
use crate::app::{App, StartError};
use crate::config::{ServiceName, Settings};
use crate::kernel::Clock;
use crate::telemetry::{logs, metrics};

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    config: ConfigOption,
    #[command(flatten)]
    overrides: Overrides,
}

pub async fn run(options: Options) -> Result<(), Failed> {
    let mut settings = options.config.load()?;
    options.overrides.apply(&mut settings)?;

    let logs = logs::start();
    for warning in settings.warnings() {
        tracing::warn!(warning, "the configuration could be safer; tillgate check shows this too");
    }
    let mut signals = Signals::new().map_err(Failed::because)?;
    let app =
        App::start(&settings, Clock::System, metrics::install()).await.map_err(
            |why| match why {
                StartError::Address(_) | StartError::Mail(_) => Failed::usage(why),
                StartError::Store(_)
                | StartError::Database(_)
                | StartError::Client(_)
                | StartError::Listen { .. } => Failed::because(why),
            },
        )?;
    if settings.public_url.is_none() {
        settings.listen = app.address();
    }
    let note = Note::leave(&settings, app.admin_endpoint());
    announce(&settings, &app);

    let outcome = tokio::select! {
        () = signals.any() => Ok(()),
        why = app.failed() => Err(why),
    };
    drop(note);
    match outcome {
        Ok(()) => {
            notify_manager(NotifyState::Stopping);
            tracing::info!(
                "draining: no new connections are accepted, requests in progress are finished"
            );
            let drained = async {
                app.drain().await;
            };
            tokio::select! {
                () = drained => {
                    tracing::info!("stopped");
                    drop(logs);
                    Ok(())
                }
                () = signals.any() => Err(Failed::because("stopped at once because of a second \
                                                           signal")),
            }
        }
        Err(why) => {
            drop(logs);
            // The memory may not match the disk: clean up nothing, recover from
            // the disk at the next start.
            Err(Failed::because(format!(
                "the store has failed: {why}. Nothing that is not saved was acknowledged; start \
                 the gateway again and it recovers by itself"
            )))
        }
    }
}

fn announce(settings: &Settings, app: &App) {
    say(format_args!("tillgate {} listens on http://{}", env!("CARGO_PKG_VERSION"), app.address()));
    match &settings.file {
        Some(file) => say(format_args!("  settings   {}", file.display())),
        None => {
            say("  settings   the defaults: there is no tillgate.toml here or in /etc/tillgate")
        }
    }
    say(format_args!("  store      {}", settings.store));
    if !settings.services.are_all() {
        say(format_args!("  services   {}", settings.services));
    }
    if let Some(address) = app.shop_address() {
        say(format_args!("  shop       http://{address}"));
    }
    let url = settings.public_url();
    for name in settings.sources.keys() {
        say(format_args!("  hooks      POST {url}/hooks/{name}"));
    }
    if settings.sources.is_empty() && settings.services.run(ServiceName::Gateway) {
        say("  hooks      none: add [sources.sm] to tillgate.toml (see README.md)");
    }
    for (name, gateway) in &settings.gateways {
        say(format_args!(
            "  payments   {} sends notifications to {url}/hooks/{name}",
            gateway.url()
        ));
    }
    for (name, merchant) in &settings.merchants {
        let callbacks = merchant.callbacks_to();
        say(format_args!(
            "  merchant   {name} orders by POST {url}/v1/orders; callbacks go to {callbacks}"
        ));
    }
    match (&settings.notify.telegram, &settings.admin_token) {
        (Some(telegram), _) => {
            say(format_args!("  pickers    {} chats in Telegram", telegram.chats.len()))
        }
        (None, _) => say("  pickers    not notified: add [notify.telegram] to tillgate.toml"),
    }
    match settings.admin_token {
        Some(_) if settings.admin_listen.is_some() => {
            say(format_args!(
                "  admin      {}: /admin/v1, /metrics and the detailed /readyz are only there",
                app.admin_endpoint()
            ));
        }
        Some(_) => say(format_args!("  admin      {url}/admin/v1")),
        None => say("  admin      off: set admin_token"),
    }
    match app.waits_for() {
        None => say("ready"),
        Some(why) => say(format_args!(
            "waiting: the database accepts no writes yet ({why}). Until it does, requests are \
             answered 503 and their senders repeat them"
        )),
    }
    notify_manager(NotifyState::Ready);
}

/// Prints a line. Unlike in a command, a failure is ignored: the gateway serves
/// whether or not anybody reads its output.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The signals that end the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Notifies systemd, if it has started this process (Type=notify).
fn notify_manager(state: NotifyState<'_>) {
    if let Err(why) = sd_notify::notify(false, &[state]) {
        tracing::warn!(error = %why, "the service manager could not be notified");
    }
}
