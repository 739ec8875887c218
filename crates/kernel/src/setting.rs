//! Descriptions of the settings in a section of the configuration, for the
//! module that declares them and for the configuration that reads them all.

/// The type of a setting's value in its environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    Text,
    /// A secret. It may also be given as the path of a file.
    Secret,
    /// A list separated by commas.
    List,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Switch,
    /// `true`, `false`, or another word.
    SwitchOrText,
}

/// A setting of a section, as its owner declares it: for reading it from the
/// environment, and for docs/configuration.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    pub key: &'static str,
    pub kind: ValueKind,
    pub default: Default,
    /// One or two sentences for the operator.
    pub about: &'static str,
}

/// The value of a setting that the configuration does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// Its section cannot be used without it.
    Required,
    /// Without it, a feature is off or the value is derived; see `about`.
    None,
    /// This value, written as in TOML.
    Value(&'static str),
}

impl Setting {
    #[must_use]
    pub const fn required(key: &'static str, kind: ValueKind, about: &'static str) -> Setting {
        Setting { key, kind, default: Default::Required, about }
    }

    #[must_use]
    pub const fn optional(key: &'static str, kind: ValueKind, about: &'static str) -> Setting {
        Setting { key, kind, default: Default::None, about }
    }

    /// A setting with a default, which is written as in TOML.
    #[must_use]
    pub const fn or(
        key: &'static str,
        kind: ValueKind,
        default: &'static str,
        about: &'static str,
    ) -> Setting {
        Setting { key, kind, default: Default::Value(default), about }
    }
}

/// Checks that `url` is the address of a web server. The error names the key.
pub fn http_url(key: &str, url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !url.contains(char::is_whitespace) => Ok(()),
        Some(_) | None => Err(format!("{key}: must be an address such as https://shop.example")),
    }
}
