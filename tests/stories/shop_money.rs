//! Clients' money, from the outside: the contract in one process and in two,
//! the operator's commands, and kills in the middle of traffic.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};
use tempfile::TempDir;
use tillgate::kernel::Clock;
use tillgate::peer::{Client, Reply};
use tillgate_shop::assertion::{Assertions, HEADER};
use tillgate_shop::seal::MasterKeys;

use super::operation::{BINARY, Process};
use super::shop::PASSWORD;
use crate::world::database::Server;
use crate::world::{DEADLINE, ask_again_soon};

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const KEY_BYTES: [u8; 32] = *b"0123456789abcdef0123456789abcdef";
const ADMIN: &str = "token-of-the-operator";
const ORDER: &str = "482993011752";

fn folder(store: &str, shop: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path(), store, shop);
    folder
}

fn configure(folder: &Path, store: &str, shop: &str) {
    let settings = format!(
        "listen = \"127.0.0.1:0\"\nidle_drain_seconds = 0\nstore = \"{store}\"\n\
         store_cache_mebibytes = 16\nadmin_token = \"{ADMIN}\"\n[shop]\nkey = \"{KEY}\"\n{shop}"
    );
    std::fs::write(folder.join("tillgate.toml"), settings).expect("written");
}

fn start(folder: &Path, services: &str) -> Process {
    let started = Process::start_as(folder, &["--services", services], &[]);
    started.unwrap_or_else(|code| {
        let log = std::fs::read_to_string(folder.join("log")).expect("a log");
        panic!("it ended with {code:?}: {log}")
    })
}

/// A caller of the services over HTTP.
#[derive(Clone)]
struct Api {
    client: Client,
    auth: String,
    billing: String,
    assertions: Assertions,
}

impl Api {
    fn new(auth: &str, billing: &str) -> Api {
        let client = Client::new(DEADLINE, 1 << 20).expect("a client");
        let assertions = Assertions::new(&MasterKeys::new(KEY_BYTES, []));
        Api { client, auth: auth.into(), billing: billing.into(), assertions }
    }

    async fn send(&self, method: Method, url: &str, body: &str, more: HeaderMap) -> Option<Reply> {
        let mut headers = more;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.client.call(method, url, headers, body.into()).await.ok()
    }

    /// As the service that takes payments.
    async fn as_service(&self, method: Method, path: &str, body: &str) -> Option<(u16, Value)> {
        let assertion = self.assertions.make("payment", "billing", None, None, Clock::System.now());
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(&assertion).expect("text"));
        let reply = self.send(method, &format!("{}{path}", self.billing), body, headers).await?;
        Some((reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap_or(Value::Null)))
    }

    async fn charge(&self, body: &Value) -> Option<(u16, Value)> {
        self.as_service(Method::POST, "/token/charge", &body.to_string()).await
    }

    async fn as_client(
        &self,
        method: Method,
        path: &str,
        body: &str,
        cookie: &str,
    ) -> (u16, Value) {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_str(cookie).expect("a cookie"));
        let reply = self.send(method, &format!("{}{path}", self.billing), body, headers).await;
        let reply = reply.expect("an answer");
        (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
    }

    /// Registers a client. Returns the cookie of the session.
    async fn register(&self, name: &str) -> String {
        let body = json!({"username": name, "password": PASSWORD,
            "email": format!("{name}@example.org")});
        let url = format!("{}/register", self.auth);
        let reply = self.send(Method::POST, &url, &body.to_string(), HeaderMap::new()).await;
        let reply = reply.expect("an answer");
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        let cookies = reply.headers.get_all(header::SET_COOKIE).iter();
        let pairs = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// The number of a client's wallet, when it is open.
    async fn wallet(&self, name: &str) -> u64 {
        let path = format!("/token/get?username={name}");
        let found = async {
            loop {
                let (status, body) =
                    self.as_service(Method::GET, &path, "").await.expect("an answer");
                match status {
                    200 => return body["tokens"][0]["id"].as_u64().expect("a number"),
                    404 => ask_again_soon().await,
                    other => panic!("{other}: {body}"),
                }
            }
        };
        tokio::time::timeout(DEADLINE, found).await.expect("a wallet for every client")
    }
}

fn hold(payment: &str, name: &str, wallet: u64, roubles: u64) -> Value {
    json!({"operation": "HOLD", "paymentId": payment, "orderId": ORDER, "username": name,
        "tokenId": wallet, "amount": roubles})
}

