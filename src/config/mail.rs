//! The sections `[shop.mail]` and `[shop.sms]`.

use std::path::{Path, PathBuf};

use http::uri::Authority;
use serde::Deserialize;

use crate::kernel::Secret;

/// The mail server that letters to clients are handed to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// `smtps://user@host:465`, or `smtp://` with STARTTLS.
    pub url: String,
    pub password: Option<Secret>,
    /// The sender of the letters.
    pub from: String,
    /// A certificate authority of one's own, in PEM.
    pub ca_file: Option<PathBuf>,
    /// The content of that file.
    #[serde(skip)]
    pub ca: Option<Vec<u8>>,
}

/// The provider of short messages, which takes them over HTTP.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sms {
    pub protocol: SmsProtocol,
    pub url: String,
    pub token: Secret,
    /// The name or the number of the sender.
    pub from: String,
}

/// How a provider takes short messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmsProtocol {
    Http,
}

/// The parts of the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailAddress {
    pub host: String,
    pub port: u16,
    pub user: Option<String>,
    pub is_tls_from_start: bool,
}

/// The ports of the schemes: submission over TLS, and with STARTTLS (RFC 8314).
const PORT_OF_SMTPS: u16 = 465;
const PORT_OF_SMTP: u16 = 587;

impl Mail {
    /// Checks the section. The error continues its name.
    pub(super) fn check(&self) -> Result<(), String> {
        let address = self.address()?;
        match (&address.user, &self.password) {
            (Some(_), None) => {
                Err(".password is missing: url names a user. Set it, or password_file".into())
            }
            (None, Some(_)) => {
                Err(".url names no user for the password: smtps://user@mail.example:465".into())
            }
            (Some(_), Some(_)) | (None, None) => Ok(()),
        }
    }

    /// The parts of the address. The error continues the section's name.
    pub fn address(&self) -> Result<MailAddress, String> {
        let unfit = || ".url: must be an address such as smtps://user@mail.example:465".to_owned();
        let (scheme, rest) = self.url.split_once("://").ok_or_else(unfit)?;
        let is_tls_from_start = match scheme {
            "smtps" => true,
            "smtp" => false,
            _ => return Err(unfit()),
        };
        let (user, host) = match rest.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, rest),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(".url: put the password into password_file, not into the address".into());
        }
        let host: Authority = host.trim_end_matches('/').parse().map_err(|_| unfit())?;
        let port = if is_tls_from_start { PORT_OF_SMTPS } else { PORT_OF_SMTP };
        Ok(MailAddress {
            host: host.host().trim_matches(['[', ']']).to_owned(),
            port: host.port_u16().unwrap_or(port),
            user: user.map(unescaped).transpose().map_err(|()| unfit())?,
            is_tls_from_start,
        })
    }

    /// Reads the file of the certificate authority.
    pub(super) fn read_ca(&mut self, folder: &Path) -> Result<(), String> {
        let Some(file) = &self.ca_file else { return Ok(()) };
        let path = folder.join(file);
        let read = std::fs::read(&path);
        self.ca = Some(read.map_err(|why| format!("ca_file: {}: {why}", path.display()))?);
        Ok(())
    }
}

/// A user's name as an address has it: `%40` is `@`.
fn unescaped(text: &str) -> Result<String, ()> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2).ok_or(())?;
        let digits = std::str::from_utf8(digits).map_err(|_| ())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| ())?);
        rest = behind;
    }
    String::from_utf8(bytes).map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(url: &str, password: Option<&str>) -> Mail {
        let password = password.map(Secret::new);
        Mail { url: url.into(), password, from: "a@b.example".into(), ca_file: None, ca: None }
    }

    #[test]
    fn an_address_has_a_user_a_host_and_a_port() {
        for (url, host, port, user, is_tls_from_start) in [
            ("smtps://shop@mail.example", "mail.example", 465, Some("shop"), true),
            (
                "smtps://shop%40b.example@mail.example:2465",
                "mail.example",
                2465,
                Some("shop@b.example"),
                true,
            ),
            ("smtp://mail.example/", "mail.example", 587, None, false),
            ("smtp://[::1]:25", "::1", 25, None, false),
        ] {
            let address = mail(url, None).address().expect("an address");
            let expected = MailAddress {
                host: host.into(),
                port,
                user: user.map(str::to_owned),
                is_tls_from_start,
            };
            assert_eq!(address, expected, "{url}");
        }
        for url in
            ["mail.example", "https://mail.example", "smtps://", "smtps://a b", "smtps://%4@m"]
        {
            assert!(mail(url, None).address().is_err(), "{url}");
        }
    }

    #[test]
    fn a_user_has_a_password_which_is_not_in_the_address() {
        assert!(mail("smtps://shop@mail.example", Some("p")).check().is_ok());
        assert!(mail("smtps://mail.example", None).check().is_ok());
        for (url, password) in [
            ("smtps://shop@mail.example", None),
            ("smtps://mail.example", Some("p")),
            ("smtps://shop:p@mail.example", Some("p")),
        ] {
            assert!(mail(url, password).check().is_err(), "{url}");
        }
    }
}
