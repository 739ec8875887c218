//! The online shop, from the outside: a client registers on the pages, without
//! scripts, confirms the address, and comes back.

use std::collections::BTreeMap;
use std::path::Path;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;
use tempfile::TempDir;
use tillgate::kernel::{Clock, Secret};
use tillgate::peer::{Client, Reply};
use tillgate::store::{Scan, Store};
use tillgate_lab::mailbox::{Letter, Mailbox};

use super::operation::Process;
use crate::world::database::Server;
use crate::world::{DEADLINE, ask_again_soon};

pub const PASSWORD: &str = "верный конь везёт сено";
const NEW_PASSWORD: &str = "lantern-copper-77-road";

/// Personal data that occurs nowhere else in this test.
const FIRST_NAME: &str = "Zinaida-Canary";
pub const EMAIL: &str = "canary-quux@example.org";
const PHONE: &str = "79031239876";

const ADMIN: &str = "token-of-the-operator";

/// A browser without scripts.
pub struct Browser {
    client: Client,
    url: String,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub fn new(url: &str) -> Browser {
        let client = Client::new(DEADLINE, 1 << 20).expect("a client");
        Browser { client, url: url.into(), cookies: BTreeMap::new() }
    }

    pub async fn send(&mut self, method: Method, path: &str, form: &[(&str, &str)]) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("ru"));
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        headers.insert(header::COOKIE, HeaderValue::from_str(&cookies).expect("cookies"));
        let form = form.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
        let body = form.collect::<Vec<_>>().join("&");
        if method == Method::POST {
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(header::CONTENT_TYPE, kind);
        }
        let url = format!("{}{path}", self.url);
        let reply = self.client.call(method, &url, headers, body.into()).await.expect("an answer");
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("text");
            let (name, rest) = cookie.split_once('=').expect("a value");
            let value = rest.split(';').next().unwrap_or_default();
            self.cookies.insert(name.into(), value.into());
        }
        reply
    }

    pub async fn open(&mut self, path: &str) -> String {
        let reply = self.send(Method::GET, path, &[]).await;
        assert_eq!(reply.status, 200, "{path}");
        page(&reply)
    }

    /// Opens the page of a form, and posts the form to the same address.
    pub async fn fill(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let form = self.open(path).await;
        let token = token(&form);
        let fields: Vec<(&str, &str)> =
            fields.iter().copied().chain([("form_token", token.as_str())]).collect();
        self.send(Method::POST, path, &fields).await
    }
}

pub fn page(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).expect("text")
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The value of the hidden field of a form.
fn token(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"form_token\" value=\"").expect("a hidden field");
    rest.split('"').next().unwrap_or_default().to_owned()
}

fn leads_to(reply: &Reply) -> &str {
    assert_eq!(reply.status, 303, "{}", page(reply));
    reply.headers[header::LOCATION].to_str().expect("an address")
}

/// A shop with a mail server.
struct Shop {
    folder: TempDir,
    mailbox: Mailbox,
    process: Process,
}

impl Shop {
    async fn open(store: &str) -> Shop {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mailbox = Mailbox::open().await.expect("a mail server");
        let settings = format!(
            "listen = \"127.0.0.1:0\"
idle_drain_seconds = 0
store = \"{store}\"
store_cache_mebibytes = 16
admin_token = \"{ADMIN}\"
[shop]
name = \"Лавка\"
key = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"
[shop.mail]
url = \"{}\"
from = \"Лавка <shop@shop.example>\"
",
            mailbox.url()
        );
        std::fs::write(folder.path().join("tillgate.toml"), settings).expect("written");
        let process = Process::start(folder.path());
        Shop { folder, mailbox, process }
    }

    fn browser(&self) -> Browser {
        Browser::new(&self.process.url)
    }

    fn restarted(self) -> Shop {
        let Shop { folder, mailbox, process } = self;
        assert_eq!(process.terminate(), Some(0));
        let process = Process::start(folder.path());
        Shop { folder, mailbox, process }
    }

    /// The nth letter, counted from 1.
    async fn letter(&self, number: usize) -> Letter {
        let letter = self.mailbox.letter_to(EMAIL, number, DEADLINE).await;
        letter.unwrap_or_else(|| panic!("letter {number} of {:?}", self.mailbox.letters()))
    }

    /// The path of the link of a letter. The shop may have another port since
    /// it was sent.
    async fn path_of_letter(&self, number: usize) -> String {
        let letter = self.letter(number).await;
        let link = letter.link().unwrap_or_else(|| panic!("a link: {}", letter.text));
        let (_, path) = link.split_once("//").expect("an address");
        path[path.find('/').expect("a path")..].to_owned()
    }
}

