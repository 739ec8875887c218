//! A gateway with a merchant's site and a payment system, all real and all in
//! this process.

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};
use tillgate::app::App;
use tillgate::kernel::{Clock, Secret};
use tillgate::peer::{Client, Reply};
use tillgate_lab::demo::marketplace::{Attempt, Marketplace};
use tillgate_lab::demo::site::Site;
use tillgate_lab::sandbox::{Entry, Sandbox, Setup};

use super::{ADMIN_TOKEN, DEADLINE, ask_again_soon, start};

pub const API_KEY: &str = "key-of-the-merchants-site";
pub const OTHER_API_KEY: &str = "key-of-another-merchant";
pub const CALLBACK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A running gateway, payment system and site.
pub struct Till {
    pub app: App,
    pub bank: Sandbox,
    pub site: Site,
    folder: tempfile::TempDir,
    settings: String,
    pub client: Client,
    pub clock: Clock,
}

impl Till {
    pub async fn open() -> Till {
        Till::open_with(Setup { calls_max: 100_000, ..Setup::default() }, &[], Clock::System).await
    }

    /// The same with the sandbox's YooKassa as the payment system. `more` are
    /// further lines of its configuration section.
    pub async fn open_yookassa(more: &str, clock: Clock) -> Till {
        let setup = Setup { calls_max: 100_000, ..Setup::default() };
        let invoicebox = "protocol = \"invoicebox\"";
        let yookassa = format!("protocol = \"yookassa\"\n{more}");
        let till = Till::open_with(setup, &[(invoicebox, &yookassa)], clock).await;
        till.bank.notify_yookassa_at(format!("{}/hooks/bank", till.url()));
        till
    }

    pub async fn open_with(setup: Setup, replace: &[(&str, &str)], clock: Clock) -> Till {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bank = Sandbox::start(Setup { clock: clock.clone(), ..setup })
            .await
            .expect("a payment system");
        let site = Site::start(Secret::new(CALLBACK_SECRET)).await.expect("a site");
        let mut settings = format!(
            r#"
            listen = "127.0.0.1:0"
            idle_drain_seconds = 0
            store = "sled:{}"
            store_cache_mebibytes = 16
            admin_token = "{ADMIN_TOKEN}"
            trusted_proxies = ["127.0.0.0/8"]
            [sources.sm]
            protocol = "sm"
            token = "{}"
            payment = "link"
            vat = "RUS_VAT10"
            [gateways.bank]
            protocol = "invoicebox"
            url = "{}"
            token = "{}"
            merchant_id = "{}"
            signing_key = "{}"
            [merchants.site]
            api_key = "{API_KEY}"
            requests_per_minute_max = 1000000 # tests look often
            callback_url = "{}/callback"
            callback_secret = "{CALLBACK_SECRET}"
            [merchants.other]
            api_key = "{OTHER_API_KEY}"
            "#,
            folder.path().join("data").display(),
            super::TOKEN,
            bank.url(),
            bank.setup().token.expose(),
            bank.setup().merchant_id,
            bank.setup().signing_key.expose(),
            site.url(),
        );
        if replace.iter().any(|(_, to)| to.starts_with("protocol = \"yookassa\"")) {
            settings = settings.replace(&bank.url(), &format!("{}/yookassa", bank.url()));
            settings = settings
                .replace(&format!("signing_key = \"{}\"", bank.setup().signing_key.expose()), "");
        }
        for (from, to) in replace {
            assert!(settings.contains(from), "{from} is not in the configuration");
            settings = settings.replace(from, to);
        }
        let app = start(&settings, clock.clone()).await;
        let client = Client::new(DEADLINE, 64 << 20).expect("a client");
        Till { app, bank, site, folder, settings, client, clock }
    }

    /// Stops the gateway and starts it again on the same store.
    pub async fn restart(self) -> Till {
        self.stopped().await.started().await
    }

    /// Stops the gateway; everything else keeps running.
    pub async fn stopped(self) -> StoppedTill {
        let Till { app, bank, site, folder, settings, client, clock } = self;
        // At the same address: the payment system and buyers know it.
        let settings = settings.replace("127.0.0.1:0", &app.address().to_string());
        app.drain().await;
        StoppedTill { bank, site, folder, settings, client, clock }
    }

