//! A WebSocket to a peer, for what a peer sends without being asked: with deadlines, a limit on what is read, and a heartbeat.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

/// How long connecting may take, and sending one message.
const CONNECT_SECONDS_MAX: u64 = 15;
const SEND_SECONDS_MAX: u64 = 15;

/// The longest message that is read, in bytes.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// When nothing came for so long we ask whether anybody is there; when nothing comes for as long again, nobody is.
const HEARTBEAT: Duration = Duration::from_secs(45);

/// An open WebSocket.
#[derive(Debug)]
pub struct Socket {
    inner: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    /// Opens one. The error says what went wrong, and nothing of the address, which may bear a secret.
    pub async fn connect(url: &str) -> Result<Socket, String> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let connector = if url.starts_with("wss:") {
            let tls = ClientConfig::with_platform_verifier().map_err(|why| why.to_string())?;
            Some(Connector::Rustls(Arc::new(tls)))
        } else {
            None
        };
        let connecting = connect_async_tls_with_config(url, Some(config), true, connector);
        match tokio::time::timeout(Duration::from_secs(CONNECT_SECONDS_MAX), connecting).await {
            Ok(Ok((inner, _))) => Ok(Socket { inner }),
            Ok(Err(Error::Http(answer))) => Err(format!("it answers {}", answer.status())),
            Ok(Err(Error::Url(_))) => Err("it is not an address of a WebSocket".into()),
            Ok(Err(why)) => Err(why.to_string()),
            Err(_) => Err(format!("no connection within {CONNECT_SECONDS_MAX} s")),
        }
    }

    /// The next message of text. The error says why there will be none.
    pub async fn next(&mut self) -> Result<String, String> {
        let mut asked = false;
        loop {
            let frame = match tokio::time::timeout(HEARTBEAT, self.inner.next()).await {
                Ok(Some(frame)) => frame.map_err(|why| why.to_string())?,
                Ok(None) => return Err("it was closed".into()),
                Err(_) if asked => return Err("nothing was heard for too long".into()),
                Err(_) => {
                    asked = true;
                    self.put(Message::Ping(Vec::new().into())).await?;
                    continue;
                }
            };
            asked = false;
            match frame {
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(_) => return Err("it was closed".into()),
                // Pings are answered by the library.
                Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Sends a message of text.
    pub async fn send(&mut self, text: String) -> Result<(), String> {
        self.put(Message::Text(text.into())).await
    }

    async fn put(&mut self, message: Message) -> Result<(), String> {
        match tokio::time::timeout(Duration::from_secs(SEND_SECONDS_MAX), self.inner.send(message)).await {
            Ok(sent) => sent.map_err(|why| why.to_string()),
            Err(_) => Err(format!("a message was not taken within {SEND_SECONDS_MAX} s")),
        }
    }
}
