//! The online shop, from the outside: a client registers on the pages, without
//! scripts, and comes back.

use std::collections::BTreeMap;
use std::path::Path;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;
use tillgate::peer::{Client, Reply};

use super::operation::Process;
use crate::world::DEADLINE;

const SHOP: &str = "listen = \"127.0.0.1:0\"
idle_drain_seconds = 0
store_cache_mebibytes = 16
admin_token = \"token-of-the-operator\"
[shop]
name = \"Лавка\"
key = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"
";

const PASSWORD: &str = "верный конь везёт сено";

/// Personal data that occurs nowhere else in this test.
const FIRST_NAME: &str = "Zinaida-Canary";
const EMAIL: &str = "canary-quux@example.org";
const PHONE: &str = "79031239876";

/// A browser without scripts.
struct Browser {
    client: Client,
    url: String,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn new(url: &str) -> Browser {
        let client = Client::new(DEADLINE, 1 << 20).expect("a client");
        Browser { client, url: url.into(), cookies: BTreeMap::new() }
    }

    async fn send(&mut self, method: Method, path: &str, form: &[(&str, &str)]) -> Reply {
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

    async fn open(&mut self, path: &str) -> String {
        let reply = self.send(Method::GET, path, &[]).await;
        assert_eq!(reply.status, 200, "{path}");
        page(&reply)
    }
}

fn page(reply: &Reply) -> String {
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

fn shop(folder: &Path) -> Process {
    let settings = format!("store = \"sled:{}\"\n{SHOP}", folder.join("data").display());
    std::fs::write(folder.join("tillgate.toml"), settings).expect("written");
    Process::start(folder)
}

/// The first scenario of the shop.
#[tokio::test]
async fn a_client_registers_and_comes_back_and_no_byte_tells_who_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let process = shop(folder.path());
    let mut browser = Browser::new(&process.url);
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
    let reply = submit(&mut browser, &filled("canary", "qwerty1234")).await;
    assert_eq!(reply.status, 400);
    let shown = page(&reply);
    assert!(shown.contains("id=\"email-fault\">Нужен адрес вида"), "{shown}");
    assert!(shown.contains(&format!("value=\"{FIRST_NAME}\"")) && !shown.contains("qwerty1234"));
    let reply = submit(&mut browser, &filled(EMAIL, "qwerty1234")).await;
    assert_eq!(reply.status, 400);
    assert!(page(&reply).contains("id=\"password-fault\">Такой пароль легко подобрать"));
    let without_consent: Vec<_> =
        filled(EMAIL, PASSWORD).into_iter().filter(|(name, _)| *name != "consent").collect();
    let reply = submit(&mut browser, &without_consent).await;
    assert_eq!(reply.status, 422);
    assert!(page(&reply).contains("Без согласия"));
    // A form that another site could have posted.
    let mut forged = filled(EMAIL, PASSWORD);
    forged[0].1 = "forged".into();
    assert_eq!(submit(&mut browser, &forged).await.status, 403);

    let reply = submit(&mut browser, &filled(EMAIL, PASSWORD)).await;
    assert_eq!(leads_to(&reply), "/account?new");
    let result = browser.open("/account?new").await;
    assert!(result.contains("Вы зарегистрированы") && result.contains(EMAIL), "{result}");
    assert!(result.contains(&username) && result.contains(FIRST_NAME));
    let reply = browser.send(Method::POST, "/logout", &[("form_token", &token(&result))]).await;
    assert_eq!(leads_to(&reply), "/login");
    let reply = browser.send(Method::GET, "/account", &[]).await;
    assert_eq!(leads_to(&reply), "/login");

    // Another device, after a restart.
    assert_eq!(process.terminate(), Some(0));
    let process = Process::start(folder.path());
    let mut other = Browser::new(&process.url);
    let form = other.open("/login").await;
    let fields = |password: &'static str| {
        [("form_token", token(&form)), ("username", EMAIL.into()), ("password", password.into())]
    };
    let wrong = fields("неверный пароль");
    let wrong: Vec<(&str, &str)> = wrong.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let reply = other.send(Method::POST, "/login", &wrong).await;
    assert_eq!(reply.status, 401);
    assert!(page(&reply).contains("Неверное имя или пароль"));
    let right = fields(PASSWORD);
    let right: Vec<(&str, &str)> = right.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let reply = other.send(Method::POST, "/login", &right).await;
    assert_eq!(leads_to(&reply), "/account");
    assert!(other.open("/account").await.contains(EMAIL));

    // The operator makes the client a picker.
    let member = process.json(&["shop", "staff", "add", &username, "--role", "picker", "--json"]);
    assert_eq!(member["roles"], serde_json::json!(["picker"]));
    let reply = other.send(Method::GET, "/account", &[]).await;
    assert_eq!(leads_to(&reply), "/login", "a change of roles ends the sessions");
    let reply = other.send(Method::POST, "/login", &right).await;
    assert_eq!(leads_to(&reply), "/account");
    // Nobody else may.
    for path in ["/admin/v1/shop/staff", "/staff", "/shop/auth/staff"] {
        let reply = other.send(Method::GET, path, &[]).await;
        assert!([401, 404].contains(&reply.status.as_u16()), "{path}: {}", reply.status);
    }
    let staff = process.json(&["shop", "staff", "list", "--json"]);
    assert_eq!(staff[0]["username"], username.as_str());

    // The same by the contract of the service.
    let reply = other.send(Method::GET, "/shop/auth/auth", &[]).await;
    let shown: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!((reply.status.as_u16(), &shown["email"]), (200, &Value::from(EMAIL)));

    let log = process.log();
    assert_eq!(process.terminate(), Some(0));
    let mut seen = vec![("the log".to_owned(), log.into_bytes())];
    for entry in std::fs::read_dir(folder.path().join("data")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            seen.push((path.display().to_string(), std::fs::read(&path).expect("read")));
        }
    }
    assert!(seen.iter().any(|(_, bytes)| bytes.len() > 1000));
    for (place, bytes) in seen {
        for canary in [FIRST_NAME, EMAIL, PHONE, PASSWORD] {
            let canary = canary.as_bytes();
            let is_there = bytes.windows(canary.len()).any(|part| part == canary);
            assert!(!is_there, "{} is in {place}", String::from_utf8_lossy(canary));
        }
    }
}

/// A key that cannot be used is explained before anything starts.
#[test]
fn a_shop_without_a_usable_key_does_not_start() {
    for (key, why) in [
        ("", "shop.key is missing"),
        ("key = \"short\"", "shop.key"),
        ("key = \"MDEyMzQ1Njc4OWFiY2RlZg==\"", "32 bytes in base64"),
        ("keys = [\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"]\ncolour = \"red\"", "colour"),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = format!("listen = \"127.0.0.1:0\"\nstore = \"memory:\"\n[shop]\n{key}\n");
        std::fs::write(folder.path().join("tillgate.toml"), settings).expect("written");
        let code = Process::start_with(folder.path(), &[]).err();
        assert_eq!(code, Some(Some(2)), "{key}");
        let log = std::fs::read_to_string(folder.path().join("log")).expect("a log");
        assert!(log.contains(why), "{key}: {log}");
    }
}
