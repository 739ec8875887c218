//! The channel to the pickers' chats, through Telegram's Bot API.
//!
//! The API (core.telegram.org/bots/api): `POST {url}/bot{token}/sendMessage`
//! with `chat_id` and `text`. The answer is `{"ok":true,…}` or `{"ok":false,
//! "error_code":…,"description":…,"parameters":{"retry_after":…}}`.
//! A group accepts about one message per second. Above that, the API answers
//! 429 with the seconds to wait. There is no idempotency key: a call without an
//! answer may have been carried out. People recognise a duplicate by the number
//! under the text.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SendOutcome;
use crate::kernel::Secret;
use crate::kernel::failure::DeliveryFailure;
use crate::peer::{Client, Reply};

/// The client of a Telegram bot.
#[derive(Debug, Clone)]
pub struct Telegram {
    client: Client,
    url: String,
    token: Secret,
    /// The new ids of chats that have moved, by their configured ids. Only
    /// those that this process has learned about.
    moved: Arc<Mutex<BTreeMap<String, String>>>,
}

#[derive(Serialize)]
struct SendMessage<'a> {
    chat_id: &'a str,
    text: &'a str,
    disable_web_page_preview: bool,
}

/// The fields of an answer that are used. Proxies and replacements of the API
/// use other types than Telegram does.
#[derive(Deserialize, Default)]
struct ApiAnswer {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    description: Value,
    #[serde(default)]
    parameters: Value,
    #[serde(default)]
    result: Value,
}

impl ApiAnswer {
    fn describe(&self) -> &str {
        self.description.as_str().filter(|text| !text.is_empty()).unwrap_or("no description")
    }

    /// An integer parameter. It can be a number, possibly with zeros after a
    /// decimal point, or a string.
    fn parameter(&self, name: &str) -> Option<i64> {
        let value = self.parameters.get(name)?;
        let text = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
        let whole =
            text.split_once('.').filter(|(_, rest)| rest.bytes().all(|digit| digit == b'0'));
        whole.map_or(text.as_str(), |(whole, _)| whole).parse().ok()
    }

    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.parameter("retry_after")?;
        u64::try_from(seconds).ok().map(Duration::from_secs)
    }

    /// The new id of a chat that has moved.
    fn moved_to(&self) -> Option<i64> {
        self.parameter("migrate_to_chat_id")
    }
}

impl Telegram {
    /// Creates a client that calls the API at `url`.
    #[must_use]
    pub fn new(client: Client, url: &str, token: Secret) -> Telegram {
        Telegram { client, url: url.trim_end_matches('/').to_owned(), token, moved: Arc::default() }
    }

    /// Posts `text` to a chat. If the chat has moved, posts it there.
    pub async fn send(&self, chat_id: &str, text: &str) -> SendOutcome {
        let known = self.moved_to(chat_id);
        let (outcome, new_id) = self.post(known.as_deref().unwrap_or(chat_id), text).await;
        let Some(new_id) = new_id else { return outcome };
        // A group that becomes a supergroup gets a new id. Nothing was posted
        // under the old one.
        tracing::warn!(
            chat = chat_id,
            new_chat = new_id,
            "a chat has a new id, used until the next restart: put it in [notify.telegram.chats]"
        );
        let new_id = new_id.to_string();
        self.moved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(chat_id.to_owned(), new_id.clone());
        self.post(&new_id, text).await.0
    }

    /// Posts a message. Returns the outcome, and the chat's new id if Telegram
    /// gives one.
    async fn post(&self, chat_id: &str, text: &str) -> (SendOutcome, Option<i64>) {
        let message = SendMessage { chat_id, text, disable_web_page_preview: true };
        let reply = match self.call("sendMessage", &message).await {
            Ok(reply) => reply,
            Err(said) => {
                let failure = DeliveryFailure::NotSent { said };
                return (SendOutcome::Later { failure, retry_after: None }, None);
            }
        };
        let answer: ApiAnswer = reply.json().unwrap_or_default();
        if reply.status.is_success() && answer.ok {
            return (SendOutcome::Taken, None);
        }
        let retry_after = answer.retry_after();
        let said = format!("Telegram answered {}: {}", reply.status.as_u16(), answer.describe());
        // Most failures are not caused by the message, and can be fixed while
        // it waits: a closed, mistyped or forbidden chat, a revoked token, a
        // busy or broken API. Only a text that Telegram cannot show fails for
        // ever.
        if reply.status == http::StatusCode::BAD_REQUEST && is_about_the_text(answer.describe()) {
            return (SendOutcome::Never { failure: DeliveryFailure::Refused { said } }, None);
        }
        let failure = if retry_after.is_some() {
            DeliveryFailure::AskedToWait { said }
        } else if reply.status == http::StatusCode::FORBIDDEN {
            // The bot was removed from the chat, or may not write there.
            DeliveryFailure::NotAllowed { said }
        } else {
            DeliveryFailure::NotSent { said }
        };
        (SendOutcome::Later { failure, retry_after }, answer.moved_to())
    }