/// Without what differs each time.
fn masked(mut body: Value) -> Value {
    match &mut body {
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                let is_own = ["id", "tokenId", "at", "maskedTokenId", "next_cursor"]
                    .contains(&name.as_str());
                *value =
                    if is_own && !value.is_null() { json!("…") } else { masked(value.take()) };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = masked(item.take())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    body
}

/// Plays the contract of `billing`. Returns the statuses and the bodies.
async fn play(api: &Api, credit: impl Fn()) -> Vec<(u16, Value)> {
    let mut seen = Vec::new();
    let (anna, boris) = (api.register("anna").await, api.register("boris").await);
    let wallet = api.wallet("anna").await;
    credit();
    let get = "/token/get?username=anna";
    for (path, body, cookie) in [
        (get, "", ""),
        (get, "", anna.as_str()),
        (get, "", boris.as_str()),
        ("/token/get", "", anna.as_str()),
        ("/token/get?name=anna", "", anna.as_str()),
    ] {
        seen.push(api.as_client(Method::GET, path, body, cookie).await);
    }
    let spend = hold("p1", "anna", wallet, 100).to_string();
    for cookie in ["", anna.as_str()] {
        seen.push(api.as_client(Method::POST, "/token/charge", &spend, cookie).await);
    }
    let confirm = json!({"operation": "CONFIRM", "paymentId": "p1", "amount": 100});
    let cards = json!({"orderId": ORDER, "cards": [
        {"id": 1, "balance": 2000, "grantee": {"firstName": "Борис", "email": "b@example.org"}}]});
    for (path, body) in [
        ("/token/charge", hold("p1", "anna", wallet, 100)),
        ("/token/charge", hold("p1", "anna", wallet, 100)),
        ("/token/charge", hold("p1", "anna", wallet, 101)),
        ("/token/charge", hold("p2", "boris", wallet, 1)),
        ("/token/charge", hold("p3", "anna", wallet, 1_000)),
        ("/token/charge", confirm.clone()),
        ("/token/charge", json!({"operation": "REVERSE", "paymentId": "p1"})),
        ("/token/charge", confirm),
        ("/token/charge", json!({"operation": "BUY"})),
        ("/token/create", cards),
        ("/token/create", json!({"orderId": ORDER, "cards": []})),
    ] {
        let answer = api.as_service(Method::POST, path, &body.to_string()).await;
        seen.push(answer.expect("an answer"));
    }
    let question = json!({"username": "anna", "tokenId": wallet, "limit": 2}).to_string();
    for cookie in ["", boris.as_str(), anna.as_str()] {
        seen.push(api.as_client(Method::POST, "/trxn/get", &question, cookie).await);
    }
    seen.into_iter().map(|(status, body)| (status, masked(body))).collect()
}

fn credits(process: &Process) {
    let output = process.command(&[
        "shop",
        "wallet",
        "credit",
        "anna",
        "500.00",
        "--reason",
        "За долгое ожидание",
    ]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said, "anna: 500.00 given, the wallet holds 500.00\n");
}

#[tokio::test]
async fn the_contract_of_billing_is_the_same_in_one_process_and_in_two() {
    let together = folder("memory:", "");
    let together = Process::start(together.path());
    let url = format!("{}/shop", together.url);
    let api = Api::new(&format!("{url}/auth"), &format!("{url}/billing"));
    let expected = play(&api, || credits(&together)).await;
    let statuses: Vec<u16> = expected.iter().map(|(status, _)| *status).collect();
    assert_eq!(
        statuses,
        [
            401, 200, 404, 400, 400, 401, 403, 200, 200, 409, 404, 409, 200, 200, 409, 400, 200,
            400, 401, 404, 200
        ]
    );
    let tokens = json!({"username": "anna", "tokens": [{"id": "…", "tokenType": "WALLET",
        "maskedTokenId": "…", "description": "Wallet", "balance": 500.0}]});
    assert_eq!(expected[1].1, tokens);
    let charged =
        json!({"paymentId": "p1", "operation": "HOLD", "result": "SUCCESS", "balance": 400.0});
    assert_eq!((&expected[7].1, &expected[8].1), (&charged, &charged));
    assert_eq!(expected[20].1["balance"], 500.0);
    assert_eq!(expected[20].1["items"].as_array().map(Vec::len), Some(2));

    let store = Server::shared().new_database().await;
    let auth = folder(&store, "public_url = \"https://shop.example\"\n");
    let auth = start(auth.path(), "auth,notification");
    let urls = format!("[shop.service_urls]\nauth = \"{}\"\n", auth.url);
    let billing = folder(&store, &urls);
    let billing = start(billing.path(), "billing");
    // Alone it answers at the paths of the contract.
    let api = Api::new(&format!("{}/shop/auth", auth.url), &billing.url);
    let seen = play(&api, || credits(&billing)).await;
    for (place, (seen, expected)) in seen.iter().zip(&expected).enumerate() {
        assert_eq!(seen, expected, "{place}");
    }
    assert_eq!(seen.len(), expected.len());
    let output = billing.command(&["shop", "ledger", "verify"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said, "4 transfers and 4 accounts: the books are right\n");
    let output = billing.command(&["shop", "doctor"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));

    // Nobody can be asked whose session it is: that is said, and nothing is
    // changed.
    let api = Api::new("", &format!("{}/shop/billing", billing.url));
    assert_eq!(auth.terminate(), Some(0));
    let get = "/token/get?username=anna";
    let (status, body) = api.as_client(Method::GET, get, "", "sessionId=x").await;
    assert_eq!((status, &body["type"]), (500, &json!("urn:tillgate:problem:auth-server")));
    let (status, _) = api.as_service(Method::GET, get, "").await.expect("an answer");
    assert_eq!(status, 200, "services need no session");
}

/// Three processes of the service on one database.
#[tokio::test]
async fn of_a_hundred_spends_in_three_processes_fifty_succeed() {
    let store = Server::shared().new_database().await;
    let auth = folder(&store, "public_url = \"https://shop.example\"\n");
    let auth = start(auth.path(), "auth,notification");
    let urls = format!("[shop.service_urls]\nauth = \"{}\"\n", auth.url);
    let folders = [(); 3].map(|()| folder(&store, &urls));
    let billing = folders.each_ref().map(|folder| start(folder.path(), "billing"));
    let apis = billing.each_ref().map(|one| Api::new(&format!("{}/shop/auth", auth.url), &one.url));
    apis[0].register("anna").await;
    let wallet = apis[0].wallet("anna").await;
    let credit = ["shop", "wallet", "credit", "anna", "505.00", "--reason", "test"];
    assert!(billing[1].command(&credit).status.success());
    let spends = (0..100_usize).map(|number| {
        let api = apis[number % 3].clone();
        tokio::spawn(async move {
            let spend = hold(&format!("p{number}"), "anna", wallet, 10);
            api.charge(&spend).await.expect("an answer").0
        })
    });
    let mut statuses = Vec::new();
    for spend in spends.collect::<Vec<_>>() {
        statuses.push(spend.await.expect("no panic"));
    }
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(200), count(409)), (50, 50), "{statuses:?}");
    let output = billing[2].command(&["shop", "ledger", "verify", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&said["transfers"], &said["faults"]), (&json!(51), &json!([])));
    let (_, tokens) =
        apis[2].as_service(Method::GET, "/token/get?username=anna", "").await.expect("an answer");
    assert_eq!(tokens["tokens"][0]["balance"], 5.0);
}

