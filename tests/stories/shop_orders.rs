//! Orders, goods and deliveries, from the outside: their contracts in one
//! process and in five, and kills in the middle of a storm of buyers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};
use tempfile::TempDir;
use tillgate::peer::Client;

use super::operation::Process;
use super::shop::PASSWORD;
use crate::world::database::Server;
use crate::world::{DEADLINE, ask_again_soon};

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

const FEED: &str = r#"<yml_catalog><shop><categories><category id="1">Еда</category></categories><offers>
<offer id="1"><price>89.90</price><categoryId>1</categoryId><name>Молоко</name></offer>
<offer id="2"><price>45.00</price><categoryId>1</categoryId><name>Хлеб</name></offer>
<offer id="3" available="false"><price>1</price><categoryId>1</categoryId><name>Чай</name></offer>
</offers></shop></yml_catalog>"#;

fn folder(store: &str, shop: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = format!(
        "listen = \"127.0.0.1:0\"\nidle_drain_seconds = 0\nstore = \"{store}\"\n\
         store_cache_mebibytes = 16\nadmin_token = \"token-of-the-operator\"\n[shop]\n\
         key = \"{KEY}\"\nunpaid_orders_max = 1000000\n{shop}"
    );
    std::fs::write(folder.path().join("tillgate.toml"), settings).expect("written");
    std::fs::write(folder.path().join("feed.xml"), FEED).expect("written");
    let outlets = "id,name,address,stock\n1,На Тверской,Тверская 1,17\n2,На Арбате,Арбат 5,18\n";
    std::fs::write(folder.path().join("outlets.csv"), outlets).expect("written");
    let stock = "store_id,sku,quantity\n17,1,100000\n17,2,3\n18,1,2\n";
    std::fs::write(folder.path().join("stock.csv"), stock).expect("written");
    for (name, table) in [
        ("points.csv", "id,name,address,days\n120,У метро,\"Москва, ул. Мира, 1\",2\n"),
        ("zones.csv", "company,areas,cost,days\nКурьеры,101000-129999,199.00,1\n"),
        ("times.csv", "company,weekdays,begin,end,capacity\nКурьеры,1234567,09:00,18:00,100000\n"),
    ] {
        std::fs::write(folder.path().join(name), table).expect("written");
    }
    folder
}

fn start(folder: &Path, services: &str) -> Process {
    let started = Process::start_as(folder, &["--services", services], &[]);
    started.unwrap_or_else(|code| {
        let log = std::fs::read_to_string(folder.join("log")).expect("a log");
        panic!("it ended with {code:?}: {log}")
    })
}

