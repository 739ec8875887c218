//! The client of the demonstration looks for goods, and fills a basket.

use std::time::Duration;

use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tillgate_kernel::Secret;

use super::device::Device;
use super::marketplace::Marketplace;
use super::narrator::Narrator;
use super::world::DEADLINE;

const FEED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<yml_catalog date="2026-11-30 10:00"><shop><categories><category id="1">Food</category>
<category id="2" parentId="1">Milk</category></categories><offers>
<offer id="101"><price>89.90</price><oldprice>99.90</oldprice><categoryId>2</categoryId><vendor>Lavka</vendor>
<name>Молоко топлёное / baked milk 1 l</name><description>From the oven.</description></offer>
<offer id="102"><price>45.00</price><categoryId>1</categoryId><vendor>Lavka</vendor>
<name>Хлеб ржаной / rye bread</name></offer>
</offers></shop></yml_catalog>"#;

const OUTLETS: &str = "id,name,address,stock\n1,Tverskaya,\"Moscow, Tverskaya 1\",17\n2,Arbat,\"Moscow, Arbat 5\",18\n";

const POINTS: &str =
    "id,name,address,days\n120,By the metro,\"Москва, ул. Академика Королёва, 12\",1\n";

const ZONES: &str = "company,areas,cost,days\nLavka's couriers,101000-129999; Москва,199.00,1\n";

/// The couriers have room for one order at each time.
const TIMES: &str = "company,weekdays,begin,end,capacity
Lavka's couriers,1234567,13:00,15:00,1
Lavka's couriers,1234567,18:00,21:00,1
";

const LIMITS: &str = "article,order_max,stores,begin,end\n102,3,,,\n";

const TABLES: [&str; 5] = [OUTLETS, POINTS, ZONES, TIMES, LIMITS];

const STOCK: &str = "store_id,sku,quantity\n17,101,10\n17,102,4\n18,101,1\n";

/// How many orders want the ten pieces that there are: as many as a client may
/// leave unpaid, beside the basket.
const ORDERS: u32 = 20;

/// How long it is waited between two looks at something.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Plays this part of the story, in a shop that `fill` fills.
pub async fn buy<Fill>(
    narrator: &mut Narrator,
    phone: &mut Device<'_>,
    marketplace: &Secret,
    fill: Fill,
) where
    Fill: AsyncFn(&str, &[&str], &str) -> bool,
{
    narrator.chapter("She looks for milk, with a typo, and puts it into her basket");
    narrator.check(fill(FEED, &TABLES, STOCK).await, "the operator imports a feed and the shops");
    let found = find(phone, "/products?query=%D0%BC%D0%BE%D0%BB%D0%B0%D0%BA%D0%BE").await;
    let card = &found["items"][0];
    narrator.say(format_args!("     {} {}", card["name"], card["price"]));
    narrator.check(card["id"] == 101, "«малоко» finds milk");
    let quantity = |place: usize| card["productPlaces"][place]["quantity"].clone();
    let is_shown = (quantity(0), quantity(1)) == (json!(10), json!(1));
    narrator.check(is_shown, "she sees how much each shop has");
    let line =
        |product: u64, quantity: u64| json!({"product": {"id": product}, "quantity": quantity});
    let body = json!({"orderItems": [line(101, 2)]});
    let (status, basket) = order(phone, Method::POST, "/place", Some(body)).await;
    narrator.check(status == 200 && basket["total"] == 179.8, "two cartons are 179.80");
    let id = basket["id"].clone();
    let adjust = |version: u64, lines: Vec<Value>| json!({"id": id, "version": version, "orderItems": lines});
    let body = adjust(0, vec![line(102, 1)]);
    let (status, basket) = order(phone, Method::PUT, "/adjust", Some(body)).await;
    let is_added = status == 200 && basket["version"] == 1 && basket["total"] == 224.8;
    narrator.check(is_added, "with bread 224.80, version 1");
    let body = adjust(1, vec![line(102, 4)]);
    let (status, limited) = order(phone, Method::PUT, "/adjust", Some(body)).await;
    let why = limited["detail"].as_str().unwrap_or_default();
    narrator.check(status == 409, &format!("four loaves are refused: {why}"));
    let body = adjust(0, vec![line(102, 3)]);
    let (status, stale) = order(phone, Method::PUT, "/adjust", Some(body)).await;
    let why = stale["detail"].as_str().unwrap_or_default();
    narrator.check(status == 409, &format!("a window with version 0 is refused: {why}"));

    rush(narrator, phone, marketplace, &id).await;
    deliver(narrator, phone, &id).await;
}

