//! `tillgate init`: a commented configuration with fresh secrets.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};

use super::{Failed, say};
use crate::kernel::chance::random_bytes;
use tillgate_lab::sandbox::Setup;

#[derive(Debug, Args)]
pub struct Options {
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "tillgate.toml")]
    file: PathBuf,
    /// A marketplace that posts order hooks, by the name of its section
    /// [default: sm, unless a site is named]
    #[arg(long, value_name = "NAME")]
    marketplace: Option<String>,
    /// A site that sells through tillgate, by the name of its section
    #[arg(long, value_name = "NAME")]
    site: Option<String>,
    /// The address of the site that takes callbacks
    #[arg(long, value_name = "URL", requires = "site")]
    callback_url: Option<String>,
    /// The payment system [default: sandbox, if a site is named]
    #[arg(long, value_enum, value_name = "NAME")]
    payments: Option<Payments>,
    /// The address at which buyers and payment systems reach tillgate
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Where everything is kept: sled:DIRECTORY, or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL", default_value = "sled:data")]
    store: String,
    /// Add the section for pickers' chats in Telegram
    #[arg(long)]
    telegram: bool,
    /// Replace a file that exists
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Payments {
    /// `tillgate sandbox` on this machine: no money moves
    Sandbox,
    Invoicebox,
    Yookassa,
}

impl Payments {
    const fn name(self) -> &'static str {
        match self {
            Payments::Sandbox => "sandbox",
            Payments::Invoicebox => "invoicebox",
            Payments::Yookassa => "yookassa",
        }
    }
}

pub fn run(options: &Options) -> Result<(), Failed> {
    for (option, name) in [("--marketplace", &options.marketplace), ("--site", &options.site)] {
        if name.as_deref().is_some_and(|name| !is_name(name)) {
            return Err(Failed::usage(format!("{option}: use letters, digits, - and _ alone")));
        }
    }
    let text = configuration(options);
    let mut file = OpenOptions::new();
    file.write(true).mode(0o600);
    if options.force {
        file.create(true).truncate(true);
    } else {
        file.create_new(true);
    }
    let path = options.file.display();
    let mut file = file.open(&options.file).map_err(|why| {
        if why.kind() == std::io::ErrorKind::AlreadyExists {
            Failed::usage(format!(
                "{path} exists already. To add a section to it, write another --file and copy the \
                 section; --force replaces {path} and its secrets"
            ))
        } else {
            Failed::because(format!("{path}: {why}"))
        }
    })?;
    file.write_all(text.as_bytes()).map_err(|why| Failed::because(format!("{path}: {why}")))?;
    say(format_args!("{path} is written; it holds secrets, and only you can read it. Next:"));
    if options.payments() == Some(Payments::Sandbox) {
        say("  tillgate sandbox     a payment system on this machine, in another terminal");
    }
    if text.contains("FILL IN") {
        say(format_args!("  fill in what {path} marks with FILL IN"));
    }
    say("  tillgate check       tries what is configured");
    say("  tillgate serve       runs the gateway");
    Ok(())
}

fn is_name(name: &str) -> bool {
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !name.is_empty() && name.bytes().all(usable)
}

impl Options {
    fn payments(&self) -> Option<Payments> {
        self.payments.or(self.site.as_ref().map(|_| Payments::Sandbox))
    }
}

/// The file's text.
fn configuration(options: &Options) -> String {
    let mut text = String::from(
        "# The configuration of tillgate. Every key: docs/configuration.md\n\
         # A key can be given by the environment instead: TILLGATE_ADMIN_TOKEN, \
         TILLGATE_SOURCES__SM__TOKEN, …\n\n\
         listen = \"127.0.0.1:8080\"\n",
    );
    match &options.public_url {
        Some(url) => text += &format!("public_url = {}\n", quoted(url)),
        None => {
            text += "# How buyers and payment systems reach tillgate, through a proxy with TLS:\n\
                     # public_url = \"https://pay.shop.example\"\n";
        }
    }
    text += &format!(
        "# One process: sled:DIRECTORY. Many behind nginx: postgres://USER@HOST/DATABASE\n\
         store = {}\n\
         # Opens the admin API, which `tillgate orders`, `outbox`, `payments` and others use.\n\
         admin_token = \"{}\"\n",
        quoted(&options.store),
        fresh_token(),
    );
    let marketplace = options.marketplace.clone();
    let marketplace = marketplace.or_else(|| options.site.is_none().then(|| "sm".into()));
    if let Some(name) = marketplace {
        write_marketplace(&mut text, &name);
    }
    if let Some(payments) = options.payments() {
        write_gateway(&mut text, payments);
    }
    if let Some(name) = &options.site {
        write_site(&mut text, name, options.callback_url.as_deref());
    }
    if options.telegram {
        text += "\n# Pickers' chats. The bot is made by @BotFather and added to each chat.\n\
                 [notify]\n\
                 language = \"ru\"                  # or \"en\"\n\
                 [notify.telegram]\n\
                 token = \"FILL IN\"\n\
                 [notify.telegram.chats]\n\
                 default = \"FILL IN\"              # the chat's id, such as -1001234567890\n\
                 # \"17\" = \"-1002\"                 # the chat of store 17\n";
    }
    text
}

