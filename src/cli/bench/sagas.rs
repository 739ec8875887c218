//! Orders that are placed, held, paid from a wallet and agreed on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use tillgate_lab::bench::Asks;

use super::caller::{CLIENTS, Caller, username};
use crate::cli::client::Server;
use crate::cli::show::shop::ledger;
use crate::kernel::chance::random_bytes;
use crate::kernel::{Money, Stopwatch};

/// What each client has in the wallet, in roubles.
const ROUBLES: &str = "90000000.00";

/// How long an order may take to come to its end, in seconds.
const END_SECONDS_MAX: u64 = 30;

/// The shortest pause between two looks at something.
const LOOK_PAUSE_MIN: Duration = Duration::from_millis(1);

/// Who orders, and what.
struct Buyers {
    shop: Caller,
    /// The cookie and the wallet of each client.
    clients: Vec<(String, Value)>,
    products: usize,
    /// Numbers the run: a database may have orders of the measurement before.
    run: u32,
    /// How long the last order took, in microseconds.
    latest_micros: AtomicU64,
}

/// Gives each client a full wallet. Returns the orders to measure.
pub async fn orders(shop: Caller, server: &Server, products: usize) -> Result<Asks, String> {
    let run = u32::from_be_bytes(random_bytes());
    let sum: Money = ROUBLES.parse().map_err(|_| format!("{ROUBLES}: not a sum"))?;
    let mut clients = Vec::with_capacity(CLIENTS);
    for (number, cookie) in shop.clients().await?.into_iter().enumerate() {
        let wallet = wallet(&shop, &cookie).await?;
        let (client, key) = (username(number), format!("bench-{run:08x}-{number}"));
        let given = ledger::give(server, &client, sum, "bench", &key).await;
        given.map_err(|failed| failed.text)?;
        clients.push((cookie, wallet));
    }
    let latest_micros = AtomicU64::new(0);
    let buyers = Arc::new(Buyers { shop, clients, products, run, latest_micros });
    Ok(Asks::Orders(Arc::new(move |connection, count| {
        let buyers = Arc::clone(&buyers);
        Box::pin(async move { buyers.order(connection, count).await })
    })))
}

/// The number of the client's wallet, which is opened after the registration.
async fn wallet(shop: &Caller, cookie: &str) -> Result<Value, String> {
    let opened = async {
        loop {
            let tokens = shop.send(Method::GET, "/shop/payment/tokens/get", cookie, None).await?;
            let wallet = &tokens.1["tokens"][0]["id"];
            if !wallet.is_null() {
                return Ok(wallet.clone());
            }
            tokio::time::sleep(LOOK_PAUSE_MIN).await;
        }
    };
    let opened = tokio::time::timeout(Duration::from_secs(END_SECONDS_MAX), opened).await;
    opened.map_err(|_| format!("no wallet was opened in {END_SECONDS_MAX} s"))?
}

impl Buyers {
    /// Takes an order to its end. Returns how long that took from the button.
    async fn order(&self, connection: usize, count: u64) -> Result<Duration, String> {
        let (cookie, wallet) = &self.clients[connection % self.clients.len()];
        let name = format!("bench-{:08x}-{connection}-{count}", self.run);
        let put = async |method, path: &str, body| {
            self.shop.send(method, path, cookie, Some(body)).await.map(|(_, answer)| answer)
        };
        let place = (count as usize).wrapping_mul(7919).wrapping_add(connection * 131);
        let lines = json!([{"product": {"id": place % self.products + 1}, "quantity": 1}]);
        let body = json!({"id": name, "orderItems": lines});
        let placed = put(Method::POST, "/shop/order/place", body).await?;
        let (id, version) = (&placed["id"], &placed["version"]);
        let body = json!({"orderId": id, "version": version, "storeId": 1});
        put(Method::POST, "/shop/store/reserve", body).await?;
        let body = json!({"orderId": id, "version": version, "pickupPointId": 120});
        put(Method::POST, "/shop/delivery/book", body).await?;
        let mut headers = HeaderMap::new();
        let key = HeaderValue::from_str(&name).map_err(|why| why.to_string())?;
        headers.insert("idempotency-key", key);
        let body = json!({"orderId": id, "version": version, "tokenId": wallet});
        let path = "/shop/payment/pay";
        let paid = self.shop.send_with(Method::POST, path, cookie, Some(body), headers).await?.1;
        let id = id.as_str().unwrap_or_default();
        if paid["status"] == "PENDING" {
            // The wallet is slower than the answer may be.
            let path = format!("/shop/payment/pay?orderId={id}");
            self.until(cookie, &path, "HELD").await?;
        }
        let watch = Stopwatch::start();
        let body = json!({"id": id, "version": version});
        put(Method::PUT, "/shop/order/process", body).await?;
        // Looks would cost more than the order: the first comes shortly before
        // it is expected to be done.
        if let Some(early) = (self.latest() * 7 / 8).checked_sub(watch.elapsed()) {
            tokio::time::sleep(early).await;
        }
        self.until(cookie, &format!("/shop/order/get?orderId={id}"), "COMPLETED").await?;
        let took = watch.elapsed();
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.latest_micros.store(micros, Ordering::Relaxed);
        Ok(took)
    }

    /// How long the last order took.
    fn latest(&self) -> Duration {
        Duration::from_micros(self.latest_micros.load(Ordering::Relaxed))
    }

    /// Waits until something has this status.
    async fn until(&self, cookie: &str, path: &str, status: &str) -> Result<(), String> {
        let mut last = Value::Null;
        let looking = async {
            loop {
                last = self.shop.send(Method::GET, path, cookie, None).await?.1["status"].clone();
                if last == status {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_PAUSE_MIN.max(self.latest() / 32)).await;
            }
        };
        let limit = Duration::from_secs(END_SECONDS_MAX);
        match tokio::time::timeout(limit, looking).await {
            Ok(looked) => looked,
            Err(_) => Err(format!("{path}: {last} and not {status} after {END_SECONDS_MAX} s")),
        }
    }
}
