//! Hands letters to the mail server. Only this file uses the `lettre` crate.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransport, Error as SmtpError};
use lettre::{Address, AsyncTransport, Message, Tokio1Executor};
use tillgate_kernel::failure::DeliveryFailure;
use tillgate_kernel::{Fingerprint, Secret, Timestamp};

use super::letter::Worded;

/// How long each answer of the mail server may take, in seconds.
const ANSWER_SECONDS_MAX: u64 = 10;

/// How long handing over one letter may take, in seconds.
pub const HANDOVER_SECONDS_MAX: u64 = 25;

/// Connections to the mail server that are open at the same time.
pub const CONNECTIONS_MAX: u32 = 4;

/// A mail server, and whose letters it takes.
#[derive(Debug, Clone)]
pub struct MailServer {
    pub host: String,
    pub port: u16,
    /// TLS from the first byte; otherwise STARTTLS.
    pub is_tls_from_start: bool,
    pub user: Option<String>,
    pub password: Option<Secret>,
    /// The sender of the letters: an address, or a name and an address in
    /// angle brackets.
    pub from: String,
    /// A certificate authority of one's own, in PEM.
    pub ca: Option<Vec<u8>>,
}

impl MailServer {
    /// Whether letters stay on this machine. Then they need no TLS.
    #[must_use]
    pub fn is_on_this_machine(&self) -> bool {
        self.host == "localhost"
            || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

/// Why letters cannot be sent with these settings.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    #[error("from must be an address such as \"Shop <shop@example.org>\": {0}")]
    From(String),
    #[error("ca_file has no certificates in PEM: {0}")]
    Ca(String),
    #[error("TLS cannot be used: {0}")]
    Tls(String),
}

/// The outcome of handing over a letter.
#[derive(Debug, PartialEq, Eq)]
pub enum Handed {
    Taken,
    /// Its link or code has ended before it was handed over.
    TooLate,
    Later(DeliveryFailure),
    Never(DeliveryFailure),
}

/// Hands letters to a mail server.
#[derive(Debug, Clone)]
pub struct Mailer {
    transport: Transport,
    from: Mailbox,
}

#[derive(Debug, Clone)]
enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    #[cfg(test)]
    Kept(lettre::transport::stub::AsyncStubTransport),
}

impl Mailer {
    /// A mailer for a mail server. Nothing is sent yet.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn new(server: MailServer) -> Result<Mailer, MailerError> {
        let from = sender_of(&server.from)?;
        let is_local = server.is_on_this_machine();
        let MailServer { host, port, is_tls_from_start, user, password, from: _, ca } = server;
        let mut tls = TlsParameters::builder(host.clone());
        if let Some(certificates) = ca {
            let found = Certificate::from_pem(&certificates);
            tls = tls.add_root_certificate(found.map_err(|why| MailerError::Ca(why.to_string()))?);
        }
        let tls = || tls.build().map_err(|why| MailerError::Tls(why.to_string()));
        let tls = match (is_tls_from_start, is_local) {
            (true, _) => Tls::Wrapper(tls()?),
            (false, true) => Tls::None,
            (false, false) => Tls::Required(tls()?),
        };
        let pool = PoolConfig::new().max_size(CONNECTIONS_MAX);
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .timeout(Some(Duration::from_secs(ANSWER_SECONDS_MAX)))
            .pool_config(pool);
        if let (Some(user), Some(password)) = (user, password) {
            transport = transport.credentials(Credentials::new(user, password.expose().into()));
        }
        Ok(Mailer { transport: Transport::Smtp(transport.build()), from })
    }

    /// Whether the mail server lets us in.
    ///
    /// # Errors
    /// Why not.
    pub async fn look(&self) -> Result<(), String> {
        let looked = async {
            match &self.transport {
                Transport::Smtp(transport) => transport.test_connection().await,
                #[cfg(test)]
                Transport::Kept(_) => Ok(true),
            }
        };
        match tokio::time::timeout(Duration::from_secs(HANDOVER_SECONDS_MAX), looked).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("it ends the connection".into()),
            Ok(Err(why)) => Err(in_words(&why)),
            Err(_) => Err(format!("it does not answer within {HANDOVER_SECONDS_MAX} s")),
        }
    }

    /// Hands over a letter. Repeats have the same `Message-ID`, by which mail
    /// programs recognise them.
    pub async fn hand_over(
        &self,
        letter: Worded,
        to: &str,
        cause: Fingerprint,
        written_at: Timestamp,
    ) -> Handed {
        let message = match self.message(letter, to, cause, written_at) {
            Ok(message) => message,
            Err(said) => return Handed::Never(DeliveryFailure::Refused { said }),
        };
        let sent = async {
            match &self.transport {
                Transport::Smtp(transport) => transport.send(message).await.map(|_| ()),
                #[cfg(test)]
                Transport::Kept(transport) => {
                    transport.send(message).await.expect("it is kept");
                    Ok(())
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(HANDOVER_SECONDS_MAX), sent).await {
            Ok(Ok(())) => Handed::Taken,
            Ok(Err(why)) => refused(&why),
            Err(_) => {
                let said = format!("not taken within {HANDOVER_SECONDS_MAX} s");
                Handed::Later(DeliveryFailure::OutcomeUnknown { said })
            }
        }
    }

    fn message(
        &self,
        letter: Worded,
        to: &str,
        cause: Fingerprint,
        written_at: Timestamp,
    ) -> Result<Message, String> {
        let to: Address = to.parse().map_err(|why| format!("no address for letters: {why}"))?;
        let milliseconds = u64::try_from(written_at.as_millisecond()).unwrap_or_default();
        Message::builder()
            .message_id(Some(format!("<{cause}@{}>", self.from.email.domain())))
            .date(UNIX_EPOCH + Duration::from_millis(milliseconds))
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject)
            .multipart(MultiPart::alternative_plain_html(letter.text, letter.html))
            .map_err(|why| why.to_string())
    }
}