/// Many want the last pieces at once.
async fn rush(narrator: &mut Narrator, phone: &mut Device<'_>, marketplace: &Secret, id: &Value) {
    let line =
        |product: u64, quantity: u64| json!({"product": {"id": product}, "quantity": quantity});
    narrator.chapter("Twenty more orders want the ten cartons that there are, at once");
    let body = json!({"orderId": id, "version": 1, "storeId": 1});
    let (status, held) = store(phone, Method::POST, "/reserve", Some(body)).await;
    let until = &held["until"];
    narrator.check(status == 200, &format!("her own basket is held until {until}"));
    let is_sent = hook(phone, marketplace, "order.created", 2).await;
    narrator.check(is_sent, "a marketplace that sells from the same shelf has an order of two");
    let mut ids = Vec::new();
    for number in 0..ORDERS {
        let body = json!({"id": format!("demo-{number}"), "orderItems": [line(101, 1)]});
        let (_, placed) = order(phone, Method::POST, "/place", Some(body)).await;
        ids.push(placed["id"].clone());
    }
    let body = json!({"id": "demo-more", "orderItems": [line(101, 1)]});
    let (status, limited) = order(phone, Method::POST, "/place", Some(body)).await;
    let why = limited["detail"].as_str().unwrap_or_default();
    narrator.check(status == 409, &format!("one more is refused: {why}"));
    let first = ids.first().cloned().unwrap_or_default();
    let mut wanting = tokio::task::JoinSet::new();
    for id in ids {
        let (client, url, cookies) =
            (phone.client.clone(), phone.url.to_owned(), phone.cookies.clone());
        wanting.spawn(async move {
            let mut device = Device { cookies, ..Device::new(&client, &url, "Anna's phone") };
            let body = json!({"orderId": id, "version": 0, "storeId": 1});
            (store(&mut device, Method::POST, "/reserve", Some(body)).await.0, id)
        });
    }
    let answers = wanting.join_all().await;
    let count = |wanted: u16| answers.iter().filter(|(status, _)| *status == wanted).count();
    let six = "exactly six get one: two are held for her, two are the marketplace's";
    narrator.check(count(200) == 6, six);
    narrator.check(count(409) == 14, "the others are answered which shop has some: Arbat");
    let found = find(phone, "/products?query=milk&store=1").await;
    let is_empty = found["items"].as_array().is_some_and(Vec::is_empty);
    narrator.check(is_empty, "in Tverskaya nobody finds milk any more");
    let is_first = |id: &Value| *id == first;
    let holder = answers.iter().find(|(status, id)| *status == 200 && !is_first(id));
    let canceled = json!({"id": holder.map(|(_, id)| id), "version": 0});
    let (status, _) = order(phone, Method::PUT, "/cancel", Some(canceled)).await;
    let in_tverskaya = "/products?query=milk&store=1";
    let found = find_until(phone, in_tverskaya, |items| !items.is_empty()).await;
    let is_free = found["items"][0]["productPlaces"][0]["quantity"] == 1;
    narrator.check(status == 200 && is_free, "she cancels one that has a carton: it is free again");
    let other = answers.iter().find(|(status, _)| *status == 409);
    let body = json!({"orderId": other.map(|(_, id)| id), "version": 0, "storeId": 1});
    let (status, _) = store(phone, Method::POST, "/reserve", Some(body)).await;
    narrator.check(status == 200, "another order gets it");
    let is_shipped = hook(phone, marketplace, "order.received", 2).await;
    let found = find(phone, "/products?query=milk").await;
    let left = &found["items"][0]["productPlaces"];
    let is_none_left = left.as_array().is_some_and(|places| places.len() == 1);
    narrator.check(is_shipped && is_none_left, "the marketplace ships: nothing more is free by it");
}

/// A marketplace sends a hook about its order of milk.
async fn hook(phone: &Device<'_>, token: &Secret, kind: &str, quantity: u32) -> bool {
    let body = json!({"event_type": kind, "timestamp": "2026-11-30T12:00:00+03:00",
        "payload": {"originalOrderId": "M1", "storeID": "17",
            "positions": [{"id": "101", "quantity": quantity, "price": "89.90",
                "totalPrice": "179.80", "totalDiscountPrice": "179.80"}],
            "total": {"totalPrice": "179.80", "discountTotalPrice": "179.80"}}});
    let url = format!("{}/hooks/sm", phone.url);
    let Ok(marketplace) = Marketplace::new(url, token.clone()) else { return false };
    marketplace.post(body.to_string().as_bytes()).await.is_acknowledged()
}

