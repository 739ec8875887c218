//! Every setting by its path, and the type of value that an environment
//! variable holds for it.

use crate::gateway::section;
use crate::kernel::setting::Setting;
use crate::kernel::setting::ValueKind::{self, List, Number, Secret, Switch, Text};

/// A name that the operator chooses, as a level of a setting's path.
pub const ANY: &str = "*";

/// A table of the configuration, with its settings.
pub struct Section {
    /// Its place, such as `["sources", ANY]`.
    pub place: &'static [&'static str],
    pub settings: &'static [Setting],
    /// What the table is for.
    pub about: &'static str,
}

/// Every section but `[gateways.*]`, whose settings the payment systems
/// declare. Tests compare them with what [`super::Settings`] reads, and with
/// docs/configuration.md.
pub const SECTIONS: &[Section] = &[
    Section {
        place: &[],
        about: "The gateway itself.",
        settings: &[
            Setting::or(
                "listen",
                Text,
                "\"127.0.0.1:8080\"",
                "The address and port of the public side.",
            ),
            Setting::optional(
                "public_url",
                Text,
                "How browsers and peers reach tillgate: links, notification addresses. Without \
                    it, `http://` and `listen`.",
            ),
            Setting::or(
                "store",
                Secret,
                "\"sled:data\"",
                "Where everything is kept: `sled:DIRECTORY` for one process, \
                    `postgres://USER@HOST/DATABASE` for many, `memory:` for trials.",
            ),
            Setting::or(
                "store_cache_mebibytes",
                Number,
                "32",
                "Memory for the cache of a `sled:` store, in MiB.",
            ),
            Setting::or(
                "store_migrate",
                Switch,
                "true",
                "Whether `serve` upgrades an older database schema. With `false`, `tillgate \
                    migrate` does.",
            ),
            Setting::or(
                "idle_drain_seconds",
                Number,
                "6",
                "How long idle connections stay open after SIGTERM, in seconds. Longer than the \
                    proxy in front keeps them.",
            ),
            Setting::or(
                "trusted_proxies",
                List,
                "[]",
                "Proxies whose `X-Forwarded-For` is believed: addresses or networks.",
            ),
            Setting::or(
                "callback_networks",
                List,
                "[]",
                "Networks, in addition to the public internet, that callback addresses named by \
                    orders may be in.",
            ),
            Setting::or(
                "connections_per_address_max",
                Number,
                "256",
                "Open connections per address, or per /64 network of IPv6. Not for loopback, \
                    unix sockets and trusted proxies.",
            ),
            Setting::optional(
                "admin_token",
                Secret,
                "Opens the admin API. Without it the admin API is off.",
            ),
            Setting::optional(
                "admin_listen",
                Text,
                "Where the admin API, `/metrics` and the detailed `/readyz` are, and nowhere \
                    else: `127.0.0.1:8081`, or `unix:/run/tillgate/admin.sock`. Without it, at \
                    `listen`.",
            ),
        ],
    },
    Section {
        place: &["sources", ANY],
        about: "A sender of order hooks: `POST /hooks/<name>`.",
        settings: &[
            Setting::required("protocol", Text, "The sender's protocol: `sm`."),
            Setting::optional(
                "token",
                Secret,
                "The token that the sender's hooks bear. Required unless `verify` names another \
                    proof.",
            ),
            Setting::or(
                "tokens",
                List,
                "[]",
                "The new and the old token, while one replaces the other.",
            ),
            Setting::or(
                "payment",
                Text,
                "\"marketplace\"",
                "Who takes the money: `marketplace`, or `link`, where each order gets a payment \
                    link.",
            ),
            Setting::optional(
                "gateway",
                Text,
                "The payment system of `payment = \"link\"`. May be omitted when there is one.",
            ),
            Setting::or(
                "vat",
                Text,
                "\"VATNONE\"",
                "The VAT rate of the goods, with `payment = \"link\"`.",
            ),
            Setting::optional(
                "delivery_vat",
                Text,
                "The VAT rate of a delivery line. Without it, that of the goods.",
            ),
            Setting::optional(
                "time_zone",
                Text,
                "How times without an offset are read: `Europe/Moscow`, or `+03:00`.",
            ),
            Setting::or("retention_days", Number, "90", "How long raw hooks are kept, in days."),
            Setting::or(
                "holds_stock",
                Switch,
                "false",
                "Whether the shop does not sell what open orders of this source want.",
            ),
            Setting::or(
                "megabytes_per_day_max",
                Number,
                "10000",
                "Hooks of a day from which on an alarm is raised, and hooks about orders that were \
                 not created are answered 503. No other hook is refused.",
            ),
        ],
    },
    Section {
        place: &["sources", ANY, "verify"],
        about: "How a sender proves itself, where that is not its protocol's own way.",
        settings: &[
            Setting::required(
                "by",
                Text,
                "`token`, `hmac`, `standard_webhooks`, `basic` or `networks`.",
            ),
            Setting::optional("header", Text, "The header that bears the token or the signature."),
            Setting::optional("key", Secret, "The key of the signature."),
            Setting::or(
                "keys",
                List,
                "[]",
                "The new and the old key, while one replaces the other.",
            ),
            Setting::optional("algorithm", Text, "With `hmac`: `sha1`, `sha256` or `sha512`."),
            Setting::optional("encoding", Text, "With `hmac`: `hex` or `base64`."),
            Setting::optional(
                "prefix",
                Text,
                "With `hmac`: what precedes the signature, such as `sha256=`.",
            ),
            Setting::optional("user", Text, "With `basic`: the user."),
            Setting::optional("password", Secret, "With `basic`: the password."),
            Setting::or(
                "passwords",
                List,
                "[]",
                "The new and the old password, while one replaces the other.",
            ),
            Setting::optional("networks", List, "With `networks`: where hooks come from."),
        ],
    },
    Section {
        place: &["sources", ANY, "outgoing"],
        about: "Where the marketplace takes fulfilment updates. Give `token`, or the other three.",
        settings: &[
            Setting::required("url", Text, "The address for fulfilment updates."),
            Setting::optional(
                "shipments_url",
                Text,
                "The marketplace's list of orders. It is compared every ten minutes, and missing \
                    hooks are made up for.",
            ),
            Setting::optional("token", Secret, "A fixed token."),
            Setting::optional(
                "token_url",
                Text,
                "Where a client id and secret are exchanged for a token.",
            ),
            Setting::optional("client_id", Text, "The client id."),
            Setting::optional("client_secret", Secret, "The client secret."),
        ],
    },
    Section {
        place: &["merchants", ANY],
        about: "A site that sells through tillgate, with `Authorization: Bearer <api_key>`.",
        settings: &[
            Setting::optional("api_key", Secret, "The key that the site's requests bear."),
            Setting::or(
                "api_keys",
                List,
                "[]",
                "The new and the old key, while one replaces the other.",
            ),
            Setting::optional(
                "name",
                Text,
                "The shop's name on buyers' pages. Without it, the name of the section.",
            ),
            Setting::optional(
                "logo_file",
                Text,
                "A PNG, JPEG or WebP image for buyers' pages, of at most 256 kB.",
            ),
            Setting::optional(
                "gateway",
                Text,
                "The payment system. May be omitted when there is one.",
            ),
            Setting::or(
                "requests_per_minute_max",
                Number,
                "600",
                "Requests that the site may make of each receiver in a minute.",
            ),
            Setting::or(
                "megabytes_per_day_max",
                Number,
                "1000",
                "Requests that are stored on a day (UTC). Above that, orders and changes are \
                 answered 429.",
            ),
            Setting::optional(
                "callback_url",
                Secret,
                "The address for callbacks, unless an order names its own.",
            ),
            Setting::optional(
                "callback_secret",
                Secret,
                "The key that callbacks are signed with: `whsec_` and base64.",
            ),
        ],
    },
    Section {
        place: &["notify"],
        about: "Messages to pickers.",
        settings: &[Setting::or("language", Text, "\"ru\"", "`ru` or `en`.")],
    },
    Section {
        place: &["notify", "telegram"],
        about: "The bot that writes to the pickers' chats.",
        settings: &[
            Setting::or("url", Text, "\"https://api.telegram.org\"", "The address of the Bot API."),
            Setting::required("token", Secret, "The bot's token, from @BotFather."),
            Setting::or(
                "gap_milliseconds",
                Number,
                "1000",
                "The pause between two messages to one chat, in milliseconds.",
            ),
        ],
    },
    Section {
        place: &["notify", "telegram", "chats"],
        about: "Chats by store: `\"17\" = \"-1002\"`.",
        settings: &[Setting::optional(
            ANY,
            Text,
            "The chat's id for this store. `default` is for all others.",
        )],
    },
    Section {
        place: &["shop"],
        about: "The online shop. It is in builds with `--features shop`.",
        settings: &[
            Setting::or("name", Text, "\"\"", "The name of the shop, on its pages."),
            Setting::optional(
                "key",
                Secret,
                "The key that clients' data is sealed with: 32 bytes in base64, such as `openssl \
                    rand -base64 32` prints. Without it the data cannot be read: keep a copy.",
            ),
            Setting::optional(
                "keys",
                List,
                "The same after the key was replaced: the new key first, then the old ones, which stay.",
            ),
            Setting::optional(
                "public_url",
                Text,
                "The address of the shop as buyers' browsers know it. Without it, the gateway's.",
            ),
            Setting::or(
                "language",
                Text,
                "\"ru\"",
                "The language of pages for browsers that ask for neither: `ru` or `en`.",
            ),
            Setting::or(
                "hold_minutes",
                Number,
                "15",
                "How long goods are held for a client who is about to pay, in minutes.",
            ),
            Setting::optional(
                "merchant",
                Text,
                "The section `[merchants.*]` by which it takes money: the shop is a merchant of \
                    the gateway. Its `callback_url` and `callback_secret` may be left out. Without \
                    it only wallets pay.",
            ),
            Setting::or("pay_minutes", Number, "20", "How long a buyer has to pay, in minutes."),
            Setting::or(
                "confirm_minutes",
                Number,
                "15",
                "How long held money waits for the client to confirm the order, in minutes.",
            ),
            Setting::or(
                "vat",
                Text,
                "\"VATNONE\"",
                "The rate of value added tax of products whose feed names none, and of the \
                    delivery: as in `POST /v1/orders`.",
            ),
            Setting::or(
                "unpaid_orders_max",
                Number,
                "20",
                "The most orders of a client that are not paid, beside the basket. Each may hold goods.",
            ),
            Setting::optional(
                "feed",
                Text,
                "The address of the catalogue in YML that `tillgate shop import` reads.",
            ),
            Setting::or("time_zone", Text, "\"Europe/Moscow\"", "The zone of the times on pages."),
            Setting::optional(
                "listen",
                Text,
                "An address and port of its own. The operator's and the merchants' API, the hooks \
                    and the metrics are not there, and the shop is not at `listen` of the gateway.",
            ),
        ],
    },
    Section {
        place: &["shop", "service_urls"],
        about: "Services that run in other processes (`serve --services`).",
        settings: &[Setting::optional(
            ANY,
            Text,
            "The address of the process that runs the service, such as `http://10.0.0.5:8080`.",
        )],
    },
    Section {
        place: &["shop", "sms"],
        about: "The provider of short messages to the shop's clients. Without it, no telephone \
                number can be confirmed.",
        settings: &[
            Setting::required(
                "protocol",
                Text,
                "`http`: `POST` of `{\"to\",\"from\",\"text\"}` with an `Idempotency-Key`; any 2xx is \
                    success.",
            ),
            Setting::required("url", Text, "The address that takes messages."),
            Setting::required("token", Secret, "Sent as `Authorization: Bearer`."),
            Setting::required("from", Text, "The name or the number of the sender."),
        ],
    },
    Section {
        place: &["shop", "mail"],
        about: "The mail server for letters to the shop's clients. Without it, letters wait.",
        settings: &[
            Setting::required(
                "url",
                Text,
                "`smtps://USER@HOST:465`, or `smtp://` for STARTTLS, which must succeed unless the \
                    host is this machine.",
            ),
            Setting::optional("password", Secret, "The password of the user in `url`."),
            Setting::required("from", Text, "The sender, such as `Лавка <shop@example.org>`."),
            Setting::optional(
                "ca_file",
                Text,
                "A certificate authority of one's own, in PEM, in addition to the system's.",
            ),
        ],
    },
];

