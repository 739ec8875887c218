//! The environment and secret files, applied to the file's table.

use std::path::Path;

use toml::{Table, Value};

use super::ConfigError;
use super::known;
use crate::kernel::setting::ValueKind;

const PREFIX: &str = "TILLGATE_";
const LEVEL: &str = "__";

/// Variables of this prefix that are not settings.
const NOT_SETTINGS: [&str; 12] = [
    "TILLGATE_CONFIG",
    "TILLGATE_SERVER",
    "TILLGATE_LOG",
    "TILLGATE_LOG_UNSAFE_CRATES",
    "TILLGATE_MIGRATE_FROM",
    "TILLGATE_MIGRATE_TO",
    "TILLGATE_SEND_TOKEN",
    "TILLGATE_CLUSTER_STORE",
    "TILLGATE_SANDBOX_TOKEN",
    "TILLGATE_SANDBOX_SIGNING_KEY",
    "TILLGATE_BENCH_STORE",
    "TILLGATE_BENCH_TOKEN",
];

/// Sets `sources.sm.token` from `TILLGATE_SOURCES__SM__TOKEN=…`, and so on.
/// Returns the variables that name no setting: other programs have variables
/// too, and none of them keeps this one from starting.
pub fn environment(
    table: &mut Table,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Vec<String>, ConfigError> {
    let mut unknown = Vec::new();
    for (name, text) in variables {
        let Some(path) =
            name.strip_prefix(PREFIX).filter(|_| !NOT_SETTINGS.contains(&name.as_str()))
        else {
            continue;
        };
        let lower = path.to_lowercase();
        let mut levels: Vec<&str> = lower.split(LEVEL).collect();
        let Some(holds) = known::holds(&levels) else {
            if !is_of_kubernetes(path, &text) {
                unknown.push(name);
            }
            continue;
        };
        let key = levels.pop().unwrap_or_default();
        let mut place = &mut *table;
        for level in levels {
            let inner = place.entry(level).or_insert_with(|| Value::Table(Table::new()));
            place = inner.as_table_mut().ok_or_else(|| {
                ConfigError::new(format!(
                    "{name}: {level} is a value in the configuration, not a section"
                ))
            })?;
        }
        // A secret given as text replaces the same secret given as a file, and
        // the other way round.
        place.remove(&format!("{key}_file"));
        if let Some(plain) = key.strip_suffix("_file") {
            place.remove(plain);
        }
        place.insert(key.to_owned(), typed(holds, &text));
    }
    Ok(unknown)
}

/// Kubernetes gives every program variables for each Service of its namespace,
/// ours among them: `TILLGATE_SERVICE_HOST`, `TILLGATE_PORT=tcp://…`,
/// `TILLGATE_PORT_8080_TCP_ADDR`; `TILLGATE_WEB_SERVICE_HOST` for the Service
/// `tillgate-web`.
fn is_of_kubernetes(path: &str, text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| text.starts_with(scheme));
    let parts: Vec<&str> = path.split('_').collect();
    let is_service =
        parts.windows(2).any(|pair| pair == ["SERVICE", "HOST"] || pair == ["SERVICE", "PORT"]);
    let is_port = parts.last() == Some(&"PORT") && is_address;
    let names_port = |window: &[&str]| {
        window[0] == "PORT" && is_number(window[1]) && ["TCP", "UDP", "SCTP"].contains(&window[2])
    };
    is_service || is_port || parts.windows(3).any(names_port)
}

/// Converts a variable's text to the type of its setting. Text that cannot be
/// converted stays text, so that the error names the setting.
fn typed(holds: ValueKind, text: &str) -> Value {
    let plain = || Value::String(text.to_owned());
    match holds {
        ValueKind::Text | ValueKind::Secret => plain(),
        ValueKind::List => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
        }
        ValueKind::Number => text.trim().parse().map_or_else(|_| plain(), Value::Integer),
        ValueKind::Switch | ValueKind::SwitchOrText => {
            text.trim().to_lowercase().parse().map_or_else(|_| plain(), Value::Boolean)
        }
    }
}