/// She chooses how the order comes.
async fn deliver(narrator: &mut Narrator, phone: &mut Device<'_>, id: &Value) {
    narrator.chapter("She chooses how it comes");
    let (_, found) = delivery(phone, Method::GET, "/points?addressFilter=korolev", None).await;
    let is_none = found["pickupPoints"].as_array().is_some_and(Vec::is_empty);
    let by_street = "/points?addressFilter=%D1%83%D0%BB%D0%B8%D1%86%D0%B0+%D0%BA%D0%BE%D1%80%D0%BE%D0%BB%D0%B5%D0%B2%D0%B0";
    let (_, found) = delivery(phone, Method::GET, by_street, None).await;
    let is_found = is_none && found["pickupPoints"][0]["id"] == 120;
    narrator.check(is_found, "«улица королева» finds the point in «ул. Академика Королёва»");
    let address = "125009, Москва, Тверская, 1";
    let to = address.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02X}"));
    let path = format!("/variants?address={to}");
    let (_, offered) = delivery(phone, Method::GET, &path, None).await;
    let variant = &offered["variants"][0];
    let slot = &variant["slots"][0];
    let time = &slot["timeSlot"];
    narrator.say(format_args!(
        "     {}: {} roubles, {} {}-{}",
        variant["companyName"],
        variant["cost"],
        slot["deliveryDate"],
        time["beginTime"],
        time["endTime"]
    ));
    narrator.check(slot["free"] == 1, "couriers have room for one order at that time");
    let body = |id: &Value, version: u64, cost: &Value| {
        json!({"orderId": id, "version": version, "address": address,
            "companyName": variant["companyName"], "deliveryDate": slot["deliveryDate"],
            "timeSlot": time, "cost": cost})
    };
    let wrong = body(id, 1, &json!(99.00));
    let (status, said) = delivery(phone, Method::POST, "/book", Some(wrong)).await;
    let why = said["detail"].as_str().unwrap_or_default();
    narrator.check(status == 409, &format!("for less than it costs it is refused: {why}"));
    let right = body(id, 1, &variant["cost"]);
    let (status, booked) = delivery(phone, Method::POST, "/book", Some(right)).await;
    narrator.check(status == 200, &format!("she books it until {}", booked["until"]));
    let other = body(&json!("demo-0"), 0, &variant["cost"]);
    let (status, said) = delivery(phone, Method::POST, "/book", Some(other)).await;
    let is_full = status == 409 && said["slots"].as_array().is_some_and(|all| !all.is_empty());
    narrator.check(is_full, "another order does not get it, and learns which times are free");
    let point = json!({"orderId": id, "version": 1, "pickupPointId": 120});
    let (status, _) = delivery(phone, Method::POST, "/book", Some(point)).await;
    let (_, offered) = delivery(phone, Method::GET, &path, None).await;
    let is_free = offered["variants"][0]["slots"][0]["free"] == 1;
    narrator.check(status == 200 && is_free, "she takes the point instead: the time is free again");
}

/// Asks the catalogue, when it has been read.
async fn find(phone: &mut Device<'_>, path: &str) -> Value {
    find_until(phone, path, |items| !items.is_empty() || path.contains("store=")).await
}

/// Asks the catalogue until the products are as wanted.
async fn find_until(
    phone: &mut Device<'_>,
    path: &str,
    is_wanted: impl Fn(&[Value]) -> bool,
) -> Value {
    let asking = async {
        loop {
            let (status, found) =
                phone.send_to("menu", Method::GET, path, None, HeaderMap::new()).await;
            if status == 200 && found["items"].as_array().is_some_and(|items| is_wanted(items)) {
                return found;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.unwrap_or(Value::Null)
}

async fn order(
    phone: &mut Device<'_>,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    phone.send_to("order", method, path, body, HeaderMap::new()).await
}

async fn delivery(
    phone: &mut Device<'_>,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    phone.send_to("delivery", method, path, body, HeaderMap::new()).await
}

async fn store(
    phone: &mut Device<'_>,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    phone.send_to("store", method, path, body, HeaderMap::new()).await
}
