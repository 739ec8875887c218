//! A simulated Telegram Bot API for messages to pickers: it stores what it
//! receives, and fails on request.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::post};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use tillgate_web::server;

/// A message that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub chat_id: String,
    pub text: String,
}

/// A failure of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// 429: wait this many seconds.
    TooFast(u64),
    /// 500, not delivered.
    Broken,
    /// Delivered, but answered with 500: the sender cannot know that it was
    /// delivered.
    DeliveredButBroken,
    /// Delivered, but answered this many milliseconds later.
    DeliveredLate(u64),
    /// 400: this chat does not exist.
    NoSuchChat,
    /// 400: this text cannot be shown.
    BadText,
    /// 400: the topic is closed for writing.
    TopicClosed,
    /// 403: the bot was removed from the chat.
    Kicked,
    /// 400: this chat now has another id.
    MovedTo(i64),
}

/// A running chat.
#[derive(Debug, Clone)]
pub struct Chat {
    address: SocketAddr,
    world: Arc<World>,
}

#[derive(Debug, Default)]
struct World {
    messages: watch::Sender<Vec<Message>>,
    troubles: Mutex<VecDeque<Trouble>>,
    calls: watch::Sender<u64>,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Chat {
    /// Starts the chat on a free port.
    pub async fn start() -> std::io::Result<Chat> {
        let listener = server::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        let world = Arc::new(World::default());
        let stop = world.stop.clone();
        let routes =
            Router::new().route("/{bot}/{method}", post(call)).with_state(Arc::downgrade(&world));
        tokio::spawn(server::serve(
            listener,
            routes,
            server::Limits::default(),
            stop,
            Duration::ZERO,
        ));
        Ok(Chat { address, world })
    }

    /// Its address, as `notify.telegram.url` expects it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All messages that have arrived so far.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.world.messages.borrow().clone()
    }

    /// How many times it was called.
    #[must_use]
    pub fn calls(&self) -> u64 {
        *self.world.calls.borrow()
    }

    /// Makes the next calls fail, one trouble per call.
    pub fn misbehave(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.world.troubles.lock().unwrap_or_else(PoisonError::into_inner).extend(troubles);
    }

    /// Waits until `count` messages have arrived, and returns all of them.
    pub async fn wait_for(
        &self,
        count: usize,
        deadline: Duration,
    ) -> Result<Vec<Message>, Vec<Message>> {
        let mut messages = self.world.messages.subscribe();
        let enough = messages.wait_for(|messages| messages.len() >= count);
        match tokio::time::timeout(deadline, enough).await {
            Ok(Ok(messages)) => Ok(messages.clone()),
            Ok(Err(_)) | Err(_) => Err(self.messages()),
        }
    }

    /// Waits until it has been called `count` times. Returns whether that
    /// happened before the deadline.
    pub async fn wait_for_calls(&self, count: u64, deadline: Duration) -> bool {
        let mut calls = self.world.calls.subscribe();
        matches!(
            tokio::time::timeout(deadline, calls.wait_for(|calls| *calls >= count)).await,
            Ok(Ok(_))
        )
    }
}

/// A refusal, as the Bot API words it.
fn error(code: u16, description: &str, parameters: Value) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({
        "ok": false, "error_code": code, "description": description, "parameters": parameters,
    });
    (status, Json(body)).into_response()
}

async fn call(
    State(world): State<std::sync::Weak<World>>,
    Path((_bot, method)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Response {
    let Some(world) = world.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    if method == "getMe" {
        return Json(
            json!({"ok": true, "result": {"id": 1, "is_bot": true, "username": "pickers_bot"}}),
        )
        .into_response();
    }
    let trouble = world.troubles.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    if matches!(method.as_str(), "getChat" | "sendChatAction") && trouble.is_none() {
        return Json(json!({"ok": true, "result": {"id": body.get("chat_id")}})).into_response();
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let message = Message { chat_id: text("chat_id"), text: text("text") };
    let keep = || world.messages.send_modify(|messages| messages.push(message.clone()));
    let response = match trouble {
        Some(Trouble::TooFast(seconds)) => {
            let description = format!("Too Many Requests: retry after {seconds}");
            error(429, &description, json!({"retry_after": seconds}))
        }
        Some(Trouble::Broken) => error(500, "Internal Server Error", json!({})),
        Some(Trouble::DeliveredButBroken) => {
            keep();
            error(500, "Internal Server Error", json!({}))
        }
        Some(Trouble::DeliveredLate(milliseconds)) => {
            keep();
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            Json(json!({"ok": true, "result": {"message_id": 1}})).into_response()
        }
        Some(Trouble::NoSuchChat) => error(400, "Bad Request: chat not found", json!({})),
        Some(Trouble::Kicked) => {
            error(403, "Forbidden: bot was kicked from the group chat", json!({}))
        }
        Some(Trouble::TopicClosed) => error(400, "Bad Request: TOPIC_CLOSED", json!({})),
        Some(Trouble::MovedTo(chat)) => error(
            400,
            "Bad Request: group chat was upgraded to a supergroup chat",
            json!({"migrate_to_chat_id": chat}),
        ),
        Some(Trouble::BadText) => error(400, "Bad Request: message text is empty", json!({})),
        None => {
            keep();
            Json(json!({"ok": true, "result": {"message_id": 1}})).into_response()
        }
    };
    world.calls.send_modify(|calls| *calls += 1);
    response
}