fn run(process: &Process, arguments: &[&str]) {
    let output = process.command(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Imports the tables of deliveries.
fn run_delivery(process: &Process) {
    for table in ["points.csv", "zones.csv", "times.csv"] {
        run(process, &["shop", "import", table]);
    }
}

/// Imports everything that a shop in one process has.
fn fill(process: &Process) {
    run(process, &["shop", "import", "feed.xml"]);
    run(process, &["shop", "import", "outlets.csv"]);
    run(process, &["stock", "import", "stock.csv"]);
    run_delivery(process);
}

/// The addresses of the services.
#[derive(Clone)]
struct Api {
    client: Client,
    services: BTreeMap<&'static str, String>,
}

impl Api {
    fn new(services: [(&'static str, String); 5]) -> Api {
        let client = Client::new(DEADLINE, 1 << 20).expect("a client");
        Api { client, services: services.into() }
    }

    fn of(process: &Process) -> Api {
        Api::new(
            ["auth", "delivery", "menu", "order", "store"]
                .map(|name| (name, format!("{}/shop/{name}", process.url))),
        )
    }

    /// `None` without an answer.
    async fn send(
        &self,
        service: &str,
        method: Method,
        path: &str,
        body: &Value,
        cookie: &str,
    ) -> Option<(u16, Value, HeaderMap)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("ru"));
        headers.insert(header::COOKIE, HeaderValue::from_str(cookie).expect("a cookie"));
        let url = format!("{}{path}", self.services[service]);
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let reply = self.client.call(method, &url, headers, body).await.ok()?;
        let body = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        Some((reply.status.as_u16(), body, reply.headers))
    }

    async fn ask(
        &self,
        service: &str,
        method: Method,
        path: &str,
        body: Value,
        cookie: &str,
    ) -> (u16, Value) {
        let answer = self.send(service, method, path, &body, cookie).await;
        let (status, body, _) = answer.expect("an answer");
        (status, body)
    }

    /// Registers a client. Returns the cookie of the session.
    async fn register(&self, name: &str) -> String {
        let body = json!({"username": name, "password": PASSWORD,
            "email": format!("{name}@example.org")});
        let answer = self.send("auth", Method::POST, "/register", &body, "").await;
        let (status, body, headers) = answer.expect("an answer");
        assert_eq!(status, 200, "{body}");
        let cookies = headers.get_all(header::SET_COOKIE).iter();
        let pairs = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// The request that books the first time of a courier for an order.
    async fn booking(&self, cookie: &str) -> Value {
        let path = format!("/variants?address={ADDRESS}");
        let (status, offered) = self.ask("delivery", Method::GET, &path, Value::Null, cookie).await;
        assert_eq!(status, 200, "{offered}");
        let variant = &offered["variants"][0];
        json!({"address": "125009, Москва, Тверская, 1", "companyName": variant["companyName"],
            "deliveryDate": variant["slots"][0]["deliveryDate"],
            "timeSlot": variant["slots"][0]["timeSlot"], "cost": variant["cost"]})
    }

    /// Waits until the catalogue is read.
    async fn catalogue(&self) {
        let read = async {
            while self.ask("menu", Method::GET, "/products", Value::Null, "").await.1["items"]
                .as_array()
                .is_none_or(|items| items.len() < 2)
            {
                ask_again_soon().await;
            }
        };
        tokio::time::timeout(DEADLINE, read).await.expect("the catalogue is read");
    }
}

/// An address, and one to which nobody delivers.
const ADDRESS: &str = "125009,+%D0%9C%D0%BE%D1%81%D0%BA%D0%B2%D0%B0";
const FAR_ADDRESS: &str = "170100,+%D0%A2%D0%B2%D0%B5%D1%80%D1%8C";

/// A request that books, for an order at a version.
fn for_order(booking: &Value, order: &str, version: u64) -> Value {
    let mut body = booking.clone();
    body["orderId"] = json!(order);
    body["version"] = json!(version);
    body
}

/// Replaces what differs from run to run.
fn masked(mut body: Value) -> Value {
    match &mut body {
        Value::Object(members) => {
            for (name, value) in members {
                let is_own = matches!(
                    name.as_str(),
                    "createdAt" | "until" | "deliveryDate" | "estimatedDate"
                );
                *value = if is_own { json!("…") } else { masked(value.take()) };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = masked(item.take())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    body
}

/// Plays the contracts, with the requests of their documents. Returns the
/// statuses and the bodies.
async fn play(api: &Api) -> Vec<(u16, Value)> {
    let (anna, boris) = (api.register("anna").await, api.register("boris").await);
    let (anna, boris) = (anna.as_str(), boris.as_str());
    let item = |product: u64, quantity: i64| json!({"id": 1, "product": {"id": product}, "quantity": quantity});
    let place = |items: Value| json!({"id": "string", "orderItems": items});
    let at = |version: u64, items: Value| json!({"id": "string", "status": "NEW", "version": version, "orderItems": items});
    let reserve = |version: u64, store: u64| json!({"orderId": "string", "version": version, "storeId": store});
    let big = json!({"id": "string", "orderItems": [item(1, 1)], "note": "x".repeat(100_000)});
    let booking = api.booking(anna).await;
    let book = || for_order(&booking, "string", 1);
    let point = |id: u64| json!({"orderId": "string", "version": 1, "pickupPointId": id});
    let variants = |address: &str| format!("/variants?address={address}");
    let (near, far) = (variants(ADDRESS), variants(FAR_ADDRESS));
    let mut seen = Vec::new();
    for (service, method, path, body, cookie) in [
        ("order", Method::POST, "/place", place(json!([item(1, 1)])), ""),
        ("order", Method::POST, "/place", place(json!([item(1, 1)])), anna),
        ("order", Method::POST, "/place", place(json!([item(1, 1)])), anna),
        ("order", Method::POST, "/place", place(json!([item(1, 2)])), anna),
        ("order", Method::POST, "/place", place(json!([item(3, 1)])), boris),
        ("order", Method::POST, "/place", place(json!([item(9, 1)])), boris),
        ("order", Method::POST, "/place", big, boris),
        ("order", Method::PUT, "/adjust", at(0, json!([item(2, 3)])), anna),
        ("order", Method::PUT, "/adjust", at(0, json!([item(2, 3)])), anna),
        ("order", Method::PUT, "/adjust", at(1, json!([item(2, 3)])), boris),
        ("order", Method::GET, "/get?orderId=string", Value::Null, anna),
        ("order", Method::GET, "/get", Value::Null, anna),
        ("order", Method::PUT, "/check", json!({"id": "string", "version": 1}), anna),
        ("store", Method::GET, "/get?productId=2", Value::Null, ""),
        ("store", Method::GET, "/get?productId=2", Value::Null, anna),
        ("store", Method::GET, "/get?productId=9", Value::Null, anna),
        ("store", Method::POST, "/reserve", reserve(0, 1), anna),
        ("store", Method::POST, "/reserve", reserve(1, 2), anna),
        ("store", Method::POST, "/reserve", reserve(1, 9), anna),
        ("store", Method::POST, "/reserve", reserve(1, 1), boris),
        ("store", Method::POST, "/reserve", reserve(1, 1), anna),
        ("store", Method::GET, "/get?productId=2", Value::Null, anna),
        ("store", Method::DELETE, "/reserve?orderId=string", Value::Null, boris),
        ("store", Method::DELETE, "/reserve?orderId=string", Value::Null, anna),
        ("store", Method::GET, "/get?productId=2", Value::Null, anna),
        ("delivery", Method::GET, "/points?addressFilter=string", Value::Null, ""),
        ("delivery", Method::GET, "/points?addressFilter=string", Value::Null, anna),
        ("delivery", Method::GET, "/points", Value::Null, anna),
        ("delivery", Method::GET, near.as_str(), Value::Null, anna),
        ("delivery", Method::GET, far.as_str(), Value::Null, anna),
        ("delivery", Method::POST, "/book", book(), boris),
        ("delivery", Method::POST, "/book", book(), anna),
        ("delivery", Method::GET, "/case?orderId=string", Value::Null, boris),
        ("delivery", Method::GET, "/case?orderId=string", Value::Null, anna),
        ("delivery", Method::POST, "/book", point(9), anna),
        ("delivery", Method::POST, "/book", point(120), anna),
        ("delivery", Method::GET, near.as_str(), Value::Null, anna),
        ("delivery", Method::DELETE, "/book?orderId=string", Value::Null, boris),
        ("delivery", Method::DELETE, "/book?orderId=string", Value::Null, anna),
        ("delivery", Method::GET, "/case?orderId=string", Value::Null, anna),
        (
            "order",
            Method::PUT,
            "/cancel",
            json!({"id": "string", "version": 1, "status": "NEW"}),
            anna,
        ),
        ("store", Method::POST, "/reserve", reserve(2, 1), anna),
        ("order", Method::GET, "/list", Value::Null, anna),
        ("menu", Method::GET, "/product?productId=1", Value::Null, ""),
    ] {
        seen.push(api.ask(service, method, path, body, cookie).await);
    }
    seen.into_iter().map(|(status, body)| (status, masked(body))).collect()
}

#[tokio::test]
async fn the_contracts_are_the_same_in_one_process_and_in_five() {
    let together = folder("memory:", "");
    let process = Process::start(together.path());
    fill(&process);
    let api = Api::of(&process);
    api.catalogue().await;
    let expected = play(&api).await;
    let statuses: Vec<u16> = expected.iter().map(|(status, _)| *status).collect();
    assert_eq!(
        statuses,
        [
            401, 200, 200, 409, 409, 404, 413, 200, 409, 404, 200, 404, 200, 401, 200, 404, 409,
            409, 404, 404, 200, 200, 404, 204, 200, 401, 200, 200, 200, 422, 404, 200, 404, 200,
            404, 200, 200, 404, 204, 200, 200, 409, 200, 200
        ]
    );
    let short = &expected[17].1;
    assert_eq!(short["type"], "urn:tillgate:problem:insufficient-stock");
    let line = json!({"productId": 2, "name": "Хлеб", "wanted": 3, "available": 0});
    assert_eq!((&short["lines"], &short["stores"]), (&json!([line]), &json!([1])));
    let quantity = |place: usize| expected[place].1["productPlaces"][0]["quantity"].clone();
    assert_eq!([14, 21, 24].map(quantity), [json!(3), json!(0), json!(3)]);
    assert_eq!(process.terminate(), Some(0));

    let store = Server::shared().new_database().await;
    let auth = folder(&store, "public_url = \"https://shop.example\"\n");
    let auth = start(auth.path(), "gateway,auth,billing,notification");
    let menu = folder(&store, "");
    let menu = start(menu.path(), "menu");
    let urls = |more: &str| {
        format!("[shop.service_urls]\nauth = \"{}\"\nmenu = \"{}\"\n{more}", auth.url, menu.url)
    };
    // Orders and deliveries call each other, so one address is chosen before.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr();
    let courier_address = free.expect("an address");
    let order = folder(&store, &urls(&format!("delivery = \"http://{courier_address}\"\n")));
    let order = start(order.path(), "order");
    let goods = folder(&store, &urls(&format!("order = \"{}\"\n", order.url)));
    let goods_folder = goods;
    let goods = start(goods_folder.path(), "store");
    let courier = folder(
        &store,
        &format!("[shop.service_urls]\nauth = \"{}\"\norder = \"{}\"\n", auth.url, order.url),
    );
    let settings = courier.path().join("tillgate.toml");
    let text = std::fs::read_to_string(&settings).expect("settings");
    let text = text.replace("127.0.0.1:0", &courier_address.to_string());
    std::fs::write(settings, text).expect("written");
    let courier = start(courier.path(), "delivery");
    // Each command goes to the process that has the service.
    std::fs::copy(goods_folder.path().join("feed.xml"), together.path().join("feed.xml"))
        .expect("copied");
    let feed = together.path().join("feed.xml");
    run(&menu, &["shop", "import", feed.to_str().expect("a path")]);
    run(&goods, &["shop", "import", "outlets.csv"]);
    let stock = goods_folder.path().join("stock.csv");
    run(&auth, &["stock", "import", stock.to_str().expect("a path")]);
    // Alone, each answers at the paths of its contract.
    let api = Api::new([
        ("auth", format!("{}/shop/auth", auth.url)),
        ("delivery", courier.url.clone()),
        ("menu", menu.url.clone()),
        ("order", order.url.clone()),
        ("store", goods.url.clone()),
    ]);
    for table in ["points.csv", "zones.csv", "times.csv"] {
        let table = goods_folder.path().join(table);
        run(&courier, &["shop", "import", table.to_str().expect("a path")]);
    }
    api.catalogue().await;
    let seen = play(&api).await;
    for (place, (seen, expected)) in seen.iter().zip(&expected).enumerate() {
        assert_eq!(seen, expected, "{place}");
    }
    for process in [courier, goods, order, menu, auth] {
        assert_eq!(process.terminate(), Some(0));
    }
}

/// Whether the goods of an order are held, as far as it was acknowledged. A
/// courier is booked for all of them.
type Acknowledged = Arc<Mutex<BTreeMap<String, bool>>>;

/// Places orders, holds goods for them, books couriers, and gives some back,
/// until it must stop.
async fn storm(
    api: Api,
    name: String,
    cookie: String,
    acknowledged: Acknowledged,
    stop: Arc<AtomicBool>,
) {
    let booking = api.booking(&cookie).await;
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let reference = format!("{name}-{number}");
        let pieces = number % 3 + 1;
        let place = json!({"id": reference,
            "orderItems": [{"product": {"id": 1}, "quantity": pieces}]});
        let placed = api.send("order", Method::POST, "/place", &place, &cookie).await;
        let Some((200, order, _)) = placed else { return };
        let id = order["id"].as_str().expect("a number").to_owned();
        let reserve = json!({"orderId": id, "version": 0, "storeId": 1});
        let reserved = api.send("store", Method::POST, "/reserve", &reserve, &cookie).await;
        let Some((200, _, _)) = reserved else { return };
        let book = for_order(&booking, &id, 0);
        let booked = api.send("delivery", Method::POST, "/book", &book, &cookie).await;
        let Some((200, _, _)) = booked else { return };
        acknowledged.lock().expect("the list").insert(id.clone(), true);
        if number % 4 == 3 {
            // Without an answer it may be there or not.
            acknowledged.lock().expect("the list").remove(&id);
            let path = format!("/reserve?orderId={id}");
            let released = api.send("store", Method::DELETE, &path, &Value::Null, &cookie).await;
            let Some((204, _, _)) = released else { return };
            acknowledged.lock().expect("the list").insert(id, false);
        }
    }
}

/// Goods and the courier's time of a cancelled order are free before they would
/// have run out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_order_gives_back_goods_and_the_time_of_a_courier() {
    let folder = folder("sled:data", "");
    let process = Process::start(folder.path());
    fill(&process);
    let api = Api::of(&process);
    api.catalogue().await;
    let anna = api.register("anna").await;
    let place = json!({"id": "web-1", "orderItems": [{"product": {"id": 2}, "quantity": 3}]});
    assert_eq!(api.ask("order", Method::POST, "/place", place, &anna).await.0, 200);
    let reserve = json!({"orderId": "web-1", "version": 0, "storeId": 1});
    assert_eq!(api.ask("store", Method::POST, "/reserve", reserve, &anna).await.0, 200);
    let book = for_order(&api.booking(&anna).await, "web-1", 0);
    assert_eq!(api.ask("delivery", Method::POST, "/book", book, &anna).await.0, 200);
    let cancel = json!({"id": "web-1", "version": 0});
    assert_eq!(api.ask("order", Method::PUT, "/cancel", cancel, &anna).await.0, 200);
    let given_back = async {
        loop {
            let held = orders_in(&process, "store/holds").await;
            let booked = orders_in(&process, "delivery/bookings").await;
            if held.is_empty() && booked.is_empty() {
                return;
            }
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, given_back).await.expect("they are given back");
    let (_, places) = api.ask("store", Method::GET, "/get?productId=2", Value::Null, &anna).await;
    assert_eq!(places["productPlaces"][0]["quantity"], 3, "{places}");
    run(&process, &["shop", "doctor"]);
    assert_eq!(process.terminate(), Some(0));
}

/// How often the process is killed; more by hand.
const KILLS: u32 = 10;

/// Orders that are acknowledged before each kill.
const ORDERS_PER_KILL: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_every_kill_what_was_acknowledged_is_held_and_the_counters_agree() {
    let kills =
        std::env::var("TILLGATE_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let folder = folder("sled:data", "");
    let mut process = Process::start(folder.path());
    fill(&process);
    let mut cookies = Vec::new();
    for buyer in 0..6 {
        cookies.push(Api::of(&process).register(&format!("buyer{buyer}")).await);
    }
    let acknowledged = Acknowledged::default();
    for cycle in 0..kills {
        let stop = Arc::new(AtomicBool::new(false));
        let before = acknowledged.lock().expect("the list").len();
        let mut buyers = tokio::task::JoinSet::new();
        for (buyer, cookie) in cookies.iter().enumerate() {
            let (api, name) = (Api::of(&process), format!("k{cycle}-{buyer}"));
            let (list, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
            buyers.spawn(storm(api, name, cookie.clone(), list, stop));
        }
        let enough = async {
            while acknowledged.lock().expect("the list").len() < before + ORDERS_PER_KILL {
                ask_again_soon().await;
            }
        };
        tokio::time::timeout(DEADLINE, enough).await.expect("orders are acknowledged");
        process.kill();
        stop.store(true, Ordering::SeqCst);
        buyers.join_all().await;
        process = Process::start(folder.path());
        let doctor = process.command(&["shop", "doctor"]);
        let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(doctor.status.success(), "after kill {cycle}: {said}");
        let held = orders_in(&process, "store/holds").await;
        let booked = orders_in(&process, "delivery/bookings").await;
        for (id, is_held) in acknowledged.lock().expect("the list").iter() {
            assert_eq!(held.contains(id), *is_held, "after kill {cycle}: {id}");
            assert!(booked.contains(id), "after kill {cycle}: {id}");
        }
    }
    assert_eq!(process.terminate(), Some(0));
}

/// The orders in a list of the operator.
async fn orders_in(process: &Process, list: &str) -> std::collections::BTreeSet<String> {
    let client = Client::new(DEADLINE, 1 << 22).expect("a client");
    let mut all = std::collections::BTreeSet::new();
    let mut after = String::new();
    loop {
        let url = format!("{}/admin/v1/shop/{list}{after}", process.url);
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_static("Bearer token-of-the-operator");
        headers.insert(header::AUTHORIZATION, bearer);
        let reply = client.call(Method::GET, &url, headers, Vec::new()).await;
        let page: Value = serde_json::from_slice(&reply.expect("an answer").body).expect("a page");
        for item in page["items"].as_array().expect("holds") {
            all.insert(item["order"].as_str().expect("a number").to_owned());
        }
        let Some(cursor) = page["cursor"].as_str() else { return all };
        after = format!("?after={cursor}");
    }
}