/// Every setting by its place.
fn all() -> impl Iterator<Item = (Vec<&'static str>, &'static Setting)> {
    let of_gateways = section::settings().flat_map(|(_, settings)| settings);
    let of_gateways = of_gateways.map(|setting| (vec!["gateways", ANY, setting.key], setting));
    let place = |section: &'static Section, setting: &'static Setting| {
        (section.place.iter().copied().chain([setting.key]).collect(), setting)
    };
    SECTIONS
        .iter()
        .flat_map(move |section| {
            section.settings.iter().map(move |setting| place(section, setting))
        })
        .chain(of_gateways)
}

/// The type of the setting at `place`; `None` if there is no such setting.
/// `<key>_file` is a setting where `<key>` is a secret.
#[must_use]
pub fn holds(place: &[&str]) -> Option<ValueKind> {
    let is_at = |known: &[&str]| {
        known.len() == place.len()
            && known.iter().zip(place).all(|(known, level)| {
                if *known == ANY { !level.is_empty() } else { known == level }
            })
    };
    if matches!(place, ["gateways", name, "protocol"] if !name.is_empty()) {
        return Some(Text);
    }
    let found = all().find(|(known, _)| is_at(known)).map(|(_, setting)| setting.kind);
    found.or_else(|| {
        let (last, before) = place.split_last()?;
        let plain = last.strip_suffix("_file")?;
        let place: Vec<&str> = before.iter().copied().chain([plain]).collect();
        holds(&place).filter(|kind| *kind == Secret).map(|_| Text)
    })
}

