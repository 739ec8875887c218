//! The commands' client of the admin API.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;

use super::{ConfigOption, Failed, receiver, say, secret};
use crate::config::Endpoint;
#[cfg(feature = "shop")]
use crate::config::Settings;
use crate::kernel::Secret;
use crate::kernel::text::shown_json;
use crate::peer::{Client, Url};

/// How long an answer may take, in seconds. Importing a long list of stock
/// takes the longest.
const ANSWER_SECONDS_MAX: u64 = 60;

/// The longest answer that is read, in bytes: a page of 500 orders of 200 lines
/// each.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The status of an address that the gateway does not have.
const NOT_FOUND: u16 = 404;

/// Which gateway to ask, and how to print its answer.
#[derive(Debug, Clone, Args)]
pub struct ServerOptions {
    /// The running gateway, http://… or unix:PATH [default: the one that runs
    /// with this configuration]
    #[arg(long, value_name = "URL", env = "TILLGATE_SERVER")]
    server: Option<String>,
    /// The gateway's admin token [default: the configuration's admin_token]
    #[arg(long, value_name = "TOKEN", env = "TILLGATE_ADMIN_TOKEN", hide_env_values = true)]
    admin_token: Option<String>,
    /// A file that contains the admin token, so that the list of processes does
    /// not show it
    #[arg(long, value_name = "FILE", conflicts_with = "admin_token")]
    admin_token_file: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigOption,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// The admin API of a gateway.
pub struct Server {
    client: Client,
    /// The base URL of the API.
    url: String,
    /// The address that error messages show.
    shown: String,
    token: Secret,
}

impl ServerOptions {
    /// The configuration, whether or not a gateway runs with it.
    #[cfg(feature = "shop")]
    pub fn settings(&self) -> Result<Settings, Failed> {
        self.config.load()
    }

    /// Finds the gateway and its admin token.
    pub async fn connect(&self) -> Result<Server, Failed> {
        let given = secret::given(
            self.admin_token.as_deref(),
            self.admin_token_file.as_deref(),
            "--admin-token-file",
        )?;
        // The configuration is read only for what the arguments do not set.
        let settings = match (&self.server, &given) {
            (Some(_), Some(_)) => None,
            (_, _) => Some(self.config.load()?),
        };
        let endpoint = match (&self.server, &settings) {
            (Some(server), _) => Endpoint::socket_path(server).map(Endpoint::Unix),
            (None, Some(settings)) => {
                let running = receiver::find(settings).await;
                Some(
                    running
                        .map_or_else(|| receiver::configured(settings), |running| running.endpoint),
                )
            }
            (None, None) => None,
        };
        let token =
            given.map(Secret::new).or_else(|| settings.and_then(|settings| settings.admin_token));
        let Some(token) = token else {
            return Err(Failed::usage(
                "no admin token: set admin_token in tillgate.toml, and run this in its folder or \
                 name it with --config; or set TILLGATE_ADMIN_TOKEN",
            ));
        };
        let deadline = Duration::from_secs(ANSWER_SECONDS_MAX);
        let (client, url, shown) = match endpoint {
            Some(endpoint) => {
                let (client, url) = receiver::client_of(&endpoint, deadline, ANSWER_BYTES_MAX)
                    .map_err(Failed::because)?;
                (client, url, endpoint.to_string())
            }
            None => return Server::at(self.server.as_deref().unwrap_or_default(), token),
        };
        Ok(Server { client, url, shown, token })
    }
}

impl Server {
    /// A gateway at an address.
    pub fn at(url: &str, token: Secret) -> Result<Server, Failed> {
        let deadline = Duration::from_secs(ANSWER_SECONDS_MAX);
        let client = Client::new(deadline, ANSWER_BYTES_MAX).map_err(Failed::because)?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Server { client, shown: url.clone(), url, token })
    }

    /// Sends a GET request. Query parameters without a value are left out.
    pub async fn get(&self, path: &str, query: &[(&str, Option<&str>)]) -> Result<Value, Failed> {
        self.ask(Method::GET, path, query, None, &[]).await
    }