/// Replaces `token_file = "/run/secrets/x"` by `token = <the content of the
/// file>`. Relative paths are resolved against the configuration's folder.
pub fn files(table: &mut Table, folder: &Path, section: &str) -> Result<(), ConfigError> {
    for secret in known::secrets() {
        let key = format!("{secret}_file");
        let Some(path) = table.remove(&key) else { continue };
        let full_key = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
        if table.contains_key(secret) {
            return Err(ConfigError::new(format!(
                "{full_key}: {secret} is given as well; keep one of them"
            )));
        }
        let path = path.as_str().map(|path| folder.join(path));
        let path =
            path.ok_or_else(|| ConfigError::new(format!("{full_key} must be the path of a file")))?;
        let text = std::fs::read_to_string(&path).map_err(|why| {
            ConfigError::new(format!("{full_key}: cannot read {}: {why}", path.display()))
        })?;
        table.insert(
            secret.to_owned(),
            Value::String(text.trim_end_matches(['\r', '\n']).to_owned()),
        );
    }
    for (name, value) in table.iter_mut() {
        if let Value::Table(inner) = value {
            let inner_section =
                if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            files(inner, folder, &inner_section)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_read_as_what_its_setting_is() {
        let list = |parts: &[&str]| {
            Value::Array(parts.iter().map(|part| Value::String((*part).into())).collect())
        };
        for (place, text, value) in [
            (&["sources", "sm", "retention_days"][..], "30", Value::Integer(30)),
            (&["merchants", "shop", "requests_per_minute_max"], "5", Value::Integer(5)),
            (&["gateways", "bank", "tax_system_code"], "2", Value::Integer(2)),
            (&["gateways", "bank", "receipts"], "False", Value::Boolean(false)),
            (&["gateways", "bank", "receipts"], "yookassa", Value::String("yookassa".into())),
            (&["trusted_proxies"], "", list(&[])),
            (&["sources", "sm", "token"], "123", Value::String("123".into())),
            (
                &["callback_networks"],
                "10.0.0.0/8, 10.1.0.0/16",
                list(&["10.0.0.0/8", "10.1.0.0/16"]),
            ),
            (&["notify", "telegram", "chats", "17"], "-1002", Value::String("-1002".into())),
        ] {
            assert_eq!(typed(known::holds(place).expect("a setting"), text), value, "{place:?}");
        }
    }

    #[test]
    fn variables_of_other_programs_are_not_errors() {
        let given = |pairs: &[(&str, &str)]| {
            let mut table = Table::new();
            let pairs = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
            let unknown = environment(&mut table, pairs).expect("no conflict");
            (table, unknown)
        };
        // As in a pod next to the Services tillgate and tillgate-web.
        let (table, unknown) = given(&[
            ("TILLGATE_SERVICE_HOST", "10.96.0.17"),
            ("TILLGATE_SERVICE_PORT", "8080"),
            ("TILLGATE_SERVICE_PORT_HTTP", "8080"),
            ("TILLGATE_PORT", "tcp://10.96.0.17:8080"),
            ("TILLGATE_PORT_8080_TCP", "tcp://10.96.0.17:8080"),
            ("TILLGATE_PORT_8080_TCP_PROTO", "tcp"),
            ("TILLGATE_PORT_8080_TCP_PORT", "8080"),
            ("TILLGATE_PORT_8080_TCP_ADDR", "10.96.0.17"),
            ("TILLGATE_WEB_SERVICE_HOST", "10.96.0.18"),
            ("TILLGATE_WEB_PORT", "tcp://10.96.0.18:80"),
            ("TILLGATE_WEB_PORT_80_TCP_ADDR", "10.96.0.18"),
            ("TILLGATE_CONFIG", "x"),
            ("OTHER", "y"),
        ]);
        assert_eq!((table, unknown), (Table::new(), vec![]));
        let names = [
            "TILLGATE_PORT",
            "TILLGATE_VERSION",
            "TILLGATE_SOURCES__SM__TOKENN",
            "TILLGATE_LISTEN__PORT",
            "TILLGATE_",
        ];
        let (table, unknown) = given(&names.map(|name| (name, "8080")));
        assert_eq!(table, Table::new());
        assert_eq!(unknown, names);
    }
}