    /// The folder of the gateway's store.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.app.address())
    }

    /// Calls with a bearer token and, if there is one, an idempotency key.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        bearer: &str,
        key: Option<&str>,
        body: &str,
    ) -> Reply {
        let mut headers = HeaderMap::new();
        let header = |text: &str| HeaderValue::from_str(text).expect("a header");
        headers.insert(header::AUTHORIZATION, header(&format!("Bearer {bearer}")));
        if let Some(key) = key {
            headers.insert("idempotency-key", header(key));
        }
        headers.insert(header::CONTENT_TYPE, header("application/json"));
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.url())
        };
        self.client.call(method, &url, headers, body.as_bytes().to_vec()).await.expect("an answer")
    }

    /// Changes the lines of an order, under the condition that it has the tag
    /// `revision`, if there is one.
    pub async fn change(&self, number: &str, revision: Option<&str>, items: &Value) -> Reply {
        let mut headers = HeaderMap::new();
        let header = |text: &str| HeaderValue::from_str(text).expect("a header");
        headers.insert(header::AUTHORIZATION, header(&format!("Bearer {API_KEY}")));
        headers.extend(revision.map(|revision| (header::IF_MATCH, header(revision))));
        let url = format!("{}/v1/orders/{number}", self.url());
        let body = json!({"items": items}).to_string().into_bytes();
        self.client.call(Method::PATCH, &url, headers, body).await.expect("an answer")
    }

    /// Changes other fields of an order, under the condition that it has this
    /// tag.
    pub async fn alter_as(&self, number: &str, tag: &str, change: &Value) -> Reply {
        let mut headers = HeaderMap::new();
        let header = |text: &str| HeaderValue::from_str(text).expect("a header");
        headers.insert(header::AUTHORIZATION, header(&format!("Bearer {API_KEY}")));
        headers.insert(header::IF_MATCH, header(tag));
        let (url, body) =
            (format!("{}/v1/orders/{number}", self.url()), change.to_string().into_bytes());
        self.client.call(Method::PATCH, &url, headers, body).await.expect("an answer")
    }

    /// Changes other fields of an order.
    pub async fn change_as(&self, number: &str, change: &Value) -> Reply {
        self.call(
            Method::PATCH,
            &format!("/v1/orders/{number}"),
            API_KEY,
            None,
            &change.to_string(),
        )
        .await
    }

    /// Cancels an order.
    pub async fn cancel(&self, number: &str, bearer: &str) -> Reply {
        self.call(Method::POST, &format!("/v1/orders/{number}/cancel"), bearer, None, "").await
    }

    /// Requests an address as a browser does, without following a redirect:
    /// returns the status, the `Location` and the page.
    pub async fn browse(&self, method: Method, path: &str) -> (u16, String, String) {
        let reply = self.call(method, path, "", None, "").await;
        let location =
            reply.headers.get("location").map(|value| value.to_str().expect("ascii").to_owned());
        let page = String::from_utf8_lossy(&reply.body).into_owned();
        (reply.status.as_u16(), location.unwrap_or_default(), page)
    }

    /// Posts a hook as the marketplace does.
    pub async fn hook(&self, body: &str) -> Attempt {
        let url = format!("{}/hooks/sm", self.url());
        let marketplace = Marketplace::new(url, Secret::new(super::TOKEN)).expect("a client");
        marketplace.post(body.as_bytes()).await
    }

    /// Posts a hook, expects that it is acknowledged, and returns the number of
    /// its order.
    pub async fn number_of(&self, hook: &str) -> String {
        let attempt = self.hook(hook).await;
        assert_eq!(attempt.status(), 200, "{}", attempt.body());
        text(&serde_json::from_str::<Value>(attempt.body()).expect("json")["number"])
    }

    /// Places an order, expects that it is accepted, and returns the answer.
    pub async fn place(&self, id: &str, key: &str) -> Value {
        let reply =
            self.call(Method::POST, "/v1/orders", API_KEY, Some(key), &order(id).to_string()).await;
        assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
        json_of(&reply)
    }

    pub async fn order(&self, number: &str) -> Value {
        let reply =
            self.call(Method::GET, &format!("/v1/orders/{number}"), API_KEY, None, "").await;
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        json_of(&reply)
    }

    /// The order, once its payment is in `state`.
    pub async fn order_in(&self, number: &str, state: &str) -> Value {
        let waiting = async {
            loop {
                let order = self.order(number).await;
                if order["payment"]["state"] == state {
                    return order;
                }
                ask_again_soon().await;
            }
        };
        match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(order) => order,
            Err(_) => panic!("{number} is not {state}: {}", self.order(number).await),
        }
    }

    /// The order as the operator sees it, once its payment is in `state`.
    pub async fn document_in(&self, number: &str, state: &str) -> Value {
        let waiting = async {
            loop {
                let order = self.admin(&format!("/orders/{number}")).await;
                if order["payment"]["state"] == state {
                    return order;
                }
                ask_again_soon().await;
            }
        };
        match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(order) => order,
            Err(_) => panic!(
                "{number} is not {state}: {}",
                self.admin(&format!("/orders/{number}")).await
            ),
        }
    }

    pub async fn admin(&self, path: &str) -> Value {
        let reply =
            self.call(Method::GET, &format!("/admin/v1{path}"), ADMIN_TOKEN, None, "").await;
        assert_eq!(reply.status, 200, "{path}: {}", String::from_utf8_lossy(&reply.body));
        json_of(&reply)
    }

    /// The only order at the payment system for the first payment of an order.
    pub fn remote(&self, number: &str) -> Entry {
        let mut found = self.bank.orders(&format!("{number}-1"));
        assert_eq!(found.len(), 1, "{number}: {found:?}");
        found.remove(0)
    }

    /// The answers to the notifications of an order's first payment, once there
    /// are any.
    pub async fn notifications(&self, number: &str) -> Vec<String> {
        let number_there = format!("{number}-1");
        let answered = |orders: &[Entry]| {
            orders
                .iter()
                .any(|order| order.number == number_there && !order.notifications.is_empty())
        };
        assert!(self.bank.wait_until(DEADLINE, answered).await, "no notification was answered");
        self.remote(number).notifications
    }

    /// Posts a notification as anybody who knows the address could.
    pub async fn notify(&self, body: &[u8], signatures: &[&str]) -> Value {
        let mut headers = HeaderMap::new();
        for signature in signatures {
            headers.append("x-signature", HeaderValue::from_str(signature).expect("a header"));
        }
        let url = format!("{}/hooks/bank", self.url());
        let reply =
            self.client.call(Method::POST, &url, headers, body.to_vec()).await.expect("an answer");
        assert_eq!(reply.status, 200, "the sender only reads the body");
        json_of(&reply)
    }

    /// Waits until a message of a lane has failed `attempts` times, and then
    /// moves the clock to its next attempt.
    pub async fn let_retry_come(&self, lane: &str, attempts: u64) {
        self.has_failed(lane, attempts).await;
        self.clock.advance(std::time::Duration::from_secs(600));
    }

    /// Waits until a message of a lane has failed so many times.
    pub async fn has_failed(&self, lane: &str, attempts: u64) {
        let failed = async {
            loop {
                let pending = self.admin(&format!("/outbox?lane={lane}&state=pending")).await;
                if pending["items"]
                    .as_array()
                    .is_some_and(|items| items.iter().any(|item| item["attempts"] == attempts))
                {
                    return;
                }
                ask_again_soon().await;
            }
        };
        tokio::time::timeout(DEADLINE, failed).await.expect("a failed attempt");
    }

    /// Waits until no message of a lane is left to send. Leases run on the
    /// clock: what is under way when it is advanced is sent twice.
    pub async fn nothing_waits_in(&self, lane: &str) {
        let over = async {
            let waiting = async || self.admin(&format!("/outbox?lane={lane}&state=pending")).await;
            while waiting().await["items"].as_array().is_none_or(|items| !items.is_empty()) {
                ask_again_soon().await;
            }
        };
        tokio::time::timeout(DEADLINE, over).await.expect("all of it is sent");
    }

    pub async fn close(self) {
        self.app.drain().await;
    }
}