fn write_marketplace(text: &mut String, name: &str) {
    let token = fresh_token();
    let _ = write!(
        text,
        "\n# A marketplace. It posts its hooks to /hooks/{name}, with this token as Client-Token.\n\
         [sources.{name}]\n\
         protocol = \"sm\"\n\
         token = \"{token}\"\n\
         # payment = \"link\"               # tillgate makes a payment link for each order\n\
         # time_zone = \"Europe/Moscow\"    # how times without an offset are read\n",
    );
}

fn write_gateway(text: &mut String, payments: Payments) {
    let name = payments.name();
    let _ = writeln!(text, "\n# The payment system. Its notifications come to /hooks/{name}.");
    let _ = match payments {
        Payments::Sandbox => {
            let setup = Setup::default();
            write!(
                text,
                "# This is `tillgate sandbox`: its secrets are published, and no money moves.\n\
                 [gateways.sandbox]\n\
                 protocol = \"invoicebox\"\n\
                 url = \"http://127.0.0.1:8090\"\n\
                 token = \"{}\"\n\
                 merchant_id = \"{}\"\n\
                 signing_key = \"{}\"\n",
                setup.token.expose(),
                setup.merchant_id,
                setup.signing_key.expose(),
            )
        }
        Payments::Invoicebox => write!(
            text,
            "[gateways.invoicebox]\n\
             protocol = \"invoicebox\"\n\
             token = \"FILL IN\"              # from Invoicebox's cabinet, like the other two\n\
             merchant_id = \"FILL IN\"\n\
             signing_key = \"FILL IN\"\n",
        ),
        Payments::Yookassa => write!(
            text,
            "[gateways.yookassa]\n\
             protocol = \"yookassa\"\n\
             merchant_id = \"FILL IN\"        # the shop's id, shopId\n\
             token = \"FILL IN\"              # its secret key\n\
             # capture = \"manual\"           # holds the money until a capture takes it\n\
             # receipts = \"none\"            # or \"yookassa\", or \"own\", a cash register\n",
        ),
    };
}

fn write_site(text: &mut String, name: &str, callback_url: Option<&str>) {
    let (key, secret) = (fresh_token(), fresh_secret());
    let _ = write!(
        text,
        "\n# A site that sells through tillgate: Authorization: Bearer <api_key>.\n\
         [merchants.{name}]\n\
         api_key = \"{key}\"\n\
         # name = \"…\"                     # how buyers' pages call the shop\n",
    );
    *text += &match callback_url {
        Some(url) => format!("callback_url = {}\n", quoted(url)),
        None => "# callback_url = \"https://shop.example/tillgate\"   # takes callbacks\n".into(),
    };
    *text += &format!("callback_secret = \"whsec_{secret}\"   # signs them\n");
}

/// A fresh token: 24 random bytes in hexadecimal.
pub(super) fn fresh_token() -> String {
    random_bytes::<24>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A fresh key of Standard Webhooks, without its prefix.
pub(super) fn fresh_secret() -> String {
    STANDARD.encode(random_bytes::<24>())
}

/// A text as TOML quotes it.
fn quoted(text: &str) -> String {
    // A JSON string is a basic string of TOML.
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        options: Options,
    }

    fn written(arguments: &[&str]) -> String {
        let arguments = ["init"].iter().chain(arguments);
        configuration(&Alone::try_parse_from(arguments).expect("arguments").options)
    }

    /// Every combination is one that `serve` starts on, once it is filled in.
    #[test]
    fn every_combination_is_a_valid_configuration() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("tillgate.toml");
        let mut combinations = 0;
        for source in [&[][..], &["--marketplace", "sm"]] {
            for site in [&[][..], &["--site", "shop"]] {
                for payments in ["", "sandbox", "invoicebox", "yookassa"] {
                    for rest in [&[][..], &["--telegram", "--store", "postgres://me@h/d"]] {
                        let payments =
                            if payments.is_empty() { vec![] } else { vec!["--payments", payments] };
                        let text = written(&[source, site, &payments, rest].concat());
                        let mut number = 0;
                        let filled: String = text
                            .split("FILL IN")
                            .map(|part| {
                                number += 1;
                                format!("{part}value-{number}")
                            })
                            .collect();
                        let filled = filled.strip_suffix(&format!("value-{number}"));
                        std::fs::write(&file, filled.expect("an end")).expect("written");
                        let settings = crate::config::load(Some(&file), std::iter::empty());
                        let settings = settings.unwrap_or_else(|why| panic!("{text}\n{why}"));
                        assert_eq!(settings.merchants.len(), site.len() / 2);
                        assert!(!settings.sources.is_empty() || !site.is_empty());
                        combinations += 1;
                    }
                }
            }
        }
        assert_eq!(combinations, 32);
    }

    #[test]
    fn what_is_left_to_fill_in_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("tillgate.toml");
        let text = written(&["--site", "shop", "--payments", "invoicebox"]);
        std::fs::write(&file, text).expect("written");
        let refused = crate::config::load(Some(&file), std::iter::empty()).expect_err("unfilled");
        let says = "gateways.invoicebox.merchant_id still says FILL IN: set it, or remove it";
        assert!(refused.to_string().ends_with(says), "{refused}");
    }

    #[test]
    fn secrets_are_fresh_each_time() {
        assert_ne!(written(&["--site", "shop"]), written(&["--site", "shop"]));
    }

    #[test]
    fn a_text_with_quotes_stays_one_value() {
        assert_eq!(quoted("a\"\n[x]"), r#""a\"\n[x]""#);
    }
}