/// The first scenario of the shop, with all that follows from it.
async fn a_client_comes_and_comes_back(shop: Shop) -> (TempDir, Vec<(String, Vec<u8>)>) {
    let mut browser = shop.browser();
    let username = registers(&mut browser).await;

    let path = shop.path_of_letter(1).await;
    assert!(browser.open("/account").await.contains("не подтверждён"));
    let reply = shop.browser().fill(&path, &[]).await;
    assert_eq!(reply.status, 200, "{}", page(&reply));
    let account = browser.open("/account").await;
    assert!(!account.contains("не подтверждён"), "{account}");
    let reply = browser.send(Method::POST, "/logout", &[("form_token", &token(&account))]).await;
    assert_eq!(leads_to(&reply), "/login");
    let reply = browser.send(Method::GET, "/account", &[]).await;
    assert_eq!(leads_to(&reply), "/login");

    // Another device, after a restart.
    let shop = shop.restarted();
    let mut other = shop.browser();
    let wrong = [("username", username.as_str()), ("password", "неверный пароль")];
    let reply = other.fill("/login", &wrong).await;
    assert_eq!(reply.status, 401);
    let mut error_pages = reply.body.clone();
    assert!(page(&reply).contains("Неверное имя или пароль"));
    let reply = other.fill("/login", &[("username", EMAIL), ("password", PASSWORD)]).await;
    assert_eq!(leads_to(&reply), "/account");
    assert!(other.open("/account").await.contains(EMAIL));

    // The password is forgotten.
    let reply = shop.browser().fill("/reset", &[("username", PHONE)]).await;
    assert_eq!(reply.status, 200, "{}", page(&reply));
    assert!(!page(&reply).contains(EMAIL));
    let path = shop.path_of_letter(2).await;
    let mut third = shop.browser();
    let reply = third.fill(&path, &[("password", NEW_PASSWORD)]).await;
    assert_eq!(leads_to(&reply), "/account");
    let reply = third.fill(&path, &[("password", NEW_PASSWORD)]).await;
    assert_eq!(reply.status, 422, "the link works once");
    error_pages.extend(&reply.body);
    let reply = other.send(Method::GET, "/account", &[]).await;
    assert_eq!(leads_to(&reply), "/login", "the other sessions have ended");

    staff(&shop, &mut third, &username).await;

    let metrics = shop.browser().operator("/metrics").await;
    assert!(metrics.contains("tillgate_outbox_attempts_total{lane=\"mail\",outcome=\"sent\"}"));
    let outbox = shop.process.json(&["outbox", "list", "--json"]);
    let log = shop.process.log();
    let Shop { folder, mailbox: _, process } = shop;
    assert_eq!(process.terminate(), Some(0));
    let seen = vec![
        ("the log".to_owned(), log.into_bytes()),
        ("the metrics".to_owned(), metrics.into_bytes()),
        ("the outbox".to_owned(), outbox.to_string().into_bytes()),
        ("the error pages".to_owned(), error_pages),
    ];
    (folder, seen)
}

impl Browser {
    /// What the operator reads at an address.
    async fn operator(&self, path: &str) -> String {
        let mut headers = HeaderMap::new();
        let token = HeaderValue::from_str(&format!("Bearer {ADMIN}")).expect("a header");
        headers.insert(header::AUTHORIZATION, token);
        let url = format!("{}{path}", self.url);
        let reply = self.client.call(Method::GET, &url, headers, Vec::new()).await;
        page(&reply.expect("an answer"))
    }
}

