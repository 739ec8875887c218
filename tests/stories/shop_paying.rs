//! Orders are paid and agreed on, from the outside: by wallets, cards and SBP,
//! in both dialects of the payment system, in one step and in two.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};
use tempfile::TempDir;
use tillgate::peer::{Client, Reply};
use tillgate_lab::mailbox::Mailbox;
use tillgate_lab::sandbox::{Call, Outcome, Sandbox, Setup, Trouble};

use super::operation::Process;
use super::shop::PASSWORD;
use crate::world::database::Server;
use crate::world::{DEADLINE, ask_again_soon};

const FEED: &str = r#"<yml_catalog><shop><categories><category id="1">Еда</category></categories><offers>
<offer id="milk"><price>100.00</price><categoryId>1</categoryId><name>Молоко</name><vat>VAT_10</vat></offer>
</offers></shop></yml_catalog>"#;

/// Of three bottles with a courier.
const TOTAL: i64 = 499;

/// A payment system: its protocol, and whether cards are held first.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bank {
    Invoicebox,
    Yookassa,
    YookassaInTwoSteps,
}

/// A shop with a payment system and a mail server.
struct Shop {
    bank: Sandbox,
    mailbox: Mailbox,
    process: Process,
    folder: TempDir,
}

impl Shop {
    async fn open(kind: Bank) -> Shop {
        Shop::open_on(kind, "sled:data").await
    }