/// Verbs that were acknowledged: the payment and the operation.
type Acknowledged = Arc<Mutex<BTreeSet<(String, String)>>>;

/// Pays, confirms and reverses until it must stop.
async fn trade(
    api: Api,
    cycle: u32,
    trader: u64,
    wallet: u64,
    acknowledged: Acknowledged,
    stop: Arc<AtomicBool>,
) {
    for number in 0.. {
        let payment = format!("k{cycle}-{trader}-{number}");
        let second = match number % 3 {
            0 => json!({"operation": "CONFIRM", "paymentId": payment, "amount": 1}),
            1 => json!({"operation": "REVERSE", "paymentId": payment}),
            _ => Value::Null,
        };
        for step in [hold(&payment, "anna", wallet, 1), second] {
            if stop.load(Ordering::SeqCst) {
                return;
            }
            if step.is_null() {
                continue;
            }
            // Without an answer it may have been done or not.
            let Some((status, body)) = api.charge(&step).await else { return };
            assert_eq!(status, 200, "{body}");
            let operation = step["operation"].as_str().expect("text").to_owned();
            acknowledged.lock().expect("the list").insert((payment.clone(), operation));
        }
    }
}

/// All transfers: the payment and the operation.
fn transfers(process: &Process) -> BTreeSet<(String, String)> {
    let client = Client::new(DEADLINE, 1 << 22).expect("a client");
    let mut all = BTreeSet::new();
    let mut after = String::new();
    loop {
        let url = format!("{}/admin/v1/shop/ledger/transfers{after}", process.url);
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {ADMIN}")).expect("text");
        headers.insert(header::AUTHORIZATION, bearer);
        let reply = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(client.call(
                Method::GET,
                &url,
                headers,
                Vec::new(),
            ))
        });
        let page: Value = serde_json::from_slice(&reply.expect("an answer").body).expect("a page");
        for item in page["items"].as_array().expect("transfers") {
            let text = |name: &str| item[name].as_str().expect("text").to_owned();
            assert!(all.insert((text("payment"), text("verb"))), "twice: {item}");
        }
        if page["is_last"] == true {
            return all;
        }
        after = format!("?after={}", page["cursor"].as_str().expect("a cursor"));
    }
}

