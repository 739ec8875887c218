//! Goods that are held for orders, searches and pages, on a running shop.

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde_json::json;
use tillgate_lab::bench::{Asked, Asks, Goods};

use super::caller::{CLIENTS, Caller};
use super::sagas;
use crate::cli::client::Server;
use crate::cli::show::shop::import::{Filling, fill as fill_shop};
use crate::kernel::Secret;
use crate::kernel::chance::random_bytes;

/// How many orders are placed at the same time.
const PLACED_AT_ONCE: usize = 64;

const OUTLETS: &str = "id,name,address,stock\n1,Tverskaya,Tverskaya 1,17\n";
const POINTS: &str = "id,name,address,days\n120,By the metro,Tverskaya 2,1\n";

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
pub async fn fill(urls: Vec<String>, token: String, goods: Goods) -> Result<Asks, String> {
    let url = urls.first().cloned().unwrap_or_default();
    let products = match goods {
        Goods::Holds { articles, .. } => articles,
        Goods::Searches { products } | Goods::Pages { products } | Goods::Orders { products } => {
            products
        }
    };
    let server = Server::at(&url, Secret::new(token)).map_err(|failed| failed.text)?;
    let (feed, stock) = (feed(products), stock(products));
    let filling = Filling { feed: &feed, tables: &[OUTLETS, POINTS], stock: &stock };
    fill_shop(&server, &filling).await.map_err(|failed| failed.text)?;
    // Each receiver has a catalogue of its own.
    for url in urls {
        Caller::new(url)?.catalogue(products).await?;
    }
    let shop = Caller::new(url)?;
    match goods {
        Goods::Holds { articles, orders } => holds(shop, articles, orders).await,
        Goods::Searches { .. } => Ok(Asks::Requests(Arc::new(search))),
        Goods::Orders { products } => sagas::orders(shop, &server, products).await,
        Goods::Pages { products } => Ok(Asks::Requests(Arc::new(move |connection, count| {
            let place = count.wrapping_mul(7919).wrapping_add(connection as u64 * 104_729);
            get(format!("/goods/{}", place % products as u64 + 1))
        }))),
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

/// Places the orders for which goods are held: each connection has its own.
async fn holds(shop: Caller, articles: usize, orders: usize) -> Result<Asks, String> {
    let cookies = Arc::new(shop.clients().await?);
    // A database may have orders of the measurement before.
    let run = u32::from_be_bytes(random_bytes());
    let mut placing = tokio::task::JoinSet::new();
    for first in 0..PLACED_AT_ONCE {
        let (caller, cookies) = (shop.clone(), Arc::clone(&cookies));
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
    Ok(Asks::Requests(Arc::new(move |_, _| {
        let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let body = format!(r#"{{"orderId":"bench-{run:08x}-{number}","version":0,"storeId":1}}"#);
        Asked {
            method: Method::POST,
            path: "/shop/store/reserve".to_owned(),
            cookie: cookies[number % CLIENTS].clone(),
            body: Bytes::from(body),
        }
    })))
}