    /// The same with this store.
    async fn open_on(kind: Bank, store: &str) -> Shop {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mailbox = Mailbox::open().await.expect("a mail server");
        let setup = Setup { calls_max: 100_000, ..Setup::default() };
        let bank = Sandbox::start(setup).await.expect("a payment system");
        let (token, account) = (bank.setup().token.expose(), &bank.setup().merchant_id);
        let gateway = match kind {
            Bank::Invoicebox => format!(
                "protocol = \"invoicebox\"\nurl = \"{}\"\nsigning_key = \"{}\"\n\
                 bank_card_method_id = 1\nsbp_method_id = 2",
                bank.url(),
                bank.setup().signing_key.expose()
            ),
            Bank::Yookassa | Bank::YookassaInTwoSteps => {
                let mode = if kind == Bank::Yookassa { "automatic" } else { "manual" };
                format!(
                    "protocol = \"yookassa\"\nurl = \"{}/yookassa\"\ncapture = \"{mode}\"\n\
                     notification_networks = [\"127.0.0.0/8\"]",
                    bank.url()
                )
            }
        };
        let settings = format!(
            "listen = \"127.0.0.1:0\"\nidle_drain_seconds = 0\nstore = \"{store}\"\n\
             store_cache_mebibytes = 16\nadmin_token = \"token-of-the-operator\"\n\
             [gateways.bank]\n{gateway}\ntoken = \"{token}\"\nmerchant_id = \"{account}\"\n\
             [merchants.lavka]\napi_key = \"key-of-the-shop-at-the-gateway\"\ngateway = \"bank\"\n\
             requests_per_minute_max = 1000000\n[shop]\nname = \"Лавка\"\nunpaid_orders_max = 1000000\nmerchant = \"lavka\"\n\
             vat = \"RUS_VAT20\"\nkey = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n\
             [shop.mail]\nurl = \"{}\"\nfrom = \"Лавка <shop@shop.example>\"\n",
            mailbox.url()
        );
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("tillgate.toml", &settings);
        write("feed.xml", FEED);
        write("outlets.csv", "id,name,address,stock\n1,На Тверской,Тверская 1,17\n");
        write("stock.csv", "store_id,sku,quantity\n17,milk,1000\n");
        write("none.csv", "store_id,sku,quantity\n17,milk,0\n");
        write("zones.csv", "company,areas,cost,days\nКурьеры,101000-129999,199.00,1\n");
        write(
            "times.csv",
            "company,weekdays,begin,end,capacity\nКурьеры,1234567,09:00,18:00,100000\n",
        );
        let process = Process::start(folder.path());
        bank.notify_yookassa_at(format!("{}/hooks/bank", process.url));
        let shop = Shop { bank, mailbox, process, folder };
        for table in ["feed.xml", "outlets.csv", "zones.csv", "times.csv"] {
            shop.run(&["shop", "import", table]);
        }
        shop.run(&["stock", "import", "stock.csv"]);
        shop
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.process.command(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A client who has registered.
    async fn client(&self, name: &str) -> Buyer {
        let client = Client::new(DEADLINE, 1 << 20).expect("a client");
        let mut buyer = Buyer { client, url: self.process.url.clone(), cookies: BTreeMap::new() };
        let body = json!({"username": name, "password": PASSWORD,
            "email": format!("{name}@example.org")});
        let (status, said) = buyer.send(Method::POST, "/shop/auth/register", &body, "").await;
        assert_eq!(status, 200, "{said}");
        buyer
    }

    fn credit(&self, name: &str, roubles: &str) {
        self.run(&["shop", "wallet", "credit", name, roubles, "--reason", "test"]);
    }

    /// The buyer at the payment system's page.
    async fn at_bank(&self, buyer: &Buyer, payment: &Value, outcome: Outcome) {
        let url = payment["redirectUrl"].as_str().expect("an address");
        let mut reply = buyer.raw(Method::GET, url).await;
        if reply.status != 303 {
            // The payment is created when the buyer asks for it.
            reply = buyer.raw(Method::POST, url).await;
        }
        assert_eq!(reply.status, 303, "{}", String::from_utf8_lossy(&reply.body));
        let page = reply.headers[header::LOCATION].to_str().expect("an address");
        let container = page.rsplit('/').next().expect("a page");
        assert!(self.bank.buyer_acts(container, outcome), "{page}");
    }

    /// What the payment system has paid back, in kopecks.
    fn refunded(&self) -> i64 {
        let done = self.bank.done();
        done.iter().filter(|one| one.kind == "refund").map(|one| one.amount.kopecks()).sum()
    }

    /// The balances of the books, in kopecks.
    async fn ledger(&self) -> BTreeMap<String, i64> {
        let client = Client::new(DEADLINE, 1 << 20).expect("a client");
        let mut headers = HeaderMap::new();
        let token = HeaderValue::from_static("Bearer token-of-the-operator");
        headers.insert(header::AUTHORIZATION, token);
        let (mut all, mut after) = (BTreeMap::new(), String::new());
        loop {
            let address = &self.process.url;
            let url = format!("{address}/admin/v1/shop/ledger/balances{after}");
            let reply = client.call(Method::GET, &url, headers.clone(), Vec::new()).await;
            let page: Value =
                serde_json::from_slice(&reply.expect("an answer").body).expect("JSON");
            for one in page["items"].as_array().expect("a list") {
                let name = one["account"].as_str().expect("a name").to_owned();
                after = format!("?after={}", escaped(&name));
                all.insert(name, one["kopecks"].as_i64().expect("a sum"));
            }
            if page["is_last"] == true {
                return all;
            }
        }
    }

    /// Waits for the letters to a client, by their subjects.
    async fn letters(&self, name: &str, count: usize) -> Vec<String> {
        let to = format!("{name}@example.org");
        let letter = self.mailbox.letter_to(&to, count, DEADLINE).await;
        assert!(letter.is_some(), "{:?}", self.mailbox.letters());
        let letters = self.mailbox.letters().into_iter();
        letters.filter(|letter| letter.to == to).map(|letter| letter.text).collect()
    }

    fn doctor(&self) {
        self.run(&["shop", "ledger", "verify"]);
        self.run(&["shop", "doctor"]);
    }

    fn close(self) {
        assert_eq!(self.process.terminate(), Some(0));
        drop(self.folder);
    }
}

/// A client of the shop, at its services.
struct Buyer {
    client: Client,
    url: String,
    cookies: BTreeMap<String, String>,
}

static KEYS: AtomicU32 = AtomicU32::new(0);

/// A new idempotency key.
fn key() -> String {
    format!("key-{}", KEYS.fetch_add(1, Ordering::Relaxed))
}

impl Buyer {
    async fn send(&mut self, method: Method, path: &str, body: &Value, key: &str) -> (u16, Value) {
        let reply = self.call(method, path, body, key).await;
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("text");
            let (name, rest) = cookie.split_once('=').expect("a value");
            let value = rest.split(';').next().unwrap_or_default();
            self.cookies.insert(name.into(), value.into());
        }
        (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
    }

    async fn call(&self, method: Method, path: &str, body: &Value, key: &str) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("ru"));
        if !key.is_empty() {
            headers.insert("idempotency-key", HeaderValue::from_str(key).expect("a key"));
        }
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        headers.insert(header::COOKIE, HeaderValue::from_str(&cookies).expect("cookies"));
        let url = format!("{}{path}", self.url);
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.client.call(method, &url, headers, body).await.expect("an answer")
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let reply = self.call(method, path, body, "").await;
        (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
    }

    async fn raw(&self, method: Method, url: &str) -> Reply {
        self.client.call(method, url, HeaderMap::new(), Vec::new()).await.expect("an answer")
    }

    /// The number of the product. The catalogue is a moment behind.
    async fn milk(&self) -> Value {
        let path = format!("/shop/menu/products?query={}", escaped("Молоко"));
        let found = async {
            loop {
                let (_, found) = self.ask(Method::GET, &path, &Value::Null).await;
                if found["items"][0]["id"].is_u64() {
                    return found["items"][0]["id"].clone();
                }
                ask_again_soon().await;
            }
        };
        tokio::time::timeout(DEADLINE, found).await.expect("a product")
    }

    /// An order of three bottles, with goods and a courier's time held for it.
    async fn order(&self, reference: &str) -> String {
        let product = self.milk().await;
        let body = json!({"id": reference,
            "orderItems": [{"product": {"id": product}, "quantity": 3}]});
        let (status, placed) = self.ask(Method::POST, "/shop/order/place", &body).await;
        assert_eq!(status, 200, "{placed}");
        let id = placed["id"].as_str().expect("a number").to_owned();
        self.hold(&id, 0).await;
        id
    }

    async fn hold(&self, id: &str, version: u64) {
        let body = json!({"orderId": id, "version": version, "storeId": 1});
        let (status, said) = self.ask(Method::POST, "/shop/store/reserve", &body).await;
        assert_eq!(status, 200, "{said}");
        let address = "125009, Москва, Тверская, 1";
        let found = format!("/shop/delivery/variants?address={}", escaped(address));
        let (status, found) = self.ask(Method::GET, &found, &Value::Null).await;
        assert_eq!(status, 200, "{found}");
        let slot = &found["variants"][0]["slots"][0];
        let body = json!({"orderId": id, "version": version, "address": address,
            "companyName": "Курьеры", "deliveryDate": slot["deliveryDate"],
            "timeSlot": slot["timeSlot"], "cost": 199.00});
        let (status, said) = self.ask(Method::POST, "/shop/delivery/book", &body).await;
        assert_eq!(status, 200, "{said}: {found}");
    }

    async fn wallet(&self) -> Value {
        let (_, said) = self.ask(Method::GET, "/shop/payment/tokens/get", &Value::Null).await;
        said["tokens"][0].clone()
    }

    /// Pays by `BANK_CARD`, `QR_PAY` or `WALLET`.
    async fn pay(&self, id: &str, means: &str, key: &str) -> (u16, Value) {
        let mut body = json!({"orderId": id, "version": 0});
        if means == "WALLET" {
            body["tokenId"] = self.wallet().await["id"].clone();
        } else {
            body["tokenType"] = json!(means);
        }
        let reply = self.call(Method::POST, "/shop/payment/pay", &body, key).await;
        (reply.status.as_u16(), serde_json::from_slice(&reply.body).expect("JSON"))
    }

    async fn process(&self, id: &str) -> (u16, Value) {
        let body = json!({"id": id, "version": 0});
        self.ask(Method::PUT, "/shop/order/process", &body).await
    }

    async fn shown(&self, id: &str) -> Value {
        let path = format!("/shop/order/get?orderId={id}");
        self.ask(Method::GET, &path, &Value::Null).await.1
    }

    /// Waits until the order has this status.
    async fn until(&self, id: &str, status: &str) -> Value {
        self.until_in(DEADLINE, id, status).await
    }

    async fn until_in(&self, deadline: Duration, id: &str, status: &str) -> Value {
        let waited = async {
            loop {
                let order = self.shown(id).await;
                if order["status"] == status {
                    return order;
                }
                ask_again_soon().await;
            }
        };
        match tokio::time::timeout(deadline, waited).await {
            Ok(order) => order,
            Err(_) => panic!("{}", self.shown(id).await),
        }
    }

    /// Waits until the latest payment of the order has this status.
    async fn until_paid(&self, id: &str, status: &str) -> Value {
        let path = format!("/shop/payment/pay?orderId={id}");
        let waited = async {
            loop {
                let (_, payment) = self.ask(Method::GET, &path, &Value::Null).await;
                if payment["status"] == status {
                    return payment;
                }
                ask_again_soon().await;
            }
        };
        match tokio::time::timeout(DEADLINE, waited).await {
            Ok(payment) => payment,
            Err(_) => panic!("{}", self.ask(Method::GET, &path, &Value::Null).await.1),
        }
    }
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn kind(answer: &Value) -> &str {
    answer["type"].as_str().and_then(|kind| kind.rsplit(':').next()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cards_and_sbp_pay_in_both_dialects_in_one_step_and_in_two() {
    for bank in [Bank::Invoicebox, Bank::Yookassa, Bank::YookassaInTwoSteps] {
        let shop = Shop::open(bank).await;
        let anna = shop.client("anna").await;
        for means in ["BANK_CARD", "QR_PAY"] {
            let id = anna.order(means).await;
            let (status, payment) = anna.pay(&id, means, &key()).await;
            assert_eq!((status, &payment["status"]), (200, &json!("PENDING")), "{payment}");
            shop.at_bank(&anna, &payment, Outcome::Pay).await;
            if bank == Bank::YookassaInTwoSteps && means == "BANK_CARD" {
                // Held money waits for the button.
                anna.until_paid(&id, "HELD").await;
                assert_eq!(anna.shown(&id).await["status"], "NEW");
                let (status, order) = anna.process(&id).await;
                assert_eq!((status, &order["status"]), (200, &json!("IN_PROGRESS")), "{order}");
            }
            let order = anna.until(&id, "COMPLETED").await;
            assert_eq!((&order["total"], &order["delivery"]), (&json!(499.0), &json!(199.0)));
            let entry = shop.bank.ledger().into_iter().next_back().expect("a payment");
            assert_eq!(entry.status, "completed", "{bank:?} {means}");
            let expected = if means == "QR_PAY" { "sbp" } else { "bank_card" };
            assert_eq!(entry.method.as_deref(), Some(expected));
        }
        let letters = shop.letters("anna", 5).await;
        let about = |text: &str| letters.iter().filter(|letter| letter.contains(text)).count();
        assert_eq!((about("Мы получили оплату"), about("Ваш заказ подтверждён")), (2, 2));
        let ledger = shop.ledger().await;
        assert_eq!(
            (ledger["sales"], ledger["gateway:gateway"]),
            (2 * TOTAL * 100, -2 * TOTAL * 100)
        );
        shop.doctor();
        shop.close();
    }
}

/// Of twenty orders of 499.00 at once, a wallet of 1 100.00 pays two. What was
/// paid for is agreed on, and nothing else has moved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_pays_for_as_many_orders_as_it_holds() {
    let shop = Shop::open(Bank::Invoicebox).await;
    let anna = shop.client("anna").await;
    shop.credit("anna", "1100.00");
    let mut orders = Vec::new();
    for number in 0..20 {
        orders.push(anna.order(&format!("w{number}")).await);
    }
    let anna = std::sync::Arc::new(anna);
    let mut paying = tokio::task::JoinSet::new();
    for id in orders.clone() {
        let anna = std::sync::Arc::clone(&anna);
        paying.spawn(async move {
            let (status, said) = anna.pay(&id, "WALLET", &key()).await;
            (id, status, said)
        });
    }
    let mut paid = Vec::new();
    for (id, status, said) in paying.join_all().await {
        match (status, said["status"].as_str()) {
            (200, Some("HELD")) => paid.push(id),
            _ => assert_eq!((status, kind(&said)), (409, "not-enough-money"), "{said}"),
        }
    }
    assert_eq!(paid.len(), 2, "{paid:?}");
    assert_eq!(anna.wallet().await["balance"], json!(102.0));
    for id in &paid {
        let (first, again) = tokio::join!(anna.process(id), anna.process(id));
        assert_eq!((first.0, again.0), (200, 200), "{first:?} {again:?}");
        anna.until(id, "COMPLETED").await;
        // To press once more changes nothing.
        assert_eq!(anna.process(id).await.1["status"], "COMPLETED");
    }
    let ledger = shop.ledger().await;
    assert_eq!(ledger["sales"], 2 * TOTAL * 100);
    shop.doctor();
    shop.close();
}

/// The goods were sold elsewhere between paying and agreeing: the money goes
/// back the way it came, and the client is text_shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goods_that_were_sold_elsewhere_give_the_money_back() {
    for bank in [Bank::Yookassa, Bank::YookassaInTwoSteps] {
        let shop = Shop::open(bank).await;
        let anna = shop.client("anna").await;
        shop.credit("anna", "1000.00");
        for means in ["WALLET", "BANK_CARD", "QR_PAY"] {
            let id = anna.order(&format!("g-{means}")).await;
            let (_, payment) = anna.pay(&id, means, &key()).await;
            shop.run(&["stock", "import", "none.csv"]);
            let is_held =
                means == "WALLET" || (means == "BANK_CARD" && bank == Bank::YookassaInTwoSteps);
            if means != "WALLET" {
                shop.at_bank(&anna, &payment, Outcome::Pay).await;
            }
            if is_held {
                anna.until_paid(&id, "HELD").await;
                anna.process(&id).await;
            }
            let order = anna.until(&id, "FAILED").await;
            assert_eq!(order["reason"], "insufficient-stock", "{order}");
            assert_eq!(order["short"][0]["wanted"], 3, "{order}");
            anna.until_paid(&id, "FAIL").await;
            shop.run(&["stock", "import", "stock.csv"]);
        }
        let taken = if bank == Bank::Yookassa { 2 } else { 1 };
        let back = async {
            while shop.refunded() < taken * TOTAL * 100 {
                ask_again_soon().await;
            }
        };
        tokio::time::timeout(DEADLINE, back).await.expect("the money is back");
        let settled = async {
            while shop.ledger().await.iter().any(|(name, kopecks)| {
                *kopecks != 0 && (name.starts_with("owed") || name.starts_with("order"))
            }) {
                ask_again_soon().await;
            }
        };
        tokio::time::timeout(DEADLINE, settled).await.expect("the books are settled");
        let ledger = shop.ledger().await;
        assert_eq!(ledger.get("sales").copied().unwrap_or_default(), 0, "{ledger:?}");
        assert_eq!(anna.wallet().await["balance"], json!(1000.0));
        let taken = usize::try_from(taken).expect("a few");
        let letters = shop.letters("anna", 5 + 2 * taken).await;
        let about = |text: &str| letters.iter().filter(|letter| letter.contains(text)).count();
        assert_eq!(about("не удалось подтвердить"), 3, "{letters:?}");
        assert_eq!(about("Мы возвращаем деньги"), taken, "{letters:?}");
        shop.doctor();
        shop.close();
    }
}

/// A completed order is cancelled until its picking begins; then it is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completed_order_is_withdrawn_until_it_is_picked() {
    let shop = Shop::open(Bank::Yookassa).await;
    let anna = shop.client("anna").await;
    shop.credit("anna", "1000.00");
    for means in ["WALLET", "BANK_CARD"] {
        let id = anna.order(&format!("c-{means}")).await;
        let (_, payment) = anna.pay(&id, means, &key()).await;
        if means == "WALLET" {
            anna.process(&id).await;
        } else {
            shop.at_bank(&anna, &payment, Outcome::Pay).await;
        }
        let order = anna.until(&id, "COMPLETED").await;
        let body = json!({"id": id, "version": order["version"]});
        let (status, order) = anna.ask(Method::PUT, "/shop/order/cancel", &body).await;
        assert_eq!(status, 200, "{order}");
        anna.until(&id, "CANCELED").await;
    }
    assert_eq!(anna.wallet().await["balance"], json!(1000.0));
    let back = async {
        while shop.refunded() < TOTAL * 100 {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, back).await.expect("the money is back");

    let id = anna.order("picked").await;
    // It is too early to pick it.
    assert!(!shop.process.command(&["shop", "cases", "take", &id]).status.success());
    anna.pay(&id, "WALLET", &key()).await;
    anna.process(&id).await;
    let order = anna.until(&id, "COMPLETED").await;
    let taken = async {
        // The store learns of the decision a moment later.
        while !shop.process.command(&["shop", "cases", "take", &id]).status.success() {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, taken).await.expect("the picking begins");
    let body = json!({"id": id, "version": order["version"]});
    let (status, said) = anna.ask(Method::PUT, "/shop/order/cancel", &body).await;
    assert_eq!((status, kind(&said), &said["reason"]), (409, "too-late", &json!("too-late")));
    let order = anna.shown(&id).await;
    assert_eq!((&order["status"], &order["withdrawal"]), (&json!("COMPLETED"), &json!("REFUSED")));
    assert_eq!(anna.wallet().await["balance"], json!(501.0));
    shop.doctor();
    let text_shown = shop.run(&["shop", "saga", "show", &id]);
    assert!(text_shown.contains("STORE answers FAIL to REVERSE"), "{text_shown}");
    let listed = shop.run(&["shop", "saga", "list", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&listed).expect("JSON")[0]["stage"], "done");
    // Neither of what was given back, nor of what the payment system has paid.
    let missing = shop.run(&["shop", "receipts", "--missing", "--json"]);
    let missing: Value = serde_json::from_str(&missing).expect("JSON");
    let of_missing = missing.as_array().into_iter().flatten();
    let payments: Vec<&Value> = of_missing.map(|one| &one["payment"]).collect();
    assert_eq!(payments, [&json!(format!("{id}-1"))]);
    shop.close();
}

/// What cannot be is refused with what it is, and nothing moves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_paid_is_refused_and_nothing_moves() {
    let shop = Shop::open(Bank::Invoicebox).await;
    let (anna, boris) = (shop.client("anna").await, shop.client("boris").await);
    shop.credit("anna", "1000.00");
    let id = anna.order("a").await;
    let pay = async |buyer: &Buyer, body: Value, key: &str| {
        let reply = buyer.call(Method::POST, "/shop/payment/pay", &body, key).await;
        let said: Value = serde_json::from_slice(&reply.body).expect("JSON");
        (reply.status.as_u16(), kind(&said).to_owned(), said)
    };
    let card = |version: u64| json!({"orderId": id, "version": version, "tokenType": "BANK_CARD"});
    let refused = async |buyer: &Buyer, body: Value, key: &str, expected: (u16, &str)| {
        let (status, kind, said) = pay(buyer, body, key).await;
        assert_eq!((status, kind.as_str()), expected, "{said}");
    };
    refused(&anna, card(0), "", (400, "no-idempotency-key")).await;
    refused(&anna, card(7), "k0", (409, "stale-version")).await;
    refused(&boris, card(0), "k0", (404, "not-found")).await;
    // A wallet of another client.
    let wallet = anna.wallet().await["id"].clone();
    let own = boris.order("b").await;
    let foreign = json!({"orderId": own, "version": 0, "tokenId": wallet});
    refused(&boris, foreign, "k0", (404, "not-found")).await;
    let body = json!({"orderId": own, "version": 0, "tokenType": "GIFT_CARD"});
    refused(&boris, body, "k0", (400, "bad-request")).await;

    // Two tabs: the same means is under way, another one replaces it.
    let (status, _, first) = pay(&anna, card(0), "k1").await;
    assert_eq!(status, 200, "{first}");
    let (status, _, again) = pay(&anna, card(0), "k1").await;
    assert_eq!((status, &again["paymentId"]), (200, &first["paymentId"]), "the same request");
    let sbp = json!({"orderId": id, "version": 0, "tokenType": "QR_PAY"});
    refused(&anna, sbp.clone(), "k1", (422, "idempotency-key-reused")).await;
    let (status, kind, said) = pay(&anna, card(0), "k2").await;
    assert_eq!((status, kind.as_str()), (409, "payment-in-progress"));
    assert_eq!(said["redirectUrl"], first["redirectUrl"]);
    let (status, _, second) = pay(&anna, sbp, "k3").await;
    assert_eq!((status, &second["status"]), (200, &json!("PENDING")), "{second}");
    let dead: Vec<_> = shop.bank.ledger().into_iter().map(|entry| entry.status).collect();
    assert_eq!(dead, ["canceled", "created"], "the first one cannot bring money");

    // A callback that the gateway has not signed changes nothing.
    let forged = json!({"type": "payment.succeeded",
        "data": {"merchant_order_id": second["paymentId"]}});
    let (status, said) = anna.ask(Method::POST, "/shop/payment/notice", &forged).await;
    assert_eq!((status, self::kind(&said)), (401, "bad-signature"));
    assert_eq!(anna.shown(&id).await["status"], "NEW");

    // The order is cancelled while the buyer is at the bank: what the bank
    // takes all the same goes back.
    let body = json!({"id": id, "version": 0});
    let (status, said) = anna.ask(Method::PUT, "/shop/order/cancel", &body).await;
    assert_eq!((status, &said["status"]), (200, &json!("CANCELED")), "{said}");
    anna.until_paid(&id, "FAIL").await;
    refused(&anna, card(1), "k4", (409, "wrong-state")).await;

    // The basket is changed after paying: the money held for the old version
    // is replaced, and what is agreed on is the new sum.
    let id = anna.order("changed").await;
    anna.pay(&id, "WALLET", "k5").await;
    let milk = anna.milk().await;
    let body = json!({"id": id, "version": 0,
        "orderItems": [{"product": {"id": milk}, "quantity": 1}]});
    let (status, said) = anna.ask(Method::PUT, "/shop/order/adjust", &body).await;
    assert_eq!((status, &said["version"]), (200, &json!(1)), "{said}");
    let body = json!({"orderId": id, "version": 1, "tokenId": wallet});
    refused(&anna, body.clone(), "k6", (409, "hold-expired")).await;
    anna.hold(&id, 1).await;
    let (status, _, paid) = pay(&anna, body, "k6").await;
    assert_eq!((status, &paid["amount"]), (200, &json!(299.0)), "{paid}");
    let body = json!({"id": id, "version": 1});
    anna.ask(Method::PUT, "/shop/order/process", &body).await;
    anna.until(&id, "COMPLETED").await;
    assert_eq!(anna.wallet().await["balance"], json!(701.0));
    shop.doctor();
    shop.close();
}

/// The payment system answers late, never, twice or wrongly: the order is paid
/// once, or the money is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_system_in_trouble_takes_the_money_once_or_gives_it_back() {
    let shop = Shop::open(Bank::Invoicebox).await;
    let anna = shop.client("anna").await;
    for (number, trouble) in [Trouble::AcceptThenDrop, Trouble::Slow(1500)].into_iter().enumerate()
    {
        let id = anna.order(&format!("t{number}")).await;
        shop.bank.misbehave(Call::Create, [trouble]);
        shop.bank.misbehave(Call::Notification, [Trouble::Duplicate(3)]);
        let (status, payment) = anna.pay(&id, "BANK_CARD", &key()).await;
        assert_eq!((status, &payment["status"]), (200, &json!("PENDING")), "{payment}");
        let linked = async {
            loop {
                let reply = anna.raw(Method::GET, text(&payment, "redirectUrl")).await;
                if reply.status == 303 {
                    return;
                }
                ask_again_soon().await;
            }
        };
        tokio::time::timeout(DEADLINE, linked).await.expect("a link");
        shop.at_bank(&anna, &payment, Outcome::Pay).await;
        anna.until(&id, "COMPLETED").await;
    }
    // A refund whose answer is lost is made once.
    let id = anna.order("refund").await;
    let (_, payment) = anna.pay(&id, "QR_PAY", &key()).await;
    shop.run(&["stock", "import", "none.csv"]);
    shop.bank.misbehave(Call::Operate, [Trouble::AcceptThenDrop]);
    shop.at_bank(&anna, &payment, Outcome::Pay).await;
    anna.until(&id, "FAILED").await;
    let settled = async {
        while shop.ledger().await.get(&format!("owed:{id}")).copied().unwrap_or(1) != 0 {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, settled).await.expect("the books are settled");
    assert_eq!(shop.refunded(), TOTAL * 100);
    shop.doctor();
    let attention = ["orders", "list", "--attention"];
    assert!(shop.run(&attention).contains("nothing needs attention"));
    // One that the payment system refuses is left to a person, and the
    // agreement is over all the same.
    shop.run(&["stock", "import", "stock.csv"]);
    let id = anna.order("refused").await;
    let (_, payment) = anna.pay(&id, "QR_PAY", &key()).await;
    shop.run(&["stock", "import", "none.csv"]);
    shop.bank.misbehave(Call::Operate, [Trouble::Refused]);
    shop.at_bank(&anna, &payment, Outcome::Pay).await;
    anna.until(&id, "FAILED").await;
    let left_to_a_person = async {
        while !shop.run(&attention).contains("has refused to refund 499.00") {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, left_to_a_person).await.expect("it is listed");
    assert!(shop.run(&attention).contains(&format!("order {id}  shop/{id}")));
    assert_eq!(shop.ledger().await[&format!("owed:{id}")], TOTAL * 100, "it is still owed");
    assert!(shop.run(&["shop", "saga", "show", &id]).contains(&format!("{id}: undone")));
    let doctor = shop.process.command(&["shop", "doctor"]);
    assert!(!doctor.status.success());
    shop.run(&["shop", "ledger", "verify"]);
    shop.close();
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().expect("a text")
}

/// How often the process is killed; `TILLGATE_KILLS` for a longer trial, and
/// `TILLGATE_KILLS_ON=postgresql` for one on a database.
const KILLS: u32 = 4;

/// On PostgreSQL the leases of a process that was killed last this long, and
/// the message that waits for one leads to the next.
const LEASES_END: Duration = Duration::from_secs(4 * 60);

/// How many orders are processed between two kills.
const ORDERS_PER_KILL: usize = 12;

/// The orders that were placed, and whether `/process` was acknowledged.
type Placed = std::sync::Arc<std::sync::Mutex<BTreeMap<String, bool>>>;

/// A buyer who places orders and pays them from the wallet, until the process
/// is gone.
async fn buys(
    buyer: std::sync::Arc<Buyer>,
    url: String,
    name: String,
    wallet: Value,
    milk: Value,
    placed: Placed,
) {
    let buyer = Buyer { client: buyer.client.clone(), url, cookies: buyer.cookies.clone() };
    for number in 0.. {
        let body = json!({"id": format!("{name}-{number}"),
            "orderItems": [{"product": {"id": milk}, "quantity": 1}]});
        let Some(order) = buyer.tried(Method::POST, "/shop/order/place", &body).await else {
            return;
        };
        let id = order["id"].as_str().expect("a number").to_owned();
        placed.lock().expect("the list").insert(id.clone(), false);
        let body = json!({"orderId": id, "version": 0, "storeId": 1});
        let point = json!({"orderId": id, "version": 0, "pickupPointId": 120});
        let pay = json!({"orderId": id, "version": 0, "tokenId": wallet});
        let process = json!({"id": id, "version": 0});
        for (method, path, body) in [
            (Method::POST, "/shop/store/reserve", &body),
            (Method::POST, "/shop/delivery/book", &point),
            (Method::POST, "/shop/payment/pay", &pay),
            (Method::PUT, "/shop/order/process", &process),
        ] {
            if buyer.tried(method, path, body).await.is_none() {
                return;
            }
        }
        placed.lock().expect("the list").insert(id, true);
    }
}

impl Buyer {
    /// `None` without an answer that it was done.
    async fn tried(&self, method: Method, path: &str, body: &Value) -> Option<Value> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let key = body["orderId"].as_str().or(body["id"].as_str()).unwrap_or_default();
        headers.insert("idempotency-key", HeaderValue::from_str(key).expect("a key"));
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        headers.insert(header::COOKIE, HeaderValue::from_str(&cookies).expect("cookies"));
        let url = format!("{}{path}", self.url);
        let reply = self.client.call(method, &url, headers, body.to_string().into()).await.ok()?;
        let said = serde_json::from_slice(&reply.body).ok()?;
        (reply.status == 200).then_some(said)
    }
}

/// Whenever the process dies: every order that was processed comes to its end,
/// and the money is where the orders say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_every_kill_orders_come_to_their_end_and_the_money_agrees() {
    let kills =
        std::env::var("TILLGATE_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let store = match std::env::var("TILLGATE_KILLS_ON").as_deref() {
        Ok("postgresql") => Server::shared().new_database().await,
        Ok(other) => panic!("TILLGATE_KILLS_ON: {other}: the only one is postgresql"),
        Err(_) => "sled:data".to_owned(),
    };
    let mut shop = Shop::open_on(Bank::Yookassa, &store).await;
    std::fs::write(
        shop.folder.path().join("points.csv"),
        "id,name,address,days\n120,У метро,\"Москва, ул. Мира, 1\",2\n",
    )
    .expect("written");
    shop.run(&["shop", "import", "points.csv"]);
    std::fs::write(shop.folder.path().join("many.csv"), "store_id,sku,quantity\n17,milk,900000\n")
        .expect("written");
    shop.run(&["stock", "import", "many.csv"]);
    let anna = std::sync::Arc::new(shop.client("anna").await);
    shop.credit("anna", "900000.00");
    let (wallet, milk) = (anna.wallet().await["id"].clone(), anna.milk().await);
    let placed = Placed::default();
    for cycle in 0..kills {
        let before = placed.lock().expect("the list").values().filter(|is| **is).count();
        let mut buyers = tokio::task::JoinSet::new();
        for buyer in 0..4 {
            let (anna, placed) = (std::sync::Arc::clone(&anna), std::sync::Arc::clone(&placed));
            let name = format!("k{cycle}-{buyer}");
            let url = shop.process.url.clone();
            buyers.spawn(buys(anna, url, name, wallet.clone(), milk.clone(), placed));
        }
        let enough = async {
            while placed.lock().expect("the list").values().filter(|is| **is).count()
                < before + ORDERS_PER_KILL
            {
                ask_again_soon().await;
            }
        };
        tokio::time::timeout(DEADLINE, enough).await.expect("orders are processed");
        let Shop { bank, mailbox, process, folder } = shop;
        process.kill();
        buyers.join_all().await;
        let process = Process::start(folder.path());
        shop = Shop { bank, mailbox, process, folder };
    }
    // Who had no answer asks again, and learns what there is.
    let url = shop.process.url.clone();
    let anna = Buyer { client: anna.client.clone(), url, cookies: anna.cookies.clone() };
    let orders = placed.lock().expect("the list").clone();
    let (mut sold, mut open) = (0, 0);
    for (id, was_processed) in &orders {
        let mut order = anna.shown(id).await;
        if order["status"] == "NEW" {
            assert!(!was_processed, "{order}");
            let path = format!("/shop/payment/pay?orderId={id}");
            let (_, payment) = anna.ask(Method::GET, &path, &Value::Null).await;
            if payment["status"] != "HELD" && payment["status"] != "PENDING" {
                open += 1;
                continue;
            }
            anna.until_paid(id, "HELD").await;
            anna.process(id).await;
        }
        if order["status"] != "COMPLETED" {
            order = anna.until_in(LEASES_END, id, "COMPLETED").await;
        }
        // A bottle for 100.00, fetched by the client.
        assert_eq!(order["total"], json!(100.0), "{order}");
        sold += 10_000;
    }
    let ledger = shop.ledger().await;
    assert_eq!(ledger["sales"], sold, "{open} orders were not paid");
    let held: i64 =
        ledger.iter().filter(|(name, _)| name.starts_with("order:")).map(|(_, sum)| sum).sum();
    assert_eq!(held, 0, "nothing is held for an order that is over");
    shop.doctor();
    println!("{} orders through {kills} kills, {open} of them not paid", orders.len());
    shop.close();
}
