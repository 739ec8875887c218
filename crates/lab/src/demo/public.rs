//! Requests every public address of a gateway, as buyers' browsers, sites and
//! senders do. A proxy in front of it must let all of them through.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use tillgate_kernel::chance::random_bytes;
use tillgate_peer::Client;

/// How long an address may take to answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// The maximum number of bytes read from an answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The address of a gateway, and the credentials for it.
#[derive(Debug, Clone, Copy)]
pub struct ApiClient<'api> {
    /// Its address, as in `127.0.0.1:8080`.
    pub address: &'api str,
    /// A source that accepts hooks of СМ.
    pub source: &'api str,
    /// That source's token.
    pub token: &'api str,
    /// A merchant's API key.
    pub api_key: &'api str,
}

/// One request and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The request, as in `GET /embed.js`. A buyer's address is shown without
    /// its secret.
    pub request: String,
    /// The expected status.
    pub due: u16,
    /// The actual status; 0 if there was no answer.
    pub came: u16,
    /// Whether the content of the answer was as expected.
    pub fits: bool,
}

impl Exchange {
    /// Whether the status and the content were as expected.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.came == self.due && self.fits
    }
}

/// Requests all public addresses: places an unpaid order, follows its pay
/// button, and requests everything else.
pub async fn try_all(api: ApiClient<'_>) -> Result<Vec<Exchange>, String> {
    let client = Client::new(DEADLINE, ANSWER_BYTES_MAX).map_err(|why| why.to_string())?;
    let mut trial = Trial { api, client, tried: Vec::new() };
    trial.all().await?;
    Ok(trial.tried)
}

struct Trial<'api> {
    api: ApiClient<'api>,
    client: Client,
    tried: Vec<Exchange>,
}

impl Trial<'_> {
    async fn all(&mut self) -> Result<(), String> {
        for (path, holds) in [
            ("/healthz", ""),
            ("/readyz", ""),
            ("/embed.js", "data-tillgate"),
            ("/assets/buyer.css", "{"),
            ("/assets/buyer.js", "("),
            ("/assets/docs.css", "{"),
            ("/docs", "<html"),
            ("/openapi.json", "\"openapi\""),
        ] {
            self.ask(Method::GET, path, path, 200, holds).await;
        }
        let token = [("client-token", self.api.token.to_owned())];
        let hooks = format!("/hooks/{}", self.api.source);
        for path in [hooks.clone(), format!("{hooks}/")] {
            // A hook without a token. It must get as far as the gateway, which
            // answers that it does not know the sender.
            self.send(Method::POST, &path, &path, &[], b"{}", 403, "").await;
            self.send(Method::POST, &path, &path, &token, b"?", 400, "").await;
        }
        let buyer = self.place().await?;
        let shown = |end: &str| format!("/pay/…{end}");
        let pay = format!("/pay/{buyer}");
        self.ask(Method::GET, &format!("{pay}/status"), &shown("/status"), 200, "\"pay\":\"").await;
        self.ask(Method::GET, &format!("{pay}/qr.svg"), &shown("/qr.svg"), 200, "<svg").await;
        self.ask(Method::GET, &format!("{pay}/slip"), &shown("/slip"), 200, "<svg").await;
        for method in [Method::HEAD, Method::GET, Method::POST] {
            self.ask(method, &pay, &shown(""), 303, "").await;
        }
        self.ask(Method::GET, &format!("/return/{buyer}"), "/return/…", 200, "<html").await;
        self.follow(&format!("/return/{buyer}/events"), "/return/…/events").await;
        self.ask(Method::GET, "/nothing", "/nothing", 404, "").await;
        Ok(())
    }

    async fn ask(&mut self, method: Method, path: &str, shown: &str, due: u16, holds: &str) {
        self.send(method, path, shown, &[], b"", due, holds).await;
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a request and what is due, in one line of a table"
    )]
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        shown: &str,
        headers: &[(&'static str, String)],
        body: &[u8],
        due: u16,
        holds: &str,
    ) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                map.insert(HeaderName::from_static(name), value);
            }
        }
        let request = format!("{method} {shown}");
        let url = format!("http://{}{path}", self.api.address);
        let (came, body) = match self.client.call(method, &url, map, body.to_vec()).await {
            Ok(reply) => (reply.status.as_u16(), String::from_utf8_lossy(&reply.body).into_owned()),
            Err(_) => (0, String::new()),
        };
        self.tried.push(Exchange { request, due, came, fits: body.contains(holds) });
        body
    }

    /// Places an order, and returns the buyer's token.
    async fn place(&mut self) -> Result<String, String> {
        let id = format!("trial-{:08x}", u32::from_be_bytes(random_bytes()));
        let order = serde_json::json!({
            "merchant_order_id": id,
            "description": "Пробный заказ",
            "customer": {"email": "buyer@example.org"},
            "items": [{
                "sku": "1", "name": "Проба", "quantity": "1", "price": "10.00", "vat": "RUS_VAT0",
            }],
        });
        let headers =
            [("authorization", format!("Bearer {}", self.api.api_key)), ("idempotency-key", id)];
        let body = order.to_string();
        let answer = self
            .send(Method::POST, "/v1/orders", "/v1/orders", &headers, body.as_bytes(), 201, "/pay/")
            .await;
        let shown: BTreeMap<String, Value> = serde_json::from_str(&answer).unwrap_or_default();
        let url =
            shown.get("payment").and_then(|payment| payment["url"].as_str()).unwrap_or_default();
        match url.rsplit_once("/pay/") {
            Some((_, token)) => Ok(token.to_owned()),
            None => Err(format!("the answer to a new order has no payment link: {answer}")),
        }
    }

    /// Requests a stream of events and reads only its status, because the
    /// stream has no end.
    async fn follow(&mut self, path: &str, shown: &str) {
        let came = tokio::time::timeout(DEADLINE, status_of(self.api.address, path)).await;
        let came = came.ok().and_then(Result::ok).flatten().unwrap_or(0);
        self.tried.push(Exchange { request: format!("GET {shown}"), due: 200, came, fits: true });
    }
}

async fn status_of(address: &str, path: &str) -> std::io::Result<Option<u16>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
    let mut head = [0; 12]; // "HTTP/1.1 200"
    stream.read_exact(&mut head).await?;
    Ok(std::str::from_utf8(&head[9..]).ok().and_then(|status| status.parse().ok()))
}
