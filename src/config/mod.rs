//! Settings: a file, the environment over it, and every mistake told in words.
//!
//! `tillgate.toml` is read as a table; variables `TILLGATE_…` are laid over it (`__` goes a level down);
//! `<key>_file` is replaced by what the file holds; then the whole is read into [`Settings`], where unknown
//! keys are errors, and checked.

mod overlay;
mod settings;
mod store_url;

use std::path::{Path, PathBuf};

pub use settings::{
    Gateway, GatewayProtocol, Merchant, Notify, Outgoing, Payment, Settings, Source, SourceProtocol, Telegram,
};
pub use store_url::StoreUrl;

/// The file that is read when none is named.
pub const FILE_DEFAULT: &str = "tillgate.toml";

/// Why the settings cannot be used. The text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    fn new(text: impl Into<String>) -> ConfigError {
        ConfigError(text.into())
    }
}

/// Reads the settings. Without a named file, [`FILE_DEFAULT`] is read if it is there.
pub fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Settings, ConfigError> {
    let (path, text) = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|why| {
                ConfigError::new(format!("{}: cannot read the configuration: {why}", path.display()))
            })?;
            (path.to_owned(), text)
        }
        None => (PathBuf::from(FILE_DEFAULT), std::fs::read_to_string(FILE_DEFAULT).unwrap_or_default()),
    };
    parse(&path, &text, environment)
}

/// Reads settings from the text of a file.
pub fn parse(
    path: &Path,
    text: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Settings, ConfigError> {
    let in_file = |why: String| ConfigError::new(format!("{}: {}", path.display(), why.trim_end()));
    let mut table: toml::Table = toml::from_str(text).map_err(|why| in_file(in_words(&why, text)))?;
    overlay::environment(&mut table, environment)?;
    overlay::files(&mut table, path.parent().unwrap_or(Path::new(".")), "")?;
    let settings: Settings = table.try_into().map_err(|why: toml::de::Error| {
        // Read from the table, the error names the key and has no line of the file to quote.
        in_file(why.to_string().lines().collect::<Vec<_>>().join(" "))
    })?;
    settings.check().map_err(in_file)?;
    Ok(settings)
}

/// What is wrong and in which line, without the line itself: it may hold a secret.
fn in_words(why: &toml::de::Error, text: &str) -> String {
    let line = why.span().map(|span| {
        let before = text.get(..span.start).unwrap_or_default();
        format!("line {}: ", before.matches('\n').count() + 1)
    });
    let message = why.message().lines().collect::<Vec<_>>().join(" ");
    format!("{}{message}", line.unwrap_or_default())
}
