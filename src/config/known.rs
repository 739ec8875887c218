//! Every setting by its place, and what a variable of the environment holds for it.

use crate::gateway::section;
use crate::kernel::setting::Holds;

/// A name of the operator's own choice, as a level of a setting's place.
pub const ANY: &str = "*";

/// The settings, but for those that a payment system declares of its sections. A test compares them with what
/// [`super::Settings`] reads.
pub const KNOWN: &[(&[&str], Holds)] = &[
    (&["listen"], Holds::Text),
    (&["public_url"], Holds::Text),
    (&["store"], Holds::Secret),
    (&["store_cache_mebibytes"], Holds::Number),
    (&["store_migrate"], Holds::Switch),
    (&["idle_drain_seconds"], Holds::Number),
    (&["trusted_proxies"], Holds::List),
    (&["callback_networks"], Holds::List),
    (&["connections_per_address_max"], Holds::Number),
    (&["admin_token"], Holds::Secret),
    (&["admin_listen"], Holds::Text),
    (&["sources", ANY, "protocol"], Holds::Text),
    (&["sources", ANY, "token"], Holds::Secret),
    (&["sources", ANY, "tokens"], Holds::List),
    (&["sources", ANY, "verify", "by"], Holds::Text),
    (&["sources", ANY, "verify", "header"], Holds::Text),
    (&["sources", ANY, "verify", "key"], Holds::Secret),
    (&["sources", ANY, "verify", "keys"], Holds::List),
    (&["sources", ANY, "verify", "algorithm"], Holds::Text),
    (&["sources", ANY, "verify", "encoding"], Holds::Text),
    (&["sources", ANY, "verify", "prefix"], Holds::Text),
    (&["sources", ANY, "verify", "user"], Holds::Text),
    (&["sources", ANY, "verify", "password"], Holds::Secret),
    (&["sources", ANY, "verify", "passwords"], Holds::List),
    (&["sources", ANY, "verify", "networks"], Holds::List),
    (&["sources", ANY, "payment"], Holds::Text),
    (&["sources", ANY, "gateway"], Holds::Text),
    (&["sources", ANY, "vat"], Holds::Text),
    (&["sources", ANY, "delivery_vat"], Holds::Text),
    (&["sources", ANY, "time_zone"], Holds::Text),
    (&["sources", ANY, "retention_days"], Holds::Number),
    (&["sources", ANY, "outgoing", "url"], Holds::Text),
    (&["sources", ANY, "outgoing", "shipments_url"], Holds::Text),
    (&["sources", ANY, "outgoing", "token"], Holds::Secret),
    (&["sources", ANY, "outgoing", "token_url"], Holds::Text),
    (&["sources", ANY, "outgoing", "client_id"], Holds::Text),
    (&["sources", ANY, "outgoing", "client_secret"], Holds::Secret),
    (&["gateways", ANY, "protocol"], Holds::Text),
    (&["merchants", ANY, "api_key"], Holds::Secret),
    (&["merchants", ANY, "api_keys"], Holds::List),
    (&["merchants", ANY, "gateway"], Holds::Text),
    (&["merchants", ANY, "requests_per_minute_max"], Holds::Number),
    (&["merchants", ANY, "callback_url"], Holds::Secret),
    (&["merchants", ANY, "callback_secret"], Holds::Secret),
    (&["notify", "language"], Holds::Text),
    (&["notify", "telegram", "url"], Holds::Text),
    (&["notify", "telegram", "token"], Holds::Secret),
    (&["notify", "telegram", "gap_milliseconds"], Holds::Number),
    (&["notify", "telegram", "chats", ANY], Holds::Text),
];

/// What the setting at `place` holds; none if there is no such setting. `<key>_file` is one where `<key>` is a secret.
#[must_use]
pub fn holds(place: &[&str]) -> Option<Holds> {
    let is_at = |known: &[&str], place: &[&str]| {
        known.len() == place.len()
            && known
                .iter()
                .zip(place)
                .all(|(known, level)| if *known == ANY { !level.is_empty() } else { known == level })
    };
    let of_gateway = |place: &[&str]| match place {
        ["gateways", name, key] if !name.is_empty() => {
            let mut keys = section::keys().flat_map(|(_, keys)| keys);
            keys.find(|(known, _)| known == key).map(|(_, holds)| *holds)
        }
        _ => None,
    };
    let found = |place: &[&str]| {
        let known = KNOWN.iter().find(|(known, _)| is_at(known, place)).map(|(_, holds)| *holds);
        known.or_else(|| of_gateway(place))
    };
    found(place).or_else(|| {
        let (last, before) = place.split_last()?;
        let plain = last.strip_suffix("_file")?;
        let place: Vec<&str> = before.iter().copied().chain([plain]).collect();
        found(&place).filter(|holds| *holds == Holds::Secret).map(|_| Holds::Text)
    })
}

/// The keys that may be given as `<key>_file`.
pub fn secrets() -> impl Iterator<Item = &'static str> {
    let secret = |(place, holds): &(&'static [&'static str], Holds)| {
        place.last().copied().filter(|_| *holds == Holds::Secret)
    };
    let of_gateways = section::keys().flat_map(|(_, keys)| keys);
    let of_gateways = of_gateways.filter(|(_, holds)| *holds == Holds::Secret).map(|(key, _)| *key);
    KNOWN.iter().filter_map(secret).chain(of_gateways)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    /// The keys that a section takes, by what is said of one that it does not take.
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
        for (section, place, inner) in [
            ("", &[][..], &["sources", "gateways", "merchants", "notify"][..]),
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
            ("[notify.telegram]\ntoken = \"t\"", &["notify", "telegram"], &["chats"]),
        ] {
            let mut known: Vec<&str> = KNOWN
                .iter()
                .filter(|(of, _)| of.len() == place.len() + 1 && of.starts_with(place))
                .filter_map(|(of, _)| of.last().copied())
                .chain(inner.iter().copied())
                .collect();
            known.sort_unstable();
            assert_eq!(taken(section), known, "{section}");
        }
    }

    #[test]
    fn every_payment_system_declares_the_keys_that_it_reads() {
        for (protocol, keys) in section::keys() {
            let mut declared: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
            declared.sort_unstable();
            let secrets = "token = \"t\"\nmerchant_id = \"m\"\nsigning_key = \"k\"";
            let mut read = taken(&format!("[gateways.bank]\nprotocol = \"{protocol}\""));
            if read.is_empty() {
                read = taken(&format!("[gateways.bank]\nprotocol = \"{protocol}\"\n{secrets}"));
            }
            assert_eq!(read, declared, "{protocol}");
        }
    }

    /// One variable of the environment is read in one way, whoever's section it is for.
    #[test]
    fn payment_systems_agree_on_what_a_key_holds() {
        let all: Vec<_> = section::keys().flat_map(|(_, keys)| keys).collect();
        for (key, holds) in &all {
            assert!(all.iter().all(|(other, other_holds)| key != other || holds == other_holds), "{key}");
        }
    }

    #[test]
    fn a_secret_may_be_in_a_file_and_nothing_else() {
        assert_eq!(holds(&["sources", "sm", "token_file"]), Some(Holds::Text));
        assert_eq!(holds(&["sources", "sm", "vat_file"]), None);
        assert_eq!(holds(&["sources", "sm"]), None);
        assert_eq!(holds(&["port"]), None);
    }
}
