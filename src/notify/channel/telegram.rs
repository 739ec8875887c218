//! Chats of pickers, through Telegram's Bot API.
//!
//! Facts (core.telegram.org/bots/api): `POST {url}/bot{token}/sendMessage` with `chat_id` and `text`; the
//! answer is `{"ok":true,…}` or `{"ok":false,"error_code":…,"description":…,"parameters":{"retry_after":…}}`.
//! A group takes about one message a second; beyond it the API answers 429 with the seconds to wait. There is
//! no idempotency key: a call that broke off may have been carried out, and the copy is known by the number
//! under the text.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Handover;
use crate::kernel::Secret;
use crate::kernel::failure::DeliveryFailure;
use crate::peer::{Client, Reply};

/// The bot.
#[derive(Debug, Clone)]
pub struct Telegram {
    client: Client,
    url: String,
    token: Secret,
    /// Where chats have moved to, as far as this process was told: they keep their configured ids.
    moved: Arc<Mutex<BTreeMap<String, String>>>,
}

#[derive(Serialize)]
struct SendMessage<'a> {
    chat_id: &'a str,
    text: &'a str,
    disable_web_page_preview: bool,
}

/// What is read of an answer. Proxies and stand-ins write its parts in other types than Telegram does.
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

    /// A parameter that is a whole number: as such, with a point, or as text.
    fn parameter(&self, name: &str) -> Option<i64> {
        let value = self.parameters.get(name)?;
        let text = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
        let whole = text.split_once('.').filter(|(_, rest)| rest.bytes().all(|digit| digit == b'0'));
        whole.map_or(text.as_str(), |(whole, _)| whole).parse().ok()
    }

    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.parameter("retry_after")?;
        u64::try_from(seconds).ok().map(Duration::from_secs)
    }

    /// The id that the chat has now.
    fn moved_to(&self) -> Option<i64> {
        self.parameter("migrate_to_chat_id")
    }
}

impl Telegram {
    /// A bot that reaches Telegram at `url`.
    #[must_use]
    pub fn new(client: Client, url: &str, token: Secret) -> Telegram {
        Telegram { client, url: url.trim_end_matches('/').to_owned(), token, moved: Arc::default() }
    }

    /// Posts `text` to a chat, or to where it has moved.
    pub async fn send(&self, chat_id: &str, text: &str) -> Handover {
        let known = self.moved_to(chat_id);
        let (handover, new_id) = self.post(known.as_deref().unwrap_or(chat_id), text).await;
        let Some(new_id) = new_id else { return handover };
        // A group that becomes a supergroup gets another id; nothing was posted under the old one.
        tracing::warn!(
            chat = chat_id,
            new_chat = new_id,
            "a chat has got another id and is followed: write the new one into [notify.telegram.chats]"
        );
        let new_id = new_id.to_string();
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).insert(chat_id.to_owned(), new_id.clone());
        self.post(&new_id, text).await.0
    }

    /// How posting ended, and the id that the chat has now, if Telegram names another.
    async fn post(&self, chat_id: &str, text: &str) -> (Handover, Option<i64>) {
        let message = SendMessage { chat_id, text, disable_web_page_preview: true };
        let reply = match self.call("sendMessage", &message).await {
            Ok(reply) => reply,
            Err(said) => {
                let failure = DeliveryFailure::NotSent { said };
                return (Handover::Later { failure, wish: None }, None);
            }
        };
        let answer: ApiAnswer = reply.json().unwrap_or_default();
        if reply.status.is_success() && answer.ok {
            return (Handover::Taken, None);
        }
        let wish = answer.retry_after();
        let said = format!("Telegram answered {}: {}", reply.status.as_u16(), answer.describe());
        // A chat that is closed, mistyped or forbidden to us, a revoked token, a busy or broken API are not the message's
        // fault and may be mended while it waits. Only a text that Telegram cannot show stays wrong.
        if reply.status == http::StatusCode::BAD_REQUEST && is_about_the_text(answer.describe()) {
            return (Handover::Never { failure: DeliveryFailure::Refused { said } }, None);
        }
        let failure = if wish.is_some() {
            DeliveryFailure::AskedToWait { said }
        } else {
            DeliveryFailure::NotSent { said }
        };
        (Handover::Later { failure, wish }, answer.moved_to())
    }

    fn moved_to(&self, chat_id: &str) -> Option<String> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).get(chat_id).cloned()
    }

    /// Whether a chat can be posted to, as far as that can be seen without posting; the error says what to do.
    pub async fn look_at(&self, chat_id: &str) -> Result<(), String> {
        let reply = self.call("getChat", &serde_json::json!({"chat_id": chat_id})).await?;
        let answer: ApiAnswer = reply.json().unwrap_or_default();
        let moved = |new_id| format!("it has become {new_id}: write that into [notify.telegram.chats]");
        if let Some(new_id) = answer.moved_to() {
            return Err(moved(new_id));
        }
        if !(reply.status.is_success() && answer.ok) {
            return Err(format!("Telegram answered {}: {}", reply.status.as_u16(), answer.describe()));
        }
        // A chat that has moved is still shown under its old id, and refuses what is done there. Nothing is posted by this.
        let typing = serde_json::json!({"chat_id": chat_id, "action": "typing"});
        let answer: ApiAnswer = self.call("sendChatAction", &typing).await?.json().unwrap_or_default();
        answer.moved_to().map_or(Ok(()), |new_id| Err(moved(new_id)))
    }

    /// Asks Telegram who the bot is: proof that the address and the token are right.
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
        reply.map_err(|why| format!("Telegram at {} was not reached: {why}", self.url))
    }
}

/// Whether an error of Telegram's is about the text itself. Its API has one code for all of them and tells them apart by
/// these words alone; words that are not known here are not about the text.
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

    /// The address that is called bears the bot's token, and errors like to quote addresses.
    #[tokio::test]
    async fn no_error_tells_the_bots_token() {
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
            let client = Client::new(std::time::Duration::from_secs(5), ANSWER_BYTES_MAX).expect("a client");
            let telegram = Telegram::new(client, &url, Secret::new(TOKEN));
            let said = [
                format!("{:?}", telegram.introduce().await),
                format!("{:?}", telegram.look_at("chat").await),
                match telegram.send("chat", "text").await {
                    Handover::Taken => "taken".to_owned(),
                    Handover::Never { failure } | Handover::Later { failure, .. } => format!("{failure:?}"),
                },
                format!("{telegram:?}"),
            ];
            for text in said {
                assert!(!text.contains("canary") && text != "taken", "{url}: {text}");
            }
        }
    }

    #[test]
    fn only_what_is_said_of_the_text_itself_is_final() {
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
