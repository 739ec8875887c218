//! HTTP Basic authentication: a user and a password.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, header};

use super::{AuthError, only_value};
use crate::kernel::{Secret, Tokens};

/// The verifier of Basic authentication: one user with one or more passwords.
#[derive(Debug)]
pub struct Basic(Tokens);

impl Basic {
    /// Creates the verifier. `key` is this process's random key for comparing
    /// secrets: see [`Tokens::new`].
    #[must_use]
    pub fn new<'a>(
        user: &str,
        passwords: impl Iterator<Item = &'a Secret>,
        key: [u8; 32],
    ) -> Basic {
        let pairs: Vec<Secret> = passwords
            .map(|password| Secret::new(format!("{user}:{}", password.expose())))
            .collect();
        Basic(Tokens::new(&pairs, key))
    }

    /// Accepts exactly one `Authorization` header with the user and a valid
    /// password.
    pub fn verify(&self, headers: &HeaderMap) -> Result<(), AuthError> {
        let mismatch = || AuthError::Mismatch(header::AUTHORIZATION);
        let value = only_value(headers, &header::AUTHORIZATION)?;
        let (scheme, pair) = value.split_at_checked("Basic ".len()).ok_or_else(mismatch)?;
        let pair = BASE64.decode(pair.trim_ascii()).map_err(|_| mismatch())?;
        if scheme.eq_ignore_ascii_case(b"Basic ") && self.0.accept(&pair) {
            Ok(())
        } else {
            Err(mismatch())
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_user_with_one_of_its_passwords_is_accepted() {
        let passwords = [Secret::new("a password: with a colon"), Secret::new("the old one")];
        let basic = Basic::new("shop", passwords.iter(), [1; 32]);
        let verified = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).expect("a header"));
            basic.verify(&headers)
        };
        let written = |pair: &str| BASE64.encode(pair);
        let right = written("shop:a password: with a colon");
        assert_eq!(verified(&format!("Basic {right}")), Ok(()));
        assert_eq!(verified(&format!("basic {right}")), Ok(()));
        assert_eq!(verified(&format!("Basic {}", written("shop:the old one"))), Ok(()));
        let wrong = Err(AuthError::Mismatch(header::AUTHORIZATION));
        for value in [
            format!("Bearer {right}"),
            format!("Basic {}", written("shop:another")),
            format!("Basic {}", written("a password: with a colon")),
            "Basic shop".into(),
            "Basic".into(),
            String::new(),
        ] {
            assert_eq!(verified(&value), wrong, "{value}");
        }
        assert_eq!(basic.verify(&HeaderMap::new()), Err(AuthError::Missing(header::AUTHORIZATION)));
    }
}