/// The keys that may be given as `<key>_file`.
pub fn secrets() -> impl Iterator<Item = &'static str> {
    let secrets = all().filter(|(_, setting)| setting.kind == Secret);
    secrets.map(|(_, setting)| setting.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    /// The keys that a section accepts, taken from the error about an unknown
    /// key.
    fn taken(section: &str) -> Vec<String> {
        let text = format!("{section}\nno_such_key = 1\n");
        let table: toml::Table = toml::from_str(&text).expect("a table");
        let why = Settings::deserialize_from(table).expect_err("an unknown key").to_string();
        let why = why.lines().next().unwrap_or_default();
        let listed = why.split("expected one of ").nth(1).or_else(|| why.split("expected ").nth(1));
        let quoted = listed.unwrap_or_else(|| panic!("{why}")).split('`').skip(1).step_by(2);
        let mut keys: Vec<String> = quoted.map(str::to_owned).collect();
        keys.sort();
        keys
    }

    #[test]
    fn every_setting_is_known_and_nothing_else_is() {
        let sources = "[sources.sm]\nprotocol = \"sm\"";
        for (text, place, inner) in [
            ("", &[][..], &["sources", "gateways", "merchants", "notify", "shop"][..]),
            (sources, &["sources", ANY], &["outgoing", "verify"]),
            (
                "[sources.sm]\nprotocol = \"sm\"\n[sources.sm.verify]\nby = \"basic\"",
                &["sources", ANY, "verify"],
                &[],
            ),
            (
                "[sources.sm]\nprotocol = \"sm\"\n[sources.sm.outgoing]\nurl = \"u\"",
                &["sources", ANY, "outgoing"],
                &[],
            ),
            ("[merchants.shop]", &["merchants", ANY], &[]),
            ("[notify]", &["notify"], &["telegram"]),
            ("[shop]", &["shop"], &["mail", "service_urls", "sms"]),
            (
                "[shop.sms]\nprotocol = \"http\"\nurl = \"https://s.example\"\ntoken = \"t\"\nfrom = \"s\"",
                &["shop", "sms"],
                &[],
            ),
            (
                "[shop.mail]\nurl = \"smtps://m.example\"\nfrom = \"a@b.example\"",
                &["shop", "mail"],
                &[],
            ),
            ("[notify.telegram]\ntoken = \"t\"", &["notify", "telegram"], &["chats"]),
        ] {
            let section = SECTIONS.iter().find(|section| section.place == place);
            let settings = section.map(|section| section.settings).expect("a section");
            let keys = settings.iter().map(|setting| setting.key);
            let mut known: Vec<&str> = keys.chain(inner.iter().copied()).collect();
            known.sort_unstable();
            assert_eq!(taken(text), known, "{text}");
        }
    }

    #[test]
    fn every_payment_system_declares_the_keys_that_it_reads() {
        for (protocol, settings) in section::settings() {
            let mut declared: Vec<&str> = settings.iter().map(|setting| setting.key).collect();
            declared.sort_unstable();
            let secrets = "token = \"t\"\nmerchant_id = \"m\"\nsigning_key = \"k\"";
            let mut read = taken(&format!("[gateways.bank]\nprotocol = \"{protocol}\""));
            if read.is_empty() {
                read = taken(&format!("[gateways.bank]\nprotocol = \"{protocol}\"\n{secrets}"));
            }
            assert_eq!(read, declared, "{protocol}");
        }
    }

    /// An environment variable is parsed in one way, no matter whose section it
    /// is for.
    #[test]
    fn payment_systems_agree_on_what_a_key_holds() {
        let all: Vec<_> = section::settings().flat_map(|(_, settings)| settings).collect();
        for setting in &all {
            let mut namesakes = all.iter().filter(|other| other.key == setting.key);
            assert!(namesakes.all(|other| other.kind == setting.kind), "{}", setting.key);
        }
    }

    #[test]
    fn a_secret_may_be_in_a_file_and_nothing_else() {
        assert_eq!(holds(&["sources", "sm", "token_file"]), Some(ValueKind::Text));
        assert_eq!(holds(&["sources", "sm", "vat_file"]), None);
        assert_eq!(holds(&["sources", "sm"]), None);
        assert_eq!(holds(&["port"]), None);
    }
}