/// A till whose gateway is down.
pub struct StoppedTill {
    pub bank: Sandbox,
    site: Site,
    folder: tempfile::TempDir,
    settings: String,
    client: Client,
    clock: Clock,
}

impl StoppedTill {
    /// Starts the gateway on what it left behind.
    pub async fn started(self) -> Till {
        let StoppedTill { bank, site, folder, settings, client, clock } = self;
        let app = start(&settings, clock.clone()).await;
        Till { app, bank, site, folder, settings, client, clock }
    }
}

pub fn json_of(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body)
        .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&reply.body)))
}

pub fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// An order of two lines: 2 × 129.90 and 0.355 × 1 000.00, together 614.80.
pub fn order(id: &str) -> Value {
    json!({
        "merchant_order_id": id,
        "description": format!("Заказ {id}"),
        "customer": {"name": "Анна Канарейкина", "phone": "+7 (999) 000-00-00",
            "email": "a@example.org", "type": "private"},
        "currency": "RUB",
        "items": [
            {"sku": "123456", "name": "Молоко 3,2 %", "quantity": "2", "price": "129.90",
                "vat": "RUS_VAT10", "measure": "шт", "measure_code": "796", "type": "commodity"},
            {"sku": "778899", "name": "Сыр", "quantity": "0.355", "price": "1000.00",
                "vat": "RUS_VAT20", "measure": "кг", "measure_code": "166"},
        ],
        "success_url": "https://shop.example/ok",
        "fail_url": "https://shop.example/fail",
        "return_url": "https://shop.example/cart",
    })
}