/// A client registers, with mistakes at first. Returns the username.
pub async fn registers(browser: &mut Browser) -> String {
    let form = browser.open("/register").await;
    for name in ["firstName", "password", "email", "phone"] {
        assert!(form.contains(&format!("name=\"{name}\"")), "{form}");
    }
    assert!(form.contains("type=\"password\"") && form.contains(">Зарегистрировать</button>"));
    assert!(form.contains("Лавка"));
    let token_of_form = token(&form);
    let (_, suggested) =
        form.split_once("name=\"username\" type=\"text\" value=\"").expect("a name");
    let username = suggested.split('"').next().unwrap_or_default().to_owned();
    let filled = |email: &'static str, password: &'static str| {
        vec![
            ("form_token", token_of_form.clone()),
            ("firstName", FIRST_NAME.to_owned()),
            ("password", password.to_owned()),
            ("email", email.to_owned()),
            ("phone", format!("+{PHONE}")),
            ("username", username.clone()),
            ("consent", "yes".to_owned()),
        ]
    };
    let submit = async |browser: &mut Browser, fields: &[(&str, String)]| {
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.send(Method::POST, "/register", &fields).await
    };

    // Each mistake is shown at its field, and what was typed stays.
    let reply = submit(browser, &filled("canary", "qwerty1234")).await;
    assert_eq!(reply.status, 400);
    let shown = page(&reply);
    assert!(shown.contains("id=\"email-fault\">Нужен адрес вида"), "{shown}");
    assert!(shown.contains(&format!("value=\"{FIRST_NAME}\"")) && !shown.contains("qwerty1234"));
    let reply = submit(browser, &filled(EMAIL, "qwerty1234")).await;
    assert_eq!(reply.status, 400);
    assert!(page(&reply).contains("id=\"password-fault\">Такой пароль легко подобрать"));
    let without_consent: Vec<_> =
        filled(EMAIL, PASSWORD).into_iter().filter(|(name, _)| *name != "consent").collect();
    let reply = submit(browser, &without_consent).await;
    assert_eq!(reply.status, 422);
    assert!(page(&reply).contains("Без согласия"));
    // A form that another site could have posted.
    let mut forged = filled(EMAIL, PASSWORD);
    forged[0].1 = "forged".into();
    assert_eq!(submit(browser, &forged).await.status, 403);

    let reply = submit(browser, &filled(EMAIL, PASSWORD)).await;
    assert_eq!(leads_to(&reply), "/account?new");
    let result = browser.open("/account?new").await;
    assert!(result.contains("Вы зарегистрированы") && result.contains(EMAIL), "{result}");
    assert!(result.contains(&username) && result.contains(FIRST_NAME));
    username
}

/// The operator makes the client a picker.
async fn staff(shop: &Shop, client: &mut Browser, username: &str) {
    let process = &shop.process;
    let member = process.json(&["shop", "staff", "add", username, "--role", "picker", "--json"]);
    assert_eq!(member["roles"], serde_json::json!(["picker"]));
    let reply = client.send(Method::GET, "/account", &[]).await;
    assert_eq!(leads_to(&reply), "/login", "a change of roles ends the sessions");
    let reply = client.fill("/login", &[("username", EMAIL), ("password", NEW_PASSWORD)]).await;
    assert_eq!(leads_to(&reply), "/account");
    // Nobody else may.
    for path in ["/admin/v1/shop/staff", "/staff", "/shop/auth/staff"] {
        let reply = client.send(Method::GET, path, &[]).await;
        assert!([401, 404].contains(&reply.status.as_u16()), "{path}: {}", reply.status);
    }
    let staff = process.json(&["shop", "staff", "list", "--json"]);
    assert_eq!(staff[0]["username"], username);

    // The same by the contract of the service.
    let reply = client.send(Method::GET, "/shop/auth/auth", &[]).await;
    let shown: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!((reply.status.as_u16(), &shown["email"]), (200, &Value::from(EMAIL)));
}

/// Looks for personal data in what anybody but the client can see, and in every
/// document.
async fn nothing_tells_who_it_is(store: &Store, mut seen: Vec<(String, Vec<u8>)>) {
    let mut after = None;
    let mut documents = 0;
    loop {
        let partitions = store.partitions(after, 100).await.expect("partitions");
        let Some(last) = partitions.last() else { break };
        after = Some(*last);
        for partition in partitions {
            let page = store.scan(&Scan::Whole { partition }).await.expect("documents");
            for (key, stored) in page.items {
                documents += 1;
                seen.push((key.to_string(), stored.body.bytes));
            }
        }
    }
    assert!(documents > 10, "{documents} documents");
    for (place, bytes) in seen {
        for canary in [FIRST_NAME, EMAIL, PHONE, PASSWORD, NEW_PASSWORD, "example.org"] {
            let canary = canary.as_bytes();
            let is_there = bytes.windows(canary.len()).any(|part| part == canary);
            assert!(!is_there, "{} is in {place}", String::from_utf8_lossy(canary));
        }
    }
}

fn files_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    paths.map(|path| (path.display().to_string(), std::fs::read(&path).expect("read"))).collect()
}

