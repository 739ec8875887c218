//! Chats of pickers, through Telegram's Bot API.
//!
//! Facts (core.telegram.org/bots/api): `POST {url}/bot{token}/sendMessage` with `chat_id` and `text`; the
//! answer is `{"ok":true,…}` or `{"ok":false,"error_code":…,"description":…,"parameters":{"retry_after":…}}`.
//! A group takes about one message a second; beyond it the API answers 429 with the seconds to wait. There is
//! no idempotency key: a call that broke off may have been carried out, and the copy is known by the number
//! under the text.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde::{Deserialize, Serialize};

use super::Handover;
use crate::kernel::Secret;
use crate::peer::{Client, Reply};

/// The bot.
#[derive(Debug, Clone)]
pub struct Telegram {
    client: Client,
    url: String,
    token: Secret,
}

#[derive(Serialize)]
struct SendMessage<'a> {
    chat_id: &'a str,
    text: &'a str,
    disable_web_page_preview: bool,
}

#[derive(Deserialize, Default)]
struct ApiAnswer {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
    #[serde(default)]
    result: serde_json::Value,
}

#[derive(Deserialize, Default)]
struct Parameters {
    retry_after: Option<u64>,
}

impl Telegram {
    /// A bot that reaches Telegram at `url`.
    #[must_use]
    pub fn new(client: Client, url: &str, token: Secret) -> Telegram {
        Telegram { client, url: url.trim_end_matches('/').to_owned(), token }
    }

    /// Posts `text` to a chat.
    pub async fn send(&self, chat_id: &str, text: &str) -> Handover {
        let message = SendMessage { chat_id, text, disable_web_page_preview: true };
        let reply = match self.call("sendMessage", &message).await {
            Ok(reply) => reply,
            Err(why) => return Handover::Later { why, wish: None },
        };
        let answer: ApiAnswer = reply.json().unwrap_or_default();
        if reply.status.is_success() && answer.ok {
            return Handover::Taken;
        }
        let wish = answer.parameters.retry_after.map(Duration::from_secs);
        let why = format!("Telegram answered {}: {}", reply.status.as_u16(), describe(&answer));
        // 400 means that this very message is wrong and will stay so, unless it is about the chat. A chat that
        // has moved or is mistyped, a revoked token, a bot thrown out, a busy or broken API are not the
        // message's fault and may be mended while it waits.
        let is_about_the_chat = answer.description.contains("chat");
        if reply.status == http::StatusCode::BAD_REQUEST && !is_about_the_chat {
            Handover::Never { why }
        } else {
            Handover::Later { why, wish }
        }
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
            Err(format!("Telegram answered {}: {}", reply.status.as_u16(), describe(&answer)))
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

fn describe(answer: &ApiAnswer) -> &str {
    if answer.description.is_empty() { "no description" } else { &answer.description }
}
