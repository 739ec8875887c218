//! Goods that are held for orders, searches and pages, on a running shop.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};
use tillgate_lab::bench::{Asked, Goods, Requests};

use crate::cli::client::Server;
use crate::cli::show::shop::import::{Filling, fill as fill_shop};
use crate::kernel::Secret;
use crate::kernel::chance::random_bytes;
use crate::peer::Client;

/// How many clients there are: fewer than may register from one network in an
/// hour.
const CLIENTS: usize = 24;

/// How many orders are placed at the same time.
const PLACED_AT_ONCE: usize = 64;

/// How long a request may take, in seconds.
const ANSWER_SECONDS_MAX: u64 = 30;

/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// How long a shop may take to read its catalogue, in seconds.
const CATALOGUE_SECONDS_MAX: u64 = 60;

const OUTLETS: &str = "id,name,address,stock\n1,Tverskaya,Tverskaya 1,17\n";

/// What the names of products are made of.
const KINDS: [&str; 8] = ["Молоко", "Кефир", "Хлеб", "Чай", "Сыр", "Лампа", "Тетрадь", "Кофе"];
const VENDORS: [&str; 7] =
    ["Лавка", "Пекарня", "Ёлочка", "Северный ветер", "Greenfield", "Anker", "Чистая линия"];

/// A feed of so many products.
fn feed(products: usize) -> String {
    let mut text = String::from("<yml_catalog><shop><categories>");
    for category in 1..=100 {
        let _ = write!(text, "<category id=\"{category}\">Отдел {category}</category>");
    }
    text.push_str("</categories><offers>");
    for number in 1..=products {
        let (kind, vendor) = (KINDS[number % KINDS.len()], VENDORS[number % VENDORS.len()]);
        let _ = write!(
            text,
            "<offer id=\"{number}\"><price>{}.90</price><categoryId>{}</categoryId>\
             <vendor>{vendor}</vendor><name>{kind} {vendor} № {number}</name>\
             <description>Свежее, с доставкой. Хранить в сухом месте.</description></offer>",
            number % 900 + 10,
            number % 100 + 1
        );
    }
    text.push_str("</offers></shop></yml_catalog>");
    text
}

fn stock(products: usize) -> String {
    let mut text = String::from("store_id,sku,quantity\n");
    for number in 1..=products {
        let _ = writeln!(text, "17,{number},1000000");
    }
    text
}

/// Fills the shop. Returns the requests to measure.
pub async fn fill(urls: Vec<String>, token: String, goods: Goods) -> Result<Requests, String> {
    let url = urls.first().cloned().unwrap_or_default();
    let products = match goods {
        Goods::Holds { articles, .. } => articles,
        Goods::Searches { products } | Goods::Pages { products } => products,
    };
    let server = Server::at(&url, Secret::new(token)).map_err(|failed| failed.text)?;
    let (feed, stock) = (feed(products), stock(products));
    let filling = Filling { feed: &feed, tables: &[OUTLETS], stock: &stock };
    fill_shop(&server, &filling).await.map_err(|failed| failed.text)?;
    // Each receiver has a catalogue of its own.
    for url in urls {
        Caller::new(url)?.catalogue(products).await?;
    }
    let shop = Caller::new(url)?;
    match goods {
        Goods::Holds { articles, orders } => shop.holds(articles, orders).await,
        Goods::Searches { .. } => Ok(Arc::new(search)),
        Goods::Pages { products } => Ok(Arc::new(move |connection, count| {
            let place = count.wrapping_mul(7919).wrapping_add(connection as u64 * 104_729);
            get(format!("/goods/{}", place % products as u64 + 1))
        })),
    }
}

fn get(path: String) -> Asked {
    Asked { method: Method::GET, path, cookie: String::new(), body: Bytes::new() }
}

/// A word, two words, the beginning of one, one with a typo.
fn search(connection: usize, count: u64) -> Asked {
    let place = (count as usize).wrapping_mul(31).wrapping_add(connection);
    let (kind, vendor) = (KINDS[place % KINDS.len()], VENDORS[place % VENDORS.len()]);
    let words = match place % 4 {
        0 => kind.to_owned(),
        1 => format!("{kind} {vendor}"),
        2 => vendor.chars().take(3).collect(),
        _ => "малоко".to_owned(),
    };
    let words = words.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02X}"));
    get(format!("/shop/menu/products?query={words}"))
}

/// Calls the shop as clients do.
#[derive(Clone)]
struct Caller {
    client: Client,
    url: String,
}

impl Caller {
    fn new(url: String) -> Result<Caller, String> {
        let client = Client::new(Duration::from_secs(ANSWER_SECONDS_MAX), ANSWER_BYTES_MAX);
        Ok(Caller { client: client.map_err(|why| why.to_string())?, url })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        cookie: &str,
        body: Option<Value>,
    ) -> Result<(HeaderMap, Value), String> {
        let mut headers = HeaderMap::new();
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
    async fn catalogue(&self, products: usize) -> Result<(), String> {
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

    /// Logs a client in, who registers if a database does not have the client
    /// from the measurement before. Returns the session's cookie.
    async fn log_in(&self, number: usize) -> Result<String, String> {
        const PASSWORD: &str = "tulip-margin-42-boat";
        let (username, email) = (format!("bench{number}"), format!("bench{number}@example.org"));
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

    /// Places the orders for which goods are held: each connection has its own.
    async fn holds(self, articles: usize, orders: usize) -> Result<Requests, String> {
        let mut cookies = Vec::with_capacity(CLIENTS);
        for number in 0..CLIENTS {
            cookies.push(self.log_in(number).await?);
        }
        let cookies = Arc::new(cookies);
        // A database may have orders of the measurement before.
        let run = u32::from_be_bytes(random_bytes());
        let mut placing = tokio::task::JoinSet::new();
        for first in 0..PLACED_AT_ONCE {
            let (caller, cookies) = (self.clone(), Arc::clone(&cookies));
            placing.spawn(async move {
                for number in (first..orders).step_by(PLACED_AT_ONCE) {
                    let product = number.wrapping_mul(7919) % articles + 1;
                    let body = json!({"id": format!("bench-{run:08x}-{number}"),
                        "orderItems": [{"product": {"id": product}, "quantity": 1}]});
                    let cookie = &cookies[number % CLIENTS];
                    caller.send(Method::POST, "/shop/order/place", cookie, Some(body)).await?;
                }
                Ok::<(), String>(())
            });
        }
        while let Some(placed) = placing.join_next().await {
            placed.map_err(|why| why.to_string())??;
        }
        // Connections take the orders in turn; one more than there are is an
        // error, so that no order is measured twice.
        let next = std::sync::atomic::AtomicUsize::new(0);
        Ok(Arc::new(move |_, _| {
            let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let body =
                format!(r#"{{"orderId":"bench-{run:08x}-{number}","version":0,"storeId":1}}"#);
            Asked {
                method: Method::POST,
                path: "/shop/store/reserve".to_owned(),
                cookie: cookies[number % CLIENTS].clone(),
                body: Bytes::from(body),
            }
        }))
    }
}
