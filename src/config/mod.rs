//! Settings: a file, the environment on top of it, and readable errors.
//!
//! `tillgate.toml` is parsed as a table; variables `TILLGATE_…` are applied to
//! it (`__` goes down one level); `<key>_file` is replaced by the content of
//! the file; then the table is deserialized into [`Settings`], where unknown
//! keys are errors, and checked.

mod check;
mod endpoint;
mod known;
mod mail;
mod merchant;
mod notify;
mod overlay;
mod placeholder;
pub mod reference;
mod secrets;
mod services;
mod settings;
mod shop;
mod source;
mod store_url;

use std::io;
use std::path::Path;

pub use endpoint::{Endpoint, listen_address};
pub use mail::{Mail, Sms, SmsProtocol};
pub use merchant::Merchant;
pub use notify::{Notify, Telegram};
pub use services::{ServiceName, Services};
pub use settings::Settings;
pub use shop::Shop;
pub use source::{Outgoing, Payment, Source};
pub use store_url::StoreUrl;

/// The files that are tried when none is named. The first one that exists is
/// read.
pub const FILES: [&str; 2] = ["tillgate.toml", "/etc/tillgate/tillgate.toml"];

/// Why the settings cannot be used. The text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    fn new(text: impl Into<String>) -> ConfigError {
        ConfigError(text.into())
    }
}

/// Reads the settings. Without a named file, the first of [`FILES`] that exists
/// is read, and the defaults apply if none does. A file that exists but cannot
/// be read is an error: its settings were meant to apply.
pub fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Settings, ConfigError> {
    let unreadable = |path: &Path, why: &io::Error| {
        ConfigError::new(format!("{}: cannot read the configuration: {why}", path.display()))
    };
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|why| unreadable(path, &why))?;
        return parse(path, &text, environment).map(|settings| settings.read_from(path));
    }
    for path in FILES.map(Path::new) {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                return parse(path, &text, environment).map(|settings| settings.read_from(path));
            }
            // A dangling symbolic link is a mistake to report, not a missing
            // file.
            Err(why)
                if why.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err() => {}
            Err(why) => return Err(unreadable(path, &why)),
        }
    }
    parse(Path::new(FILES[0]), "", environment)
}

/// Parses settings from the text of a file.
pub fn parse(
    path: &Path,
    text: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Settings, ConfigError> {
    let in_file = |why: String| ConfigError::new(format!("{}: {}", path.display(), why.trim_end()));
    let mut table: toml::Table =
        toml::from_str(text).map_err(|why| in_file(in_words(&why, text)))?;
    let unknown_variables = overlay::environment(&mut table, environment)?;
    overlay::files(&mut table, path.parent().unwrap_or(Path::new(".")), "")?;
    if let Some(setting) = placeholder::find(&table) {
        return Err(in_file(format!(
            "{setting} still says {}: set it, or remove it",
            placeholder::PLACEHOLDER
        )));
    }
    let mut settings = Settings::deserialize_from(table).map_err(|why: toml::de::Error| {
        // The table has no line numbers: the error names the key and quotes no
        // line.
        in_file(why.to_string().lines().collect::<Vec<_>>().join(" "))
    })?;
    check::check(&settings).map_err(in_file)?;
    settings.read_files(path.parent().unwrap_or(Path::new("."))).map_err(in_file)?;
    settings.unknown_variables = unknown_variables;
    Ok(settings)
}

/// What is wrong and in which line, without quoting the line: it may hold a
/// secret.
fn in_words(why: &toml::de::Error, text: &str) -> String {
    let line = why.span().map(|span| {
        let before = text.get(..span.start).unwrap_or_default();
        format!("line {}: ", before.matches('\n').count() + 1)
    });
    let message = why.message().lines().collect::<Vec<_>>().join(" ");
    format!("{}{message}", line.unwrap_or_default())
}