/// How often the process is killed; more by hand.
const KILLS: u32 = 20;

/// Verbs that are acknowledged before each kill.
const ACKNOWLEDGED_PER_KILL: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_books_are_right_after_every_kill_and_nothing_acknowledged_is_missing() {
    let kills =
        std::env::var("TILLGATE_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let folder = folder("sled:data", "");
    let mut process = Process::start(folder.path());
    let api_of = |process: &Process| {
        let url = format!("{}/shop", process.url);
        Api::new(&format!("{url}/auth"), &format!("{url}/billing"))
    };
    let api = api_of(&process);
    api.register("anna").await;
    let wallet = api.wallet("anna").await;
    let credit = ["shop", "wallet", "credit", "anna", "99999999", "--reason", "test"];
    assert!(process.command(&credit).status.success());
    let acknowledged = Acknowledged::default();
    for cycle in 0..kills {
        let stop = Arc::new(AtomicBool::new(false));
        let mut traders = tokio::task::JoinSet::new();
        let before = acknowledged.lock().expect("the list").len();
        for trader in 0..6 {
            let (api, stop) = (api_of(&process), Arc::clone(&stop));
            traders.spawn(trade(api, cycle, trader, wallet, Arc::clone(&acknowledged), stop));
        }
        let enough = async {
            while acknowledged.lock().expect("the list").len() < before + ACKNOWLEDGED_PER_KILL {
                ask_again_soon().await;
            }
        };
        tokio::time::timeout(DEADLINE, enough).await.expect("verbs are acknowledged");
        process.kill();
        stop.store(true, Ordering::SeqCst);
        traders.join_all().await;
        process = Process::start(folder.path());
        let verified = process.command(&["shop", "ledger", "verify"]);
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert!(verified.status.success(), "{said}");
        let kept = transfers(&process);
        let acknowledged = acknowledged.lock().expect("the list");
        let missing: Vec<_> = acknowledged.difference(&kept).collect();
        assert!(missing.is_empty(), "after kill {cycle}: acknowledged and missing: {missing:?}");
    }
    assert_eq!(process.terminate(), Some(0));
    assert!(acknowledged.lock().expect("the list").len() >= kills as usize * ACKNOWLEDGED_PER_KILL);
}

#[tokio::test]
async fn wallets_move_between_engines_and_both_sides_are_alike() {
    let folder = folder("sled:data", "");
    let process = Process::start(folder.path());
    let url = format!("{}/shop", process.url);
    let api = Api::new(&format!("{url}/auth"), &format!("{url}/billing"));
    let cookie = api.register("anna").await;
    let wallet = api.wallet("anna").await;
    credits(&process);
    for number in 0..5 {
        let (status, _) =
            api.charge(&hold(&format!("p{number}"), "anna", wallet, 30)).await.expect("one");
        assert_eq!(status, 200);
    }
    let question = json!({"username": "anna", "tokenId": wallet}).to_string();
    let before = api.as_client(Method::POST, "/trxn/get", &question, &cookie).await;
    assert_eq!((before.0, &before.1["balance"]), (200, &json!(350.0)));
    assert_eq!(process.terminate(), Some(0));

    let database = Server::shared().new_database().await;
    let moved = std::process::Command::new(BINARY)
        .args(["migrate", "--from", "sled:data", "--to", &database])
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&moved.stdout).into_owned();
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    assert!(said.contains("hold the same: ") && said.contains("6 transfers"), "{said}");
    configure(folder.path(), &database, "");
    let process = Process::start(folder.path());
    let url = format!("{}/shop", process.url);
    let api = Api::new(&format!("{url}/auth"), &format!("{url}/billing"));
    assert_eq!(api.as_client(Method::POST, "/trxn/get", &question, &cookie).await, before);
    let verified = process.command(&["shop", "ledger", "verify"]);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert_eq!(said, "6 transfers and 3 accounts: the books are right\n");
    // What was done is recognised on the other side.
    let (status, _) = api.charge(&hold("p0", "anna", wallet, 30)).await.expect("an answer");
    assert_eq!(status, 200);
    assert_eq!(api.as_client(Method::POST, "/trxn/get", &question, &cookie).await, before);
    // Stock has nothing of the books.
    assert_eq!(process.json(&["stock", "show", "--json"]), json!([]));
    assert_eq!(process.terminate(), Some(0));
}
