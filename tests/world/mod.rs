//! A gateway, a marketplace and a chat, all real and all in this process.

pub mod database;
pub mod listener;
pub mod till;

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::Value;
use tillgate::app::App;
use tillgate::config;
use tillgate::kernel::{Clock, Secret};
use tillgate::peer::Client;
use tillgate::telemetry::metrics;
use tillgate_lab::demo::chat::Chat;
use tillgate_lab::demo::marketplace::{Attempt, Marketplace};

/// How long anything may take before a test fails. Tests wait for events, so
/// this time does not normally pass.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub const TOKEN: &str = "token-of-the-marketplace";
pub const ADMIN_TOKEN: &str = "token-of-the-operator";

/// The metrics of all gateways in this process, which has one recorder.
static METRICS: LazyLock<PrometheusHandle> = LazyLock::new(metrics::install);

pub use tillgate::kernel::chance::random_bytes;

/// Passes between two questions of a loop that waits for something which can
/// only be asked for. A loop without a pause keeps all cores busy, and threads
/// of the kernel that finish writes to files then wait for seconds.
pub async fn ask_again_soon() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}

/// A running gateway with its chat.
pub struct Services {
    pub app: App,
    pub chat: Chat,
    folder: tempfile::TempDir,
    settings: String,
    client: Client,
}

impl Services {
    /// Starts a gateway on an embedded store, with one chat for all stores and
    /// a separate chat for store 17.
    pub async fn open() -> Services {
        Services::open_with(&[], Clock::System).await
    }

    /// The same with parts of the configuration replaced, and with another
    /// clock.
    pub async fn open_with(replace: &[(&str, &str)], clock: Clock) -> Services {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let chat = Chat::start().await.expect("a chat");
        let mut settings = settings(folder.path(), &chat);
        for (from, to) in replace {
            assert!(settings.contains(from), "{from} is not in the configuration");
            settings = settings.replace(from, to);
        }
        let app = start(&settings, clock).await;
        let client = Client::new(DEADLINE, 64 << 20).expect("a client");
        Services { app, chat, folder, settings, client }
    }

    /// The same on a PostgreSQL database.
    pub async fn open_on(database: &str, clock: Clock) -> Services {
        let sled = "store = \"sled:";
        Services::open_with(&[(sled, &format!("store = \"{database}\"\n#"))], clock).await
    }

    /// Stops the gateway and starts it again on the same store.
    pub async fn restart(self) -> Services {
        self.restart_with(&[]).await
    }