    /// The same, or nothing if the gateway has no such page: it may run without
    /// the service.
    pub async fn get_if_there(&self, path: &str) -> Result<Option<Value>, Failed> {
        let (status, answer) = self.call(Method::GET, path, &[], None, &[]).await?;
        if status == NOT_FOUND {
            return Ok(None);
        }
        wanted(status, answer).map(Some)
    }

    /// Sends a POST request without a body.
    pub async fn post(&self, path: &str) -> Result<Value, Failed> {
        self.ask(Method::POST, path, &[], None, &[]).await
    }

    /// Sends a POST request with a JSON body.
    pub async fn post_json(&self, path: &str, body: &Value) -> Result<Value, Failed> {
        let body = Some(("application/json", body.to_string().into_bytes()));
        self.ask(Method::POST, path, &[], body, &[]).await
    }

    /// Sends a request of a merchant's API, under an idempotency key.
    pub async fn as_merchant(
        &self,
        merchant: &str,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Result<Value, Failed> {
        let body = Some(("application/json", body.to_string().into_bytes()));
        let path = format!("/as-merchant/v1{path}");
        let headers = [("tillgate-merchant", merchant), ("idempotency-key", key)];
        self.ask(Method::POST, &path, &[], body, &headers).await
    }

    /// Sends a PUT request.
    pub async fn put(
        &self,
        path: &str,
        kind: &'static str,
        body: Vec<u8>,
    ) -> Result<Value, Failed> {
        self.ask(Method::PUT, path, &[], Some((kind, body)), &[]).await
    }

    /// Sends any request.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, Option<&str>)],
        body: Option<(&'static str, Vec<u8>)>,
        own: &[(&'static str, &str)],
    ) -> Result<Value, Failed> {
        let (status, answer) = self.call(method, path, query, body, own).await?;
        wanted(status, answer)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, Option<&str>)],
        body: Option<(&'static str, Vec<u8>)>,
        own: &[(&'static str, &str)],
    ) -> Result<(u16, Value), Failed> {
        let mut headers = HeaderMap::new();
        for (name, value) in own {
            let value = HeaderValue::from_str(value)
                .map_err(|_| Failed::usage(format!("{value:?}: use printable ASCII alone")))?;
            headers.insert(*name, value);
        }
        let bearer = HeaderValue::from_str(&format!("Bearer {}", self.token.expose()));
        let bearer = bearer.map_err(|_| {
            Failed::usage("the admin token contains characters that are not allowed in a header")
        })?;
        headers.insert(header::AUTHORIZATION, bearer);
        let body = match body {
            Some((kind, bytes)) => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
                bytes
            }
            None => Vec::new(),
        };
        let given = query.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
        let mut url = Url::parse(&format!("{}/admin/v1{path}", self.url))
            .map_err(|why| Failed::usage(format!("{}: not a valid URL: {why}", self.url)))?;
        if query.iter().any(|(_, value)| value.is_some()) {
            url.query_pairs_mut().extend_pairs(given);
        }
        let reply = self.client.call(method, url.as_str(), headers, body).await.map_err(|why| {
            Failed::because(format!(
                "no gateway answers at {} ({why}). Is tillgate serve running?",
                self.shown
            ))
        })?;
        // An answer without a body is null.
        let answer: Value = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        Ok((reply.status.as_u16(), answer))
    }
}

/// The answer, unless it says what is wrong.
fn wanted(status: u16, answer: Value) -> Result<Value, Failed> {
    if (200..300).contains(&status) {
        return Ok(answer);
    }
    let detail = answer.get("detail").and_then(Value::as_str).unwrap_or("no detail");
    Err(Failed::because(format!("the gateway answered {status}: {detail}")))
}

/// Prints JSON for programs.
pub fn print_json(value: &Value) {
    say(shown_json(&serde_json::to_string_pretty(value).unwrap_or_default()));
}