    fn moved_to(&self, chat_id: &str) -> Option<String> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).get(chat_id).cloned()
    }

    /// Checks whether a chat can be posted to, as far as this is possible
    /// without posting. The error says what to do.
    pub async fn look_at(&self, chat_id: &str) -> Result<(), String> {
        let reply = self.call("getChat", &serde_json::json!({"chat_id": chat_id})).await?;
        let answer: ApiAnswer = reply.json().unwrap_or_default();
        let moved = |new_id| format!("its id is now {new_id}: put it in [notify.telegram.chats]");
        if let Some(new_id) = answer.moved_to() {
            return Err(moved(new_id));
        }
        if !(reply.status.is_success() && answer.ok) {
            return Err(format!(
                "Telegram answered {}: {}",
                reply.status.as_u16(),
                answer.describe()
            ));
        }
        // `getChat` still shows a moved chat under its old id, but actions
        // there fail with the new id. This action posts nothing.
        let typing = serde_json::json!({"chat_id": chat_id, "action": "typing"});
        let answer: ApiAnswer =
            self.call("sendChatAction", &typing).await?.json().unwrap_or_default();
        answer.moved_to().map_or(Ok(()), |new_id| Err(moved(new_id)))
    }

    /// Asks Telegram for the bot's name, to check the address and the token.
    pub async fn introduce(&self) -> Result<String, String> {
        let reply = self.call("getMe", &serde_json::json!({})).await?;
        let answer: ApiAnswer = reply.json().unwrap_or_default();
        if reply.status.is_success() && answer.ok {
            Ok(answer
                .result
                .get("username")
                .and_then(|name| name.as_str())
                .unwrap_or("a bot without a name")
                .to_owned())
        } else {
            Err(format!("Telegram answered {}: {}", reply.status.as_u16(), answer.describe()))
        }
    }

    async fn call(&self, method: &str, body: &impl Serialize) -> Result<Reply, String> {
        let url = format!("{}/bot{}/{method}", self.url, self.token.expose());
        let body = serde_json::to_vec(body).map_err(|why| why.to_string())?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let reply = self.client.call(Method::POST, &url, headers, body).await;
        reply.map_err(|why| format!("cannot reach Telegram at {}: {why}", self.url))
    }
}

/// Whether an error of Telegram is about the text of the message. The API uses
/// one code for all these errors, and only the description differs. An unknown
/// description counts as not about the text.
fn is_about_the_text(description: &str) -> bool {
    let description = description.to_ascii_lowercase();
    let of_text = [
        "message text is empty",
        "message is too long",
        "text must be non-empty",
        "message must be non-empty",
        "must be encoded in utf-8",
        "can't parse entities",
        "text_empty",
        "message_empty",
        "message_too_long",
        "entities_too_long",
        "entity_bounds_invalid",
    ];
    of_text.iter().any(|words| description.contains(words))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::peer::ANSWER_BYTES_MAX;

    /// The URL has the bot's token in it, and errors often quote URLs.
    #[tokio::test]
    async fn no_error_reveals_the_bots_token() {
        const TOKEN: &str = "123456:canary-of-the-bot";
        let answers = [
            "",
            "nonsense",
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{]}",
            "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\ncut",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
        ];
        let mut urls = vec![
            "http://127.0.0.1:1".to_owned(),
            "https://127.0.0.1:1".to_owned(),
            "http://no host".to_owned(),
        ];
        for answer in answers {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            urls.push(format!("http://{}", listener.local_addr().expect("an address")));
            tokio::spawn(async move {
                while let Ok((mut connection, _)) = listener.accept().await {
                    let _ = connection.read(&mut [0; 4096]).await;
                    let _ = connection.write_all(answer.as_bytes()).await;
                }
            });
        }
        for url in urls {
            let client =
                Client::new(std::time::Duration::from_secs(5), ANSWER_BYTES_MAX).expect("a client");
            let telegram = Telegram::new(client, &url, Secret::new(TOKEN));
            let outputs = [
                format!("{:?}", telegram.introduce().await),
                format!("{:?}", telegram.look_at("chat").await),
                match telegram.send("chat", "text").await {
                    SendOutcome::Taken => "taken".to_owned(),
                    SendOutcome::Never { failure } | SendOutcome::Later { failure, .. } => {
                        format!("{failure:?}")
                    }
                },
                format!("{telegram:?}"),
            ];
            for text in outputs {
                assert!(!text.contains("canary") && text != "taken", "{url}: {text}");
            }
        }
    }

    #[test]
    fn only_errors_about_the_text_are_final() {
        for description in [
            "Bad Request: message text is empty",
            "Bad Request: message is too long",
            "Bad Request: can't parse entities: unsupported start tag",
            "Bad Request: text must be encoded in UTF-8",
            "Bad Request: MESSAGE_TOO_LONG",
            "Bad Request: strings must be encoded in UTF-8",
            "Bad Request: text must be non-empty",
            "Bad Request: ENTITY_BOUNDS_INVALID",
        ] {
            assert!(is_about_the_text(description), "{description}");
        }
        for description in [
            "Bad Request: message thread not found",
            "Bad Request: TOPIC_CLOSED",
            "Bad Request: CHAT_WRITE_FORBIDDEN",
            "Bad Request: chat not found",
            "Bad Request: group chat was upgraded to a supergroup chat",
            "Bad Request: not enough rights to send text messages to the chat",
            "Bad Request: need administrator rights in the channel chat",
            "Bad Request: have no rights to send a message",
            "Bad Request: PEER_ID_INVALID",
            "Bad Request: the group has been deactivated",
            "",
        ] {
            assert!(!is_about_the_text(description), "{description}");
        }
    }
}