    /// The same with parts of the configuration replaced.
    pub async fn restart_with(self, replace: &[(&str, &str)]) -> Services {
        let Services { app, chat, folder, mut settings, client } = self;
        app.drain().await;
        for (from, to) in replace {
            assert!(settings.contains(from), "{from} is not in the configuration");
            settings = settings.replace(from, to);
        }
        let app = start(&settings, Clock::System).await;
        Services { app, chat, folder, settings, client }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.app.address())
    }

    /// A marketplace with the right token, which does not retry.
    pub fn marketplace(&self) -> Marketplace {
        Marketplace::new(format!("{}/hooks/sm", self.url()), Secret::new(TOKEN)).expect("a client")
    }

    pub async fn post(&self, body: impl AsRef<[u8]>) -> Attempt {
        self.marketplace().post(body.as_ref()).await
    }

    /// Posts a hook, expects that it is acknowledged, and returns the body of
    /// the answer.
    pub async fn acknowledged(&self, body: impl AsRef<[u8]>) -> String {
        let attempt = self.post(body).await;
        assert_eq!(attempt.status(), 200, "{}", attempt.body());
        attempt.body().to_owned()
    }

    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, &str)>,
    ) -> (u16, Value) {
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {ADMIN_TOKEN}")).expect("a header");
        headers.insert(header::AUTHORIZATION, bearer);
        if let Some((kind, _)) = body {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let bytes = body.map(|(_, body)| body.as_bytes().to_vec()).unwrap_or_default();
        let reply = self
            .client
            .call(method, &format!("{}{path}", self.url()), headers, bytes)
            .await
            .expect("an answer");
        (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
    }

    /// Reads a public address, as text.
    pub async fn read(&self, path: &str) -> (u16, String) {
        let url = format!("{}{path}", self.url());
        let reply = self.client.call(Method::GET, &url, HeaderMap::new(), Vec::new()).await;
        let reply = reply.expect("an answer");
        (reply.status.as_u16(), String::from_utf8_lossy(&reply.body).into_owned())
    }

    /// Reads from the admin API.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, &format!("/admin/v1{path}"), None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub async fn list(&self, path: &str) -> Vec<Value> {
        self.get(path).await["items"].as_array().expect("a list").clone()
    }

    /// The order with this external id.
    pub async fn order(&self, external_id: &str) -> Value {
        let found = self.list(&format!("/orders?source=sm&external_id={external_id}")).await;
        assert_eq!(found.len(), 1, "orders {external_id}: {found:?}");
        found[0].clone()
    }

    pub async fn balance(&self, store: &str, sku: &str) -> String {
        let stock = self.list(&format!("/stock?store={store}&limit=500")).await;
        let line = stock.iter().find(|line| line["sku"] == sku);
        line.map_or("-".into(), |line| line["quantity"].as_str().expect("a quantity").to_owned())
    }

    /// Sets stock levels.
    pub async fn count(&self, lines: &Value) {
        let (status, body) = self
            .ask(Method::PUT, "/admin/v1/stock", Some(("application/json", &lines.to_string())))
            .await;
        assert_eq!(status, 200, "{body}");
    }

    /// The texts of the messages to pickers, once there are `count` of them.
    pub async fn picker_messages(&self, count: usize) -> Vec<String> {
        let messages = self.chat.wait_for(count, DEADLINE).await;
        let messages =
            messages.unwrap_or_else(|messages| panic!("{count} messages wanted, got {messages:?}"));
        assert_eq!(messages.len(), count, "{messages:?}");
        messages.into_iter().map(|message| message.text).collect()
    }

    /// Waits until no message is pending, so that every message has been sent.
    pub async fn outbox_is_empty(&self) {
        let empty = async {
            while !self.list("/outbox?state=pending").await.is_empty() {
                ask_again_soon().await;
            }
        };
        tokio::time::timeout(DEADLINE, empty).await.expect("the outbox empties");
    }

    pub async fn close(self) {
        self.app.drain().await;
    }
}

fn settings(folder: &Path, chat: &Chat) -> String {
    format!(
        r#"
        listen = "127.0.0.1:0"
        store = "sled:{}"
        store_cache_mebibytes = 16
        idle_drain_seconds = 0
        admin_token = "{ADMIN_TOKEN}"
        [sources.sm]
        protocol = "sm"
        token = "{TOKEN}"
        [notify.telegram]
        url = "{}"
        token = "bot"
        gap_milliseconds = 1
        [notify.telegram.chats]
        default = "everyone"
        "17" = "pickers-of-17"
        "#,
        folder.join("data").display(),
        chat.url(),
    )
}

async fn start(settings: &str, clock: Clock) -> App {
    let settings =
        config::parse(Path::new("test"), settings, std::iter::empty()).expect("valid settings");
    App::start(&settings, clock, METRICS.clone()).await.expect("the gateway starts")
}

/// The body of a hook in the usual envelope.
pub fn hook(kind: &str, timestamp: Option<&str>, payload: Value) -> String {
    let mut hook = serde_json::json!({ "event_type": kind, "payload": payload });
    if let Some(timestamp) = timestamp {
        hook["timestamp"] = timestamp.into();
    }
    hook.to_string()
}

/// A payload with a single line.
pub fn payload(external_id: &str, sku: &str, quantity: i64, total: &str) -> Value {
    serde_json::json!({
        "originalOrderId": external_id,
        "storeID": "17",
        "customer": {"name": "Анна Канарейкина", "phone": "+79991234567"},
        "address": {"full_address": "Тайная улица, 1"},
        "comment": "домофон 4242",
        "positions": [{"id": sku, "quantity": quantity, "originalQuantity": quantity,
            "price": "10.00",
            "totalPrice": total, "totalDiscountPrice": total}],
        "total": {"totalPrice": total, "discountTotalPrice": total},
    })
}

pub fn created(external_id: &str) -> String {
    hook(
        "order.created",
        Some("2026-11-22T12:00:00+03:00"),
        payload(external_id, "100", 2, "20.00"),
    )
}