/// The sender in the form of the configuration.
///
/// # Errors
/// When it is no address.
pub fn sender_of(from: &str) -> Result<Mailbox, MailerError> {
    from.parse().map_err(|why: lettre::address::AddressError| MailerError::From(why.to_string()))
}

/// The first digits of replies about us, and not about the letter: we must log
/// in, or may not (RFC 4954).
const ABOUT_LOG_IN: [&str; 2] = ["53", "50"];

fn refused(why: &SmtpError) -> Handed {
    let code = why.status().map(|code| code.to_string()).unwrap_or_default();
    // The text of a reply usually repeats the recipient's address.
    let said = if code.is_empty() {
        in_words(why)
    } else {
        format!("the mail server answered {}", codes_of(&code, &in_words(why)))
    };
    if ABOUT_LOG_IN.iter().any(|digits| code.starts_with(digits)) {
        return Handed::Later(DeliveryFailure::NotAllowed { said });
    }
    if why.is_permanent() {
        return Handed::Never(DeliveryFailure::Refused { said });
    }
    if why.is_timeout() {
        return Handed::Later(DeliveryFailure::OutcomeUnknown { said });
    }
    Handed::Later(DeliveryFailure::NotSent { said })
}

/// The code of a reply, with the enhanced one (RFC 3463) if its text has one.
fn codes_of(code: &str, text: &str) -> String {
    let is_enhanced = |word: &&str| {
        let parts: Vec<&str> = word.split('.').collect();
        parts.len() == 3
            && parts.iter().all(|part| {
                (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
            })
    };
    let enhanced = text.split([' ', ':', '-']).find(is_enhanced);
    enhanced.map_or_else(|| code.to_owned(), |enhanced| format!("{code} {enhanced}"))
}

/// An error with its causes.
fn in_words(why: &SmtpError) -> String {
    let mut text = why.to_string();
    let mut source = std::error::Error::source(why);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
impl Mailer {
    /// A mailer that keeps the letters.
    pub fn keeping() -> (Mailer, lettre::transport::stub::AsyncStubTransport) {
        let kept = lettre::transport::stub::AsyncStubTransport::new_ok();
        let from = sender_of("Лавка <shop@shop.example>").expect("an address");
        (Mailer { transport: Transport::Kept(kept.clone()), from }, kept)
    }
}

#[cfg(test)]
mod tests {
    use super::codes_of;

    #[test]
    fn of_a_reply_only_the_codes_are_kept() {
        let text = "permanent error (550): 5.1.1 <anna@example.org>: Recipient address rejected";
        assert_eq!(codes_of("550", text), "550 5.1.1");
        assert_eq!(codes_of("550", "550-5.7.26 10.0.0.1 anna@example.org"), "550 5.7.26");
        assert_eq!(codes_of("451", "try later, anna@example.org"), "451");
    }
}
