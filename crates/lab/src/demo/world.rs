//! The environment of a scenario: a gateway, a chat, a payment system and a
//! site.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;

use super::chat::Chat;
use super::site::Site;
use crate::sandbox::{Sandbox, Setup};
use tillgate_kernel::chance::random_bytes;
use tillgate_kernel::{Clock, Secret};
use tillgate_peer::{Client, Reply};

/// The time limit for each step of a scenario.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// The rate limit of the payment system, in calls per 30 seconds. The scenarios
/// make more calls than a real shop.
const CALLS_MAX: usize = 10_000;

/// The pause between messages to a chat. It is shorter than Telegram's, so that
/// the scenario is fast.
const GAP_MILLISECONDS: u32 = 50;

/// The secret that the site's callbacks are signed with.
const CALLBACK_SECRET: &str = "whsec_dGhlIGRlbW8ncyBzZWNyZXQgb2YgdGhlIHNpdGU=";

/// The gateway that a scenario runs against.
pub trait Gateway: Send {
    /// The address that it listens on.
    fn address(&self) -> SocketAddr;

    /// Stops it after the requests in progress.
    fn end(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The environment of a scenario.
pub struct World {
    pub(super) gateway: Box<dyn Gateway>,
    pub(super) chat: Chat,
    pub(super) bank: Sandbox,
    pub(super) site: Site,
    pub(super) api_key: String,
    pub(super) token: String,
    pub(super) own_token: String,
    pub(super) admin_token: String,
    pub(super) folder: PathBuf,
    pub(super) admin: Client,
    pub(super) clock: Clock,
}

/// A part of the environment could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the demo: {0}")]
pub struct NoStage(String);

impl World {
    /// Sets up a gateway with an embedded store in a new folder, and a pickers'
    /// chat. `start` starts the gateway with the given configuration.
    pub async fn start(
        listen: SocketAddr,
        clock: Clock,
        start: impl AsyncFnOnce(&str, Clock) -> Result<Box<dyn Gateway>, String>,
    ) -> Result<World, NoStage> {
        let broken = |why: &dyn std::fmt::Display| NoStage(why.to_string());
        let chat = Chat::start().await.map_err(|why| broken(&why))?;
        let folder =
            std::env::temp_dir().join(format!("tillgate-demo-{}", hex(&random_bytes::<4>())));
        let (token, own_token) = (hex(&random_bytes::<16>()), hex(&random_bytes::<16>()));
        let admin_token = hex(&random_bytes::<16>());
        let (api_key, signing_key) = (hex(&random_bytes::<16>()), hex(&random_bytes::<16>()));
        let setup = Setup {
            signing_key: Secret::new(signing_key.clone()),
            calls_max: CALLS_MAX,
            clock: clock.clone(),
            ..Setup::default()
        };
        let bank = Sandbox::start(setup).await.map_err(|why| broken(&why))?;
        let site = Site::start(Secret::new(CALLBACK_SECRET)).await.map_err(|why| broken(&why))?;
        let text = format!(
            r#"
            listen = "{listen}"
            store = "sled:{store}"
            idle_drain_seconds = 0
            admin_token = "{admin_token}"
            [sources.sm]
            protocol = "sm"
            token = "{token}"
            [sources.own]
            protocol = "sm"
            token = "{own_token}"
            payment = "link"
            vat = "RUS_VAT10"
            [gateways.bank]
            protocol = "invoicebox"
            url = "{bank}"
            token = "{bank_token}"
            merchant_id = "{merchant_id}"
            signing_key = "{signing_key}"
            [merchants.site]
            api_key = "{api_key}"
            callback_url = "{site}/callback"
            callback_secret = "{CALLBACK_SECRET}"
            [notify.telegram]
            url = "{chat}"
            token = "demo"
            gap_milliseconds = {GAP_MILLISECONDS}
            [notify.telegram.chats]
            default = "pickers"
            "17" = "pickers-of-17"
            "#,
            store = folder.display(),
            chat = chat.url(),
            bank = bank.url(),
            bank_token = bank.setup().token.expose(),
            merchant_id = bank.setup().merchant_id,
            site = site.url(),
        );
        let gateway = start(&text, clock.clone()).await.map_err(NoStage)?;
        let admin = Client::new(DEADLINE, 1 << 20).map_err(|why| broken(&why))?;
        Ok(World {
            gateway,
            chat,
            bank,
            site,
            api_key,
            token,
            own_token,
            admin_token,
            folder,
            admin,
            clock,
        })
    }

    /// The address of the gateway.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.gateway.address())
    }

    /// The marketplace's token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The token of the source whose orders are paid through the gateway.
    #[must_use]
    pub fn own_token(&self) -> &str {
        &self.own_token
    }

    /// The site's API key.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// The payment system.
    #[must_use]
    pub fn bank(&self) -> &Sandbox {
        &self.bank
    }

    pub(super) fn site(&self) -> &Site {
        &self.site
    }

    pub(super) fn client(&self) -> &Client {
        &self.admin
    }

    /// Places an order as the site does, with a new idempotency key. `None` if
    /// there is no answer.
    pub async fn place(&self, merchant_order_id: &str) -> Option<Reply> {
        let order = site_order(merchant_order_id, &self.site.url());
        self.place_again(&order, &hex(&random_bytes::<8>())).await
    }

    pub(super) async fn place_again(&self, order: &Value, key: &str) -> Option<Reply> {
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {}", self.api_key)).ok()?;
        headers.insert(header::AUTHORIZATION, bearer);
        headers.insert("idempotency-key", HeaderValue::from_str(key).ok()?);
        let url = format!("{}/v1/orders", self.url());
        self.admin.call(Method::POST, &url, headers, order.to_string().into_bytes()).await.ok()
    }

    /// Follows a link as a browser does, by one step. Returns the status, the
    /// redirect's target and the body.
    pub(super) async fn browse(&self, method: Method, url: &str) -> (u16, String, String) {
        match self.admin.call(method, url, HeaderMap::new(), Vec::new()).await {
            Ok(reply) => {
                let location =
                    reply.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
                let body = String::from_utf8_lossy(&reply.body).into_owned();
                (reply.status.as_u16(), location.unwrap_or_default().to_owned(), body)
            }
            Err(why) => (0, String::new(), why.to_string()),
        }
    }

    /// The operator's token.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// Stops everything and removes the folder.
    pub async fn end(self) {
        self.gateway.end().await;
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let mut headers = HeaderMap::new();
        if let Ok(bearer) = HeaderValue::from_str(&format!("Bearer {}", self.admin_token)) {
            headers.insert(header::AUTHORIZATION, bearer);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let url = format!("{}/admin/v1{path}", self.url());
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let reply = self.admin.call(method, &url, headers, body).await;
        reply.ok().and_then(|reply| serde_json::from_slice(&reply.body).ok()).unwrap_or(Value::Null)
    }

    pub(super) async fn order(&self, number: &str) -> Value {
        self.ask(Method::GET, &format!("/orders/{number}"), None).await
    }

    pub(super) async fn balance(&self, store: &str, sku: &str) -> String {
        let stock = self.ask(Method::GET, &format!("/stock?store={store}"), None).await;
        let items = stock.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let line = items.iter().find(|line| line.get("sku").and_then(Value::as_str) == Some(sku));
        text(line.unwrap_or(&Value::Null), "quantity")
    }
}

/// An order of the site in the scenarios.
pub(super) fn site_order(merchant_order_id: &str, site: &str) -> Value {
    serde_json::json!({
        "merchant_order_id": merchant_order_id,
        "description": format!("Заказ {merchant_order_id}"),
        "customer": {
            "name": "Анна", "phone": "+79990000000", "email": "anna@example.org",
            "type": "private",
        },
        "currency": "RUB",
        "items": [
            {"sku": "100201", "name": "Молоко 3,2 %, 930 мл", "quantity": "2", "price": "129.90",
                "vat": "RUS_VAT10", "measure": "шт", "measure_code": "796", "type": "commodity"},
            {"sku": "310077", "name": "Сыр «Костромской»", "quantity": "0.355", "price": "899.00",
                "vat": "RUS_VAT10", "measure": "кг", "measure_code": "166", "type": "commodity"},
        ],
        "success_url": format!("{site}/ok"),
        "fail_url": format!("{site}/fail"),
        "return_url": format!("{site}/cart"),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A field of a document as text; `?` if it is missing.
pub(super) fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "?".into(),
    }
}
