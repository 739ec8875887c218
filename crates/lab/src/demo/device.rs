//! A client's device: calls the shop's services, and keeps their cookies.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;
use tillgate_peer::Client;

/// A client's device.
pub struct Device<'a> {
    pub client: &'a Client,
    pub url: &'a str,
    pub name: &'static str,
    pub cookies: BTreeMap<String, String>,
}

impl<'a> Device<'a> {
    pub const fn new(client: &'a Client, url: &'a str, name: &'static str) -> Device<'a> {
        Device { client, url, name, cookies: BTreeMap::new() }
    }

    /// Calls the service. Returns the status and the body; 0 without an answer.
    pub async fn send(&mut self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        self.send_to("auth", method, path, body, HeaderMap::new()).await
    }

    /// The same to another service, with more headers.
    pub async fn send_to(
        &mut self,
        service: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
        more: HeaderMap,
    ) -> (u16, Value) {
        let mut headers = more;
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        headers.insert(header::USER_AGENT, HeaderValue::from_static(self.name));
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("en"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(cookies) = HeaderValue::from_str(&cookies) {
            headers.insert(header::COOKIE, cookies);
        }
        let url = format!("{}/shop/{service}{path}", self.url);
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let Ok(reply) = self.client.call(method, &url, headers, body.into_bytes()).await else {
            return (0, Value::Null);
        };
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().ok().and_then(|cookie| cookie.split(';').next());
            if let Some((name, value)) = pair.and_then(|pair| pair.split_once('=')) {
                self.cookies.insert(name.into(), value.into());
            }
        }
        let body = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        (reply.status.as_u16(), body)
    }
}
