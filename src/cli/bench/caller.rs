//! Calls a running shop as clients do.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};

use crate::peer::Client;

/// How many clients there are: fewer than may register from one network in an
/// hour.
pub const CLIENTS: usize = 24;

/// How long a request may take, in seconds.
const ANSWER_SECONDS_MAX: u64 = 30;

/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// How long a shop may take to read its catalogue, in seconds.
const CATALOGUE_SECONDS_MAX: u64 = 60;

/// The name of a client.
pub fn username(number: usize) -> String {
    format!("bench{number}")
}

/// Calls the shop as clients do.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    url: String,
}

impl Caller {
    pub fn new(url: String) -> Result<Caller, String> {
        let client = Client::new(Duration::from_secs(ANSWER_SECONDS_MAX), ANSWER_BYTES_MAX);
        Ok(Caller { client: client.map_err(|why| why.to_string())?, url })
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        cookie: &str,
        body: Option<Value>,
    ) -> Result<(HeaderMap, Value), String> {
        self.send_with(method, path, cookie, body, HeaderMap::new()).await
    }

    /// The same with these headers.
    pub async fn send_with(
        &self,
        method: Method,
        path: &str,
        cookie: &str,
        body: Option<Value>,
        mut headers: HeaderMap,
    ) -> Result<(HeaderMap, Value), String> {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let cookie = HeaderValue::from_str(cookie).map_err(|why| why.to_string())?;
        headers.insert(header::COOKIE, cookie);
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let url = format!("{}{path}", self.url);
        let answer = self.client.call(method, &url, headers, body).await;
        let answer = answer.map_err(|why| format!("{path}: {why}"))?;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        if !answer.status.is_success() {
            return Err(format!("{path} answers {}: {body}", answer.status));
        }
        Ok((answer.headers, body))
    }

    /// Waits until the shop has read its catalogue, the last product too.
    pub async fn catalogue(&self, products: usize) -> Result<(), String> {
        const PAUSE: Duration = Duration::from_millis(200);
        let path = format!("/shop/menu/product?productId={products}");
        let reading = async {
            while self.send(Method::GET, &path, "", None).await.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
        };
        let limit = Duration::from_secs(CATALOGUE_SECONDS_MAX);
        let read = tokio::time::timeout(limit, reading).await;
        read.map_err(|_| format!("the catalogue was not read in {CATALOGUE_SECONDS_MAX} s"))
    }

    /// Logs all clients in. Returns the cookies of their sessions.
    pub async fn clients(&self) -> Result<Vec<String>, String> {
        let mut cookies = Vec::with_capacity(CLIENTS);
        for number in 0..CLIENTS {
            cookies.push(self.log_in(number).await?);
        }
        Ok(cookies)
    }

    /// Logs a client in, who registers if a database does not have the client
    /// from the measurement before. Returns the session's cookie.
    async fn log_in(&self, number: usize) -> Result<String, String> {
        const PASSWORD: &str = "tulip-margin-42-boat";
        let (username, email) = (username(number), format!("bench{number}@example.org"));
        let log_in = json!({"username": username, "password": PASSWORD});
        let register = json!({"username": username, "password": PASSWORD, "email": email});
        let known = self.send(Method::POST, "/shop/auth/login", "", Some(log_in)).await;
        let (headers, _) = match known {
            Ok(known) => known,
            Err(_) => self.send(Method::POST, "/shop/auth/register", "", Some(register)).await?,
        };
        let cookies = headers.get_all(header::SET_COOKIE).iter();
        let pairs = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
        Ok(pairs.collect::<Vec<_>>().join("; "))
    }
}
