//! The environment and secret files, laid over the file's table.

use std::path::Path;

use toml::{Table, Value};

use super::ConfigError;

const PREFIX: &str = "TILLGATE_";
const LEVEL: &str = "__";

/// Variables of this prefix that are not settings.
const NOT_SETTINGS: [&str; 5] =
    ["TILLGATE_CONFIG", "TILLGATE_SERVER", "TILLGATE_LOG", "TILLGATE_MIGRATE_FROM", "TILLGATE_MIGRATE_TO"];

/// Lays `TILLGATE_SOURCES__SM__TOKEN=…` over `sources.sm.token`.
pub fn environment(
    table: &mut Table,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    for (name, text) in variables {
        let Some(path) = name.strip_prefix(PREFIX).filter(|_| !NOT_SETTINGS.contains(&name.as_str())) else {
            continue;
        };
        let lower = path.to_lowercase();
        let mut levels: Vec<&str> = lower.split(LEVEL).collect();
        let key = levels.pop().unwrap_or_default();
        let mut place = &mut *table;
        for level in levels {
            let inner = place.entry(level).or_insert_with(|| Value::Table(Table::new()));
            place = inner.as_table_mut().ok_or_else(|| {
                ConfigError::new(format!("{name}: {level} is a value in the configuration, not a section"))
            })?;
        }
        // A secret given in one way replaces the same secret given in the other.
        place.remove(&format!("{key}_file"));
        if let Some(plain) = key.strip_suffix("_file") {
            place.remove(plain);
        }
        place.insert(key.to_owned(), typed(key, &text));
    }
    Ok(())
}

/// A variable is text; settings that are lists or numbers are recognised by their names.
fn typed(key: &str, text: &str) -> Value {
    if ["tokens", "api_keys", "payment_hosts", "notice_networks", "trusted_proxies", "callback_networks"]
        .contains(&key)
    {
        let tokens = text.split(',').map(str::trim).filter(|token| !token.is_empty());
        return Value::Array(tokens.map(|token| Value::String(token.to_owned())).collect());
    }
    let is_number = ["_days", "_mebibytes", "_milliseconds", "_seconds", "_max", "_code"]
        .iter()
        .any(|unit| key.ends_with(unit));
    if ["store_migrate", "two_steps", "receipts"].contains(&key)
        && let Ok(switch) = text.trim().to_lowercase().parse()
    {
        return Value::Boolean(switch);
    }
    match text.trim().parse() {
        Ok(number) if is_number => Value::Integer(number),
        Ok(_) | Err(_) => Value::String(text.to_owned()),
    }
}

/// The keys that may be given as `<key>_file`.
const SECRETS: [&str; 7] =
    ["store", "admin_token", "token", "api_key", "signing_key", "callback_secret", "client_secret"];

/// Replaces `token_file = "/run/secrets/x"` by `token = <what is in it>`. Relative paths count from the
/// configuration's folder.
pub fn files(table: &mut Table, folder: &Path, section: &str) -> Result<(), ConfigError> {
    for secret in SECRETS {
        let key = format!("{secret}_file");
        let Some(path) = table.remove(&key) else { continue };
        let told = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
        if table.contains_key(secret) {
            return Err(ConfigError::new(format!("{told}: {secret} is given as well; keep one of them")));
        }
        let path = path.as_str().map(|path| folder.join(path));
        let path = path.ok_or_else(|| ConfigError::new(format!("{told} must be the path of a file")))?;
        let text = std::fs::read_to_string(&path)
            .map_err(|why| ConfigError::new(format!("{told}: cannot read {}: {why}", path.display())))?;
        table.insert(secret.to_owned(), Value::String(text.trim_end_matches(['\r', '\n']).to_owned()));
    }
    for (name, value) in table.iter_mut() {
        if let Value::Table(inner) = value {
            let inner_section = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
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
        for (key, text, value) in [
            ("retention_days", "30", Value::Integer(30)),
            ("requests_per_minute_max", "5", Value::Integer(5)),
            ("tax_system_code", "2", Value::Integer(2)),
            ("two_steps", "true", Value::Boolean(true)),
            ("receipts", "False", Value::Boolean(false)),
            ("trusted_proxies", "", Value::Array(vec![])),
            ("receipts", "perhaps", Value::String("perhaps".into())),
            ("token", "123", Value::String("123".into())),
            ("callback_networks", "10.0.0.0/8", Value::Array(vec![Value::String("10.0.0.0/8".into())])),
        ] {
            assert_eq!(typed(key, text), value, "{key}");
        }
    }
}
