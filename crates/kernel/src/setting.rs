//! What the settings of a room are, for whoever declares some and for whoever reads them all.

/// What stands in a setting's variable of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Text.
    Text,
    /// A secret: it may be given by the path of a file as well.
    Secret,
    /// A list, its parts divided by commas.
    List,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Switch,
    /// A switch, or a word.
    SwitchOrText,
}

/// A key of a section, and what it holds.
pub type Key = (&'static str, Holds);

/// Refuses what is not the address of a web server. The error names the key.
pub fn http_url(key: &str, url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !url.contains(char::is_whitespace) => Ok(()),
        Some(_) | None => Err(format!("{key}: it is not an address such as https://shop.example")),
    }
}