#[tokio::test]
async fn a_client_registers_and_comes_back_and_no_byte_tells_who_it_is() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let data = data.path().join("data");
    let shop = Shop::open(&format!("sled:{}", data.display())).await;
    let (_folder, mut seen) = a_client_comes_and_comes_back(shop).await;
    seen.extend(files_in(&data));
    let store = tillgate::store::sled::Sled::open(&data, 16 << 20, Clock::System);
    let store = Store::Sled(std::sync::Arc::new(store.expect("it opens")));
    nothing_tells_who_it_is(&store, seen).await;
    store.close().await;
}

#[tokio::test]
async fn the_same_on_postgresql() {
    let url = Server::shared().new_database().await;
    let shop = Shop::open(&url).await;
    let (_folder, mut seen) = a_client_comes_and_comes_back(shop).await;
    seen.extend(dump(&url).await);
    let address = Secret::new(url).expose().parse().expect("an address");
    let migration = tillgate::store::postgres::Migration::Refuse;
    let store = tillgate::store::postgres::Postgres::open(&address, migration, &Clock::System);
    let store = Store::Postgres(std::sync::Arc::new(store.await.expect("it opens")));
    nothing_tells_who_it_is(&store, seen).await;
    store.close().await;
}

/// The bytes of every table.
async fn dump(url: &str) -> Vec<(String, Vec<u8>)> {
    use futures_util::TryStreamExt;

    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a connection");
    tokio::spawn(connection);
    let tables = "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename)
        FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    let tables = client.query(tables, &[]).await.expect("the tables");
    let mut dumped = Vec::new();
    for table in tables {
        let table: String = table.get(0);
        let copy = format!("COPY {table} TO STDOUT (FORMAT binary)");
        let parts: Vec<bytes::Bytes> =
            client.copy_out(&copy).await.expect("a copy").try_collect().await.expect("the table");
        dumped.push((table, parts.concat()));
    }
    assert!(dumped.iter().any(|(_, bytes)| bytes.len() > 1000));
    dumped
}

/// The mail server is out of order, then refuses one letter for good.
#[tokio::test]
async fn a_letter_waits_for_the_mail_server_and_a_refused_one_for_a_person() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let shop = Shop::open(&format!("sled:{}", data.path().join("data").display())).await;
    shop.mailbox.refuse([451, 550]);
    let mut browser = shop.browser();
    registers(&mut browser).await;
    // One attempt fails, the second one is final.
    let dead = async {
        loop {
            let listed = shop.process.json(&["outbox", "list", "--state", "dead", "--json"]);
            if let Some(dead) = listed.get(0) {
                return dead.clone();
            }
            ask_again_soon().await;
        }
    };
    let dead = tokio::time::timeout(DEADLINE, dead).await.expect("a dead letter");
    assert_eq!((&dead["lane"], &dead["attempts"]), (&Value::from("mail"), &Value::from(2)));
    let why = dead["last_error"].to_string();
    assert!(why.contains("550"), "{why}");
    let id = dead["id"].as_str().expect("an id");
    shop.process.json(&["outbox", "retry", id, "--json"]);
    let path = shop.path_of_letter(1).await;
    assert_eq!(browser.fill(&path, &[]).await.status, 200);
}

/// A key that cannot be used is explained before anything starts.
#[test]
fn a_shop_without_a_usable_key_does_not_start() {
    let key = "key = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n";
    let mail = |text: &str| format!("{key}[shop.mail]\nfrom = \"a@b.example\"\n{text}");
    for (settings, why) in [
        (String::new(), "shop.key is missing"),
        ("key = \"short\"".into(), "shop.key"),
        ("key = \"MDEyMzQ1Njc4OWFiY2RlZg==\"".into(), "32 bytes in base64"),
        (format!("{key}colour = \"red\""), "colour"),
        (mail("url = \"mail.example\""), "shop.mail.url: must be an address such as smtps://"),
        (mail("url = \"smtps://u:p@mail.example\""), "password_file"),
        (mail("url = \"smtps://u@mail.example\""), "shop.mail.password is missing"),
        (mail("url = \"smtps://m.example\"\nca_file = \"absent.pem\""), "shop.mail.ca_file: "),
        (format!("{key}[shop.mail]\nurl = \"smtps://m.example\"\nfrom = \"?\""), "shop.mail.from"),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = format!("listen = \"127.0.0.1:0\"\nstore = \"memory:\"\n[shop]\n{settings}\n");
        std::fs::write(folder.path().join("tillgate.toml"), text).expect("written");
        let code = Process::start_with(folder.path(), &[]).err();
        assert_eq!(code, Some(Some(2)), "{settings}");
        let log = std::fs::read_to_string(folder.path().join("log")).expect("a log");
        assert!(log.contains(why), "{settings}: {log}");
    }
}
