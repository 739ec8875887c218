//! Hands short messages to a provider, over HTTP: a JSON object with the
//! recipient, the sender and the text.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::json;
use tillgate_kernel::failure::DeliveryFailure;
use tillgate_kernel::{Fingerprint, Secret};
use tillgate_peer::{ANSWER_BYTES_MAX, Client, ClientError, Failure};

use super::mailer::{HANDOVER_SECONDS_MAX, Handed};

/// A provider of short messages.
#[derive(Debug, Clone)]
pub struct SmsProvider {
    pub url: String,
    /// Sent as `Authorization: Bearer`.
    pub token: Secret,
    /// The name or the number of the sender.
    pub from: String,
}

/// Hands over short messages.
#[derive(Debug, Clone)]
pub struct Sms {
    client: Client,
    provider: SmsProvider,
}

impl Sms {
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(provider: SmsProvider) -> Result<Sms, ClientError> {
        let client = Client::new(Duration::from_secs(HANDOVER_SECONDS_MAX), ANSWER_BYTES_MAX)?;
        Ok(Sms { client, provider })
    }

    /// Hands over a message. Repeats have the same `Idempotency-Key`.
    pub async fn hand_over(&self, text: &str, to: &str, cause: Fingerprint) -> Handed {
        let mut headers = HeaderMap::new();
        let token = format!("Bearer {}", self.provider.token.expose());
        let (Ok(token), Ok(key)) =
            (HeaderValue::from_str(&token), HeaderValue::from_str(&cause.to_string()))
        else {
            let setting = "token in [shop.sms], of characters that a header may have".into();
            return Handed::Later(DeliveryFailure::SettingMissing { setting });
        };
        headers.insert(header::AUTHORIZATION, token);
        headers.insert("idempotency-key", key);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Numbers of Russia are kept without the plus.
        let to = format!("+{}", to.trim_start_matches('+'));
        let body = json!({"to": to, "from": self.provider.from, "text": text});
        let sent =
            self.client.call(Method::POST, &self.provider.url, headers, body.to_string().into());
        match sent.await {
            Ok(reply) if reply.status.is_success() => Handed::Taken,
            Ok(reply) => refused(reply.status),
            Err(Failure::NotSent(said)) => Handed::Later(DeliveryFailure::NotSent { said }),
            Err(Failure::Unknown(said)) => Handed::Later(DeliveryFailure::OutcomeUnknown { said }),
        }
    }
}

fn refused(status: StatusCode) -> Handed {
    let failure = DeliveryFailure::Answered { status: status.to_string() };
    let may_pass = status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
        // A wrong token is corrected by the operator.
        || [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
    if may_pass { Handed::Later(failure) } else { Handed::Never(failure) }
}
