//! A WebSocket client, for messages that a peer sends on its own: with
//! deadlines, a limit on what is read, and a heartbeat.

use std::fmt::{Debug, Display};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::ConfigVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How long connecting may take, and sending one message.
const CONNECT_SECONDS_MAX: u64 = 15;
const SEND_SECONDS_MAX: u64 = 15;

/// The longest message that is read, in bytes.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// After this time without a message we send a ping. After the same time
/// without an answer the connection counts as dead.
const HEARTBEAT: Duration = Duration::from_secs(45);

/// A connection with or without TLS.
trait Connection: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Connection for T {}

/// An open WebSocket connection.
#[derive(Debug)]
pub struct Socket {
    inner: WebSocketStream<Box<dyn Connection>>,
}

impl Socket {
    /// Opens a connection. The error says what went wrong, but never contains
    /// the address, which may contain a secret.
    pub async fn connect(url: &str) -> Result<Socket, String> {
        match tokio::time::timeout(Duration::from_secs(CONNECT_SECONDS_MAX), open(url)).await {
            Ok(opened) => opened.map(|inner| Socket { inner }),
            Err(_) => Err(format!("no connection within {CONNECT_SECONDS_MAX} s")),
        }
    }

    /// The next text message. The error says why there will be no more.
    pub async fn next(&mut self) -> Result<String, String> {
        let mut asked = false;
        loop {
            let frame = match tokio::time::timeout(HEARTBEAT, self.inner.next()).await {
                Ok(Some(frame)) => frame.map_err(|why| why.to_string())?,
                Ok(None) => return Err("the peer closed the connection".into()),
                Err(_) if asked => return Err("the peer did not answer a ping in time".into()),
                Err(_) => {
                    asked = true;
                    self.put(Message::Ping(Vec::new().into())).await?;
                    continue;
                }
            };
            asked = false;
            match frame {
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(_) => return Err("the peer closed the connection".into()),
                // The library answers pings.
                Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Sends a text message.
    pub async fn send(&mut self, text: String) -> Result<(), String> {
        self.put(Message::Text(text.into())).await
    }

    async fn put(&mut self, message: Message) -> Result<(), String> {
        match tokio::time::timeout(Duration::from_secs(SEND_SECONDS_MAX), self.inner.send(message))
            .await
        {
            Ok(sent) => sent.map_err(|why| why.to_string()),
            Err(_) => Err(format!("a message could not be sent within {SEND_SECONDS_MAX} s")),
        }
    }
}

async fn open(url: &str) -> Result<WebSocketStream<Box<dyn Connection>>, String> {
    let no_address = || "the address is not a WebSocket URL (ws:// or wss://)".to_owned();
    let request = url.into_client_request().map_err(|_| no_address())?;
    let host = request.uri().host().ok_or_else(no_address)?.trim_matches(['[', ']']).to_owned();
    let (is_secure, port_default) = match request.uri().scheme_str() {
        Some("wss") => (true, 443),
        Some("ws") => (false, 80),
        Some(_) | None => return Err(no_address()),
    };
    let port = request.uri().port_u16().unwrap_or(port_default);
    let tcp = TcpStream::connect((host.as_str(), port)).await.map_err(text)?;
    tcp.set_nodelay(true).map_err(text)?;
    let connection: Box<dyn Connection> = if is_secure {
        let tls = ClientConfig::with_platform_verifier().map_err(text)?;
        let name = ServerName::try_from(host).map_err(|_| no_address())?;
        Box::new(TlsConnector::from(Arc::new(tls)).connect(name, tcp).await.map_err(text)?)
    } else {
        Box::new(tcp)
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    match client_async_with_config(request, connection, Some(config)).await {
        Ok((opened, _)) => Ok(opened),
        Err(Error::Http(answer)) => Err(format!("the peer answered {}", answer.status())),
        Err(why) => Err(text(why)),
    }
}

fn text(why: impl Display) -> String {
    why.to_string()
}
